"""The SSH paper, regenerated: one page with its tables and figures, and beside them what was measured here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sshbench
from sshbench.contamination import DOMAIN_NOTE
from sshbench.display import short_repr
from sshbench.errors import MissingDataError
from sshbench.evaluation.metrics import title_of
from sshbench.files import published_dir, write_atomic
from sshbench.published import import_fddb, import_wider
from sshbench.published.tables import read_rows
from sshbench.report.page import environment
from sshbench.ssh_paper.claims_text import COLUMNS, TITLES, by_table, cells_of, place_text, verdict_cells
from sshbench.ssh_paper.drawing import Drawing, drawings, published_styles, run_styles
from sshbench.ssh_paper.exhibits import Exhibit, PublishedLine, exhibits, imported_lines, published_lines
from sshbench.ssh_paper.judging import RULES
from sshbench.ssh_paper.measured import MeasuredLine, TimedLine, measured_lines, read_results, timed_lines
from sshbench.ssh_paper.missing import BEFORE, COMMANDS, SIZES, SUITE, Missing, missing_of, missing_times, suite_text
from sshbench.tables import to_csv


@dataclass(frozen=True, slots=True)
class PaperPage:
    """The files written: the page first."""

    __repr__ = short_repr

    page: Path
    files: tuple[Path, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One exhibit as the page shows it.

    Attributes:
        exhibit: What it is.
        published: The paper's rows.
        beside: For each of these the measured row of the same detector; only Table 1 has them.
        measured: All other measured rows.
        plots: Its curves.
        styles: Lines of published methods, by method.
        run_styles: Lines of measured rows.
        missing: What it lacks.
    """

    exhibit: Exhibit
    published: list[PublishedLine]
    beside: list[MeasuredLine | None]
    measured: list[MeasuredLine]
    plots: list[Drawing]
    styles: dict[str, str]
    run_styles: list[str]
    missing: list[Missing]


def build_paper(out: str | Path, *, on: Sequence[str | Path] = (), curves: str | Path | None = None) -> PaperPage:
    """Write one page with the tables and figures of the SSH paper, published and measured.

    Args:
        out: Folder for `index.html`, `paper.csv` (all figures) and `paper.toml` (the suite that measures them).
        on: Folders of runs, timings and claims, searched to any depth.
        curves: A copy of official curves, imported as `sshbench curves import` does; default: those imported before.

    Raises:
        MissingDataError: A folder does not exist, or `curves` holds no curve.
        InputError: A file is damaged.
        UsageError: Two runs are of the same detector, weights, settings and dataset.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = build_paper(folder)
    ...     sorted(path.name for path in made.files)
    ['index.html', 'paper.csv', 'paper.toml']
    """
    folder = Path(out).expanduser()
    if curves is not None:
        import_curves(Path(curves).expanduser())
    results = read_results([Path(path).expanduser() for path in on])
    shown = [_shown(exhibit, measured_lines(exhibit, results)) for exhibit in exhibits()]
    times = timed_lines(results.timings, SIZES)
    lacking = missing_times(times)
    text = (
        environment()
        .get_template("ssh_paper.html.j2")
        .render(
            shown=shown,
            sizes=SIZES,
            published_times=published_times(),
            times=times,
            missing_times=lacking,
            claims=results.claims,
            claim_titles=TITLES,
            claim_columns=COLUMNS,
            by_table=by_table,
            cells_of=cells_of,
            verdict_cells=verdict_cells,
            place_text=place_text,
            rules=RULES,
            commands=COMMANDS,
            before=BEFORE,
            suite=SUITE,
            title_of=title_of,
            domain_note=DOMAIN_NOTE,
            version=sshbench.__version__,
        )
    )
    page = write_atomic(folder / "index.html", text)
    table = write_atomic(folder / "paper.csv", _csv(shown, times))
    suite = write_atomic(folder / SUITE, suite_text())
    missing = tuple(dict.fromkeys([*(one for each in shown for one in each.missing), *lacking]))
    return PaperPage(page, (page, table, suite), missing)


def import_curves(folder: Path) -> None:
    """Import all official curves below a folder, of WIDER FACE and of FDDB.

    Raises:
        MissingDataError: There are none.
        InputError: No curve could be read.
    """
    found = 0
    for read in (import_wider, import_fddb):
        try:
            read(folder)
            found += 1
        except MissingDataError:
            continue
    if not found:
        raise MissingDataError(
            f"there are no official curves in {folder}",
            remedy="Name a copy of plot/baselines, or a folder of *DiscROC.txt files",
        )


def published_times() -> dict[str, str]:
    """Return the paper's Table 2: milliseconds by size, as printed.

    >>> published_times()["1200x1600"]
    '182'
    """
    path = published_dir() / "ssh_timing.csv"
    return dict(read_rows(path, lambda row: (row["size"], row["milliseconds"]), "invalid row of Table 2"))


def _shown(exhibit: Exhibit, measured: list[MeasuredLine]) -> Shown:
    imported, published = imported_lines(exhibit), published_lines(exhibit)
    beside: list[MeasuredLine | None] = []
    others = measured
    if exhibit.detectors:
        first = {line.detector: line for line in reversed(measured)}
        of_method = dict(zip(exhibit.methods, exhibit.detectors, strict=True))
        beside = [first.get(of_method[line.method]) for line in published]
        others = [line for line in measured if line not in beside]
    return Shown(
        exhibit,
        published,
        beside,
        others,
        drawings(exhibit.curves, imported, others),
        published_styles(list(imported)),
        run_styles(others),
        missing_of(exhibit, measured, has_curves=bool(imported)),
    )


def _csv(shown: Sequence[Shown], times: Sequence[TimedLine]) -> str:
    """Return all figures, one per line."""
    import pandas as pd

    lines: list[tuple[str, str, str, object, str, str]] = []
    for one in shown:
        name = one.exhibit.id
        for line in one.published:
            lines += [(name, m, line.method, line.figures[m], "published", line.source) for m in line.figures]
        for row in [*(each for each in one.beside if each is not None), *one.measured]:
            lines += [(name, m, row.label, row.figures[m], f"measured, {row.mark}", row.folder) for m in row.figures]
    for size, ms in published_times().items():
        lines.append(("table-2", f"ms {size}", "SSH", ms, "published", "NVIDIA Quadro P6000"))
    for timed in times:
        mark = f"measured, {timed.mark}"
        lines += [("table-2", f"ms {size}", "ssh", ms, mark, timed.where) for size, ms in timed.ms.items()]
    columns = ["exhibit", "metric", "method", "value", "kind", "source"]
    return to_csv(pd.DataFrame(lines, columns=columns))
