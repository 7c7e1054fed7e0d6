# Two commands for a newcomer: `make demo` (the main job, on the bundled sample) and `make test`.
# Both set up everything they need in .venv, from the exact versions in requirements.lock.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint bench sample clean

demo: $(READY)
	$(BIN)/sshbench demo --out demo

test: $(READY)
	$(BIN)/pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/pytest tests/benchmarks --benchmark-only

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("sshbench needs Python 3.11 or newer; set PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf .venv demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
