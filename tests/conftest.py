"""Fixtures shared by all tests: where the shared test data lie, and a cache folder of the test run's own."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest


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
