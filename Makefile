PYTHON ?= python3
PORT ?= 8080
LOCK = .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-config \
	--custom-compile-command "make lock"

help: ## print what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

run: .venv/runtime ## serve the app on http://localhost:8080
	@.venv/bin/flask run --port $(PORT)

test: .venv/dev ## run the tests; those of the image need a Docker Engine
	.venv/bin/pytest --numprocesses=3 --dist=loadfile

test-image: .venv/dev ## test any image: make test-image IMAGE=name PATHS="/ /login" OPTIONS="--env=KEY=x"
	@docker image inspect "$(or $(IMAGE),$(error name the image: IMAGE=...))" > /dev/null
	@REQUIRE_DOCKER=1 PYTHONPATH=tests .venv/bin/pytest -p no:terminal -p claims \
		--override-ini=addopts= --capture=no --assert=plain --image="$(IMAGE)" \
		--paths="$(or $(PATHS),/)" --options="$(OPTIONS)" tests/test_image.py

lint: .venv/dev .venv/tools ## check code, scripts, Dockerfiles, workflows, the manifest
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	@# A cd or a RUN more is plainer than what these three ask for, and Debian's sh has no pipefail.
	.venv/bin/hadolint --ignore=DL3003 --ignore=DL3059 --ignore=DL4006 $$(git ls-files "*Dockerfile")
	.venv/bin/shellcheck $$(git grep --files-with-matches '^#!.*sh$$' -- ':!*.py')
	.venv/bin/kubernetes-validate --strict --quiet deploy/kubernetes.yaml
	.venv/bin/zizmor --no-progress --quiet --offline --pedantic .github

lock: .venv/tools ## pin the newest releases of everything, by hash
	$(LOCK) pyproject.toml --output-file requirements/runtime.txt
	.venv/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(LOCK) - --group build --output-file requirements/build.txt
	$(LOCK) pyproject.toml requirements/build.txt --group dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	$(LOCK) --group tools --constraint requirements/dev.txt --output-file requirements/tools.txt
	$(LOCK) --group bench --constraint requirements/dev.txt --output-file requirements/bench.txt

reproduce: .venv/dev ## build both images twice, and compare their digests
	@.venv/bin/pytest --quiet --capture=no tests/test_release.py -k same_layers

verify: ## rebuild a release and compare it: make verify IMAGE=name@sha256:...
	@release/verify "$$IMAGE"

bench: .venv/tools ## measure the images beside what they replace, and write the figures
	@.venv/bin/python benchmarks/bench.py

# One environment, into which each command installs what it needs and no more.
.venv/%: requirements/%.txt | .venv/bin/pip
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"Python 3.11 or newer is needed, and $(PYTHON) is %d.%d: name another with make PYTHON=..." % sys.version_info[:2])'
	$(PYTHON) -m venv .venv

.PHONY: help run test test-image lint lock reproduce verify bench
