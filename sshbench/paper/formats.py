"""Tables for papers as LaTeX, Markdown, CSV and HTML text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from types import MappingProxyType

from sshbench.evaluation.metrics import percent, title_of
from sshbench.paper.table import PUBLISHED, Cell, PaperTable, Row
from sshbench.tables import escape_markdown, markdown_row, to_csv

_NAME, _DATA = "method", "data"


def to_latex(table: PaperTable) -> str:
    r"""Return a `tabular` with the rules of booktabs, behind comments that say what it holds.

    Published rows are cited with `\cite`.
    """
    import pandas as pd

    columns = [_NAME, *table.metrics, _DATA]
    rows = [[_plain(row.name), *(_latex(row.cells[m]) for m in table.metrics), row.data] for row in table.rows]
    # Figures are text of our own; names, and the titles of metrics, come from files.
    style = pd.DataFrame(rows, columns=columns).style.hide(axis="index")
    style = style.format(escape="latex", subset=[_NAME]).format_index(_title, axis=1, escape="latex")
    for number, row in enumerate(table.rows):
        if row.reference is not None:
            cited = f"{{}}~\\cite{{{{{row.reference.key}}}}}"
            style = style.format(cited, escape="latex", subset=pd.IndexSlice[number, [_NAME]])
    text = style.to_latex(hrules=True, column_format=f"l{'r' * len(table.metrics)}l")
    comments = [f"% {_plain(note)}" for note in ("Needs \\usepackage{booktabs}.", *table.notes)]
    return "\n".join([*comments, *_ruled(text.splitlines(), table), ""])


def _ruled(lines: list[str], table: PaperTable) -> list[str]:
    """Put a rule between measured and published rows."""
    measured = sum(row.data != PUBLISHED for row in table.rows)
    if measured == len(table.rows):
        return lines
    at = lines.index(r"\midrule") + 1 + measured
    return [*lines[:at], r"\midrule", *lines[at:]]


def _latex(cell: Cell) -> str:
    value, half = _texts(cell)
    value = rf"\textbf{{{value}}}" if cell.best else value
    return rf"{value} $\pm$ {half}" if half else value


def to_markdown(table: PaperTable) -> str:
    """Return a Markdown table with its notes; published rows are cited as pandoc does, `[@key]`."""
    titles = [_NAME, *map(_title, table.metrics), _DATA]
    lines = [
        markdown_row(map(escape_markdown, titles)),
        markdown_row(["---", *["---:"] * len(table.metrics), "---"]),
        *(
            markdown_row([_cited(row), *(_marked(row.cells[m], "**", "**") for m in table.metrics), row.data])
            for row in table.rows
        ),
    ]
    return "\n".join([*lines, "", *(f"{escape_markdown(_plain(note))}  " for note in table.notes), ""])


def _cited(row: Row) -> str:
    key = f" [@{row.reference.key}]" if row.reference is not None else ""
    return f"{escape_markdown(_plain(row.name))}{key}"


def _marked(cell: Cell, before: str, after: str) -> str:
    value, half = _texts(cell)
    value = f"{before}{value}{after}" if cell.best else value
    return f"{value} ± {half}" if half else value


def to_table_csv(table: PaperTable) -> str:
    """Return CSV: for each metric a column of percent, one of ±, and one that says whether it is bold elsewhere."""
    import pandas as pd

    rows = []
    for row in table.rows:
        entry: dict[str, object] = {_NAME: _plain(row.name)}
        for metric in table.metrics:
            value, half = _texts(row.cells[metric])
            entry |= {metric: value, f"{metric} ±": half, f"{metric} best": row.cells[metric].best}
        entry |= {_DATA: row.data, "citation": row.reference.key if row.reference else "", "source": row.source}
        rows.append(entry)
    return to_csv(pd.DataFrame(rows))


def to_html(table: PaperTable) -> str:
    """Return an HTML table with its notes, without styles or scripts."""
    import pandas as pd

    columns = [_NAME, *table.metrics, _DATA]
    rows = [
        [_html_name(row), *(_marked(row.cells[m], "<b>", "</b>") for m in table.metrics), row.data]
        for row in table.rows
    ]
    frame = pd.DataFrame(rows, columns=[escape(_title(column)) for column in columns])
    text = str(frame.to_html(escape=False, index=False, border=0, classes="sshbench", justify="left"))
    return "\n".join([text, *(f"<p>{escape(_plain(note))}</p>" for note in table.notes), ""])


def _html_name(row: Row) -> str:
    key = f' <cite title="{escape(row.source)}">[{row.reference.key}]</cite>' if row.reference is not None else ""
    return f"{escape(_plain(row.name))}{key}"


def _title(column: object) -> str:
    return str(column) if column in (_NAME, _DATA) else title_of(str(column))


def _texts(cell: Cell) -> tuple[str, str]:
    """Return a figure in percent, and half the width of its interval, empty where there is none."""
    half = None if cell.low is None or cell.high is None else (cell.high - cell.low) / 2
    return percent(cell.value), "" if half is None else percent(half)


def _plain(text: str) -> str:
    """Return a text on one line, without control characters and marks of direction."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


WRITERS: Mapping[str, Callable[[PaperTable], str]] = MappingProxyType(
    {"latex": to_latex, "markdown": to_markdown, "csv": to_table_csv, "html": to_html}
)
"""By name of the format, what writes it."""
