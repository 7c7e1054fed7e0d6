# Two commands for a newcomer: `make demo` (the main job, on the bundled sample) and `make test`.
# Both set up everything they need in .venv, from exact versions: requirements.lock, and for tests requirements-ssh.lock.

PYTHON ?= python3
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := .venv/$(SCRIPTS)
PIP := -m pip install --quiet --disable-pip-version-check
READY := .venv/.ready
READY_SSH := .venv/.ready-ssh
READY_DOCS := .venv/.ready-docs

.PHONY: demo test lint bench docs lowest newest torch package release-check clean

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

# The documentation, into site/: strict, offline, every link checked.
docs: $(READY_DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	$(BIN)/python scripts/check_site.py site

# What every supported environment must pass, with sshbench as pip installs it: the official tools' outputs on the golden
# sets, the readers, and the demo.
GOLDEN := tests/evaluators tests/formats tests/evaluation tests/test_public.py
TEST_TOOLS := "pytest>=8.3" "pytest-benchmark>=5.1" "pytest-xdist>=3.6" "hypothesis>=6.120" "jsonschema>=4.20" "h5py>=3.11"

# The oldest versions that pyproject allows, and the newest that are to be had; old libraries warn of new ones.
lowest newest: %: clean-%
	$(PYTHON) -m venv .venv-$@
	$(PYTHON) scripts/lowest.py > .venv-$@/lowest.txt
	.venv-$@/$(SCRIPTS)/python $(PIP) $(if $(filter lowest,$@),--constraint .venv-$@/lowest.txt) . $(TEST_TOOLS)
	.venv-$@/$(SCRIPTS)/sshbench doctor
	.venv-$@/$(SCRIPTS)/pytest -W default -n 2 $(GOLDEN)
	.venv-$@/$(SCRIPTS)/sshbench demo --out .venv-$@/demo

# Another version of PyTorch: make torch TORCH=torch==2.6.0
TORCH ?= torch>=2.6,<3
torch: clean-torch
	$(PYTHON) -m venv .venv-torch
	.venv-torch/$(SCRIPTS)/python $(PIP) . "$(TORCH)" $(TEST_TOOLS)
	.venv-torch/$(SCRIPTS)/pytest -W default -n 2 tests/ssh tests/training

clean-%:
	rm -rf .venv-$*

# Wheel and sdist, as a release has them; the wheel works in an environment of its own.
package:
	rm -rf dist .venv-package
	$(PYTHON) -m venv .venv-package
	.venv-package/$(SCRIPTS)/python $(PIP) build twine
	.venv-package/$(SCRIPTS)/python -m build
	.venv-package/$(SCRIPTS)/twine check --strict dist/*
	$(PYTHON) -m venv --clear .venv-package
	.venv-package/$(SCRIPTS)/python $(PIP) dist/*.whl
	.venv-package/$(SCRIPTS)/sshbench doctor
	.venv-package/$(SCRIPTS)/sshbench demo --out .venv-package/demo

# What a release must not have: a version between tags, a changelog without it, a placeholder for the repository's owner.
release-check: package
	$(PYTHON) scripts/release_check.py

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("sshbench needs Python 3.11 or newer; set PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP) --requirement requirements.lock
	$(BIN)/python $(PIP) --no-deps --no-build-isolation --editable .
	touch $@

$(READY_SSH): $(READY) requirements-ssh.lock
	$(BIN)/python $(PIP) --requirement requirements-ssh.lock
	touch $@

$(READY_DOCS): $(READY) requirements-docs.lock
	$(BIN)/python $(PIP) --requirement requirements-docs.lock
	touch $@

clean:
	rm -rf .venv .venv-lowest .venv-newest .venv-torch .venv-package demo site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
