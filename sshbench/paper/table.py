"""Tables of runs for papers: figures with half the width of their intervals, and bold only what can be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sshbench
from sshbench.analysis.intervals import note
from sshbench.analysis.record import Interval
from sshbench.analysis.resample import Resampling
from sshbench.answers.common import RunLike, evaluation_of, intervals_of
from sshbench.answers.compare import compare, named_evaluations
from sshbench.contamination import DOMAIN_SHORT, DOMAIN_SHORT_NOTE
from sshbench.display import short_repr
from sshbench.errors import UsageError
from sshbench.evaluation.benchmarks import compared_metric
from sshbench.evaluation.record import EvaluationRecord
from sshbench.evaluation.result import Evaluation
from sshbench.paper.references import Reference, reference_of, references, to_bibtex
from sshbench.published.tables import published_methods

Format = Literal["latex", "markdown", "csv", "html"]
PUBLISHED = "published"
"""What stands in the column `data` of published rows."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of a table.

    Attributes:
        value: A fraction; None where there is none.
        low: Lower end of its interval; None where there is no interval.
        high: Upper end.
        best: Whether it is the best of the measured ones, and can be told apart from all others.
    """

    __repr__ = short_repr

    value: float | None
    low: float | None = None
    high: float | None = None
    best: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        name: Of the run or of the published method.
        cells: By metric.
        data: `in`, `cross` or `?`, as in all narrow tables; `published` for published figures.
        source: Where a published figure stands; empty for measured ones.
        reference: What to cite for it; None for measured rows, and where it is not known.
    """

    __repr__ = short_repr

    name: str
    cells: Mapping[str, Cell]
    data: str
    source: str = ""
    reference: Reference | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PaperTable:
    """A table of runs and published methods.

    Attributes:
        metrics: The columns, by name.
        rows: Measured ones first, best first.
        notes: What a reader must know.
    """

    __repr__ = short_repr

    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def text(self, kind: Format) -> str:
        """Return the table in a format, all names escaped for it.

        Raises:
            UsageError: There is no such format.
        """
        from sshbench.paper.formats import WRITERS

        if kind not in WRITERS:
            raise UsageError(f"there is no table format '{kind}'", remedy=f"Known: {', '.join(WRITERS)}")
        return WRITERS[kind](self)

    def bibtex(self) -> str:
        """Return what the table cites, as BibTeX; empty where it cites nothing."""
        return to_bibtex(row.reference for row in self.rows if row.reference is not None)


def paper_table(
    runs: Sequence[RunLike],
    *,
    data: str | Path | None = None,
    published: bool = False,
    names: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    replicates: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> PaperTable:
    """Make a table of runs of one protocol on the same images.

    Args:
        runs: Results, or folders of runs; at least one.
        data: The dataset's folder, where it is no longer where the runs say.
        published: Add published figures below the measured ones.
        names: Names of the runs; default: detector and settings.
        metrics: Default: those that people quote.
        replicates: Number of resampled datasets.
        seed: Of the generator.
        level: Level of the intervals.

    Raises:
        UsageError: The runs are of different datasets, images or protocols, or nothing published compares with them.
    """
    if not runs:
        raise UsageError("no run was named", remedy="Name at least one")
    named = named_evaluations([evaluation_of(run, data) for run in runs], names)
    labels, evaluations = list(named), list(named.values())
    first = evaluations[0]
    cells = _cells(evaluations, labels, metrics, replicates, seed, level)
    shown = tuple(cells[labels[0]])
    main = compared_metric(shown, first.protocol)
    rows = [Row(label, cells[label], DOMAIN_SHORT[one.record.domain]) for label, one in named.items()]
    rows.sort(key=lambda row: -(row.cells[main].value or 0.0))
    rows += _published(first.record, shown) if published else []
    return PaperTable(shown, tuple(rows), tuple(_notes(evaluations, labels, level, len(runs) > 1, rows)))


def table(
    runs: Sequence[RunLike] | RunLike,
    *,
    format: Format = "markdown",  # noqa: A002  # as in the command
    data: str | Path | None = None,
    published: bool = False,
    bib: str | Path | None = None,
    names: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    replicates: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> str:
    r"""Return a table of runs as text; figures in percent, ± half the width of their intervals.

    A figure is bold where its paired difference to every other run is told apart, after adjustment for all pairs.

    Args:
        runs: Results, or folders of runs of one protocol on the same images; at least one.
        format: `latex` (needs the package booktabs), `markdown`, `csv` or `html`.
        data: The dataset's folder, where it is no longer where the runs say.
        published: Add published figures below the measured ones.
        bib: File to write the references of published rows to, as BibTeX.
        names: Names of the runs; default: detector and settings.
        metrics: Default: those that people quote.
        replicates: Number of resampled datasets.
        seed: Of the generator.
        level: Level of the intervals.

    Raises:
        UsageError: The runs are of different datasets, images or protocols, or nothing published compares with them.

    >>> import sshbench
    >>> sample = sshbench.load_dataset("sample")
    >>> found = {key: (faces.boxes[::2], faces.boxes[::2, 2]) for key, faces in zip(sample.keys, sample.faces)}
    >>> result = sshbench.evaluate("sample", found, detector="half_a")
    >>> print(sshbench.table(result, format="latex", replicates=200).splitlines()[-3].split(" & ")[0])
    half\_a
    """
    several = [runs] if isinstance(runs, Evaluation | str | Path) else runs
    made = paper_table(
        several,
        data=data,
        published=published,
        names=names,
        metrics=metrics,
        replicates=replicates,
        seed=seed,
        level=level,
    )
    if bib is not None:
        write_bib(made, Path(bib))
    return made.text(format)


def write_bib(made: PaperTable, path: Path) -> Path:
    """Write what a table cites to a file, and return its path.

    Raises:
        UsageError: The table cites nothing.
    """
    from sshbench.files import write_atomic

    text = made.bibtex()
    if not text:
        raise UsageError("the table cites nothing", remedy="Add published rows with --published")
    return write_atomic(path.expanduser(), text)


def _cells(
    evaluations: Sequence[Evaluation],
    labels: Sequence[str],
    metrics: Sequence[str] | None,
    replicates: int,
    seed: int,
    level: float,
) -> dict[str, dict[str, Cell]]:
    """Return the figures of each run by metric, with what can be told apart from all others."""
    if len(evaluations) == 1:
        only = evaluations[0]
        sure = intervals_of(only, Resampling(len(only.dataset.keys), replicates, seed, level), metrics)
        return {labels[0]: {name: _cell(one, False) for name, one in sure.items()}}
    found = compare(*evaluations, names=labels, metrics=metrics, replicates=replicates, seed=seed, level=level).record
    first = {(name, rank.run) for name, several in found.ranks.items() for rank in several if rank.worst == 1}
    return {
        run.name: {name: _cell(one, (name, run.name) in first) for name, one in run.metrics.items()}
        for run in found.runs
    }


def _cell(one: Interval, best: bool) -> Cell:
    return Cell(one.value, one.low, one.high, best)


def _published(record: EvaluationRecord, metrics: Sequence[str]) -> list[Row]:
    if record.smoke_test or not record.complete or record.images != record.total_images:
        raise UsageError(
            "published figures compare only with finished runs on a whole benchmark",
            remedy="Leave out --published, or run the detector on all images",
        )
    known = references()
    rows = [
        Row(
            one.method,
            {name: Cell(one.metrics.get(name)) for name in metrics},
            PUBLISHED,
            one.source,
            reference_of(one.source, known),
        )
        for one in published_methods(record.protocol)
        if any(name in one.metrics for name in metrics)
    ]
    if not rows:
        raise UsageError(
            f"nothing published compares with protocol '{record.protocol}'", remedy="Leave out --published"
        )
    return rows


def _notes(
    evaluations: Sequence[Evaluation], labels: Sequence[str], level: float, compared: bool, rows: Sequence[Row]
) -> list[str]:
    record = evaluations[0].record
    of_all = f"{record.images} of {record.total_images}" if record.images != record.total_images else record.images
    notes = [
        f"Percent. {record.dataset}, {of_all} images, protocol {record.protocol} {record.protocol_hash}; "
        f"sshbench {sshbench.__version__}.",
        f"±: half the width. {note(record.images, level)}",
    ]
    if compared:
        notes.append(
            "Bold: better than every other measured row, by the interval of the paired difference, adjusted for all "
            "pairs."
        )
    if any(row.data == PUBLISHED for row in rows):
        notes.append("Published rows have no detections here: they have no interval and take no part in what is bold.")
        notes += [f"{row.name}: {row.source}." for row in rows if row.data == PUBLISHED and row.reference is None]
    notes.append(f"data: {DOMAIN_SHORT_NOTE}.")
    if record.smoke_test:
        notes.append("Smoke test: these images measure no detector.")
    notes += [
        f"UNFINISHED: {label}." for label, one in zip(labels, evaluations, strict=True) if not one.record.complete
    ]
    return notes
