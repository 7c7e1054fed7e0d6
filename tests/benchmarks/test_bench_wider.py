"""Speed of the WIDER evaluation: `pytest tests/benchmarks --benchmark-only` on an otherwise quiet machine."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sshbench.datasets import Dataset
from sshbench.evaluation.api import evaluate
from sshbench.evaluation.loading import load_dataset
from sshbench.formats.wider import read_wider

PROBE = """
import json, resource, sys, time
from pathlib import Path
import sshbench
from sshbench.evaluation.core import evaluate_set
began = time.perf_counter()
dataset = sshbench.load_dataset("wider", sys.argv[1])
detections, _ = sshbench.read_wider(sys.argv[2], dataset.keys)
read = time.perf_counter()
record = evaluate_set(detections, dataset, sshbench.load_protocol("wider")).record
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"detections": record.detections, "read": read - began, "evaluate": done - read, "peak_mib": peak}))
"""


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "wider"


@pytest.fixture(scope="module")
def wider(folder: Path) -> Dataset:
    return load_dataset("wider", folder)


@pytest.fixture(scope="module")
def baseline(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("baseline_wider.py"))


def whole(folder: Path, predictions: Path) -> list[float]:
    """Everything a command does after it has started: ground truth from the cache, reading, evaluating."""
    metrics = evaluate("wider", predictions, data=folder).metrics
    return [float(value) for value in metrics.values() if value is not None]


@pytest.mark.benchmark(group="synth: 231 806 detections, in process")
@pytest.mark.parametrize("form", ["zip", "folder"])
def test_synth(benchmark: Any, folder: Path, wider: Dataset, tmp_path: Path, form: str) -> None:
    predictions = folder / "predictions" / "synth.zip"
    if form == "folder":
        with zipfile.ZipFile(predictions) as archive:
            archive.extractall(tmp_path)
        predictions = tmp_path
    aps = benchmark.pedantic(whole, args=(folder, predictions), rounds=9, warmup_rounds=2)
    assert aps == pytest.approx([0.8221031413125951, 0.8408089389778122, 0.7513444803873834], abs=2e-15)


@pytest.mark.benchmark(group="synth: 231 806 detections, whole command")
def test_synth_command(benchmark: Any, folder: Path, wider: Dataset) -> None:
    command = [sys.executable, "-m", "sshbench", "eval", "--dataset", "wider", "--data", str(folder), "--json"]
    command += ["--predictions", str(folder / "predictions" / "synth.zip")]
    run = benchmark.pedantic(
        subprocess.run, args=(command,), kwargs={"capture_output": True, "check": True}, rounds=9, warmup_rounds=1
    )
    assert json.loads(run.stdout)["detections"] == 231806


@pytest.mark.benchmark(group="synth_small: 36 570 detections, against the 1 000-threshold loop")
def test_synth_small(benchmark: Any, folder: Path, wider: Dataset) -> None:
    benchmark.pedantic(whole, args=(folder, folder / "predictions" / "synth_small.zip"), rounds=9, warmup_rounds=2)


@pytest.mark.benchmark(group="synth_small: 36 570 detections, against the 1 000-threshold loop")
def test_synth_small_baseline(benchmark: Any, folder: Path, wider: Dataset, baseline: ModuleType) -> None:
    predictions = folder / "predictions" / "synth_small.zip"
    aps = benchmark.pedantic(baseline.evaluate, args=(predictions, wider), rounds=1)
    assert aps == pytest.approx(whole(folder, predictions), abs=2e-15)


@pytest.mark.benchmark(group="cost and memory against the number of detections")
@pytest.mark.parametrize("millions", [0.5, 1, 2, 4, 8])
def test_scaling(benchmark: Any, folder: Path, wider: Dataset, tmp_path: Path, millions: float) -> None:
    predictions = tmp_path / "many.zip"
    generate(folder / "predictions" / "synth.zip", wider, predictions, int(millions * 1e6))
    command = [sys.executable, "-c", PROBE, str(folder), str(predictions)]
    run = benchmark.pedantic(subprocess.run, args=(command,), kwargs={"capture_output": True, "check": True}, rounds=1)
    benchmark.extra_info.update(json.loads(run.stdout))


def generate(source: Path, wider: Dataset, target: Path, total: int) -> None:
    """Detections like those of `source`, repeated with a little noise until there are `total`, as a zip."""
    rng = np.random.default_rng(8)
    base = read_wider(source, wider.keys)[0]
    times = total / base.total
    written = 0
    with zipfile.ZipFile(target, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for i, (key, image) in enumerate(zip(base.keys, base, strict=True)):
            wanted = round(base.offsets[i + 1] * times) - written
            written += wanted
            rows = np.column_stack((image.boxes[:, :2], image.boxes[:, 2:] - image.boxes[:, :2], image.scores))
            picked = rows[rng.integers(0, len(rows), wanted)] if len(rows) else np.empty((0, 5))
            picked[:, :4] += rng.integers(-4, 5, (len(picked), 4))
            picked[:, 2:4] = np.maximum(picked[:, 2:4], 1)
            picked[:, 4] = np.clip(picked[:, 4] + rng.normal(0, 0.05, len(picked)), 0, 1)
            picked = picked[np.argsort(-picked[:, 4], kind="stable")]
            text = "\n".join(f"{x:.0f} {y:.0f} {w:.0f} {h:.0f} {score:.4f}" for x, y, w, h, score in picked.tolist())
            archive.writestr(f"{key}.txt", f"{key}\n{len(picked)}\n{text}\n")
