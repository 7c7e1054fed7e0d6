"""A run on disk: who made it, every image's detections, and what was computed from them.

```
<run>/identity.json        what the detections depend on, and what they were made with
<run>/detections.sqlite    one row per image (boxes, scores, stage times), each committed in its own transaction
<run>/metrics.json         the evaluation's record
<run>/protocol.json        the protocol it was made by, overrides included
<run>/curves/<subset>.csv  recall, precision, threshold
```

A process killed at any moment loses only the image, or batch, that it was working on. Other files are written under a
temporary name and then renamed, so that a reader never sees half a file.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field

from sshbench.archived_detections import DETECTIONS, open_detections
from sshbench.display import short_repr
from sshbench.errors import IdentityError, InputError, MissingDataError, SshbenchError, UsageError
from sshbench.flat import counted
from sshbench.image_findings import findings_of
from sshbench.models import FileModel
from sshbench.protocols import content_hash
from sshbench.records import Detections, DetectionSet, Finding, Image
from sshbench.run_database import (
    COLUMNS,
    REMEDY,
    State,
    has_plans,
    missing_columns,
    open_to_read,
    open_to_write,
    state,
    unreadable,
)
from sshbench.run_files import SEAL, written

IDENTITY = "identity.json"
DATABASE = "detections.sqlite"
CRASH_LOG = "crash.log"
FAILURES = "failures.txt"
LOCK = ".lock"
Failure = Literal["image", "detector", "crash"]
OnError = Literal["stop", "record"]
METRICS = "metrics.json"
PROTOCOL = "protocol.json"


class Identity(FileModel):
    """What a run's detections depend on (its key), and what they were made with.

    Attributes:
        detector: Name of the detector or prediction set.
        weights_sha256: Of its weights file, None where it has none.
        settings: The detector's effective settings.
        dataset: Name of the dataset.
        split: Its split.
        dataset_fingerprint: Hash of annotations and image list.
        images: How many images the run covers.
        protocol: Name of the protocol.
        protocol_hash: Hash of its content, overrides included.
        predictions_sha256: Hash of imported detections, None for a detector's run.
        trained_on: Benchmarks whose training images the model saw, None where that is not known.
        spelling: What names a model of the user's own from any folder, such as `/home/me/model.py:NAME`; None for other
            detectors.
        code: sha256 of the source of a model of the user's own, by file; empty for other detectors.
        data: Where the dataset lay in the first session, None for the bundled sample.
        created: UTC, of the first session.
        versions: Of code and libraries in the first session.
        machine: Of the first session.
    """

    detector: str
    weights_sha256: str | None = None
    settings: dict[str, Any]
    dataset: str
    split: str
    dataset_fingerprint: str
    images: int
    protocol: str
    protocol_hash: str
    predictions_sha256: str | None = None
    trained_on: tuple[str, ...] | None = None
    spelling: str | None = None
    code: dict[str, str] = Field(default_factory=dict)
    data: str | None = None
    created: str
    versions: dict[str, str]
    machine: dict[str, str | int]

    def key_fields(self) -> dict[str, object]:
        """Return the fields that two runs must share to be the same run."""
        left_out = {"trained_on", "spelling", "data", "created", "versions", "machine"}
        if not self.code:  # so that the keys of other detectors' runs stay what they were
            left_out.add("code")
        return self.model_dump(mode="json", exclude=left_out)

    @property
    def key(self) -> str:
        """First 16 hex digits of the hash of what the detections depend on."""
        return content_hash(self.key_fields())


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image of a run.

    Attributes:
        key: Image key.
        detections: What was detected.
        width: Pixels, None where not known.
        height: Pixels, None where not known.
        stages: Seconds by stage (read, preprocess, forward, postprocess).
        error: Why there are no detections; None if the image could be used.
        failure: What failed: `image` (the file), `detector`, or `crash` (the process ended); None if nothing did.
        details: Traceback of the failure; None if there is none.
        content: Size and hash of the image file; None if it was not read.
    """

    __repr__ = short_repr

    key: str
    detections: Detections
    width: int | None = None
    height: int | None = None
    stages: Mapping[str, float] | None = None
    error: str | None = None
    failure: Failure | None = None
    details: str | None = None
    content: str | None = None

    @classmethod
    def crashed(cls, key: str, error: str, details: str | None) -> StoredImage:
        """Return the record of an image on which a process ended."""
        return cls(key, Detections.empty(), error=error, failure="crash", details=details)


class Run:
    """An open run folder. Use `create_or_resume` or `open_run`.

    Methods that read raise an `InputError` where the database is damaged.

    Attributes:
        folder: The run's folder.
        identity: Who made it.
    """

    def __init__(
        self, folder: Path, identity: Identity, connection: sqlite3.Connection, read_in_place: State = None
    ) -> None:
        self.folder = folder
        self.identity = identity
        self._db = connection
        self._read_in_place = read_in_place
        self._lacking = missing_columns(connection)
        self._columns = ", ".join("NULL" if name in self._lacking else name for name in COLUMNS)

    def add(self, image: StoredImage) -> None:
        """Store one image in a transaction of its own; an image stored before is replaced."""
        self.add_many([image])

    def add_many(self, images: list[StoredImage]) -> None:
        """Store several images in one transaction."""
        (self.folder / SEAL).unlink(missing_ok=True)  # an earlier evaluation is of other detections
        rows = [
            (
                image.key,
                image.detections.boxes.astype("<f8").tobytes(),
                image.detections.scores.astype("<f8").tobytes(),
                _blob(image.detections.ellipses, "<f8"),
                _blob(image.detections.positions, "<i8"),
                image.width,
                image.height,
                json.dumps(dict(image.stages or {})),
                image.error,
                image.failure,
                image.details,
                image.content,
            )
            for image in images
        ]
        places = ", ".join("?" * len(COLUMNS))
        self._write(
            (f"INSERT OR REPLACE INTO images ({', '.join(COLUMNS)}) VALUES ({places})", rows),
            ("DELETE FROM working WHERE key = ?", [(image.key,) for image in images]),
            # A process that gets on is not one that an image ends.
            ("UPDATE working SET ends = 0 WHERE ends > 0", [()]),
        )

    def begin(self, keys: Sequence[str]) -> None:
        """Note that the detector gets these images next, so that the next process knows what ended this one."""
        ends = 0 if len(keys) == 1 else -1
        self._write(("INSERT OR IGNORE INTO working VALUES (?, ?)", [(key, ends) for key in keys]))

    def put_back(self, keys: Sequence[str]) -> None:
        """Note that the work on these images ended without a result, for a known reason."""
        self._write(("DELETE FROM working WHERE key = ?", [(key,) for key in keys]))

    def interrupted(self) -> dict[str, int]:
        """Return the images on which processes ended: by key, how many of them in a row stored no image at all.

        The number is 0 for the images of a batch, of which another one may be to blame.
        """
        self._write(("UPDATE working SET ends = ends + 1", [()]))
        return dict(self._read("SELECT key, ends FROM working"))

    def add_session(
        self, versions: Mapping[str, str], machine: Mapping[str, str | int], started: str, plan: str | None = None
    ) -> None:
        """Note that a process began to work on the run.

        Args:
            versions: Of code and libraries.
            machine: The machine.
            started: UTC.
            plan: Processes and batches, as JSON; None for one process that takes images one by one.
        """
        row = (started, json.dumps(dict(versions)), json.dumps(dict(machine)), plan)
        self._write(("INSERT INTO sessions (started, versions, machine, plan) VALUES (?, ?, ?, ?)", [row]))

    def add_sessions_of(self, other: Run) -> None:
        """Note the sessions of another run, whose images this one takes over; those noted before are left out."""
        plan = "plan" if has_plans(other._db) else "NULL"
        noted = set(self._read("SELECT started, versions, machine, plan FROM sessions"))
        rows = list(other._read(f"SELECT started, versions, machine, {plan} FROM sessions ORDER BY rowid"))
        new = [row for row in rows if row not in noted]
        self._write(("INSERT INTO sessions (started, versions, machine, plan) VALUES (?, ?, ?, ?)", new))

    def plans(self) -> list[dict[str, Any]]:
        """Return how the work was shared in each session that shared it, the first one first."""
        if not has_plans(self._db):
            return []
        rows = self._read("SELECT plan FROM sessions WHERE plan IS NOT NULL ORDER BY rowid")
        return [json.loads(plan) for (plan,) in rows]

    def done(self) -> set[str]:
        """Return the keys of images that need no more work; failed ones are tried again, but not those that crashed."""
        return {row[0] for row in self._read("SELECT key FROM images WHERE error IS NULL OR failure = 'crash'")}

    def stored_keys(self) -> set[str]:
        """Return the keys of all images stored, failed ones included."""
        return {row[0] for row in self._read("SELECT key FROM images")}

    def failures(self) -> dict[str, str]:
        """Return why images could not be used, by key."""
        return dict(self._read("SELECT key, error FROM images WHERE error IS NOT NULL ORDER BY key"))

    def failed_images(self) -> list[StoredImage]:
        """Return the images without a result, sorted by key, each with the reason."""
        rows = self._read(f"SELECT {self._columns} FROM images WHERE error IS NOT NULL ORDER BY key")
        return [self._stored(row) for row in rows]

    def images(self) -> Iterator[StoredImage]:
        """Iterate over all images stored so far, sorted by key."""
        for row in self._read(f"SELECT {self._columns} FROM images ORDER BY key"):
            yield self._stored(row)

    def image(self, key: str) -> StoredImage | None:
        """Return one image, or None where it is not stored."""
        rows = list(self._read(f"SELECT {self._columns} FROM images WHERE key = ?", (key,)))
        return self._stored(rows[0]) if rows else None

    def detections(self) -> DetectionSet:
        """Return the detections of all images stored so far, sorted by key; each image's keep their order."""
        return DetectionSet.from_images((image.key, image.detections) for image in self.images())

    def digest(self) -> str:
        """Return a sha256 of all detections and their image keys."""
        detections = self.detections()
        keys = hashlib.sha256("\n".join(detections.keys).encode()).hexdigest()
        return hashlib.sha256(f"{keys}{detections.digest}".encode()).hexdigest()

    def contents(self) -> dict[str, str]:
        """Return what identifies the content of each image file that was read, by key."""
        if "content" in self._lacking:
            return {}
        return dict(self._read("SELECT key, content FROM images WHERE content IS NOT NULL"))

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return width and height of each image that was read, by key."""
        rows = self._read("SELECT key, width, height FROM images WHERE width IS NOT NULL ORDER BY key")
        return {key: (width, height) for key, width, height in rows}

    def image_sizes(self) -> list[tuple[int, int]] | None:
        """Return width and height of every image that could be used; None where a size was not stored."""
        sizes = list(self._read("SELECT width, height FROM images WHERE error IS NULL ORDER BY key"))
        return None if any(None in size for size in sizes) else sizes

    def stored(self) -> int:
        """Return the number of images stored, failed ones included."""
        ((count,),) = self._read("SELECT COUNT(*) FROM images")
        return int(count)

    @property
    def finished(self) -> bool:
        """Whether every image of the run is stored."""
        return self.stored() >= self.identity.images

    def findings(self) -> list[Finding]:
        """Return what a user should know of the run: images that failed, sessions under other versions."""
        found: list[Finding] = []
        failures = self.failures()
        if failures:
            first = next(iter(failures.values()))
            text = f"{counted(len(failures), 'image')} failed and count as without detections ({first})"
            found.append(Finding("failed-image", text, tuple(failures)))
        found += findings_of(self.contents())
        versions = {row[0] for row in self._read("SELECT DISTINCT versions FROM sessions")}
        if len(versions) > 1:
            found.append(Finding("mixed-versions", f"the run was made under {len(versions)} sets of library versions"))
        machines = {row[0] for row in self._read("SELECT DISTINCT machine FROM sessions")}
        if len(machines) > 1:
            found.append(Finding("mixed-machines", f"the run was made on {len(machines)} machines"))
        return found

    def _stored(self, row: tuple[Any, ...]) -> StoredImage:
        try:
            return _stored_image(row)
        except (SshbenchError, ValueError, TypeError, RecursionError) as error:
            text = f"the row of image {row[0]!r} is damaged ({error})"
            raise InputError(text, file=self.folder / DATABASE, remedy=REMEDY) from error

    def _read(self, query: str, values: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            self._check_unchanged()
            raise unreadable(self.folder / DATABASE, error) from error
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        if self._read_in_place is not None and state(self.folder / DATABASE) != self._read_in_place:
            text = f"another process changed the run in {self.folder} while it was read"
            raise UsageError(text, remedy="Run the command again")

    def _write(self, *changes: tuple[str, list[tuple[Any, ...]]]) -> None:
        """Make changes, a statement and its rows each, in one transaction."""
        if not (self.folder / DATABASE).exists():  # SQLite would go on writing into the deleted file
            text = f"the run in {self.folder} was removed while the command worked on it"
            raise MissingDataError(text, remedy="Run the command again")
        try:
            with self._db:
                for query, rows in changes:
                    self._db.executemany(query, rows)
        except sqlite3.Error as error:
            remedy = "Check that the disk has space and that no other program uses the run; then run the command again"
            raise InputError(f"cannot be written ({error})", file=self.folder / DATABASE, remedy=remedy) from error

    def close(self) -> None:
        """Close the database, so that it is one file."""
        self._db.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def create_or_resume(folder: Path, identity: Identity, *, overwrite: bool = False) -> Iterator[Run]:
    """Open a run for writing, a new one or one to resume; one process at a time.

    Args:
        folder: The run's folder, made where it is not there.
        identity: Who is asking; its key must be the stored run's.
        overwrite: Throw away what the run holds.

    Raises:
        IdentityError: The folder holds a run with other settings; the text names each that differs.
        UsageError: Another process is working on it, or the folder holds other things or cannot be written.
        InputError: The identity or the database is damaged.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(_lock(folder))
    try:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file", remedy="Name a folder for the run")
        left = (LOCK, FAILURES)  # of a detector that could not be loaded
        others = [path.name for path in folder.iterdir() if path.name not in left] if folder.is_dir() else []
        if others and IDENTITY not in others:
            text = f"{folder} is not empty and holds no run ({others[0]})"
            raise UsageError(text, remedy="Name another folder with --out")
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        text = f"another process is working on the run in {folder}"
        raise UsageError(text, remedy="Wait for it, or name another folder with --out") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        text = f"the run in {folder} cannot be written ({getattr(error, 'strerror', None) or error})"
        raise UsageError(text, remedy="Name another folder with --out") from error
    try:
        if overwrite:
            _clear(folder)
        stored = _read_identity(folder) if (folder / IDENTITY).exists() else None
        if stored is not None:
            _check_same(stored, identity, folder)
        else:
            identity.write(folder / IDENTITY)
        with Run(folder, stored or identity, open_to_write(folder / DATABASE)) as run:
            yield run
    finally:
        lock.release()


def open_run(folder: Path) -> Run:
    """Open a run for reading; nothing in its folder is created or changed, and another process may write to it.

    An archived run is opened too, where its detections are archived with it.

    Raises:
        MissingDataError: There is no run in the folder.
        InputError: Its identity or its database cannot be read, or its archived detections are other ones.
    """
    if (folder / METRICS).is_file() and not (folder / DATABASE).exists():
        return _open_archived(folder)
    if not is_run(folder):
        raise MissingDataError(f"there is no run in {folder}", remedy="A run's folder holds identity.json")
    return Run(folder, _read_identity(folder), *open_to_read(folder / DATABASE))


class _Archived(Identity):
    """What of an archive's `identity.json` is needed to open it; `report.measured` knows the rest."""

    model_config = ConfigDict(extra="ignore")

    detections_sha256: str | None = None


def _open_archived(folder: Path) -> Run:
    if not (folder / DETECTIONS).is_file():
        raise MissingDataError(
            f"{folder} is an archived run: its figures are kept, but not its detections",
            remedy="Name the run itself, or archive it with --with-detections; `sshbench leaderboard` takes all "
            "archived runs",
        )
    kept = _Archived.read(folder / IDENTITY, remedy="Archive the run again")
    identity = Identity(**{name: getattr(kept, name) for name in Identity.model_fields})
    run = Run(folder, identity, open_detections(folder / DETECTIONS))
    if run.detections().digest != kept.detections_sha256:
        run.close()
        text = f"these are not the detections that {IDENTITY} names"
        raise InputError(text, file=folder / DETECTIONS, remedy="See `sshbench verify`, or archive the run again")
    return run


def is_run(path: Path) -> bool:
    """Return whether there is a run in this folder."""
    return (path / IDENTITY).is_file() and (path / DATABASE).is_file()


def image_size(image: Image) -> tuple[int, int]:
    """Return width and height in pixels."""
    return int(image.shape[1]), int(image.shape[0])


def _read_identity(folder: Path) -> Identity:
    return Identity.read(folder / IDENTITY, remedy=REMEDY)


def _check_same(stored: Identity, asked: Identity, folder: Path) -> None:
    if stored.key == asked.key:
        return
    old, new = _flat(stored), _flat(asked)
    differing = "; ".join(
        f"{name}: {old.get(name)!r} there, {new.get(name)!r} now"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    )
    raise IdentityError(
        f"the run in {folder} was made with other settings ({differing})",
        remedy="Name another folder with --out, or use the settings that it was made with",
    )


def _flat(identity: Identity) -> dict[str, object]:
    """Return the fields that two runs must share, with a field of its own for each file of code."""
    fields = identity.key_fields()
    fields.pop("code", None)
    return {**fields, **{f"code of {file}": f"{digest[:12]}..." for file, digest in identity.code.items()}}


def _clear(folder: Path) -> None:
    # The identity goes last: as long as it is there, the folder is known as a run.
    for name in written(folder):
        (folder / name).unlink(missing_ok=True)
    for name in (
        FAILURES,
        METRICS,
        SEAL,
        PROTOCOL,
        DATABASE,
        f"{DATABASE}-wal",
        f"{DATABASE}-shm",
        CRASH_LOG,
        IDENTITY,
    ):
        (folder / name).unlink(missing_ok=True)


def _lock(folder: Path) -> Path:
    return folder / LOCK


def _stored_image(row: tuple[Any, ...]) -> StoredImage:
    key, boxes, scores, ellipses, positions, width, height, stages, error, failure, details, content = row
    detections = Detections(
        np.frombuffer(boxes, dtype="<f8").reshape(-1, 4),
        np.frombuffer(scores, dtype="<f8"),
        None if ellipses is None else np.frombuffer(ellipses, dtype="<f8").reshape(-1, 5),
        None if positions is None else np.frombuffer(positions, dtype="<i8"),
    )
    return StoredImage(key, detections, width, height, json.loads(stages), error, failure, details, content)


def _blob(values: npt.NDArray[Any] | None, dtype: str) -> bytes | None:
    return None if values is None else values.astype(dtype).tobytes()
