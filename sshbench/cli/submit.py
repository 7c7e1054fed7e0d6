"""`sshbench submit`: run a detector over images whose faces are not public, and write the submission."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sshbench.cli.data import show_submission
from sshbench.cli.detector_options import (
    ClusterOption,
    ResizeOption,
    SetOption,
    TtaOption,
    WorkersOption,
    given_settings,
    one_detector,
    workers_of,
)
from sshbench.errors import UsageError


def submit_command(
    archive: Annotated[Path, typer.Argument(help="The zip to write.")],
    data: Annotated[Path, typer.Option(help="Folder of WIDER FACE, with the list and the images of the split.")],
    detectors: Annotated[
        list[str] | None,
        typer.Option("--detector", help="Detector to run; or replay:FILE, a prediction set in another format."),
    ] = None,
    split: Annotated[str, typer.Option(help="test, val or train.")] = "test",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run. Default: runs/wider-<detector>-<key>.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--overwrite", help="Resume the run in --out, or throw it away.")
    ] = True,
    on_error: Annotated[
        Literal["stop", "record"] | None,
        typer.Option(help="Images on which the detector fails, as for `sshbench eval`."),
    ] = None,
    image_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds after which the detector counts as failed on an image; 0: no limit.")
    ] = 600,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    resize: ResizeOption = None,
    assignments: SetOption = None,
    tta: TtaOption = None,
    score_threshold: Annotated[float | None, typer.Option(help="Detector's lowest score.")] = None,
    nms_iou: Annotated[float | None, typer.Option(help="Detector's NMS threshold.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file of the detector.")] = None,
    device: Annotated[str | None, typer.Option(help="SSH: cpu, cuda, cuda:N or mps.")] = None,
    precision: Annotated[str | None, typer.Option(help="SSH: fp32, bf16, fp16 or auto.")] = None,
    backend: Annotated[str | None, typer.Option(help="SSH: torch, compile, onnxruntime, openvino or auto.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Run a detector on WIDER FACE test and write the submission.

    The faces of the test images are not public, so no figure comes out: the zip is checked instead, and the exit code
    is 1 where the server could not take it. Killed at any moment, the same command resumes the run.

    Example:

      sshbench submit submission.zip --data ~/WIDER --detector yunet --out runs/yunet-test
    """
    from sshbench.submission import submit

    detector = one_detector(detectors)
    if detector is None:
        raise UsageError("name a detector with --detector", remedy="`sshbench detectors list` lists them")
    options = {
        "resize": resize,
        "score_threshold": score_threshold,
        "nms_iou": nms_iou,
        "weights": weights,
        "device": device,
        "precision": precision,
        "tta": tta,
        "backend": backend,
    }
    submission = submit(
        detector,
        archive,
        data=data,
        split=split,
        out=out,
        settings=given_settings(assignments, options),
        overwrite=not resume,
        on_error=on_error,
        image_timeout=image_timeout or None,
        workers=workers_of(workers),
        cluster=cluster,
        progress=not as_json,
    )
    show_submission(submission, as_json=as_json)
