"""FDDB: the official tool's own ROC files, byte for byte, from its own kinds of input."""

from __future__ import annotations

from pathlib import Path

import pytest

from sshbench.datasets import Dataset
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluators.fddb import FddbResult, evaluate_fddb, roc_text
from sshbench.evaluators.fddb_matching import Matching
from sshbench.formats.fddb import read_fddb
from sshbench.selftest import fddb_differences

RECTANGLES = [
    "faceboxes-square",
    "mtcnn",
    "rcnn-vggnet",
    "rcnn-zfnet",
    "rcnn-zfnet-nms08",
    "s3fd",
    "s3fd-resnet18",
    "ssh-vgg16",
]
ELLIPSES = ["mtcnn", "ssh-vgg16"]
CASES = [("detections", name, name) for name in RECTANGLES]
CASES += [("detections_ellipse", name, f"{name}-ellipse") for name in ELLIPSES]


@pytest.fixture(scope="module")
def fddb(shared: Path) -> Dataset:
    return load_dataset("fddb", shared / "data" / "fddb")


def evaluate(dataset: Dataset, folder: str, name: str, matching: Matching = "official") -> FddbResult:
    detections, findings = read_fddb(dataset.root / folder / f"{name}.txt.gz", dataset.keys)
    assert findings == []
    return evaluate_fddb(detections, dataset.faces, matching=matching)


def test_every_golden_file_is_listed(shared: Path) -> None:
    assert {golden for _, _, golden in CASES} == {path.name for path in (shared / "data/fddb/golden").iterdir()}


@pytest.mark.parametrize(("folder", "name", "golden"), CASES)
def test_both_curves_are_the_tools_bytes(fddb: Dataset, folder: str, name: str, golden: str) -> None:
    result = evaluate(fddb, folder, name)
    texts = {
        "DiscROC.txt": roc_text(result.discrete, with_thresholds=True),
        "ContROC.txt": roc_text(result.continuous, with_thresholds=False),
    }
    assert fddb_differences(texts, fddb.root / "golden" / golden) == []


def test_rates_at_false_positives_are_those_of_the_specification(fddb: Dataset) -> None:
    result = evaluate(fddb, "detections", "ssh-vgg16")
    rates = [result.discrete.rate_at(n) for n in (100, 500, 1000, 2000)]
    assert rates == pytest.approx([0.910656, 0.970992, 0.980661, 0.981822], abs=5e-7)
    assert result.continuous.rate_at(1000) == pytest.approx(0.741596, abs=5e-7)


def test_the_optimum_is_never_below_the_official_solver_and_differs_somewhere(fddb: Dataset) -> None:
    official = evaluate(fddb, "detections", "rcnn-zfnet-nms08")
    optimal = evaluate(fddb, "detections", "rcnn-zfnet-nms08", "optimal")
    gain = optimal.continuous.true_positive_rate - official.continuous.true_positive_rate
    assert gain.min() >= -1e-12
    assert 0 < gain.max() < 0.001


def test_trap_fitted_ellipses_lift_the_continuous_score(fddb: Dataset) -> None:
    rectangles = evaluate(fddb, "detections", "ssh-vgg16").continuous.rate_at(1000)
    ellipses = evaluate(fddb, "detections_ellipse", "ssh-vgg16").continuous.rate_at(1000)
    assert ellipses - rectangles > 0.09
