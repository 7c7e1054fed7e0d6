"""Figures of timings: against input size, and against the number of faces."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sshbench.files import write_atomic
from sshbench.plotting import COLOURS, plain_numbers, save_png, style_axes, to_svg
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
    plain_numbers(axes.yaxis)
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


def _finish(axes: Axes, title: str) -> None:
    style_axes(axes, title)
    axes.figure.legend(loc="outside right upper", fontsize=9, frameon=False)


def _write(figure: Figure, rows: list[list[object]], out: Path, name: str) -> list[Path]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    files = [
        write_atomic(out / f"{name}.csv", text.getvalue()),
        write_atomic(out / f"{name}.svg", to_svg(figure, name)),
    ]
    return [*files, save_png(figure, out / f"{name}.png")]
