"""`sshbench detectors`: list the detectors, and show what a user should know of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sshbench.cli.detector_options import SetOption, WeightsOption, given_settings
from sshbench.cli.detectors_spec import spec_command
from sshbench.cli.panels import App

if TYPE_CHECKING:
    from sshbench.detectors.contract import DetectorInfo

detectors_app = App(help="List detectors and their settings.", no_args_is_help=True)

_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@detectors_app.command("list")
def list_command(as_json: _AsJson = False) -> None:
    """List all detectors, including plug-ins.

    Example:

      sshbench detectors list
    """
    from sshbench.detectors.registry import detector_info, names
    from sshbench.errors import UsageError

    rows: list[dict[str, str]] = []
    for name in names():
        try:
            info = detector_info(name)
            rows.append({"name": name, "title": info.title, "training_data": info.training_data})
        except UsageError as error:  # a broken plug-in must not hide the others
            rows.append({"name": name, "title": f"broken: {error.message}", "training_data": ""})
    if as_json:
        from sshbench.cli.outputs import DetectorRow, DetectorsOutput
        from sshbench.cli.printing import print_json

        print_json(DetectorsOutput(detectors=tuple(DetectorRow(**row) for row in rows)))
        return
    for row in rows:
        typer.echo(f"{row['name']:20} {row['title']}")


@detectors_app.command("info")
def info_command(name: Annotated[str, typer.Argument(help="Detector by name.")], as_json: _AsJson = False) -> None:
    """Show a detector's origin, licence, settings and results.

    Every setting that is listed can be changed with --set, for example `sshbench eval --set top_k=100`.

    Example:

      sshbench detectors info yunet
    """
    from dataclasses import asdict

    from sshbench.contamination import BENCHMARKS, domain_of
    from sshbench.detectors.overrides import setting_values
    from sshbench.detectors.registry import detector_info
    from sshbench.published.tables import published_of_detector

    info = detector_info(name)
    content: dict[str, Any] = {
        "name": info.name,
        "title": info.title,
        "source": info.source,
        "licence": info.licence,
        "weights": info.weights,
        "training_data": info.training_data,
        "settings": info.defaults.as_dict(),
        "settings_source": info.defaults_source,
        "ranges": {name: list(limits) for name, limits in info.ranges.items()},
        "fixed_size": None if info.fixed_size is None else list(info.fixed_size),
        "trained_on": None if info.trained_on is None else list(info.trained_on),
        "domains": {name: domain_of(info.trained_on, name) for name in BENCHMARKS},
        "timing_only": info.timing_only,
        "published": [asdict(figure) for figure in published_of_detector(info.name)],
    }
    if as_json:
        from sshbench.cli.outputs import DetectorOutput
        from sshbench.cli.printing import print_json

        print_json(DetectorOutput.model_validate(content))
        return
    figures, domains = content.pop("published"), content.pop("domains")
    for key in ("settings", "ranges", "fixed_size"):
        del content[key]
    for key, value in content.items():
        typer.echo(f"{key:16} {value}")
    for name, value in setting_values(info).items():
        note = _setting_note(info, name)
        typer.echo(f"{'setting':16} {name}={'none' if value is None else value}{f' ({note})' if note else ''}")
    typer.echo(f"{'results on':16} " + ", ".join(f"{name}: {domain}" for name, domain in domains.items()))
    for figure in figures:
        what = f"{figure['dataset']} {figure['metric']} {figure['value']} ({figure['conditions']})"
        typer.echo(f"{'published':16} {what}; {figure['source']}")
    if not figures:
        typer.echo(f"{'published':16} nothing known")


def _setting_note(info: DetectorInfo, name: str) -> str:
    """Say within which limits a setting can be changed, where it has any."""
    if name in info.ranges:
        low, high = info.ranges[name]
        return f"{low:g} to {high:g}"
    if name == "resize" and info.fixed_size is not None:
        return f"fixed: the network accepts {info.fixed_size[0]} x {info.fixed_size[1]} pixels only"
    if name == "nms_iou" and info.defaults.nms_iou is None:
        return "fixed: this detector has no NMS threshold"
    return "no limit" if name == "top_k" and info.defaults.top_k is None else ""


@detectors_app.command("new")
def new_command(
    name: Annotated[str, typer.Argument(help="Name of the detector: small letters, digits, hyphens.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the package. Default: sshbench-<name>.")
    ] = None,
) -> None:
    """Write the skeleton of a package with a detector.

    Example:

      sshbench detectors new my-faces
    """
    from sshbench.detectors.skeleton import write_skeleton

    written = write_skeleton(name, out)
    for path in written:
        typer.echo(str(path))
    folder = written[0].parent
    typer.echo(f"Next: pip install -e '{folder}' && sshbench eval --dataset sample --detector {name}", err=True)


@detectors_app.command("check")
def check_command(
    detector: Annotated[str, typer.Argument(help="Detector: a name, path/to/model.py:NAME, module:NAME ...")],
    weights: WeightsOption = None,
    assignments: SetOption = None,
    as_json: _AsJson = False,
) -> None:
    """Try a detector on unusual images, and say what is wrong.

    Exit code 1 if something is wrong. `sshbench -v` shows the tracebacks.

    Example:

      sshbench detectors check model.py:faces
    """
    from sshbench.detectors.check import check_detector
    from sshbench.errors import CheckFailedError
    from sshbench.flat import counted

    items = check_detector(detector, weights=weights, **given_settings(assignments, {}))
    if as_json:
        from sshbench.cli.outputs import DetectorCheckOutput, DetectorCheckRow
        from sshbench.cli.printing import print_json

        rows = tuple(DetectorCheckRow(what=item.what, ok=item.ok, message=item.message) for item in items)
        print_json(DetectorCheckOutput(detector=detector, ok=all(item.ok for item in items), items=rows))
    else:
        for item in items:
            typer.echo(f"{'ok' if item.ok else 'WRONG':6} {item.what}: {item.message}")
    wrong = [item for item in items if not item.ok]
    if wrong:
        error = CheckFailedError(f"{counted(len(wrong), 'check')} of {len(items)} failed")
        error.details = "\n".join(item.details for item in wrong if item.details)
        raise error


detectors_app.command("spec")(spec_command)
