"""Speed of the other evaluations: `pytest tests/benchmarks --benchmark-only` on an otherwise quiet machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sshbench.boxes import xywh_of
from sshbench.datasets import Dataset
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluators.coco import evaluate_coco
from sshbench.evaluators.coco_backends import BACKENDS
from sshbench.evaluators.fddb import evaluate_fddb
from sshbench.evaluators.pascal import evaluate_pascal
from sshbench.evaluators.regions import face_regions
from sshbench.formats.coco import read_coco_results
from sshbench.formats.fddb import read_fddb
from sshbench.formats.pascal import read_pascal
from sshbench.formats.wider import read_wider
from sshbench.protocols import PascalEvaluation, load_protocol

RULES = load_protocol("pascal").rules(PascalEvaluation)


@pytest.fixture(scope="module")
def fddb(shared: Path) -> Dataset:
    return load_dataset("fddb", shared / "data" / "fddb")


@pytest.mark.benchmark(group="FDDB, evaluation alone (ground truth masks from the cache)")
@pytest.mark.parametrize("name", ["faceboxes-square", "ssh-vgg16"])
def test_fddb_evaluation(benchmark: Any, fddb: Dataset, name: str) -> None:
    detections, _ = read_fddb(fddb.root / "detections" / f"{name}.txt.gz", fddb.keys)

    def evaluate() -> float:
        return evaluate_fddb(detections, fddb.faces).discrete.rate_at(1000)

    rate = benchmark.pedantic(evaluate, rounds=7, warmup_rounds=1)
    benchmark.extra_info["detections"] = detections.total
    assert rate == pytest.approx({"faceboxes-square": 0.918198, "ssh-vgg16": 0.980661}[name], abs=5e-7)


@pytest.mark.benchmark(group="FDDB, drawing the ground truth")
@pytest.mark.parametrize("kept", ["drawn", "from the cache"])
def test_fddb_regions(benchmark: Any, fddb: Dataset, kept: str) -> None:
    draw = (
        (lambda: face_regions(fddb.faces))
        if kept == "drawn"
        else (lambda: load_dataset("fddb", fddb.root).faces.regions)
    )
    assert len(benchmark.pedantic(draw, rounds=5, warmup_rounds=1)) == len(fddb.keys)


@pytest.mark.benchmark(group="FDDB, faceboxes-square: 88 761 detections, whole command")
def test_fddb_command(benchmark: Any, fddb: Dataset) -> None:
    command = [sys.executable, "-m", "sshbench", "eval", "--dataset", "fddb", "--data", str(fddb.root), "--json"]
    command += ["--predictions", str(fddb.root / "detections" / "faceboxes-square.txt.gz")]
    run = benchmark.pedantic(
        subprocess.run, args=(command,), kwargs={"capture_output": True, "check": True}, rounds=7, warmup_rounds=1
    )
    assert json.loads(run.stdout)["detections"] == 88761


@pytest.mark.benchmark(group="PASCAL Faces, five iterations")
@pytest.mark.parametrize("name", ["DPM", "Ours_Baseline"])
def test_pascal(benchmark: Any, shared: Path, name: str) -> None:
    dataset = load_dataset("pascal", shared / "data" / "pascal")
    detections, _ = read_pascal(dataset.root / "detections" / f"{name}.txt.gz", dataset.keys)
    result = benchmark(evaluate_pascal, detections, dataset.faces, RULES)
    benchmark.extra_info["detections"] = detections.total
    assert result.curves[-1].ap == pytest.approx({"DPM": 0.9028675674, "Ours_Baseline": 0.8557491763}[name], abs=1e-9)


REFERENCES = Path(__file__).parents[1] / "evaluators"


@pytest.mark.benchmark(group="FDDB, ssh-vgg16, best assignment: against plain loops over canvases and scores")
@pytest.mark.parametrize("who", ["sshbench", "loops"])
def test_fddb_against_loops(benchmark: Any, fddb: Dataset, module_at: Callable[[Path], ModuleType], who: str) -> None:
    detections, _ = read_fddb(fddb.root / "detections" / "ssh-vgg16.txt.gz", fddb.keys)
    ours = evaluate_fddb(detections, fddb.faces, matching="optimal")
    if who == "sshbench":
        benchmark.pedantic(evaluate_fddb, args=(detections, fddb.faces), kwargs={"matching": "optimal"}, rounds=5)
        return
    reference = module_at(REFERENCES / "reference_fddb.py")
    rows = benchmark.pedantic(reference.evaluate, args=(detections, fddb.faces), rounds=1)
    np.testing.assert_array_equal(ours.discrete.false_positives[: len(rows)], rows[:, 1])
    np.testing.assert_allclose(
        ours.continuous.true_positive_rate[: len(rows)], rows[:, 3] / fddb.faces.total, atol=1e-12
    )


@pytest.mark.benchmark(group="PASCAL Faces, DPM, five iterations: against plain loops")
@pytest.mark.parametrize("who", ["sshbench", "loops"])
def test_pascal_against_loops(benchmark: Any, shared: Path, module_at: Callable[[Path], ModuleType], who: str) -> None:
    dataset = load_dataset("pascal", shared / "data" / "pascal")
    detections, _ = read_pascal(dataset.root / "detections" / "DPM.txt.gz", dataset.keys)
    if who == "sshbench":
        benchmark.pedantic(evaluate_pascal, args=(detections, dataset.faces), rounds=15, warmup_rounds=1)
        return
    reference = module_at(REFERENCES / "reference_pascal.py")
    benchmark.pedantic(reference.evaluate, args=(detections, dataset.faces, RULES), rounds=3)


@pytest.fixture(scope="module")
def wider(shared: Path) -> Dataset:
    return load_dataset("wider", shared / "data" / "wider")


@pytest.mark.benchmark(group="COCO, 36 570 detections on WIDER's images: against pycocotools")
@pytest.mark.parametrize("who", BACKENDS)
def test_coco_against_pycocotools(benchmark: Any, shared: Path, wider: Dataset, who: Any) -> None:
    detections, _ = read_wider(shared / "data" / "wider" / "predictions" / "synth_small.zip", wider.keys)
    rounds = {"hotcoco": 7, "pycocotools": 1}[who]
    result = benchmark.pedantic(evaluate_coco, args=(detections, wider.faces), kwargs={"backend": who}, rounds=rounds)
    assert result.metrics == evaluate_coco(detections, wider.faces).metrics


@pytest.mark.benchmark(group="COCO json, 369 730 detections on WIDER's images, from the file to the figure")
def test_coco_from_the_file(benchmark: Any, shared: Path, wider: Dataset, tmp_path: Path) -> None:
    found, _ = read_wider(shared / "data" / "wider" / "predictions" / "retinaface-trt.zip", wider.keys)
    image = np.repeat(np.arange(len(found)), np.diff(found.offsets)).tolist()
    rows = zip(image, xywh_of(found.boxes).tolist(), found.scores.tolist(), strict=True)
    entries = [{"image_id": i, "category_id": 1, "bbox": box, "score": score} for i, box, score in rows]
    (tmp_path / "results.json").write_text(json.dumps(entries))
    ids: dict[int | str, str] = dict(enumerate(wider.keys))

    def evaluate() -> int:
        detections, _ = read_coco_results(tmp_path / "results.json", wider.keys, ids)
        evaluate_coco(detections, wider.faces)
        return detections.total

    assert benchmark.pedantic(evaluate, rounds=5, warmup_rounds=1) == found.total
