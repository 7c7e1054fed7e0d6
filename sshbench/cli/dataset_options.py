"""Options that say where the images of a dataset lie, and which of its parts is meant; shared by commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sshbench.cli.panels import WHAT
from sshbench.errors import UsageError
from sshbench.protocols import Protocol

ImagesOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the images, where they do not lie with the annotation.", rich_help_panel=WHAT),
]
SplitOption = Annotated[
    str | None, typer.Option(help="Split: val, test or train. Default: the protocol's.", rich_help_panel=WHAT)
]
FaceClassOption = Annotated[
    str | None,
    typer.Option(help="COCO, YOLO: name or number of the class of faces. Default: face.", rich_help_panel=WHAT),
]


def chosen_protocol(
    dataset: str | None,
    protocol: str | None = None,
    *,
    images: Path | None = None,
    split: str | None = None,
    face_class: str | None = None,
) -> Protocol:
    """Return the protocol of a dataset, or the one named, for the images, split and class that the user names.

    Raises:
        UsageError: Nothing says which dataset is meant.
    """
    from sshbench.protocols import load_protocol

    if dataset is None and protocol is None and images is None:
        remedy = "--dataset wider, --dataset own for your own images, or --dataset sample for the bundled smoke test"
        raise UsageError("name a dataset", remedy=remedy)
    chosen = load_protocol(protocol or dataset or "own")
    if images is None and split is None and face_class is None:
        return chosen
    return chosen.with_data(images=images, split=split, face_class=face_class)
