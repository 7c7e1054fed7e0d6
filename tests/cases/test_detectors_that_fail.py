"""A detector may raise, exit, hang, print or return anything: one line, no lost image, never a figure of nothing."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from sshbench.detectors import registry
from sshbench.images import read_image
from sshbench.runs import open_run

CommandLine = Callable[..., tuple[int, str, str]]
Misbehave = Callable[[str, range], None]

FAILURES = [
    "runtime error",
    "memory error",
    "sys.exit(0)",
    "sys.exit(5)",
    "score NaN",
    "score infinite",
    "score -infinite",
    "box NaN",
    "box infinite",
    "five columns",
    "one score",
    "three dimensions",
    "complex",
    "texts",
    "None",
    "a list",
    "a pair",
    "too many",
]


def evaluate(sshbench: CommandLine, out: Path, *options: object) -> tuple[int, str, str]:
    return sshbench("eval", "--dataset", "sample", "--limit", 10, "--detector", "misbehaving", "-o", out, *options)


QUICK = ("runtime error", "sys.exit(0)", "score NaN", "five columns", "None")


@pytest.mark.parametrize(
    "behaviour",
    [pytest.param(one, marks=() if one in QUICK else (pytest.mark.thorough,)) for one in FAILURES],
)
def test_one_failure_is_recorded_and_the_run_goes_on(
    sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path, behaviour: str
) -> None:
    misbehave(behaviour, range(7, 8))
    code, out, err = evaluate(sshbench, tmp_path / "run", "--json")
    assert code == 0, err
    assert "Traceback" not in err
    (finding,) = (found for found in json.loads(out)["warnings"] if found["code"] == "failed-image")
    assert "1 image failed" in finding["message"]
    assert "misbehaving" in finding["message"] or "must" in finding["message"]
    assert len(finding["files"]) == 1
    with open_run(tmp_path / "run") as run:
        assert run.stored() == 10
        (failed,) = run.failed_images()
    assert failed.failure == "detector"
    assert failed.key == finding["files"][0]


def test_the_traceback_is_kept(sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path) -> None:
    misbehave("runtime error", range(7, 8))
    evaluate(sshbench, tmp_path / "run")
    with open_run(tmp_path / "run") as run:
        (failed,) = run.failed_images()
    assert "RuntimeError: boom" in str(failed.details)
    assert "Traceback" in str(failed.details)
    text = (tmp_path / "run" / "failures.txt").read_text()
    assert failed.key in text
    assert "RuntimeError: boom" in text


def test_more_than_three_failures_stop_the_run(sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path) -> None:
    misbehave("runtime error", range(5, 100))
    code, out, err = evaluate(sshbench, tmp_path / "run", "--json")
    assert (code, out) == (1, "")
    assert "stopped after 4 failed images" in err
    assert "--on-error record" in err
    with open_run(tmp_path / "run") as run:
        assert run.stored() == 8, "what was finished is kept"
    misbehave("fine", range(0))
    code, out, err = evaluate(sshbench, tmp_path / "run", "--json")
    assert code == 0, err
    assert not [found for found in json.loads(out)["warnings"] if found["code"] == "failed-image"]


def test_on_error_says_otherwise(sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path) -> None:
    misbehave("runtime error", range(5, 100))
    code, _, err = evaluate(sshbench, tmp_path / "stop", "--on-error", "stop")
    assert code == 1
    assert "stopped after 1 failed image;" in err
    code, out, err = evaluate(sshbench, tmp_path / "record", "--on-error", "record", "--json")
    assert code == 0, err
    assert "6 images failed" in out


def test_where_all_images_fail_there_is_no_result(sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path) -> None:
    misbehave("score NaN", range(1, 100))
    code, out, err = evaluate(sshbench, tmp_path / "run", "--on-error", "record", "--json")
    assert (code, out) == (1, "")
    assert "there is no result: all 10 images failed" in err
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_wrong_settings_end_the_run_at_once(sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path) -> None:
    misbehave("wrong settings", range(3, 100))
    code, out, err = evaluate(sshbench, tmp_path / "run", "--json")
    assert (code, out) == (2, "")
    assert "not configured" in err


def test_what_a_detector_prints_is_not_in_the_json(sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path) -> None:
    misbehave("fine", range(0))
    code, out, err = evaluate(sshbench, tmp_path / "run", "--json")
    assert code == 0
    assert json.loads(out)["images"] == 10
    assert "and goes on talking" in err


def test_an_image_that_takes_too_long(sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path) -> None:
    misbehave("hang", range(2, 3))
    code, out, err = evaluate(sshbench, tmp_path / "run", "--image-timeout", 0.3, "--json")
    assert code == 0, err
    assert "took longer than 0.3 seconds" in out


def test_ctrl_c_says_how_to_resume(sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for background processes
    misbehave("interrupt", range(4, 5))
    code, out, err = evaluate(sshbench, tmp_path / "run", "--json")
    assert (code, out) == (130, "")
    assert "the same command resumes" in err
    with open_run(tmp_path / "run") as run:
        assert run.stored() == 3
        assert not run.failures()


DIES = """
    import sys
    from sshbench.cli import main
    from sshbench.detectors import registry
    from importlib.metadata import EntryPoint
    sys.path.insert(0, {folder!r})
    registry.entry_points = lambda group: [EntryPoint("dies", "dies:Dies", group)]
    sys.argv = ["sshbench", "eval", "--dataset", "sample", "--limit", "4", "--detector", "dies", "-o", {out!r}]
    sys.argv.append("--json")
    main()
"""
DETECTOR = """
    import ctypes, os
    import numpy as np
    from sshbench import Detections
    from sshbench.detectors import DetectorInfo, Prepared
    class Dies:
        info = DetectorInfo(name="dies")
        weights_sha256 = None
        def __init__(self, *, settings=None, weights=None):
            self.settings = settings or self.info.defaults
        def load(self): pass
        def preprocess(self, image): return Prepared(image, 1.0)
        def forward(self, prepared):
            if prepared.data.sum() == {checksum}:
                {death}
        def postprocess(self, outputs, prepared):
            return Detections(np.array([[10.0, 10, 50, 50]]), np.array([0.5]))
"""


@pytest.mark.parametrize(
    ("death", "commands"),
    [
        pytest.param("os.abort()", 2, id="abort"),
        pytest.param("ctypes.string_at(0)", 2, id="segv", marks=pytest.mark.thorough),
        pytest.param("os._exit(0)", 1, id="exit", marks=pytest.mark.thorough),
        pytest.param("os.kill(os.getpid(), 9)", 7, id="kill", marks=pytest.mark.thorough),
    ],
)
def test_the_same_command_gets_past_an_image_that_ends_the_process(tmp_path: Path, death: str, commands: int) -> None:
    import sshbench as package

    third = package.load_dataset("sample").with_images().image(2)
    assert third.path is not None
    checksum = int(read_image(third.path).sum())
    (tmp_path / "dies.py").write_text(textwrap.dedent(DETECTOR).format(checksum=checksum, death=death))
    code = textwrap.dedent(DIES).format(folder=str(tmp_path), out=str(tmp_path / "run"))
    for _ in range(commands - 1):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert not done.stdout
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["images"] == 4
    (finding,) = (found for found in record["warnings"] if found["code"] == "failed-image")
    assert finding["files"] == [third.key]
    assert not (tmp_path / "run" / "crash.log").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("raise RuntimeError('no display')", "no display"),
        ("raise SystemExit(0)", "SystemExit"),
        ("assert 1 == 2", "AssertionError"),
        ("def broken(:", "SyntaxError"),
        ("{}['x']", "KeyError"),
        ("class Bad: pass", "DetectorInfo"),
        ("class Bad:\n    info = 'text'", "DetectorInfo"),
        ("Bad = 3", "DetectorInfo"),
        ("print('hello')\nclass Bad: pass", "DetectorInfo"),
    ],
)
def test_a_broken_plugin_is_listed_with_the_reason(
    sshbench: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, reason: str
) -> None:
    name = f"plugin_{abs(hash(content))}"
    (tmp_path / f"{name}.py").write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [EntryPoint("bad", f"{name}:Bad", registry.GROUP), EntryPoint("empty", "", registry.GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    code, out, err = sshbench("detectors", "list", "--json")
    assert code == 0, err
    rows = {row["name"]: row["title"] for row in json.loads(out)["detectors"]}
    assert rows["bad"].startswith("broken")
    assert reason in rows["bad"]
    assert rows["empty"].startswith("broken")
    assert "YuNet" in rows["yunet"]
    for command in (
        ("detectors", "info", "bad"),
        ("eval", "--dataset", "sample", "--detector", "bad", "-o", tmp_path / "r"),
    ):
        code, out, err = sshbench(*list(command))
        assert (code, out) == (2, "")
        assert "is broken" in err
        assert "Traceback" not in err


@pytest.mark.parametrize(
    "behaviour", ["runtime error", "sys.exit(0)", "score NaN", "a list", "None", "huge box", "too many"]
)
def test_detect_reports_the_image_and_goes_on(
    sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path, behaviour: str
) -> None:
    import cv2

    (tmp_path / "photos").mkdir()
    for name in ("a", "b", "c"):
        cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), np.full((60, 80, 3), 127, np.uint8))
    misbehave(behaviour, range(2, 3))
    code, out, err = sshbench(
        "detect", tmp_path / "photos", "-o", tmp_path / "out", "--detector", "misbehaving", "--json"
    )
    skipped = json.loads(out)["skipped"]
    if behaviour == "huge box":
        assert (code, skipped) == (0, [])
    else:
        assert code == 1, err
        assert len(skipped) == 1
        assert "b.png" in skipped[0]
    assert len(list((tmp_path / "out").glob("*.json"))) == (3 if behaviour == "huge box" else 2)


def test_timing_ends_with_an_error(sshbench: CommandLine, misbehave: Misbehave) -> None:
    for behaviour in ("runtime error", "sys.exit(0)", "a list", "score NaN"):
        misbehave(behaviour, range(1, 100))
        code, out, err = sshbench("timing", "--detector", "misbehaving", "--sizes", "60x80", "--count", 1, "--json")
        assert (code, out) == (1, "")
        assert "misbehaving" in err


def test_a_run_of_an_older_version_gets_the_new_columns(
    sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path
) -> None:
    misbehave("fine", range(0))
    evaluate(sshbench, tmp_path / "run")
    with closing(sqlite3.connect(tmp_path / "run" / "detections.sqlite")) as database:
        database.execute("ALTER TABLE images DROP COLUMN failure")
        database.execute("ALTER TABLE images DROP COLUMN details")
        database.execute("DROP TABLE working")
        database.commit()
    with open_run(tmp_path / "run") as run:
        assert run.stored() == 10
    code, out, err = evaluate(sshbench, tmp_path / "run", "--json")
    assert code == 0, err
    assert json.loads(out)["images"] == 10


def test_a_size_that_does_not_fit(sshbench: CommandLine, tmp_path: Path) -> None:
    code, out, err = sshbench(
        "eval", "--dataset", "sample", "--detector", "ultraface-rfb-320", "--resize", "400x800", "-o", tmp_path / "run"
    )
    assert (code, out) == (2, "")
    assert "fixed at 320 x 240 pixels" in err


def test_a_run_of_two_machines(
    sshbench: CommandLine, misbehave: Misbehave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehave("runtime error", range(5, 100))
    assert evaluate(sshbench, tmp_path / "run")[0] == 1
    misbehave("fine", range(0))
    monkeypatch.setattr("sshbench.inference.fill.machine", lambda: {"processor": "another"})
    code, out, _ = evaluate(sshbench, tmp_path / "run", "--json")
    assert code == 0
    assert "mixed-machines" in {finding["code"] for finding in json.loads(out)["warnings"]}
