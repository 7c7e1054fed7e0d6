"""Image files of a dataset and their labels: do they fit together, and can every image be read?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sshbench.datasets.base import Dataset
from sshbench.datasets.label_kinds import LabelIssue
from sshbench.datasets.pictures import unlisted_images
from sshbench.errors import SshbenchError
from sshbench.formats.places import Place
from sshbench.image_findings import findings_of
from sshbench.images import Size, file_part, read_identified
from sshbench.records import ImageRecord

_LABEL = "unmatched-label"  # its files are labels, those of other findings are images


@dataclass(frozen=True, slots=True)
class ImageFile:
    """The file of one image.

    Attributes:
        size: Width and height as a detector gets the image; None where there is no file, or none that can be read.
        content: What `read_identified` says of the file; empty where it cannot be read.
        error: Why it cannot be read; empty where it can, or is not there.
    """

    size: Size | None = None
    content: str = ""
    error: str = ""


def image_issues(
    dataset: Dataset, progress: Callable[[int], None] | None = None
) -> tuple[list[ImageFile], list[LabelIssue]]:
    """Read the images of a dataset.

    Returns:
        The file of each image, in the dataset's order; and what is suspicious about images.
    """
    present = set(dataset.images_present())
    files: list[ImageFile] = []
    for i, record in enumerate(dataset):
        files.append(_read(record) if i in present else ImageFile())
        if progress is not None:
            progress(1)
    issues: list[LabelIssue] = []
    if not present:
        issues.append(LabelIssue.of("no-images", Place(dataset.image_root or dataset.root)))
    first: dict[str, str] = {}
    for i, (record, file) in enumerate(zip(dataset, files, strict=True)):
        if i in present:
            issues += _of_file(record, file, first)
        elif present:
            place = Place(_path(dataset, dataset.file_name(record.key)))
            issues.append(LabelIssue.of("missing-image", place, image=record.key))
    return files, [*issues, *_of_loading(dataset)]


def _of_file(record: ImageRecord, file: ImageFile, first: dict[str, str]) -> list[LabelIssue]:
    """Return what is suspicious about a file that is there.

    Args:
        record: The image.
        file: What was read of it.
        first: By content, the first image of it; this one is added.
    """
    assert record.path is not None
    place = Place(record.path)
    if file.size is None:
        return [LabelIssue.of("unreadable-image", place, image=record.key, value=file.error)]
    found: list[LabelIssue] = []
    if record.annotated is not None and record.annotated != file.size:
        value = f"{file.size[0]}x{file.size[1]}, annotated {record.annotated[0]}x{record.annotated[1]}"
        found.append(LabelIssue.of("size-mismatch", place, image=record.key, value=value))
    for finding in findings_of({record.key: file.content}):
        by_size = finding.code == "orientation" and file.content != file_part(file.content)
        if finding.code in ("damaged-image", "orientation") and not by_size:
            found.append(LabelIssue.of(finding.code, place, image=record.key))
    same = first.setdefault(file_part(file.content), record.key)
    if same != record.key:
        found.append(LabelIssue.of("duplicate-image", place, image=record.key, value=f"as {same}"))
    return found


def _of_loading(dataset: Dataset) -> list[LabelIssue]:
    """Return what the loader left out, file by file, and the images that the annotation does not name."""
    codes = {
        "unreadable-image": "unreadable-image",
        "missing-image": "missing-image",
        "unlabelled-image": "unlabelled-image",
        _LABEL: "missing-image",
    }
    issues = [
        LabelIssue.of(codes[finding.code], Place(Path(file) if finding.code == _LABEL else _path(dataset, file)))
        for finding in dataset.findings
        for file in finding.files
        if finding.code in codes
    ]
    unlisted = unlisted_images(dataset)
    return [*issues, *(LabelIssue.of("unlabelled-image", Place(_path(dataset, file))) for file in unlisted)]


def _path(dataset: Dataset, file: str) -> Path:
    return (dataset.image_root or dataset.root) / file


def _read(record: ImageRecord) -> ImageFile:
    assert record.path is not None
    try:
        image, content = read_identified(record.path, upright=record.upright, annotated=record.annotated)
    except SshbenchError as error:
        return ImageFile(error=error.message)
    return ImageFile((image.shape[1], image.shape[0]), content)
