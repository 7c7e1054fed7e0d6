"""Speed of analyses: `pytest tests/benchmarks/test_bench_analysis.py --benchmark-only` on an otherwise quiet machine.

The peer is the plain loop: for each resampled dataset, count again by weight what each threshold keeps and recalls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sshbench
from sshbench.analysis.compare import pairs
from sshbench.analysis.intervals import Intervals, intervals
from sshbench.analysis.resample import Resampling
from sshbench.curves import wider_ap
from sshbench.evaluation.result import Evaluation
from sshbench.evaluators.coco import evaluate
from sshbench.protocols import load_protocol

REPLICATES = 2000
LOOPED = 20
"""Replicates of the plain loop; its time is that of 100 times as many."""


@pytest.fixture(scope="module")
def wider(shared: Path) -> dict[str, Evaluation]:
    data = shared / "data" / "wider"
    files = {name: data / "predictions" / f"retinaface-{name}.zip" for name in ("trt", "mnet025")}
    return {name: sshbench.evaluate("wider", file, data=data) for name, file in files.items()}


def plain_loop(evaluation: Evaluation, replicates: int) -> dict[str, list[float]]:
    """Intervals' replicates as a loop: weights, counts per threshold, AP."""
    found: dict[str, list[float]] = {name: [] for name in evaluation.outcome.ledgers}
    for part, weights in Resampling(len(evaluation.dataset.keys), 100).batches():
        for column in weights.T[: max(0, replicates - part.start)]:
            for name, ledger in evaluation.outcome.ledgers.items():
                weight = column[ledger.image].astype(np.float64)
                kept = np.cumsum(np.bincount(ledger.step, weight * ledger.kept, minlength=ledger.steps))
                true = np.cumsum(np.bincount(ledger.step, weight * ledger.true, minlength=ledger.steps))
                with np.errstate(invalid="ignore"):
                    found[name].append(wider_ap(true / (column @ ledger.faces), true / kept))
    return found


@pytest.mark.benchmark(group="WIDER FACE, 369 730 detections: 2 000 resampled datasets, three subsets")
def test_intervals_of_wider(benchmark: Any, wider: dict[str, Evaluation]) -> None:
    found: Intervals = benchmark.pedantic(wider["trt"].intervals, rounds=5, warmup_rounds=1)
    benchmark.extra_info["detections"] = wider["trt"].detections.total
    looped = plain_loop(wider["trt"], LOOPED)
    assert found.replicates["AP/hard"][:LOOPED] == pytest.approx(looped["hard"], abs=1e-12)


@pytest.mark.benchmark(group=f"WIDER FACE, 369 730 detections: {LOOPED} resampled datasets, three subsets")
def test_plain_loop_of_wider(benchmark: Any, wider: dict[str, Evaluation]) -> None:
    found = benchmark.pedantic(plain_loop, args=(wider["trt"], LOOPED), rounds=3)
    assert len(found["hard"]) == LOOPED


@pytest.mark.benchmark(group="WIDER FACE, paired comparison of two runs in three subsets, from outcomes to words")
def test_comparison_of_wider(benchmark: Any, wider: dict[str, Evaluation]) -> None:
    def compare() -> list[str]:
        sure = {name: one.intervals() for name, one in wider.items()}
        return [pair.words for metric in ("AP/easy", "AP/medium", "AP/hard") for pair in pairs(sure, metric)]

    assert len(benchmark.pedantic(compare, rounds=5, warmup_rounds=1)) == 3


@pytest.mark.benchmark(group="intervals of the figures that people quote")
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("fddb", "detections/faceboxes-square.txt.gz"),
        ("pascal", "detections/DPM.txt.gz"),
        ("afw", "detections/DPM.txt.gz"),
    ],
)
def test_intervals_of_others(benchmark: Any, shared: Path, name: str, file: str) -> None:
    data = shared / "data" / name
    evaluation = sshbench.evaluate(name, data / file, data=data)
    found = benchmark.pedantic(evaluation.intervals, rounds=5, warmup_rounds=1)
    assert all(one.low is not None for one in found.values())


@pytest.mark.benchmark(group="COCO on WIDER FACE's images, 369 730 detections: ten IoU thresholds")
def test_intervals_of_coco(benchmark: Any, wider: dict[str, Evaluation]) -> None:
    faces, detections = wider["trt"].dataset.faces, wider["trt"].detections
    outcome = evaluate(detections, faces, load_protocol("coco"))
    arguments, named = (outcome, Resampling(len(faces))), {"names": ["AP", "AP50"]}
    found = benchmark.pedantic(intervals, args=arguments, kwargs=named, rounds=3, warmup_rounds=1)
    assert abs(found.grid_offset["AP50"]) < 1e-3
