"""How figures changed from one archived run to the next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sshbench.answers.labels import run_labels
from sshbench.display import short_repr
from sshbench.errors import InputError, MissingDataError
from sshbench.evaluation.benchmarks import headline_of
from sshbench.evaluation.metrics import title_of
from sshbench.files import safe_name, write_atomic
from sshbench.models import StrictModel
from sshbench.report.found import run_folders
from sshbench.report.measured import Measured, read_measured
from sshbench.runs import IDENTITY, Identity

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class HistoryPoint(StrictModel):
    """One figure of one run.

    Attributes:
        board: Dataset and protocol: only figures of one board compare.
        series: Detector, and the settings in which series of it differ. Weights may change within one.
        metric: Name of the metric.
        headline: Whether people quote it; such metrics are drawn.
        created: When the run was made, UTC.
        commit: Name of the folder that holds the run's; empty where the run lies directly in the history's folder.
        value: A fraction; None where it is not defined.
        folder: Of the run.
    """

    board: str
    series: str
    metric: str
    headline: bool
    created: str
    commit: str
    value: float | None
    folder: str


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Figures of runs over time.

    Attributes:
        points: By board, series and metric, the oldest first.
    """

    __repr__ = short_repr

    points: tuple[HistoryPoint, ...]

    def series(self, board: str, metric: str) -> dict[str, list[HistoryPoint]]:
        """Return the points of a metric by series, the oldest first."""
        found: dict[str, list[HistoryPoint]] = {}
        for point in self.points:
            if (point.board, point.metric) == (board, metric):
                found.setdefault(point.series, []).append(point)
        return found

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per run and metric."""
        import pandas as pd

        return pd.DataFrame([point.model_dump() for point in self.points])

    def plot(self, by: Literal["date", "commit"] = "date") -> dict[str, Figure]:
        """Draw the metrics that people quote, by name of the file: over dates, or over commits at equal distances."""
        drawn = dict.fromkeys((point.board, point.metric) for point in self.points if point.headline)
        return {
            safe_name(f"{board}-{metric}").replace(" ", "-"): _figure(board, metric, self.series(board, metric), by)
            for board, metric in drawn
        }

    def save(self, folder: str | Path, by: Literal["date", "commit"] = "date") -> tuple[Path, ...]:
        """Write `history.csv`, and an SVG and a PNG per figure; return the files."""
        from sshbench.plotting import save_figure
        from sshbench.tables import to_csv

        out = Path(folder).expanduser()
        files = [write_atomic(out / "history.csv", to_csv(self.to_pandas()))]
        for stem, figure in self.plot(by).items():
            files += [save_figure(figure, out / f"{stem}.{kind}") for kind in ("svg", "png")]
        return tuple(files)


def history(folder: str | Path) -> History:
    """Read the figures of all archived runs below a folder, such as `<folder>/<commit>/<run>/metrics.json`.

    Args:
        folder: Runs, or what `sshbench archive` kept of them.

    Raises:
        MissingDataError: There is none.
        InputError: A file is damaged; the text names it.

    >>> import tempfile
    >>> import sshbench
    >>> sample = sshbench.load_dataset("sample")
    >>> with tempfile.TemporaryDirectory() as kept:
    ...     for commit, step in (("a1", 2), ("b2", 1)):
    ...         found = {key: (f.boxes[::step], f.boxes[::step, 2]) for key, f in zip(sample.keys, sample.faces)}
    ...         _ = sshbench.evaluate("sample", found, detector="mine", out=f"{kept}/{commit}/mine")
    ...     over = sshbench.history(kept).series("sample", "AP/hard")["mine"]
    >>> [point.commit for point in over], over[0].value < over[1].value
    (['a1', 'b2'], True)
    """
    root = Path(folder).expanduser()
    places = run_folders(root)
    if not places:
        raise MissingDataError(f"there is no archived run below {root}", remedy="Make them with `sshbench archive`")
    runs = [(place, read_measured(place)) for place in places]
    for place, run in runs:
        _check_created(run.identity, place)
    runs.sort(key=lambda run: _when(run[1].identity.created))
    boards = _boards([run for _, run in runs])
    labels = _labels([run.identity for _, run in runs])
    points = []
    for place, run in runs:
        quoted = headline_of(list(run.record.metrics), run.protocol)
        inner = place.relative_to(root).parts
        points += [
            HistoryPoint(
                board=boards[_board_key(run)],
                series=labels[_series_key(run.identity)],
                metric=metric,
                headline=metric in quoted,
                created=run.identity.created,
                commit=inner[0] if len(inner) > 1 else "",
                value=value,
                folder=place.as_posix(),
            )
            for metric, value in run.record.metrics.items()
        ]
    points.sort(key=lambda point: (point.board, point.series))  # stable: dates stay in order
    return History(tuple(points))


def _check_created(identity: Identity, place: Path) -> None:
    try:
        _when(identity.created)
    except ValueError as error:
        raise InputError(
            "not a date", file=place / IDENTITY, field="created", value=identity.created, remedy="Archive the run again"
        ) from error


def _when(created: str) -> datetime:
    found = datetime.fromisoformat(created)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _board_key(run: Measured) -> tuple[str, str]:
    return run.record.protocol_hash, run.record.dataset_fingerprint


def _boards(runs: Sequence[Measured]) -> dict[tuple[str, str], str]:
    """Return a name for each board: its protocol, with hashes where there are several of that name."""
    keys = {_board_key(run): run.record.protocol for run in runs}
    names = list(keys.values())
    return {key: name if names.count(name) == 1 else f"{name} {key[0][:8]} {key[1][:8]}" for key, name in keys.items()}


def _series_key(identity: Identity) -> str:
    return json.dumps([identity.detector, identity.settings], sort_keys=True)


def _labels(identities: Sequence[Identity]) -> dict[str, str]:
    """Return a name for each series; weights tell no series apart."""
    series = {_series_key(one): one.model_copy(update={"weights_sha256": None}) for one in identities}
    return dict(zip(series, run_labels(list(series.values())), strict=True))


def _figure(board: str, metric: str, series: dict[str, list[HistoryPoint]], by: Literal["date", "commit"]) -> Figure:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    from sshbench.plotting import COLOURS, LINE_STYLES, ShownFigure, plain_text, style_axes

    figure = ShownFigure(figsize=(8.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    stops = sorted({(_when(one.created), _stop(one)) for several in series.values() for one in several})
    order = {stop: i for i, stop in enumerate(dict.fromkeys(stop for _, stop in stops))}
    for i, (label, points) in enumerate(series.items()):
        x = [_when(one.created) if by == "date" else order[_stop(one)] for one in points]
        axes.plot(
            x,  # type: ignore[arg-type]
            [float("nan") if one.value is None else 100 * one.value for one in points],
            color=COLOURS[i % len(COLOURS)],
            linestyle=LINE_STYLES[i // len(COLOURS) % len(LINE_STYLES)],
            marker="o",
            markersize=4,
            label=plain_text(label),
        )
    if by == "date":
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    else:
        axes.set_xticks(list(order.values()), [plain_text(stop[:10]) for stop in order], rotation=45, ha="right")
    axes.set_ylabel("percent")
    style_axes(axes, f"{board}: {title_of(metric)}")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9, frameon=False)
    return figure


def _stop(point: HistoryPoint) -> str:
    """Return what stands below a point where figures are drawn over commits."""
    return point.commit or point.created
