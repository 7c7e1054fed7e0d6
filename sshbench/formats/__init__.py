"""Read and write files of detections and of ground truth, one module per format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sshbench.errors import CheckFailedError
from sshbench.files import FileTree, printable
from sshbench.formats.base import Images
from sshbench.formats.box_formats import BoxFormat
from sshbench.records import DetectionSet, Finding


def format_of(path: Path, kind: str, tree: FileTree | None = None) -> str:
    """Return the format of detections: `wider`, `fddb`, `pascal`, `coco` or `yolo`.

    A json file has COCO's format, and a text file that of the benchmark. A folder or a zip has WIDER FACE's format,
    YOLO's where its rows are numbers between 0 and 1, or FDDB's where its files hold many images each.

    Args:
        path: The file or folder.
        kind: The protocol's kind of evaluation.
        tree: The files of the folder or zip, where they are listed already.

    >>> format_of(Path("results.json"), "wider"), format_of(Path("dets.txt.gz"), "fddb")
    ('coco', 'fddb')
    """
    if path.name.removesuffix(".gz").endswith(".json"):
        return "coco"
    if not path.is_dir() and path.suffix != ".zip":
        return kind
    from sshbench.formats.fddb import holds_folds
    from sshbench.formats.yolo import is_yolo

    if tree is not None or path.exists():
        tree = tree or FileTree(path)
        if is_yolo(tree):
            return "yolo"
        if kind == "fddb" and holds_folds(tree):
            return "fddb"
    return "wider"


def set_name(path: Path) -> str:
    """Return the name of a prediction set: its file's name without endings.

    >>> set_name(Path("mtcnn.txt.gz")), set_name(Path("ssh-v1.2.zip"))
    ('mtcnn', 'ssh-v1.2')
    """
    return re.sub(r"\.(zip|(txt|json)(\.gz)?|gz)$", "", printable(path.name))


def read_predictions(
    path: Path,
    dataset: Images,
    kind: str,
    *,
    strict: bool = False,
    box_format: BoxFormat | None = None,
    category: int | None = None,
    sizes: Callable[[Sequence[str]], Mapping[str, tuple[int, int]]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[DetectionSet, list[Finding]]:
    """Read the detections of a dataset, or of a part of it, from a file of any format.

    Args:
        path: The file or folder.
        dataset: The dataset, or whatever knows the names of its images.
        kind: The protocol's kind of evaluation, which is the format of a text file.
        strict: Raise instead of reporting what was found.
        box_format: What the four numbers of a box are; None: what the format says.
        category: For COCO results: the `category_id` of faces; None: that of the dataset.
        sizes: For YOLO's files, whose numbers are relative: returns width and height of images by their keys.
        progress: For WIDER FACE's files: called with the number of files of each batch that was read.

    Returns:
        The detections of the dataset's images, in its order, then of images that it does not have; and the findings.

    Raises:
        MissingDataError: There is no such file, or none in the folder belongs to the dataset.
        InputError: A line or an entry is invalid, or nothing could be read; the text names it.
        CheckFailedError: `strict`, and there was something to report.
    """
    tree = FileTree(path) if path.is_dir() or path.suffix == ".zip" else None
    format_ = format_of(path, kind, tree)
    if format_ == "wider":
        from sshbench.formats.wider import read_wider, refuse_unreadable

        read, findings = read_wider(
            path,
            dataset.keys,
            known_keys=dataset.all_keys,
            box_format=box_format or "xywh",
            strict=strict,
            progress=progress,
            tree=tree,
        )
        refuse_unreadable(path, read, findings)
        return read, findings
    if format_ == "yolo":
        from sshbench.formats.yolo import read_yolo

        read, findings = read_yolo(path, dataset.keys, sizes)
        if strict:
            refuse_findings(path, findings)
        return read, findings
    read, findings = read_text_predictions(
        format_,
        path,
        dataset.all_keys,
        image_ids=dataset.image_ids,
        strict=strict,
        box_format=box_format,
        category=category,
        categories=getattr(dataset, "categories", None),
    )
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
    box_format: BoxFormat | None = None,
    category: int | None = None,
    categories: Mapping[int | str, str] | None = None,
) -> tuple[DetectionSet, list[Finding]]:
    """Read one file that holds the detections of all images.

    Args:
        format_: `fddb`, `pascal` or `coco`.
        path: The file.
        keys: Image keys of the dataset, in order.
        image_ids: Keys by the ids of the dataset's COCO json.
        strict: Raise instead of reporting what was found.
        box_format: What the four numbers of a box are; None: what the format says.
        category: For COCO results: the `category_id` of faces; None: that of the dataset.
        categories: Names of the categories of the dataset's COCO json by id, the first that of faces.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line or an entry is invalid; the text names it.
        CheckFailedError: `strict`, and there was something to report.
    """
    if format_ == "fddb":
        from sshbench.formats.fddb import read_fddb

        detections, findings = read_fddb(path, keys, box_format=box_format)
    elif format_ == "coco":
        from sshbench.formats.coco import read_coco_results

        detections, findings = read_coco_results(
            path, keys, image_ids, box_format=box_format, category=category, categories=categories
        )
    else:
        from sshbench.formats.pascal import read_pascal

        detections, findings = read_pascal(path, keys, box_format=box_format)
    if strict:
        refuse_findings(path, findings)
    return detections, findings


def refuse_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Raise an error if there is any finding, as strict mode does.

    Raises:
        CheckFailedError: There is one; the text lists all.
    """
    if findings:
        listed = "; ".join(f"{finding.code}: {finding}" for finding in findings)
        raise CheckFailedError(f"strict mode: {path}: {listed}", remedy="Fix the file or use --lenient")
