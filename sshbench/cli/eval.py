"""`sshbench eval`: a detector or a set of predictions against a benchmark's official protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sshbench.cli.detector_options import ResizeOption, SetOption, given_settings
from sshbench.errors import UsageError

_EPILOG = """Examples:

  sshbench eval --dataset wider --data ~/WIDER --predictions my_detections.zip

  sshbench eval --dataset sample --detector haar --out runs/haar

A detector's run is kept in a folder: killed at any moment, the same command resumes it.
"""


def eval_command(
    dataset: Annotated[
        str | None, typer.Option(help="wider, fddb, pascal, afw, coco or sample; default: the protocol's own.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset (not needed for sample).")] = None,
    detector: Annotated[
        str | None,
        typer.Option(help="Detector to run, of `sshbench detectors list`; or replay:FILE, a prediction set."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Folder or zip of WIDER prediction files; FDDB's, PASCAL's or AFW's text file; "
            "COCO results .json; or a run's folder."
        ),
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Protocol by name, or the path of a .toml file.")] = None,
    iou: Annotated[
        Literal["double", "int32"] | None,
        typer.Option(help="IoU arithmetic: double (official tool since 2019) or int32 (2017 and 2018)."),
    ] = None,
    matching: Annotated[
        Literal["official", "optimal"] | None,
        typer.Option(help="FDDB: the official tool's own solver, or the best assignment."),
    ] = None,
    fit_ellipse: Annotated[
        bool, typer.Option("--fit-ellipse", help="FDDB: turn rectangles into ellipses by a rule fitted on FDDB.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first N images.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the run. Default for a detector: runs/<dataset>-<detector>-<key>."),
    ] = None,
    export_predictions: Annotated[
        Path | None, typer.Option(help="Write the detections as an official submission zip.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--overwrite", help="Go on with the run in --out, or throw it away.")
    ] = True,
    strict: Annotated[
        bool, typer.Option("--strict/--lenient", help="Any repair of a prediction file is an error.")
    ] = False,
    box_format: Annotated[
        Literal["xywh", "xyxy"], typer.Option(help="Columns 3 and 4 of prediction files: w h, or x2 y2.")
    ] = "xywh",
    allow_unfinished: Annotated[
        bool, typer.Option("--allow-unfinished", help="Evaluate an unfinished run; the result is marked.")
    ] = False,
    resize: ResizeOption = None,
    assignments: SetOption = None,
    score_threshold: Annotated[float | None, typer.Option(help="Detector's least score.")] = None,
    nms_iou: Annotated[float | None, typer.Option(help="Detector's NMS threshold.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file of the detector.")] = None,
    device: Annotated[str | None, typer.Option(help="SSH: cpu, cuda, cuda:N or mps.")] = None,
    precision: Annotated[str | None, typer.Option(help="SSH: fp32, bf16, fp16 or auto.")] = None,
    backend: Annotated[str | None, typer.Option(help="SSH: torch, compile, onnxruntime, openvino or auto.")] = None,
    trained_on: Annotated[
        str | None,
        typer.Option(
            help="Benchmarks whose training images the model saw, separated by commas, or none: for predictions and "
            "for weights of your own. Results on them are marked as in domain."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Evaluate a detector, or a set of predictions, by a benchmark's official protocol."""
    # Imported here: listing commands must not load numpy.
    from sshbench.cli import eval_steps

    if (detector is None) == (predictions is None):
        raise UsageError("give either --detector or --predictions", remedy="`sshbench eval --help` has examples")
    options: dict[str, Any] = {
        "resize": resize,
        "score_threshold": score_threshold,
        "nms_iou": nms_iou,
        "weights": weights,
        "device": device,
        "precision": precision,
        "backend": backend,
    }
    given = ["--" + name.replace("_", "-") for name, value in options.items() if value is not None]
    given += ["--set"] if assignments else []
    if predictions is not None and given:
        raise UsageError(f"{', '.join(sorted(given))} belong to --detector: predictions are already made")
    request = eval_steps.Request(
        protocol=eval_steps.choose_protocol(
            dataset, protocol, iou_arithmetic=iou, matching=matching, fit_ellipse=fit_ellipse or None
        ),
        data=data,
        limit=limit,
        out=out,
        resume=resume,
        allow_unfinished=allow_unfinished,
        strict=strict,
        box_format=box_format,
        settings=given_settings(assignments, options),
        trained_on=eval_steps.benchmarks_of(trained_on),
        show_progress=not as_json,
    )
    if predictions is not None:
        outcome = eval_steps.from_predictions(request, predictions)
    else:
        outcome = eval_steps.from_detector(request, str(detector))
    if export_predictions is not None:
        eval_steps.export(outcome, export_predictions)
    eval_steps.show(outcome, as_json=as_json)


eval_command.__doc__ = f"{eval_command.__doc__}\n\n{_EPILOG}"
