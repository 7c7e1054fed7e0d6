"""Damaged and hostile files: each ends in an SshbenchError or a result, never in a crash, a hang or a traceback."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sshbench as package
from sshbench.detectors import yoloface
from sshbench.errors import InputError, SshbenchError, UsageError
from sshbench.files import FileTree, cache_dir, safe_name, sample_dir
from sshbench.formats import matlab
from sshbench.formats.base import read_mat_file
from sshbench.formats.fddb import read_fddb_file
from sshbench.formats.wider import read_wider
from sshbench.formats.wider_truth import read_text
from sshbench.images import read_image
from sshbench.protocols import load_protocol
from sshbench.published.wider import read_pr_file
from sshbench.ssh.architecture import from_dict
from sshbench.ssh.weights import load_weights, random_weights, save_weights

pytestmark = pytest.mark.thorough  # in our own CI, or by name (file.py::test)
CommandLine = Callable[..., tuple[int, str, str]]
FAULTS = Path(__file__).with_name("faults")
KEYS = [f"0--A/im{i:02d}" for i in range(10)]
CHECK = matlab._check  # a quick run of the tests leaves it out elsewhere
MANY_DIGITS = "9" * 5000


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_file_that_crashes_scipy(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "_check", CHECK)
    with pytest.raises(InputError, match="its reader crashes"):
        read_mat_file(FAULTS / f"crashes-scipy-{number}.mat", "Get it again")


def test_a_hdf5_file_with_endless_paths() -> None:
    pytest.importorskip("h5py")
    with pytest.raises(InputError):
        read_pr_file(FAULTS / "hdf5-bomb.mat")


@pytest.mark.parametrize("kind", ["grad", "meta", "param", "quant", "sparse"])
def test_tensors_of_all_kinds(kind: str) -> None:
    pytest.importorskip("torch")
    from sshbench.ssh.torch_weights import read_state_dict

    path = FAULTS / f"tensor-{kind}.pth"
    if kind == "meta":
        with pytest.raises(InputError, match="cannot be read"):
            read_state_dict(path)
    else:
        assert all(array.dtype == np.float32 for array in read_state_dict(path).values())


def test_a_zip_with_a_member_twice() -> None:
    with pytest.raises(InputError, match="a member is there twice"):
        read_wider(FAULTS / "duplicate-member.zip", KEYS)


def test_a_zip_with_a_damaged_member() -> None:
    with pytest.raises(InputError, match="member cannot be read"):
        read_wider(FAULTS / "lzma-bomb.zip", KEYS)


def test_a_zip_that_unpacks_to_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(f"{KEYS[0]}.txt", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    with pytest.raises(InputError, match="bytes, more than"):
        read_wider(tmp_path / "bomb.zip", KEYS)


def test_a_pipe_among_the_files(tmp_path: Path) -> None:
    (tmp_path / "0--A").mkdir()
    os.mkfifo(tmp_path / "0--A" / "im00.txt")
    (tmp_path / "0--A" / "im01.txt").write_text("im01\n0\n")
    assert FileTree(tmp_path).names == ["0--A/im01.txt"]
    os.mkfifo(tmp_path / "image.jpg")
    with pytest.raises(InputError, match="not a regular file"):
        read_image(tmp_path / "image.jpg")
    with pytest.raises(SshbenchError):
        package.read_predictions(tmp_path / "image.jpg", package.load_dataset("sample"))
    with pytest.raises(InputError, match="not a regular file"):
        read_image(Path("/dev/zero"))
    with (tmp_path / "sparse.jpg").open("wb") as file:
        file.truncate(200 << 30)
    with pytest.raises(InputError, match="larger than 1 GiB"):
        read_image(tmp_path / "sparse.jpg")


def test_numbers_of_too_many_digits(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text(f"a\n{MANY_DIGITS}\n")
    with pytest.raises(InputError, match=r"f\.txt:2: expected a count"):
        read_fddb_file(tmp_path / "f.txt")
    (tmp_path / "gt.txt").write_text(f"a.jpg\n{MANY_DIGITS}\n")
    with pytest.raises(InputError, match=r"gt\.txt:2: expected a count"):
        read_text(tmp_path / "gt.txt")
    (tmp_path / "gt.txt").write_text(f"a.jpg\n1\n1 2 3 4 {MANY_DIGITS} 0 0 0 0 0\n")
    with pytest.raises(InputError, match=r"gt\.txt:3: invalid row"):
        read_text(tmp_path / "gt.txt")
    (tmp_path / "gt.txt").write_text(f"a.jpg\n1\n1 2 3 4 {'9' * 400} 0 0 0 0 0\n")
    with pytest.raises(InputError, match=r"gt\.txt:3: invalid row"):
        read_text(tmp_path / "gt.txt")
    (tmp_path / "r.json").write_text(f'[{{"image_id": {MANY_DIGITS}}}]')
    with pytest.raises(InputError, match="cannot be read"):
        package.read_coco_results(tmp_path / "r.json", ["a"])
    (tmp_path / "r.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="cannot be read"):
        package.read_coco_results(tmp_path / "r.json", ["a"])


@pytest.mark.parametrize("category", [{"a": 1}, [1]])
def test_a_category_that_is_no_number(tmp_path: Path, category: object) -> None:
    entry = {"image_id": "a", "category_id": category, "bbox": [1, 2, 3, 4], "score": 0.5}
    (tmp_path / "r.json").write_text(json.dumps([entry]))
    with pytest.raises(InputError, match="invalid category"):
        package.read_coco_results(tmp_path / "r.json", ["a"])


MINE = (
    'name = "mine"\ntitle = "Mine"\nversion = {version}\ndataset = "wider"\nsplit = "val"\n[[subsets]]\n'
    'name = "{name}"\n{rule}\n[evaluation]\nkind = "wider"\niou_threshold = 0.5\niou_arithmetic = "double"\n'
    'box_convention = "inclusive"\n'
    'score_precision = "float32"\nthresholds = 1000\nap_rule = "wider"\n'
)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": MANY_DIGITS}, "cannot be read"),
        ({"rule": "min_height = nan"}, "min_height.*finite"),
        ({"rule": "min_height = inf"}, "min_height.*finite"),
        ({"rule": f"attributes = {'[' * 2000}{']' * 2000}"}, "cannot be read"),
        ({"name": "x" * 300}, "subsets.0.name.*at most 100"),
        ({"name": r"a\u0000b"}, "subsets.0.name"),
        ({"name": "a/b"}, "subsets.0.name"),
    ],
)
def test_a_protocol(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE.format(**{"version": "1", "name": "all", "rule": "", **changes}))
    with pytest.raises(InputError, match=says):
        load_protocol(path)


def test_a_subset_whose_name_is_a_formula_is_drawn(sshbench: CommandLine, tmp_path: Path) -> None:
    text = MINE.format(version=1, name="a$b^{", rule="").replace('"val"', '"val"\n[layout]\nroot = "data"')
    shutil.copytree(sample_dir(), tmp_path / "data")
    (tmp_path / "mine.toml").write_text(text)
    code, _, err = sshbench(
        "eval", "--protocol", tmp_path / "mine.toml", "--detector", "haar", "--resize", "144x192", "--limit", 2,
        "-o", tmp_path / "run",
    )  # fmt: skip
    assert code == 0, err
    assert sshbench("report", tmp_path / "run", "-o", tmp_path / "report")[0] == 0


@pytest.mark.parametrize("frozen", [float("inf"), float("nan"), 10**400, "x", [1]])
def test_an_architecture(frozen: object) -> None:
    content = {"name": "x", "trunk": [[8], [8], [8], [8], [8]], "lateral": 8, "modules": [8, 8, 8], "frozen": frozen}
    with pytest.raises(UsageError, match="not a valid architecture"):
        from_dict(content)


def test_weights_with_an_architecture_of_too_many_digits(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.numpy import save_file

    from sshbench.ssh.architecture import architecture

    save_weights(tmp_path / "w.safetensors", random_weights(architecture("ssh-tiny"), seed=0))
    with safe_open(str(tmp_path / "w.safetensors"), framework="numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    for text in (metadata["architecture"].replace('"frozen": 0', f'"frozen": {MANY_DIGITS}'), "[" * 100_000, "{}"):
        save_file(tensors, tmp_path / "v.safetensors", {**metadata, "architecture": text})
        with pytest.raises(InputError, match=r"v\.safetensors, field 'architecture'"):
            load_weights(tmp_path / "v.safetensors")


@pytest.mark.parametrize("content", [b"", bytes(1000), bytes(418_516), np.full(104_629, np.nan, np.float32).tobytes()])
def test_weights_of_yoloface(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.weights").write_bytes(content)
    with pytest.raises(InputError, match=r"w\.weights: .*(bytes, but|not finite, or all 0)"):
        yoloface._check(tmp_path / "w.weights")


@pytest.mark.parametrize("change", ["boxes", "dtype", "offsets", "cut"])
def test_a_damaged_cache_is_made_again(
    sshbench: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setenv("SSHBENCH_CACHE", str(tmp_path / "cache"))
    before = package.load_dataset("sample").faces
    (cached,) = cache_dir("ground_truth").iterdir()
    with np.load(cached) as stored:
        arrays: dict[str, Any] = {name: stored[name].copy() for name in stored.files}
    if change == "boxes":
        arrays["boxes"][0] += 100
    elif change == "dtype":
        arrays["boxes"] = arrays["boxes"].astype("<U10")
    elif change == "offsets":
        arrays["offsets"][1] = -5
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    cached.write_bytes(buffer.getvalue()[:1000] if change == "cut" else buffer.getvalue())
    after = package.load_dataset("sample").faces
    assert np.array_equal(after.boxes, before.boxes)
    assert np.array_equal(after.offsets, before.offsets)


@pytest.mark.parametrize("out", ["x" * 300, "/proc/nope", "file/below"])
def test_a_folder_that_cannot_be_made(
    sshbench: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    code, printed, err = sshbench(
        "eval", "--dataset", "sample", "--detector", "haar", "--resize", "144x192", "--limit", 1, "-o", out, "--json"
    )
    assert (code, printed) == (2, "")
    assert "Name another folder" in err
    assert "Traceback" not in err


def test_a_cache_that_cannot_be_made(sshbench: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_CACHE", "/proc/x")
    for command in (["weights", "list"], ["eval", "--dataset", "sample", "--detector", "yunet", "-o", tmp_path / "r"]):
        code, _, err = sshbench(*command)
        assert code == 2
        assert "SSHBENCH_CACHE" in err


def test_names_that_lead_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("../../../escaped", "x" * 300, "a\0b\n", ""):
        assert "/" not in safe_name(name)
        detector = package.FunctionDetector(lambda image: ([[0, 0, 9, 9]], [0.5]), name=name or "empty")
        result = package.run(detector, "sample", limit=1)
        assert result.folder is not None
        assert result.folder.resolve().parent == tmp_path / "runs"


def test_a_folder_with_other_files_and_a_lock_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in (".lock", "metrics.json"):
        (tmp_path / "mine" / name).write_text("of the user")
    with pytest.raises(UsageError, match="holds no run"):
        package.run(lambda image: ([], []), "sample", out=tmp_path / "mine", limit=1, overwrite=True)
    assert (tmp_path / "mine" / "metrics.json").read_text() == "of the user"


@pytest.mark.parametrize(
    "damage",
    ["blob", "page", *(pytest.param(one, marks=pytest.mark.thorough) for one in ("text", "stages", "column"))],
)
def test_a_damaged_database(sshbench: CommandLine, tmp_path: Path, damage: str) -> None:
    import sqlite3
    from contextlib import closing

    run = tmp_path / "run"
    arguments = (
        "eval",
        "--dataset",
        "sample",
        "--detector",
        "haar",
        "--resize",
        "144x192",
        "--limit",
        6,
        "-o",
        run,
        "--json",
    )
    assert sshbench(*arguments)[0] == 0
    (run / "files.json").unlink()
    database = run / "detections.sqlite"
    if damage == "page":
        content = bytearray(database.read_bytes())
        content[4096:8192] = bytes(range(256)) * 16
        database.write_bytes(content)
    else:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(
                {
                    "blob": "UPDATE images SET boxes = x'00'",
                    "text": "UPDATE images SET boxes = 'text'",
                    "stages": "UPDATE images SET stages = '{'",
                    "column": "ALTER TABLE images RENAME COLUMN scores TO other",
                }[damage]
            )
            connection.commit()
    for command in (
        arguments,
        ("eval", "--dataset", "sample", "--predictions", run, "--json"),
        ("report", run, "-o", tmp_path / "report", "--json"),
    ):
        code, out, err = sshbench(*command)
        assert (code, out) == (2, "")
        assert "detections.sqlite" in err
        assert "Traceback" not in err


def test_several_detectors_where_one_is_taken(sshbench: CommandLine, tmp_path: Path) -> None:
    for command in (["eval", "--dataset", "sample"], ["detect", sample_dir()]):
        code, out, err = sshbench(*command, "--detector", "haar", "--detector", "yunet", "-o", tmp_path / "out")
        assert (code, out) == (2, "")
        assert "several detectors: haar, yunet" in err


def test_a_file_whose_name_is_no_text(sshbench: CommandLine, tmp_path: Path) -> None:
    keys = package.load_dataset("sample").keys
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.zip")
    with zipfile.ZipFile(odd, "w") as archive:
        archive.writestr(f"{keys[0]}.txt", "a\n1\n1 2 30 40 0.9\n")
    code, out, err = sshbench("eval", "--dataset", "sample", "--predictions", odd, "-o", tmp_path / "run", "--json")
    assert code == 0, err
    assert json.loads(out)["detector"] == "?"
    for command in ("report", "leaderboard"):
        assert sshbench(command, tmp_path / "run", "-o", tmp_path / command)[0] == 0
