"""`sshbench eval`: evaluate a detector or predictions by a benchmark's official protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sshbench.cli.dataset_options import FaceClassOption, ImagesOption, SplitOption, chosen_protocol
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
from sshbench.cli.panels import FILES, RESULT, RULES, WHAT, WORK
from sshbench.contamination import BENCHMARKS
from sshbench.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from sshbench.evaluation.result import Evaluation
    from sshbench.protocols import Protocol

_MOST_DETECTIONS = 2_000_000  # more of them would take long, and over 100 bytes each

_EPILOG = """Examples:

  sshbench eval --dataset wider --data ~/WIDER --predictions my_detections.zip

  sshbench eval --dataset sample --detector haar --out runs/haar

  sshbench eval --dataset yolo --data ~/my-faces --detector yunet

The run of a detector is kept in a folder. Killed at any moment, the same command resumes it.

Predictions, one row each (`sshbench data formats` shows whole files):

  wider   folder or zip, <event>/<image>.txt: name, count, then x y w h score

  fddb    text file or folder: name, count, then x y w h score or major minor angle x y score

  pascal  text file (PASCAL Faces, AFW): image score x1 y1 x2 y2

  coco    json: {"image_id": 1, "category_id": 1, "bbox": [x, y, w, h], "score": 0.9}

  yolo    folder or zip, <image>.txt: 0 cx cy w h score, relative to the image
"""


def eval_command(
    dataset: Annotated[
        str | None,
        typer.Option(
            help="wider, fddb, pascal, afw, coco, yolo, own or sample; default: the protocol's own.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the dataset, or its annotation file (not needed for sample).", rich_help_panel=WHAT
        ),
    ] = None,
    images: ImagesOption = None,
    split: SplitOption = None,
    face_class: FaceClassOption = None,
    detectors: Annotated[
        list[str] | None,
        typer.Option(
            "--detector",
            help="Detector to run, of `sshbench detectors list`; path/to/model.py:NAME or module:NAME, a model of your "
            "own; or replay:FILE, a prediction set.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Folder or zip of WIDER or YOLO files; FDDB's text file or folder; PASCAL's or AFW's text file; "
            "COCO results .json; or a run's folder. `sshbench data formats` shows their forms.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Protocol by name, or the path of a .toml file.", rich_help_panel=RULES)
    ] = None,
    iou: Annotated[
        Literal["double", "int32"] | None,
        typer.Option(
            help="IoU arithmetic: double (official tool since 2019) or int32 (2017 and 2018).", rich_help_panel=RULES
        ),
    ] = None,
    matching: Annotated[
        Literal["official", "optimal"] | None,
        typer.Option(help="FDDB: the official tool's own solver, or the best assignment.", rich_help_panel=RULES),
    ] = None,
    fit_ellipse: Annotated[
        bool,
        typer.Option(
            "--fit-ellipse", help="FDDB: turn rectangles into ellipses by a rule fitted on FDDB.", rich_help_panel=RULES
        ),
    ] = False,
    coco_backend: Annotated[
        Literal["hotcoco", "pycocotools"] | None,
        typer.Option(
            help="COCO: the library that computes; both give the same figures. Default: hotcoco.", rich_help_panel=RULES
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N images.", rich_help_panel=WHAT)] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder of the run. Default for a detector: runs/<dataset>-<detector>-<key>.",
            rich_help_panel=RESULT,
        ),
    ] = None,
    export_predictions: Annotated[
        Path | None, typer.Option(help="Write the detections as an official submission zip.", rich_help_panel=RESULT)
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--overwrite", help="Go on with the run in --out, or throw it away.", rich_help_panel=WORK
        ),
    ] = True,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict/--lenient",
            help="A repaired prediction file or a damaged image is an error.",
            rich_help_panel=WORK,
        ),
    ] = False,
    box_format: Annotated[
        Literal["xywh", "xyxy", "cxcywh"] | None,
        typer.Option(
            help="Boxes of prediction files: x y w h, x1 y1 x2 y2, or centre w h. Default: the format's.",
            rich_help_panel=FILES,
        ),
    ] = None,
    category: Annotated[
        int | None, typer.Option(help="COCO results: category_id of faces.", rich_help_panel=FILES)
    ] = None,
    sizes: Annotated[
        Path | None,
        typer.Option(
            help="YOLO's files: list of image sizes, 'name width height' in each line.", rich_help_panel=FILES
        ),
    ] = None,
    only_listed: Annotated[
        bool,
        typer.Option(
            "--only-listed", help="Evaluate only the images that the predictions have.", rich_help_panel=FILES
        ),
    ] = False,
    on_error: OnErrorOption = None,
    image_timeout: ImageTimeoutOption = 600,
    workers: WorkersOption = None,
    batch: BatchOption = 1,
    cluster: ClusterOption = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N|auto",
            help="Only part K of N, into a folder of its own below --out; auto: by torchrun's or SLURM's variables. "
            "`sshbench merge` joins the parts.",
            rich_help_panel=WORK,
        ),
    ] = None,
    allow_unfinished: Annotated[
        bool,
        typer.Option(
            "--allow-unfinished", help="Evaluate an unfinished run; the result is marked.", rich_help_panel=WORK
        ),
    ] = False,
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
    trained_on: Annotated[
        str | None,
        typer.Option(
            help="Benchmarks whose training images the model saw, separated by commas, or none: for predictions and "
            "for weights of your own. Results on them are marked as in domain.",
            rich_help_panel=RESULT,
        ),
    ] = None,
    with_intervals: Annotated[
        bool,
        typer.Option(
            "--intervals/--no-intervals",
            help="Say how sure the figures are, by resampling images.",
            rich_help_panel=RESULT,
        ),
    ] = True,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=FRACTION",
            help="Exit with 1 where a figure is lower: AP/hard=0.80 (repeatable).",
            rich_help_panel=RESULT,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.", rich_help_panel=RESULT)
    ] = False,
) -> None:
    """Evaluate a detector or predictions by an official protocol."""
    detector = one_detector(detectors)
    if (detector is None) == (predictions is None):
        raise UsageError("give either --detector or --predictions", remedy="`sshbench eval --help` has examples")
    options: dict[str, Any] = {
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
    given = ["--" + name.replace("_", "-") for name, value in options.items() if value is not None]
    given += ["--set"] if assignments else []
    given += [f"--{name}" for name, value in (("workers", workers), ("cluster", cluster), ("shard", shard)) if value]
    given += ["--batch"] if batch != 1 else []
    if predictions is not None and given:
        raise UsageError(f"{', '.join(sorted(given))} are options of --detector")
    rules = _with_numbers(
        chosen_protocol(dataset, protocol, images=images, split=split, face_class=face_class),
        iou_arithmetic=iou,
        matching=matching,
        fit_ellipse=fit_ellipse or None,
        backend=coco_backend,
    )
    seen = benchmarks_of(trained_on)
    if predictions is not None:
        from sshbench.evaluation.api import evaluate  # here, as below: each loads a good deal

        evaluation = evaluate(
            dataset or rules,
            predictions,
            data=data,
            protocol=rules,
            trained_on=seen,
            limit=limit,
            out=out,
            overwrite=not resume,
            strict=strict,
            box_format=box_format,
            category=category,
            sizes=sizes,
            only_listed=only_listed,
            allow_unfinished=allow_unfinished,
            progress=not as_json,
        )
    else:
        from sshbench.benchmark import run

        evaluation = run(
            str(detector),
            dataset or rules,
            data=data,
            protocol=rules,
            out=out,
            settings=given_settings(assignments, options),
            limit=limit,
            trained_on=seen,
            overwrite=not resume,
            strict=strict,
            on_error=on_error,
            image_timeout=image_timeout or None,
            workers=workers_of(workers),
            batch=batch,
            cluster=cluster,
            shard=shard,
            progress=not as_json,
        )
        if (workers is not None or batch > 1) and not as_json:
            _show_plan(evaluation)
    if export_predictions is not None:
        export(evaluation, export_predictions)
    show(evaluation, as_json=as_json, with_intervals=with_intervals)
    if fail_under:
        _check_floors(evaluation, fail_under)


def _check_floors(evaluation: Evaluation, floors: list[str]) -> None:
    from sshbench.answers.gates import failed_floors

    if failed := failed_floors(evaluation, floors):
        raise CheckFailedError(
            "; ".join(failed), remedy="The figure itself is tested; `sshbench compare` tests differences"
        )


def _with_numbers(protocol: Protocol, **numbers: object) -> Protocol:
    """Return a protocol with other numbers where the user gave any."""
    changes = {name: value for name, value in numbers.items() if value is not None}
    return protocol.with_evaluation(**changes) if changes else protocol


def benchmarks_of(names: str | None) -> tuple[str, ...] | None:
    """Return the benchmarks that a user names, sorted; None where nothing was said.

    Raises:
        UsageError: One is unknown.

    >>> benchmarks_of("wider,fddb"), benchmarks_of("none")
    (('fddb', 'wider'), ())
    """
    if names is None or names == "none":
        return None if names is None else ()
    given = sorted({name.strip() for name in names.split(",")})
    if unknown := sorted(set(given) - set(BENCHMARKS)):
        raise UsageError(f"--trained-on: unknown '{unknown[0]}'", remedy=f"Known: none, {', '.join(BENCHMARKS)}")
    return tuple(given)


def _show_plan(evaluation: Evaluation) -> None:
    """Say on standard error how the work was shared in the last session."""
    from sshbench.inference.parallel import Plan
    from sshbench.runs import open_run

    assert evaluation.folder is not None
    with open_run(evaluation.folder) as run:
        for plan in run.plans()[-1:]:
            typer.echo(Plan(**plan), err=True)


def export(evaluation: Evaluation, path: Path) -> None:
    """Write the detections as an official submission zip of WIDER FACE."""
    from sshbench.formats.wider import write_wider

    write_wider(path, zip(evaluation.detections.keys, evaluation.detections, strict=True))


def show(evaluation: Evaluation, *, as_json: bool, with_intervals: bool = False) -> None:
    """Print the result: one JSON object for machines, or a table for people."""
    too_many = evaluation.detections.total > _MOST_DETECTIONS
    intervals = evaluation.intervals(jackknife=False) if with_intervals and not too_many else None
    if as_json:
        from sshbench.cli.printing import print_json

        if intervals is None:
            print_json(evaluation.record)
            return
        from sshbench.evaluation.record import EvaluationOutput

        print_json(EvaluationOutput(**evaluation.record.model_dump(), intervals=dict(intervals)))
        return
    from sshbench.cli.tables import print_evaluation

    print_evaluation(evaluation, intervals)
    if with_intervals and too_many:
        typer.echo(f"No intervals over {_MOST_DETECTIONS:,} detections; `sshbench analyze` computes them", err=True)


eval_command.__doc__ = f"{eval_command.__doc__}\n\n{_EPILOG}"
