PYTHON ?= python3
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-config \
	--custom-compile-command "make lock"

help: ## print what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

run: .venv/ready ## serve the app on http://localhost:8080
	@.venv/bin/flask run

test: .venv/ready lint ## run the tests; those of the image need a Docker Engine
	.venv/bin/pytest

lint: .venv/ready ## check the style of the code and of the Dockerfiles
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/hadolint Dockerfile benchmarks/*.Dockerfile

lock: .venv/ready ## pin the newest releases of everything, by hash
	$(LOCK) --upgrade pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) --upgrade --group build --output-file requirements/build.txt
	$(LOCK) --upgrade pyproject.toml --group build --group dev --output-file requirements/dev.txt \
		--constraint requirements/runtime.txt --constraint requirements/build.txt
	$(LOCK) --upgrade --group bench --output-file requirements/bench.txt --constraint requirements/dev.txt
	$(LOCK) --upgrade pyproject.toml --group servers --output-file requirements/servers.txt \
		--constraint requirements/runtime.txt

image: ## build the image
	docker build -t hello .

bare: ## build the image from scratch
	docker build --target bare -t hello:bare .

reproduce: .venv/ready ## build the wheel and both images twice, and compare them to the byte
	@tests/reproduce

sbom: .venv/ready ## list the parts of both images, in CycloneDX, in dist/
	@mkdir -p dist
	@for image in runtime bare; do \
		docker build --quiet --provenance=false --target $$image --output type=oci,dest=dist/$$image.tar . && \
		SYFT_CHECK_FOR_APP_UPDATE=false .venv/bin/syft scan --quiet oci-archive:dist/$$image.tar \
			--source-name hello-$$image --output cyclonedx-json=dist/$$image.cdx.json || exit 1; \
	done

bench: .venv/bench ## measure the image beside what it replaces, in some 14 minutes, and write README's figures
	@.venv/bin/python benchmarks/bench.py

.venv/ready: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"Python 3.11 or newer is needed, and $(PYTHON) is %d.%d: name another with make PYTHON=..." % sys.version_info[:2])'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@touch $@

.venv/bench: .venv/ready requirements/bench.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/bench.txt
	@touch $@

.PHONY: help run test lint lock image bare reproduce sbom bench
