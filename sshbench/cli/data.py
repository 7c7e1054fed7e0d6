"""`sshbench data`: download datasets, check them and convert their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sshbench.cli.dataset_options import FaceClassOption, ImagesOption, SplitOption, chosen_protocol
from sshbench.cli.panels import App

if TYPE_CHECKING:
    from sshbench.datasets.check import CheckItem
    from sshbench.datasets.submission import Submission
    from sshbench.protocols import Protocol

data_app = App(help="Download datasets and check that they are complete.", no_args_is_help=True)


@data_app.command("check")
def check_command(
    dataset: Annotated[
        str, typer.Argument(help="wider, fddb, pascal, afw, coco, yolo, own, sample, or a protocol .toml.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder of the dataset, or its annotation file (not needed for sample).")
    ] = None,
    images: ImagesOption = None,
    split: SplitOption = None,
    face_class: FaceClassOption = None,
    labels: Annotated[bool, typer.Option("--labels", help="List suspicious annotations and read all images.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Check that a dataset is complete, by the official counts.

    Says what is missing and where to get it.

    Exit code 1 where something is missing or wrong that the protocol needs; with --labels, where a label is in error.

    Example:

      sshbench data check wider --data ~/WIDER

      sshbench data check yolo --data ~/my-faces --labels
    """
    from sshbench.evaluation.check import check_dataset

    protocol = chosen_protocol(dataset, images=images, split=split, face_class=face_class)
    if labels:
        _check_labels(protocol, data, as_json=as_json)
        return
    report = check_dataset(protocol, data)
    if as_json:
        from sshbench.cli.outputs import DataCheckOutput
        from sshbench.cli.printing import print_json

        print_json(DataCheckOutput(dataset=report.dataset, root=str(report.root), ok=report.ok, items=report.items))
    else:
        print_items(report.items, "MISSING", "absent ")
        needed = "everything that the protocol needs is there" if report.ok else "not usable yet: see above"
        typer.echo(f"{report.dataset} in {report.root}: {needed}")
    if not report.ok:
        raise typer.Exit(1)


def _check_labels(protocol: Protocol, data: Path | None, *, as_json: bool) -> None:
    """Print suspicious annotations.

    Raises:
        Exit: With code 1, where there are errors among them.
    """
    from sshbench.cli.label_output import output_of, show_labels
    from sshbench.cli.printing import print_json
    from sshbench.evaluation.label_check import check_annotation
    from sshbench.progress import progress_bar

    with progress_bar("labels", None, "images", enabled=not as_json) as bar:
        report = check_annotation(protocol, data, bar.update)
    if as_json:
        print_json(output_of(report))
    else:
        show_labels(report)
    if not report.ok:
        raise typer.Exit(1)


@data_app.command("check-submission")
def check_submission_command(
    submission: Annotated[Path, typer.Argument(help="The zip: <event>/<image>.txt for each image of the list.")],
    data: Annotated[Path, typer.Option(help="Folder of WIDER FACE, for the list of images.")],
    split: Annotated[str, typer.Option(help="test, val or train.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Check a submission to the server of WIDER FACE.

    One file per image of the list and no other, counts equal to the rows, plain finite numbers x y w h score, rows by
    falling score. Exit code 1 where something is wrong.

    Example:

      sshbench data check-submission submission.zip --data ~/WIDER
    """
    from sshbench.datasets.submission import check_submission

    show_submission(check_submission(submission, data=data, split=split), as_json=as_json)


def show_submission(submission: Submission, *, as_json: bool) -> None:
    """Print what was checked of a submission.

    Raises:
        Exit: With code 1, where the server could not take it.
    """
    if as_json:
        from sshbench.cli.outputs import SubmissionOutput
        from sshbench.cli.printing import print_json
        from sshbench.evaluation.record import StoredFinding

        print_json(
            SubmissionOutput(
                file=str(submission.path),
                split=submission.split,
                ok=submission.ok,
                images=submission.images,
                detections=submission.detections,
                items=submission.items,
                run=None if submission.run is None else str(submission.run),
                warnings=tuple(map(StoredFinding.of, submission.warnings)),
            )
        )
    else:
        from sshbench.flat import counted

        print_items(submission.items, "WRONG  ", "note   ")
        for warning in submission.warnings:
            typer.echo(f"warning: {warning}")
        size = f"{counted(submission.images, 'image')} of {submission.split}, {counted(submission.detections, 'row')}"
        verdict = "can be submitted" if submission.ok else "not usable yet: see above"
        typer.echo(f"{submission.path}: {size}: {verdict}")
        if submission.run is not None:
            typer.echo(f"run: {submission.run}")
    if not submission.ok:
        raise typer.Exit(1)


def print_items(items: Sequence[CheckItem], wrong: str, unneeded: str) -> None:
    """Print what was checked, one line each, with what to do where it is wrong.

    Args:
        items: What was checked.
        wrong: Mark of a needed thing that is wrong, 7 characters.
        unneeded: Mark of another thing that is wrong, 7 characters.
    """
    for item in items:
        typer.echo(f"{'ok     ' if item.ok else wrong if item.needed else unneeded}  {item.what}: {item.detail}")
        if item.remedy:
            typer.echo(f"         {item.remedy}")


@data_app.command("fetch")
def fetch_command(
    dataset: Annotated[str, typer.Argument(help="Dataset to fetch: wider.")],
    data: Annotated[Path, typer.Option(help="Folder of the dataset.")],
    part: Annotated[
        list[str] | None, typer.Option(help="Only this part (repeatable): split, eval_tools, val, train, test.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Download a dataset, check it and unpack it.

    The addresses are those that the dataset's own page names. An interrupted download resumes, and intact files are
    kept. Without --part, the parts that evaluation needs are fetched.

    Example:

      sshbench data fetch wider --data ~/WIDER --part split --part eval_tools
    """
    from collections.abc import Iterator
    from contextlib import contextmanager

    from sshbench.datasets.fetch import dataset_source, fetch_dataset
    from sshbench.download import Progress
    from sshbench.progress import progress_bar

    @contextmanager
    def bar(description: str, total: int | None) -> Iterator[Progress]:
        with progress_bar(description, total, "B", enabled=not as_json) as shown:
            yield shown.update

    if not as_json:
        typer.echo(dataset_source(dataset).terms)
    report = fetch_dataset(
        dataset, data, parts=part, progress=bar, on_file=None if as_json else lambda file: typer.echo(str(file))
    )
    if as_json:
        from dataclasses import asdict

        from sshbench.cli.outputs import DataFetchOutput
        from sshbench.cli.printing import print_json

        print_json(DataFetchOutput(**asdict(report)))
    else:
        typer.echo(f"Next: `sshbench data check {dataset} --data {data}` reports what is complete.")


PREDICTION_FORMS = """Predictions that `sshbench eval --predictions` reads:

wider    folder or zip, one file <event>/<image>.txt per image:
           0--Parade/0_Parade_1          name of the image, ignored
           2                             number of rows
           171.0 64.5 95.0 110.0 0.98    x y w h score, pixels
fddb     text file, or a folder or zip of such files (fold-01-out.txt ...), one block per image:
           2002/08/11/big/img_591        name of the image
           1                             number of rows
           171.0 64.5 95.0 110.0 0.98    x y w h score; or major minor angle x y score (ellipse, radians)
pascal   text file, one row per detection (PASCAL Faces and AFW):
           img_1.jpg 0.98 171.0 64.5 266.0 174.5    image score x1 y1 x2 y2
coco     json: [{"image_id": 1, "category_id": 1, "bbox": [171.0, 64.5, 95.0, 110.0], "score": 0.98}, ...]
yolo     folder or zip, one file <image>.txt per image, as Ultralytics writes them with save_txt and save_conf:
           0 0.436 0.234 0.176 0.220 0.98           class, centre, width and height (relative), score

WIDER, YOLO and COCO files are read for every benchmark. --box-format reads other boxes: xywh, xyxy or cxcywh (centre).
Names may differ from the dataset's in suffix, case, folders or backslashes. Text files may be .gz.
"""


@data_app.command("formats")
def formats_command() -> None:
    """Show the forms of all prediction formats.

    Example:

      sshbench data formats
    """
    typer.echo(PREDICTION_FORMS, nl=False)


@data_app.command("convert")
def convert_command(
    source: Annotated[Path, typer.Argument(help="File or folder to read.")],
    target: Annotated[Path, typer.Argument(help="File to write: a folder for YOLO, a .zip for WIDER detections.")],
    from_: Annotated[str, typer.Option("--from", help="wider, fddb, pascal, afw, coco or yolo.")],
    to: Annotated[str, typer.Option("--to", help="wider, fddb, pascal, afw, coco or yolo.")],
    detections: Annotated[bool, typer.Option("--detections", help="Convert detections, not ground truth.")] = False,
    truth: Annotated[
        Path | None, typer.Option(help="Ground truth of the same images, for names, sizes and COCO ids.")
    ] = None,
    truth_format: Annotated[str | None, typer.Option(help="Format of --truth (default: told by its name).")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of the images, for their sizes.")] = None,
    sizes: Annotated[Path | None, typer.Option(help="List of image sizes: 'name width height' in each line.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a target that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Convert ground truth or detections between formats.

    The command reports what the target format cannot represent.

    Example:

      sshbench data convert wider_face_val_bbx_gt.txt val.json --from wider --to coco --images WIDER_val/images

      sshbench data convert detections.txt results.json --from fddb --to coco --detections --truth fddb.json
    """
    from sshbench.formats.convert import convert, known_of

    known = known_of(truth=truth, truth_format=truth_format, images=images, sizes=sizes)
    done = convert(
        source, target, source_format=from_, target_format=to, detections=detections, known=known, overwrite=overwrite
    )
    what = "detections" if detections else "faces"
    if as_json:
        from sshbench.cli.outputs import DataConvertOutput
        from sshbench.cli.printing import print_json

        print_json(
            DataConvertOutput(
                target=str(target), images=done.images, detections=detections, rows=done.rows, losses=done.losses
            )
        )
        return
    typer.echo(f"{target}: {done.images} images, {done.rows} {what}")
    for loss in done.losses:
        typer.echo(f"note: {loss}")
    if not done.losses:
        typer.echo("nothing was lost")
