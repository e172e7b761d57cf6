# `make demo` and `make test` need git, make and Python 3.11 or later with
# venv; each makes what it needs of the environment in .venv and reuses it.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	>/dev/null 2>&1 && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: demo test lint mypy docs unit bench faults cover clean

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later with venv is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: $(VENV)/pyvenv.cfg setup.cfg
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/test.stamp: $(VENV)/pyvenv.cfg setup.cfg
	$(BIN)/python -m pip install --quiet --editable '.[test,docs]'
	@touch $@ $(VENV)/demo.stamp

demo: $(VENV)/demo.stamp
	@$(BIN)/python -m demo

test: lint mypy docs unit

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

mypy: $(VENV)/test.stamp
	$(BIN)/mypy

docs: $(VENV)/test.stamp
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

unit: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal \
		-m 'not slow and not bench and not faults'

bench: $(VENV)/test.stamp
	$(BIN)/python -m tests.bench

faults: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'faults or sweep' \
		--outcomes docs/contributor/outcomes.csv tests/faults

cover: $(VENV)/test.stamp
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS) --dist worksteal \
		-m 'not slow and not bench and not faults'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

clean:
	rm -rf $(VENV) .tox build dist docs/_build ibmvirt.conf.sample *.egg-info
