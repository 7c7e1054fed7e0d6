"""What of a dataset is there, what is missing and where to get it, and whether its counts are the official ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshbench.datasets.base import Dataset, attribute_counts
from sshbench.protocols import Protocol


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One thing that was checked.

    Attributes:
        what: For people.
        ok: It is there and right.
        needed: Without it the benchmark's protocol cannot be run.
        detail: Where it is, how many, or what is wrong.
        remedy: How to get or fix it; empty where all is well.
    """

    what: str
    ok: bool
    needed: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class DataReport:
    """Everything that was checked of a dataset.

    Attributes:
        dataset: Name.
        root: The folder.
        items: What was checked, in order.
    """

    dataset: str
    root: Path
    items: tuple[CheckItem, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that the protocol needs is there and right."""
        return all(item.ok for item in self.items if item.needed)


def check_contents(dataset: Dataset, protocol: Protocol, fetch: str) -> list[CheckItem]:
    """Compare a loaded dataset with the counts that its protocol expects, and look for its images.

    Args:
        dataset: Loaded with the protocol.
        protocol: Names the official counts.
        fetch: Where its images can be had, in words.
    """
    faces, expected = dataset.faces, protocol.expected
    items = [_count("annotated images", len(dataset.keys), expected.images)]
    if expected.events:
        events = {key.split("/", 1)[0] for key in dataset.keys}
        items.append(_count("events", len(events), expected.events))
    items.append(_count("annotated faces", faces.total, expected.faces))
    items += [_count(f"faces that count in {s.name}", faces.counted(s.name), s.counted) for s in protocol.subsets]
    invalid = attribute_counts(faces).get("invalid", {}).get(1, 0)
    empty = int(((faces.boxes[:, 2:] - faces.boxes[:, :2]) <= 0).any(axis=1).sum())
    items.append(CheckItem("faces flagged invalid / of no size", True, False, f"{invalid} / {empty}"))
    return [*items, _images(dataset, fetch)]


def _count(what: str, found: int, expected: int | None) -> CheckItem:
    if expected is None or found == expected:
        return CheckItem(what, True, True, str(found))
    return CheckItem(what, False, True, f"{found}, official: {expected}", "This is not the official annotation")


def _images(dataset: Dataset, fetch: str) -> CheckItem:
    present, total = len(dataset.images_present()), len(dataset.keys)
    where = "" if dataset.image_root is None else f" in {dataset.image_root}"
    if present == total:
        return CheckItem("images", True, False, f"all {total}{where}")
    remedy = f"Only detectors need images, predictions do not. Get them {fetch}"
    return CheckItem("images", False, False, f"{present} of {total}{where}", remedy)
