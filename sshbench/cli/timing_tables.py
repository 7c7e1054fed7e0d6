"""Timings as tables on a terminal."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from sshbench.errors import UsageError
from sshbench.files import published_dir
from sshbench.tables import digits_text
from sshbench.timing.compare import Ratio, paired_ratios
from sshbench.timing.record import SizeTiming, TimingRecord
from sshbench.timing.sweep import Sweep

_MOST_COLUMNS = 6


def percent(text: str) -> float:
    """Return the number of a percentage such as `5%` or `5`.

    Raises:
        UsageError: The text is something else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", text.strip())
    if match is None:
        raise UsageError(f"'{text}' is not a percentage", remedy="Write for example 5%")
    return float(match[1])


def show(records: Sequence[TimingRecord], ratios: Sequence[Ratio], files: Sequence[Path]) -> None:
    """Print tables for people."""
    console = Console()
    for record in records:
        _show_record(console, record)
    if len(records) > 1:
        _show_pairs(console, records)
    for ratio in ratios:
        console.print(f"against the older timing, {ratio}", highlight=False, markup=False)
    for file in files:
        console.print(str(file), highlight=False, markup=False, soft_wrap=True)


def show_sweep(found: Sweep) -> None:
    """Print one row per combination and size; those worth deploying are marked."""
    console = Console()
    first = next(iter(found.records.values()))
    rows = found.to_pandas()
    of_all = ("detector", "size", "backend", "precision", "threads", "batch")
    names = [name for name in of_all if rows[name].nunique() > 1] or ["detector"]
    batches = "batch" in names
    same = {name: str(rows[name].iloc[0]) for name in of_all if name not in names and rows[name].iloc[0] != ""}
    title = ", ".join(f"{name} {value}" if value.isdigit() else value for name, value in same.items())
    console.print(f"{title}, scope {first.scope}", style="bold", highlight=False, markup=False)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for name in names:
        table.add_column(name, justify="right" if name in ("threads", "batch") else "left", no_wrap=True)
    times = ("pass ms", "ms/image") if batches else ("ms",)
    for heading in (*times, "images/s", "MiB", "J/image", ""):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for row in rows.to_dict("records"):
        memory, joules = row["peak_memory_mib"], row["joules_per_image"]
        table.add_row(
            *(str(row[name]) for name in names),
            _ms(row["pass_ms"]),
            *([_ms(row["ms_per_image"])] if batches else []),
            f"{row['images_per_second']:.3g}",
            "-" if memory is None else str(memory),
            "-" if joules is None else f"{joules:.3g}",
            " ".join(mark for mark in ("*" * row["worth"], "" if row["stable"] else "unstable") if mark),
        )
    console.print(table)
    costs = {(one.detector, t.size): t.cost for one, r in found.records.items() for t in r.sizes if t.cost is not None}
    for (detector, size), cost in costs.items():
        console.print(
            f"{detector} at {size}: {cost.parameters / 1e6:.3g} million parameters, {cost.gflop:.3g} GFLOP per image",
            highlight=False,
            markup=False,
        )
    console.print(f"*: no other row is better in time, throughput and memory. Energy: {first.energy}", highlight=False)
    for one, why in found.left_out.items():
        console.print(f"left out: {one}: {why}", style="dim", highlight=False, markup=False)
    for file in found.files:
        console.print(str(file), highlight=False, markup=False, soft_wrap=True)


def _show_record(console: Console, record: TimingRecord) -> None:
    extra = record.settings.get("extra", {})
    how = ", ".join(str(extra[name]) for name in ("backend", "precision", "device") if name in extra)
    title = f"{record.detector}{f' ({how})' if how else ''}, scope {record.scope}, milliseconds"
    console.print(title, style="bold", highlight=False, markup=False)
    totals = Table()
    for heading in ("size", "median", "95 %", "p90", "p99", "images/s", "MiB", "verdict"):
        totals.add_column(heading, justify="left" if heading in ("size", "verdict") else "right", no_wrap=True)
    for timing in record.sizes:
        total = timing.summary["total"]
        totals.add_row(
            timing.size,
            _ms(total.median),
            "-" if total.interval is None else f"{_ms(total.interval[0])}-{_ms(total.interval[1])}",
            _ms(total.p90),
            _ms(total.p99),
            f"{timing.images_per_second:.3g}",
            "-" if timing.peak_memory_mib is None else str(timing.peak_memory_mib),
            "stable" if timing.stable else "UNSTABLE",
        )
    published = _paper_row(record)
    if published:
        totals.add_section()
        for size, milliseconds, _ in published:
            totals.add_row(size, milliseconds, "", "", "", "", "", "paper", style="dim")
    console.print(totals)
    if published:
        console.print(f"paper: Table 2, {published[0][2]}", style="dim", highlight=False, markup=False)
    stages = list(dict.fromkeys(name for timing in record.sizes for name in timing.stages))
    medians = [
        [_ms(timing.summary[name].median) if name in timing.summary else "-" for name in stages]
        for timing in record.sizes
    ]
    sizes = [timing.size for timing in record.sizes]
    # A network timed in parts has more stages than a line has room for, and they become the rows.
    tall = len(stages) > _MOST_COLUMNS
    headings, names = (sizes, stages) if tall else (stages, sizes)
    parts = Table()
    parts.add_column("medians by stage", no_wrap=True)
    for heading in headings:
        parts.add_column(heading, justify="right", no_wrap=True)
    for name, values in zip(names, zip(*medians, strict=True) if tall else medians, strict=True):
        parts.add_row(name, *values)
    console.print(parts)
    for timing in record.sizes:
        for reason in timing.reasons:
            console.print(f"{timing.size} unstable: {reason}", style="yellow", highlight=False, markup=False)
        if timing.floor is not None:
            _show_floor(console, timing)
    passes = ", ".join(f"{timing.size} {timing.summary['total'].count}" for timing in record.sizes)
    machine = record.machine
    console.print(
        f"{record.image_source}, batch {record.batch}, passes: {passes} · {machine['processor']}, "
        f"{machine['cores']} cores, {record.threads} threads · {record.clock}",
        highlight=False,
        markup=False,
    )
    for note in machine.get("notes", []):
        console.print(f"note: {note}", style="yellow", highlight=False, markup=False)


def _show_floor(console: Console, timing: SizeTiming) -> None:
    floor = timing.floor
    assert floor is not None
    tf32 = "" if floor.tf32 is None else f" (TF32 {'on' if floor.tf32 else 'off'})"
    console.print(
        f"{timing.size}: {floor.gflop:.1f} GFLOP, {floor.gigabytes:.2f} GB at least; this machine multiplies "
        f"{floor.matmul_gflops:.0f} GFLOP/s{tf32} and copies {floor.copy_gigabytes:.1f} GB/s: {floor.limit_ms:.0f} ms "
        f"at best, the network took {floor.over:.2f} times that",
        highlight=False,
        markup=False,
    )


def _show_pairs(console: Console, records: Sequence[TimingRecord]) -> None:
    first = records[0]
    for other in records[1:]:
        for a, b in zip(other.sizes, first.sizes, strict=True):
            ratio, low, high = paired_ratios(a, b, first.scope)
            console.print(
                f"{a.size}: {other.detector} takes {ratio:.3g} [{low:.3g}, {high:.3g}] times {first.detector}'s time, "
                "pair by pair",
                highlight=False,
                markup=False,
            )


def _paper_row(record: TimingRecord) -> list[tuple[str, str, str]]:
    """Return the rows of the paper's table for the measured sizes, for the paper's detector and scope."""
    if record.detector != "ssh" or record.scope != "paper":
        return []
    with (published_dir() / "ssh_timing.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["size"]: row for row in csv.DictReader(file)}
    sizes = [timing.size for timing in record.sizes if timing.size in rows]
    return [(size, rows[size]["milliseconds"], rows[size]["hardware"]) for size in sizes]


def _ms(value: float | None) -> str:
    return "-" if value is None else digits_text(value)
