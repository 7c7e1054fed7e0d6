"""The leaderboard joins runs and timings of the same thing, and of nothing else."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sshbench.archive import archive_runs
from sshbench.contamination import domain_of
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.report.leaderboard import collect
from sshbench.report.measured import read_measured
from sshbench.timing.record import TimingRecord

QUICK = ["--min-time", 0, "--min-count", 5, "--count", 2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of haar at two sizes, and a timing of each."""
    from sshbench.cli import eval_steps
    from sshbench.timing.job import Job, run

    folder = tmp_path_factory.mktemp("board")
    for size in ("120x160", "90x120"):
        request = eval_steps.Request(
            protocol=eval_steps.choose_protocol("sample", None), out=folder / size, settings={"resize": size}
        )
        eval_steps.from_detector(request, "haar")
        job = Job(detector="haar", sizes=(size,), min_time=0, min_count=5, count=2, scope="detect")
        run(job).save(folder / "timings" / f"{size}.json")
    return folder


def test_rows_hold_accuracy_and_latency_of_the_same_settings(sshbench: Any, made: Path, tmp_path: Path) -> None:
    runs = [made / "120x160", made / "90x120"]
    code, out, err = sshbench("leaderboard", *runs, "--timing", made / "timings", "-o", tmp_path, "--json")
    assert code == 0, err
    assert len(json.loads(out)["rows"]) == 2
    with (tmp_path / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["metric"] for row in rows[:3]] == ["AP/easy", "AP/medium", "AP/hard"]
    board = collect(runs, sorted((made / "timings").iterdir()))
    for row in board.rows:
        size = row.identity.settings["resize"]
        assert row.results[0].metrics == json.loads((made / size / "metrics.json").read_text())["metrics"]
        timing = TimingRecord.load(made / "timings" / f"{size}.json").sizes[0]
        assert row.latency is not None
        assert row.latency.median == timing.summary["total"].median
    values = [row.value(0, "AP/hard") or 0.0 for row in board.rows]
    assert values == sorted(values, reverse=True)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "measures no detector" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    assert (tmp_path / "speed-accuracy.png").read_bytes()[:4] == b"\x89PNG"


def test_a_part_says_why_published_figures_are_not_reproduced(
    sshbench: Any, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    wider = shared / "data" / "wider"
    given = ["eval", "--dataset", "wider", "--data", wider, "--detector", "yunet", "--resize", "90x120", "--limit", 500]
    assert sshbench(*given, "-o", tmp_path / "run", "--json")[0] == 0
    code, _, err = sshbench("leaderboard", tmp_path / "run", "-o", tmp_path / "board")
    assert code == 0, err
    page = (tmp_path / "board" / "index.html").read_text(encoding="utf-8")
    assert "88.70 / 87.10 / 76.80" in page
    assert "not reproduced here: that takes all 3226 images" in page
    assert '<td class="name">in domain</td>' in page
    assert "Speed against accuracy" not in page


def test_archived_runs_are_taken_too(made: Path, tmp_path: Path) -> None:
    archive_runs([made / "120x160"], tmp_path)
    kept, whole = read_measured(tmp_path / "haar"), read_measured(made / "120x160")
    assert kept.record == whole.record
    assert kept.identity.key == whole.identity.key
    assert collect([tmp_path / "haar"], [made / "timings" / "120x160.json"]).rows[0].latency is not None


def test_what_does_not_belong_together_is_refused(made: Path, tmp_path: Path) -> None:
    timing = made / "timings" / "120x160.json"
    with pytest.raises(UsageError, match="size is '120x160' and '90x120'"):
        collect([made / "90x120"], [timing])
    with pytest.raises(UsageError, match="two timings are of 'haar'"):
        collect([made / "120x160"], [timing, timing])
    with pytest.raises(UsageError, match="two runs are of 'haar'"):
        collect([made / "120x160", made / "120x160"], [])
    other = json.loads(timing.read_text())
    (tmp_path / "t.json").write_text(json.dumps({**other, "threads": 64}))
    with pytest.raises(UsageError, match="threads is"):
        collect([made / "120x160"], [timing, tmp_path / "t.json"])
    (tmp_path / "t.json").write_text(json.dumps({**other, "detector": "yunet"}))
    with pytest.raises(UsageError, match="no run of this detector"):
        collect([made / "120x160"], [tmp_path / "t.json"])
    with pytest.raises(MissingDataError, match="no run in"):
        collect([tmp_path], [])
    shutil.copytree(made / "120x160", tmp_path / "bad")
    (tmp_path / "bad" / "metrics.json").write_text("{}")
    with pytest.raises(InputError, match=r"metrics\.json"):
        collect([tmp_path / "bad"], [])


@pytest.mark.parametrize(
    ("trained_on", "dataset", "expected"),
    [
        (("wider",), "wider", "in domain"),
        (("wider",), "fddb", "cross-data"),
        ((), "wider", "cross-data"),
        (None, "wider", "unknown"),
        (("wider",), "coco", "unknown"),
    ],
)
def test_domain(trained_on: tuple[str, ...] | None, dataset: str, expected: str) -> None:
    assert domain_of(trained_on, dataset) == expected


def test_a_users_own_weights_have_no_known_training_data(sshbench: Any, shared: Path, tmp_path: Path) -> None:
    weights = shared / "weights"
    afw = ["eval", "--dataset", "afw", "--data", shared / "data" / "afw", "--detector", "yunet", "--limit", 1, "--json"]

    def domain(name: str, *more: object) -> str:
        code, out, err = sshbench(*afw, "--weights", weights / name, *more, "-o", tmp_path / f"{name}{len(more)}")
        assert code == 0, err
        found: str = json.loads(out)["domain"]
        return found

    assert domain("face_detection_yunet_2023mar.onnx") == "cross-data"
    assert domain("yunet_n_640_640.onnx") == "unknown"
    assert domain("yunet_n_640_640.onnx", "--trained-on", "wider,afw") == "in domain"
    code, _, err = sshbench(*afw, "--trained-on", "lfw")
    assert (code, "knows no 'lfw'" in err) == (2, True)
