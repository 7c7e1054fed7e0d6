"""`sshbench detect`: boxes on images, for any detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sshbench.cli.detector_options import ResizeOption, SetOption, given_settings


def detect_command(
    images: Annotated[list[str], typer.Argument(help="Images, folders, or quoted patterns such as 'in/*.jpg'.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the drawn images and the JSON files.")],
    detector: Annotated[str, typer.Option(help="Detector by name.")] = "ssh-tiny",
    threshold: Annotated[
        float | None, typer.Option(help="Lowest score that is drawn; the JSON holds all detections.")
    ] = None,
    resize: ResizeOption = None,
    assignments: SetOption = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file of the detector.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:N or mps, where the detector has it.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, bf16, fp16 or auto, where it has it.")] = None,
    backend: Annotated[
        str | None, typer.Option(help="torch, compile, onnxruntime, openvino or auto, where it has it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Detect faces in images, draw them, and write one JSON per image.

    Files that cannot be read are reported and skipped; exit code 1 where there was one.

    Example:

      sshbench detect photos/ 'more/*.png' -o out --detector yunet
    """
    from sshbench.detectors.annotate import annotate
    from sshbench.detectors.registry import load_detector
    from sshbench.images import find_images
    from sshbench.progress import progress_bar

    found = find_images(images)
    options = {"resize": resize, "device": device, "precision": precision, "backend": backend}
    loaded = load_detector(detector, weights=weights, **given_settings(assignments, options))
    skipped: list[str] = []
    faces = 0
    with progress_bar(detector, len(found), "images", enabled=not as_json) as bar:
        for image in found:
            result = annotate(loaded, image, out, threshold)
            if result.error:
                skipped.append(result.error)
            faces += result.faces
            bar.update(1)
    if as_json:
        from sshbench.cli.outputs import DetectOutput, print_json

        print_json(DetectOutput(images=len(found) - len(skipped), faces=faces, skipped=tuple(skipped), out=str(out)))
    else:
        typer.echo(f"{out}: {len(found) - len(skipped)} images, {faces} faces drawn")
        for error in skipped:
            typer.echo(f"skipped: {error}", err=True)
    if skipped:
        raise typer.Exit(1)
