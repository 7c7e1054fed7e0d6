"""A run on disk: what is stored comes back, who may go on with it, and what a damaged one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from sshbench.errors import IdentityError, InputError, MissingDataError, UsageError
from sshbench.records import Detections
from sshbench.runs import Identity, StoredImage, create_or_resume, is_run, open_run


def identity(**changes: Any) -> Identity:
    fields: dict[str, Any] = {
        "detector": "d",
        "settings": {"resize": "original", "extra": {"a": 1.5}},
        "dataset": "sample",
        "split": "val",
        "dataset_fingerprint": "f",
        "images": 3,
        "protocol": "sample",
        "protocol_hash": "h",
        "created": "2026-01-01T00:00:00+00:00",
        "versions": {"numpy": "2"},
        "machine": {"cores": 2},
    }
    return Identity(**{**fields, **changes})


ONE = Detections(np.array([[1 / 3, 2.0, 1e300, -0.0]]), np.array([0.1]))


def test_what_is_stored_comes_back_bit_for_bit(tmp_path: Path) -> None:
    with create_or_resume(tmp_path / "run", identity()) as run:
        run.add(StoredImage("e/b", ONE, 640, 480, {"forward": 0.25}))
        run.add(StoredImage("e/a", Detections.empty()))
        assert not run.finished
    with open_run(tmp_path / "run") as run:
        assert run.stored_keys() == {"e/a", "e/b"}
        image = run.image("e/b")
        assert image is not None
        assert image.detections.boxes.tobytes() == ONE.boxes.tobytes()
        assert (image.width, image.height, image.stages) == (640, 480, {"forward": 0.25})
        assert run.image("e/none") is None
        assert run.detections().keys == ("e/a", "e/b")
        assert run.identity == identity()


def test_failed_images_are_told_and_tried_again(tmp_path: Path) -> None:
    with create_or_resume(tmp_path / "run", identity()) as run:
        run.add(StoredImage("e/a", Detections.empty(), error="broken file"))
        assert run.done() == set()
        assert [finding.code for finding in run.findings()] == ["failed-image"]
        run.add(StoredImage("e/a", ONE))
        assert (run.done(), run.findings()) == ({"e/a"}, [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"detector": "other"}, "detector: 'd' there, 'other' now"),
        ({"settings": {"resize": "800x1200"}}, "settings"),
        ({"weights_sha256": "0"}, "weights_sha256: None there, '0' now"),
        ({"dataset_fingerprint": "g"}, "dataset_fingerprint"),
        ({"protocol_hash": "i"}, "protocol_hash"),
        ({"images": 4}, "images: 3 there, 4 now"),
    ],
)
def test_another_identity_may_not_go_on(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with create_or_resume(tmp_path / "run", identity()) as run:
        run.add(StoredImage("e/a", ONE))
    with pytest.raises(IdentityError) as caught, create_or_resume(tmp_path / "run", identity(**change)):
        pass
    assert says in str(caught.value)
    with open_run(tmp_path / "run") as run:
        assert run.stored() == 1, "a refused call lost what was there"
    with create_or_resume(tmp_path / "run", identity(**change), overwrite=True) as run:
        assert run.stored() == 0


@pytest.mark.parametrize("change", [{"created": "2027"}, {"versions": {"numpy": "3"}}, {"machine": {}}, {"data": "/x"}])
def test_time_and_machine_do_not_make_another_run(tmp_path: Path, change: dict[str, Any]) -> None:
    assert identity(**change).key == identity().key
    with create_or_resume(tmp_path / "run", identity()):
        pass
    with create_or_resume(tmp_path / "run", identity(**change)) as run:
        assert run.identity == identity()


def test_sessions_under_other_versions_are_told(tmp_path: Path) -> None:
    with create_or_resume(tmp_path / "run", identity()) as run:
        run.add_session({"numpy": "2"}, {}, "t1")
        run.add_session({"numpy": "2"}, {}, "t2")
        assert run.findings() == []
        run.add_session({"numpy": "3"}, {}, "t3")
        assert [finding.code for finding in run.findings()] == ["mixed-versions"]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with create_or_resume(tmp_path / "run", identity()):
        pass
    with (
        FileLock(tmp_path / "run" / ".lock"),
        pytest.raises(UsageError, match="another process"),
        create_or_resume(tmp_path / "run", identity()),
    ):
        pass


def test_folders_that_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no run in"):
        open_run(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"x")
    for overwrite in (False, True):
        with (
            pytest.raises(UsageError, match="holds no run"),
            create_or_resume(tmp_path, identity(), overwrite=overwrite),
        ):
            pass
    assert (tmp_path / "photo.jpg").exists()
    with pytest.raises(UsageError, match="is a file"), create_or_resume(tmp_path / "photo.jpg", identity()):
        pass


@pytest.mark.parametrize(("name", "content"), [("identity.json", b"{}"), ("detections.sqlite", b"no database" * 100)])
def test_a_damaged_run_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    with create_or_resume(tmp_path / "run", identity()) as run:
        run.add(StoredImage("e/a", ONE))
    (tmp_path / "run" / name).write_bytes(content)
    assert is_run(tmp_path / "run")
    with pytest.raises(InputError, match=name):
        open_run(tmp_path / "run")
