# Two commands matter: `make demo` and `make test`. The rest helps.

PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate --quiet
ALL_EXTRAS := --extra codecs --extra dask --extra languages --extra local --extra screenshots --extra dev

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-12s %s\n", $$1, $$2}'

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Python 3.11 to 3.13 is needed; run make PYTHON=python3.12"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Without it Prefect's client would write to ~/.prefect. It creates this folder, but not its parent.
demo up down screenshots: export PREFECT_HOME = $(CURDIR)/.local/prefect
demo up down screenshots: | .local

.local:
	@mkdir $@

demo: .venv/installed ## Run every main flow on this machine with real servers, then stop them
	$(BIN)/python -m local demo

up: .venv/installed ## Start the local stack and print the address of the Prefect UI
	$(BIN)/python -m local up

down: .venv/installed ## Stop the local stack; data stays in .local/
	$(BIN)/python -m local down

screenshots: .venv/installed ## Run everything once and take screenshots of the Prefect UI; needs Chromium
	$(BIN)/python -m local screenshots

# As in production: many small matrix products take five times as long on several threads.
test test-all test-fast image-test: export OPENBLAS_NUM_THREADS = 1
# By file, because a file shares its servers; in order, because those that wait most come first.
PARALLEL := --numprocesses logical --dist loadfile --no-loadscope-reorder

test: .venv/installed ## All tests but the slow ones, or TESTS="tests/flows ..."; needs no network
	$(BIN)/pytest $(PARALLEL) -m "not slow and not image" $(TESTS)

test-all: .venv/installed ## Every test, those included that kill, wait or soak
	$(BIN)/pytest $(PARALLEL) -m "not image" $(TESTS)

test-fast: .venv/installed ## The tests that need no server
	$(BIN)/pytest $(PARALLEL) tests/policy tests/speech tests/schema tests/reports tests/settings tests/docs

image-test: .venv/installed ## Build the image and run it; needs Debian with buildah and podman, root, and the network
	$(BIN)/pytest -m image tests/deployments

audit: .venv/installed ## Look for known vulnerabilities in the locked packages
	$(BIN)/python -m deployments.audit

check: .venv/installed audit ## Run formatter, linters, type checker and all other checks except tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m deployments.check
	$(BIN)/python -m deployments.flow_reference --check
	$(BIN)/python -m local.check_schema
	@cp requirements.lock .venv/all.lock && cp deployments/requirements.lock .venv/production.lock
	@$(COMPILE) $(ALL_EXTRAS) --output-file .venv/all.lock
	@$(COMPILE) --extra codecs --extra dask --extra languages --constraint requirements.lock --output-file .venv/production.lock
	@diff -u requirements.lock .venv/all.lock && diff -u deployments/requirements.lock .venv/production.lock \
		|| { echo "A lock file is out of date: run make lock."; exit 1; }

format: .venv/installed ## Format the code and apply automatic fixes
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: ## Regenerate both lock files from pyproject.toml
	$(COMPILE) $(ALL_EXTRAS) --output-file requirements.lock
	$(COMPILE) --extra codecs --extra dask --extra languages --constraint requirements.lock --output-file deployments/requirements.lock

.PHONY: help install demo up down screenshots test test-all test-fast image-test audit check format lock
