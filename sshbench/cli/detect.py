"""`sshbench detect`: boxes on images, for any detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sshbench.cli.detector_options import (
    BackendOption,
    CalibrationOption,
    DeviceOption,
    PrecisionOption,
    ResizeOption,
    SetOption,
    SpecOption,
    TtaOption,
    given_settings,
    one_detector,
)


def detect_command(
    images: Annotated[list[str], typer.Argument(help="Images, folders, or quoted patterns such as 'in/*.jpg'.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the drawn images and the JSON files.")],
    detectors: Annotated[
        list[str] | None,
        typer.Option("--detector", help="Detector by name, or path/to/model.py:NAME; default: ssh-tiny."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Lowest score that is drawn; the JSON files hold all detections. Default: the detector's published "
            "operating point, else 0.5 where scores are probabilities."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files in --out that sshbench did not write.")
    ] = False,
    resize: ResizeOption = None,
    assignments: SetOption = None,
    tta: TtaOption = None,
    spec: SpecOption = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file of the detector.")] = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    backend: BackendOption = None,
    calibration: CalibrationOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Detect faces in images; write pictures with boxes, and JSON.

    Photographs are turned upright by their EXIF orientation. Images that cannot be read, or on which the detector
    fails, are reported and skipped; the exit code is then 1. No image is ever replaced, and no other file that sshbench
    did not write, unless you pass --overwrite.

    Example:

      sshbench detect photos/ 'more/*.png' -o out --detector yunet
    """
    from sshbench.detectors.annotate import annotate, check_outputs
    from sshbench.detectors.augmented import explaining_part
    from sshbench.detectors.graphs import SPEC_FILE
    from sshbench.detectors.graphs.no_guess import kept_skeleton
    from sshbench.detectors.registry import load_detector
    from sshbench.flat import counted
    from sshbench.images import find_images
    from sshbench.progress import progress_bar

    detector = one_detector(detectors) or "ssh-tiny"
    found = find_images(images)
    options = {"resize": resize, "device": device, "precision": precision, "backend": backend, "tta": tta, "spec": spec}
    options["calibration"] = calibration
    check_outputs(found, out, overwrite=overwrite)
    with kept_skeleton(out / SPEC_FILE):
        loaded = load_detector(detector, weights=weights, **given_settings(assignments, options))
    if (explaining := explaining_part(loaded)) is not None:
        explaining.explain(out, [])  # the images are drawn anyway
        for finding in explaining.findings:
            typer.echo(f"note: {finding}", err=True)
    if threshold is None:
        threshold = loaded.info.draw_threshold
    skipped: list[str] = []
    drawn = faces = 0
    with progress_bar(detector, len(found), "images", enabled=not as_json) as bar:
        for image in found:
            result = annotate(loaded, image, out, threshold)
            if result.error:
                skipped.append(result.error)
            drawn += result.drawn
            faces += result.found
            bar.update(1)
    if as_json:
        from sshbench.cli.outputs import DetectOutput
        from sshbench.cli.printing import print_json

        print_json(
            DetectOutput(
                images=len(found) - len(skipped), faces=faces, drawn=drawn, skipped=tuple(skipped), out=str(out)
            )
        )
    else:
        scores = "" if threshold is None else f" with scores of {threshold:g} and more (--threshold)"
        images_done = counted(len(found) - len(skipped), "image")
        typer.echo(f"{out}: {images_done}, {drawn} of {counted(faces, 'face')} drawn{scores}")
        for error in skipped:
            typer.echo(f"skipped: {error}", err=True)
    if skipped:
        raise typer.Exit(1)
