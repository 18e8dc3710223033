# PYTHON: the interpreter that makes the virtual environment, 3.11 or 3.12.
# VENV: where it lies. JOBS: test processes.
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev

.PHONY: help demo results test test-all coverage check format lint types imports wheel clean

help:
	@echo "make demo      install, then train, evaluate and compare on generated houses"
	@echo "make results   draw docs/results.md from what the experiments have measured"
	@echo "make test      the default tests"
	@echo "make test-all  the slow tests too"
	@echo "make coverage  the default tests, with the branches that they leave out"
	@echo "make check     formatting, lint, types, import rules, wheel"
	@echo "make clean     remove what was built; the virtual environment and runs/ stay"

# Where the venv module fails it leaves a python behind, which would count as made the next time.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || { \
		echo "$(PYTHON) is not Python 3.11 or 3.12. Name one, e.g.: make PYTHON=python3.12" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -f $@; exit 1; }

# torch alone and first: it is the largest part, and pip then settles the rest around it.
$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) torch
	$(PIP) --editable .
	@touch $@

$(DEV): $(RUNTIME)
	$(PIP) --editable '.[dev]'
	@touch $@

# A finished run prints its table again; an interrupted one goes on.
demo: $(RUNTIME)
	$(BIN)/oreo-agent train alfworld --preset demo --out runs/demo --resume

results: $(RUNTIME)
	$(BIN)/python -m experiments.results

test: $(DEV)
	$(BIN)/pytest -n $(JOBS)

test-all: $(DEV)
	$(BIN)/pytest -n $(JOBS) -m "slow or not slow"

coverage: $(DEV)
	$(BIN)/pytest -n $(JOBS) --cov --cov-report=term-missing:skip-covered

check: format lint types imports wheel

format: $(DEV)
	$(BIN)/ruff format --check

lint: $(DEV)
	$(BIN)/ruff check

types: $(DEV)
	$(BIN)/mypy

imports: $(DEV)
	$(BIN)/lint-imports

# Builds sdist and wheel, installs the wheel elsewhere, and runs it there.
wheel: $(DEV)
	$(BIN)/pytest -m slow tests/test_packaging.py

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
