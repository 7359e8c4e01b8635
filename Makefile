# Everything a user or developer types; `make` alone lists it.
SHELL := bash
.DEFAULT_GOAL := help
BIN := .venv/bin
PACKAGES := schemas ingest streams sinks dashboards infra

.PHONY: help setup run test test-influxdb2 unit integration check check-grafana check-deploy bench \
	fuzz chaos chaos-mosquitto format lock clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## installs what is missing: packages, Mosquitto, Kafka, InfluxDB
	@bash infra/setup.sh

run: setup ## the whole stack with simulated devices; Ctrl-C stops it
	@exec $(BIN)/qala up

# Four at a time on two cores: tests on real servers mostly wait. One file stays in one process,
# which has servers of its own, and the longest files begin. Where Python is told to keep no
# bytecode, as in many containers, each of some 200 processes would compile the same modules again.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder

test: setup ## all tests, those on real servers included
	$(PYTEST)

# 2.x is what users with containers get; with it missing nothing is skipped, it is built.
test-influxdb2: setup ## sinks, queries and boards on InfluxDB 2 (builds it once)
	influxd=$$(bash infra/native/influxd2.sh) && \
	QALA_TEST_INFLUXD2=$$influxd $(PYTEST) -m influxdb2

unit: setup ## tests that need no server
	$(PYTEST) -m "not integration"

integration: setup ## tests on real servers
	$(PYTEST) -m integration

check: setup ## lint, format, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-grafana: setup ## boards against Grafana's published types (needs Node.js)
	$(BIN)/python -m infra.grafana_check

check-deploy: setup ## compose.yaml and the systemd units by their own tools
	bash infra/deploy/check.sh

bench: setup ## what a reading costs, beside three peers (ten minutes)
	@$(BIN)/python -m tests.bench

# An input that breaks something is kept in .fuzz/findings, and how to see it again is printed.
fuzz: setup ## properties in depth, then SECONDS=60 of random input
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-fuzz.lock
	$(PYTEST) -m "hypothesis and not integration" --hypothesis-profile=deep --timeout=900
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

SEED = 1
SEEDS = 1
RATE = 2000
PARALLEL = 1
CHAOS := $(BIN)/python -m tests.chaos --seed $(SEED) --seeds $(SEEDS) --rate $(RATE)

chaos: setup ## kills under load; SECONDS, SEED, SEEDS, RATE, PARALLEL
	@$(CHAOS) --seconds $(or $(SECONDS),180) --parallel $(PARALLEL)

chaos-mosquitto: setup ## what a killed MQTT broker loses; SEED, SEEDS, RATE
	@$(CHAOS) --mosquitto

format: setup ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## choose the newest versions for requirements.lock
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --extra dev --output-file requirements.lock pyproject.toml
	@echo 'atheris>=3.0,<3.1' | $(BIN)/python -m uv pip compile --quiet --upgrade --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --no-annotate --constraint requirements.lock --output-file requirements-fuzz.lock -
	@for part in runtime:pyproject.toml build:-; do \
	  echo hatchling | $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --constraint requirements.lock --output-file infra/deploy/$${part%%:*}.lock $${part##*:} || exit 1; done

clean: ## removes what tools left; keeps .venv, data and servers
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .fuzz dist
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
