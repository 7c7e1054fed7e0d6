"""`sshbench submit`: run a detector over images whose faces are not public, and write the submission."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sshbench.cli.data import show_submission
from sshbench.cli.detector_options import (
    BackendOption,
    BatchOption,
    CalibrationOption,
    ClusterOption,
    DeviceOption,
    ImageTimeoutOption,
    NmsIouOption,
    OnErrorOption,
    PrecisionOption,
    ResizeOption,
    ScoreThresholdOption,
    SetOption,
    SpecOption,
    TtaOption,
    WeightsOption,
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
        typer.Option(
            "--detector",
            help="Detector to run; path/to/model.py:NAME, a model of your own; or replay:FILE, a prediction set in "
            "another format.",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="test, val or train.")] = "test",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run. Default: runs/wider-<detector>-<key>.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--overwrite", help="Resume the run in --out, or throw it away.")
    ] = True,
    on_error: OnErrorOption = None,
    image_timeout: ImageTimeoutOption = 600,
    workers: WorkersOption = None,
    batch: BatchOption = 1,
    cluster: ClusterOption = None,
    resize: ResizeOption = None,
    assignments: SetOption = None,
    tta: TtaOption = None,
    score_threshold: ScoreThresholdOption = None,
    nms_iou: NmsIouOption = None,
    weights: WeightsOption = None,
    spec: SpecOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    backend: BackendOption = None,
    calibration: CalibrationOption = None,
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
        "spec": spec,
        "backend": backend,
        "calibration": calibration,
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
        batch=batch,
        cluster=cluster,
        progress=not as_json,
    )
    show_submission(submission, as_json=as_json)
