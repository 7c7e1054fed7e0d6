"""Imported published curves to draw beside a run's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sshbench.curves import Curve, PRCurve, ROCCurve
from sshbench.errors import UsageError
from sshbench.evaluation.record import EvaluationRecord
from sshbench.published import cached

_BEST = 5


def imported_curves(record: EvaluationRecord, wanted: Sequence[str] | None) -> dict[str, Mapping[str, Curve]]:
    """Curves by method and name of the curve, of the benchmark that a record is of.

    Args:
        record: A part of a dataset, or a smoke test, has none beside it.
        wanted: Methods by name; None for the five best.

    Raises:
        UsageError: A wanted method was not imported.
        InputError: The cache of imported curves is damaged.
    """
    comparable = record.complete and record.images == record.total_images and not record.smoke_test
    known = cached(record.protocol) if comparable else {}
    if wanted is None:
        ranked = sorted(known, key=lambda method: -max(map(_figure, known[method].values())))
        return {method: known[method] for method in ranked[:_BEST]}
    if missing := [method for method in wanted if method not in known]:
        raise UsageError(
            f"no curve of '{missing[0]}' to draw beside these runs",
            remedy="`sshbench curves list` names the imported ones; they go beside whole WIDER FACE and FDDB runs",
        )
    return {method: known[method] for method in wanted}


def _figure(curve: PRCurve | ROCCurve) -> float:
    return curve.ap if isinstance(curve, PRCurve) else curve.rate_at(1000)
