"""The worked example of a third party's detector: installed into an environment of its own, and run there."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "haar-profile"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the packages of this one, and the example beside them."""
    folder = tmp_path_factory.mktemp("plugin")
    venv.EnvBuilder(with_pip=False).create(folder)
    python = folder / "bin" / "python"
    if not python.exists():
        pytest.skip("environments lie otherwise on this system")
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    # addsitedir, and not a bare path: an editable install of sshbench is itself a .pth file.
    (site / "parent.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        EXAMPLE,
    )
    return python


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_is_listed_and_described(python: Path) -> None:
    listed = json.loads(run(python, "-m", "sshbench", "detectors", "list", "--json"))["detectors"]
    names = [row["name"] for row in listed]
    assert "haar-profile" in names
    assert "yunet" in names
    info = json.loads(run(python, "-m", "sshbench", "detectors", "info", "haar-profile", "--json"))
    assert info["settings"]["nms_iou"] == 0.3
    assert info["domains"]["wider"] == "unknown"


def test_the_commands_of_its_readme_work(python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (EXAMPLE / "README.md").read_text(encoding="utf-8").splitlines()
    program = ".venv-example/bin/sshbench "
    commands = [line.removeprefix(program) for line in lines if line.startswith(program)]
    assert [command.split()[0] for command in commands] == ["detectors", "eval", "report"]
    for command in commands:
        part = ["--limit", "2"] if command.startswith("eval") else []  # all images take half a minute
        run(python, "-m", "sshbench", *command.split(), *part)
    record = json.loads((tmp_path / "runs" / "haar-profile" / "metrics.json").read_text())
    assert record["images"] == 2
    assert record["metrics"]["AP/easy"] > 0.5
    assert (tmp_path / "report" / "index.html").is_file()
