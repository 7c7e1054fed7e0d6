"""`sshbench weights`: the files of the registry; import and export of SSH's parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sshbench.cli.panels import App

weights_app = App(help="List, fetch, import and export weights files.", no_args_is_help=True)

_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@weights_app.command("list")
def list_command(as_json: _AsJson = False) -> None:
    """List the registered weights files.

    Each with its licence, training data and origin, and whether it is on this machine.

    Example:

      sshbench weights list
    """
    from dataclasses import asdict

    from sshbench.detectors.weights import locate_weights, weights_files

    rows = [(entry, locate_weights(entry.name)) for entry in weights_files()]
    if as_json:
        from sshbench.cli.outputs import WeightsListOutput, WeightsRow
        from sshbench.cli.printing import print_json

        listed = (WeightsRow(**asdict(entry), path=None if path is None else str(path)) for entry, path in rows)
        print_json(WeightsListOutput(weights=tuple(listed)))
        return
    for entry, path in rows:
        size = f"{entry.bytes / 1e6:.1f} MB" if entry.bytes else "size not known"
        typer.echo(f"{entry.name}  {size}  {'here' if path else 'not here'}")
        typer.echo(f"    licence {entry.licence}; trained on {entry.training_data or 'unknown data'}")
        typer.echo(f"    from {entry.origin}")


@weights_app.command("fetch")
def fetch_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Files or detectors by name; default: all of the registry.")
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Download missing weights files and check the others.

    Files that only their authors may give out are left out unless they are named.

    Example:

      sshbench weights fetch yunet centerface.onnx
    """
    from sshbench.detectors.weights import find_weights, weights_files

    wanted = [_file_of(name) for name in names or []] or [entry.name for entry in weights_files() if not entry.by_hand]
    found = {name: str(find_weights(name)) for name in wanted}
    if as_json:
        from sshbench.cli.outputs import WeightsFetchOutput
        from sshbench.cli.printing import print_json

        print_json(WeightsFetchOutput(files=found))
        return
    for name, path in found.items():
        typer.echo(f"{name}: {path}")


def _file_of(name: str) -> str:
    """Return the name of the weights file of a detector; any other name as it is."""
    from sshbench.detectors.registry import detector_info, targets

    return detector_info(name).weights or name if name in targets() else name


@weights_app.command("verify")
def verify_command(as_json: _AsJson = False) -> None:
    """Check the sha256 of every weights file on this machine.

    Nothing is downloaded. Exit code 1 if a file is not the registered one.

    Example:

      sshbench weights verify
    """
    from sshbench.detectors.weights import locate_weights, weights_files
    from sshbench.files import sha256_of

    verdicts: dict[str, str] = {}
    for entry in weights_files():
        path = locate_weights(entry.name)
        if path is None:
            verdicts[entry.name] = "not here"
        elif not entry.sha256:
            verdicts[entry.name] = "here, its sha256 is not known"
        else:
            verdicts[entry.name] = "ok" if sha256_of(path) == entry.sha256 else f"WRONG: {path} is another file"
    if as_json:
        from sshbench.cli.outputs import WeightsVerifyOutput
        from sshbench.cli.printing import print_json

        print_json(WeightsVerifyOutput(verdicts=verdicts))
    else:
        for name, verdict in verdicts.items():
            typer.echo(f"{name}: {verdict}")
    if any(verdict.startswith("WRONG") for verdict in verdicts.values()):
        raise typer.Exit(1)


@weights_app.command("path")
def path_command(name: Annotated[str, typer.Argument(help="A file of the registry.")]) -> None:
    """Print the path of a weights file; download it if missing.

    Example:

      sshbench weights path centerface.onnx
    """
    from sshbench.detectors.weights import find_weights

    typer.echo(str(find_weights(name)))


@weights_app.command("import")
def import_command(
    source: Annotated[Path, typer.Argument(help="A .caffemodel, a PyTorch file of tensors by name, or HR's .mat.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .safetensors file to write.")],
    architecture: Annotated[str, typer.Option(help="Widths: ssh-vgg16 or ssh-tiny.")] = "ssh-vgg16",
    name_map: Annotated[
        Path | None, typer.Option(help="PyTorch: TOML of our layer names and theirs, where they differ.")
    ] = None,
    convention: Annotated[
        Literal["caffe-bgr", "torchvision-rgb"] | None,
        typer.Option(help="What a trunk takes; torchvision's is folded into conv1_1. Default: by its names."),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store float16, half the size.")] = False,
    as_json: _AsJson = False,
) -> None:
    """Convert Caffe, PyTorch or MatConvNet weights.

    Reads the authors' weights of SSH or a VGG-16 trunk, and the authors' networks of HR (.mat), whose graph is in the
    file; every layer's shape is checked.

    Example:

      sshbench weights import SSH.caffemodel -o ssh-vgg16.safetensors
    """
    from sshbench.ssh.architecture import architecture as widths
    from sshbench.ssh.importing import import_caffemodel, import_state_dict, read_name_map
    from sshbench.ssh.weights import save_weights

    if source.suffix == ".mat":
        _import_hr(source, out, {"--half": half, "--name-map": name_map, "--convention": convention})
        _show(out, as_json)
        return
    chosen = widths(architecture)
    if source.suffix == ".caffemodel":
        weights = import_caffemodel(source, chosen)
    else:
        names = None if name_map is None else read_name_map(name_map, chosen.layers())
        weights = import_state_dict(source, chosen, name_map=names, convention=convention)
    save_weights(out, weights, half=half)
    _show(out, as_json)


def _import_hr(source: Path, out: Path, others: dict[str, object]) -> None:
    from sshbench.errors import UsageError
    from sshbench.rivals.hr_matconvnet import import_matconvnet
    from sshbench.rivals.hr_weights import save_hr_weights

    if given := [name for name, value in others.items() if value]:
        raise UsageError(f"{given[0]} is not for a .mat file", remedy="Leave it out")
    save_hr_weights(out, import_matconvnet(source))


@weights_app.command("info")
def info_command(path: Annotated[Path, typer.Argument(help="A weights file.")], as_json: _AsJson = False) -> None:
    """Show what a weights file contains.

    Example:

      sshbench weights info ssh-vgg16.safetensors
    """
    _show(path, as_json)


@weights_app.command("export")
def export_command(
    path: Annotated[Path, typer.Argument(help="A weights file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .onnx file to write.")],
    as_json: _AsJson = False,
) -> None:
    """Write the network as an ONNX file and check the file.

    The file takes images of any size. ONNX Runtime and OpenCV read it and run it at three sizes; both are compared with
    the network computed in numpy from the weights file.

    Exit code 1 where they differ by more than 1e-4 of the largest output.

    Example:

      sshbench weights export ssh-vgg16.safetensors -o ssh.onnx
    """
    from sshbench.errors import CheckFailedError
    from sshbench.files import write_atomic
    from sshbench.runtimes.plan import plan
    from sshbench.ssh import reference
    from sshbench.ssh.backends import Run, run_onnx
    from sshbench.ssh.onnx_graph import onnx_model
    from sshbench.ssh.parity import TOLERANCE, differences, opencv_network
    from sshbench.ssh.weights import load_weights

    weights = load_weights(path)
    write_atomic(out, onnx_model(weights))
    written = out.read_bytes()
    readers: dict[str, Run] = {"onnxruntime": run_onnx(written, plan("onnxruntime")), "opencv": opencv_network(written)}
    found = {name: differences(weights, network) for name, network in readers.items()}
    worst = {name: max(values.values()) for name, values in found.items()}
    if as_json:
        from sshbench.cli.outputs import WeightsExportOutput
        from sshbench.cli.printing import print_json

        print_json(
            WeightsExportOutput(
                file=str(out),
                reference=reference.NAME,
                differences=found,
                largest_relative_difference=max(worst.values()),
            )
        )
    else:
        for name, value in worst.items():
            typer.echo(f"{out}: {name} differs by {value:.2g} of the largest output from {reference.NAME}")
    if max(worst.values()) > TOLERANCE:
        name = max(worst, key=worst.__getitem__)
        raise CheckFailedError(
            f"{out}: {name} differs by {worst[name]:.2g} of the largest output from {reference.NAME}",
            remedy=f"Do not use the file. Report this with the output of `sshbench doctor`; allowed are {TOLERANCE:g}",
        )


@weights_app.command("random")
def random_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="The .safetensors file to write.")],
    architecture: Annotated[str, typer.Option(help="Widths: ssh-vgg16 or ssh-tiny.")] = "ssh-vgg16",
    seed: Annotated[int, typer.Option(help="Of the generator.")] = 0,
    as_json: _AsJson = False,
) -> None:
    """Write random weights, for timing the network.

    Example:

      sshbench weights random -o random.safetensors
    """
    from sshbench.ssh.architecture import architecture as widths
    from sshbench.ssh.weights import random_weights, save_weights

    save_weights(out, random_weights(widths(architecture), seed, few_boxes=True))
    _show(out, as_json)


def _show(path: Path, as_json: bool) -> None:
    from sshbench.files import sha256_of

    summary, metadata = _summary(path)
    content = {"file": str(path), "sha256": sha256_of(path), **summary}
    if as_json:
        from sshbench.cli.outputs import WeightsFileOutput
        from sshbench.cli.printing import print_json

        print_json(WeightsFileOutput.model_validate({**content, "metadata": metadata}))
        return
    for name, value in {**content, **metadata}.items():
        typer.echo(f"{name:13} {value}")


def _summary(path: Path) -> tuple[dict[str, object], dict[str, str]]:
    """Return architecture, parameters and part of a weights file of SSH or of HR, and its other metadata."""
    from sshbench.rivals.hr_weights import is_hr_file, load_hr_weights
    from sshbench.ssh.weights import load_weights

    if is_hr_file(path):
        hr = load_hr_weights(path)
        return {"architecture": hr.graph.name, "parameters": hr.graph.parameters(), "part": "whole"}, dict(hr.metadata)
    weights = load_weights(path)
    count = sum(array.size for array in weights.parameters.values())
    part = "trunk" if weights.trunk_only else "whole"
    return {"architecture": weights.architecture.name, "parameters": count, "part": part}, dict(weights.metadata)
