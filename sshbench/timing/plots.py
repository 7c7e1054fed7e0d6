"""Figures of timings: against input size, against the number of faces, and speed against accuracy."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sshbench.errors import UsageError
from sshbench.evaluation import EvaluationRecord
from sshbench.report.figures import COLOURS, save_png, to_svg
from sshbench.runs import Identity, write_atomic
from sshbench.timing.record import SizeTiming, TimingRecord


def plot_sizes(records: Sequence[TimingRecord], out: Path) -> list[Path]:
    """Latency against the input's area: median and interval of each size, one line a record; none without sizes."""
    records = [record for record in records if any(timing.size != "original" for timing in record.sizes)]
    if not records:
        return []
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    rows: list[list[object]] = [["detector", "label", "size", "scope", "median_ms", "low_ms", "high_ms", "count"]]
    for i, record in enumerate(records):
        sizes = [timing for timing in record.sizes if timing.size != "original"]
        areas = [_area(timing.size) for timing in sizes]
        medians = [timing.summary["total"].median for timing in sizes]
        ends = [
            timing.summary["total"].interval or (value, value) for timing, value in zip(sizes, medians, strict=True)
        ]
        error = np.abs(np.array(ends).T - np.array(medians))
        colour = COLOURS[i % len(COLOURS)]
        axes.errorbar(areas, medians, yerr=error, marker="o", capsize=3, color=colour, label=label_of(record))
        for timing, value, (low, high) in zip(sizes, medians, ends, strict=True):
            count = timing.summary["total"].count
            rows.append([record.detector, label_of(record), timing.size, record.scope, value, low, high, count])
    axes.set(xlabel="input, megapixels (m x M)", ylabel="milliseconds an image", yscale="log")
    _plain_numbers(axes.yaxis)
    _finish(axes, f"latency against input size, scope {records[0].scope}")
    return _write(figure, rows, out, "latency-size")


def plot_faces(records: Sequence[TimingRecord], out: Path) -> list[Path]:
    """Time after the network against the faces of an image, or its detections where the faces are not known."""
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    rows: list[list[object]] = [["detector", "label", "size", "image", "faces", "detections", "after_ms", "total_ms"]]
    known = all(faces >= 0 for record in records for timing in record.sizes for faces in timing.faces)
    for i, record in enumerate(records):
        found: list[tuple[int, float]] = []
        for timing in record.sizes:
            after = _after(timing)
            total = [value / 1e6 for value in timing.total("end-to-end")]
            for j, image in enumerate(timing.images):
                found.append((timing.faces[j] if known else timing.detections[j], after[j]))
                tail = [timing.faces[j], timing.detections[j], after[j], total[j]]
                rows.append([record.detector, label_of(record), timing.size, image, *tail])
        numbers, times = [number for number, _ in found], [value for _, value in found]
        axes.scatter(numbers, times, s=12, alpha=0.6, color=COLOURS[i % len(COLOURS)], label=label_of(record))
    axes.set(xlabel=f"{'faces' if known else 'detections'} in the image", ylabel="milliseconds after the network")
    _finish(axes, "cost of many faces")
    return _write(figure, rows, out, "latency-faces")


def plot_accuracy(
    pairs: Sequence[tuple[TimingRecord, SizeTiming, Identity, EvaluationRecord]], metric: str, out: Path
) -> list[Path]:
    """Latency against a metric, a point for each pair of a timing and a run of the same identity.

    Raises:
        UsageError: A timing and its run differ in weights, settings or size, or the run has no such metric.
    """
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    rows: list[list[object]] = [["detector", "size", "median_ms", "metric", "value", "dataset", "images"]]
    for i, (record, timing, identity, result) in enumerate(pairs):
        check_same(record, timing, identity)
        value = result.metrics.get(metric)
        if value is None:
            raise UsageError(
                f"the run of '{identity.detector}' has no metric '{metric}'", remedy=", ".join(result.metrics)
            )
        latency = timing.summary["total"].median
        axes.scatter([latency], [100 * value], s=50, color=COLOURS[i % len(COLOURS)], zorder=3)
        axes.annotate(
            f"{record.detector} {timing.size}", (latency, 100 * value), xytext=(6, 4), textcoords="offset points"
        )
        rows.append([record.detector, timing.size, latency, metric, value, result.dataset, result.images])
    values = [100 * float(result.metrics[metric] or 0) for _, _, _, result in pairs]
    axes.set_ylim(max(0.0, min(values) - 5), min(100.0, max(values) + 4) + 0.5)
    axes.set(xlabel="milliseconds an image (median)", ylabel=f"{metric}, percent", xscale="log")
    axes.margins(x=0.25)
    _plain_numbers(axes.xaxis)
    _finish(axes, f"speed against accuracy, {pairs[0][3].dataset}", legend=False)
    return _write(figure, rows, out, "speed-accuracy")


def check_same(record: TimingRecord, timing: SizeTiming, identity: Identity) -> None:
    """Refuse to set a latency beside an accuracy of something else.

    Raises:
        UsageError: A field differs; the text names it and both values.
    """
    settings = dict(identity.settings)
    there = {
        "detector": (record.detector, identity.detector),
        "weights_sha256": (record.weights_sha256, identity.weights_sha256),
        "size": (timing.size, settings.pop("resize", None)),
        "settings": (record.settings, settings),
    }
    for name, (timed, run) in there.items():
        if timed != run:
            raise UsageError(
                f"timing and run of '{record.detector}' are not the same thing: {name} is {timed!r} and {run!r}",
                remedy="Time and evaluate with the same weights, settings and size",
            )


def label_of(record: TimingRecord) -> str:
    """Detector, and what runs it where it has a choice."""
    extra = record.settings.get("extra", {})
    how = " ".join(str(extra[name]) for name in ("backend", "precision") if name in extra)
    return f"{record.detector} {how}".strip()


def _after(timing: SizeTiming) -> list[float]:
    names = [name for name in ("decode", "nms", "postprocess") if name in timing.stages]
    return [sum(values) / 1e6 for values in zip(*(timing.stages[name] for name in names), strict=True)]


def _area(size: str) -> float:
    short, _, long = size.partition("x")
    return int(short) * int(long) / 1e6


def _plain_numbers(axis: Axis) -> None:
    """1, 2, 5, 10, 20, ... on a logarithmic axis, instead of powers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _finish(axes: Axes, title: str, *, legend: bool = True) -> None:
    axes.set_title(title, fontsize=11, loc="left", fontweight="bold")
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if legend:
        axes.figure.legend(loc="outside right upper", fontsize=9, frameon=False)


def _write(figure: Figure, rows: list[list[object]], out: Path, name: str) -> list[Path]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    files = [
        write_atomic(out / f"{name}.csv", text.getvalue()),
        write_atomic(out / f"{name}.svg", to_svg(figure, name)),
    ]
    return [*files, save_png(figure, out / f"{name}.png")]
