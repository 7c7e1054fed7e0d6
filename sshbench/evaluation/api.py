"""Evaluate predictions in one call."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy.typing as npt

from sshbench.datasets.base import Dataset
from sshbench.errors import SshbenchError, UsageError
from sshbench.evaluation.benchmarks import benchmark_of
from sshbench.evaluation.core import evaluate_set
from sshbench.evaluation.loading import load_benchmark, load_predictions
from sshbench.evaluation.origin import check_origin
from sshbench.evaluation.plausibility import suspicions
from sshbench.evaluation.result import Evaluation
from sshbench.evaluation.storing import evaluate_run, keep
from sshbench.files import printable
from sshbench.formats import set_name
from sshbench.formats.box_formats import BoxFormat
from sshbench.interop import to_numpy
from sshbench.progress import progress_bar
from sshbench.protocols import Protocol
from sshbench.records import Detections, DetectionSet, Finding
from sshbench.runs import is_run, open_run

Prediction = Detections | tuple[npt.ArrayLike, npt.ArrayLike]
"""The detections of one image: `Detections`, or a pair of boxes (n, 4) and scores (n,)."""


def evaluate(
    dataset: str | Path | Protocol | Dataset,
    predictions: Mapping[str, Prediction] | DetectionSet | str | Path,
    *,
    data: str | Path | None = None,
    protocol: str | Path | Protocol | None = None,
    detector: str | None = None,
    trained_on: Sequence[str] | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    strict: bool = False,
    box_format: BoxFormat | None = None,
    category: int | None = None,
    sizes: str | Path | None = None,
    only_listed: bool = False,
    allow_unfinished: bool = False,
    progress: bool = False,
) -> Evaluation:
    """Evaluate predictions by a benchmark's official protocol.

    Args:
        dataset: Name of a dataset (`wider`, `fddb`, `pascal`, `afw`, `coco`, `sample`), path of a protocol file,
            protocol, or loaded dataset.
        predictions: By image key, boxes and scores: numbers (n, 4), corners x1, y1, x2, y2 in pixels of the original
            image with x2 = x1 + w and y2 = y1 + h, and numbers (n,), higher is more certain. Or a `DetectionSet`, the
            path of prediction files in the benchmark's format, or the folder of a run.
        data: The dataset's folder, where it is not loaded and not bundled.
        protocol: The rules; default: the dataset's own.
        detector: Name that the result carries; default: that of the file or run, else `detections`.
        trained_on: Benchmarks whose training images the model saw; empty: none of them; None: unknown.
        limit: Only the first images.
        out: Folder that keeps the result as a run.
        overwrite: Replace another run in that folder.
        strict: Raise an error instead of repairing and reporting what prediction files have wrong.
        box_format: What the four numbers of a box in prediction files are: `xywh`, `xyxy` or `cxcywh` (centre); None:
            what the format says.
        category: For COCO results: the `category_id` of faces; None: that of the dataset.
        sizes: For YOLO's files: list of image sizes, `name width height` per line; default: from the images.
        only_listed: Evaluate only the images that the predictions have; the result is marked as one of a part.
        allow_unfinished: Evaluate what an unfinished run holds.
        progress: Draw a progress bar where standard error is a terminal.

    Returns:
        The result. Images without a prediction count as images without detections, and a warning says so.

    Raises:
        UsageError: No prediction is of an image of the dataset, or dataset or protocol are unknown.
        MissingDataError: Annotations or prediction files are missing; the text says where to get them.
        InputError: A file has an invalid line or field; the text names it.

    >>> import sshbench
    >>> result = sshbench.evaluate("sample", {"1--Group/1_Group_sample_1_1": ([[10, 20, 50, 70]], [0.9])})
    >>> result.record.detections, result.ap["hard"]
    (1, 0.0)
    """
    started = time.perf_counter()
    whole, rules = load_benchmark(dataset, data, protocol)
    images = whole if limit is None else whole.limited(limit)
    source = detector or "detections"
    if isinstance(predictions, str | Path):
        path = Path(predictions).expanduser()
        source = printable(path.name)
        if is_run(path):
            evaluation = _of_run(path, images, rules, allow_unfinished, trained_on, started, progress)
            return evaluation if out is None else _kept(evaluation, out, source, box_format, overwrite)
        with progress_bar(source, len(images), "files", enabled=progress) as bar:
            detections, findings = load_predictions(
                path,
                images,
                benchmark_of(rules),
                strict=strict,
                box_format=box_format,
                category=category,
                sizes=None if sizes is None else Path(sizes).expanduser(),
                progress=bar.update,
            )
    else:
        detections = as_detection_set(predictions)
        findings = suspicions(detections, images.faces, set())
    if only_listed:
        images, findings = _listed(images, detections, findings)
    with progress_bar("evaluation", len(images), "images", enabled=progress) as bar:
        evaluation = evaluate_set(
            detections,
            images,
            rules,
            detector=detector or set_name(Path(source)),
            findings=findings,
            trained_on=trained_on,
            started=started,
            progress=bar.update,
        )
    return evaluation if out is None else _kept(evaluation, out, source, box_format, overwrite)


def _listed(images: Dataset, detections: DetectionSet, findings: list[Finding]) -> tuple[Dataset, list[Finding]]:
    """Return the part of a dataset that predictions are of, and the findings without those on the other images."""
    absent = {name.removesuffix(".txt") for one in findings if one.code in _ABSENT for name in one.files}
    listed = images.restricted(set(detections.keys) - absent)
    kept = [finding for finding in findings if finding.code not in _ABSENT]
    if len(listed) < len(images):
        text = (
            f"only the {len(listed)} of {len(images)} images that the predictions have were evaluated (--only-listed): "
            "these figures are of this part and compare with no published ones"
        )
        kept.append(Finding("part-of-dataset", text))
    return listed, kept


_ABSENT = ("missing-file", "missing-image")


def _of_run(
    folder: Path,
    images: Dataset,
    rules: Protocol,
    allow_unfinished: bool,
    trained_on: Sequence[str] | None,
    started: float,
    progress: bool,
) -> Evaluation:
    with open_run(folder) as run:
        if run.identity.dataset != images.name:
            raise UsageError(f"the run in {folder} is of dataset '{run.identity.dataset}', not '{images.name}'")
        if run.identity.split != images.split:
            raise UsageError(
                f"the run in {folder} is of the images of {images.name} {run.identity.split}, not {images.split}",
                remedy="Evaluate a run on the split that it was made on; the faces of WIDER FACE test are not public",
            )
        check_origin(run, images, rules)
        findings: list[Finding] = []
        if run.identity.images < images.total_images:
            text = f"the run covers {run.identity.images} of {images.total_images} images"
            findings.append(Finding("part-of-dataset", text))
        with progress_bar("evaluation", min(run.stored(), len(images)), "images", enabled=progress) as bar:
            evaluation = evaluate_run(
                run,
                images,
                rules,
                allow_unfinished=allow_unfinished,
                findings=findings,
                trained_on=trained_on,
                started=started,
                progress=bar.update,
            )
        return evaluation.kept_in(folder)


def _kept(
    evaluation: Evaluation, out: str | Path, source: str, box_format: BoxFormat | None, overwrite: bool
) -> Evaluation:
    settings = {"predictions": source, "box_format": box_format or "xywh"}
    return keep(evaluation, Path(out).expanduser(), settings=settings, overwrite=overwrite)


def as_detection_set(predictions: Mapping[str, Prediction] | DetectionSet) -> DetectionSet:
    """Return predictions by image as one set.

    Raises:
        UsageError: The prediction of an image is not `Detections` or a pair of boxes and scores; the text names it.
    """
    if isinstance(predictions, DetectionSet):
        return predictions
    return DetectionSet.from_images((key, as_detections(key, one)) for key, one in predictions.items())


def as_detections(key: str, prediction: Prediction) -> Detections:
    """Return the prediction of one image as `Detections`.

    Raises:
        UsageError: It is something else; the text names the image.
    """
    if isinstance(prediction, Detections):
        return prediction
    if not isinstance(prediction, tuple | list) or len(prediction) != 2:
        raise UsageError(
            f"image '{key}': expected a pair of boxes and scores, got {type(prediction).__name__}",
            remedy="Pass (boxes, scores): numbers (n, 4), corners x1 y1 x2 y2, and numbers (n,)",
        )
    boxes, scores = prediction
    try:
        return Detections(to_numpy(boxes), to_numpy(scores))
    except SshbenchError as error:
        raise UsageError(f"image '{key}': {error.message}", remedy=error.remedy) from error
