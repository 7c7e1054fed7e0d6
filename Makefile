# Two commands for a newcomer: `make demo` (the main job, on the bundled sample) and `make test`.
# Both set up everything they need in .venv, from exact versions: requirements.lock, and for tests requirements-ssh.lock.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
READY_SSH := .venv/.ready-ssh

.PHONY: demo test lint bench sample clean

demo: $(READY)
	$(BIN)/sshbench demo --out demo

test: $(READY_SSH)
	$(BIN)/pytest -n auto --maxprocesses 8 --dist worksteal

lint: $(READY_SSH)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY_SSH)
	$(BIN)/pytest tests/benchmarks --benchmark-only

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("sshbench needs Python 3.11 or newer; set PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(READY_SSH): $(READY) requirements-ssh.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-ssh.lock
	touch $@

clean:
	rm -rf .venv demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks

# The documentation, into site/: strict, offline, every link checked.
READY_DOCS := .venv/.ready-docs
.PHONY: docs clean-site
docs: $(READY_DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	$(BIN)/python scripts/check_site.py site

$(READY_DOCS): $(READY) requirements-docs.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-docs.lock
	touch $@

clean: clean-site
clean-site:
	rm -rf site
