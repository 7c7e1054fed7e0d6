"""Figures for papers, and curves thinned to what a plot needs."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

import sshbench
from sshbench.curves import Curve, PRCurve, ROCCurve
from sshbench.errors import UsageError
from sshbench.evaluation.loading import load_dataset
from sshbench.plotting import save_figure
from sshbench.report.build import build_report
from sshbench.report.paper_figures import paper_figure, parse_width
from sshbench.report.thinning import thinned

Call = Callable[..., tuple[int, str, str]]


def curve(level: float) -> PRCurve:
    recall = np.linspace(0, 1, 200)
    return PRCurve(1 - level * recall**2, recall, 1 - recall, 1 - level / 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sample, rng = load_dataset("sample"), np.random.default_rng(3)
    found = {
        key: (faces.boxes[::2], rng.uniform(0.1, 1, len(faces.boxes[::2])))
        for key, faces in zip(sample.keys, sample.faces, strict=True)
    }
    folder = tmp_path_factory.mktemp("runs") / "run"
    sshbench.evaluate("sample", found, detector="half", out=folder)
    return folder


def drawn(figure: Figure) -> Figure:
    """Lay a figure out: quick runs of the tests draw figures without."""
    figure._layout_engine = ConstrainedLayoutEngine()  # type: ignore[attr-defined]
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    return figure


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize(
    "name", ["haar", "retinaface-mnet025 resize=short=480,long=640 score=0.02 and so on, a long name"]
)
def test_the_legend_is_readable_and_inside(count: int, name: str) -> None:
    figure = drawn(paper_figure({f"{i} {name}": curve(i / 10) for i in range(count)}, {"SSH": curve(0.95)}))
    assert figure.get_figwidth() == 3.3
    (legend,) = figure.legends
    assert len(legend.get_texts()) == count + 1
    assert all(float(text.get_fontsize()) >= 6.5 for text in legend.get_texts())
    assert re.search(r"  [01]\.\d{3}$", legend.get_texts()[0].get_text())
    box, axes = legend.get_window_extent(), figure.axes[0].get_tightbbox()
    assert axes is not None
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y0 >= 0
    assert box.y1 <= axes.y0 + 1
    assert axes.height > 1.3 * figure.dpi


def test_lines_are_told_apart_without_colour_and_there_is_no_title() -> None:
    figure = paper_figure({str(i): curve(i / 20) for i in range(14)}, {})
    (axes,) = figure.axes
    looks = [(str(line._unscaled_dash_pattern), line.get_marker()) for line in axes.lines]  # type: ignore[attr-defined]
    assert all(a != b for a, b in combinations(looks, 2))
    assert axes.get_title() == ""
    assert axes.get_title(loc="left") == ""


def test_fonts_are_embedded_whole_and_bytes_are_equal(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_figure(paper_figure({"x": curve(0.5)}, {}), tmp_path / f"{name}.pdf")
    content = (tmp_path / "a.pdf").read_bytes()
    assert content == (tmp_path / "b.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


@pytest.mark.parametrize("text", ["", "3.3", "in", "0.1in", "30in", "-3in", "3,3in", "nanin", "3.3 px"])
def test_a_wrong_width(text: str) -> None:
    with pytest.raises(UsageError, match="is not a width"):
        parse_width(text)


def test_report_with_figures_for_paper(sshbench: Call, run: Path, tmp_path: Path) -> None:
    options = ("--images", 0, "--figures", "pdf,svg,png", "--style", "paper", "--width", "84mm", "--json")
    code, out, err = sshbench("report", run, "-o", tmp_path, *options)
    assert (code, err) == (0, "")
    names = {Path(path).relative_to(tmp_path).as_posix() for path in json.loads(out)["files"]}
    assert {f"paper/pr-hard.{kind}" for kind in ("pdf", "svg", "png")} <= names
    assert {"pr-hard.svg", "pr-hard.png"} <= names
    width = float(re.findall(r'width="([\d.]+)pt"', (tmp_path / "paper" / "pr-hard.svg").read_text())[0])
    assert width == pytest.approx(84 / 25.4 * 72, abs=0.01)
    for wrong in (("--width", "3in"), ("--figures", "gif"), ("--style", "paper", "--width", "wide")):
        assert sshbench("report", run, "-o", tmp_path, *wrong)[0] == 2


def test_report_with_other_formats_for_the_screen(run: Path, tmp_path: Path) -> None:
    files = build_report([run], tmp_path, images_per_run=0, figures=("pdf",)).files
    assert {path.name for path in files} == {
        "index.html", "ap.csv", "curves.csv", "pr-easy.pdf", "pr-medium.pdf", "pr-hard.pdf",
    }  # fmt: skip


def test_the_report_thins_curves_and_the_run_keeps_them(run: Path, tmp_path: Path) -> None:
    build_report([run], tmp_path, images_per_run=0)
    rows = list(csv.DictReader((tmp_path / "curves.csv").read_text().splitlines()))
    for name in ("easy", "medium", "hard"):
        full = (run / "curves" / f"{name}.csv").read_text().splitlines()
        assert len(full) == 1001
        kept = [row for row in rows if row["curve"] == name]
        assert 2 <= len(kept) < 500
        assert float(kept[-1]["recall"]) == float(full[-1].split(",")[0])


def distances(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance of each point from a line of many segments, by brute force."""
    found = []
    for a, b in pairwise(line):
        along = b - a
        square = along @ along
        share = np.clip((points - a) @ along / square, 0, 1) if square else np.zeros(len(points))
        found.append(np.hypot(*(points - a - share[:, None] * along).T))
    return np.array(np.min(found, axis=0))


@given(st.integers(0, 2**32), st.integers(2, 300), st.booleans())
def test_every_dropped_point_lies_within_a_pixel_of_the_line(seed: int, count: int, roc: bool) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.uniform(size=count)), rng.uniform(0.4, 0.6, count) * rng.choice([1, 1e-3]) + 0.2
    threshold = np.zeros(count)
    one: Curve
    if roc:
        one = ROCCurve(np.floor(x * 3000), y, threshold)
        points = 2000 * np.column_stack((np.minimum(one.false_positives / 2000, 1), y))
    else:
        one = PRCurve(y, x, threshold, 0.5)
        points = 2000 * np.column_stack((x, y))
    kept = thinned(one)
    assert kept[0] == 0
    assert kept[-1] == count - 1
    assert (np.diff(kept) > 0).all()
    assert distances(points, points[kept]).max() < 1


def test_undefined_precision_keeps_its_ends() -> None:
    precision = np.array([np.nan] * 10 + [1.0] * 10)
    kept = thinned(PRCurve(precision, np.r_[np.zeros(10), np.linspace(0, 1, 10)], np.zeros(20), 1.0))
    assert kept.tolist() == [0, 9, 10, 19]
    assert thinned(PRCurve(np.empty(0), np.empty(0), np.empty(0), 0.0)).tolist() == []
