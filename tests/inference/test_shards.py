"""Parts of a dataset in runs of their own, and the run that they are joined to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

import sshbench
from sshbench.errors import CheckFailedError, IdentityError, UsageError
from sshbench.evaluation.result import Evaluation
from sshbench.inference.shards import Shard, parse_shard
from sshbench.runs import open_run

CommandLine = Callable[..., tuple[int, str, str]]
SMALL = {"resize": "144x192"}
VARIABLES = [f"SLURM_{name}" for name in ("ARRAY_TASK_ID", "ARRAY_TASK_COUNT", "ARRAY_TASK_MIN", "PROCID", "NTASKS")]
VARIABLES += ["RANK", "WORLD_SIZE"]


def part(out: Path, shard: str, **settings: int) -> Evaluation:
    chosen: dict[str, str | int] = {**SMALL, **settings}
    return sshbench.run("haar", "sample", out=out, settings=chosen, limit=9, shard=shard, progress=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    out = tmp_path_factory.mktemp("whole") / "run"
    return sshbench.run("haar", "sample", out=out, settings=SMALL, limit=9, progress=False)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("parts")
    return [part(out, f"{i}/4").folder or out for i in (1, 2, 3, 4)]


def test_parts_are_disjoint_and_whole() -> None:
    sample = sshbench.load_dataset("sample")
    for count in (1, 2, 5, 24):
        shards = [Shard(i + 1, count).of(sample).keys for i in range(count)]
        assert sorted(key for keys in shards for key in keys) == sorted(sample.keys)
        assert max(map(len, shards)) - min(map(len, shards)) <= 1
    with pytest.raises(UsageError, match="part 25 of 25 has no image"):
        Shard(25, 25).of(sample)


def test_the_joined_run_is_the_run_of_one_process(whole: Evaluation, parts: list[Path], tmp_path: Path) -> None:
    joined = sshbench.merge(parts, tmp_path / "run", limit=9)
    assert joined.detections.digest == whole.detections.digest
    assert joined.metrics == whole.metrics
    assert joined.record.counted == whole.record.counted
    with open_run(tmp_path / "run") as run, open_run(Path(str(whole.folder))) as single:
        assert run.identity.key == single.identity.key
    again = sshbench.merge(parts, tmp_path / "run", limit=9)
    assert again.metrics == whole.metrics


def test_a_missing_part_is_said_and_can_be_made_up_for(whole: Evaluation, parts: list[Path], tmp_path: Path) -> None:
    with pytest.raises(CheckFailedError, match="2 images of 9 are in none of the runs"):
        sshbench.merge(parts[:1] + parts[2:], tmp_path / "run", limit=9)
    done = sshbench.run("haar", "sample", out=tmp_path / "run", settings=SMALL, limit=9, progress=False)
    assert done.metrics == whole.metrics


def test_runs_that_are_no_parts_of_one(parts: list[Path], tmp_path: Path) -> None:
    other = part(tmp_path, "2/4", min_neighbors=5).folder
    with pytest.raises(IdentityError, match="not parts of one: settings is"):
        sshbench.merge([parts[0], Path(str(other))], tmp_path / "run", limit=9)
    with pytest.raises(UsageError, match="is one of the parts"):
        sshbench.merge(parts, parts[0])
    with pytest.raises(UsageError, match="no run was named"):
        sshbench.merge([], tmp_path / "run")


def test_an_image_in_two_parts_must_be_equal(parts: list[Path], tmp_path: Path) -> None:
    second = part(tmp_path, "1/2").folder  # has the images of 1/4 and 3/4
    assert sshbench.merge([*parts, Path(str(second))], tmp_path / "run", limit=9).record.images == 9
    with open_run(parts[0]) as run:
        changed = next(iter(run.images()))
    edited = tmp_path / "edited"
    sshbench.run("haar", "sample", out=edited, settings=SMALL, limit=9, shard="1/4", progress=False)
    with closing(connect(edited / "shard-1-of-4" / "detections.sqlite")) as database, database:
        database.execute("UPDATE images SET boxes = x'', scores = x'' WHERE key = ?", (changed.key,))
    (edited / "shard-1-of-4" / "files.json").unlink()  # as a program of the user's that changes a run would
    with pytest.raises(IdentityError, match=f"{changed.key} has other detections"):
        sshbench.merge([*parts, edited / "shard-1-of-4"], tmp_path / "run2", limit=9)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3", ""])
def test_parts_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="invalid --shard"):
        parse_shard(text)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"RANK": "1", "WORLD_SIZE": "4"}, Shard(2, 4)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "3"}, Shard(1, 3)),
        ({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "5"}, Shard(3, 4)),
        ({"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0"}, Shard(1, 4)),
    ],
)
def test_parts_by_the_variables_of_a_launcher(
    variables: dict[str, str], expected: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="RANK and WORLD_SIZE or SLURM"):
        parse_shard("auto")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert parse_shard("auto") == expected


@pytest.mark.thorough
def test_two_parts_under_torchrun(tmp_path: Path, sshbench: CommandLine, whole: Evaluation) -> None:
    pytest.importorskip("torch")
    words = ["eval", "--dataset", "sample", "--detector", "haar", "--resize", "144x192", "--limit", "9", "--json"]
    words += ["--shard", "auto", "-o", str(tmp_path / "parts")]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*launch, "-m", "sshbench", *words], check=True, capture_output=True)
    folders = sorted((tmp_path / "parts").iterdir())
    assert [folder.name for folder in folders] == ["shard-1-of-2", "shard-2-of-2"]
    code, out, err = sshbench("merge", *folders, "-o", tmp_path / "run", "--limit", 9, "--json")
    assert code == 0, err
    assert json.loads(out)["metrics"] == dict(whole.metrics)
