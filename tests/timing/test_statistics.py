"""Figures and verdicts from raw values."""

from __future__ import annotations

from random import Random
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.timing.statistics import P90_COUNT, P99_COUNT, ratio_interval, summarise, unstable_because


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=50), st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_the_order(values: list[int], random: Random) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    first, again = summarise(values), summarise(shuffled)
    assert first.median == again.median == pytest.approx(median(values) / 1e6)
    assert first.mean == pytest.approx(again.mean)
    assert first.deviation == pytest.approx(again.deviation, abs=1e-9)


def test_trap_median_of_unsorted_values() -> None:
    assert summarise([9_000_000, 1_000_000, 2_000_000]).median == 2.0


def test_percentiles_only_where_the_count_supports_them() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(1_000_000, 2_000_000, 1000)
    assert summarise(values[: P90_COUNT - 1]).p90 is None
    assert summarise(values[:P90_COUNT]).p90 == pytest.approx(np.percentile(values[:P90_COUNT], 90) / 1e6)
    assert summarise(values[: P99_COUNT - 1]).p99 is None
    assert summarise(values[:P99_COUNT]).p99 is not None
    assert summarise(values[:4]).interval is None


def test_the_interval_holds_the_median_nineteen_times_of_twenty() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        low, high = summarise(rng.lognormal(0, 0.3, 40) * 1e6).interval or (0, 0)
        hits += low <= 1.0 <= high
    assert 180 <= hits <= 200


def test_stable_series() -> None:
    rng = np.random.default_rng(2)
    assert unstable_because(rng.normal(100, 2, 60), ["a"] * 60) == []
    # Images that cost differently are no noise.
    costs = np.tile([10, 50, 300], 20) * rng.normal(1, 0.01, 60)
    assert unstable_because(costs, ["a", "b", "c"] * 20) == []
    assert unstable_because(costs, ["a"] * 60) != []


@pytest.mark.parametrize("where", [0, 1, 2])
def test_a_slow_third_is_drift(where: int) -> None:
    values = np.random.default_rng(3).normal(100, 1, 60)
    values[20 * where : 20 * (where + 1)] *= 1.08
    reasons = unstable_because(values, ["a"] * 60)
    assert any(reason.startswith("drift") for reason in reasons)


def test_spread_and_outliers() -> None:
    rng = np.random.default_rng(4)
    assert any(r.startswith("spread") for r in unstable_because(rng.normal(100, 20, 60), ["a"] * 60))
    values = rng.normal(100, 0.5, 60)
    values[::12] = 200
    assert any(r.startswith("outliers") for r in unstable_because(values, ["a"] * 60))


def test_ratio_of_equal_series_is_one_within_its_interval() -> None:
    rng = np.random.default_rng(5)
    ratio, low, high = ratio_interval(rng.normal(100, 3, 50), rng.normal(100, 3, 50))
    assert low <= 1 <= high
    assert ratio == pytest.approx(1, abs=0.02)
    _, low, _ = ratio_interval(rng.normal(120, 3, 50), rng.normal(100, 3, 50))
    assert low > 1.15
