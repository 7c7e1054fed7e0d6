"""The operating point of a chosen detector, with the set that it was chosen on."""

from __future__ import annotations

from pathlib import Path

from sshbench.analysis.operating import operating_points
from sshbench.analysis.point_rules import PointRule
from sshbench.analysis.record import ANALYSIS, AnalysisRecord, OperatingPoint
from sshbench.analysis.resample import Resampling
from sshbench.answers.common import evaluation_of, subject_of
from sshbench.errors import SshbenchError
from sshbench.models import StrictModel
from sshbench.runs import is_run


class ChosenPoint(StrictModel):
    """A threshold, and where it was chosen.

    Attributes:
        point: Threshold, precision, recall, false detections per image; None where there is none.
        subset: Curve that it was chosen on.
        chosen_on: Dataset and number of images, in words.
        missing: Why there is no point, with the command that makes it.
    """

    point: OperatingPoint | None = None
    subset: str = ""
    chosen_on: str = ""
    missing: str = ""


def point_of(folder: Path, rule: PointRule, chosen_on: str) -> ChosenPoint:
    """Return the operating point of a run: from the analysis beside it, else from its detections.

    Args:
        folder: A run, or what `sshbench archive` kept of it.
        rule: How the threshold is chosen.
        chosen_on: Its dataset, in words.
    """
    stored = _stored(folder, rule)
    if stored is not None:
        return ChosenPoint(point=stored[0], subset=stored[1], chosen_on=chosen_on)
    if not is_run(folder):
        return ChosenPoint(
            missing=f"{folder} holds no detections and no operating point {rule}. Run "
            f"`sshbench analyze RUN --at {rule} -o RUN` before archiving it"
        )
    try:
        evaluation = evaluation_of(folder, None)
        subject = subject_of(evaluation, None, Resampling(len(evaluation.dataset.keys), 200, 0, 0.95, None))
    except SshbenchError as error:
        return ChosenPoint(missing=str(error))
    points, _ = operating_points(subject, [rule])
    return ChosenPoint(point=points[0], subset=subject.curve, chosen_on=chosen_on)


def _stored(folder: Path, rule: PointRule) -> tuple[OperatingPoint, str] | None:
    path = folder / ANALYSIS
    if not path.is_file():
        return None
    analysis = AnalysisRecord.read(path, remedy="Run `sshbench analyze` on the run again")
    fitting = [one for one in analysis.operating if (one.rule, one.target) == (rule.name, rule.target)]
    return (fitting[0], analysis.subset) if fitting else None
