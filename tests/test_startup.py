"""Starting stays light: nothing heavy is imported that the command does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "cv2", "matplotlib", "pandas", "scipy.io", "onnx", "onnxruntime", "h5py", "rich", "jinja2", "sqlite3")

PROBE = """
import json, sys
sys.argv = ["sshbench", *json.loads(sys.argv[1])]
try:
    import sshbench
    if len(sys.argv) > 1:
        from sshbench.cli import main
        main()
except SystemExit as stop:
    assert not stop.code, stop.code
print(json.dumps([name for name in json.loads(sys.stdin.read()) if name in sys.modules]))
"""


def loaded(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(arguments)],
        input=json.dumps(HEAVY),
        capture_output=True,
        text=True,
        check=True,
    )
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


def test_import_loads_nothing_heavy() -> None:
    assert loaded() == []


@pytest.mark.parametrize("command", ["", "eval", "explain", "submit", "report", "data"])
def test_help_loads_nothing_heavy(command: str) -> None:
    assert loaded(*command.split(), "--help") == []


def test_eval_of_predictions_loads_nothing_heavy(shared: Path) -> None:
    wider = shared / "data" / "wider"
    arguments = ["eval", "--dataset", "wider", "--data", str(wider), "--json"]
    arguments += ["--predictions", str(wider / "predictions" / "synth_small.zip")]
    loaded(*arguments)  # fills the ground truth cache, which needs scipy.io
    assert set(loaded(*arguments)) <= {"sqlite3"}  # sqlite3 is small and part of Python
