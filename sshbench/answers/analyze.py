"""How sure are the figures of one run, and where and why does it fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sshbench.analysis.calibration import calibration
from sshbench.analysis.errors import error_findings, errors_record
from sshbench.analysis.image_tables import read_groups, read_slices
from sshbench.analysis.intervals import Intervals
from sshbench.analysis.operating import PointRule, default_rules, operating_points
from sshbench.analysis.record import ANALYSIS, AnalysisRecord
from sshbench.analysis.resample import Resampling
from sshbench.analysis.slices import slices
from sshbench.analysis.subject import Subject
from sshbench.answers.common import (
    RunLike,
    evaluation_of,
    intervals_of,
    resampling_record,
    save_all,
    stored,
    subject_of,
)
from sshbench.display import short_repr
from sshbench.errors import UsageError
from sshbench.evaluators.base import UNUSED
from sshbench.flat import counted
from sshbench.records import Finding

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What is known of one run besides its figures.

    Attributes:
        record: What `--json` prints and `analysis.json` holds.
        intervals: With replicates and influences of images.
        subject: What was analysed.
    """

    record: AnalysisRecord
    intervals: Intervals
    subject: Subject

    __repr__ = short_repr

    def to_pandas(self) -> dict[str, pd.DataFrame]:
        """Return the tables by name: `metrics`, `operating`, `slices`, `errors`, `calibration`."""
        import pandas as pd

        record = self.record.model_dump()
        metrics = [{"metric": name, **one} for name, one in record["metrics"].items()]
        rows = {
            "metrics": metrics,
            "operating": record["operating"],
            "slices": record["slices"],
            "errors": record["errors"]["types"],
            "calibration": [
                {"from_score": row["from_score"], **one} for row in record["calibration"] for one in row["bins"]
            ],
        }
        return {name: pd.json_normalize(several) for name, several in rows.items()}

    def plot(self) -> dict[str, Figure]:
        """Draw what the record holds, by name; notebooks show each."""
        from sshbench.analysis import figures

        record = self.record
        title = f"{record.detector} on {record.dataset}, {record.subset}"
        drawn: dict[str, Figure] = {"intervals": figures.intervals_figure({record.detector: record.metrics}, title)}
        whole = next((point.recall.value for point in record.operating if point.recall is not None), None)
        for axis in dict.fromkeys(one.axis for one in record.slices if one.of == "faces"):
            parts = [one for one in record.slices if one.axis == axis]
            drawn[f"recall-{axis}"] = figures.slices_figure(parts, whole, f"{title}: {axis}")
        drawn["errors"] = figures.costs_figure(record.errors, title)
        if record.calibration and record.calibration[0].bins:
            drawn["reliability"] = figures.reliability_figure(record.calibration[0], title)
        return drawn

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Write `analysis.json`, a CSV per table, and an SVG and a PNG per figure; return the files."""
        return save_all(Path(folder), ANALYSIS, self.record, self.to_pandas(), self.plot())


def analyze(
    run: RunLike,
    *,
    data: str | Path | None = None,
    subset: str | None = None,
    at: str = "best-f1",
    replicates: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    groups: str | Path | None = None,
    by_event: bool = False,
    own_slices: str | Path | None = None,
    cross: tuple[str, str] | None = None,
) -> Analysis:
    """Analyse a run: intervals, slices, types of errors, calibration, operating points.

    Args:
        run: A result, or the folder of a run. Its detections are enough; images are not read.
        data: The dataset's folder, where it is no longer where the run says.
        subset: The curve that all but the intervals are of; default: the last subset.
        at: The operating point: `best-f1`, `precision=0.9`, `recall=0.8`, `fppi=0.1` or `score=0.35`.
        replicates: Number of resampled datasets.
        seed: Of the generator; equal seeds give equal results.
        level: Share of the replicates inside an interval.
        groups: CSV file `image,group`: draw these groups whole, not images.
        by_event: Draw events whole; for WIDER FACE.
        own_slices: CSV file `image,axis,value`: further axes.
        cross: Two axes whose parts are combined too.

    Raises:
        UsageError: There is no such subset, axis or operating point.
        InputError: A file has an invalid line.

    >>> import sshbench
    >>> sample = sshbench.load_dataset("sample")
    >>> result = sshbench.evaluate("sample", {key: (faces.boxes[::2], faces.boxes[::2, 2] / 1000) for key, faces in
    ...     zip(sample.keys, sample.faces)})
    >>> found = sshbench.analyze(result, replicates=200)
    >>> found.record.subset, {one.name: one.detections for one in found.record.errors.types}["background"]
    ('hard', 0)
    """
    evaluation = evaluation_of(run, data)
    keys = evaluation.dataset.keys
    drawn = None if groups is None else read_groups(Path(groups), keys)
    if by_event:
        drawn = evaluation.events
        if drawn is None:
            raise UsageError("the images have no events", remedy="Name groups in a CSV file with --groups")
    resampling = Resampling(len(keys), replicates, seed, level, drawn)
    subject = subject_of(evaluation, subset, resampling)
    sure = intervals_of(evaluation, resampling, None)
    # Everything else is read at the first point.
    chosen = PointRule.parse(at)
    others = [rule for rule in default_rules(subject) if rule != chosen]
    points, findings = operating_points(subject, [chosen, *others])
    threshold = float("inf") if points[0].score is None else points[0].score
    own = None if own_slices is None else _of_images(read_slices(own_slices, evaluation.dataset.all_keys), set(keys))
    errors = errors_record(subject, threshold)
    calibrated, calibration_findings = calibration(subject, threshold)
    record = evaluation.record
    return Analysis(
        record=AnalysisRecord(
            detector=record.detector,
            dataset=record.dataset,
            protocol=record.protocol,
            protocol_hash=record.protocol_hash,
            dataset_fingerprint=record.dataset_fingerprint,
            detections_digest=evaluation.detections.digest,
            subset=subject.curve,
            images=record.images,
            complete=record.complete,
            smoke_test=record.smoke_test,
            domain=record.domain,
            resampling=resampling_record(evaluation, sure),
            metrics=dict(sure.metrics),
            operating=tuple(points),
            slices=slices(subject, threshold, own=own, cross=cross),
            errors=errors,
            calibration=tuple(calibrated),
            findings=stored(
                [
                    *sure.findings,
                    *findings,
                    *calibration_findings,
                    *error_findings(subject, errors),
                    *_unused(subject),
                ]
            ),
        ),
        intervals=sure,
        subject=subject,
    )


def _of_images(own: Mapping[str, Mapping[str, str]], keys: set[str]) -> dict[str, dict[str, str]]:
    """Leave out the images that take no part."""
    return {axis: {key: part for key, part in parts.items() if key in keys} for axis, parts in own.items()}


def _unused(subject: Subject) -> list[Finding]:
    """Say how many detections are in no table."""
    number = int(np.count_nonzero(subject.fates().roles == UNUSED))
    if not number:
        return []
    text = f"{counted(number, 'detection')} take no part by the protocol and are in no table: no threshold keeps them"
    return [Finding("unused-detections", f"{text}, or they are too small or over a limit")]
