"""The files of a training besides its checkpoint: weights, tables and curves."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from matplotlib.figure import Figure

from sshbench.files import write_atomic
from sshbench.plotting import COLOURS, save_png
from sshbench.training.state import Progress

WEIGHTS = "weights.safetensors"


def write_tables(folder: Path, progress: Progress) -> list[Path]:
    """Write `loss.csv`, `validation.csv` and `training.png` from the rows so far; return the paths of those written."""
    files = []
    if progress.losses:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(progress.losses[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(progress.losses)
        files.append(write_atomic(folder / "loss.csv", text.getvalue()))
    if progress.validation:
        lines = ["iteration,metric,value", *(f"{i},{metric},{value!r}" for i, metric, value in progress.validation)]
        files.append(write_atomic(folder / "validation.csv", "\n".join(lines) + "\n"))
    if progress.losses:
        files.append(save_png(_figure(progress), folder / "training.png"))
    return files


def _figure(progress: Progress) -> Figure:
    figure = Figure(figsize=(9.6, 3.8))
    # Fixed margins: a layout engine would draw everything twice, at every checkpoint.
    figure.subplots_adjust(left=0.08, right=0.985, bottom=0.13, top=0.92, wspace=0.2)
    left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    iterations = [row["iteration"] for row in progress.losses]
    names = [name for name in progress.losses[0] if name not in ("iteration", "lr")]
    window = max(1, len(iterations) // 100)
    for i, name in enumerate(names):
        values = [row[name] for row in progress.losses]
        smooth = [sum(values[max(0, j - window + 1) : j + 1]) / min(window, j + 1) for j in range(len(values))]
        left.plot(iterations, smooth, color=COLOURS[i % len(COLOURS)], linewidth=1.3, label=name)
    left.set(xlabel="iteration", ylabel="loss", yscale="log")
    left.legend(fontsize=8, frameon=False, ncols=2)
    for i, metric in enumerate(dict.fromkeys(name for _, name, _ in progress.validation)):
        points = [(iteration, 100 * value) for iteration, name, value in progress.validation if name == metric]
        right.plot(*zip(*points, strict=True), color=COLOURS[i], marker="o", label=metric)
    right.set(xlabel="iteration", ylabel="AP on the validation images, percent")
    if progress.validation:
        right.legend(fontsize=8, frameon=False)
    for axes, title in ((left, "loss"), (right, "validation")):
        axes.set_title(title, fontsize=11, loc="left", fontweight="bold")
        axes.grid(color="#e5e7eb", linewidth=0.8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure
