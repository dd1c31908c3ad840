# The door to everything. `make` alone prints what there is.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .uv/bin/uv
BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help setup serve demo test test-fast lint format bench clean

help: ## Print this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(READY) ## Make the virtual environment with everything in uv.lock

$(READY): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Braketeer needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(UV) || { $(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	$(UV) sync --quiet --locked --all-extras --compile-bytecode --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@$(BIN)/python -m compileall -q src
	@touch $(READY)

serve: $(READY) ## Run the service in the foreground
	$(BIN)/braketeer serve

demo: $(READY) ## Run the main job from an empty data directory to its result
	$(BIN)/braketeer demo

test: $(READY) ## Run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests

test-fast: $(READY) ## Run the tests that need no service process
	$(BIN)/python -m pytest -n 2 tests/unit tests/contract

lint: $(READY) ## Check style, types and who may know whom
	$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --diff . 2>&1 | head -40; exit 1; }
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY) ## Format the code and sort imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## Measure speed and memory; writes docs/performance.md (SECTIONS="engines large": only those)
	$(UV) sync --quiet --locked --all-extras --group bench
	$(BIN)/python -m benchmarks $(SECTIONS)

clean: ## Remove the environments and the tools' caches
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
