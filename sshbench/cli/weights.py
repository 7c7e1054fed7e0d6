"""`sshbench weights`: SSH's parameters, in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

weights_app = typer.Typer(help="SSH's parameters: import, look at, export.", no_args_is_help=True)

_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@weights_app.command("import")
def import_command(
    source: Annotated[Path, typer.Argument(help="A .caffemodel, or a PyTorch file of tensors by name.")],
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
    """Turn the authors' weights, or a VGG-16 trunk, into a weights file; every layer's shape is checked.

    Example:

      sshbench weights import SSH.caffemodel -o ssh-vgg16.safetensors
    """
    from sshbench.ssh.architecture import architecture as widths
    from sshbench.ssh.importing import import_caffemodel, import_state_dict, read_name_map
    from sshbench.ssh.weights import save_weights

    chosen = widths(architecture)
    if source.suffix == ".caffemodel":
        weights = import_caffemodel(source, chosen)
    else:
        names = None if name_map is None else read_name_map(name_map, chosen.layers())
        weights = import_state_dict(source, chosen, name_map=names, convention=convention)
    save_weights(out, weights, half=half)
    _show(out, as_json)


@weights_app.command("info")
def info_command(path: Annotated[Path, typer.Argument(help="A weights file.")], as_json: _AsJson = False) -> None:
    """Say what a weights file holds.

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
    """Write the network as ONNX of dynamic size, and check it against the reference on three sizes.

    Exit code 1 where they differ by more than 1e-4 of the largest output.

    Example:

      sshbench weights export ssh-vgg16.safetensors -o ssh.onnx
    """
    from sshbench.errors import CheckFailedError
    from sshbench.runs import write_atomic
    from sshbench.ssh.onnx_graph import onnx_model
    from sshbench.ssh.parity import TOLERANCE, compare, sizes_of
    from sshbench.ssh.weights import load_weights

    weights = load_weights(path)
    write_atomic(out, onnx_model(weights))
    differences = compare(weights, "onnxruntime")
    worst = max(differences)
    if as_json:
        content = {"file": str(out), "sizes": sizes_of(differences), "largest_relative_difference": worst}
        typer.echo(json.dumps(content))
    else:
        typer.echo(f"{out}: largest relative difference {worst:.2g} from the reference at {len(differences)} sizes")
    if worst > TOLERANCE:
        raise CheckFailedError(f"the exported network differs from the reference by {worst:.2g}")


@weights_app.command("random")
def random_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="The .safetensors file to write.")],
    architecture: Annotated[str, typer.Option(help="Widths: ssh-vgg16 or ssh-tiny.")] = "ssh-vgg16",
    seed: Annotated[int, typer.Option(help="Of the generator.")] = 0,
    as_json: _AsJson = False,
) -> None:
    """Write random weights: no detector, but the time it takes is that of a trained one.

    Example:

      sshbench weights random -o random.safetensors
    """
    from sshbench.ssh.architecture import architecture as widths
    from sshbench.ssh.weights import random_weights, save_weights

    save_weights(out, random_weights(widths(architecture), seed, few_boxes=True))
    _show(out, as_json)


def _show(path: Path, as_json: bool) -> None:
    from sshbench.resources import sha256_of
    from sshbench.ssh.weights import load_weights

    weights = load_weights(path)
    content = {
        "file": str(path),
        "sha256": sha256_of(path),
        "architecture": weights.architecture.name,
        "parameters": sum(array.size for array in weights.parameters.values()),
        "part": "trunk" if weights.trunk_only else "whole",
        **weights.metadata,
    }
    if as_json:
        typer.echo(json.dumps(content, ensure_ascii=False))
        return
    for name, value in content.items():
        typer.echo(f"{name:13} {value}")
