"""Write the README's speed table out of the committed timings: `python scripts/update_tables.py`.

A test fails where the README and the timings have gone apart.
"""

from __future__ import annotations

import csv
from pathlib import Path

from sshbench.timing.plots import label_of
from sshbench.timing.record import TimingRecord

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- timings: made by scripts/update_tables.py -->", "<!-- end of timings -->"


def table() -> str:
    """The table in Markdown: milliseconds an image by size, a row a detector, and the paper's row."""
    lines: list[str] = []
    for machine in sorted((ROOT / "results" / "measured").glob("*/")):
        paths = sorted(machine.glob("timing-*.json"))
        if not paths:
            continue
        records = sorted(map(TimingRecord.load, paths), key=lambda record: record.sizes[-1].summary["total"].median)
        sizes = [timing.size for timing in records[0].sizes]
        first = records[0]
        lines += [
            f"{first.machine['processor']}, {first.machine['cores']} cores, {first.threads} threads; "
            f"{first.image_source}; scope {first.scope}; medians in milliseconds, in brackets where unstable.",
            "",
            "| detector | " + " | ".join(sizes) + " |",
            "|---|" + "---|" * len(sizes),
        ]
        for record in records:
            cells = {timing.size: timing for timing in record.sizes}
            shown = [_cell(cells[size].summary["total"].median, cells[size].stable) for size in sizes]
            lines.append(f"| {label_of(record)} | " + " | ".join(shown) + " |")
    with (ROOT / "results" / "published" / "ssh_timing.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["size"]: row for row in csv.DictReader(file)}
    hardware = next(iter(rows.values()))["hardware"]
    lines.append(f"| *paper, Caffe, {hardware}* | " + " | ".join(rows[size]["milliseconds"] for size in sizes) + " |")
    return "\n".join(lines)


def updated(readme: str) -> str:
    """The README with the table between its marks."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def _cell(milliseconds: float, stable: bool) -> str:
    shown = f"{milliseconds:.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"
    return shown if stable else f"({shown})"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
