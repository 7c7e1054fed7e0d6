"""One board as its page shows it: columns, and measured and published rows with the numbers that a plot needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal

from sshbench.analysis.record import Interval, Rank
from sshbench.contamination import Domain
from sshbench.evaluation.metrics import percent, title_of
from sshbench.licences import LicenceKind, licence_kind
from sshbench.published.tables import published_methods
from sshbench.report.leaderboard import Board, Leaderboard, Row
from sshbench.report.leaderboard_text import (
    latency_text,
    pixels_text,
    short_licence,
    three_digits,
    work_values,
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A column of numbers, which the plot can have on an axis.

    Attributes:
        key: Its name in the page's address.
        title: Heading.
        axis: Title of an axis.
        less: Whether less is better.
        log: Whether an axis is logarithmic unless the reader says otherwise.
    """

    key: str
    title: str
    axis: str
    less: bool = True
    log: bool = True


MILLISECONDS = "ms"
MEGAPIXELS = "megapixels"
_MEASURES = (
    Quantity(MILLISECONDS, "ms", "milliseconds per image"),
    Quantity("images/s", "images/s", "images per second", less=False),
    Quantity(MEGAPIXELS, "mega\u00adpixels", "megapixels per image that the network gets"),
    Quantity("gflop", "GFLOP", "GFLOP per image"),
    Quantity("parameters", "para\u00admeters, million", "parameters, million"),
    Quantity("weights", "weights, MB", "weights, MB"),
    Quantity("memory", "memory, MiB", "peak memory, MiB"),
)
_WORK = ("parameters", "gflop", "weights", "memory", "images/s")
"""Keys in the order of `WORK_COLUMNS`."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of a row, in the unit of its column.

    Attributes:
        value: The number.
        text: As it is shown.
        low: Lower end of its 95 % interval; None where there is none.
        high: Upper end.
        below: What stands below it in small letters.
        stable: Whether it can be trusted; a latency that cannot stands in brackets.
    """

    value: float
    text: str
    low: float | None = None
    high: float | None = None
    below: str = ""
    stable: bool = True

    @property
    def at(self) -> str:
        """Value and ends of the interval for the page's script."""
        known = [self.value] if self.low is None or self.high is None else [self.value, self.low, self.high]
        return " ".join(f"{number:.6g}" for number in known)

    @property
    def half(self) -> float | None:
        """Half the width of an interval that is written so; None for others."""
        if self.low is None or self.high is None or not self.below.startswith("±"):
            return None
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row.

    Attributes:
        mark: What stands in its point: a number where it was measured, letters where it was published.
        label: Name.
        detail: What stands below the name.
        domain: Whether the model may have seen such images; None for published rows.
        amounts: By key of its column.
        place: Places that its chosen figure leaves open.
        licence: First words of the licence.
        licence_kind: What it allows.
        words: More words that a search finds.
        published: `of these` for what was published for a detector of this board, `of others` for another method;
            empty for measured rows.
        source: Number of the published row's source, from 1; 0 for measured rows.
    """

    mark: str
    label: str
    detail: str
    domain: Domain | None
    amounts: Mapping[str, Amount]
    place: Rank | None = None
    licence: str = ""
    licence_kind: LicenceKind | Literal[""] = ""
    words: str = ""
    published: Literal["", "of these", "of others"] = ""
    source: int = 0

    @property
    def shape(self) -> str:
        """Shape of its point."""
        return "published" if self.domain is None else self.domain.replace(" ", "-")


@dataclass(frozen=True, slots=True)
class BoardTable:
    """A board.

    Attributes:
        position: In the leaderboard.
        board: What it is of.
        columns: In order; those that no row has are left out.
        rows: Best first; what was published for a detector stands below it, other methods at the end.
        sources: Of the published rows.
        x: Key of the horizontal axis, at first; empty where there is no plot.
        y: Of the vertical one.
    """

    position: int
    board: Board
    columns: list[Quantity]
    rows: list[TableRow]
    sources: list[str]
    x: str
    y: str

    @property
    def ranked(self) -> bool:
        """Whether any row has a rank."""
        return any(row.place is not None for row in self.rows)

    def column(self, key: str) -> Quantity:
        """Return the column of a key."""
        return next(one for one in self.columns if one.key == key)

    def drawn(self) -> list[TableRow]:
        """Return the rows that have a number on both axes."""
        return [row for row in self.rows if self.x in row.amounts and self.y in row.amounts]


def board_table(board: Leaderboard, position: int, rows: Sequence[Row]) -> BoardTable:
    """Arrange a board for its page.

    Published figures compare only with runs on a whole benchmark at each detector's own size; other boards have none.

    Args:
        board: The leaderboard.
        position: Of the board in it.
        rows: Those of its section.
    """
    one = board.boards[position]
    sources: list[str] = []
    arranged: list[TableRow] = []
    compares = not (one.is_part or one.smoke_test or one.fit)
    seen: set[str] = set()
    letters = _letters()
    numbered = [(number, row) for number, row in enumerate(rows, start=1) if position in row.results]
    # A detector keeps its number, and its colour, on every board of its section.
    for number, row in sorted(numbered, key=lambda pair: -(pair[1].value(position, one.chosen) or 0.0)):
        arranged.append(_measured(one, position, number, row))
        if compares and row.identity.detector not in seen:
            arranged += _published_of(one, row, letters, sources)
        seen.add(row.identity.detector)
    arranged += _others(one, letters, sources) if compares else []
    columns = [Quantity(name, title_of(name), _axis(name), less=False, log=False) for name in _metrics(one)]
    columns += [quantity for quantity in _MEASURES if any(quantity.key in row.amounts for row in arranged)]
    x = next(
        (
            key
            for key in (MILLISECONDS, MEGAPIXELS)
            if sum({key, one.chosen} <= row.amounts.keys() for row in arranged) > 1
        ),
        "",
    )
    return BoardTable(position, one, columns, arranged, sources, x, one.chosen)


def _metrics(board: Board) -> list[str]:
    """Return the metrics of a board's columns: those that people quote, and the one that rows are sorted by."""
    return list(dict.fromkeys([*board.metrics, board.chosen]))


def _axis(metric: str) -> str:
    return f"{title_of(metric)} AP, percent" if metric.startswith("AP/") else f"{title_of(metric)}, percent"


def _measured(board: Board, position: int, number: int, row: Row) -> TableRow:
    amounts = {
        name: _figure(value, row.interval(position, name))
        for name in _metrics(board)
        if (value := row.value(position, name)) is not None
    }
    amounts |= dict(_costs(row, position))
    return TableRow(
        str(number),
        row.label,
        row.title if row.title != row.label else "",
        row.domain(position) or "unknown",
        amounts,
        row.places.get(position),
        short_licence(row.licence),
        licence_kind(row.licence),
        f"{row.licence} {row.training_data}",
    )


def _figure(value: float, sure: Interval | None) -> Amount:
    if sure is None or sure.half is None or sure.low is None or sure.high is None:
        return Amount(100 * value, percent(value))
    return Amount(
        100 * value, percent(value), 100 * sure.low, 100 * sure.high, f"±\N{NO-BREAK SPACE}{percent(sure.half)}"
    )


def _costs(row: Row, position: int) -> Iterator[tuple[str, Amount]]:
    latency = row.latencies.get(position)
    if latency is not None:
        low, high = latency.summary.interval or (None, None)
        below = f"{three_digits(low)}\N{EN DASH}{three_digits(high)}" if low is not None and high is not None else ""
        yield (
            MILLISECONDS,
            Amount(latency.summary.median, latency_text(row, position), low, high, below, latency.stable),
        )
    pixels = row.results[position].pixels.input
    if pixels is not None:
        shown, timed = pixels_text(row, position), pixels_text(row, position, timed=True)
        yield MEGAPIXELS, Amount(pixels / 1e6, shown, below=f"timed: {timed}" if timed not in ("-", shown) else "")
    for key, value in zip(_WORK, work_values(row, position), strict=True):
        if value is not None:
            yield key, Amount(value, three_digits(value))


def _published_of(board: Board, row: Row, letters: Iterator[str], sources: list[str]) -> list[TableRow]:
    """Return what was published for a row's detector, a row for each source and its conditions."""
    groups: dict[tuple[str, str], dict[str, Amount]] = {}
    for figure in row.published:
        if figure.dataset == board.protocol.dataset == board.protocol.name and figure.metric in _metrics(board):
            groups.setdefault((figure.conditions, figure.source), {})[figure.metric] = _figure(figure.value, None)
    return [
        TableRow(
            next(letters),
            row.identity.detector,
            conditions,
            None,
            amounts,
            words=source,
            published="of these",
            source=_number(source, sources),
        )
        for (conditions, source), amounts in groups.items()
    ]


def _others(board: Board, letters: Iterator[str], sources: list[str]) -> list[TableRow]:
    found = []
    for method in published_methods(board.protocol.name):
        amounts = {name: _figure(value, None) for name, value in method.metrics.items() if name in _metrics(board)}
        if amounts:
            found.append(
                TableRow(
                    next(letters),
                    method.method,
                    method.note,
                    None,
                    amounts,
                    words=method.source,
                    published="of others",
                    source=_number(method.source, sources),
                )
            )
    return found


def _number(source: str, sources: list[str]) -> int:
    if source not in sources:
        sources.append(source)
    return 1 + sources.index(source)


def _letters() -> Iterator[str]:
    """Yield a, b, ... z, aa, ab and so on."""
    yield from ascii_lowercase
    for first in ascii_lowercase:
        yield from (first + second for second in ascii_lowercase)
