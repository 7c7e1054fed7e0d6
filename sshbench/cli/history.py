"""`sshbench history`: figures of archived runs over time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sshbench.cli.analyze import JsonOption


def history_command(
    folder: Annotated[Path, typer.Argument(help="Archived runs, such as <folder>/<commit>/<run>.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for history.csv and the figures.")],
    by: Annotated[
        Literal["date", "commit"], typer.Option(help="What figures are drawn over; commits at equal distances.")
    ] = "date",
    as_json: JsonOption = False,
) -> None:
    """Draw how figures changed from one archived run to the next.

    Runs of one detector and its settings are one line, whatever its weights. Figures by other rules or of other images
    are drawn apart. Whether a change is more than noise says `sshbench compare`, which needs detections.

    Example:

      sshbench archive runs/mine -o history/$COMMIT

      sshbench history history --by commit -o figures
    """
    from sshbench.suite.history import history

    found = history(folder)
    files = found.save(out, by)
    if as_json:
        from sshbench.cli.outputs import HistoryOutput
        from sshbench.cli.printing import print_json

        print_json(HistoryOutput(points=found.points, files=tuple(map(str, files))))
        return
    from sshbench.cli.analysis_tables import TextTable, print_tables
    from sshbench.evaluation.metrics import percent, title_of

    for board in dict.fromkeys(point.board for point in found.points):
        rows = []
        metrics = dict.fromkeys(point.metric for point in found.points if point.board == board and point.headline)
        for metric in metrics:
            for label, points in found.series(board, metric).items():
                last, before = points[-1].value, points[-2].value if len(points) > 1 else None
                change = "-" if last is None or before is None else f"{100 * (last - before):+.2f}"
                rows.append((f"{label}, {title_of(metric)}", str(len(points)), percent(last), change))
        columns = ("series", "runs", "last", "change")
        print_tables([TextTable(f"{board}, percent", columns, tuple(rows))], markdown=False)
    for path in files:
        typer.echo(str(path))
