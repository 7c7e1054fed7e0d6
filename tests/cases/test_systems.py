"""Other consoles, languages, time zones and paths; and Windows, by fakes: no Windows was at hand, nothing ran there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path, PosixPath

import numpy as np
import pytest
from filelock import FileLock, Timeout

from sshbench import files
from sshbench.files import FileTree, atomic_file, safe_name
from sshbench.images import read_image

ROOT = Path(__file__).parents[2]
WIDER = ROOT / "tests" / "golden" / "wider"
ORDINARY = WIDER / "predictions" / "ordinary.zip"
EVAL = ["eval", "--dataset", "wider", "--data", str(WIDER / "ground_truth"), "--predictions", str(ORDINARY)]
PLACE = "Bilder und Fotos/写真 фото å"
"""Blanks, letters outside of latin-1, and one that two consoles lack."""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run sshbench in a process of its own; its output as bytes."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    command = [sys.executable, "-m", "sshbench", *arguments]
    return subprocess.run(command, env={**own, **environment}, capture_output=True, check=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the golden submission, below a path that no single console can show."""
    folder = tmp_path_factory.mktemp("cases") / PLACE
    folder.mkdir(parents=True)
    (folder / "Vorhersagen ü.zip").write_bytes(ORDINARY.read_bytes())
    return folder


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
@pytest.mark.parametrize(
    "arguments",
    [["protocols", "list"], ["protocols", "show", "wider"], ["detectors", "list"], ["--help"], EVAL],
    ids=lambda words: " ".join(words[:2]),
)
def test_every_console_shows_tables_and_texts(encoding: str, arguments: list[str]) -> None:
    done = run(*arguments, PYTHONIOENCODING=encoding, LC_ALL="POSIX")
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding)
    assert "Traceback" not in text + done.stderr.decode(encoding)
    assert len(text) > 100


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_path_that_the_console_lacks(place: Path, encoding: str) -> None:
    predictions, out = place / "Vorhersagen ü.zip", place / f"Lauf {encoding}"
    arguments = [*EVAL[:-1], str(predictions), "-o", str(out), "--no-intervals"]
    done = run(*arguments, PYTHONIOENCODING=encoding, PYTHONUTF8="1")
    assert done.returncode == 0, done.stderr
    assert b"Bilder und Fotos/" in done.stdout
    assert json.loads((out / "metrics.json").read_text(encoding="utf-8"))["dataset"] == "wider"
    again = run("table", str(out), "--format", "csv", PYTHONIOENCODING=encoding, PYTHONUTF8="1")
    assert again.returncode == 0, again.stderr
    missing = run(*EVAL[:-1], str(place / "fehlt ü.zip"), PYTHONIOENCODING=encoding, PYTHONUTF8="1")
    assert missing.returncode == 2
    assert b"does not exist" in missing.stderr
    assert b"Traceback" not in missing.stderr


def test_output_for_machines_is_the_same_everywhere(place: Path) -> None:
    """JSON on every console, in every time zone and language: only the time of the measurement differs."""
    arguments = [*EVAL[:-1], str(place / "Vorhersagen ü.zip"), "--json"]
    plain = run(*arguments, PYTHONIOENCODING="utf-8")
    assert plain.returncode == 0, plain.stderr
    expected = json.loads(plain.stdout)
    for environment in (
        {"TZ": "Pacific/Kiritimati", "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8"},
        {"TZ": "America/St_Johns", "LANG": "de_DE.ISO-8859-1", "LC_NUMERIC": "de_DE"},
        {"TZ": "UTC", "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "1"},
    ):
        done = run(*arguments, PYTHONIOENCODING="utf-8", **environment)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert {**found, "seconds": 0} == {**expected, "seconds": 0}
    for encoding in ("ascii", "latin-1", "cp437"):
        done = run(*arguments, PYTHONIOENCODING=encoding, PYTHONUTF8="1")
        assert {**json.loads(done.stdout.decode("ascii")), "seconds": 0} == {**expected, "seconds": 0}


def test_images_below_such_a_path_are_read_and_written(place: Path) -> None:
    image = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
    import cv2

    path = place / "Gesicht ß.png"
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    assert read_image(path).shape == (48, 64, 3)
    done = run("detect", str(path), "-o", str(place / "aus"), "--detector", "haar", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert [one.name for one in (place / "aus").rglob("*.json")] != []


# Windows, by fakes. Only read, and seen to be asked for before use: time limits in the main thread (`guard.limited`,
# POSIX signals), memory limits (module `resource`), pinning of threads (`sched_setaffinity`), syncing of folders.


class _HeldOpen(PosixPath):
    """A file whose replacement another process prevents, as on Windows while it has the old file open."""

    refusals = 0

    def replace(self, target: object) -> PosixPath:  # type: ignore[override]
        if type(self).refusals > 0:
            type(self).refusals -= 1
            raise PermissionError(13, "The process cannot access the file")
        return super().replace(target)  # type: ignore[arg-type]


@pytest.mark.parametrize(("refusals", "written"), [(0, True), (3, True), (50, False)])
def test_windows_a_file_that_a_reader_has_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: int, written: bool
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("os.name", "nt")
    monkeypatch.setattr("time.sleep", waited.append)
    path = _HeldOpen(tmp_path / "metrics.json")
    path.write_bytes(b"old")
    _HeldOpen.refusals = refusals
    if written:
        with atomic_file(path) as file:
            file.write(b"new")
    else:
        with pytest.raises(PermissionError), atomic_file(path) as file:
            file.write(b"new")
    monkeypatch.undo()
    assert path.read_bytes() == (b"new" if written else b"old")
    assert [one.name for one in tmp_path.iterdir()] == ["metrics.json"]
    assert len(waited) == min(refusals, 5)


def test_elsewhere_a_file_that_cannot_be_replaced_is_an_error_at_once(tmp_path: Path) -> None:
    path = _HeldOpen(tmp_path / "metrics.json")
    _HeldOpen.refusals = 1
    with pytest.raises(PermissionError), atomic_file(path) as file:
        file.write(b"new")
    assert list(tmp_path.iterdir()) == []


def test_windows_files_are_read_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows opens a descriptor as text unless told otherwise; the flag is an unused one here."""
    flags: list[int] = []
    real = os.open

    def opened(path: str, flag: int) -> int:
        flags.append(flag)
        return real(path, os.O_RDONLY)

    monkeypatch.setattr(files, "_BINARY", 0x8000)
    monkeypatch.setattr("os.open", opened)
    (tmp_path / "a.txt").write_bytes(b"a\r\n1\r\n\x1a")
    assert FileTree(tmp_path).read_all(["a.txt"])(0) == b"a\r\n1\r\n\x1a"
    assert flags == [os.O_RDONLY | 0x8000]


@pytest.mark.parametrize("name", ["con", "NUL", "Aux.onnx", "com1", "LPT9.txt", "com¹"])
def test_windows_no_file_has_the_name_of_a_device(name: str) -> None:
    assert safe_name(name) == f"-{name}"


@pytest.mark.parametrize(
    ("name", "safe"), [("v1.", "v1"), ("v1. .", "v1"), ("a:b*c?d|e<f>g", "a-b-c-d-e-f-g"), (". ", "unnamed")]
)
def test_windows_names_are_kept_as_they_are_given(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_lock_that_another_process_holds_is_seen_and_needs_no_deleting(tmp_path: Path) -> None:
    """The lock is the library's, which has one for Windows; the lock file stays, since Windows deletes no open file."""
    lock = tmp_path / "写真" / ".lock"
    lock.parent.mkdir()
    code = "import sys; from filelock import FileLock\nwith FileLock(sys.argv[1]): print('held', flush=True), input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Timeout):
            FileLock(lock).acquire(timeout=0)
        holder.communicate(b"\n")
    with FileLock(lock).acquire(timeout=10):
        pass
