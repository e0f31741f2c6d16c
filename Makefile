# Everything here starts from a bare python3 with venv and pip: each target works as the first command in a fresh clone.
# What gets installed is what requirements/*.txt pin by hash, from whichever index pip is set up to use.

# The tests start hundreds of servers; each would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

# Wheels only: building a source distribution would download build tools that nothing pins.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
LOCKED      := $(PIP_INSTALL) --require-hashes --only-binary :all: -r
EDITABLE    := $(PIP_INSTALL) --no-deps --no-build-isolation --no-index --editable .

# Without what comes with other packages, is of no use to our tests, and costs each of them something.
PYTEST   := $(BIN)/python -m pytest -p no:anyio -p no:faker -p no:logging -p no:schemathesis
# More than there are cores, since most tests wait most of the time.  Tests of one file share servers, so they stay together.
AT_ONCE  ?= 4

# One stamp for each lock file, so that they share .venv and a second run installs nothing.
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo install test test-long crash check format bench lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: $(STAMP)-server ## broker, recorded events playing and a subscriber printing them, until Ctrl-C
	@$(BIN)/heliograph demo $(ARGS)

install: $(STAMP)-all ## .venv/bin/heliograph with all extras
	@$(BIN)/heliograph --version

test: $(STAMP)-dev ## all tests, under 5 minutes (ARGS="-k name" to choose, AT_ONCE=0 one after the other)
	$(PYTEST) --dist loadfile --no-loadscope-reorder --numprocesses $(AT_ONCE) $(ARGS)

test-long: $(STAMP)-dev ## all tests with their full sample counts
	$(PYTEST) --run-long $(ARGS)

crash: $(STAMP)-dev ## the server killed 200 times under load, and all other crash tests with their full counts
	$(PYTEST) --run-long $(ARGS) tests/crash

check: $(STAMP)-dev ## format, lint, types, tidy and unit tests, under 60 s
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) --hypothesis-profile quick --quiet --dist worksteal --numprocesses 3 tests/test_tidy.py tests/unit

format: $(STAMP)-dev ## write the format, and the lint fixes that are safe
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(STAMP)-server ## our rates beside RabbitMQ's and NATS's, where those are installed
	benches/versus.sh $(ARGS)

# uv reads the index from its own settings and writes none of it down.  Pins stay as they are
# where they still fit; `make lock ARGS=--upgrade` renews them.
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--only-binary :all: --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock' $(ARGS)

lock: $(STAMP)-lock ## requirements/*.txt again, after a change of pyproject.toml
	$(UV_COMPILE) pyproject.toml --group build --extra server -o requirements/server.txt
	$(UV_COMPILE) pyproject.toml --group build --extra all -c requirements/server.txt -o requirements/all.txt
	$(UV_COMPILE) pyproject.toml --group build --extra all --group test --group check --group bench \
		-c requirements/all.txt -o requirements/dev.txt
	$(UV_COMPILE) --group lock -o requirements/lock.txt

clean: ## remove .venv and what the tools leave behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist

NEEDS := heliograph needs Python 3.11 or newer
OTHER := Name another: make PYTHON=/path/to/python3

$(STAMP)-venv:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "$(NEEDS); there is no $(PYTHON). $(OTHER)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(NEEDS); $(PYTHON) is $$($(PYTHON) --version). $(OTHER)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(STAMP)-server $(STAMP)-all $(STAMP)-dev: $(STAMP)-%: requirements/%.txt pyproject.toml | $(STAMP)-venv
	@echo "Installing requirements/$*.txt into $(VENV)"
	@$(LOCKED) requirements/$*.txt
	@$(EDITABLE)
	@touch $@

$(STAMP)-lock: requirements/lock.txt | $(STAMP)-venv
	@$(LOCKED) requirements/lock.txt
	@touch $@
