"""The harness against pytest-benchmark on the same function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sshbench.detectors.registry import load_detector
from sshbench.images import read_image
from sshbench.timing import measure
from sshbench.timing.images import images_from
from sshbench.timing.statistics import median_interval


@pytest.mark.benchmark(group="haar's network stage, 240 x 320: pytest-benchmark and the harness")
def test_the_harness_agrees_with_pytest_benchmark(benchmark: Any) -> None:
    images = images_from(None, 1)[0]
    detector = load_detector("haar", resize="240x320")
    prepared = detector.preprocess(read_image(images[0].path))
    benchmark.pedantic(detector.forward, args=(prepared,), rounds=60, warmup_rounds=5)
    theirs = median_interval(np.array(benchmark.stats.stats.data) * 1000)
    measured = measure(detector, images, min_time=0, min_count=60)
    ours = median_interval(np.array(measured.stages["forward"]) / 1e6)
    benchmark.extra_info.update({"pytest-benchmark": theirs, "harness": ours})
    assert ours[0] <= theirs[1] * 1.02
    assert theirs[0] <= ours[1] * 1.02
