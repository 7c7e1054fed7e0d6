"""Reading a run: no file of it is created or changed, whatever state it is in, and no remedy destroys anything."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sshbench.errors import InputError, SshbenchError, UsageError
from sshbench.records import Detections
from sshbench.runs import Identity, Run, StoredImage, create_or_resume, open_run

ONE = Detections(np.array([[1 / 3, 2.0, 1e300, -0.0]]), np.array([0.1]))
IDENTITY = Identity(
    detector="d",
    settings={},
    dataset="sample",
    split="val",
    dataset_fingerprint="f",
    images=3,
    protocol="sample",
    protocol_hash="h",
    created="2026-01-01T00:00:00+00:00",
    versions={"numpy": "2"},
    machine={"cores": 2},
)
WRITER = """
import sys
sys.path.insert(0, {tests!r})
from test_runs_reading import IDENTITY, ONE, StoredImage, create_or_resume
from pathlib import Path
with create_or_resume(Path({folder!r}), IDENTITY) as run:
    run.add(StoredImage("e/b", ONE))
    run._db.execute("BEGIN IMMEDIATE")
    run._db.execute("DELETE FROM images")
    print("ready", flush=True)
    sys.stdin.readline()
    run._db.rollback()
"""


def tree(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Content, time of the last change and rights of everything in a folder."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        content = path.read_bytes() if path.is_file() else b""
        status = path.stat()
        found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest(), status.st_mtime_ns, status.st_mode
    return found


def finished(folder: Path) -> None:
    with create_or_resume(folder, IDENTITY) as run:
        run.add_session({"numpy": "2"}, {}, "t")
        run.add_many([StoredImage("e/a", Detections.empty(), error="broken"), StoredImage("e/b", ONE, 640, 480)])


def killed(folder: Path) -> None:
    """What a killed process leaves: the database, its log, and the index of the log."""
    with create_or_resume(folder.with_name("live"), IDENTITY) as run:
        run.add_session({"numpy": "2"}, {}, "t")
        run.add_many([StoredImage("e/a", Detections.empty(), error="broken"), StoredImage("e/b", ONE, 640, 480)])
        shutil.copytree(folder.with_name("live"), folder)
    assert (folder / "detections.sqlite-wal").stat().st_size > 0
    assert (folder / "detections.sqlite-shm").exists()


def killed_and_copied(folder: Path) -> None:
    killed(folder)
    (folder / "detections.sqlite-shm").unlink()


def of_the_first_version(folder: Path) -> None:
    """A run without the columns for ellipses and positions."""
    finished(folder)
    with closing(sqlite3.connect(folder / "detections.sqlite")) as connection, connection:
        for name in ("ellipses", "positions"):
            connection.execute(f"ALTER TABLE images DROP COLUMN {name}")
    assert [path.name for path in folder.glob("detections.sqlite*")] == ["detections.sqlite"]


STATES = [finished, killed, killed_and_copied, of_the_first_version]


def read_all(folder: Path) -> None:
    with open_run(folder) as run:
        assert run.stored_keys() == {"e/a", "e/b"}
        assert run.done() == {"e/b"}
        assert run.failures() == {"e/a": "broken"}
        assert run.stored() == 2
        assert len(run.findings()) == 1
        image = run.image("e/b")
        assert image is not None
        assert (image.width, image.detections.ellipses, image.detections.positions) == (640, None, None)
        assert image.detections.boxes.tobytes() == ONE.boxes.tobytes()
        assert run.detections().keys == ("e/a", "e/b")
        with pytest.raises(InputError, match="cannot be written"):
            run.add(StoredImage("e/c", ONE))


@pytest.mark.parametrize("make", STATES)
@pytest.mark.parametrize("rights", [0o755, 0o555])
def test_reading_changes_no_file(tmp_path: Path, make: Callable[[Path], None], rights: int) -> None:
    folder = tmp_path / "run %41?#"  # a name that an URI must quote
    make(folder)
    folder.chmod(rights)
    before = tree(folder)
    read_all(folder)
    assert tree(folder) == before
    folder.chmod(0o755)


@pytest.mark.parametrize("make", STATES)
def test_a_run_in_any_state_can_be_resumed(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "run")
    ellipse = Detections(ONE.boxes, ONE.scores, np.arange(5.0)[None], np.array([7]))
    with create_or_resume(tmp_path / "run", IDENTITY) as run:
        assert run.done() == {"e/b"}
        run.add_many([StoredImage("e/a", ellipse), StoredImage("e/c", ONE)])
    with open_run(tmp_path / "run") as run:
        assert run.finished
        image = run.image("e/a")
        assert image is not None
        assert image.detections.ellipses is not None
        assert image.detections.ellipses.tolist() == [[0, 1, 2, 3, 4]]


def test_the_commands_that_read_runs_change_no_file(
    sshbench: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    run, sample = tmp_path / "run", ["--dataset", "sample", "--json"]
    code, _, err = sshbench("eval", *sample, "--detector", "haar", "--resize", "144x192", "--limit", 2, "-o", run)
    assert code == 0, err
    before = tree(run)
    assert sshbench("eval", *sample, "--predictions", run)[0] == 0
    assert sshbench("eval", *sample, "--predictions", run, "-o", tmp_path / "again")[0] == 0
    assert sshbench("report", run, "-o", tmp_path / "report", "--json")[0] == 0
    assert tree(run) == before


def test_a_run_is_read_while_another_process_writes_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    finished(folder)
    code = WRITER.format(tests=str(Path(__file__).parent), folder=str(folder))
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        with pytest.raises(UsageError, match="another process"), create_or_resume(folder, IDENTITY):
            pass
        names = {path.name for path in folder.iterdir()}
        with open_run(folder) as run:
            assert run.stored_keys() == {"e/a", "e/b"}
        assert {path.name for path in folder.iterdir()} == names
        writer.communicate("\n")
    assert writer.returncode == 0


def test_a_run_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    with open_run(tmp_path / "run") as run:
        assert run.stored() == 2
        with create_or_resume(tmp_path / "run", IDENTITY) as writer:
            writer.add(StoredImage("e/c", ONE))
        with pytest.raises(UsageError, match="while it was read"):
            run.detections()


def test_a_process_killed_before_it_made_the_tables_left_an_empty_run(tmp_path: Path) -> None:
    with create_or_resume(tmp_path / "run", IDENTITY):
        pass
    (tmp_path / "run" / "detections.sqlite").write_bytes(b"")
    before = tree(tmp_path / "run")
    with open_run(tmp_path / "run") as run:
        assert (run.stored(), run.finished, run.findings()) == (0, False, [])
    assert tree(tmp_path / "run") == before


def cut(folder: Path) -> None:
    path = folder / "detections.sqlite"
    path.write_bytes(path.read_bytes()[:4096])


def of_another_program(folder: Path) -> None:
    (folder / "detections.sqlite").unlink()
    with closing(sqlite3.connect(folder / "detections.sqlite")) as connection:
        connection.execute("CREATE TABLE other (x)")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut database": cut,
    "another database": of_another_program,
    "no database": lambda folder: (folder / "detections.sqlite").write_bytes(b"no database" * 100),
    "no identity": lambda folder: (folder / "identity.json").write_bytes(b"{}"),
    "odd identity": lambda folder: (folder / "identity.json").write_bytes(b"\xff"),
}


def read(folder: Path) -> None:
    with open_run(folder) as run:
        run.detections()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_named_and_kept(tmp_path: Path, damage: str) -> None:
    finished(tmp_path / "run")
    DAMAGES[damage](tmp_path / "run")
    before = tree(tmp_path / "run")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "run")
    assert str(tmp_path / "run") in str(caught.value)
    assert "evaluate again into another folder with --out" in str(caught.value)
    assert "overwrite" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert tree(tmp_path / "run") == before


def refusals(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], object]]:
    def resume(identity: Identity = IDENTITY) -> None:
        with create_or_resume(folder, identity) as run:
            run.add(StoredImage("e/c", ONE))

    def locked() -> None:
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
        with closing(sqlite3.connect(folder / "detections.sqlite")) as other:
            other.execute("BEGIN EXCLUSIVE")
            resume()

    def read_only() -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("filelock.FileLock.acquire", refuse)
        resume()

    other = IDENTITY.model_copy(update={"detector": "other"})
    return {"locked": locked, "read-only": read_only, "other settings": lambda: resume(other)}


@pytest.mark.parametrize("name", ["locked", "read-only", "other settings"])
def test_a_refusal_never_advises_to_destroy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    finished(tmp_path / "run")
    with pytest.raises(SshbenchError) as caught:
        refusals(tmp_path / "run", monkeypatch)[name]()
    assert caught.value.remedy
    assert "overwrite" not in str(caught.value)
    assert str(tmp_path / "run") in str(caught.value)
    monkeypatch.undo()
    read_all(tmp_path / "run")


def test_a_run_open_for_reading_closes(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    run: Run = open_run(tmp_path / "run")
    run.close()
    with pytest.raises(InputError, match="cannot be read"):
        run.stored()
