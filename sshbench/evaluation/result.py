"""The result of an evaluation: figures, curves, tables and pictures of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from sshbench.curves import Curve
from sshbench.datasets.base import Dataset
from sshbench.evaluation.benchmarks import headline_of
from sshbench.evaluation.metrics import percent, title_of
from sshbench.evaluation.record import EvaluationRecord
from sshbench.evaluators.base import Outcome
from sshbench.protocols import Protocol
from sshbench.records import DetectionSet, IntArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sshbench.analysis.intervals import Intervals

_SHOWN = 8


class Figures(dict[str, float | None]):
    """Figures by name; an unknown name is an error that lists the known ones."""

    def __missing__(self, name: str) -> float:
        raise KeyError(f"there is no figure '{name}'. Known: {', '.join(self) or 'none'}")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluation:
    """The result of evaluating detections on a dataset by a protocol.

    Attributes:
        record: What `--json` prints and a run keeps: metrics, counts, hashes, warnings.
        protocol: The rules.
        outcome: The evaluator's outcome: curves, what became of each detection and face, its own result.
        detections: What was evaluated.
        dataset: Images and ground truth that took part.
        trained_on: Benchmarks whose training images the model saw; None where that is not known.
        folder: The run's folder where the result is kept, or None.

    >>> import sshbench
    >>> sample = sshbench.load_dataset("sample")
    >>> result = sshbench.evaluate("sample", {key: (faces.boxes, faces.boxes[:, 2]) for key, faces in
    ...     zip(sample.keys, sample.faces)})
    >>> result.ap["easy"]
    1.0
    """

    record: EvaluationRecord
    protocol: Protocol
    outcome: Outcome
    detections: DetectionSet
    dataset: Dataset
    trained_on: tuple[str, ...] | None = None
    folder: Path | None = None

    @property
    def curves(self) -> Mapping[str, Curve]:
        """PR or ROC curves by name."""
        return self.outcome.curves

    @property
    def metrics(self) -> Figures:
        """All metrics by name, unrounded fractions; None where no face counts."""
        return Figures(self.record.metrics)

    @property
    def ap(self) -> Figures:
        """Average precision by subset (WIDER FACE: `easy`, ...), or as `all`; empty for FDDB, which has none."""
        found = {name.removeprefix("AP/"): value for name, value in self.record.metrics.items() if name[:3] == "AP/"}
        if "AP" in self.record.metrics:
            found = {"all": self.record.metrics["AP"], **found}
        return Figures(found)

    def log_dict(self, prefix: str = "") -> dict[str, float]:
        """Return the defined metrics for a logger, by `prefix` and name.

        Args:
            prefix: Put before each name; default: the name of the protocol and a slash.
        """
        start = prefix or f"{self.record.protocol}/"
        return {f"{start}{name}": value for name, value in self.record.metrics.items() if value is not None}

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per metric: its value, and what it is of."""
        import pandas as pd

        record = self.record
        return pd.DataFrame(
            {
                "detector": record.detector,
                "dataset": record.dataset,
                "metric": list(record.metrics),
                "value": pd.Series(list(record.metrics.values()), dtype="float64"),
                "images": record.images,
                "complete": record.complete,
                "domain": record.domain,
                "protocol": record.protocol,
                "protocol_hash": record.protocol_hash,
            }
        )

    def plot(self) -> Figure:
        """Draw the curves side by side and return the matplotlib figure; notebooks show it."""
        from sshbench.evaluation.figures import run_figure

        return run_figure(self)

    @property
    def events(self) -> IntArray | None:
        """Number of each image's event, from 0: int64 (images,); None where the keys name none (not WIDER FACE)."""
        from sshbench.analysis.intervals import events_of

        return events_of(self.dataset.keys) if self.protocol.evaluation.kind == "wider" else None

    def intervals(
        self,
        names: Sequence[str] | None = None,
        *,
        replicates: int = 2000,
        seed: int = 0,
        level: float = 0.95,
        groups: IntArray | None = None,
        jackknife: bool = True,
    ) -> Intervals:
        """Return how sure the figures are: percentile intervals by resampling images.

        Args:
            names: Metrics; default: those that people quote.
            replicates: Number of resampled datasets.
            seed: Of the generator; equal seeds give equal intervals.
            level: Share of the replicates inside an interval.
            groups: int64 (images,), number of each image's group, from 0: groups are then drawn whole.
            jackknife: Compute also the standard error by leaving out images, and each image's influence.

        >>> import sshbench
        >>> sample = sshbench.load_dataset("sample")
        >>> result = sshbench.evaluate("sample", {key: (faces.boxes[::2], faces.boxes[::2, 2]) for key, faces in
        ...     zip(sample.keys, sample.faces)})
        >>> found = result.intervals(["AP/hard"])["AP/hard"]
        >>> found.low < found.value < found.high
        True
        """
        from sshbench.analysis.intervals import intervals
        from sshbench.analysis.resample import Resampling

        chosen = headline_of(list(self.record.metrics), self.protocol) if names is None else names
        resampling = Resampling(len(self.dataset.keys), replicates, seed, level, groups)
        return intervals(self.outcome, resampling, names=chosen, events=self.events, jackknife=jackknife)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Evaluation:
        """Keep detections, record, protocol and curves in a run folder that `sshbench report` and others read.

        Args:
            folder: The run's folder; created where it is missing.
            overwrite: Replace another run in it.

        Returns:
            The same result with its `folder`.

        Raises:
            IdentityError: The folder holds another run.
            UsageError: The folder holds other files, or cannot be written.
        """
        from sshbench.evaluation.storing import keep

        return keep(self, Path(folder), settings={"predictions": self.record.detector}, overwrite=overwrite)

    def kept_in(self, folder: Path | None) -> Evaluation:
        """Return the same result with another folder."""
        return replace(self, folder=folder)

    def __repr__(self) -> str:
        record = self.record
        part = "" if record.images == record.total_images else f" of {record.total_images}"
        notes = [f"{record.images}{part} images", f"{record.detections} detections", record.domain]
        notes += [] if record.complete else ["UNFINISHED"]
        notes += [f"{len(record.warnings)} warnings"] if record.warnings else []
        figures = ", ".join(f"{name} {percent(value)}" for name, value in list(record.metrics.items())[:_SHOWN])
        more = f", {len(record.metrics) - _SHOWN} more" if len(record.metrics) > _SHOWN else ""
        head = f"{record.detector[:60]} on {record.dataset}, protocol {record.protocol} {record.protocol_hash}"
        return f"<Evaluation of {head}: {figures}{more} (percent); {', '.join(notes)}>"

    def _repr_html_(self) -> str:
        names = list(self.record.metrics)[:_SHOWN]
        head = "".join(f"<th>{escape(title_of(name))}</th>" for name in names)
        cells = "".join(f"<td>{percent(self.record.metrics[name])}</td>" for name in names)
        return (
            f"<table><tr><th>{escape(self.protocol.title)}, percent</th>{head}</tr>"
            f"<tr><td>{escape(self.record.detector[:60])}</td>{cells}</tr></table>"
        )
