"""The claims as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Iterable

from sshbench.ssh_paper.judging import RULES
from sshbench.ssh_paper.record import ClaimRow, ClaimsRecord, Place, Span, Table, Verdict
from sshbench.tables import digits_text, escape_markdown, markdown_row, to_csv

TITLES: dict[Table, str] = {
    "same input": "Same input, one pass",
    "protocol": "Each by its published protocol, on the same images (the paper's comparison)",
}
COLUMNS = ("detector", "size", "parameters", "GFLOP", "weights, MB", "peak memory, MiB", "ms", "stages, ms")
FORWARD = "forward: "


def markdown_of(record: ClaimsRecord) -> str:
    """Return the whole record as Markdown."""
    lines = ["# Claims of the SSH paper, measured", "", *_about(record), ""]
    for table, rows in by_table(record.rows):
        lines += [f"## {TITLES[table]}", "", markdown_row(COLUMNS), markdown_row(["---", "---", *["---:"] * 5, "---"])]
        lines += [markdown_row(map(escape_markdown, cells_of(row))) for row in rows]
        lines.append("")
    lines += ["## Verdicts", "", RULES, "", markdown_row(["claim", "source", "rule", "found", "verdict"])]
    lines.append(markdown_row(["---"] * 5))
    for verdict in record.verdicts:
        lines.append(markdown_row(map(escape_markdown, verdict_cells(verdict))))
    if record.missing:
        lines += ["", f"Not measured: {', '.join(record.missing)}."]
    return "\n".join([*lines, ""])


def _about(record: ClaimsRecord) -> list[str]:
    machine = ", ".join(f"{name} {value}" for name, value in record.machine.items() if isinstance(value, str | int))
    about = [*record.conditions, f"Images: {'; '.join(record.images)}.", f"Machine: {machine}. Made {record.created}."]
    notes = [
        "ms: median of a pass without reading and NMS, with its 95 % interval; stages: medians.",
        "A recipe of several passes (S3FD's protocol) does not part decoding from NMS and voting: its total has them.",
        "Weights: in memory, fp32. Peak memory: of a process of its own, with its libraries and what loading takes.",
        "`*`: the series was unstable.",
    ]
    return [f"- {escape_markdown(text) if text not in notes else text}" for text in (*about, *notes)]


def by_table(rows: Iterable[ClaimRow]) -> list[tuple[Table, list[ClaimRow]]]:
    """Return rows by table, in the order of the tables."""
    kept = list(rows)
    return [(table, found) for table in TITLES if (found := [row for row in kept if row.table == table])]


def cells_of(row: ClaimRow) -> tuple[str, ...]:
    """Return the cells of a row, one for each of `COLUMNS`."""
    random = " (random weights)" if row.weights.startswith("random") else ""
    return (
        f"{row.detector}{random}",
        row.size,
        "" if row.parameters is None else f"{row.parameters:,}".replace(",", " "),
        "" if row.gflop is None else f"{row.gflop:.1f}",
        "" if row.weights_bytes is None else f"{row.weights_bytes / 1e6:.0f}",
        "" if row.peak_memory_mib is None else str(row.peak_memory_mib),
        span_text(row.total) + ("" if row.stable else " *"),
        stages_text(row),
    )


def stages_text(row: ClaimRow) -> str:
    """Return the stages within the total, in milliseconds."""
    return ", ".join(f"{name.removeprefix(FORWARD)} {digits_text(one.value)}" for name, one in row.stages.items())


def span_text(span: Span, digits: int = 3) -> str:
    """Return a value with its interval.

    >>> span_text(Span(value=1.25)), span_text(Span(value=1234.5))
    ('1.25', '1234')
    """
    shown = digits_text(span.value, digits)
    if span.low is None or span.high is None:
        return shown
    if span.low == span.high:
        return shown
    return f"{shown} ({digits_text(span.low, digits)} to {digits_text(span.high, digits)})"


def place_text(place: Place) -> str:
    """Return what was found at a size."""
    note = f" [{place.note}]" if place.note else ""
    return f"{place.size}: {span_text(place.span)} {'yes' if place.met else 'no'}{note}"


def verdict_cells(verdict: Verdict) -> tuple[str, ...]:
    """Return claim, source, rule, what was found and the ruling."""
    claim = verdict.claim
    figure = f" ({claim.figure})" if claim.figure else ""
    origin = "not of the paper; " if claim.origin == "arithmetic" else ""
    return (
        f"{claim.words}{figure}",
        f"{origin}{claim.source}; {claim.certainty}",
        verdict.rule,
        "; ".join(map(place_text, verdict.places)),
        verdict.ruling,
    )


def csv_of(record: ClaimsRecord) -> str:
    """Return one line per row; stages have a column each."""
    import pandas as pd

    lines = []
    for row in record.rows:
        line = row.model_dump(exclude={"total", "stages"})
        line |= {"ms": row.total.value, "ms_low": row.total.low, "ms_high": row.total.high}
        lines.append(line | {f"{name}_ms": one.value for name, one in row.stages.items()})
    return to_csv(pd.DataFrame(lines))
