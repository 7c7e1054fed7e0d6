"""A run killed at random moments ends with the same metrics as one that was left alone."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest


def command(out: Path) -> list[str]:
    options = ["--dataset", "sample", "--detector", "haar", "--resize", "144x192", "--json", "-o", str(out)]
    return [sys.executable, "-m", "sshbench", "eval", *options]


def stored(out: Path) -> int:
    """Images stored so far; 0 while there is no database yet."""
    database = out / "detections.sqlite"
    if not database.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return int(connection.execute("SELECT COUNT(*) FROM images").fetchone()[0])
    except sqlite3.OperationalError:  # killed before the first table was made
        return 0


def kill_soon(out: Path, chance: random.Random) -> None:
    """Start the command and kill it: at any moment of its start, or just after it stored one more image."""
    before = stored(out)
    process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if chance.random() < 0.3:
        time.sleep(chance.uniform(0.0, 0.6))
    else:
        while process.poll() is None and stored(out) <= before:
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.03))
    process.kill()  # nothing, where it has ended meanwhile
    process.wait()


def result(out: Path) -> dict[str, object]:
    done = subprocess.run(command(out), capture_output=True, text=True, check=True)
    record: dict[str, object] = json.loads(done.stdout)
    del record["seconds"]
    return record


@pytest.mark.thorough
def test_kills_lose_nothing(tmp_path: Path) -> None:
    chance = random.Random(20170331)
    disturbed, quiet = tmp_path / "disturbed", tmp_path / "quiet"
    progress = [0]
    for _ in range(20):
        kill_soon(disturbed, chance)
        progress.append(stored(disturbed))
    assert progress == sorted(progress), "a kill lost an image that was stored"
    assert len(set(progress)) > 3, f"the kills did not fall into the work: {progress}"
    assert result(disturbed) == result(quiet)
    for name in ("easy", "medium", "hard"):
        assert (disturbed / "curves" / f"{name}.csv").read_bytes() == (quiet / "curves" / f"{name}.csv").read_bytes()
