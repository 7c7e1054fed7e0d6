"""`sshbench quantize`: the network of a detector in int8, as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sshbench.cli.detector_options import ResizeOption, SetOption, WeightsOption, given_settings


def quantize_command(
    detector: Annotated[str, typer.Argument(help="Detector by name.")],
    images: Annotated[Path, typer.Option(help="Folder of images to calibrate with; not those of a benchmark.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .onnx file to write.")],
    quantizer: Annotated[
        Literal["onnxruntime", "nncf"], typer.Option(help="Which library quantizes; nncf is for OpenVINO.")
    ] = "onnxruntime",
    count: Annotated[int, typer.Option(min=1, help="How many of the images.")] = 64,
    weights: WeightsOption = None,
    resize: ResizeOption = None,
    assignments: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Quantize the network of a detector to int8.

    It is written as an ONNX file.
    The last layers, which make scores and boxes, stay float. `--precision int8 --calibration DIR` of the other
    commands runs the same network.

    Example:

      sshbench quantize yunet --images photos/ -o yunet-int8.onnx
    """
    from sshbench.detectors.quantized import quantize

    settings = given_settings(assignments, {"resize": resize})
    record = quantize(detector, images, out, quantizer=quantizer, count=count, weights=weights, settings=settings)
    if as_json:
        from sshbench.cli.outputs import QuantizeOutput
        from sshbench.cli.printing import print_json

        print_json(QuantizeOutput(file=str(out), calibration=record.id, record=record))
        return
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.2f} MB, calibrated with {record.images} images ({record.id})")
    typer.echo(f"{len(record.float_layers)} nodes stay float: {record.float_rule}")
