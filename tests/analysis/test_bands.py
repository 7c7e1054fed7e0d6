"""Bands around curves."""

from __future__ import annotations

import numpy as np
import pytest

from sshbench.analysis.bands import band
from sshbench.analysis.resample import Resampling
from sshbench.curves import ROCCurve
from tests.analysis.sets import CASES, golden, outcome_of


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case))
def test_the_curve_lies_within_its_band_nearly_everywhere(case: tuple[str, str, str]) -> None:
    detections, faces, protocol = golden(*case)
    outcome = outcome_of(detections, faces, protocol)
    for name, curve in outcome.curves.items():
        found = band(outcome, name, Resampling(len(faces), 400))
        assert found is not None
        assert (found.low <= found.high).all()
        if isinstance(curve, ROCCurve):
            own = np.array([curve.rate_at(count) for count in found.x.tolist()])
        else:
            envelope = np.fmax.accumulate(np.append(curve.precision, 0.0)[::-1])[::-1]
            own = envelope[np.searchsorted(curve.recall, found.x, side="left")]
        inside = (own >= found.low - 1e-12) & (own <= found.high + 1e-12)
        assert np.mean(inside[~np.isnan(own)]) > 0.9


def test_no_ledger_no_band() -> None:
    outcome = outcome_of(*golden(*CASES[0]))
    assert band(outcome, "unknown", Resampling(10, 100)) is None
