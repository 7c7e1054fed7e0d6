"""`sshbench paper`: published and measured figures on one page, and what is missing.

`tests/report/test_pages.py` shows the page to a browser.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from sshbench.cli import app
from sshbench.curves import PRCurve, ROCCurve, curve_csv
from sshbench.errors import InputError, MissingDataError
from sshbench.published import ImportedCurve
from sshbench.published.store import store
from sshbench.ssh_paper import measuring
from sshbench.ssh_paper.check import check_claims
from sshbench.ssh_paper.exhibits import exhibits, published_lines
from sshbench.ssh_paper.measured import read_curve, timed_lines
from sshbench.ssh_paper.missing import SIZES, suite_text
from sshbench.ssh_paper.page import build_paper, published_times
from sshbench.suite.plan import read_suite
from sshbench.timing.job import Job
from tests.ssh_paper.fakes import Fake, record_of

MEASURED = Path(__file__).parents[2] / "results" / "measured"
RANDOM = {"parameters": "random, seed 0, 1000 candidates"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_CACHE", str(tmp_path / "cache"))


def copied(run: str, to: Path, **changes: Any) -> Path:
    """Copy an archived run, with other fields in its identity."""
    shutil.copytree(MEASURED / run, to)
    (to / "analysis.json").unlink(missing_ok=True)
    kept = json.loads((to / "identity.json").read_text(encoding="utf-8"))
    (to / "identity.json").write_text(json.dumps(kept | changes), encoding="utf-8")
    return to


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("<script>")[0]


def part(page: Path, name: str) -> str:
    """Return the words of a section."""
    found = re.search(rf'<section id="{name}">(.*?)</section>', text_of(page), re.S)
    assert found
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).replace("\N{EN DASH}", "-").split())


# ---- What was published.


def test_published_figures_are_those_of_the_paper(tmp_path: Path) -> None:
    made = build_paper(tmp_path)
    table = part(made.page, "table-1")
    for row in ("CMS-RCNN 89.90 87.40 62.90", "HR (VGG-16) + pyramid 86.20 84.40 74.90"):
        assert row in table
    assert "SSH (VGG-16) 91.90 90.70 81.40" in table
    assert "SSH (VGG-16) + pyramid 93.10 92.10 84.50" in table
    assert published_times() == {"400x800": "48", "600x1000": "74", "800x1200": "107", "1200x1600": "182"}
    assert "48 74 107 182 published" in part(made.page, "table-2")
    assert "unverified" in part(made.page, "figure-6-fddb")


def test_every_exhibit_has_published_rows_and_no_method_is_misspelt() -> None:
    assert [one.id for one in exhibits()] == [
        "table-1",
        "figure-5-val",
        "figure-5-test",
        "figure-6-fddb",
        "figure-6-pascal",
    ]
    for exhibit in exhibits():
        assert [line.method for line in published_lines(exhibit)] == list(exhibit.methods), exhibit.id


def test_all_figures_are_in_the_csv(tmp_path: Path) -> None:
    build_paper(tmp_path, on=[MEASURED / "wider"])
    rows = list(csv.DictReader((tmp_path / "paper.csv").read_text(encoding="utf-8").splitlines()))
    one = next(r for r in rows if (r["exhibit"], r["method"], r["metric"]) == ("figure-5-val", "yunet", "AP/hard"))
    record = json.loads((MEASURED / "wider/yunet/metrics.json").read_text(encoding="utf-8"))
    assert float(one["value"]) == record["metrics"]["AP/hard"]
    assert one["kind"] == "measured, in domain"
    assert sum(row["exhibit"] == "table-1" and row["kind"] == "published" for row in rows) == 15


# ---- What was measured.


def test_measured_rows_stand_beside_the_published_ones(tmp_path: Path) -> None:
    made = build_paper(tmp_path, on=[MEASURED / "wider", MEASURED / "fddb"])
    assert re.search(r"ssh-tiny 78\.\d\d ± [\d.]+ .* measured, cross-data: ", part(made.page, "figure-5-val"))
    assert re.search(r"yunet [\d.]+ .*? measured, ", part(made.page, "figure-6-fddb"))
    assert "measured," not in part(made.page, "figure-5-test")
    assert "SSH (VGG-16) 91.90 90.70 81.40 - - - not measured" in part(made.page, "table-1")


def test_a_detector_of_the_paper_fills_its_row(tmp_path: Path) -> None:
    run = copied("wider/yunet", tmp_path / "runs" / "ssh", detector="ssh")
    before = build_paper(tmp_path / "without").missing
    made = build_paper(tmp_path / "page", on=[run.parent])
    figures = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    shown = " ".join(f"{100 * figures[f'AP/{name}']:.2f}" for name in ("easy", "medium", "hard"))
    assert f"SSH (VGG-16) 91.90 90.70 81.40 {shown} ssh , in domain" in part(made.page, "table-1")
    filled = [one.command for one in before if one not in made.missing]
    assert len(filled) == 1
    assert "--detector ssh --weights ssh-vgg16.safetensors" in filled[0]


def test_random_weights_are_marked_and_fill_nothing(tmp_path: Path) -> None:
    settings = json.loads((MEASURED / "wider/yunet/identity.json").read_text(encoding="utf-8"))["settings"]
    changed = settings | {"extra": {**settings.get("extra", {}), **RANDOM}}
    run = copied("wider/yunet", tmp_path / "runs" / "ssh", detector="ssh", settings=changed)
    made = build_paper(tmp_path / "page", on=[run.parent])
    assert "ssh , random weights" in part(made.page, "table-1")
    assert made.missing == build_paper(tmp_path / "without").missing


def test_times_of_ssh(tmp_path: Path) -> None:
    job = Job(detector="ssh", sizes=("400x800",), image_size="800x400")
    trained: dict[str, Any] = {
        "settings": {"extra": {"backend": "torch", "precision": "fp32"}},
        "weights_sha256": "abcdef0123456789",
    }
    for name, record in (
        ("random", record_of(job, 100.0)),
        ("more", record_of(job.model_copy(update={"sizes": ("1200x1600",)}), 600.0)),
        ("trained", record_of(job, 90.0, **trained)),
        ("other", record_of(job.model_copy(update={"detector": "s3fd"}), 90.0)),
    ):
        record.save(tmp_path / "timings" / f"{name}.json")
    made = build_paper(tmp_path / "page", on=[tmp_path / "timings"])
    table = part(made.page, "table-2")
    assert re.search(r"101 \(.*?\) - - 606 \(.*?\) measured, random, seed 0, 1000 candidates", table)
    assert re.search(r"90\.9 \(.*?\) - - - measured, weights abcdef012345", table)
    assert "s3fd" not in table
    lacking = [one.what for one in made.missing if one.what.startswith("SSH with weights")]
    assert lacking == ["SSH with weights of a training at 600x1000, 800x1200, 1200x1600"]
    assert timed_lines([], SIZES) == []


def test_claims_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "run_interleaved", Fake({"hr-resnet101": 900.0}))
    empty = build_paper(tmp_path / "empty")
    assert "Not measured: sshbench claims -o results/claims" in part(empty.page, "claims")
    check_claims(tmp_path / "results" / "claims", sizes="400x800")
    made = build_paper(tmp_path / "page", on=[tmp_path / "results"])
    shown = part(made.page, "claims")
    assert "SSH at one scale is faster than HR (ResNet-101) with its image pyramid." in shown
    assert "holds own protocol: 9 (" in shown
    assert "Each by its published protocol, on the same images" in shown


# ---- Curves.


def curve(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, dtype=np.float64)


def test_imported_curves_and_those_of_runs_are_drawn(tmp_path: Path) -> None:
    ends = curve((1.0, 0.0), (0.9, 0.5), (0.2, 0.9))
    store("wider", [ImportedCurve(m, "val", "easy", ends, 0.8, "f") for m in ("SSH", "CMS-RCNN", "not in the paper")])
    store("fddb", [ImportedCurve("HR", "all", "discrete", curve((0, 0.1), (900, 0.97)), 0.97, "f")])
    run = copied("wider/yunet", tmp_path / "runs" / "yunet")
    (run / "curves").mkdir()
    own = PRCurve(np.array([1.0, 0.8]), np.array([0.3, 0.9]), np.array([0.9, 0.1]), 0.8)
    (run / "curves" / "easy.csv").write_text(curve_csv(own), encoding="utf-8")
    made = build_paper(tmp_path / "page", on=[run.parent])
    text = text_of(made.page)
    val = text[text.index('id="figure-5-val"') : text.index('id="figure-5-test"')]
    assert re.findall(r"<title>(.*?)</title>", val) == ["SSH", "CMS-RCNN", "yunet"]
    assert val.count('class="card curve"') == 1, "nothing is known of medium and hard"
    assert "path" in val
    fddb = text[text.index('id="figure-6-fddb"') :]
    assert re.findall(r"<title>(.*?)</title>", fddb) == ["HR"]
    lacking = [one.command for one in made.missing if one.what == "official curves"]
    assert lacking == ["sshbench curves import eval_tools/plot/baselines"], "those of WIDER test"


def test_a_curve_of_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    pr = PRCurve(np.array([1.0, 0.5, 0.4]), np.array([0.1, 0.3, 0.7]), np.array([0.9, 0.5, 0.1]), 0.5)
    roc = ROCCurve(np.array([0.0, 7.0]), np.array([0.2, 0.9]), np.array([0.8, 0.3]))
    (tmp_path / "curves").mkdir()
    for name, one in (("easy", pr), ("discrete", roc)):
        (tmp_path / "curves" / f"{name}.csv").write_text(curve_csv(one), encoding="utf-8")
        found: Any = read_curve(tmp_path, name)
        for column in ("thresholds", *(("precision", "recall") if name == "easy" else ("true_positive_rate",))):
            np.testing.assert_array_equal(getattr(found, column), getattr(one, column))
    assert read_curve(tmp_path, "hard") is None
    (tmp_path / "curves" / "hard.csv").write_text("recall,precision,threshold\n0.5,x,1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"hard\.csv: is not a curve"):
        read_curve(tmp_path, "hard")


def test_a_copy_of_official_curves_is_imported(tmp_path: Path) -> None:
    (tmp_path / "roc").mkdir()
    (tmp_path / "roc" / "HRDiscROC.txt").write_text("0.5 10\n0.9 900\n", encoding="utf-8")
    made = build_paper(tmp_path / "page", curves=tmp_path / "roc")
    assert "discrete" in part(made.page, "figure-6-fddb")
    assert '<figure class="card curve">' in text_of(made.page)
    (tmp_path / "none").mkdir()
    with pytest.raises(MissingDataError, match="no official curves"):
        build_paper(tmp_path / "page", curves=tmp_path / "none")


# ---- What is missing.


def test_the_suite_beside_the_page_can_be_run(tmp_path: Path) -> None:
    build_paper(tmp_path)
    assert (tmp_path / "paper.toml").read_text(encoding="utf-8") == suite_text()
    suite = read_suite(tmp_path / "paper.toml")
    assert [one.name for one in suite.datasets] == ["wider", "fddb", "pascal"]
    assert suite.detectors[0].settings[0]["weights"] == str(tmp_path / "ssh-vgg16.safetensors")


def test_the_command(tmp_path: Path) -> None:
    arguments = ["paper", "-o", str(tmp_path / "page"), "--on", str(MEASURED / "fddb")]
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "missing: official curves: sshbench curves import eval_tools/plot/baselines" in shown.output
    printed = json.loads(CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False).output)
    assert Path(printed["page"]).is_file()
    assert {Path(one).name for one in printed["files"]} == {"index.html", "paper.csv", "paper.toml"}
    wrong = CliRunner().invoke(app, ["paper", "-o", str(tmp_path), "--on", str(tmp_path / "nowhere")])
    assert isinstance(wrong.exception, MissingDataError)
