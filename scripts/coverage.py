"""How often the intervals hold the truth: a simulation in which the truth is known.

A benchmark's images are the population, whose figure is known exactly. Datasets of n images are drawn from it with
replacement, an interval is computed from each, and the share of intervals that hold the population's figure is counted.
Five ways to make an interval are compared; sshbench uses `percentile`.

    scripts/coverage.py --shared ../shared --out docs/coverage.csv          (about an hour)
    scripts/coverage.py --shared ../shared --trials 100 --images 800 --case easy
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

import sshbench
from sshbench.analysis.intervals import jackknife_error
from sshbench.analysis.resample import CompiledLedger, Resampling
from sshbench.evaluators.ledger import RateAt, Rule
from sshbench.files import write_atomic
from sshbench.records import FloatArray, IntArray

REPLICATES = 1000
LEVEL = 0.95
METHODS = ("percentile", "BCa", "basic", "jackknife-t", "63 % subsample")
TRIALS = {33: 2000, 205: 2000, 800: 2000, 3226: 400, 2845: 400}


@dataclass
class Case:
    """A figure, or the difference of two, of one benchmark."""

    name: str
    metric: str
    rule: Rule
    ledgers: list[CompiledLedger]
    sizes: tuple[int, ...]

    def drawn(self, images: IntArray) -> Case:
        """Return the same figure of a dataset that consists of these images."""
        rule = self.rule
        if isinstance(rule, RateAt):  # the same rate of false positives per image
            rule = RateAt(rule.false_positives * len(images) / self.ledgers[0].images, rule.least)
        return Case(self.name, self.metric, rule, [one.of_images(images) for one in self.ledgers], ())

    def figure(self, weights: np.ndarray) -> FloatArray:
        """Return the figure, or the difference, for weights (images, b)."""
        figures = [self.rule.many(one.sums(weights)) for one in self.ledgers]
        return figures[0] if len(figures) == 1 else figures[0] - figures[1]

    def without_each(self) -> FloatArray:
        """Return the figure without each image."""
        images, found = self.ledgers[0].images, []
        for one in self.ledgers:
            values = np.empty(images)
            for part, sums in one.without_each(images, None):
                values[part] = self.rule.many(sums)
            found.append(values)
        return found[0] if len(found) == 1 else found[0] - found[1]


def intervals(case: Case, seed: int) -> dict[str, tuple[float, float]]:
    """Return the interval of a drawn dataset by each method."""
    images = case.ledgers[0].images
    value = float(case.figure(np.ones((images, 1)))[0])
    replicates, subsampled = np.empty(REPLICATES), np.empty(REPLICATES)
    for part, weights in Resampling(images, REPLICATES, seed).batches():
        replicates[part] = case.figure(weights)
        subsampled[part] = case.figure((weights > 0).astype(np.float32))
    left_out = case.without_each()
    tail = (1 - LEVEL) / 2
    low, high = _quantiles(replicates, tail, 1 - tail)
    se = jackknife_error(left_out) or 0.0
    z = float(ndtri(1 - tail))
    return {
        "percentile": (low, high),
        "BCa": _bca(replicates, left_out, value, tail),
        "basic": (2 * value - high, 2 * value - low),
        "jackknife-t": (value - z * se, value + z * se),
        "63 % subsample": _quantiles(subsampled, tail, 1 - tail),
    }


def _quantiles(values: FloatArray, low: float, high: float) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    ends = np.quantile(defined, [low, high], method="linear") if len(defined) else [math.nan, math.nan]
    return float(ends[0]), float(ends[1])


def _bca(replicates: FloatArray, left_out: FloatArray, value: float, tail: float) -> tuple[float, float]:
    """Bias-corrected and accelerated; Efron, Better bootstrap confidence intervals, 1987."""
    below = (np.count_nonzero(replicates < value) + np.count_nonzero(replicates == value) / 2) / len(replicates)
    bias = float(ndtri(np.clip(below, 1 / len(replicates), 1 - 1 / len(replicates))))
    deviations = np.nanmean(left_out) - left_out
    spread = float(np.nansum(deviations**2)) ** 1.5
    acceleration = float(np.nansum(deviations**3)) / (6 * spread) if spread else 0.0
    ends = []
    for z in (ndtri(tail), ndtri(1 - tail)):
        moved = bias + z
        ends.append(float(ndtr(bias + moved / (1 - acceleration * moved))))
    return _quantiles(replicates, *ends)


def cases(shared: Path) -> list[Case]:
    """Return the cases of the table."""
    data = shared / "data"
    wider = {
        name: sshbench.evaluate("wider", data / f"wider/predictions/retinaface-{name}.zip", data=data / "wider").outcome
        for name in ("trt", "mnet025", "jit")
    }
    fddb = sshbench.evaluate("fddb", data / "fddb/detections/faceboxes-square.txt.gz", data=data / "fddb").outcome
    afw = sshbench.evaluate("afw", next(iter(sorted((data / "afw/detections").glob("*")))), data=data / "afw").outcome
    compiled = {(n, s): CompiledLedger(one.ledgers[s]) for n, one in wider.items() for s in ("easy", "hard")}
    area = wider["trt"].measures["AP/hard"].rule
    sizes = (33, 205, 800, 3226)
    rate, last = fddb.measures["TPR@1000/discrete"], afw.measures["AP"]
    return [
        Case("WIDER hard (RetinaFace trt)", "AP/hard", area, [compiled["trt", "hard"]], sizes),
        Case("WIDER easy (RetinaFace jit)", "AP/easy", area, [compiled["jit", "easy"]], sizes),
        Case(
            "WIDER hard (trt - mnet025)", "AP/hard", area, [compiled["trt", "hard"], compiled["mnet025", "hard"]], sizes
        ),
        Case(
            "FDDB discrete at 1000 (FaceBoxes)",
            "TPR@1000/discrete",
            rate.rule,
            [CompiledLedger(fddb.ledgers["discrete"])],
            (205, 800, 2845),
        ),
        Case("AFW (Baseline)", "AP", last.rule, [CompiledLedger(afw.ledgers[last.ledgers[0]])], (33, 205)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--trials", type=int, help="default: 2 000, or 400 for whole benchmarks")
    parser.add_argument("--images", type=int, help="only this number of images")
    parser.add_argument("--case", default="", help="only cases whose name holds this")
    given = parser.parse_args()
    rows: list[list[object]] = [["figure", "images", "trials", *METHODS]]
    for case in cases(given.shared):
        truth = float(case.figure(np.ones((case.ledgers[0].images, 1)))[0])
        for n in case.sizes:
            if given.case not in case.name or given.images not in (None, n):
                continue
            trials, began = given.trials or TRIALS[n], time.perf_counter()
            held = dict.fromkeys(METHODS, 0)
            draws = np.random.default_rng(n)
            for trial in range(trials):
                drawn = case.drawn(draws.integers(0, case.ledgers[0].images, n))
                for method, (low, high) in intervals(drawn, trial).items():
                    held[method] += low <= truth <= high
            rows.append([case.name, n, trials, *(f"{100 * held[method] / trials:.1f}" for method in METHODS)])
            print(*rows[-1], f"{time.perf_counter() - began:.0f} s", sep="  ", file=sys.stderr, flush=True)
            if given.out is not None:  # after each row: nothing that was computed is lost
                write_atomic(given.out, "".join(",".join(map(str, row)) + "\n" for row in rows))
    if given.out is None:
        csv.writer(sys.stdout).writerows(rows)


if __name__ == "__main__":
    main()
