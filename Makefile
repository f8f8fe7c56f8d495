# Works with make 3.81 and a POSIX shell. `make` alone prints what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help run demo test check fmt lock docs i18n bench chaos setup setup-dev clean

help: ## Print the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /	/' | sort

run: setup ## Set everything up and serve the product on http://127.0.0.1:8000
	@exec $(BIN)/python -m app

demo: setup ## The same, on twelve months of made-up data
	@exec env INSTANCE_DIR=instance/demo $(BIN)/python -m app demo

test: setup-dev ## Set everything up and run every test, browser included
	@$(BIN)/python -m pytest -q -n auto

check: setup-dev ## Formats, lint, types, layers, schema, catalogues, generated files
	@$(BIN)/python -m tools.check

fmt: setup-dev ## Format the code
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix-only .

docs: setup-dev ## Write the generated files again: settings, OpenAPI
	@$(BIN)/python -m tools.generate

i18n: setup-dev ## Collect and compile the Chinese catalogue
	@$(BIN)/python -m tools.catalog

bench: setup-dev ## Run every benchmark; bench-NAME runs one
	@$(BIN)/python -m bench all

bench-%: setup-dev
	@$(BIN)/python -m bench $*

chaos: setup-dev ## Kill every process, 30 times, while money moves: nothing lost, nothing twice
	@$(BIN)/python -m bench chaos

lock: $(BIN)/uv ## Resolve the dependencies again into the hashed lock files
	$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-header -q -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header -q -o requirements-dev.lock

clean: ## Remove the environment; data in instance/ stays
	rm -rf $(VENV)

setup: $(VENV)/.run
	@sh tools/system.sh pango

setup-dev: $(VENV)/.dev
	@sh tools/system.sh pango chromium

$(BIN)/uv:
	@sh tools/system.sh venv "$(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check 'uv==0.13.8'

$(VENV)/.run: requirements.lock $(BIN)/uv
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(BIN)/uv
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/.run
