"""WIDER FACE on disk: found where it usually lies, read right, cached, and clear about what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from sshbench.datasets.wider import load_wider
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.evaluation.check import check_dataset
from sshbench.evaluation.loading import load_dataset
from sshbench.files import cache_dir, sample_dir
from sshbench.formats.wider_truth import read_text
from sshbench.protocols import load_protocol

SUBSETS = {s.name: s.ground_truth for s in load_protocol("wider").subsets if s.ground_truth is not None}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sample, which has WIDER's layout."""
    return Path(shutil.copytree(sample_dir(), tmp_path / "data"))


def test_official_counts(shared: Path) -> None:
    wider = load_dataset("wider", shared / "data" / "wider")
    faces = wider.faces
    assert (len(faces), faces.total) == (3226, 39708)
    assert [faces.counted(name) for name in SUBSETS] == [7211, 13319, 31958]
    assert max(np.diff(faces.offsets)) == 709
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    assert int((sides <= 0).any(axis=1).sum()) == 11
    assert int(faces.attributes["invalid"].sum()) == 585
    never = np.logical_and.reduce([faces.ignore[name] for name in SUBSETS])
    assert int(never.sum()) == 7750
    none = [sum(bool(image.ignore[name].all()) for image in faces) for name in SUBSETS]
    assert none == [622, 207, 7]
    assert wider.keys[0] == "0--Parade/0_Parade_marchingband_1_465"


def test_text_and_mat_say_the_same(shared: Path) -> None:
    root = shared / "data" / "wider"
    mat = load_dataset("wider", root).faces
    text = read_text(root / "wider_face_split" / "wider_face_val_bbx_gt.txt")
    assert set(text.keys) == set(mat.keys)
    where = {key: i for i, key in enumerate(text.keys)}
    ordered = text.select([where[key] for key in mat.keys])
    np.testing.assert_array_equal(ordered.boxes, mat.boxes)
    for name, values in mat.attributes.items():
        np.testing.assert_array_equal(ordered.attributes[name], values)


@pytest.mark.parametrize("place", ["ground_truth", "wider_face_split", "eval_tools/ground_truth", "annotations", "."])
def test_annotation_is_found_where_it_usually_lies(copy: Path, place: str) -> None:
    target = copy / place
    target.mkdir(parents=True, exist_ok=True)
    for file in list((copy / "ground_truth").glob("*.mat")):
        if file.parent != target:
            shutil.move(file, target / file.name)
    assert load_wider(copy, subsets=SUBSETS).faces.counted("hard") == 166


@pytest.mark.parametrize("place", ["WIDER_val/images", "val/images", "images", "WIDER_val"])
def test_images_are_found_where_they_usually_lie(copy: Path, place: str) -> None:
    kept = copy.parent / "images"
    shutil.move(copy / "WIDER_val" / "images", kept)
    shutil.rmtree(copy / "WIDER_val")
    assert load_wider(copy, subsets=SUBSETS).images_present() == []
    (copy / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(kept, copy / place)
    assert len(load_wider(copy, subsets=SUBSETS).images_present()) == 24


def test_cache_is_used_and_mended(copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSHBENCH_CACHE", str(tmp_path / "cache"))
    first = load_wider(copy, subsets=SUBSETS)
    (cached,) = cache_dir("ground_truth").iterdir()
    whole = cached.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("sshbench.datasets.wider._parse", lambda *_: pytest.fail("parsed again"))
        again = load_wider(copy, subsets=SUBSETS)
    np.testing.assert_array_equal(again.faces.boxes, first.faces.boxes)
    assert again.keys == first.keys
    for damage in (b"", b"garbage", whole[: len(whole) // 2]):
        cached.write_bytes(damage)
        assert load_wider(copy, subsets=SUBSETS).keys == first.keys
        assert cached.read_bytes()[:2] == b"PK"


def test_changed_annotation_is_another_dataset(copy: Path) -> None:
    before = load_wider(copy, subsets=SUBSETS)
    path = copy / "ground_truth" / "wider_face_val.mat"
    content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    content["face_bbx_list"][0, 0][0, 0][0, 0] += 1
    savemat(path, content)
    after = load_wider(copy, subsets=SUBSETS)
    assert after.fingerprint != before.fingerprint
    assert after.faces.boxes[0, 0] == before.faces.boxes[0, 0] + 1


def test_missing_files_say_where_they_were_looked_for(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="there is no folder"):
        load_wider(tmp_path / "nowhere", subsets=SUBSETS)
    (copy / "ground_truth" / "wider_hard_val.mat").unlink()
    with pytest.raises(MissingDataError, match=r"wider_hard_val\.mat was not found.*sshbench data fetch wider"):
        load_wider(copy, subsets=SUBSETS)
    report = check_dataset(load_protocol("wider"), copy)
    assert not report.ok
    assert next(item.what for item in report.items if item.needed and not item.ok) == "wider_hard_val.mat"


@pytest.mark.parametrize("damage", [b"", b"no mat file", b"MATLAB 5.0 MAT-file" + b"\0" * 200])
def test_damaged_mat_is_named(copy: Path, damage: bytes) -> None:
    path = copy / "ground_truth" / "wider_face_val.mat"
    path.write_bytes(damage)
    with pytest.raises(InputError, match=r"wider_face_val\.mat"):
        load_wider(copy, subsets=SUBSETS)


def test_subset_of_other_images_is_refused(copy: Path) -> None:
    path = copy / "ground_truth" / "wider_easy_val.mat"
    content = loadmat(path)
    cells = content["gt_list"]
    cells[0, 0][0, 0] = np.array([[99]], dtype=np.uint8)
    savemat(path, {"gt_list": cells})
    with pytest.raises(InputError, match=r"field 'gt_list': image 1 has no face with such a number"):
        load_wider(copy, subsets=SUBSETS)
    savemat(path, {"gt_list": cells[:3]})
    with pytest.raises(InputError, match="the images differ from those of the boxes"):
        load_wider(copy, subsets=SUBSETS)


def test_train_and_test_lists(tmp_path: Path) -> None:
    split = tmp_path / "wider_face_split"
    split.mkdir()
    (split / "wider_face_train_bbx_gt.txt").write_text(
        "0--Parade/a.jpg\n2\n1 2 3 4 0 1 0 1 2 0 \n5 6 7 8 2 0 1 0 0 1 \n0--Parade/none.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"
    )
    (split / "wider_face_test_filelist.txt").write_text("0--Parade/x.jpg\n0--Parade/y.jpg\n")
    train = load_wider(tmp_path, split="train").faces
    assert train.keys == ("0--Parade/a", "0--Parade/none")
    assert train.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert train.attributes["invalid"].tolist() == [1, 0]
    assert train.attributes["occlusion"].tolist() == [2, 0]
    assert load_wider(tmp_path, split="test").keys == ("0--Parade/x", "0--Parade/y")
    with pytest.raises(UsageError, match="no split 'dev'"):
        load_wider(tmp_path, split="dev")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.jpg\nmany\n", ":2: "),
        ("a.jpg\n2\n1 2 3 4\n", ":4: "),
        ("a.jpg\n1\n1 2 3\n", ":3: "),
        ("1 2 3 4\n", ":1: invalid image name"),
    ],
)
def test_wrong_text_names_the_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "wider_face_train_bbx_gt.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        load_wider(tmp_path, split="train")


def test_parts_say_that_they_are_parts(copy: Path) -> None:
    whole = load_wider(copy, subsets=SUBSETS)
    assert not whole.is_part
    limited = whole.limited(5)
    assert limited.is_part
    assert limited.keys == whole.keys[:5]
    assert limited.fingerprint != whole.fingerprint
    next((copy / "WIDER_val").rglob("*.jpg")).unlink()
    present = load_wider(copy, subsets=SUBSETS).with_images()
    assert len(present.keys) == 23
    assert [finding.code for finding in present.findings] == ["part-of-dataset"]
    shutil.rmtree(copy / "WIDER_val")
    with pytest.raises(MissingDataError, match="no image of wider val"):
        load_wider(copy, subsets=SUBSETS).with_images()
    with pytest.raises(UsageError, match="--limit"):
        whole.limited(0)


def test_data_check_command(sshbench, copy: Path, shared: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = sshbench("data", "check", "wider", "--data", shared / "data" / "wider")
    assert code == 0
    assert "annotated faces: 39708" in out
    assert "33 of 3226" in out
    code, out, _ = sshbench("data", "check", "wider", "--data", copy)
    assert code == 1
    assert "174, official: 39708" in out
