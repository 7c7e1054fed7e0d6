"""Make the timings of the claims, each in a process of its own; what is kept already is not made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sshbench.detectors.registry import detector_info
from sshbench.errors import CheckFailedError, InputError
from sshbench.records import FloatArray
from sshbench.ssh.random_weights import PARAMETERS, RANDOM
from sshbench.ssh_paper.judging import FEW, HEAD, Measured
from sshbench.ssh_paper.plan import Cell
from sshbench.ssh_paper.record import ClaimRow, Span
from sshbench.timing.record import SeriesSummary, TimingRecord
from sshbench.timing.workers import run_interleaved

TIMINGS = "timings"
_ALIKE = "Measure them alike, in another folder"
_SHARED = ("backend", "precision", "device")


def measure(planned: Sequence[Cell], out: Path, on_cell: Callable[[Cell], None]) -> list[tuple[Cell, TimingRecord]]:
    """Make the timings that a folder does not hold yet, and return all of them.

    One after the other: the waiting threads of one process would slow the pass of another, and all networks together
    need more memory than a machine may have.

    Args:
        planned: What to time.
        out: Folder; timings lie in `timings`.
        on_cell: Called where a timing is finished or found.

    Raises:
        InputError: A kept timing is damaged, or was made with other options.
        SshbenchError: A detector cannot be timed. Finished timings are kept.
    """
    found = []
    for cell in planned:
        record = _kept(cell, out)
        if record is None:
            (record,) = run_interleaved([cell.job])
            _check(cell, record)
            record.save(out / TIMINGS / cell.file)
        found.append((cell, record))
        on_cell(cell)
    return found


def _kept(cell: Cell, out: Path) -> TimingRecord | None:
    """Return a timing that the folder holds; None where it holds none.

    Raises:
        InputError: It is of other options.
    """
    path = out / TIMINGS / cell.file
    if not path.is_file():
        return None
    record = TimingRecord.load(path)
    _check(cell, record)
    job, extra = cell.job, record.settings.get("extra", {})
    asked_random = str(job.options["weights"]).partition(":")[0] == RANDOM
    pairs = {
        "min_time": (record.min_time, job.min_time),
        "min_count": (record.min_count, job.min_count),
        "scope": (record.scope, job.scope),
        "sizes": (record.sizes[0].size, job.sizes[0]),
        "device": (_kind(extra.get("device")), _kind(job.options["device"])),
        "images": (record.image_source.rpartition(" at ")[2], job.image_size),
        "random weights": (PARAMETERS in extra, asked_random),
    }
    for name, (there, asked) in pairs.items():
        if there != asked:
            raise InputError(
                f"was measured with other options: {name} is {there!r}, not {asked!r}",
                file=path,
                remedy="Use the same options, or another folder",
            )
    return record


def _kind(device: object) -> str:
    """Return the kind of a device: a result may name its number too."""
    return str(device).partition(":")[0]


def _check(cell: Cell, record: TimingRecord) -> None:
    """Refuse a timing that would be unfair or that ended early.

    Raises:
        CheckFailedError: It is of random weights without a fixed number of candidates, or not whole.
    """
    error = record.sizes[0].error
    if error:
        raise CheckFailedError(f"the timing of '{cell.subject.name}' ended early: {error}", remedy="Run it again")
    extra = record.settings.get("extra", {})
    named = str(cell.job.options["weights"])
    if named.partition(":")[0] == RANDOM and "candidates" not in str(extra.get(PARAMETERS, "")):
        raise CheckFailedError(
            f"'{cell.subject.name}' has random weights without a fixed number of candidates: NMS would be timed on all",
            remedy="Pass a weights file",
        )


def conditions(found: Sequence[tuple[Cell, TimingRecord]]) -> list[str]:
    """Return what all timings share, as sentences.

    Raises:
        CheckFailedError: They differ in library, precision, device or number of threads, or those of one table and size
            in their images: no comparison would be fair.
    """
    records = [record for _, record in found]
    images: dict[tuple[str, str], str] = {}
    for cell, record in found:
        place = (cell.table, cell.size if cell.table == "same input" else "")
        if images.setdefault(place, record.image_source) != record.image_source:
            both = f"{images[place]}, {record.image_source}"
            raise CheckFailedError(f"timings differ in images: {both}", remedy=_ALIKE)
    extras = [record.settings.get("extra", {}) for record in records]
    shared = []
    for name in _SHARED:
        # The two-stage networks have no choice of backend: theirs is PyTorch.
        values = {str(extra.get(name, "torch" if name == "backend" else None)) for extra in extras}
        if len(values) > 1:
            raise CheckFailedError(
                f"timings differ in {name}: {', '.join(sorted(values))}", remedy="Measure them alike"
            )
        shared += [f"{name} {value}" for value in values]
    threads = {record.threads for record in records}
    if len(threads) > 1:
        raise CheckFailedError(f"timings differ in threads: {sorted(threads)}", remedy=_ALIKE)
    return [", ".join([*shared, *(f"{count} threads" for count in threads)])]


def measured(cell: Cell, record: TimingRecord) -> Measured:
    """Return the row of a timing, with the time of each pass."""
    timing = record.sizes[0]
    extra = record.settings.get("extra", {})
    cost = timing.cost
    parameters = None if cost is None else cost.parameters
    totals = np.asarray(timing.total(record.scope), dtype=np.float64)
    row = ClaimRow(
        table=cell.table,
        detector=cell.subject.name,
        title=detector_info(cell.subject.name).title,
        size=cell.size,
        weights=str(extra.get(PARAMETERS) or record.weights_sha256),
        parameters=parameters or None,
        gflop=None if cost is None else cost.gflop,
        weights_bytes=parameters * 4 if parameters else None,  # fp32
        peak_memory_mib=timing.peak_memory_mib,
        total=_span(timing.summary["total"]),
        stages={name: _span(one) for name, one in timing.summary.items() if name != "total"},
        passes=len(timing.images),
        stable=timing.stable,
        file=f"{TIMINGS}/{cell.file}",
    )
    return Measured(row, totals, _shares(timing.stages, totals))


def _shares(stages: dict[str, list[int]], totals: FloatArray) -> FloatArray:
    if not all(name in stages for name in HEAD):
        return np.empty(0)
    shares: FloatArray = np.sum([np.asarray(stages[name], dtype=np.float64) for name in HEAD], axis=0) / totals
    return shares


def _span(summary: SeriesSummary) -> Span:
    low, high = summary.interval if summary.interval is not None and summary.count >= FEW else (None, None)
    return Span(value=summary.median, low=low, high=high)
