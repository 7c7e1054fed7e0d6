"""Detector latency with confidence intervals and a stability check: `time_detector` and what is made of its raw values.

`clock` and `harness` measure, `statistics` sums up and judges, `record` is what is stored, `compare` sets records side
by side, `workers` times several detectors in processes of their own, `floor` says how far from the machine's limit a
network runs, `plots` draws.
"""

from __future__ import annotations

from sshbench.timing.harness import Measurement, measure
from sshbench.timing.public import time_detector
from sshbench.timing.record import TimingRecord
from sshbench.timing.statistics import Summary, summarise

__all__ = ["Measurement", "Summary", "TimingRecord", "measure", "summarise", "time_detector"]
