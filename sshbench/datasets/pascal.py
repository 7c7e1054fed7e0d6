"""PASCAL Faces and AFW: annotations of the evaluation toolbox, old and new, as `.mat` or CSV.

Source: evaluation toolbox of Mathias et al., Face detection without bells and whistles, ECCV 2014. Its old annotations
have four columns per face; it pads them with 0 0, that is, no old face is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sshbench.datasets.base import Dataset
from sshbench.datasets.pictures import holds_images
from sshbench.errors import MissingDataError
from sshbench.files import sha256_of
from sshbench.formats.pascal import read_csv, read_mat
from sshbench.formats.places import list_places
from sshbench.protocols import Protocol

_REMEDY = "Get it again from the evaluation toolbox"


def load(protocol: Protocol, root: Path) -> Dataset:
    """Load PASCAL Faces or AFW from the files that a protocol names; see `load_pascal`."""
    layout = protocol.layout
    return load_pascal(root, annotation=layout.annotation, images=layout.images, name=protocol.dataset)


def load_pascal(root: str | Path, *, annotation: Sequence[str], images: Sequence[str], name: str) -> Dataset:
    """Load PASCAL Faces or AFW.

    Args:
        root: The folder with the annotation and, for detectors, the images.
        annotation: Names of the annotation file, tried in order.
        images: Folders of the images, tried in order.
        name: Name of the dataset.

    Raises:
        MissingDataError: The folder or the annotation is not there.
        InputError: The annotation is damaged.
    """
    folder = Path(root).expanduser()
    path = next((folder / file for file in annotation if (folder / file).is_file()), None)
    if path is None:
        raise MissingDataError(
            f"none of {', '.join(annotation)} is in {folder}",
            remedy="They are part of the evaluation toolbox of Mathias et al., ECCV 2014",
        )
    faces = read_csv(path) if path.suffix == ".csv" else read_mat(path)
    image_root = next((folder / part for part in images if holds_images(folder / part)), None)
    return Dataset(
        name=name,
        split="test",
        root=folder,
        faces=faces,
        source_hash=sha256_of(path),
        image_root=image_root,
        suffix=".jpg",
        total_images=len(faces),
        all_keys=faces.keys,
        sources=(path,),
        locate=partial(list_places, (path,)),
    )
