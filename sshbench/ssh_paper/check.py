"""Check the claims of the SSH paper by measurements: one call, which the command `sshbench claims` makes too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, Unpack

from sshbench.detectors.sizes import parse_image_size, parse_resize_list
from sshbench.display import short_repr
from sshbench.errors import MissingDataError, UsageError
from sshbench.files import write_atomic
from sshbench.progress import progress_bar
from sshbench.provenance import now, versions
from sshbench.ssh_paper.claims_text import csv_of, markdown_of
from sshbench.ssh_paper.judging import claims, judge
from sshbench.ssh_paper.measuring import TIMINGS, conditions, measure, measured
from sshbench.ssh_paper.plan import SUBJECTS, Cell, Options, cells, seconds
from sshbench.ssh_paper.record import CLAIMS, ClaimsRecord, Table

SIZES = ("400x800", "640x640", "600x1000", "800x1200", "1200x1600")
"""Sizes of the table of equal inputs: those of the paper's Table 2, and a square one."""
TABLES: tuple[Table, ...] = ("same input", "protocol")
FAIRNESS = (
    "Random weights: classifiers are moved in each image so that a fixed number of boxes passes the threshold (1000; "
    "100 of the 300 proposals of two-stage detectors).",
    "Two-stage detectors with random weights have 300 proposals in every pass; fewer are an error.",
    "Batch normalisations are folded into the convolutions; only HR has some.",
    "Random weights keep activations at their size, so that no number is denormal.",
)
_QUICK = "320x480"
_REACHED = 0.6  # of a matrix product's rate, by a network on a CPU


@dataclass(frozen=True, slots=True)
class Claims:
    """What was measured and decided, and the files written."""

    __repr__ = short_repr

    record: ClaimsRecord
    files: tuple[Path, ...]


class ClaimOptions(TypedDict, total=False):
    """The options of `check_claims`, which explains them and states their defaults."""

    sizes: str | Sequence[str]
    tables: Sequence[Table]
    detectors: Sequence[str]
    weights: Mapping[str, str | Path]
    images: str | Path | None
    image_size: str
    count: int
    min_time: float
    min_count: int
    device: str
    threads: int | None
    quick: bool


def check_claims(out: str | Path, *, progress: bool = False, **options: Unpack[ClaimOptions]) -> Claims:
    """Measure SSH and its rivals, and say which claims of the SSH paper hold here.

    Two tables: `same input`, one pass over inputs of equal size, and `protocol`, each detector by its published
    protocol on the same images. A folder that holds some of the timings is completed; delete a file to measure again.

    Args:
        out: Folder for `timings/`, `claims.json`, `claims.md` and `claims.csv`.
        progress: Draw a progress bar where standard error is a terminal.
        **options: `sizes`: input sizes of the first table, shorter x longer side in pixels, a list or a text with
            commas (`SIZES`). `tables`: which of the two (both). `detectors`: names (all seven). `weights`: by detector,
            its weights file (random weights, which the tables say). `images`: folder of images (the bundled sample).
            `image_size`: width x height to which images are cut and resized for the second table (1024x768). `count`:
            number of images, used in turn (2). `min_time`: seconds to measure at least (1). `min_count`: passes at
            least (5, which intervals need). `device`: `cpu` or `cuda` (cpu). `threads`: CPU threads (all). `quick`: one
            small size, one image and no protocols, a trial (False).

    Raises:
        UsageError: A detector, size or number is unknown or invalid.
        MissingDataError: There are no images, or a weights file is missing.
        InputError: The folder holds timings of other options.
        CheckFailedError: Timings are not comparable.
        TypeError: There is no such option.

    >>> import tempfile
    >>> small = {"sizes": "64x96", "tables": ["same input"], "detectors": ["hr-resnet50"], "count": 1, "min_time": 0}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = check_claims(folder, **small)
    >>> [(row.size, row.parameters, row.weights) for row in found.record.rows]
    [('64x96', 8735546, 'random, seed 0, 1000 candidates')]
    """
    folder, chosen = Path(out).expanduser(), options_of(**options)
    planned = cells(chosen)
    with progress_bar("claims", len(planned), "timings", enabled=progress) as bar:
        found = measure(planned, folder, lambda cell: bar.update(1, f"{cell.subject.name} {cell.size}"))
    records = [record for _, record in found]
    rows = [measured(cell, record) for cell, record in found]
    verdicts = tuple(judge(claim, rows) for claim in claims())
    random = any("random" in one.row.weights for one in rows)
    record = ClaimsRecord(
        images=tuple(dict.fromkeys(record.image_source for record in records)),
        conditions=(*conditions(found), *(FAIRNESS if random else ())),
        rows=tuple(one.row for one in rows),
        verdicts=verdicts,
        missing=_missing(chosen),
        machine={name: value for name, value in records[0].machine.items() if name not in ("before", "after", "notes")},
        versions=versions(),
        created=now(),
    )
    files = (
        record.write(folder / CLAIMS),
        write_atomic(folder / "claims.md", markdown_of(record)),
        write_atomic(folder / "claims.csv", csv_of(record)),
    )
    return Claims(record, (*files, *(folder / TIMINGS / cell.file for cell in planned)))


def options_of(**options: Unpack[ClaimOptions]) -> Options:
    """Return options as `check_claims` takes them, checked.

    Raises:
        UsageError: There is nothing to measure.
        MissingDataError: A weights file is named that is not there.
        TypeError: There is no such option.
    """
    if unknown := sorted(options.keys() - ClaimOptions.__annotations__):
        raise TypeError(f"check_claims() got an unexpected keyword argument '{unknown[0]}'")
    sizes, tables, images = options.get("sizes", SIZES), options.get("tables", TABLES), options.get("images")
    weights = options.get("weights", {})
    files = {name: Path(path).expanduser() for name, path in weights.items()}
    for name, path in files.items():
        if not path.is_file():
            raise MissingDataError(f"no weights file of '{name}' at {path}", remedy="Check --weights")
    if unknown := sorted(set(tables) - set(TABLES)):
        raise UsageError(f"unknown table '{unknown[0]}'", remedy=f"Choose of {', '.join(TABLES)}")
    chosen = Options(
        sizes=parse_resize_list(sizes if isinstance(sizes, str) else ",".join(sizes)),
        tables=tuple(table for table in TABLES if table in tables),
        detectors=tuple(options.get("detectors", ())) or tuple(one.name for one in SUBJECTS),
        weights=files,
        images=None if images is None else Path(images).expanduser(),
        image_size="{}x{}".format(*parse_image_size(options.get("image_size", "1024x768"))),
        count=options.get("count", 2),
        min_time=options.get("min_time", 1.0),
        min_count=options.get("min_count", 5),
        device=options.get("device", "cpu"),
        threads=options.get("threads"),
    )
    if options.get("quick", False):
        chosen = replace(chosen, sizes=(_QUICK,), tables=("same input",), count=1, min_time=0.0)
    if not cells(chosen):
        raise UsageError("there is nothing to measure", remedy="Name sizes and tables")
    return chosen


def estimate(options: Options) -> tuple[float, list[Cell]]:
    """Return about how many seconds the measurement takes on this CPU, and its timings; kept ones are counted too."""
    from sshbench.timing.floor import matmul_rate

    planned = cells(options)
    rate = _REACHED * matmul_rate("fp32", "cpu").flops / 1e9
    return seconds(planned, rate), planned


def _missing(options: Options) -> tuple[str, ...]:
    missing = [f"detector {one.name}" for one in SUBJECTS if one.name not in options.detectors]
    missing += [f"table {table}" for table in TABLES if table not in options.tables]
    if "same input" in options.tables:
        missing += [f"size {size}" for size in SIZES if size not in options.sizes]
    return tuple(missing)
