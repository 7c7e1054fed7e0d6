"""The page of a report in a browser: what it reads, counts, sorts, hides, zooms and prints."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

import sshbench
from sshbench.curves import PRCurve
from sshbench.evaluation.origin import evaluate_again
from sshbench.evaluation.result import Evaluation
from sshbench.records import Detections, DetectionSet
from sshbench.report.build import build_report
from sshbench.report.page import environment
from sshbench.report.page_tables import Cell, PageTable
from sshbench.report.svg import BOTTOM, LEFT, RIGHT, TOP, Mark, dot_chart
from sshbench.report.threshold_counts import counts_at, score_steps
from sshbench.runs import open_run
from tests.evaluators.test_fates import CASES, GOLDEN
from tests.report.browser import Browser
from tests.report.pages import NASTY, make_run, perfect

SUBSETS = ("easy", "medium", "hard")
HARD = 2


@pytest.fixture(scope="module")
def evaluations(report_runs: list[Path]) -> list[Evaluation]:
    """In the order of the page: by figure."""
    found = []
    for folder in report_runs:
        with open_run(folder) as run:
            found.append(evaluate_again(run))
    return sorted(found, key=lambda one: -(one.metrics["AP/hard"] or 0))


@pytest.fixture(scope="module")
def page(report_page: Path) -> Path:
    return report_page


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.show(1280)
    browser.open(page)
    return browser


def cells(browser: Browser, selector: str) -> list[str]:
    found: list[str] = browser.run(f"[...document.querySelectorAll({selector!r})].map((one) => one.textContent)")
    return found


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def mouse(browser: Browser, kind: str, x: float, y: float, **more: Any) -> None:
    browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)


def plot_of(browser: Browser, figure: int) -> tuple[float, float, float, float]:
    """Return place and size of a figure's axes on the screen."""
    script = f"(() => {{ const one = document.querySelector(\"figure[data-curve='{figure}'] svg.curves\"); "
    script += "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect(); "
    script += "return [box.x, box.y, box.width, box.height]; })()"
    x, y, width, height = browser.run(script)
    return x + LEFT, y + TOP, width - LEFT - RIGHT, height - TOP - BOTTOM


def pr_curve(evaluation: Evaluation, subset: str) -> PRCurve:
    curve = evaluation.outcome.curves[subset]
    assert isinstance(curve, PRCurve)
    return curve


def as_percent(value: float) -> str:
    return "\N{EN DASH}" if np.isnan(value) else f"{100 * value:.1f}"


def test_scripts_of_our_own_are_small() -> None:
    folder = files("sshbench").joinpath("report/templates")
    assert sum(len(folder.joinpath(name).read_bytes()) for name in ("report.js", "tables.js")) <= 40_000


def test_without_script_everything_is_there(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"<details(?! open)", text) == []
    assert text.count('<path class="run c0 l0" data-run="0" d="M') == len(SUBSETS)
    assert text.count('<table class="counts">') == len(SUBSETS)
    for section in ("figures", "curves", "slices", "errors", "calibration", "operating", "images", "findings"):
        assert f'<h2 id="{section}">' in text
    assert "\u2028" not in re.sub(r"<(h\d|td|span|bdi|title|p|dd|tr|details|summary)[^>]*>[^<]*", "", text)


def test_numbers_of_the_page_are_the_curves_own(page: Path, evaluations: list[Evaluation]) -> None:
    data = data_of(page)
    for number, subset in enumerate(SUBSETS):
        for run, evaluation in enumerate(evaluations):
            curve = pr_curve(evaluation, subset)
            values = data["curves"][number]["values"][run]
            for place in (0, 137, 500, 999, 1000):
                reached = np.flatnonzero((curve.recall >= place / 1000) & ~np.isnan(curve.precision))
                expected = float(curve.precision[reached[0]]) if len(reached) else None
                assert values[place] == (None if expected is None else pytest.approx(expected, rel=1e-4))


def test_counts_are_the_evaluators_own(page: Path, evaluations: list[Evaluation]) -> None:
    data = data_of(page)
    assert 40 < len(data["steps"]) == len(set(data["steps"]))
    for number, subset in enumerate(SUBSETS):
        for run, evaluation in enumerate(evaluations):
            counts = data["curves"][number]["counts"][run]
            for step in range(0, len(data["steps"]), 7):
                found = evaluation.outcome.fates(subset, data["steps"][step])
                assert counts["right"][step] == int(found.right.sum())
                assert counts["false"][step] == int(found.false.sum())
                assert counts["faces"] - counts["right"][step] == int(found.missed.sum())
    # With the lowest score of all, the counts are the ledger's whole sums.
    ledger = evaluations[0].outcome.ledger("hard")
    assert ledger is not None
    counts = data["curves"][HARD]["counts"][0]
    assert counts["right"][0] == ledger.true.sum()
    assert counts["false"][0] + counts["right"][0] == ledger.kept.sum()


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case[1:]))
def test_counts_are_those_of_every_protocol(case: tuple[str, str, str]) -> None:
    name, folder, file = case
    evaluation = sshbench.evaluate(name, GOLDEN / folder / file, data=GOLDEN / folder)
    outcome = evaluation.outcome
    steps = score_steps([evaluation], [outcome.best_f1_score()])
    assert outcome.best_f1_score() in steps
    for curve in outcome.fates_at:
        counts = counts_at(evaluation, curve, steps)
        for step in range(0, len(steps), 25):
            found = outcome.fates(curve, float(steps[step]))
            assert round(counts.right[step]) == int(found.right.sum())
            assert counts.false[step] == int(found.false.sum())
            assert counts.faces == int((found.found | found.missed).sum())
            recall = counts.right[step] / counts.faces
            assert counts.place(step)[1 if counts.is_roc else 0] == pytest.approx(recall)


def test_pointing_reads_every_run(opened: Browser, evaluations: list[Evaluation]) -> None:
    x, y, width, height = plot_of(opened, HARD)
    mouse(opened, "mouseMoved", x + 0.6 * width, y + 0.5 * height)
    opened.wait("document.querySelectorAll(\"figure[data-curve='2'] .cross circle\").length === 2")
    place = opened.run("sshbenchReport.figures[2].at") / 1000
    assert place == pytest.approx(0.6, abs=0.01)
    read = cells(opened, "figure[data-curve='2'] .reading tr[data-run] .value")
    for evaluation, text in zip(evaluations, read, strict=True):
        curve = pr_curve(evaluation, "hard")
        reached = np.flatnonzero((curve.recall >= place) & ~np.isnan(curve.precision))
        assert text == as_percent(float(curve.precision[reached[0]]))
    assert all(float(text) > 0 for text in cells(opened, "figure[data-curve='2'] .reading tr[data-run] .raw"))
    mouse(opened, "mouseMoved", 2, 2)
    opened.wait("document.querySelectorAll('.cross circle').length === 0")


def test_keys_read_every_run(opened: Browser) -> None:
    opened.run("document.querySelector(\"figure[data-curve='0'] svg.curves\").focus()")
    opened.key("ArrowRight")
    assert opened.run("sshbenchReport.figures[0].at") == 500
    opened.key("ArrowRight")
    assert opened.run("sshbenchReport.figures[0].at") == 501
    said = opened.run("document.activeElement.getAttribute('aria-valuetext')")
    assert said.startswith("recall 50.1 %. good: ")
    assert NASTY in said
    opened.key("Escape")
    assert opened.run("sshbenchReport.figures[0].at") is None


def test_slider_counts_and_moves_dots(opened: Browser, page: Path, evaluations: list[Evaluation]) -> None:
    steps = data_of(page)["steps"]
    before = opened.run("document.querySelector(\"figure[data-curve='2'] circle.dot\").getAttribute('cx')")
    step = len(steps) // 3
    opened.run(f"threshold.value = {step}; threshold.dispatchEvent(new Event('input'))")
    assert opened.run("document.getElementById('score').textContent") == f"score ≥ {float(f'{steps[step]:.4g}'):g}"
    rows = cells(opened, "figure[data-curve='2'] .counts tbody tr td + td")
    for run, evaluation in enumerate(evaluations):
        found = evaluation.outcome.fates("hard", steps[step])
        right, false, missed = (int(flags.sum()) for flags in (found.right, found.false, found.missed))
        shown = [text.replace("\N{NARROW NO-BREAK SPACE}", "") for text in rows[6 * run : 6 * run + 6]]
        assert shown[1:4] == [str(right), str(false), str(missed)]
        assert shown[4:] == [as_percent(right / (right + false)), as_percent(right / (right + missed))]
    assert opened.run("document.querySelector(\"figure[data-curve='2'] circle.dot\").getAttribute('cx')") != before
    opened.run("best.click()")
    assert opened.run("document.getElementById('score').textContent") == "each run at its best F1"


def test_page_counts_the_same_before_and_after_its_script(opened: Browser, page: Path) -> None:
    cell = r'<td class="number">([^<]*)</td>'
    tables = re.findall(r'<table class="counts">(.*?)</table>', page.read_text(), re.DOTALL)
    static = [text for table in tables for text in re.findall(cell, table)]
    assert len(static) == 3 * 2 * 6
    assert static == cells(opened, "table.counts td.number")


def test_a_click_hides_a_run(opened: Browser) -> None:
    lines = "[...document.querySelectorAll(\"svg.plot path.run[data-run='1']\")]"
    shown = f"{lines}.map((one) => getComputedStyle(one).display)"
    assert set(opened.run(shown)) == {"inline"}
    opened.run("document.querySelector(\"#runs button[data-run='1']\").click()")
    assert set(opened.run(shown)) == {"none"}
    assert opened.run("document.querySelector(\"#runs button[data-run='1']\").getAttribute('aria-pressed')") == "false"
    opened.run("document.querySelector('.reading tr[data-run=\"1\"] .run').click()")
    assert set(opened.run(shown)) == {"inline"}


def test_the_address_alone_gives_the_same_view(opened: Browser, page: Path) -> None:
    view = "[location.hash, document.getElementById('score').textContent, threshold.value, "
    view += "[...document.querySelectorAll('table.counts, svg.plot path.run, circle.dot')].map((one) => one.outerHTML)]"
    fresh = opened.run(view)
    opened.run("document.querySelector(\"#runs button[data-run='1']\").click()")
    opened.run("threshold.value = 11; threshold.dispatchEvent(new Event('input'))")
    left = opened.run(view)
    assert parse_qs(left[0][1:]) == {"hide": ["1"], "threshold": [str(data_of(page)["steps"][11])]}
    opened.open(page, left[0])
    opened.wait("document.querySelector('circle.dot').getAttribute('cx') !== null")
    assert opened.run(view) == left
    for odd in ("#hide=9+x+-1&threshold=abc", "#threshold=", "#curves"):
        opened.open(page, odd)
        assert opened.run(view)[1:3] == fresh[1:3]
        assert opened.run("document.querySelectorAll('.off').length") == 0
    opened.open(page, left[0])
    opened.run("best.click(); document.querySelector(\"#runs button[data-run='1']\").click()")
    assert opened.run(view)[:3] == fresh[:3]
    assert opened.run("document.querySelectorAll('.off').length") == 0


def test_zoom_by_rectangle_and_by_button(opened: Browser, page: Path) -> None:
    view = "sshbenchReport.figures[2].view"
    x, y, width, height = plot_of(opened, HARD)
    mouse(opened, "mousePressed", x + 0.5 * width, y + 0.1 * height, button="left", buttons=1, clickCount=1)
    mouse(opened, "mouseMoved", x + 0.75 * width, y + 0.4 * height, button="left", buttons=1)
    mouse(opened, "mouseReleased", x + 0.75 * width, y + 0.4 * height, button="left", clickCount=1)
    left, low, right, high = opened.run(view)
    assert (left, right) == (pytest.approx(0.5, abs=0.01), pytest.approx(0.75, abs=0.01))
    assert (low, high) == (pytest.approx(0.6, abs=0.02), pytest.approx(0.9, abs=0.02))
    drawn = opened.run("document.querySelector(\"figure[data-curve='2'] svg.plot\").getAttribute('viewBox')")
    assert float(drawn.split()[0]) == pytest.approx(10_000 * left)
    opened.run("document.querySelector(\"figure[data-curve='2'] svg.curves\").dispatchEvent(new Event('dblclick'))")
    assert opened.run(view) == [0, 0, 1, 1.005]
    opened.run("corner.click()")
    assert opened.run(view) == data_of(page)["curves"][HARD]["corner"]
    opened.run("whole.click()")
    assert opened.run(view) == [0, 0, 1, 1.005]


def test_corner_holds_the_places_where_runs_differ(page: Path) -> None:
    for curve in data_of(page)["curves"]:
        first, second = (np.array(values, dtype=np.float64) for values in curve["values"])
        left, low, right, high = curve["corner"]
        assert 0 <= left < right <= 1
        assert 0 <= low < high <= 1.005
        assert left <= int(np.nanargmax(abs(first - second))) / 1000 <= right


def test_table_sorts_and_is_copied(opened: Browser, evaluations: list[Evaluation]) -> None:
    table = "document.querySelector('table[data-sortable]')"
    names = f"[...{table}.tBodies[0].rows].map((row) => row.cells[0].textContent)"
    assert opened.run(names) == ["good", NASTY]
    opened.run(f"{table}.querySelectorAll('th')[3].querySelector('button').click()")
    assert opened.run(f"{table}.querySelectorAll('th')[3].getAttribute('aria-sort')") == "descending"
    opened.run(f"{table}.querySelectorAll('th')[3].querySelector('button').click()")
    assert opened.run(names) == [NASTY, "good"]
    text = opened.run(f"sshbenchTables.asCsv({table})").split("\n")
    assert text[0].startswith("detector,easy,easy ±,medium,medium ±,hard,hard ±,")
    row = next(line for line in text if line.startswith("good,")).split(",")
    assert float(row[5]) == evaluations[0].metrics["AP/hard"]
    assert re.search(r"good & [\d.]+ \$\\pm\$ [\d.]+ &", opened.run(f"sshbenchTables.asLatex({table})"))


def test_contents_lead_to_their_sections(opened: Browser) -> None:
    anchors = opened.run("[...document.querySelectorAll('.toc a')].map((one) => one.getAttribute('href'))")
    assert len(anchors) == len(set(anchors)) >= 8
    assert opened.run("[...document.querySelectorAll('.toc a')].every((one) => document.querySelector(one.hash))")
    opened.run("document.querySelector('.toc a[href=\"#operating\"]').click()")
    assert opened.run("location.hash") == "#operating"
    top = "document.getElementById('operating').getBoundingClientRect().top"
    opened.wait(f"{top} > 0 && {top} < innerHeight")


def test_figures_follow_the_dark(opened: Browser) -> None:
    looks = "['path.run', 'svg.curves text', 'figure.curve', 'body', '.chart text', '.chart circle'].map((one) => { "
    looks += "const style = getComputedStyle(document.querySelector(one)); "
    looks += "return [style.stroke, style.fill, style.backgroundColor].join(); })"
    light = opened.run(looks)
    opened.show(1280, scheme="dark")
    dark = opened.run(looks)
    assert all(before != after for before, after in zip(light, dark, strict=True))
    assert opened.run("getComputedStyle(document.body).backgroundColor") == "rgb(15, 23, 42)"


def test_folded_tables_are_open_while_it_prints(opened: Browser) -> None:
    closed = "document.querySelectorAll('details:not([open])').length"
    before = opened.run(closed)
    assert before > 0
    opened.run("window.dispatchEvent(new Event('beforeprint'))")
    assert opened.run(closed) == 0
    opened.run("window.dispatchEvent(new Event('afterprint'))")
    assert opened.run(closed) == before


def test_names_in_drawings_and_tables_are_text() -> None:
    names = ["</svg><script>1</script>", "a\x00\u202eb", "\ud83d lone"]
    mark = Mark(50.0, 0.0, 40.0, 60.0, "c0 l0", names[0], 0)
    drawing = dot_chart([(name, [mark]) for name in names], "x", names[0])
    table = PageTable(
        names[0], ("a", names[1]), tuple((Cell(name), Cell("1", 1.0)) for name in names), ((names[2], 2),)
    )
    template = environment().from_string('{% from "page_macros.html.j2" import table %}{{ table(of) }}')
    for text in (drawing, template.render(of=table)):
        text.encode()
        assert "<script" not in text
        assert "&lt;script&gt;" in text
        assert "\x00" not in text
        assert "a\ufffd\u202eb" in text


@pytest.mark.thorough
def test_three_runs_on_wider_stay_small(shared: Path, tmp_path: Path) -> None:
    wider = shared / "data" / "wider"
    runs = []
    for name in ("retinaface-trt", "retinaface-jit", "retinaface-mnet025"):
        sshbench.evaluate("wider", wider / "predictions" / f"{name}.zip", data=wider, out=tmp_path / name)
        runs.append(tmp_path / name)
    page = build_report(runs, tmp_path / "report", images_per_run=0).page
    assert page.stat().st_size < 1_000_000
    assert sum(file.stat().st_size for file in page.parent.iterdir()) < 3_000_000


def test_a_run_without_detections_has_a_page(report_runs: list[Path], tmp_path: Path) -> None:
    none = make_run(tmp_path, "nothing", DetectionSet.from_images((key, Detections.empty()) for key in perfect().keys))
    text = build_report([none], tmp_path / "report", images_per_run=0).page.read_text()
    assert 'id="curves"' in text
    assert data_of(tmp_path / "report" / "index.html")["steps"] == []


def test_a_stored_analysis_is_used_where_it_fits(report_runs: list[Path], tmp_path: Path) -> None:
    record = sshbench.analyze(report_runs[0]).record
    marked = record.model_copy(update={"findings": (record.findings[0].model_copy(update={"message": "MARK"}),)})
    folder = report_runs[0] / "analysis"
    folder.mkdir()
    try:
        marked.write(folder / "analysis.json")
        assert "MARK" in build_report(report_runs[:1], tmp_path / "a", images_per_run=0).page.read_text()
        marked.model_copy(update={"detections_digest": "0"}).write(folder / "analysis.json")
        assert "MARK" not in build_report(report_runs[:1], tmp_path / "b", images_per_run=0).page.read_text()
    finally:
        (folder / "analysis.json").unlink()
        folder.rmdir()


def test_analysis_can_be_left_out(report_runs: list[Path], tmp_path: Path) -> None:
    text = build_report(report_runs[:1], tmp_path, images_per_run=0, analysis=False).page.read_text()
    assert 'id="figures"' in text
    assert 'id="slices"' not in text
