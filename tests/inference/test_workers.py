"""Several processes: the same bits as one, and no more than the image in hand is lost when one ends."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import sshbench
from sshbench.datasets.base import Dataset
from sshbench.errors import DetectorError, MissingDataError, SshbenchError, UsageError
from sshbench.inference import parallel
from sshbench.inference.parallel import plan_for
from sshbench.inference.plan import largest_first, pixels_of, stratified
from sshbench.inference.spec import DetectorSpec
from sshbench.inference.workers import Workers
from sshbench.records import DetectionSet, ImageRecord
from sshbench.runs import StoredImage, open_run

SMALL = {"resize": "144x192"}
CommandLine = Callable[..., tuple[int, str, str]]

MODULE = """
import os, signal, time
import numpy as np

def faces(image):
    if int(image.sum()) == int(os.environ["BAD_IMAGE"]):
        {bad}
    return [[10, 10, 50, 50]], [image.mean() / 255]

def broken(image):
    raise RuntimeError("boom")

class Loading:
    def __init__(self): pass
    def __reduce__(self): return os._exit, (3,)
    def __call__(self, image): return [], []
"""


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return sshbench.load_dataset("sample")


@pytest.fixture
def bad_module(tmp_path: Path, sample: Dataset, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A module whose function `faces` does something on the fourth image of the sample."""

    def write(bad: str) -> Any:
        (tmp_path / "modules").mkdir()
        (tmp_path / "modules" / "bad_faces.py").write_text(MODULE.format(bad=bad))
        monkeypatch.syspath_prepend(tmp_path / "modules")
        monkeypatch.setenv("BAD_IMAGE", str(int(sample[3].read().sum())))
        sys.modules.pop("bad_faces", None)
        import bad_faces  # type: ignore[import-not-found]

        return bad_faces

    return write


def results(detector: Any, records: list[ImageRecord], **options: Any) -> dict[str, StoredImage]:
    spec = detector if isinstance(detector, DetectorSpec) else DetectorSpec.of(detector, None, {})
    with Workers(spec, 2, **{"threads": 1, **options}) as workers:
        return {stored.key: stored for stored in workers.detect(records)}


def digests(found: dict[str, StoredImage]) -> dict[str, str]:
    return {key: DetectionSet.from_images([(key, stored.detections)]).digest for key, stored in found.items()}


@pytest.mark.parametrize("name", ["haar", pytest.param("ssh-tiny", marks=pytest.mark.thorough)])
def test_the_number_of_workers_changes_no_bit(name: str, sample: Dataset) -> None:
    """With the same threads for each; the order of images does not matter either."""
    settings = SMALL if name == "haar" else {}
    spec = DetectorSpec(name, settings=settings)
    records = list(sample)
    runs = []
    for count, order in ((1, records), (2, records), (3, largest_first(records))):
        with Workers(spec, count, threads=1) as workers:
            runs.append(digests({stored.key: stored for stored in workers.detect(order)}))
    assert runs[0] == runs[1] == runs[2]
    assert set(runs[0]) == set(sample.keys)


def test_a_run_by_workers_is_the_run_of_one_process(tmp_path: Path) -> None:
    alone, shared_out = (
        sshbench.run("haar", "sample", out=tmp_path / name, settings=SMALL, limit=8, workers=workers, progress=False)
        for name, workers in (("alone", None), ("workers", 2))
    )
    assert alone.detections.digest == shared_out.detections.digest
    assert alone.metrics == shared_out.metrics
    for name, plans in (("alone", []), ("workers", [(2, "user")])):
        with open_run(tmp_path / name) as run:
            assert [(plan["workers"], plan["chosen"]) for plan in run.plans()] == plans


BAD_ENDS = {
    "os.abort()": "signal SIGABRT",
    "os.kill(os.getpid(), signal.SIGSEGV)": "signal SIGSEGV",
    "os.kill(os.getpid(), signal.SIGKILL)": "signal SIGKILL",
}


@pytest.mark.parametrize("bad", BAD_ENDS)
def test_an_image_that_ends_a_worker_costs_itself(bad: str, bad_module: Any, sample: Dataset) -> None:
    found = results(bad_module(bad).faces, list(sample))
    assert set(found) == set(sample.keys)
    failed = [stored for stored in found.values() if stored.error]
    assert [stored.key for stored in failed] == [sample.keys[3]]
    assert failed[0].failure == "crash"
    assert BAD_ENDS[bad] in str(failed[0].error)
    if "KILL" not in bad:
        assert "bad_faces.py" in str(failed[0].details), "the stack is kept"


def test_an_image_on_which_a_worker_hangs_costs_itself(bad_module: Any, sample: Dataset) -> None:
    found = results(bad_module("time.sleep(60)").faces, list(sample), image_timeout=1)
    (failed,) = (stored for stored in found.values() if stored.error)
    assert failed.key == sample.keys[3]
    assert "took longer than 1 seconds" in str(failed.error)
    assert len(found) == len(sample)


def test_an_exit_in_a_worker_is_a_failure(bad_module: Any, sample: Dataset) -> None:
    found = results(bad_module("os._exit(0)").faces, list(sample)[:6])
    assert [stored.failure for stored in found.values() if stored.error] == ["detector"]
    assert len(found) == 6


def test_too_many_failures_stop_the_run(bad_module: Any, tmp_path: Path) -> None:
    broken = bad_module("pass").broken
    with pytest.raises(DetectorError, match="stopped after 4 failed images"):
        sshbench.run(broken, "sample", out=tmp_path / "run", workers=2, progress=False)
    with open_run(tmp_path / "run") as run:
        assert run.stored() == 4


def test_a_worker_that_ends_while_it_loads(bad_module: Any, sample: Dataset) -> None:
    with pytest.raises(DetectorError, match=r"end while they load it \(exit code 3\)"):
        results(bad_module("pass").Loading(), list(sample)[:2])


def test_an_error_of_loading_is_the_run_s(sample: Dataset) -> None:
    with pytest.raises(MissingDataError, match=r"/absent.*does not exist"):
        results(DetectorSpec("yunet", weights="/absent"), list(sample)[:2])
    with pytest.raises(UsageError, match="no setting 'nonsense'"):
        results(DetectorSpec("haar", settings={"nonsense": 1}), list(sample)[:2])


def test_a_detector_that_cannot_travel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be sent to another process.*leave workers out"):
        sshbench.run(lambda image: ([], []), "sample", out=tmp_path / "run", workers=2, progress=False)


def test_an_image_file_that_cannot_be_read(tmp_path: Path, sample: Dataset) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    records = [ImageRecord("a", tmp_path / "a.jpg"), ImageRecord("b", tmp_path / "absent.jpg"), sample[0]]
    found = results(DetectorSpec("haar", settings=SMALL), records)
    assert {key: stored.failure for key, stored in found.items()} == {"a": "image", "b": "image", sample.keys[0]: None}


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
def test_workers_killed_at_random_moments_lose_nothing(seed: int, sample: Dataset) -> None:
    spec = DetectorSpec("haar", settings=SMALL)
    quiet = digests(results(spec, list(sample)))
    chance = random.Random(seed)
    stop = threading.Event()
    killed: list[float] = []

    def kill() -> None:
        while not stop.wait(chance.uniform(0.3, 1.2)):
            children = [
                child for child in psutil.Process().children() if "sshbench.inference.worker" in child.cmdline()
            ]
            if children and len(killed) < 4:
                chance.choice(children).kill()
                killed.append(time.monotonic())

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with Workers(spec, 2, threads=1) as workers:
            found = {}
            for stored in workers.detect(list(sample)):
                found[stored.key] = stored
                time.sleep(0.05)  # so that there is time to be killed
    finally:
        stop.set()
        killer.join()
    assert killed
    assert digests(found) == quiet


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="kills process groups")
def test_a_killed_parent_takes_its_workers_along_and_the_command_resumes(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "sshbench", "eval", "--dataset", "sample", "--detector", "haar", "--resize"]
    words += ["144x192", "--workers", "2", "-o", str(tmp_path / "run"), "--json"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    database = tmp_path / "run" / "detections.sqlite"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (database.is_file() and stored_images(tmp_path / "run") >= 3):
        time.sleep(0.02)
    children = psutil.Process(process.pid).children()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert (len(gone), alive) == (2, [])
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["images"] == 24


def stored_images(folder: Path) -> int:
    try:
        with open_run(folder) as run:
            return run.stored()
    except SshbenchError:
        return 0


def test_large_images_go_first(sample: Dataset) -> None:
    sizes = [pixels_of(record.path) for record in largest_first(list(sample))]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == max(record.read().shape[0] * record.read().shape[1] for record in sample)
    assert pixels_of(Path("absent")) == 0
    few = stratified(list(sample), 4)
    assert len({record.key for record in few}) == 4
    assert stratified(list(sample)[:2], 8) == largest_first(list(sample)[:2])


def test_auto_takes_the_fastest_of_a_trial(sample: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {1: 3.0, 2: 7.5, 4: 6.0}
    monkeypatch.setattr(parallel, "usable_cores", lambda: 4)
    monkeypatch.setattr(parallel, "_rate", lambda spec, count, threads, sample: rates[count])
    many = list(sample) * 100
    plan = plan_for(DetectorSpec("haar"), "auto", many)
    assert (plan.workers, plan.threads, plan.chosen) == (2, 2, "trial")
    assert plan.trial == {"1x4": 3.0, "2x2": 7.5, "4x1": 6.0}
    assert str(plan) == "2 workers of 2 threads (images/s in a trial: 1x4 3.0, 2x2 7.5, 4x1 6.0)"
    few = plan_for(DetectorSpec("haar"), "auto", many[:20])
    assert (few.workers, few.threads) == (1, 4), "a trial of so few images does not pay"
    asked = plan_for(DetectorSpec("haar"), 3, many)
    assert (asked.workers, asked.threads, asked.chosen) == (3, 1, "user")


@pytest.mark.parametrize("workers", ["0", "-1", "two", "1.5", "2000"])
def test_a_number_of_workers_that_is_none(workers: str, sshbench: CommandLine, tmp_path: Path) -> None:
    code, _, err = sshbench(
        "eval", "--dataset", "sample", "--detector", "haar", "--workers", workers, "-o", tmp_path / "run"
    )
    assert code == 2
    assert f"invalid --workers '{workers}'" in err


def test_options_that_exclude_each_other(sshbench: CommandLine, tmp_path: Path) -> None:
    arguments = ["eval", "--dataset", "sample", "--detector", "haar", "-o", tmp_path / "run"]
    code, _, err = sshbench(*arguments, "--workers", 2, "--cluster", "tcp://127.0.0.1:1")
    assert (code, "--workers and --cluster exclude each other" in err) == (2, True)
    code, _, err = sshbench("eval", "--dataset", "sample", "--predictions", tmp_path, "--shard", "1/2")
    assert (code, "--shard are options of --detector" in err) == (2, True)


def test_errors_travel_between_processes_whole() -> None:
    import pickle

    from sshbench.errors import InputError

    error = InputError("invalid row", file="a.txt", line=3, field="score", value="x", remedy="Write a number")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.line, again.remedy, again.exit_code) == (str(error), 3, "Write a number", 2)
    assert (type(again), again.file) == (InputError, "a.txt")
