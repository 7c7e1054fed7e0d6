"""The 25 templates of HR and the rule that chooses those of a level.

Source: peiyunh/tiny, data/widerface/RefBox_N25_scaled.mat, scripts/hr_res101.m, cnn_widerface_test_AB.m (MIT, 2017).
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import numpy as np

from sshbench.records import FloatArray, IntArray

_TABLE = Path(__file__).with_name("hr_templates.toml")


@cache
def published_templates() -> FloatArray:
    """Return the published templates, float64 (25, 5): x1, y1, x2, y2 from the cell's centre, and scale."""
    rows = tomllib.loads(_TABLE.read_text(encoding="utf-8"))["templates"]
    table = np.array([[-x, -y, x, y, scale] for scale, x, y in rows])
    table.setflags(write=False)
    return table


def chosen_templates(templates: FloatArray, scale: float) -> IntArray:
    """Return the rows of the templates that are used at a level, 0-based.

    Type A (ids 5 to 12) is used at every level, type B (19 to 25) where its own scale is on the same side of 1 as the
    level's; all published ones of type B have scale 2. The others are never used at test time.

    Args:
        templates: float64 (25, 5), as `published_templates`.
        scale: Pixels of the level per pixel of the image.

    >>> chosen_templates(published_templates(), 1.0).tolist()
    [4, 5, 6, 7, 8, 9, 10, 11]
    >>> len(chosen_templates(published_templates(), 2.0))
    15
    """
    rules = tomllib.loads(_TABLE.read_text(encoding="utf-8"))["ids"]
    everywhere = np.array(rules["every_level"]) - 1
    one_side = np.array(rules["own_side"]) - 1
    fits = np.sign(templates[one_side, 4] - 1) == np.sign(scale - 1)
    return np.concatenate((everywhere, one_side[fits]))


def difference_from_published(templates: FloatArray) -> float:
    """Return the largest difference of templates from the published ones; infinite where their number differs."""
    published = published_templates()
    if templates.shape != published.shape:
        return float("inf")
    return float(np.abs(templates - published).max())
