"""Write the tables in README and docs/, `reproduction.csv` and the leaderboard's page from the committed results.

    python -m scripts.update_tables

A test fails if they do not match the results.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from scripts.precision_table import precisions
from sshbench.analysis.intervals import with_interval
from sshbench.analysis.record import COMPARISON, ComparisonRecord, Rank
from sshbench.detectors.registry import names
from sshbench.evaluation.metrics import percent, title_of
from sshbench.published.tables import PublishedFigure, published_of_detector
from sshbench.report.leaderboard import Leaderboard, Row
from sshbench.report.leaderboard_collect import collect
from sshbench.report.leaderboard_files import write_leaderboard
from sshbench.report.leaderboard_text import WORK_COLUMNS, WORK_NOTE, latency_text, pixels_text, work_cells
from sshbench.report.measured import read_measured
from sshbench.tables import digits_text
from sshbench.timing.plots import label_of
from sshbench.timing.record import TimingRecord

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "results" / "measured"
PARTS = ("wider", "fddb", "afw", "wider-fit-640x480")
RUNS = [path.parent for part in PARTS for path in sorted((MEASURED / part).glob("*/identity.json"))]
TIMINGS = sorted((MEASURED / "amd-epyc-2-cores").glob("of-runs*/timing-*.json"))
NOTE = (
    "Each latency is of the run's own settings on 24 images of the run's dataset, of all sizes. Runs are on all "
    "images; a detector without a figure for a dataset was not run on it."
)
COMPARED = MEASURED / "wider" / COMPARISON
MARKS = "<!-- {}: made by scripts/update_tables.py -->", "<!-- end of {} -->"


def collected() -> Leaderboard:
    """Return the leaderboard of the committed runs and timings."""
    return collect(RUNS, TIMINGS, comparisons=sorted(MEASURED.glob(f"*/{COMPARISON}")))


def leaderboard() -> str:
    """Return the leaderboard in Markdown: accuracy with the latency of the same run, the same at equal pixels, work."""
    board = collected()
    own, equal = board.sections
    assert board.timing is not None
    machine = f"{board.timing.machine['processor']}, {board.timing.machine['cores']} cores"
    place = {one.protocol.dataset: i for i, one in own.boards}
    lines = [
        "| detector | easy | medium | hard | rank | ms | FDDB | ms | AFW | ms | WIDER FACE |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in own.rows:
        cells = [*_wider(row, place["wider"]), percent(row.value(place["fddb"], "TPR@1000/discrete"))]
        cells += [latency_text(row, place["fddb"]), percent(row.value(place["afw"], "AP"))]
        cells += [latency_text(row, place["afw"]), row.domain(place["wider"]) or "not run"]
        lines.append(f"| {row.label} | {' | '.join(cells)} |")
    lines += [
        "",
        "Easy, medium, hard: AP on all 3 226 images of WIDER FACE val. Rank: the places in hard that the paired "
        "differences leave open, where the run was compared. FDDB: discrete true positive rate at 1 000 "
        "false positives, all 2 845 images. AFW: AP after five iterations, all 205 images. The last column is about "
        "WIDER FACE: on FDDB and AFW every detector whose training data are known is cross-data. ms: "
        f"{machine}, all but reading, medians on 24 images of all sizes of the dataset, with the settings of the run; "
        "in brackets where unstable; `-` where the run or its timing was not made.",
        "",
        f"### Equal pixels: images fitted into {equal.fit}",
        "",
        f"| detector | easy | medium | hard | rank | ms | megapixels | {' | '.join(WORK_COLUMNS)} | WIDER FACE |",
        "|---" * (8 + len(WORK_COLUMNS)) + "|",
    ]
    ((fitted, _),) = equal.boards
    for row in equal.rows:
        cells = [*_wider(row, fitted), pixels_text(row, fitted), *work_cells(row, fitted), row.domain(fitted) or "-"]
        lines.append(f"| {row.label} | {' | '.join(cells)} |")
    lines += [
        "",
        "All 3 226 images of WIDER FACE val. Megapixels: mean of what the network got, for accuracy and latency alike; "
        f"for networks of one input its width and height. ms: as above, after the image was fitted. {WORK_NOTE}",
        "",
        "### Size and work at the settings of the first table",
        "",
        f"| detector | megapixels | {' | '.join(WORK_COLUMNS)} | licence | trained on |",
        "|---" * (4 + len(WORK_COLUMNS)) + "|",
    ]
    wider = place["wider"]
    for row in own.rows:
        if wider in row.results:
            cells = [pixels_text(row, wider), *work_cells(row, wider), row.licence, row.training_data]
            lines.append(f"| {row.label} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "On WIDER FACE val; columns as above."])


def _wider(row: Row, position: int) -> list[str]:
    """Return the cells of a row on a board of WIDER FACE: three AP, the rank in hard, and the latency."""
    values = [percent(row.value(position, f"AP/{subset}")) for subset in ("easy", "medium", "hard")]
    return [*values, _rank(row.places.get(position)), latency_text(row, position)]


def _rank(rank: Rank | None) -> str:
    return "-" if rank is None else rank.places


def timings() -> str:
    """Return the table in Markdown: milliseconds per image by size, one row per detector, and the paper's row."""
    lines: list[str] = []
    sizes: list[str] = []
    for machine in sorted(MEASURED.glob("*/")):
        every = map(TimingRecord.load, sorted(machine.glob("timing-*.json")))
        records = [record for record in every if record.scope == "paper"]
        if not records:
            continue
        records.sort(key=lambda record: record.sizes[-1].summary["total"].median)
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


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A published figure, and what was measured here.

    Attributes:
        detector: Name of the detector.
        figure: What its authors published.
        measured: The same metric of our run, a fraction.
        images: Images of the run.
        run: Folder of the run, below `results/measured`.
        note: Why they differ, or under which settings they agree.
    """

    detector: str
    figure: PublishedFigure
    measured: float
    images: int
    run: str
    note: str

    @property
    def difference(self) -> float:
        """Measured minus published, in points."""
        return 100 * (self.measured - self.figure.value)


def reproduced() -> list[Reproduced]:
    """Return every published figure of a detector for which there is a run on the whole dataset."""
    with (MEASURED / "reproduction_notes.csv").open(encoding="utf-8", newline="") as file:
        notes = {(row["detector"], row["dataset"]): row for row in csv.DictReader(file)}
    found = []
    for detector in names():
        for figure in published_of_detector(detector):
            note = notes.get((detector, figure.dataset), {"run": detector, "note": ""})
            folder = MEASURED / figure.dataset / note["run"]
            if not (folder / "metrics.json").is_file():
                continue
            record = read_measured(folder).record
            value = record.metrics.get(figure.metric)
            if record.images == record.total_images and value is not None:
                place = folder.relative_to(MEASURED).as_posix()
                found.append(Reproduced(detector, figure, value, record.images, place, note["note"]))
    return found


def reproduction_csv() -> str:
    """Return all of them as CSV."""
    text = io.StringIO()
    columns = ("detector", "dataset", "metric", "published", "measured", "difference", "images", "run", "conditions")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*columns, "note", "source"))
    for one in reproduced():
        figure = one.figure
        row = (
            one.detector,
            figure.dataset,
            figure.metric,
            figure.value,
            f"{one.measured:.6f}",
            f"{one.difference:+.2f}",
        )
        writer.writerow((*row, one.images, one.run, figure.conditions, one.note, figure.source))
    return text.getvalue()


def reproduction() -> str:
    """Return the table in Markdown, one row per detector and dataset."""
    groups: dict[tuple[str, str], list[Reproduced]] = {}
    for one in reproduced():
        groups.setdefault((one.detector, one.figure.dataset), []).append(one)
    lines = ["| detector, dataset | published | measured here | difference, points |", "|---|---|---|---|"]
    notes = []
    for (detector, dataset), rows in sorted(groups.items(), key=lambda item: (item[0][1] != "wider", item[0])):
        mark = ""
        if rows[0].note:
            notes.append(rows[0].note)
            mark = f" [{len(notes)}]"
        cells = [
            " ".join(percent(one.figure.value) for one in rows),
            " ".join(percent(one.measured) for one in rows),
            " ".join(f"{one.difference:+.2f}" for one in rows),
        ]
        lines.append(f"| {detector}, {_TITLES.get(dataset, dataset)}{mark} | {' | '.join(cells)} |")
    lines += ["", *(f"[{i}] {note}.  " for i, note in enumerate(notes, 1))]
    return "\n".join(lines).rstrip()


_TITLES = {"wider": "WIDER val easy medium hard", "afw": "AFW AP", "fddb": "FDDB discrete TPR at 1000"}


def ranks() -> str:
    """Return in Markdown which of the compared detectors can be told apart on WIDER FACE val."""
    record = ComparisonRecord.read(COMPARED, remedy="Run `sshbench compare` again")
    places = {(metric, rank.run): rank for metric, several in record.ranks.items() for rank in several}
    metrics = list(record.ranks)
    heads = [f"{title_of(metric)} | rank" for metric in metrics]
    lines = [f"| detector | {' | '.join(heads)} | training |", f"|---|{'---|' * (2 * len(metrics) + 1)}"]
    for run in sorted(record.runs, key=lambda run: -(run.metrics[metrics[-1]].value or 0)):
        cells = [run.name]
        for metric in metrics:
            cells += [with_interval(run.metrics[metric]), _rank(places[metric, run.name])]
        lines.append(f"| {' | '.join(cells)} | {run.domain} |")
    lines += [
        "",
        f"AP in percent on all {record.images} images of WIDER FACE val, with half the width of the 95 % interval by "
        "resampling images. Rank: the places that the paired differences leave open, adjusted for all pairs "
        "(`sshbench compare`, [comparison.json](results/measured/wider/comparison.json)).",
    ]
    board = collected()
    wider = next(i for i, one in enumerate(board.boards) if one.protocol.dataset == "wider" and not one.fit)
    others = [row for row in board.rows if wider in row.results and wider not in row.places]
    if others:
        listed = ", ".join(f"{row.label} ({' '.join(_wider(row, wider)[:3])})" for row in others)
        lines[-1] += f" Not compared, and without a rank: {listed}."
    return "\n".join(lines)


def coverage() -> str:
    """Return in Markdown how often intervals held the truth."""
    with (ROOT / "docs" / "coverage.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    lines = [f"| {' | '.join(head)} |", f"|---|{'---|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


TABLES = [
    ("docs/speed.md", "timings", timings),
    ("docs/leaderboard.md", "leaderboard", leaderboard),
    ("docs/analysis.md", "coverage", coverage),
    ("docs/runtimes.md", "precisions", precisions),
    ("README.md", "reproduction", reproduction),
    ("README.md", "ranks", ranks),
]
"""The file, the table's name and what makes it."""


def updated(text: str, name: str, table: str) -> str:
    """Return a document with a table between its marks.

    Raises:
        ValueError: The document has no such marks.
    """
    begin, end = (mark.format(name) for mark in MARKS)
    head, rest = text[: text.index(begin)], text[text.index(begin) :]
    return f"{head}{begin}\n{table}\n{rest[rest.index(end) :]}"


def _cell(milliseconds: float, stable: bool) -> str:
    shown = digits_text(milliseconds)
    return shown if stable else f"({shown})"


if __name__ == "__main__":
    for file, name, table in TABLES:
        path = ROOT / file
        path.write_text(updated(path.read_text(encoding="utf-8"), name, table()), encoding="utf-8")
    (MEASURED / "reproduction.csv").write_text(reproduction_csv(), encoding="utf-8")
    write_leaderboard(collected(), MEASURED / "leaderboard", note=NOTE)
