"""Batches: the results of single images, and no more than the image to blame is lost when one fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import sshbench
from sshbench.datasets.base import Dataset
from sshbench.detectors.batches import WorksInBatches, check_batch, detect_batch
from sshbench.detectors.contract import detect
from sshbench.detectors.registry import load_detector
from sshbench.errors import DetectorError, UsageError
from sshbench.evaluation.result import Evaluation
from sshbench.images import size_of
from sshbench.inference import work
from sshbench.inference.plan import batches
from sshbench.inference.spec import DetectorSpec
from sshbench.inference.workers import Workers
from sshbench.records import Detections, ImageRecord
from sshbench.runs import StoredImage, open_run

CommandLine = Callable[..., tuple[int, str, str]]

MODULE = '''
import os, time
from sshbench.detectors import FunctionDetector

def faces(image):
    if int(image.sum()) == int(os.environ["BAD_IMAGE"]):
        {bad}
    return [[10, 10, 50, 50]], [image.mean() / 255]

class Batches(FunctionDetector):
    """Notes the sizes of its batches in a file."""

    def __init__(self):
        super().__init__(faces, name="batches")

    def forward_batch(self, prepared):
        with open(os.environ["SIZES"], "a") as sizes:
            print(len({{one.data.shape for one in prepared}}), len(prepared), file=sizes)
        return [self.forward(one) for one in prepared]
'''
IMAGES = 24


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ImageRecord]:
    """Twelve images of one size, six of another, one that is no image and one of a size of its own."""
    rng = np.random.default_rng(3)
    records = []
    for i, (height, width) in enumerate([(48, 64)] * 6 + [(64, 48)] * 6 + [(48, 64)] * 6 + [(50, 50)]):
        path = tmp_path / f"{i:02}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        records.append(ImageRecord(f"{i:02}", path))
    (tmp_path / "damaged.png").write_bytes(b"no image")
    monkeypatch.setenv("SIZES", str(tmp_path / "sizes.txt"))
    monkeypatch.setenv("BAD_IMAGE", str(int(read(records[3]).sum())))
    return [*records, ImageRecord("damaged", tmp_path / "damaged.png")]


def read(record: ImageRecord) -> Any:
    return record.read()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A module with a detector that works in batches and does something on one image."""

    def write(bad: str = "pass") -> Any:
        (tmp_path / "modules").mkdir()
        (tmp_path / "modules" / "batch_faces.py").write_text(MODULE.format(bad=bad))
        monkeypatch.syspath_prepend(tmp_path / "modules")
        sys.modules.pop("batch_faces", None)
        import batch_faces  # type: ignore[import-not-found]

        return batch_faces.Batches()

    return write


def by_workers(detector: Any, records: list[ImageRecord], **options: Any) -> dict[str, StoredImage]:
    with Workers(DetectorSpec.of(detector, None, {}), 2, **{"threads": 1, "batch": 4, **options}) as workers:
        return {stored.key: stored for stored in workers.detect(records)}


def sample_run(detector: Any, out: Path, **options: Any) -> Evaluation:
    return sshbench.run(detector, "sample", out=out, progress=False, **options)


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return sshbench.load_dataset("sample")


@pytest.fixture
def bad_sample(sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of an image, one of several of its size, on which the detector of the module does something."""
    sizes = [size_of(record.path) for record in sample]
    shared = next(i for i, size in enumerate(sizes) if sizes.count(size) > 2)
    monkeypatch.setenv("SIZES", str(tmp_path / "sizes.txt"))
    monkeypatch.setenv("BAD_IMAGE", str(int(sample[shared].read().sum())))
    return str(sample.keys[shared])


def close(one: Detections, other: Detections) -> None:
    """Check the bound of docs/clusters.md; on most machines most detectors give the same bits."""
    assert len(one) == len(other)
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


def test_images_of_one_size_go_together(images: list[ImageRecord]) -> None:
    made = [[record.key for record in batch] for batch in batches(images, 4)]
    assert made == [
        ["00", "01", "02", "03"],
        ["04", "05", "12", "13"],
        ["06", "07", "08", "09"],
        ["10", "11"],
        ["14", "15", "16", "17"],
        ["18"],
        ["damaged"],
    ]
    assert [len(batch) for batch in batches(images, 1)] == [1] * len(images)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", ["ssh-tiny", "retinaface-mnet025", "centerface", "ssd-res10", "s3fd-mobilenetv2"])
def test_batches_give_what_single_images_give(name: str, count: int) -> None:
    try:
        detector = load_detector(name, score_threshold=0.01)
    except sshbench.SshbenchError:
        pytest.skip("weights are not here")
    assert isinstance(detector, WorksInBatches)
    first = sshbench.load_dataset("sample")[0].read()[:200, :240]
    images = [np.ascontiguousarray(np.roll(first, 40 * i, axis=1)) for i in range(count)]
    together = detect_batch(detector, images)
    alone = [detect(detector, image) for image in images]
    assert sum(map(len, alone)) > 0
    for one, other in zip(together, alone, strict=True):
        close(one, other)


def test_a_run_in_batches_is_the_run_of_single_images(tmp_path: Path) -> None:
    small = {"resize": "144x192"}
    alone = sample_run("ssh-tiny", tmp_path / "alone", settings=small)
    together = sample_run("ssh-tiny", tmp_path / "batches", settings=small, batch=4)
    helped = sample_run("ssh-tiny", tmp_path / "helped", settings=small, batch=4, workers=2)
    for one, other, third in zip(alone.detections, together.detections, helped.detections, strict=True):
        close(one, other)
        close(one, third)
    plans = []
    for name in ("alone", "batches", "helped"):
        with open_run(tmp_path / name) as run:
            plans.append([(plan["workers"], plan["batch"]) for plan in run.plans()])
            stages = [set(image.stages or {}) for image in run.images()]
        assert stages == [{"read", "preprocess", "forward", "postprocess"}] * IMAGES
    assert plans == [[], [(1, 4)], [(2, 4)]]


def test_a_detector_without_batches_is_refused(tmp_path: Path, sshbench: CommandLine) -> None:
    words = ["eval", "--dataset", "sample", "--detector", "haar", "-o", tmp_path / "run"]
    for batch, error in ((2, "detector 'haar' cannot work in batches"), (0, "--batch must be at least 1, not 0")):
        code, _, err = sshbench(*words, "--batch", batch)
        assert (code, error in err) == (2, True), err
    assert not (tmp_path / "run").exists()
    code, _, err = sshbench("eval", "--dataset", "sample", "--predictions", tmp_path, "--batch", 2)
    assert (code, "--batch are options of --detector" in err) == (2, True)
    with pytest.raises(UsageError, match="cannot work in batches"):
        check_batch(object(), "mine", 2)


def test_the_number_of_outputs_is_checked(module: Callable[[str], Any], images: list[ImageRecord]) -> None:
    detector = module("pass")
    detector.forward_batch = lambda prepared: []
    with pytest.raises(DetectorError, match="returned 0 outputs for a batch of 2"):
        detect_batch(detector, [read(images[0]), read(images[1])])


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("raise RuntimeError('boom')", "boom"),
        ("os._exit(0)", "SystemExit"),
        ("time.sleep(60)", "took longer than 1 seconds"),
    ],
)
def test_a_failure_in_a_batch_costs_one_image(
    bad: str, error: str, module: Callable[[str], Any], bad_sample: str, tmp_path: Path
) -> None:
    done = sample_run(module(bad), tmp_path / "run", batch=8, image_timeout=1)
    with open_run(tmp_path / "run") as run:
        (failed,) = run.failed_images()
        assert (failed.key, failed.failure) == (bad_sample, "detector")
        assert error in str(failed.error)
        assert run.stored() == IMAGES
    assert sum(len(found) for found in done.detections) == IMAGES - 1


def test_all_images_of_a_batch_fail(module: Callable[[str], Any], bad_sample: str, tmp_path: Path) -> None:
    detector = module("pass")
    detector.forward = lambda prepared: 1 / 0
    with pytest.raises(DetectorError, match="stopped after 4 failed images"):
        sample_run(detector, tmp_path / "run", batch=8)
    with open_run(tmp_path / "run") as run:
        assert run.stored() == len(run.failures())


@pytest.mark.parametrize("bad", ["os.abort()", "os.kill(os.getpid(), 9)", "raise RuntimeError('boom')"])
def test_an_image_that_ends_a_worker_costs_itself(
    bad: str, module: Callable[[str], Any], images: list[ImageRecord]
) -> None:
    found = by_workers(module(bad), images)
    assert set(found) == {record.key for record in images}
    failed = {key: stored.failure for key, stored in found.items() if stored.error}
    assert failed == {"03": "detector" if "raise" in bad else "crash", "damaged": "image"}


def test_batches_hold_one_size(module: Callable[[str], Any], images: list[ImageRecord], tmp_path: Path) -> None:
    found = by_workers(module("pass"), images)
    assert [key for key, stored in found.items() if stored.error] == ["damaged"]
    lines = sorted((tmp_path / "sizes.txt").read_text().splitlines())
    assert lines == ["1 2", "1 4", "1 4", "1 4", "1 4"]


def test_images_whose_headers_lie_are_done_alone(module: Callable[[str], Any], images: list[ImageRecord]) -> None:
    from concurrent.futures import Future

    from sshbench.detectors.guard import CrashLog
    from sshbench.inference.image import Loaded, detect_in

    batch = []
    for record in (images[0], images[6]):
        loaded: Future[Loaded] = Future()
        loaded.set_result((read(record), "", 0.0))
        batch.append((record, loaded))
    detector = module("pass")
    with CrashLog(Path(os.environ["SIZES"]).with_name("crash.log")).watch() as log:
        found = detect_in(detector, batch, None, log)
    assert [(stored.key, len(stored.detections)) for stored in found] == [("00", 1), ("06", 1)]


PROGRAM = """
import sys
import batch_faces, sshbench
sshbench.run(batch_faces.Batches(), "sample", out=sys.argv[1], batch=8, progress=False, image_timeout=None)
"""


def ended(out: Path, modules: Path) -> int:
    """Run the program; return its exit code."""
    paths = os.pathsep.join([str(modules), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(out)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        check=False,
    ).returncode


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_crash_in_a_batch_is_found_by_the_next_processes(
    module: Callable[[str], Any], bad_sample: str, tmp_path: Path
) -> None:
    """One process ends on the batch, the next one on the image alone, and the third leaves it out."""
    module("os.abort()")
    codes = [ended(tmp_path / "run", tmp_path / "modules") for _ in range(3)]
    assert [code == 0 for code in codes] == [False, False, True]
    with open_run(tmp_path / "run") as run:
        (failed,) = run.failed_images()
        assert (failed.key, failed.failure) == (bad_sample, "crash")
        assert "batch_faces.py" in str(failed.details)
        assert run.stored() == IMAGES


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_run_in_batches_resumes(module: Callable[[str], Any], bad_sample: str, tmp_path: Path) -> None:
    """An image on which processes are killed without a trace comes last, and is given up in the end."""
    module("os.kill(os.getpid(), 9)")
    codes = [ended(tmp_path / "run", tmp_path / "modules") for _ in range(work.ENDS + 3)]
    assert codes[-1] == 0
    assert all(code != 0 for code in codes[:-1])
    with open_run(tmp_path / "run") as run:
        (failed,) = run.failed_images()
        assert (failed.key, failed.failure) == (bad_sample, "crash")
        assert "5 processes in a row ended on this image" in str(failed.error)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_run_that_was_killed_once_is_the_run_of_single_images(
    module: Callable[[str], Any], bad_sample: str, tmp_path: Path
) -> None:
    mark = "os.environ['SIZES'] + '.killed'"
    detector = module(f"os.path.exists({mark}) or (open({mark}, 'w'), os.kill(os.getpid(), 9))")
    assert ended(tmp_path / "run", tmp_path / "modules") == -9
    with open_run(tmp_path / "run") as run:
        before = run.stored()
    assert 0 < before < IMAGES
    assert ended(tmp_path / "run", tmp_path / "modules") == 0
    resumed = sample_run(detector, tmp_path / "run", batch=8)
    alone = sample_run(detector, tmp_path / "alone")
    assert resumed.detections.digest == alone.detections.digest


def test_work_on_images_of_a_batch_that_ended_comes_first_and_alone() -> None:
    records = [ImageRecord(str(i), None) for i in range(5)]
    left = work.Work(records, {"4": 0, "1": 2, "2": 1})
    assert [[record.key for record in batch] for batch in left.batches(1)] == [["4"], ["0"], ["3"], ["2"], ["1"]]


def test_what_is_left_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sshbench.runs import Run

    reads: list[Path] = []
    done = Run.done

    def noted(run: Run) -> set[str]:
        reads.append(run.folder)
        return done(run)

    monkeypatch.setattr(Run, "done", noted)
    for workers in (None, 2):
        sshbench.run(
            "haar", "sample", out=tmp_path / str(workers), settings={"resize": "144x192"}, limit=3, workers=workers
        )
    assert reads == [tmp_path / "None", tmp_path / "2"]


def test_batches_by_the_command_line(tmp_path: Path, sshbench: CommandLine) -> None:
    words = ["eval", "--dataset", "sample", "--detector", "ssh-tiny", "--resize", "144x192", "--limit", 4]
    code, out, err = sshbench(*words, "--batch", 2, "-o", tmp_path / "run")
    assert code == 0, err
    assert "batches of up to 2" in err
    code, out, err = sshbench(*words, "--json", "-o", tmp_path / "run")
    assert (code, json.loads(out)["images"]) == (0, 4), "the size of batches is no part of the identity"
