"""Gates of a build: figures under their floor, runs worse than a baseline."""

from __future__ import annotations

from collections.abc import Sequence

from sshbench.errors import UsageError
from sshbench.evaluation.result import Evaluation


def parse_share(text: str) -> float:
    """Read a share: a fraction, or points or percent with their unit.

    >>> parse_share("0.8"), parse_share("0.5pt"), parse_share("80%")
    (0.8, 0.005, 0.8)

    Raises:
        UsageError: It is no number, or not in [0, 1].
    """
    digits = text.strip()
    unit = next((unit for unit in ("points", "pt", "%") if digits.endswith(unit)), "")
    try:
        value = float(digits.removesuffix(unit)) / (100 if unit else 1)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise UsageError(f"'{text}' is not a share", remedy="Write a fraction (0.005), or points with a unit (0.5pt)")
    return value


def failed_floors(evaluation: Evaluation, floors: Sequence[str]) -> list[str]:
    """Return in words which figures are under their floor, such as `AP/hard=0.80`.

    Raises:
        UsageError: A floor is not `METRIC=FRACTION`, or there is no such metric.
    """
    failed = []
    for floor in floors:
        name, sign, text = floor.rpartition("=")
        if not sign or name not in evaluation.record.metrics:
            known = ", ".join(evaluation.record.metrics)
            raise UsageError(f"--fail-under {floor}: no such metric", remedy=f"Write METRIC=FRACTION. Known: {known}")
        least, value = parse_share(text), evaluation.record.metrics[name]
        if value is None or value < least:
            shown = "not defined" if value is None else f"{value:.6f}"
            failed.append(f"{name} is {shown}, under {least:g}")
    return failed
