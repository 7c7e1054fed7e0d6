"""What of a dataset is there, what is missing and where to get it, and whether its counts are the official ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sshbench.datasets import load_for_protocol
from sshbench.datasets.base import attribute_counts
from sshbench.datasets.wider import find_annotation, find_image_folder
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.files import sample_dir
from sshbench.protocols import Protocol

_PAGE = "http://shuoyang1213.me/WIDERFACE/"


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One thing that was looked at.

    Attributes:
        what: For people.
        ok: It is there and right.
        needed: Without it the benchmark's protocol cannot be run.
        detail: Where it is, how many, or what is wrong.
        remedy: How to get or mend it; empty where all is well.
    """

    what: str
    ok: bool
    needed: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class DataReport:
    """All that was looked at.

    Attributes:
        dataset: Name.
        root: The folder.
        items: What was looked at, in order.
    """

    dataset: str
    root: Path
    items: tuple[CheckItem, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that the protocol needs is there and right."""
        return all(item.ok for item in self.items if item.needed)

    def as_json(self) -> dict[str, Any]:
        """One JSON-ready object."""
        return {
            "dataset": self.dataset,
            "root": str(self.root),
            "ok": self.ok,
            "items": [asdict(item) for item in self.items],
        }


def check_dataset(protocol: Protocol, root: Path | None) -> DataReport:
    """Look at a folder that should hold a dataset in the WIDER FACE layout.

    Args:
        protocol: Names the subset files and the official counts.
        root: The dataset's folder; None for the bundled sample.

    Raises:
        MissingDataError: There is no such folder.
        UsageError: No folder was named for a dataset that needs one.
    """
    if root is None:
        if protocol.dataset != "sample":
            raise UsageError(f"{protocol.dataset} needs its folder", remedy="Give it by --data DIR")
        root = sample_dir()
    if not root.exists():
        raise MissingDataError(f"there is no folder {root}", remedy="Name the folder that holds the dataset by --data")
    items = _wider_files(root, protocol) if protocol.dataset in ("wider", "sample") else []
    items += _contents(root, protocol)
    return DataReport(protocol.dataset, root, tuple(items))


def _wider_files(root: Path, protocol: Protocol) -> list[CheckItem]:
    names = [f"wider_face_{protocol.split}.mat", *(s.ground_truth for s in protocol.subsets if s.ground_truth)]
    items = [_annotation(root, protocol, name, "eval_tools.zip", needed=True) for name in names]
    text = f"wider_face_{protocol.split}_bbx_gt.txt"
    return [*items, _annotation(root, protocol, text, "wider_face_split.zip", needed=False)]


def _annotation(root: Path, protocol: Protocol, name: str, archive: str, *, needed: bool) -> CheckItem:
    found = find_annotation(root, name)
    if found is not None:
        return CheckItem(name, True, needed, str(found))
    remedy = f"`sshbench data fetch {protocol.dataset} --data {root}`, or {archive} from {_PAGE}"
    return CheckItem(name, False, needed, "not found", remedy)


def _contents(root: Path, protocol: Protocol) -> list[CheckItem]:
    try:
        dataset = load_for_protocol(protocol, root)
    except (InputError, MissingDataError) as error:
        return [CheckItem("annotation", False, True, error.message, error.remedy)]
    faces, expected = dataset.faces, protocol.expected
    events = {key.split("/", 1)[0] for key in dataset.keys}
    items = [
        _count("annotated images", len(dataset.keys), expected.images),
        *([_count("events", len(events), expected.events)] if expected.events else []),
        _count("annotated faces", faces.total, expected.faces),
    ]
    items += [_count(f"faces that count in {s.name}", faces.counted(s.name), s.counted) for s in protocol.subsets]
    if protocol.dataset not in ("wider", "sample"):
        return [*items, _images(root, protocol, len(dataset.images_present()), len(dataset.keys))]
    invalid = attribute_counts(faces).get("invalid", {}).get(1, 0)
    empty = int(((faces.boxes[:, 2:] - faces.boxes[:, :2]) <= 0).any(axis=1).sum())
    items.append(CheckItem("flagged invalid / of zero size", True, False, f"{invalid} / {empty} faces"))
    items.append(_images(root, protocol, len(dataset.images_present()), len(dataset.keys)))
    return items


def _count(what: str, found: int, expected: int | None) -> CheckItem:
    if expected is None or found == expected:
        return CheckItem(what, True, True, str(found))
    return CheckItem(what, False, True, f"{found}, official: {expected}", "This is not the official annotation")


def _images(root: Path, protocol: Protocol, present: int, total: int) -> CheckItem:
    folder = find_image_folder(root, protocol.split)
    where = f" in {folder}" if folder is not None else ""
    if protocol.dataset not in ("wider", "sample") and present < total:
        source = protocol.sources[0].url if protocol.sources else "the dataset's page"
        remedy = f"Only detectors need images, predictions do not. Get them from {source}"
        return CheckItem("images", False, False, f"{present} of {total}", remedy)
    if present == total:
        return CheckItem("images", True, False, f"all {total}{where}")
    remedy = (
        f"Only detectors need images, predictions do not. Get WIDER_{protocol.split}.zip by "
        f"`sshbench data fetch {protocol.dataset} --data {root}` or from {_PAGE}"
    )
    return CheckItem("images", False, False, f"{present} of {total}{where}", remedy)
