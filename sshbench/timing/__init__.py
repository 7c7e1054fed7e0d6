"""Detector latency with confidence intervals and a stability check.

`time_detector`, `time_detectors`, `time_runs` and `sweep_detectors` measure, `compare_timings` and `paired_ratios`
compare, `plot_timings` draws.

`clock` and `harness` measure one series, `statistics` sums it up and judges it, `record` is what is stored, `workers`
times several detectors in processes of their own, `floor` measures how close to the machine's limit a network runs.
"""

from __future__ import annotations

from sshbench.timing.compare import Ratio, check_not_slower, compare_timings, paired_ratios
from sshbench.timing.harness import Measurement, measure
from sshbench.timing.of_runs import time_runs
from sshbench.timing.public import plot_timings, sweep_detectors, time_detector, time_detectors
from sshbench.timing.record import TimingRecord
from sshbench.timing.statistics import Summary, summarise
from sshbench.timing.sweep import Sweep

__all__ = [
    "Measurement",
    "Ratio",
    "Summary",
    "Sweep",
    "TimingRecord",
    "check_not_slower",
    "compare_timings",
    "measure",
    "paired_ratios",
    "plot_timings",
    "summarise",
    "sweep_detectors",
    "time_detector",
    "time_detectors",
    "time_runs",
]
