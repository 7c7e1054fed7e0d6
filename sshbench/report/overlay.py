"""Imported published curves to draw beside a run's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sshbench.curves import Curve, PRCurve, ROCCurve
from sshbench.errors import UsageError
from sshbench.evaluation.record import EvaluationRecord
from sshbench.published import cached

_BEST = 5


def imported_curves(record: EvaluationRecord, wanted: Sequence[str] | None) -> dict[str, Mapping[str, Curve]]:
    """Return the imported curves of the record's benchmark, by method and curve.

    Args:
        record: For a part of a dataset or a smoke test there are none.
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
            f"no imported curve of '{missing[0]}' for these runs",
            remedy="`sshbench curves list` lists the imported ones; only runs on all of WIDER FACE or FDDB have some",
        )
    return {method: known[method] for method in wanted}


def _figure(curve: PRCurve | ROCCurve) -> float:
    return curve.ap if isinstance(curve, PRCurve) else curve.rate_at(1000)
