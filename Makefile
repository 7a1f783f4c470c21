PYTHON ?= python3
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-config \
	--custom-compile-command "make lock"

help: ## print what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

run: .venv/ready ## serve the app on http://localhost:8080
	@.venv/bin/flask run

test: .venv/ready lint ## run the tests; those of the image need a Docker Engine
	.venv/bin/pytest

lint: .venv/ready ## check the style of the code and of the Dockerfile
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/hadolint Dockerfile

lock: .venv/ready ## pin the newest releases of everything, by hash
	$(LOCK) --upgrade pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) --upgrade --group build --output-file requirements/build.txt
	$(LOCK) --upgrade pyproject.toml --group build --group dev --output-file requirements/dev.txt \
		--constraint requirements/runtime.txt --constraint requirements/build.txt

image: ## build the image
	docker build -t hello .

bench: .venv/ready ## measure the image beside what it replaces, and write README's table
	.venv/bin/python benchmarks/bench.py

.venv/ready: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"Python 3.11 or newer is needed, and $(PYTHON) is %d.%d: name another with make PYTHON=..." % sys.version_info[:2])'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@touch $@

.PHONY: help run test lint lock image bench
