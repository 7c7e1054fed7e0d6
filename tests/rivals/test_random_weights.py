"""Random weights for timing: the same from one seed, and as many candidates as asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.errors import UsageError
from sshbench.ssh.random_weights import random_parameters, seed_of, shift_for

SHAPES = {"a.weight": (8, 4, 3, 3), "a.bias": (8,), "b.weight": (8, 4, 3, 3)}


def test_what_asks_for_random_weights() -> None:
    assert [seed_of(Path(text)) for text in ("random", "random:12", "random.pth", "x/random")] == [0, 12, None, None]
    assert seed_of(None) is None


def test_parameters_follow_from_seed_and_name() -> None:
    first, again, other = (dict(random_parameters(SHAPES, seed)) for seed in (1, 1, 2))
    for name, shape in SHAPES.items():
        assert first[name].shape == shape
        assert first[name].dtype == np.float32
        np.testing.assert_array_equal(first[name], again[name])
    assert not np.array_equal(first["a.weight"], other["a.weight"])
    assert not np.array_equal(first["a.weight"], first["b.weight"])
    small = dict(random_parameters(SHAPES, 1, predictors=frozenset({"b.weight"})))
    np.testing.assert_allclose(small["b.weight"], first["b.weight"] * 0.01, rtol=1e-5)
    assert first["a.weight"].std() == pytest.approx((2 / 36) ** 0.5, rel=0.2)


@given(
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=60, unique=True),
    st.integers(1, 70),
    st.floats(-5, 5),
)
def test_as_many_pass_as_were_asked_for(logits: list[int], count: int, threshold: float) -> None:
    values = np.array(logits) / 7
    shifted = values + shift_for(values, count, threshold)
    assert (shifted > threshold).sum() == min(count, len(values))
    assert set(np.argsort(-values)[:count]) == set(np.flatnonzero(shifted > threshold))


def test_no_candidates_cannot_be_asked_for() -> None:
    with pytest.raises(UsageError, match="at least 1, not 0"):
        shift_for(np.zeros(3), 0, 0.0)
