"""How sure a figure is: percentile intervals by resampling images, and the jackknife beside them.

An interval says how much a figure would vary with other images of the same kind. It holds nothing about other training
runs, annotation errors or other datasets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sshbench.analysis.record import Interval, Spread
from sshbench.analysis.resample import CompiledLedger, Resampling
from sshbench.evaluators.base import Outcome
from sshbench.evaluators.ledger import Measure, RateAt, Sums
from sshbench.records import Finding, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LEAST_IMAGES, LEAST_FACES = 10, 10
"""Images with counted faces, and counted faces, below which there is no interval."""
LEAST_GROUPS = 10
"""Groups below which leaving them out says nothing."""
MANY_UNDEFINED = 0.2
"""Share of resampled datasets without a figure, over which there is no interval."""
_FEW_EFFECTIVE, _VERY_FEW_EFFECTIVE = 100, 20
_SOME_UNDEFINED = 0.01
_HEAVY = 1.15


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Intervals(Mapping[str, Interval]):
    """Intervals by metric, with what they were computed from.

    Attributes:
        resampling: How the datasets were drawn.
        metrics: By name.
        replicates: By name, float64 (replicates,): the figure of each resampled dataset.
        influence: By name, float64 (images,): the figure minus the figure without the image.
        group_influence: By name, float64 (groups,): the same for groups; empty where there are none.
        effective_images: By name, (sum f)^2 / sum f^2 of the counted faces f of each image: so many images with equally
            many faces would be as sure.
        grid_offset: By name, what reading the curve at a grid of steps changed, and was taken off; COCO only.
        findings: What makes an interval less sure.
    """

    resampling: Resampling
    metrics: Mapping[str, Interval]
    replicates: Mapping[str, FloatArray]
    influence: Mapping[str, FloatArray]
    group_influence: Mapping[str, FloatArray]
    effective_images: Mapping[str, float]
    grid_offset: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def __getitem__(self, name: str) -> Interval:
        if name not in self.metrics:
            raise KeyError(f"there is no interval of '{name}'. Known: {', '.join(self.metrics) or 'none'}")
        return self.metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {with_interval(one)}" for name, one in list(self.metrics.items())[:6])
        return f"<Intervals, {self.resampling.level:.0%}, {self.resampling.images} images: {shown} (percent)>"

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per metric."""
        import pandas as pd

        rows = [{"metric": name, **one.model_dump()} for name, one in self.metrics.items()]
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Draw figures with their intervals as dots and bars."""
        from sshbench.analysis.figures import intervals_figure

        return intervals_figure({"": self})


def with_interval(one: Interval) -> str:
    """Return a figure in percent with half the width of its interval.

    >>> with_interval(Interval(value=0.81532, low=0.79, high=0.83)), with_interval(Interval(value=0.5))
    ('81.53 ± 2.00', '50.00')
    """
    if one.value is None:
        return "-"
    return f"{100 * one.value:.2f}" if one.half is None else f"{100 * one.value:.2f} ± {100 * one.half:.2f}"


def note(images: int, level: float, unit: str = "images") -> str:
    """Return what stands under every table of intervals."""
    return (
        f"{level:.0%} intervals by resampling {images} {unit}: how much the figure would vary with other images of the "
        "same kind. They hold nothing about other training runs, annotation errors or other datasets."
    )


class Recount:
    """The figures of an outcome on resampled datasets.

    Attributes:
        measures: By metric, those that have ledgers.
    """

    def __init__(self, outcome: Outcome, names: Sequence[str] | None = None) -> None:
        """Compile the ledgers of the metrics `names`, default: all that have one."""
        chosen = outcome.measures if names is None else {n: outcome.measures[n] for n in names if n in outcome.measures}
        self.measures: Mapping[str, Measure] = chosen
        self.values = {name: outcome.metrics[name] for name in chosen}
        needed = dict.fromkeys(name for measure in chosen.values() for name in measure.ledgers)
        self._whole = outcome.ledgers
        self.ledgers = {
            name: CompiledLedger(outcome.ledgers[name], most_false=self._most_false(name)) for name in needed
        }

    def _most_false(self, ledger: str) -> float | None:
        """Return the most false positives that a figure of a ledger looks at; None where it looks at all."""
        rules = [measure.rule for measure in self.measures.values() if ledger in measure.ledgers]
        limits = [rule.false_positives for rule in rules if isinstance(rule, RateAt)]
        return max(limits) if len(limits) == len(rules) else None

    def _sums(self, name: str, weights: npt.NDArray[np.floating]) -> Sums:
        sums = self.ledgers[name].sums(weights)
        if self.ledgers[name].suffices(sums):
            return sums
        self.ledgers[name] = CompiledLedger(self._whole[name])
        return self.ledgers[name].sums(weights)

    def replicates(self, resampling: Resampling) -> dict[str, FloatArray]:
        """Return the figure of each resampled dataset, by metric: float64 (replicates,)."""
        found = {name: np.empty(resampling.replicates) for name in self.measures}
        for part, weights in resampling.batches():
            sums = {name: self._sums(name, weights) for name in self.ledgers}
            for name, values in self._figures(sums).items():
                found[name][part] = values
        for name, offset in self.grid_offsets().items():
            found[name] -= offset
        return found

    def without_each(self, units: int, groups: IntArray | None = None) -> dict[str, FloatArray]:
        """Return the figure without each image, or without each group, by metric: float64 (units,)."""
        found = {name: np.zeros(units) for name in self.measures}
        for name, ledger in self.ledgers.items():
            users = [metric for metric, measure in self.measures.items() if name in measure.ledgers]
            for part, sums in ledger.without_each(units, groups):
                if not ledger.suffices(sums):
                    self.ledgers[name] = CompiledLedger(self._whole[name])
                    return self.without_each(units, groups)
                for metric in users:
                    measure = self.measures[metric]
                    found[metric][part] += measure.rule.many(sums) / len(measure.ledgers)
        for name, offset in self.grid_offsets().items():
            found[name] -= offset
        return found

    def grid_offsets(self) -> dict[str, float]:
        """Return what the grid of steps changes, by metric; empty where every step was kept."""
        rough = {
            name: measure
            for name, measure in self.measures.items()
            if any(self.ledgers[ledger].on_grid for ledger in measure.ledgers)
        }
        if not rough:
            return {}
        once = {name: self._sums(name, np.ones((ledger.images, 1))) for name, ledger in self.ledgers.items()}
        return {
            name: float(values[0]) - self.values[name] for name, values in self._figures(once).items() if name in rough
        }

    def faces(self, metric: str) -> FloatArray:
        """Return the counted faces of each image for a metric: float64 (images,)."""
        return self.ledgers[self.measures[metric].ledgers[0]].faces

    def _figures(self, sums: Mapping[str, Sums]) -> dict[str, FloatArray]:
        # Metrics may share curves (COCO's AP and AP50): each rule looks at each curve once.
        known: dict[tuple[str, object], FloatArray] = {}
        figures = {}
        for metric, measure in self.measures.items():
            for name in measure.ledgers:
                if (name, measure.rule) not in known:
                    known[name, measure.rule] = measure.rule.many(sums[name])
            figures[metric] = np.mean([known[name, measure.rule] for name in measure.ledgers], axis=0)
        return figures


def intervals(
    outcome: Outcome,
    resampling: Resampling,
    *,
    names: Sequence[str] | None = None,
    events: IntArray | None = None,
    jackknife: bool = True,
) -> Intervals:
    """Compute the intervals of an outcome's metrics.

    Args:
        outcome: The evaluator's.
        resampling: How datasets are drawn.
        names: Metrics; default: all that are sums over images.
        events: int64 (images,), number of each image's group, from 0, for the standard error over groups.
        jackknife: Compute the standard error by leaving out images, and the influence of each; it takes a third of the
            time.
    """
    recount = Recount(outcome, names)
    replicates = recount.replicates(resampling)
    values = {name: outcome.metrics[name] for name in recount.measures}
    left_out: dict[str, FloatArray] = {}
    group_left_out: dict[str, FloatArray] = {}
    if jackknife:
        left_out = recount.without_each(resampling.units, resampling.groups)
    if events is not None and int(events.max(initial=-1)) + 1 >= LEAST_GROUPS:
        group_left_out = recount.without_each(int(events.max()) + 1, events)
    computed: dict[str, Interval] = {}
    effective: dict[str, float] = {}
    findings: list[Finding] = []
    for name, value in values.items():
        faces = recount.faces(name)
        effective[name] = effective_images(faces)
        computed[name], found = _interval(
            name, value, replicates[name], faces, resampling, left_out.get(name), group_left_out.get(name)
        )
        findings += found
    findings += _effective(effective, computed)
    return Intervals(
        resampling=resampling,
        metrics=computed,
        replicates=replicates,
        influence={name: values[name] - figures for name, figures in left_out.items()},
        group_influence={name: values[name] - figures for name, figures in group_left_out.items()},
        effective_images=effective,
        grid_offset=recount.grid_offsets(),
        findings=tuple(merged(findings)),
    )


def _interval(
    name: str,
    value: float,
    replicates: FloatArray,
    faces: FloatArray,
    resampling: Resampling,
    left_out: FloatArray | None,
    group_left_out: FloatArray | None,
) -> tuple[Interval, list[Finding]]:
    undefined = float(np.isnan(replicates).mean())
    if not enough(faces) or undefined > MANY_UNDEFINED or math.isnan(value):
        text = (
            f"no interval for {name}: {int(faces.sum())} counted faces in {np.count_nonzero(faces)} images are too few"
        )
        return Interval(value=None if math.isnan(value) else value), [Finding("no-interval", text, (name,))]
    findings = []
    if undefined > _SOME_UNDEFINED:
        text = f"{name}: {undefined:.1%} of the resampled datasets have no counted face and were left out"
        findings.append(Finding("few-images", text, (name,)))
    low, high = resampling.ends(replicates)
    se = float(np.nanstd(replicates, ddof=1))
    se_jackknife = None if left_out is None else jackknife_error(left_out)
    if se == 0:
        findings.append(
            Finding("no-spread", f"{name} is the same whatever the images: the interval has no width", (name,))
        )
    elif se_jackknife is not None and se_jackknife / se > _HEAVY:
        text = f"few images decide {name}: the standard error by leaving out images is {se_jackknife / se:.2f} times"
        findings.append(Finding("heavy-tails", f"{text} that by resampling", (name,)))
    se_group = None if group_left_out is None else jackknife_error(group_left_out)
    return Interval(value=value, low=low, high=high, se=se, se_jackknife=se_jackknife, se_group=se_group), findings


def _effective(effective: Mapping[str, float], computed: Mapping[str, Interval]) -> list[Finding]:
    findings = []
    for name, number in effective.items():
        if computed[name].low is None or number >= _FEW_EFFECTIVE:
            continue
        cases = "85" if number < _VERY_FEW_EFFECTIVE else "90"
        text = (
            f"{name} is as sure as one of {number:.0f} images with equally many faces: on samples of WIDER with so "
            f"few, 95 % intervals held the truth in about {cases} of 100 cases"
        )
        findings.append(Finding("few-effective-images", text, (name,)))
    return findings


def spread(value: float, replicates: FloatArray | None, resampling: Resampling) -> Spread:
    """Return a figure with its interval.

    An end is None where it is not finite, and both are where there are no replicates or a fifth of them has no figure.

    Args:
        value: The figure; NaN where it is not defined.
        replicates: float64 (b,), the figure of each resampled dataset, or None.
        resampling: How they were drawn.
    """
    if replicates is None or math.isnan(value) or np.isnan(replicates).mean() > MANY_UNDEFINED:
        return Spread(value=defined(value))
    with np.errstate(invalid="ignore"):  # between two infinite replicates lies NaN
        low, high = resampling.ends(replicates)
    return Spread(value=value, low=defined(low), high=defined(high))


def defined(value: float) -> float | None:
    """Return a figure, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def enough(faces: FloatArray | IntArray) -> bool:
    """Return whether there are images and faces enough for intervals, from the counted faces of each image."""
    return bool(np.count_nonzero(faces) >= LEAST_IMAGES and faces.sum() >= LEAST_FACES)


def effective_images(faces: FloatArray) -> float:
    """Return (sum f)^2 / sum f^2 of the counted faces of each image; 0 where there is none.

    >>> effective_images(np.array([1.0, 1.0, 0.0])), round(effective_images(np.array([100.0, 1.0])), 2)
    (2.0, 1.02)
    """
    squared = float((faces**2).sum())
    return float(faces.sum()) ** 2 / squared if squared else 0.0


def jackknife_error(left_out: FloatArray) -> float | None:
    """Return the standard error from the figures without each unit; units without which there is none are left out."""
    defined = left_out[~np.isnan(left_out)]
    n = len(defined)
    return math.sqrt((n - 1) / n * float(((defined - defined.mean()) ** 2).sum())) if n > 1 else None


def merged(findings: Sequence[Finding]) -> list[Finding]:
    """Join findings of one code: the first text, and the names of all."""
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    joined = []
    for code, several in by_code.items():
        names = tuple(name for one in several for name in one.files)
        joined.append(Finding(code, several[0].message, names))
    return joined


def events_of(keys: Sequence[str]) -> IntArray | None:
    """Return the number of each image's event, the part of the key before the first `/`; None where one has none.

    >>> events_of(["0--Parade/a", "1--Group/b", "0--Parade/c"]).tolist()
    [0, 1, 0]
    """
    if not all("/" in key for key in keys):
        return None
    return numbered(key.partition("/")[0] for key in keys)


def numbered(names: Iterable[str]) -> IntArray:
    """Return the number of each name, from 0 in the order of their first appearance: int64 (n,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
