"""The leaderboard joins an accuracy only with a latency of the same detector on the same number of pixels."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from sshbench.archive import archive_runs
from sshbench.contamination import Domain, domain_of
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.report.leaderboard_collect import collect
from sshbench.report.leaderboard_files import write_leaderboard
from sshbench.report.leaderboard_plot import Point, fronts
from sshbench.report.leaderboard_table import board_table
from sshbench.report.leaderboard_text import pixels_text, work_cells
from sshbench.report.measured import read_measured
from sshbench.timing.record import TimingRecord

MEASURED = Path(__file__).parents[2] / "results" / "measured"
OF_RUNS = MEASURED / "amd-epyc-2-cores" / "of-runs"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of haar at two sizes, and a timing of each."""
    from sshbench.benchmark import run as run_benchmark
    from sshbench.timing.job import Job, run

    folder = tmp_path_factory.mktemp("board")
    for size in ("120x160", "90x120"):
        run_benchmark("haar", "sample", out=folder / size, settings={"resize": size})
        job = Job(detector="haar", sizes=(size,), min_time=0, min_count=5, count=24, scope="detect")
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
    assert board.left_out == []
    for row in board.rows:
        size = row.identity.settings["resize"]
        assert row.results[0].record.metrics == json.loads((made / size / "metrics.json").read_text())["metrics"]
        timing = TimingRecord.load(made / "timings" / f"{size}.json").sizes[0]
        assert row.latencies[0].summary.median == timing.summary["total"].median
    values = [row.value(0, "AP/hard") or 0.0 for row in board.rows]
    assert values == sorted(values, reverse=True)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "measures no detector" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    assert (tmp_path / "speed-accuracy.png").read_bytes()[:4] == b"\x89PNG"


def test_fitted_images_have_a_table_of_their_own(sshbench: Any, made: Path, tmp_path: Path) -> None:
    from sshbench.benchmark import run as run_benchmark
    from sshbench.timing import time_runs

    run_benchmark("haar", "sample", out=tmp_path / "fit", settings={"tta": "fit-640x480"}, limit=4)
    run_benchmark("haar", "sample", out=tmp_path / "own", limit=4)
    for name in ("fit", "own"):
        time_runs([tmp_path / name], count=2, min_time=0, min_count=2, out=tmp_path / "timings")
    runs = [tmp_path / "fit", tmp_path / "own"]
    board = collect(runs, sorted((tmp_path / "timings").iterdir()))
    own, equal = board.sections
    assert [(section.fit, len(section.boards), len(section.rows)) for section in (own, equal)] == [
        ("", 1, 1),
        ("640x480", 1, 1),
    ]
    assert [row.label for row in board.rows] == ["haar", "haar"], "each stands alone in its table"
    assert equal.boards[0][1].title.endswith("images fitted into 640x480")
    latency = equal.rows[0].latencies[equal.boards[0][0]]
    stages = latency.timing.stages
    assert list(stages) == ["read", "fit", "preprocess", "forward", "postprocess"]
    measured = latency.timing.total("detect")
    assert measured == [sum(v) for v in zip(*(stages[name] for name in list(stages)[2:]), strict=True)]
    code, _, err = sshbench("leaderboard", *runs, "--timing", tmp_path / "timings", "-o", tmp_path / "board", "--json")
    assert code == 0, err
    page = (tmp_path / "board" / "index.html").read_text(encoding="utf-8")
    assert page.index("Each detector at its own input size") < page.index("Equal pixels: images fitted into 640x480")
    assert page.count('data-key="megapixels"') == page.count('data-key="ms"') == 2
    with (tmp_path / "board" / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["fit"], row["label"]) for row in rows[::3]] == [("", "haar"), ("640x480", "haar")]
    assert all(row["input_pixels"] and row["timed_pixels"] for row in rows)
    code, out, err = sshbench("leaderboard", *runs, "-o", tmp_path / "board")
    assert (code, "images fitted into 640x480" in out) == (0, True), err


def test_the_page_states_pixels_work_and_licences(tmp_path: Path) -> None:
    board = collect(
        [run_of("faceboxes", "wider"), run_of("ultraface-rfb-320", "wider")],
        [OF_RUNS / "timing-wider-faceboxes.json", OF_RUNS / "timing-wider-ultraface-rfb-320.json"],
    )
    page = write_leaderboard(board, tmp_path)[0].read_text(encoding="utf-8")
    for row in board.rows:
        work = dict(zip(("parameters", "gflop", "weights", "memory", "images/s"), work_cells(row, 0), strict=True))
        (shown,) = (one for one in board_table(board, 0, board.rows).rows if one.label == row.label and one.domain)
        assert {key: shown.amounts[key].text for key in work} == work
        assert all(f">{text}" in page for text in (*work.values(), pixels_text(row, 0)))
        assert f'<td class="list">{row.licence}</td><td class="list">{row.training_data}</td>' in page
    assert ">320 x 240</td>" in page
    assert '>0.903<br><span class="small">timed: 0.899</span></td>' in page, "not the same images, but the same mean"
    page = page.partition("<script>")[0]
    tables = page.count("<table")
    assert len(re.findall(r'<div class="scroll"[^>]*>\s*<table', page)) == tables, "every table scrolls in its own box"


def test_lines_join_detectors_of_one_domain_only() -> None:
    def point(number: int, latency: float, value: float, domain: Domain) -> Point:
        return Point(number, latency, value, "", domain)

    points = [
        point(1, 5.0, 60.0, "in domain"),
        point(2, 4.0, 70.0, "unknown"),
        point(3, 3.0, 40.0, "cross-data"),
        point(4, 9.0, 80.0, "in domain"),
        point(5, 6.0, 55.0, "in domain"),
        point(6, 7.0, 39.0, "cross-data"),
        point(7, 1.0, 50.0, "in domain"),
    ]
    assert [[one.number for one in line] for line in fronts(points)] == [[7, 1, 4], [3]]


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
    assert '<td class="training">in domain</td>' in page
    assert '<figure class="plot">' not in page, "nothing to draw against"
    assert 'class="published"' not in page, "published figures compare with no part"


def test_archived_runs_are_taken_too(made: Path, tmp_path: Path) -> None:
    archive_runs([made / "120x160"], tmp_path)
    kept, whole = read_measured(tmp_path / "haar"), read_measured(made / "120x160")
    assert kept.record == whole.record
    assert kept.identity.key == whole.identity.key
    assert kept.pixels == whole.pixels
    assert collect([tmp_path / "haar"], [made / "timings" / "120x160.json"]).rows[0].latencies


def test_what_does_not_belong_together_is_refused(made: Path, tmp_path: Path) -> None:
    timing = made / "timings" / "120x160.json"
    (passed_over,) = collect([made / "90x120"], [timing]).passed_over
    assert "size is '120x160' and '90x120'" in passed_over
    with pytest.raises(UsageError, match=r"unknown metric 'AP/esay'.*Did you mean 'AP/easy'"):
        collect([made / "120x160"], [], metric="AP/esay")
    with pytest.raises(UsageError, match="two timings are of 'haar'"):
        collect([made / "120x160"], [timing, timing])
    with pytest.raises(UsageError, match="two runs are of 'haar'"):
        collect([made / "120x160", made / "120x160"], [])
    other = json.loads(timing.read_text())
    (tmp_path / "t.json").write_text(json.dumps({**other, "threads": 64}))
    with pytest.raises(UsageError, match="threads is"):
        collect([made / "120x160"], [timing, tmp_path / "t.json"])
    (tmp_path / "t.json").write_text(json.dumps({**other, "detector": "yunet"}))
    assert "no run of this detector" in collect([made / "120x160"], [tmp_path / "t.json"]).passed_over[0]
    with pytest.raises(MissingDataError, match="no run in"):
        collect([tmp_path], [])
    shutil.copytree(made / "120x160", tmp_path / "bad")
    (tmp_path / "bad" / "metrics.json").write_text("{}")
    with pytest.raises(InputError, match=r"metrics\.json"):
        collect([tmp_path / "bad"], [])


def run_of(detector: str, dataset: str = "afw") -> Path:
    """A committed run."""
    return MEASURED / dataset / detector


def timing_of(detector: str, folder: Path | None = None, name: str = "t.json", **changes: Any) -> Path:
    """A committed timing on 12 images at 640x480; with changes, a copy in a folder. `pixels` belongs to its size."""
    path = MEASURED / "intel-xeon-2-cores" / f"timing-{detector}.json"
    if folder is None:
        return path
    content = json.loads(path.read_text())
    if "pixels" in changes:
        content["sizes"][0]["pixels"] = changes.pop("pixels")
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({**content, **changes}))
    return folder / name


def without_pixels(detector: str, folder: Path) -> Path:
    """A committed run as older versions archived it."""
    shutil.copytree(run_of(detector), folder / detector)
    identity = json.loads((folder / detector / "identity.json").read_text())
    del identity["pixels"]
    (folder / detector / "identity.json").write_text(json.dumps(identity))
    return folder / detector


def test_a_latency_at_640x480_does_not_join_an_accuracy_on_two_megapixels(sshbench: Any, tmp_path: Path) -> None:
    given = [run_of("faceboxes"), "--timing", timing_of("faceboxes"), "-o", tmp_path]
    code, out, err = sshbench("leaderboard", *given, "--json")
    assert code == 0, err
    (finding,) = json.loads(out)["findings"]
    assert finding["code"] == "unlike-pixels"
    assert (finding["detector"], finding["dataset"]) == ("faceboxes", "afw")
    assert (round(finding["run_pixels"]), finding["timing_pixels"]) == (2194687, 640 * 480)
    assert "2.19 megapixels per image in the run, 0.307 in the timing" in finding["message"]
    assert "sshbench timing --detector faceboxes --sizes original --images DIR --count 205" in finding["message"]
    assert json.loads(out)["rows"][0]["latency_ms"] == {}
    with (tmp_path / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["input_pixels"], row["median_ms"], row["stable"]) for row in rows} == {("2194687", "", "")}
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Latencies not shown" in page
    assert '<td class="number">2.19</td><td class="number">0.307</td>' in page
    assert not (tmp_path / "speed-accuracy.svg").exists()
    code, out, err = sshbench("leaderboard", *given)
    assert (code, "the latency of faceboxes is not shown for AFW" in " ".join(out.split())) == (0, True), err


@pytest.mark.parametrize(("factor", "joins"), [(1.0, True), (1.04, True), (0.96, True), (1.06, False), (0.94, False)])
def test_means_within_five_percent_are_the_same_pixels(tmp_path: Path, factor: float, joins: bool) -> None:
    wanted = read_measured(run_of("faceboxes")).pixels.input or 0.0
    pixels = {"image": factor * wanted, "input": factor * wanted}
    board = collect(
        [run_of("faceboxes")],
        [timing_of("faceboxes", tmp_path, pixels=pixels, image_source="205 of AFW")],
    )
    assert (bool(board.rows[0].latencies), len(board.left_out)) == (joins, not joins)


@pytest.mark.parametrize("detector", ["ultraface-rfb-320", "ultraface-rfb-640", "yoloface-500k", "ssd-res10"])
def test_networks_with_a_fixed_input_join_whatever_the_images_are(tmp_path: Path, detector: str) -> None:
    board = collect([run_of(detector), run_of(detector, "wider")], [timing_of(detector)])
    assert (sorted(board.rows[0].latencies), board.left_out) == ([0, 1], [])
    unknown_images = timing_of(detector, tmp_path, image_source="12 of AFW")
    assert collect([without_pixels(detector, tmp_path)], [unknown_images]).rows[0].latencies


def test_unknown_pixels_do_not_join_and_the_reason_says_whose(tmp_path: Path) -> None:
    (one,) = collect([run_of("faceboxes")], [timing_of("faceboxes", tmp_path, image_source="12 of AFW")]).left_out
    assert (one.code, one.timing_pixels) == ("unknown-pixels", None)
    assert "the timing does not say how many pixels" in one.reason
    assert one.remedy.startswith("Time it on the images of the run")
    (one,) = collect([without_pixels("faceboxes", tmp_path)], [timing_of("faceboxes")]).left_out
    assert (one.code, one.run_pixels, one.timing_pixels) == ("unknown-pixels", None, 640 * 480)
    assert "the run does not say how many pixels" in one.reason
    assert one.remedy.startswith("Evaluate or archive the run again")
    board = collect([without_pixels("haar", tmp_path)], [timing_of("haar", tmp_path, image_source="12 of AFW")])
    assert [one.unknown for one in board.left_out] == ["run"]
    silent = timing_of("faceboxes", tmp_path, pixels={"image": 2_000_000, "input": None})
    (one,) = collect([run_of("faceboxes")], [silent]).left_out
    assert (one.code, one.unknown) == ("unknown-pixels", "detector")
    assert "`input_pixels`" in one.remedy


def test_a_latency_belongs_to_the_dataset_whose_pixels_it_was_measured_on(tmp_path: Path) -> None:
    runs = {"afw": run_of("faceboxes"), "wider": run_of("faceboxes", "wider")}
    timings = []
    for name, run in runs.items():
        pixels = read_measured(run).pixels.model_dump()
        timings.append(timing_of("faceboxes", tmp_path, f"{name}.json", pixels=pixels, image_source=f"all of {name}"))
    board = collect(list(runs.values()), timings)
    assert board.left_out == []
    assert [board.timed_on(0), board.timed_on(1)] == ["all of afw", "all of wider"]
    board = collect(list(runs.values()), timings[1:])
    assert [board.timed_on(0), board.timed_on(1)] == ["", "all of wider"]
    assert [one.dataset for one in board.left_out] == ["afw"]


def test_a_fixed_input_takes_the_timing_with_the_most_similar_images(tmp_path: Path) -> None:
    name = "ultraface-rfb-320"
    near = {"image": 2_000_000, "input": 320 * 240}
    timings = [timing_of(name), timing_of(name, tmp_path, pixels=near, image_source="12 of AFW")]
    board = collect([run_of(name), run_of(name, "wider")], timings)
    assert [board.timed_on(0), board.timed_on(1)] == ["12 of AFW", "12 of AFW at 640x480"]
    other = timing_of("yoloface-500k", tmp_path, "o.json", image_source="12 of AFW")
    with pytest.raises(UsageError, match=r"image_source is '12 of AFW' for .* and '12 of AFW at 640x480' for"):
        collect([run_of(name), run_of("yoloface-500k")], [timing_of(name), other])


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
    assert (code, "unknown 'lfw'" in err) == (2, True)
