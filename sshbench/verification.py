"""Verify archived runs: evaluate their detections again, and say what of the archive agrees.

The rules are those of the one who verifies: the shipped protocol of the archive's name, or the one that is given. An
archive cannot bring rules of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshbench.archived_detections import DETECTIONS, read_detections
from sshbench.display import short_repr
from sshbench.errors import MissingDataError
from sshbench.evaluation.core import evaluate_set
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluation.record import EvaluationRecord
from sshbench.evaluation.storing import read_protocol
from sshbench.models import StrictModel
from sshbench.protocols import Protocol, load_protocol
from sshbench.report.measured import ArchivedIdentity
from sshbench.runs import IDENTITY, METRICS, PROTOCOL

_REMEDY = "Archive the run again with `sshbench archive --with-detections`"
_COUNTS = ("images", "total_images", "faces", "counted", "detections", "complete", "smoke_test", "domain")


class VerifiedItem(StrictModel):
    """One thing that was verified.

    Attributes:
        run: Folder of the archived run.
        what: `identity`, `protocol hash`, `rules`, `detections`, `dataset`, a count, or the name of a metric.
        agrees: Whether archive and verification say the same.
        archived: What the archive says.
        found: What was found here.
    """

    run: str
    what: str
    agrees: bool
    archived: str
    found: str


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """What of archived runs agrees.

    Attributes:
        items: In order, run by run.
    """

    __repr__ = short_repr

    items: tuple[VerifiedItem, ...]

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return all(one.agrees for one in self.items)


def verify_archive(
    archive: str | Path, *, data: str | Path | None = None, protocol: str | Path | Protocol | None = None
) -> Verification:
    """Evaluate the detections of archived runs again, and compare hashes, identity, counts and figures to the bit.

    Args:
        archive: Folder of an archived run with detections, or of several.
        data: The dataset's folder.
        protocol: The rules that the figures must be of; default: the shipped protocol of the archive's name.

    Raises:
        MissingDataError: There is no archived run with detections, or no dataset.
        InputError: A file cannot be read.
        UsageError: No shipped protocol has the archive's name and none was given, or the dataset needs its folder.

    >>> import tempfile
    >>> import sshbench
    >>> from sshbench.archive import archive_runs
    >>> sample = sshbench.load_dataset("sample")
    >>> found = {key: (faces.boxes[::2], faces.boxes[::2, 2]) for key, faces in zip(sample.keys, sample.faces)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = sshbench.evaluate("sample", found, detector="half", out=f"{folder}/run").folder
    ...     files = archive_runs([run], Path(folder) / "kept", with_detections=True)
    ...     sshbench.verify_archive(f"{folder}/kept").ok
    True
    """
    folder = Path(archive).expanduser()
    inside = sorted(path.parent for path in folder.glob(f"*/{IDENTITY}")) if folder.is_dir() else []
    runs = [folder] if (folder / IDENTITY).is_file() else inside
    if not runs:
        raise MissingDataError(f"there is no archived run in {folder}", remedy="Make one with `sshbench archive`")
    root = None if data is None else Path(data).expanduser()
    return Verification(tuple(item for run in runs for item in _verify(run, root, protocol)))


class _Items:
    """Collects what was verified of one run."""

    def __init__(self, run: Path) -> None:
        self.run = run.as_posix()
        self.found: list[VerifiedItem] = []

    def add(self, what: str, archived: object, found: object) -> bool:
        """Note two values that should be equal, and return whether they are."""
        shown = [value if isinstance(value, str) else repr(value) for value in (archived, found)]
        agrees = archived == found
        self.found.append(VerifiedItem(run=self.run, what=what, agrees=agrees, archived=shown[0], found=shown[1]))
        return agrees


def _verify(folder: Path, data: Path | None, protocol: str | Path | Protocol | None) -> list[VerifiedItem]:
    for name in (METRICS, PROTOCOL, DETECTIONS):
        if not (folder / name).is_file():
            raise MissingDataError(f"the archived run in {folder} has no {name}", remedy=_REMEDY)
    kept = ArchivedIdentity.read(folder / IDENTITY, remedy=_REMEDY)
    record = EvaluationRecord.read(folder / METRICS, remedy=_REMEDY)
    detections = read_detections(folder / DETECTIONS)
    wanted = kept.protocol if protocol is None else protocol
    rules = wanted if isinstance(wanted, Protocol) else load_protocol(wanted)
    items = _Items(folder)
    _identity(items, kept, record)
    stored = read_protocol(folder / PROTOCOL).hash
    named = [("identity.json", kept.protocol_hash), ("metrics.json", record.protocol_hash)]
    for file, value in named:
        items.add(f"protocol hash, {file}", value, stored)
    items.add("rules", f"{kept.protocol} {stored}", f"{rules.name} {rules.hash}")
    items.add("detections", kept.detections_sha256, detections.digest)
    if not items.add("dataset", kept.dataset, rules.dataset):
        return items.found
    dataset = load_dataset(rules, data)
    part = dataset.restricted(set(detections.keys))
    for file, value in (("identity.json", kept.dataset_fingerprint), ("metrics.json", record.dataset_fingerprint)):
        items.add(f"dataset fingerprint, {file}", value, part.fingerprint)
    if not items.add("images with detections", kept.images, len(part.keys)) and not part.keys:
        return items.found
    again = evaluate_set(
        detections, part, rules, detector=kept.detector, trained_on=kept.trained_on, complete=len(part) == kept.images
    ).record
    for name in _COUNTS:
        items.add(name.replace("_", " "), getattr(record, name), getattr(again, name))
    for name in dict.fromkeys([*record.metrics, *again.metrics]):
        items.add(name, record.metrics.get(name, "not there"), again.metrics.get(name, "not there"))
    return items.found


def _identity(items: _Items, kept: ArchivedIdentity, record: EvaluationRecord) -> None:
    """Compare what identity and record say of detector, dataset and protocol, and the identity's own key."""
    items.add("identity key", kept.run_key, kept.run_identity().key)
    for name in ("detector", "dataset", "protocol"):
        items.add(f"{name} of metrics.json", getattr(record, name), getattr(kept, name))
