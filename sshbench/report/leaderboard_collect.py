"""Join runs and timings of the same detectors to a leaderboard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sshbench.analysis.record import ComparisonRecord
from sshbench.answers.labels import run_labels
from sshbench.detectors.contract import Settings
from sshbench.detectors.recipe import recipe_of
from sshbench.errors import SshbenchError, UsageError, did_you_mean
from sshbench.evaluation.benchmarks import compared_metric, headline_of
from sshbench.published.tables import published_of_detector
from sshbench.report.leaderboard import Board, Leaderboard, Row, Section
from sshbench.report.leaderboard_latency import LeftOut, Timed, candidates, check_alike, choose_latency
from sshbench.report.measured import Measured, read_measured
from sshbench.runs import Identity
from sshbench.timing.record import TimingRecord


def collect(
    runs: Sequence[Path],
    timings: Sequence[Path],
    *,
    comparisons: Sequence[Path] = (),
    scope: str = "detect",
    metric: str | None = None,
) -> Leaderboard:
    """Join runs and timings.

    A latency belongs to a row and a board. It is shown only where the network got as many pixels per image in the
    timing as in the run; any other is in `left_out`.

    Args:
        runs: Folders of evaluated runs, or of what `sshbench archive` kept of them.
        timings: Timings kept by `sshbench timing --out`.
        comparisons: Files `comparison.json` of `sshbench compare`; runs whose detections they know get ranks.
        scope: What the latencies shall cover.
        metric: Drawn against speed; default by dataset.

    Raises:
        UsageError: Nothing was named, two runs or two timings are of the same thing, timings are of unlike machines,
            latencies of one board are of unlike images, or no result has the metric.
        MissingDataError: A folder holds no evaluated run.
        InputError: A file cannot be read.
    """
    if not runs:
        raise UsageError("no run was named", remedy="Name at least one")
    boards: dict[tuple[str, str, str], Board] = {}
    rows: dict[str, Row] = {}
    for run in runs:
        measured = read_measured(run, with_digest=bool(comparisons))
        key = (measured.record.protocol_hash, measured.record.dataset_fingerprint, _fit(measured.identity))
        board = boards.setdefault(key, _board(measured, metric))
        row = rows.setdefault(_key_of(measured.identity), _row(measured.identity))
        position = list(boards).index(key)
        if position in row.results:
            raise UsageError(
                f"two runs are of '{row.identity.detector}' with the same settings on {board.title}",
                remedy="Name one of them",
            )
        row.results[position] = measured
    found = list(rows.values())
    known = sorted({name for board in boards.values() for name in board.all_metrics})
    if metric is not None and metric not in known:
        raise UsageError(f"unknown metric '{metric}'", remedy=did_you_mean(metric, known))
    records = [TimingRecord.load(path) for path in timings]
    check_alike(records)
    passed_over: list[str] = []
    for timed in candidates(records):
        owner = _owner(timed, found)
        if isinstance(owner, Row):
            owner.timed.append(timed)
        else:
            passed_over.append(owner)
    timing = records[0] if records else None
    unranked = Leaderboard(list(boards.values()), found, timing, scope, [], tuple(passed_over))
    ranked = [row for section in unranked.sections for row in _ranked(section)]
    for path in comparisons:
        _place(ranked, unranked.boards, ComparisonRecord.read(path, remedy="Run `sshbench compare` again"))
    left_out = [one for position in range(len(boards)) for one in _join(ranked, position, scope)]
    return replace(unranked, rows=ranked, left_out=left_out)


def _ranked(section: Section) -> list[Row]:
    """Return the rows of a section, best first on its first board, labelled so that they can be told apart."""
    position, first = section.boards[0]
    rows = sorted(section.rows, key=lambda row: -(row.value(position, first.chosen) or -1.0))
    for row, label in zip(rows, run_labels([row.identity for row in rows]), strict=True):
        row.label = label
    return rows


def _place(rows: Sequence[Row], boards: Sequence[Board], comparison: ComparisonRecord) -> None:
    """Give rows their ranks from a comparison that has their detections."""
    names = {run.detections_digest: run.name for run in comparison.runs}
    for position, board in enumerate(boards):
        places = {rank.run: rank for rank in comparison.ranks.get(board.chosen, ())}
        for row in rows:
            run = row.results.get(position)
            name = None if run is None else names.get(run.detections or "")
            if run is not None and run.record.protocol_hash == comparison.protocol_hash and name in places:
                row.places[position] = places[name]


def _join(rows: Sequence[Row], position: int, scope: str) -> list[LeftOut]:
    """Give the rows their latencies on one board; return those that do not belong to it."""
    left_out: list[LeftOut] = []
    for row in rows:
        if row.timed and position in row.results:
            chosen = choose_latency(row.results[position], row.timed, scope)
            if isinstance(chosen, LeftOut):
                left_out.append(chosen)
            else:
                row.latencies[position] = chosen
    check_alike([row.latencies[position].record for row in rows if position in row.latencies], images=True)
    return left_out


def _board(measured: Measured, metric: str | None) -> Board:
    record, protocol = measured.record, measured.protocol
    names = list(record.metrics)
    chosen = metric if metric in record.metrics else compared_metric(names, protocol)
    metrics = headline_of(names, protocol)
    fit = _fit(measured.identity)
    return Board(protocol, record.images, record.total_images, record.smoke_test, metrics, chosen, tuple(names), fit)


def _fit(identity: Identity) -> str:
    """Return the size that a run's images were fitted into; empty for none, and for recipes that are not shipped."""
    if identity.predictions_sha256 is not None:
        return ""
    try:
        recipe = recipe_of(Settings(**identity.settings))
    except UsageError:
        return ""
    return (recipe and recipe.fit) or ""


def _row(identity: Identity) -> Row:
    from sshbench.detectors.registry import detector_info

    row = Row(identity, identity.detector, published=published_of_detector(identity.detector))
    try:
        info = detector_info(identity.detector)
    except SshbenchError:  # a prediction set, or a plug-in that is not installed here
        return row
    return replace(
        row, title=info.title, licence=info.licence, training_data=info.training_data, fixed_size=info.fixed_size
    )


def _key_of(identity: Identity) -> str:
    what = [identity.detector, identity.weights_sha256, identity.settings, identity.predictions_sha256, identity.code]
    return json.dumps(what, sort_keys=True)


def _owner(timed: Timed, rows: Sequence[Row]) -> Row | str:
    """Return the row with the detector, weights, settings and size of a timing; else why it belongs to none."""
    reasons = []
    for row in rows:
        if row.identity.detector == timed.record.detector:
            differing = _differing(timed, row.identity)
            if not differing:
                return row
            reasons.append(differing)
    why = f": {reasons[0]}" if reasons else ", there is no run of this detector"
    return (
        f"the timing of '{timed.record.detector}' at {timed.timing.size} belongs to no run{why}. Time and evaluate "
        "with the same weights, settings and size"
    )


def _differing(timed: Timed, identity: Identity) -> str:
    settings = dict(identity.settings)
    pairs = {
        "weights_sha256": (timed.record.weights_sha256, identity.weights_sha256),
        "code": (timed.record.code, identity.code),
        "size": (timed.timing.size, settings.pop("resize", None)),
        "settings": (timed.record.settings, settings),
    }
    return "; ".join(f"{name} is {there!r} and {here!r}" for name, (there, here) in pairs.items() if there != here)
