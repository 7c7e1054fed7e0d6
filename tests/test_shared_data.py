"""Without the shared test data a test skips for everybody and fails only where they are required."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.mark.parametrize("required", [False, True])
def test_only_our_own_variable_makes_a_missing_folder_a_failure(
    module_at: Callable[[Path], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, required: bool
) -> None:
    conftest = module_at(Path(__file__).with_name("conftest.py"))
    monkeypatch.setenv("CI", "true")  # as every public CI has it
    monkeypatch.setenv("SSHBENCH_SHARED", str(tmp_path))
    monkeypatch.delenv("SSHBENCH_REQUIRE_SHARED", raising=False)
    if required:
        monkeypatch.setenv("SSHBENCH_REQUIRE_SHARED", "1")
    assert conftest.shared_folder() is None
    with pytest.raises(pytest.fail.Exception if required else pytest.skip.Exception, match="SSHBENCH_SHARED"):
        conftest.without_shared()


def test_our_own_ci_requires_them() -> None:
    script = (Path(__file__).parents[1] / ".ci" / "run").read_text()
    assert "export SSHBENCH_REQUIRE_SHARED=1" in script
