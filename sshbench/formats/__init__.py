"""Read and write files of detections and of ground truth, one module per format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from sshbench.errors import CheckFailedError
from sshbench.formats.base import Images
from sshbench.records import DetectionSet, Finding


def format_of(path: Path, kind: str) -> str:
    """Return the format of a file of detections: `wider`, `fddb`, `pascal` or `coco`.

    A folder or a zip has WIDER FACE's format, a json file has COCO's, and a text file has that of the benchmark.

    Args:
        path: The file or folder.
        kind: The protocol's kind of evaluation.

    >>> format_of(Path("results.json"), "wider"), format_of(Path("dets.txt.gz"), "fddb")
    ('coco', 'fddb')
    """
    if path.name.removesuffix(".gz").endswith(".json"):
        return "coco"
    if path.is_dir() or path.suffix == ".zip":
        return "wider"
    return kind


def set_name(path: Path) -> str:
    """Return the name of a prediction set: its file's name without endings.

    >>> set_name(Path("mtcnn.txt.gz")), set_name(Path("ssh-v1.2.zip"))
    ('mtcnn', 'ssh-v1.2')
    """
    return re.sub(r"\.(zip|(txt|json)(\.gz)?|gz)$", "", path.name)


def read_predictions(
    path: Path,
    dataset: Images,
    kind: str,
    *,
    strict: bool = False,
    box_format: Literal["xywh", "xyxy"] = "xywh",
    progress: Callable[[int], None] | None = None,
) -> tuple[DetectionSet, list[Finding]]:
    """Read the detections of a dataset, or of a part of it, from a file of any format.

    Args:
        path: The file or folder.
        dataset: The dataset, or whatever knows the names of its images.
        kind: The protocol's kind of evaluation, which is the format of a text file.
        strict: Raise instead of reporting what was found.
        box_format: For WIDER FACE's files: what columns 3 and 4 are.
        progress: For WIDER FACE's files: called with the number of files of each batch that was read.

    Returns:
        The detections of the dataset's images, in its order, then of images that it does not have; and the findings.

    Raises:
        MissingDataError: There is no such file, or none in the folder belongs to the dataset.
        InputError: A line or an entry is invalid; the text names it.
        CheckFailedError: `strict`, and there was something to report.
    """
    format_ = format_of(path, kind)
    if format_ == "wider":
        from sshbench.formats.wider import read_wider

        return read_wider(
            path,
            dataset.keys,
            known_keys=dataset.all_keys,
            box_format=box_format,
            strict=strict,
            progress=progress,
        )
    read, findings = read_text_predictions(format_, path, dataset.all_keys, image_ids=dataset.image_ids, strict=strict)
    if len(dataset.keys) < len(dataset.all_keys):
        known = set(dataset.all_keys)
        read = read.aligned((*dataset.keys, *(key for key in read.keys if key not in known)))
    return read, findings


def read_text_predictions(
    format_: str,
    path: Path,
    keys: Sequence[str],
    *,
    image_ids: Mapping[int | str, str] | None = None,
    strict: bool = False,
) -> tuple[DetectionSet, list[Finding]]:
    """Read one file that holds the detections of all images.

    Args:
        format_: `fddb`, `pascal` or `coco`.
        path: The file.
        keys: Image keys of the dataset, in order.
        image_ids: Keys by the ids of the dataset's COCO json.
        strict: Raise instead of reporting what was found.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line or an entry is invalid; the text names it.
        CheckFailedError: `strict`, and there was something to report.
    """
    if format_ == "fddb":
        from sshbench.formats.fddb import read_fddb

        detections, findings = read_fddb(path, keys)
    elif format_ == "coco":
        from sshbench.formats.coco import read_coco_results

        detections, findings = read_coco_results(path, keys, image_ids)
    else:
        from sshbench.formats.pascal import read_pascal

        detections, findings = read_pascal(path, keys)
    if strict and findings:
        listed = "; ".join(f"{finding.code}: {finding}" for finding in findings)
        raise CheckFailedError(f"strict mode: {path}: {listed}", remedy="Fix the file or use --lenient")
    return detections, findings
