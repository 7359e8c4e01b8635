# Everything a user or developer types; `make` alone lists it.
SHELL := bash
.DEFAULT_GOAL := help
BIN := .venv/bin
PACKAGES := schemas ingest streams sinks dashboards infra

.PHONY: help setup run test unit integration check bench format lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## .venv with qala in it, Mosquitto, Kafka, InfluxDB: installs what is missing
	@bash infra/setup.sh

run: setup ## the whole stack with simulated devices; Ctrl-C stops it
	@exec $(BIN)/qala up

# Three at a time on two cores: tests on real servers mostly wait. One file stays in one process,
# which has servers of its own, and the longest files begin.
PYTEST := $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

test: setup ## all tests, those on real servers included
	$(PYTEST)

unit: setup ## tests that need no server
	$(PYTEST) -m "not integration"

integration: setup ## tests on real servers
	$(PYTEST) -m integration

check: setup ## lint, format, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## CPU microseconds per reading of bridge, worker and sink
	@$(BIN)/python -m tests.bench.stages

format: setup ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## choose the newest versions for requirements.lock (hashes, no addresses)
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --extra dev --output-file requirements.lock pyproject.toml

clean: ## removes what tools left behind; keeps .venv, data and the native servers
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
