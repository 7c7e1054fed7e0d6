"""Fixtures shared by all tests: where the shared test data lie, and a cache folder of the test run's own."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest
from hypothesis import settings

# Before a library starts its threads: many small matrices are slower with two threads than with one.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

THOROUGH = os.environ.get("SSHBENCH_REQUIRE_SHARED") == "1"
"""Our own CI: more examples of every property, more kills, and no test without its data."""

settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile("thorough" if THOROUGH else "quick")


def shared_folder() -> Path | None:
    """The shared data folder: `SSHBENCH_SHARED`, else `../shared` beside the checkout, else None."""
    named = os.environ.get("SSHBENCH_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    return folder if (folder / "data").is_dir() else None


def without_shared() -> NoReturn:
    """Skip the test, or fail it under `SSHBENCH_REQUIRE_SHARED=1`, so that no run of ours passes without these data.

    `CI=true` decides nothing: a public CI sets it too, and has no shared data.
    """
    reason = "the shared test data are missing: set SSHBENCH_SHARED or put them at ../shared"
    if os.environ.get("SSHBENCH_REQUIRE_SHARED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect benchmarks only where they are asked for."""
    asked = any("benchmarks" in argument for argument in config.args)
    return True if collection_path.name == "benchmarks" and not asked else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs the shared data where these are not at hand, and what only our own CI runs.

    A test that is named on the command line (`file.py::test`) runs anyway. The summary says how many are left out.
    """
    if THOROUGH:
        return
    named = any("::" in argument for argument in config.args)
    long = [] if named else [item for item in items if item.get_closest_marker("thorough")]
    unfed = [] if shared_folder() else [item for item in items if _needs_shared(item)]
    left_out = {*long, *unfed}
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))
    config.stash[LEFT_OUT] = counts = (len(unfed), len(left_out) - len(unfed))
    if hasattr(config, "workeroutput"):  # one of several processes: it collects, another one prints the summary
        config.workeroutput["left_out"] = counts


def _needs_shared(item: pytest.Item) -> bool:
    return "shared" in getattr(item, "fixturenames", ()) or item.get_closest_marker("shared") is not None


LEFT_OUT = pytest.StashKey[tuple[int, int]]()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist says of itself."""
    node.config.stash[LEFT_OUT] = tuple(getattr(node, "workeroutput", {}).get("left_out", (0, 0)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out, and how to run it."""
    unfed, long = config.stash.get(LEFT_OUT, (0, 0))
    if unfed:
        text = f"{unfed} tests on whole benchmarks were left out: set SSHBENCH_SHARED to the folder of the shared data"
        terminalreporter.write_line(text)
    if long:
        terminalreporter.write_line(f"{long} long tests were left out: name a test to run it (file.py::test)")


@pytest.fixture(scope="session")
def thorough() -> bool:
    """Whether to repeat more often, as our own CI does."""
    return THOROUGH


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the shared data folder; without it a test skips or fails."""
    return shared_folder() or without_shared()


@pytest.fixture(scope="session")
def module_at() -> Callable[[Path], ModuleType]:
    """A module by its path: what the tests compare with is no part of the package."""

    def load(path: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests neither read nor fill the user's caches."""
    os.environ["SSHBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def _quick_figures() -> Iterator[None]:
    """Draw the figures of a quick run once: fitting their layout draws them twice more."""
    with pytest.MonkeyPatch.context() as patch:
        if not THOROUGH:
            patch.setattr("matplotlib.figure.Figure.set_layout_engine", lambda *_, **__: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _known_matlab_files() -> Iterator[None]:
    """Read MATLAB files in a quick run without trying them in a process of their own before."""
    with pytest.MonkeyPatch.context() as patch:
        if not THOROUGH:
            patch.setattr("sshbench.formats.matlab._check", lambda content: None)
        yield


@pytest.fixture
def sshbench(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """The command line as a function of its arguments, run in this process: exit code, stdout, stderr."""
    from sshbench.cli import main

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["sshbench", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return (0 if code is None else int(str(code))), captured.out, captured.err

    return call
