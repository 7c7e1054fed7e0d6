"""Convert ground truth and detections between WIDER text, FDDB, PASCAL Faces and AFW, COCO json and YOLO text.

Each format is one module with a `FORMAT`; to add one, write its module and list it here. Every writer reports what its
format could not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from sshbench.display import short_repr
from sshbench.errors import UsageError, did_you_mean
from sshbench.formats import coco_truth as coco_json
from sshbench.formats import fddb as fddb_text
from sshbench.formats import pascal as pascal_text
from sshbench.formats import wider_truth as wider_text
from sshbench.formats import yolo as yolo_text
from sshbench.formats.base import read_size_list
from sshbench.formats.content import Content, Format, Known
from sshbench.records import DetectionSet, FaceSet

__all__ = ["FORMATS", "Conversion", "Known", "convert", "known_of", "truth_format_of"]

_ALL = (
    wider_text.FORMAT,
    fddb_text.FORMAT,
    pascal_text.FORMAT,
    coco_json.FORMAT,
    yolo_text.FORMAT,
)
FORMATS: dict[str, Format] = {name: format_ for format_ in _ALL for name in format_.names}
"""Formats by each of their names."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The result of a conversion.

    Attributes:
        images: Number of images.
        rows: Number of faces or detections.
        losses: What the target could not hold, one sentence each; empty where nothing was lost.
    """

    __repr__ = short_repr

    images: int
    rows: int
    losses: tuple[str, ...]


def convert(
    source: str | Path,
    target: str | Path,
    *,
    source_format: str,
    target_format: str,
    detections: bool = False,
    known: Known | None = None,
    overwrite: bool = False,
) -> Conversion:
    r"""Convert a file or folder of ground truth, or of detections.

    Args:
        source: What to read.
        target: What to write.
        source_format: `wider`, `fddb`, `pascal`, `afw`, `coco` or `yolo`.
        target_format: One of the same.
        detections: Whether the source holds detections, not ground truth.
        known: What is known of the images beside the source.
        overwrite: Replace a target that exists.

    Raises:
        UsageError: There is no such format, the target exists, or the target needs something that is not known.
        MissingDataError: The source does not exist.
        InputError: The source is invalid; the text names the line or field.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     source, target = Path(folder, "truth.csv"), Path(folder, "truth.json")
    ...     _ = source.write_text("image,x1,y1,x2,y2,f4,ignore\na,10,5,30,25,0,0\n")
    ...     convert(source, target, source_format="pascal", target_format="coco")
    Conversion(images=1, rows=1, losses=())
    """
    source, target = Path(source).expanduser(), Path(target).expanduser()
    reader, writer = _format(source_format), _format(target_format)
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists already", remedy="Use --overwrite, or give another target")
    if target.exists() and target.resolve() == source.resolve():
        raise UsageError("source and target are the same", remedy="Give another target")
    known = known or Known()
    content: Content[FaceSet] | Content[DetectionSet]
    if detections:
        content = reader.read_detections(source, known)
        losses = writer.write_detections(content, target)
    else:
        content = reader.read_truth(source, known)
        losses = writer.write_truth(content, target)
    return Conversion(len(content.keys), content.rows.total, (*content.notes, *losses))


def known_of(
    *, truth: Path | None = None, truth_format: str | None = None, images: Path | None = None, sizes: Path | None = None
) -> Known:
    """Gather what is known of the images.

    Args:
        truth: Ground truth of the same images.
        truth_format: Its format; None takes the one that the file's name tells.
        images: Folder of the images, for their sizes.
        sizes: List of sizes, one line `name width height` per image.

    Raises:
        UsageError: There is no such format, or the name of the ground truth tells none.
        MissingDataError: A file does not exist.
        InputError: A file is invalid.
    """
    known = Known(images=images, sizes={} if sizes is None else read_size_list(sizes))
    if truth is None:
        return known
    return Known(_format(truth_format or truth_format_of(truth)).read_truth(truth, known), images, known.sizes)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise UsageError(f"there is no format '{name}'", remedy=did_you_mean(name, FORMATS))
    return FORMATS[name]


def truth_format_of(path: Path) -> str:
    """Return the name of the format that ground truth in a file or folder of this name is in.

    Raises:
        UsageError: The name says nothing of the format.

    >>> truth_format_of(Path("FDDB-fold-01-ellipseList.txt")), truth_format_of(Path("val.json.gz"))
    ('fddb', 'coco')
    """
    name = path.name.lower().removesuffix(".gz") + "/" * path.is_dir()
    fitting = [
        (len(pattern), format_.names[0])
        for format_ in _ALL
        for pattern in format_.truth_files
        if fnmatchcase(name, pattern)
    ]
    if not fitting:
        raise UsageError(f"the name {path} does not tell the format", remedy="Give it with --truth-format")
    return max(fitting)[1]
