# `make demo` and `make test` are all that a newcomer needs; both set up what they use.
# Needs git, make and Python 3.11 to 3.13; no root, no containers.

PYTHON ?= python3
UV := .tools/bin/uv
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo quick test hunt hunt-sql lint docs format bench sigterm lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## Install the locked development environment into .venv

$(UV): requirements/uv.txt
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Python 3.11 to 3.13 is needed; name one with make PYTHON=…"'
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.installed: requirements/dev.txt pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: setup ## Build a small shop five times against the server: what is reused, what is rebuilt, and why
	$(BIN)/python -m example_project.demo $(ARGS)

quick: setup ## Run the tests that start no process, emulator or database: about a minute
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not (process or emulator or database or client)" $(ARGS)

test: setup ## Run every test: pure, contract, and end to end with the real client on a real PostgreSQL
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

hunt: setup ## Hunt false skips with random histories: SEED=1 or SEEDS=1-20, STEPS=50
	$(BIN)/python -m tests.e2e.hunt --seeds $(or $(SEEDS),$(SEED),1) --steps $(or $(STEPS),50) $(ARGS)

hunt-sql: setup ## Hunt queries that share a fingerprint and differ on PostgreSQL: SEED=1 or SEEDS=1-20, PAIRS=5000
	$(BIN)/python -m tests.e2e.sql_hunt --seeds $(or $(SEEDS),$(SEED),1) --pairs $(or $(PAIRS),5000) $(ARGS)

lint: setup ## Formatting, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests bench example_project
	$(BIN)/lint-imports

docs: setup ## Render the pages of docs/ that are made from the code
	$(BIN)/python -m tests.agreement.settings_page

format: setup ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## Measure the hot path as ratios within one run, and count the requests to an object store
	$(BIN)/python bench/hot_path.py
	$(BIN)/python bench/store_requests.py

sigterm: setup ## Send SIGTERMs to servers under load and count failed calls: SIGNALS=200, ARGS="--replicas 2"
	$(BIN)/python bench/sigterm.py --signals $(or $(SIGNALS),200) $(ARGS)

lock: | $(UV) ## Resolve the dependencies anew and rewrite requirements/*.txt with their hashes
	$(UV) pip compile --quiet --upgrade pyproject.toml --extra all --extra operator --group dev $(LOCK) -o requirements/dev.txt
	$(UV) pip compile --quiet pyproject.toml --group demo $(LOCK) -c requirements/dev.txt -o requirements/demo.txt
	$(UV) pip compile --quiet pyproject.toml --extra all $(LOCK) -c requirements/dev.txt -o requirements/server.txt

LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

clean: ## Remove what the other commands installed and cached
	rm -rf .venv .tools .envs .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
