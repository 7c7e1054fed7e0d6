"""The database of a run: opened for writing by one process, and for reading without a change to any file.

A process that writes keeps a write-ahead log (`-wal`) beside the database until it closes it; a killed process leaves
the log behind. SQLite itself reads such a pair only with the help of a third file that it creates or writes. Readers
here work on a private copy of the pair instead, and read a database without a log in place, as an immutable file.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from sshbench.errors import InputError

_TABLES = """
CREATE TABLE IF NOT EXISTS images (
    key TEXT PRIMARY KEY,
    boxes BLOB NOT NULL,      -- float64 little-endian (n, 4), x1 y1 x2 y2
    scores BLOB NOT NULL,     -- float64 little-endian (n,)
    ellipses BLOB,            -- float64 little-endian (n, 5), where the detections are ellipses
    positions BLOB,           -- int64 little-endian (n,), where the order of an imported file matters
    width INTEGER,
    height INTEGER,
    stages TEXT NOT NULL,     -- JSON: seconds by stage
    error TEXT,               -- why there are no detections, where the image could not be used
    failure TEXT,             -- what failed: image, detector, or crash (the process ended)
    details TEXT,             -- traceback of the failure
    content TEXT              -- size and hash of the image file
);
CREATE TABLE IF NOT EXISTS sessions (
    started TEXT NOT NULL,    -- UTC
    versions TEXT NOT NULL,   -- JSON
    machine TEXT NOT NULL,    -- JSON
    plan TEXT                 -- JSON: workers, their threads, size of batches; NULL: one process, one by one
);
CREATE TABLE IF NOT EXISTS working (
    key TEXT PRIMARY KEY,     -- image that a process gave to the detector and has not stored yet
    ends INTEGER NOT NULL     -- how many processes in a row ended on it without storing any image; -1: in a batch
);
"""
COLUMNS = (
    "key",
    "boxes",
    "scores",
    "ellipses",
    "positions",
    "width",
    "height",
    "stages",
    "error",
    "failure",
    "details",
    "content",
)
# Columns that runs of the first versions lack.
_ADDED = {"ellipses": "BLOB", "positions": "BLOB", "failure": "TEXT", "details": "TEXT", "content": "TEXT"}
_COPIES = 20  # attempts at a copy that no write interrupted

REMEDY = "Copy the run from another place, or evaluate again into another folder with --out"
State = tuple[int, int, int] | None


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open a run's database for writing; make it, or add the columns that an old one lacks.

    Raises:
        InputError: It is damaged, locked, or cannot be written.
    """
    connection = None
    try:
        connection = sqlite3.connect(path)
        # A write-ahead log makes a commit per image cheap and survives a kill at any moment.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_TABLES)
        for name in missing_columns(connection):
            connection.execute(f"ALTER TABLE images ADD COLUMN {name} {_ADDED[name]}")
        if not has_plans(connection):
            connection.execute("ALTER TABLE sessions ADD COLUMN plan TEXT")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        text = f"the database of the run cannot be opened for writing ({error})"
        raise InputError(text, file=path, remedy=_remedy(error)) from error
    return connection


def open_to_read(path: Path) -> tuple[sqlite3.Connection, State]:
    """Open a run's database for reading; no file is created or changed, and the folder may be read-only.

    What another process has committed up to now is there; what it writes later is not.

    Returns:
        The connection, and the state of the file where it is read in place: it must stay as it is.

    Raises:
        InputError: It is damaged or cannot be read.
    """
    connection = None
    try:
        before = state(path)
        if _log(path).exists():
            connection, before = _copy(path), None
        else:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:  # the process was killed before it made them
            connection.close()
            connection, before = in_memory(), None
        elif not {"images", "sessions"} <= tables:
            raise sqlite3.DatabaseError(f"its tables are {', '.join(sorted(tables))}")
        connection.execute("PRAGMA query_only=ON")
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise unreadable(path, error) from error
    return connection, before


def in_memory() -> sqlite3.Connection:
    """Return an empty database of a run that is in memory only."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(_TABLES)
    return connection


def missing_columns(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the columns that the images of an old run lack."""
    there = {row[1] for row in connection.execute("PRAGMA table_info(images)")}
    return [name for name in _ADDED if name not in there]


def has_plans(connection: sqlite3.Connection) -> bool:
    """Return whether the sessions of a run say how the work was shared; those of an old run do not."""
    return "plan" in {row[1] for row in connection.execute("PRAGMA table_info(sessions)")}


def state(path: Path) -> State:
    """Return what a write to a file changes: inode, size and time of the last change; None where it is absent."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def unreadable(path: Path, error: Exception) -> InputError:
    """Return the error for a database that cannot be read."""
    return InputError(f"the database of the run cannot be read ({error})", file=path, remedy=_remedy(error))


def _remedy(error: Exception) -> str:
    if "full" in str(error):
        return "Free some space, then run the command again: finished images are kept"
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return "Another program uses it: wait until it is done, or copy the run and use the copy"
    if isinstance(error, sqlite3.OperationalError) and any(
        sign in str(error) for sign in ("readonly", "unable to open")
    ):
        return "Copy the run to a folder that can be written, or evaluate into another folder with --out"
    return REMEDY


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _copy(path: Path) -> sqlite3.Connection:
    """Return a copy in memory of a database and its log, as they were at one moment."""
    with tempfile.TemporaryDirectory(prefix="sshbench-") as folder:
        database = Path(folder) / path.name
        for _ in range(_COPIES):
            before = state(path), state(_log(path))
            for file in (path, _log(path)):
                try:
                    shutil.copyfile(file, database.with_name(file.name))
                except FileNotFoundError:  # the writer is done: its log is now in the database
                    database.with_name(file.name).unlink(missing_ok=True)
            if before == (state(path), state(_log(path))):
                break
        else:
            raise sqlite3.OperationalError("another process writes to it all the time")
        with closing(sqlite3.connect(database)) as source:
            memory = sqlite3.connect(":memory:")
            try:
                source.backup(memory)
            except sqlite3.Error:
                memory.close()
                raise
    return memory
