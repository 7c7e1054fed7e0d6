"""Reports: outcomes agree with the evaluator, and the page is whole, honest and safe."""

from __future__ import annotations

import csv
import json
import re
import shutil
import warnings
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench import benchmark
from sshbench.curves import PRCurve
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.evaluation.api import evaluate
from sshbench.evaluation.benchmarks import evaluator_of
from sshbench.evaluation.figures import curve_figure
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluators.base import Outcome
from sshbench.evaluators.wider import WiderResult
from sshbench.files import sample_dir
from sshbench.plotting import to_svg
from sshbench.protocols import load_protocol
from sshbench.published.tables import published_methods, published_rows
from sshbench.records import Detections, DetectionSet
from sshbench.report.build import build_report
from tests.report.pages import make_run, perfect

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects what must hold of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag in ("img", "iframe", "link") or values.keys() & {"src", "xlink:href"}:
            self.loads.append(str(values.get("src") or values.get("href") or values.get("xlink:href")))
        if tag == "img":
            self.images.append(values)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def runs(report_runs: list[Path]) -> list[Path]:
    return report_runs


@pytest.fixture(scope="module")
def page(report_page: Path) -> Path:
    return report_page


def test_page_is_whole_and_needs_nothing_else(page: Path) -> None:
    text = page.read_text()
    parsed = Page(text)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(load.startswith(("data:", "#")) for load in parsed.loads)
    assert len(parsed.images) == 10
    assert all(image["alt"] for image in parsed.images)
    assert text.count('<svg class="curves"') == 3


def test_smoke_test_says_so_and_shows_no_published_rows(page: Path) -> None:
    text = page.read_text()
    assert "Smoke test." in text
    assert "SSH (VGG-16)" not in text


def test_whole_dataset_shows_published_rows_and_a_part_says_so(shared: Path, tmp_path: Path) -> None:
    wider = shared / "data" / "wider"
    predictions = wider / "predictions" / "synth_small.zip"
    texts = []
    for name, limit in (("whole", None), ("part", 40)):
        evaluate("wider", predictions, data=wider, out=tmp_path / name, limit=limit)
        texts.append(build_report([tmp_path / name], tmp_path / f"{name}-report").page.read_text())
    assert "SSH (VGG-16) + pyramid" in texts[0]
    assert "A part of the dataset." not in texts[0]
    assert "SSH (VGG-16) + pyramid" not in texts[1]
    assert "40 of 3226 images" in texts[1]


def test_tables_beside_the_page_hold_the_exact_figures(runs: list[Path], page: Path) -> None:
    rows = list(csv.DictReader((page.parent / "ap.csv").read_text().splitlines()))
    for folder, first in zip(runs, (0, 3), strict=True):
        metrics = json.loads((folder / "metrics.json").read_text())["metrics"]
        assert {row["metric"]: float(row["value"]) for row in rows[first : first + 3]} == metrics
    curves = list(csv.DictReader((page.parent / "curves.csv").read_text().splitlines()))
    assert 2 * 3 * 2 <= len(curves) < 2 * 3 * 500
    for subset in ("easy", "medium", "hard"):
        assert (page.parent / f"pr-{subset}.png").read_bytes()[:4] == b"\x89PNG"
        assert (page.parent / f"pr-{subset}.svg").read_text().startswith("<svg")


def test_unfinished_runs_are_marked(tmp_path: Path) -> None:
    import sqlite3

    folder = make_run(tmp_path, "cut", perfect())
    connection = sqlite3.connect(folder / "detections.sqlite")
    with connection:
        connection.execute("DELETE FROM images WHERE key LIKE '2--%'")
    connection.close()
    (folder / "files.json").unlink()  # a run that was killed was never evaluated
    text = build_report([folder], tmp_path / "report").page.read_text()
    assert "Unfinished." in text
    assert "only 20 of 24 images are done" in text


def test_unlike_runs_are_not_overlaid(runs: list[Path], tmp_path: Path) -> None:
    other = make_run(tmp_path, "limited", perfect(), limit=5)
    with pytest.raises(UsageError, match="dataset_fingerprint is"):
        build_report([runs[0], other], tmp_path / "report")
    with pytest.raises(UsageError, match="no run was named"):
        build_report([], tmp_path / "report")
    with pytest.raises(MissingDataError, match="no run in"):
        build_report([tmp_path], tmp_path / "report")


def test_a_dataset_that_moved(tmp_path: Path) -> None:
    moved = Path(shutil.copytree(sample_dir(), tmp_path / "here"))
    folder = make_run(tmp_path, "run", perfect(), data=moved)
    shutil.move(moved, tmp_path / "there")
    with pytest.raises(MissingDataError, match="--data"):
        build_report([folder], tmp_path / "report")
    assert build_report([folder], tmp_path / "report", data=tmp_path / "there").page.exists()


def test_outcomes_agree_with_the_evaluator() -> None:
    sample = load_dataset("sample")
    outcome = evaluator_of(load_protocol("sample"))(perfect(noise=1), sample.faces, load_protocol("sample"))
    for subset in ("easy", "hard"):
        score = outcome.best_f1_score(subset)
        # The protocol's last of 1 000 thresholds keeps every detection: its counts are the evaluator's own.
        everything = outcome.fates(subset)
        assert isinstance(outcome.result, WiderResult)
        kept, recalled = outcome.result.counts[subset][-1].tolist()
        assert int(everything.right.sum()) == recalled == int(everything.found.sum())
        assert int(everything.right.sum() + everything.false.sum()) == kept
        assert int(everything.missed.sum() + everything.found.sum()) == outcome.counted[subset]
        # And no other score has a larger F1.
        assert f1(outcome, subset, score) == max(f1(outcome, subset, other) for other in np.unique(outcome.scores))


def f1(outcome: Outcome, subset: str, score: float) -> float:
    found = outcome.fates(subset, score)
    right, false, missed = (int(flags.sum()) for flags in (found.right, found.false, found.missed))
    return 2 * right / (2 * right + false + missed)


def test_a_second_hit_is_false_and_a_hit_of_an_ignored_face_is_neither() -> None:
    sample = load_dataset("sample")
    base = perfect()
    twice = DetectionSet.from_images(
        (key, Detections(np.tile(d.boxes, (2, 1)), np.concatenate((d.scores, d.scores / 2))))
        for key, d in zip(base.keys, base, strict=True)
    )
    found = evaluator_of(load_protocol("sample"))(twice, sample.faces, load_protocol("sample")).fates("easy")
    counted = sample.faces.counted("easy")
    assert (int(found.right.sum()), int(found.false.sum()), int(found.missed.sum())) == (counted, counted, 0)


def test_same_figure_same_bytes_and_ids_of_its_own() -> None:
    curve = PRCurve(np.array([np.nan, 1.0, 0.5]), np.array([0.0, 0.5, 1.0]), np.array([0.9, 0.5, 0.0]), 0.75)
    first, again = (to_svg(curve_figure("easy", {"a $b$ _c": curve}), "one") for _ in range(2))
    assert first == again
    ids = set(re.findall(r'\bid="([^"]+)"', first))
    assert ids
    assert all(name.startswith("one-") for name in ids)
    assert set(re.findall(r"(?:url\(|xlink:href=\")#([^)\"]+)", first)) <= ids


def test_published_rows() -> None:
    rows = published_rows("wider")
    assert all(0 < row.value < 1 and row.source for row in rows)
    aps = {method.method: method.metrics for method in published_methods("wider")}
    assert aps["SSH (VGG-16) + pyramid"] == {"AP/easy": 0.931, "AP/medium": 0.921, "AP/hard": 0.845}
    assert published_rows("sample") == []


def test_a_wrong_published_row_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "wider_val.csv").write_text(
        "method,subset,ap,kind,source,note\na,easy,0.5,paper,s,\nb,easy,x,paper,s,\n"
    )
    with pytest.raises(InputError, match=r"wider_val\.csv:3"):
        published_rows("wider", tmp_path)


def test_report_command(sshbench: Any, runs: list[Path], tmp_path: Path) -> None:
    code, out, err = sshbench("report", runs[0], "-o", tmp_path / "r", "--images", 0, "--json")
    assert (code, err) == (0, "")
    assert Path(json.loads(out)["page"]).exists()
    assert sshbench("report", tmp_path, "-o", tmp_path / "r")[0] == 2


def test_demo_command(sshbench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thorough: bool) -> None:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", "")
    if not thorough:
        monkeypatch.setattr("sshbench.benchmark.run", partial(benchmark.run, limit=4))
    code, out, _ = sshbench("demo", "-o", tmp_path)
    assert code == 0
    assert "yunet was left out" in out
    assert "Smoke test." in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.thorough
def test_long_names_leave_room_for_the_curves() -> None:
    curve = PRCurve(np.array([1.0, 0.5]), np.array([0.5, 1.0]), np.array([0.9, 0.1]), 0.75)
    names = ["a detector replay=/a/very/long/folder/of/a/prediction/set/with/a/long/name/" + end for end in ("a", "b")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the layout warns where it gives up
        for many in (1, 5):
            curves = {f"{name}{i}": curve for name in names for i in range(many)}
            assert to_svg(curve_figure("easy", curves), "long")
