"""Which of several runs is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sshbench.analysis import compare as comparing
from sshbench.analysis.axes import axes_of
from sshbench.analysis.intervals import Intervals
from sshbench.analysis.record import COMPARISON, ComparedRun, ComparisonRecord, SharedFaces
from sshbench.analysis.resample import Resampling
from sshbench.analysis.subject import Subject
from sshbench.answers.common import (
    RunLike,
    evaluation_of,
    few_images,
    intervals_of,
    resampling_record,
    save_all,
    stored,
    subject_of,
)
from sshbench.answers.labels import run_labels
from sshbench.display import short_repr
from sshbench.errors import UsageError
from sshbench.evaluation.benchmarks import compared_metric, headline_of
from sshbench.evaluation.figures import labels_of
from sshbench.evaluation.result import Evaluation
from sshbench.records import Finding
from sshbench.runs import open_run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_UNLIKE_CUT = 0.01
_DETAILED_PAIRS = 3  # of more pairs, images that move the difference are not listed


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Which of several runs are better.

    Attributes:
        record: What `--json` prints and `comparison.json` holds.
        intervals: By name of the run, with replicates and influences.
    """

    record: ComparisonRecord
    intervals: Mapping[str, Intervals]

    __repr__ = short_repr

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per pair and metric."""
        import pandas as pd

        return pd.DataFrame([pair.model_dump() for pair in self.record.pairs])

    def plot(self) -> dict[str, Figure]:
        """Draw the figures with their intervals, and by metric the differences of all pairs."""
        from sshbench.analysis import figures

        drawn: dict[str, Figure] = {
            "intervals": figures.intervals_figure({one.name: one.metrics for one in self.record.runs})
        }
        for metric in self.record.ranks:
            found = [pair for pair in self.record.pairs if pair.metric == metric]
            name = metric.replace("/", "-").replace("@", "-")
            drawn[f"differences-{name}"] = figures.differences_figure(found, f"Differences in {metric}")
        return drawn

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Write `comparison.json`, `pairs.csv`, and an SVG and a PNG per figure; return the files."""
        return save_all(Path(folder), COMPARISON, self.record, {"pairs": self.to_pandas()}, self.plot())

    def worse_than(self, baseline: str, margin: float = 0.0) -> list[str]:
        """Return in words where runs are worse than one of them: intervals that lie wholly below `-margin`."""
        found = []
        for pair in self.record.pairs:
            if baseline not in (pair.a, pair.b) or pair.low is None or pair.high is None:
                continue
            other, high = (pair.a, pair.high) if pair.b == baseline else (pair.b, -pair.low)
            if high < -margin:
                found.append(f"{other} is worse than {baseline} in {pair.metric}: {pair.words}")
        return found


def compare(
    *runs: RunLike,
    data: str | Path | None = None,
    names: Sequence[str] | None = None,
    baseline: str | None = None,
    margin: float | None = None,
    metrics: Sequence[str] | None = None,
    subset: str | None = None,
    replicates: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Compare runs of one protocol on the same images.

    Args:
        *runs: Results, or folders of runs; at least two.
        data: The dataset's folder, where it is no longer where the runs say.
        names: Names of the runs; default: detector and settings.
        baseline: Name of the run that the others are compared with; default: all pairs.
        margin: Call differences equal that lie within it; a fraction.
        metrics: Default: those that people quote.
        subset: The curve whose faces are compared one by one; default: the last subset.
        replicates: Number of resampled datasets, the same for all runs.
        seed: Of the generator.
        level: Share of the replicates inside an interval.

    Raises:
        UsageError: The runs are of different datasets, images or protocols, or fewer than two.

    >>> import sshbench
    >>> sample = sshbench.load_dataset("sample")
    >>> truth = {key: (faces.boxes, faces.boxes[:, 2]) for key, faces in zip(sample.keys, sample.faces)}
    >>> half = {key: (boxes[::2], scores[::2]) for key, (boxes, scores) in truth.items()}
    >>> better, worse = sshbench.evaluate("sample", truth), sshbench.evaluate("sample", half)
    >>> found = sshbench.compare(better, worse, names=["all", "half"], replicates=200)
    >>> [rank.run for rank in found.record.ranks["AP/hard"] if rank.best == 1]
    ['all']
    """
    if len(runs) < 2:
        raise UsageError(f"{len(runs)} run to compare", remedy="Name at least two runs")
    evaluations = [evaluation_of(run, data) for run in runs]
    _check_alike(evaluations)
    named = named_evaluations(evaluations, names)
    if baseline is not None and baseline not in named:
        raise UsageError(f"there is no run named '{baseline}'", remedy=f"Known: {', '.join(named)}")
    first = evaluations[0]
    chosen = list(metrics or headline_of(list(first.record.metrics), first.protocol))
    resampling = Resampling(len(first.dataset.keys), replicates, seed, level)
    subjects = {name: subject_of(one, subset, resampling) for name, one in named.items()}
    sure = {name: intervals_of(one, resampling, chosen) for name, one in named.items()}
    pairs_of_names = comparing.pairs_of(named, baseline)
    digests = {name: one.detections.digest for name, one in named.items()}
    identical = [(a, b) for a, b in pairs_of_names if digests[a] == digests[b]]
    pairs = {
        metric: comparing.pairs(sure, metric, baseline=baseline, margin=margin, identical=identical)
        for metric in sure[next(iter(sure))].metrics
    }
    counts = {name: _at_point(subject) for name, subject in subjects.items()}
    looked_at = next(iter(subjects.values()))
    detailed = pairs_of_names if len(pairs_of_names) <= _DETAILED_PAIRS else []
    main = compared_metric(list(sure[next(iter(sure))].metrics), first.protocol)
    counted_faces = int(looked_at.counted.sum())
    record = first.record
    return Comparison(
        record=ComparisonRecord(
            dataset=record.dataset,
            protocol=record.protocol,
            protocol_hash=record.protocol_hash,
            dataset_fingerprint=record.dataset_fingerprint,
            images=record.images,
            smoke_test=record.smoke_test,
            subset=looked_at.curve,
            baseline=baseline,
            margin=margin,
            resampling=resampling_record(first, next(iter(sure.values()))),
            runs=tuple(_compared(name, one, digests[name], sure[name]) for name, one in named.items()),
            pairs=tuple(pair for several in pairs.values() for pair in several),
            ranks={} if baseline else {m: comparing.ranks(found, list(named)) for m, found in pairs.items()},
            faces=tuple(
                row for a, b in pairs_of_names for row in _shared(a, b, counts, looked_at, a_b_only=not detailed)
            ),
            images_moving=tuple(
                row for a, b in detailed for row in comparing.moving_images(a, b, sure, main, first.dataset.keys)
            ),
            exchange=tuple(comparing.exchange_tests(pairs_of_names, counts, counted_faces, resampling)),
            findings=stored([*_own_findings(sure), *_comparison_findings(named), *few_images(record.images)]),
        ),
        intervals=sure,
    )


def _check_alike(evaluations: Sequence[Evaluation]) -> None:
    first = evaluations[0].record
    for other in evaluations[1:]:
        for name in ("dataset", "protocol", "protocol_hash", "dataset_fingerprint", "images"):
            here, there = getattr(first, name), getattr(other.record, name)
            if here != there:
                raise UsageError(
                    f"these runs cannot be compared: {name} is {here!r} for {first.detector}, {there!r} for "
                    f"{other.record.detector}",
                    remedy="Compare runs of one protocol on the same images",
                )


def names_of(runs: Sequence[RunLike]) -> list[str]:
    """Return a name for each run: the detector, and the settings in which runs of one detector differ."""
    identities, detectors = [], []
    for run in runs:
        folder = run.folder if isinstance(run, Evaluation) else Path(run).expanduser()
        if folder is not None:
            with open_run(folder) as opened:
                identities.append(opened.identity)
        detectors.append(run.record.detector if isinstance(run, Evaluation) else identities[-1].detector)
    return run_labels(identities) if len(identities) == len(runs) else labels_of(detectors)


def named_evaluations(evaluations: Sequence[Evaluation], names: Sequence[str] | None) -> dict[str, Evaluation]:
    """Return results by their names, default: those of `names_of`.

    Raises:
        UsageError: There are not as many different names as results.
    """
    labels = names_of(evaluations) if names is None else list(names)
    if len(set(labels)) != len(evaluations):
        raise UsageError(f"{len(evaluations)} runs need as many different names, not {labels}")
    return dict(zip(labels, evaluations, strict=True))


def _at_point(subject: Subject) -> comparing.PointCounts:
    """Return what a run finds at its best F1."""
    fates = subject.fates(subject.outcome.best_f1_score(subject.curve))
    images = np.minimum(subject.detections.image_rows, len(subject.faces))
    false = np.bincount(images[fates.false], minlength=len(subject.faces))[: len(subject.faces)]
    return comparing.PointCounts(subject.faces.per_image(fates.found), false, fates.found)


def _shared(
    a: str, b: str, counts: Mapping[str, comparing.PointCounts], subject: Subject, *, a_b_only: bool
) -> list[SharedFaces]:
    """Count the faces that both runs find, one alone, or neither; also by slice, where there are few pairs."""
    first, second, counted = counts[a].faces, counts[b].faces, subject.counted
    parts = [("all", "all", counted)]
    if not a_b_only:
        for axis in axes_of(subject.faces, counted):
            if axis.of == "faces":
                parts += [(axis.name, part, counted & (axis.face_class == i)) for i, part in enumerate(axis.parts)]
    return [
        SharedFaces(
            a=a,
            b=b,
            axis=axis,
            part=part,
            both=int((first & second & chosen).sum()),
            only_a=int((first & ~second & chosen).sum()),
            only_b=int((~first & second & chosen).sum()),
            neither=int((~first & ~second & chosen).sum()),
        )
        for axis, part, chosen in parts
    ]


def _compared(name: str, evaluation: Evaluation, digest: str, sure: Intervals) -> ComparedRun:
    scores = evaluation.detections.scores
    defined = scores[np.isfinite(scores)]
    return ComparedRun(
        name=name,
        detector=evaluation.record.detector,
        detections_digest=digest,
        domain=evaluation.record.domain,
        complete=evaluation.record.complete,
        lowest_score=float(defined.min()) if len(defined) else None,
        detections_per_image=evaluation.detections.total / max(len(evaluation.dataset.keys), 1),
        metrics=dict(sure.metrics),
    )


def _own_findings(sure: Mapping[str, Intervals]) -> list[Finding]:
    return [
        Finding(one.code, f"{name}: {one.message}", one.files)
        for name, several in sure.items()
        for one in several.findings
    ]


def _comparison_findings(named: Mapping[str, Evaluation]) -> list[Finding]:
    found = []
    lowest = {name: float(one.detections.scores.min(initial=np.inf)) for name, one in named.items()}
    if np.ptp([value for value in lowest.values() if np.isfinite(value)] or [0.0]) > _UNLIKE_CUT:
        listed = ", ".join(f"{name} {value:.3g}" for name, value in lowest.items())
        text = f"the runs were cut at different least scores ({listed}): a higher cut loses recall and AP"
        found.append(Finding("unlike-cut", text, tuple(lowest)))
    domains = {name: one.record.domain for name, one in named.items()}
    if len(set(domains.values())) > 1:
        listed = ", ".join(f"{name} {value}" for name, value in domains.items())
        text = f"these runs are not of one domain ({listed}): a model that saw such images in training has an advantage"
        found.append(Finding("unlike-domain", text, tuple(domains)))
    return found
