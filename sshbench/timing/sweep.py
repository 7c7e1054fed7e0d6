"""Time a detector in every combination of backend, precision, threads and batch that can run here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from sshbench.detectors.contract import SettingValue
from sshbench.detectors.registry import detector_info
from sshbench.display import short_repr
from sshbench.errors import SshbenchError, UsageError
from sshbench.files import safe_name, write_atomic
from sshbench.progress import progress_bar
from sshbench.runtimes.plan import BACKENDS, PRECISIONS
from sshbench.timing.job import Job, check
from sshbench.timing.record import TimingRecord
from sshbench.timing.workers import Worker, time_size

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

CHOICES = {
    "backend": BACKENDS,
    "precision": PRECISIONS,
}
"""What `all` stands for. Combinations that a detector or this machine cannot run are listed with the reason."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One way to run a detector.

    Attributes:
        detector: Name.
        backend: Library; empty where the detector has no choice.
        precision: Of the numbers; empty where the detector has no choice.
        threads: CPU threads; None for all.
        batch: Images per pass.
    """

    detector: str
    backend: str = ""
    precision: str = ""
    threads: int | None = None
    batch: int = 1

    @property
    def name(self) -> str:
        """Name of its file.

        >>> Combination("yunet", "openvino", "int8", 2, 4).name
        'timing-yunet-openvino-int8-2-threads-batch-4'
        >>> Combination("one/model.py:faces").name == Combination("two/model.py:faces").name
        False
        """
        threads = "all" if self.threads is None else str(self.threads)
        how = [part for part in (self.backend, self.precision) if part]
        detector = Path(self.detector).name
        if detector != self.detector:  # a model in a file: another folder may have one of the same name
            detector += f"-{hashlib.sha256(self.detector.encode()).hexdigest()[:8]}"
        return safe_name("-".join(("timing", detector, *how, threads, "threads", "batch", str(self.batch))))

    def __str__(self) -> str:
        threads = "all threads" if self.threads is None else f"{self.threads} threads"
        return " ".join(part for part in (self.detector, self.backend, self.precision) if part) + (
            f", {threads}, batch {self.batch}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """The timings of all combinations that ran, and why others did not.

    Attributes:
        records: By combination, in the order of the table.
        left_out: By combination, the reason.
        files: Where records, table and figure are kept.
    """

    __repr__ = short_repr

    records: dict[Combination, TimingRecord]
    left_out: dict[Combination, str]
    files: tuple[Path, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per combination and size; `worth` where no other row of the size is better in everything.

        Better: a shorter pass, more images per second, less memory. Times are milliseconds, of a pass and per image.
        """
        import pandas as pd

        rows = [
            {
                "detector": record.detector,
                "backend": combination.backend,
                "precision": combination.precision,
                "threads": record.threads,
                "batch": record.batch,
                "size": timing.size,
                "pass_ms": timing.summary["total"].median,
                "ms_per_image": timing.summary["total"].median / record.batch,
                "low_ms": (timing.summary["total"].interval or (None, None))[0],
                "high_ms": (timing.summary["total"].interval or (None, None))[1],
                "images_per_second": timing.images_per_second,
                "peak_memory_mib": timing.peak_memory_mib,
                "parameters": timing.cost and timing.cost.parameters,
                "gflop": timing.cost and timing.cost.gflop,
                "weights_bytes": timing.cost and timing.cost.weights_bytes,
                "joules_per_image": timing.joules_per_image,
                "stable": timing.stable,
            }
            for combination, record in self.records.items()
            for timing in record.sizes
        ]
        table = pd.DataFrame(rows)
        if len(table):
            table.insert(6, "worth", _worth(table))
        return table

    def plot(self) -> Figure:
        """Draw images per second against the time of a pass, one mark per combination and size."""
        from sshbench.timing.plots import sweep_figure

        return sweep_figure(self.to_pandas(), next(iter(self.records.values())).scope)

    def save(self, folder: Path) -> tuple[Path, ...]:
        """Write `sweep.csv`, `sweep.svg` and `sweep.png`; return the files."""
        from sshbench.plotting import save_figure
        from sshbench.tables import to_csv

        if not self.records:
            return ()
        figure = self.plot()
        return (
            write_atomic(folder / "sweep.csv", to_csv(self.to_pandas())),
            *(save_figure(figure, folder / f"sweep.{kind}") for kind in ("svg", "png")),
        )


def combinations(
    detectors: Sequence[str],
    backends: Sequence[str] = (),
    precisions: Sequence[str] = (),
    threads: Sequence[int | None] = (None,),
    batches: Sequence[int] = (1,),
) -> list[Combination]:
    """Return all combinations.

    Args:
        detectors: Names.
        backends: Names, `all` for all; empty: each detector's own.
        precisions: As backends.
        threads: CPU threads.
        batches: Images per pass.

    >>> [str(one) for one in combinations(["yunet"], threads=(1, 2))]
    ['yunet, 1 threads, batch 1', 'yunet, 2 threads, batch 1']
    """
    found: dict[Combination, None] = {}
    for count, batch in product(threads, batches):
        for detector in detectors:
            extra = detector_info(detector).defaults.extra
            named = [
                _values(name, given) if name in extra else ("",)
                for name, given in (("backend", backends), ("precision", precisions))
            ]
            for backend, precision in product(*named):
                found[Combination(detector, backend, precision, count, batch)] = None
    return list(found)


def sweep(jobs: dict[Combination, Job], out: Path | None = None, *, progress: bool = False) -> Sweep:
    """Time combinations one after the other, each in a process of its own.

    They do not take turns: the waiting threads of one library keep a core busy for a while after each pass, and would
    slow the pass of the next one.

    Args:
        jobs: What to time, by combination; all have the same sizes and times.
        out: Folder for one JSON file per combination, the table and the figure. Combinations that have a file there
            are not timed again: delete it to do so.
        progress: Draw a progress bar where standard error is a terminal.

    Raises:
        UsageError: No combination can run; the text has the reason of the first.
        InputError: A file in the folder is not a timing.
    """
    for job in jobs.values():
        check(job)
    paths = {} if out is None else {one: out / f"{one.name}.json" for one in jobs}
    records = {one: TimingRecord.load(path) for one, path in paths.items() if path.is_file()}
    left_out: dict[Combination, str] = {}
    waiting = [one for one in jobs if one not in records]
    with progress_bar("timing", len(waiting), "combinations", enabled=progress) as bar:
        for one in waiting:

            def keep(record: TimingRecord, one: Combination = one) -> None:
                records[one] = record
                if paths:
                    record.save(paths[one])

            if why := _time(jobs[one], keep):
                left_out[one] = why
            bar.update(1, str(one))
    if not records:
        first, why = next(iter(left_out.items()))
        raise UsageError(f"no combination can run here. {first}: {why}", remedy="Choose other backends or precisions")
    found = Sweep({one: records[one] for one in jobs if one in records}, left_out)
    if out is None:
        return found
    files = tuple(paths[one] for one in found.records)
    return Sweep(found.records, left_out, (*files, *found.save(out)))


def settings_of(combination: Combination) -> dict[str, SettingValue]:
    """Return the settings that a combination stands for."""
    pairs = {"backend": combination.backend, "precision": combination.precision}
    return {name: value for name, value in pairs.items() if value}


def _values(name: str, given: Sequence[str]) -> Sequence[str]:
    return CHOICES[name] if "all" in given else tuple(given) or ("",)


def _time(job: Job, keep: Callable[[TimingRecord], None]) -> str:
    """Time one combination in a process of its own, size by size; return why it ended early, empty if it did not."""
    with Worker(job) as worker:
        size = ""
        try:
            worker.start()
            for size in job.sizes:
                keep(*time_size([worker], size))
        except SshbenchError as error:
            why = str(error).removeprefix(f"{job.detector}: ")
            return f"at {size}: {why}" if size else why
    return ""


def _worth(table: pd.DataFrame) -> list[bool]:
    """Return whether no other row of the same detector and size is better in time, throughput and memory alike."""
    import numpy as np

    costs = np.column_stack(
        (table["pass_ms"], -table["images_per_second"], table["peak_memory_mib"].fillna(0).astype(float))
    ).astype(np.float64)
    groups = table["detector"] + "\0" + table["size"]
    worth = []
    for i in range(len(table)):
        others = costs[(groups == groups.iloc[i]).to_numpy()]
        better = (others <= costs[i]).all(axis=1) & (others < costs[i]).any(axis=1)
        worth.append(not bool(better.any()))
    return worth
