"""Random weights for timing: parameters from a seed, and a fixed number of candidates.

Random scores lie near 0.5, so that nearly every anchor would pass a published threshold and NMS would be timed on a
flood that no trained network makes. `shift_for` moves the classifier's bias until exactly the chosen number passes.
Predictors are scaled down (`PREDICTOR`), so that boxes stay near their anchors and every number stays finite.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sshbench.errors import UsageError
from sshbench.ssh.anchors import Float32Array

RANDOM = "random"
PARAMETERS = "parameters"
"""Setting that says of a result that it is of random weights."""
PREDICTOR = 0.01
"""Factor of the weights of layers that predict scores or boxes."""
_ASKED = re.compile(rf"{RANDOM}(?::(\d{{1,9}}))?")


def seed_of(weights: Path | None) -> int | None:
    """Return the seed of the random weights that are asked for instead of a file; None where a file is.

    Args:
        weights: What the user named: `random`, `random:7`, or a file.

    >>> seed_of(Path("random")), seed_of(Path("random:7")), seed_of(Path("SFD.caffemodel"))
    (0, 7, None)
    """
    asked = None if weights is None else _ASKED.fullmatch(str(weights))
    return None if asked is None else int(asked[1] or 0)


def random_parameters(
    shapes: Mapping[str, tuple[int, ...]], seed: int, *, predictors: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Float32Array]]:
    """Yield one parameter after the other, float32, so that a large network needs no second copy.

    Weights are normal, with the deviation that keeps the size of activations through ReLUs (He); parameters of one axis
    are 0. Parameters depend on the seed and on their own name and shape alone.

    Args:
        shapes: By name, weights as (outputs, inputs, ...), biases as (outputs,).
        seed: Of the generator.
        predictors: Names of weights that are multiplied by `PREDICTOR`.

    >>> dict(random_parameters({"fc.weight": (2, 3), "fc.bias": (2,)}, 0))["fc.bias"]
    array([0., 0.], dtype=float32)
    """
    for name, shape in shapes.items():
        if len(shape) == 1:
            yield name, np.zeros(shape, dtype=np.float32)
            continue
        rng = np.random.default_rng([seed, *name.encode()])
        made = rng.standard_normal(shape, dtype=np.float32)
        spread = (2.0 / float(np.prod(shape[1:]))) ** 0.5 * (PREDICTOR if name in predictors else 1.0)
        made *= np.float32(spread)
        yield name, made


def shift_for(logits: npt.NDArray[np.floating], count: int, threshold: float) -> float:
    """Return what to add to the bias of a classifier so that the `count` best logits, and no others, pass.

    Args:
        logits: Of any shape: for a softmax of two classes, face minus background.
        count: How many shall pass; all do where there are no more.
        threshold: Logit that a score must exceed.

    Returns:
        A shift that puts the threshold in the middle between the last that passes and the first that does not. Of equal
        logits around it, more or fewer may pass.

    Raises:
        UsageError: `count` is below 1.

    >>> shift_for(np.array([0.0, 3.0, 1.0, 2.0]), 2, -3.0)
    -4.5
    """
    if count < 1:
        raise UsageError(f"the number of candidates must be at least 1, not {count}")
    flat = logits.reshape(-1)
    if count >= flat.size:
        return float(threshold - flat.min(initial=np.inf) + 1.0) if flat.size else 0.0
    around = np.partition(flat, (flat.size - count - 1, flat.size - count))
    return threshold - (float(around[flat.size - count - 1]) + float(around[flat.size - count])) / 2


def with_candidates(logits: Float32Array, count: int, threshold: float) -> Float32Array:
    """Return logits moved so that `count` of them have a probability over the threshold; see `shift_for`.

    >>> with_candidates(np.array([0, 3, 1, 2], dtype=np.float32), 2, 0.5).tolist()
    [-1.5, 1.5, -0.5, 0.5]
    """
    moved: Float32Array = logits + np.float32(shift_for(logits, count, logit(threshold)))
    return moved


def logit(probability: float) -> float:
    """Return the logit of a probability, which is kept away from 0 and 1.

    >>> logit(0.5)
    0.0
    """
    certain = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(certain / (1 - certain))


def random_note(seed: int, candidates: int) -> dict[str, str]:
    """Return the settings that mark a result as one of random weights.

    >>> random_note(0, 1000)
    {'parameters': 'random, seed 0, 1000 candidates'}
    """
    return {PARAMETERS: f"{RANDOM}, seed {seed}, {candidates} candidates"}
