"""Fixtures shared by all tests: where the shared test data lie, and a cache folder of the test run's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


def shared_folder() -> Path | None:
    """The shared data folder: `SSHBENCH_SHARED`, else `../shared` beside the checkout, else None."""
    named = os.environ.get("SSHBENCH_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    return folder if (folder / "data").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared data folder; without it a test skips, but in CI (where it is always there) it fails."""
    folder = shared_folder()
    if folder is None:
        reason = "the shared test data are not here: set SSHBENCH_SHARED or put them at ../shared"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


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
