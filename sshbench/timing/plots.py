"""Figures of timings: against input size, and against the number of faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sshbench.files import write_atomic
from sshbench.plotting import COLOURS, ShownFigure, plain_numbers, plain_text, save_png, style_axes, to_svg
from sshbench.tables import to_csv
from sshbench.timing.record import SizeTiming, TimingRecord


def plot_sizes(records: Sequence[TimingRecord], out: Path) -> list[Path]:
    """Draw latency against input size; write PNG, SVG and CSV, and return the files; none where no size is fixed."""
    records = [record for record in records if _sized(record)]
    if not records:
        return []
    tables = []
    for record in records:
        table = record.to_pandas().query("stage == 'total' and size != 'original'")
        table.insert(1, "label", label_of(record))
        tables.append(table.drop(columns=["stage", "stable"]))
    return _write(size_figure(records), pd.concat(tables), out, "latency-size")


def size_figure(records: Sequence[TimingRecord]) -> Figure:
    """Draw the median and interval at each size against the input's area, one line per record."""
    figure = ShownFigure(figsize=(7.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for i, record in enumerate(records):
        sizes = _sized(record)
        medians = [timing.summary["total"].median for timing in sizes]
        ends = [
            timing.summary["total"].interval or (value, value) for timing, value in zip(sizes, medians, strict=True)
        ]
        error = np.abs(np.array(ends).reshape(-1, 2).T - np.array(medians))
        colour = COLOURS[i % len(COLOURS)]
        areas = [_area(timing.size) for timing in sizes]
        axes.errorbar(
            areas, medians, yerr=error, marker="o", capsize=3, color=colour, label=plain_text(label_of(record))
        )
    axes.set(xlabel="input, megapixels (m x M)", ylabel="milliseconds per image", yscale="log")
    plain_numbers(axes.yaxis)
    _finish(axes, f"latency against input size, scope {records[0].scope}")
    return figure


def _sized(record: TimingRecord) -> list[SizeTiming]:
    """Return the timings at sizes whose area is known."""
    return [timing for timing in record.sizes if "x" in timing.size and "=" not in timing.size]


def plot_faces(records: Sequence[TimingRecord], out: Path) -> list[Path]:
    """Draw the time after the network against the faces of an image, or its detections where faces are unknown."""
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    tables: list[pd.DataFrame] = []
    known = all(faces >= 0 for record in records for timing in record.sizes for faces in timing.faces)
    for i, record in enumerate(records):
        found: list[tuple[int, float]] = []
        for timing in record.sizes:
            after = _after(timing)
            total = [value / 1e6 for value in timing.total("end-to-end")]
            found += zip(timing.faces if known else timing.detections, after, strict=True)
            tables.append(
                pd.DataFrame(
                    {
                        "detector": record.detector,
                        "label": label_of(record),
                        "size": timing.size,
                        "image": timing.images,
                        "faces": timing.faces,
                        "detections": timing.detections,
                        "after_ms": after,
                        "total_ms": total,
                    }
                )
            )
        numbers, times = [number for number, _ in found], [value for _, value in found]
        axes.scatter(
            numbers, times, s=12, alpha=0.6, color=COLOURS[i % len(COLOURS)], label=plain_text(label_of(record))
        )
    axes.set(xlabel=f"{'faces' if known else 'detections'} in the image", ylabel="milliseconds after the network")
    _finish(axes, "cost of many faces")
    return _write(figure, pd.concat(tables), out, "latency-faces")


_MARKS = "osD^vP*X<>"
_STYLES = ("-", "--", ":", "-.")


def sweep_figure(table: pd.DataFrame, scope: str) -> Figure:
    """Draw the rows of `Sweep.to_pandas`: images per second against the time of a pass.

    A colour per precision, a mark per backend, a line style per number of threads; filled where the row is worth
    deploying. Rows that differ in nothing but the batch are one line.
    """
    figure = ShownFigure(figsize=(9.6, 4.8), layout="constrained")
    axes = figure.add_subplot()
    precisions, backends, threads = (list(table[name].unique()) for name in ("precision", "backend", "threads"))
    line = ["detector", "size", "backend", "precision", "threads"]
    differing = [name for name in line if table[name].nunique() > 1]
    for key, rows in table.groupby(line, sort=False):
        of = dict(zip(line, map(str, key), strict=True)) | {"threads": f"{key[4]} threads"}
        colour = COLOURS[precisions.index(of["precision"]) % len(COLOURS)]
        mark = _MARKS[backends.index(of["backend"]) % len(_MARKS)]
        label = plain_text(" ".join(of[name] for name in differing if of[name]) or of["detector"])
        style = _STYLES[threads.index(key[4]) % len(_STYLES)]
        rows = rows.sort_values("batch")
        (drawn,) = axes.plot(rows["pass_ms"], rows["images_per_second"], marker=mark, color=colour, label=label)
        drawn.set(linestyle=style, fillstyle="none")
        worth = rows[rows["worth"]]
        axes.plot(worth["pass_ms"], worth["images_per_second"], marker=mark, color=colour, linestyle="none")
    axes.set(xlabel="milliseconds of a pass", ylabel="images per second", xscale="log", yscale="log")
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    same = [str(table[name].iloc[0]) for name in ("detector", "size") if name not in differing]
    _finish(axes, plain_text(", ".join([*same, f"scope {scope}"])) + "; filled: worth deploying")
    return figure


def label_of(record: TimingRecord) -> str:
    """Return the detector's name, and what runs it where there is a choice."""
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


def _write(figure: Figure, table: pd.DataFrame, out: Path, name: str) -> list[Path]:
    files = [
        write_atomic(out / f"{name}.csv", to_csv(table)),
        write_atomic(out / f"{name}.svg", to_svg(figure, name)),
    ]
    return [*files, save_png(figure, out / f"{name}.png")]
