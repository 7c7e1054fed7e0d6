"""What is kept of a specification: the TOML file beside a result, and a picture to check it by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from sshbench.detectors.annotate import draw
from sshbench.detectors.contract import Detector
from sshbench.detectors.graphs.guess import NoGuessError
from sshbench.detectors.one_image import detect
from sshbench.errors import SshbenchError
from sshbench.files import write_atomic
from sshbench.images import read_image

SPEC_FILE = "spec.toml"
"""Name of the specification in the folder of a run."""
PICTURE = "spec-check.jpg"
"""Name of the picture beside it."""

_TRIED = 5  # images of which the first one with a detection is drawn


def keep_new(path: Path, text: str) -> Path:
    """Write a file that is never another one's: under a name with a number where the name is taken.

    Args:
        path: The wanted name.
        text: The content; a file that has it already is left as it is.

    Returns:
        The file that has the content.
    """
    for number in count(2):
        if not path.exists():
            return write_atomic(path, text)
        if path.is_file() and path.read_bytes() == text.encode():
            return path
        path = path.with_name(f"{path.stem.rpartition('~')[0] or path.stem}~{number}{path.suffix}")
    raise AssertionError("numbers do not end")


def draw_check(detector: Detector, images: Iterable[Path], path: Path) -> Path | None:
    """Draw the detections in an image, so that a user sees whether the specification is right.

    Args:
        detector: The detector.
        images: Images; drawn is the first one with a detection of `info.draw_threshold` and more, of five at most.
        path: The picture.

    Returns:
        The picture; None where no image can be read, or the detector fails on it.
    """
    import cv2

    best = None
    for _, image in zip(range(_TRIED), images, strict=False):
        try:
            pixels = read_image(image)
            found = detect(detector, pixels)
        except SshbenchError:  # the run reports it
            continue
        drawn = draw(pixels, found, detector.info.draw_threshold)
        if best is None or drawn:
            best = pixels
        if drawn:
            break
    if best is None:
        return None
    return write_atomic(path, cv2.imencode(".jpg", best, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())


@contextmanager
def kept_skeleton(path: Path) -> Iterator[None]:
    """Where a specification cannot be guessed, write one to fill in, and say where.

    Args:
        path: The wanted name of the file.

    Raises:
        NoGuessError: The one of the block.
    """
    try:
        yield
    except NoGuessError as error:
        with suppress(OSError):
            file = keep_new(path, error.skeleton)
            error.args = (f"{error.args[0]}. One to fill in is {file}",)
        raise
