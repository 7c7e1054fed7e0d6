"""PASCAL Faces and AFW: annotations as `.mat`, old and new, read by what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from sshbench.datasets.pascal import load_pascal
from sshbench.errors import InputError
from sshbench.formats.pascal import read_csv, read_mat
from sshbench.records import FaceSet

GOLDEN = Path(__file__).parents[1] / "golden"
STEM = "Annotations_Face_PASCALLayout_large"
PAIRS = [
    ("pascal", "new.csv", f"{STEM}_fixed.mat", 1),
    ("pascal", "old.csv", f"{STEM}.mat", 0),
    ("afw", "afw_new.csv", "new_annotations_AFW.mat", 1),
    ("afw", "old.csv", "anno2.mat", 0),
]


def cells(*values: object) -> np.ndarray:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def toolbox(path: Path, images: Mapping[str, object]) -> Path:
    """Write `Annotations` as the toolbox has them."""
    table = np.empty((len(images), 1), dtype=[("imgname", object), ("imgsize", object), ("objects", object)])
    for row, (name, objects) in zip(table.ravel(), images.items(), strict=True):
        row["imgname"], row["imgsize"], row["objects"] = name, 500, objects
    savemat(path, {"Annotations": table})
    return path


def afw(path: Path, images: dict[str, object]) -> Path:
    """Write `anno` as AFW's authors have it: name, cell of boxes, and two columns that are not read."""
    rows = np.empty((len(images), 4), dtype=object)
    for row, (name, boxes) in zip(rows, images.items(), strict=True):
        row[:] = cells(name, boxes, 0.0, 0.0)
    savemat(path, {"anno": rows})
    return path


def faces_of(faces: FaceSet) -> dict[str, list[list[float]]]:
    return {
        key: np.column_stack((image.boxes, image.ignore["all"])).tolist()
        for key, image in zip(faces.keys, faces, strict=True)
    }


@pytest.mark.parametrize(("collection", "text", "mat", "without_faces"), PAIRS)
def test_mat_and_csv_hold_the_same_faces(collection: str, text: str, mat: str, without_faces: int) -> None:
    """Only the `.mat` can list an image without faces."""
    expected, found = (faces_of(read(GOLDEN / collection / file)) for read, file in ((read_csv, text), (read_mat, mat)))
    assert {key: rows for key, rows in found.items() if rows} == expected
    assert len(found) - len(expected) == without_faces


def test_old_annotation_with_three_faces_in_every_image(tmp_path: Path) -> None:
    """Twelve numbers: three old faces, not two new ones."""
    boxes = np.arange(12.0).reshape(3, 4)
    faces = read_mat(toolbox(tmp_path / "a.mat", {"x.jpg": boxes, "y.jpg": boxes + 50}))
    np.testing.assert_array_equal(faces.boxes, np.vstack((boxes, boxes + 50)))
    assert not faces.ignore["all"].any()


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (0, 6), (1, 0)])
def test_image_without_faces(tmp_path: Path, shape: tuple[int, int]) -> None:
    images = {"a.jpg": np.empty(shape), "b.jpg": np.array([[1, 2, 3, 4, 0, 1]])}
    assert faces_of(read_mat(toolbox(tmp_path / "a.mat", images))) == {"a": [], "b": [[1.0, 2.0, 3.0, 4.0, 1.0]]}


def test_image_of_afw_without_faces(tmp_path: Path) -> None:
    path = afw(tmp_path / "anno2.mat", {"a.jpg": cells(), "b.jpg": cells(np.array([[1, 2], [3, 4]]))})
    assert faces_of(read_mat(path)) == {"a": [], "b": [[1.0, 2.0, 3.0, 4.0, 0.0]]}
    dataset = load_pascal(tmp_path, annotation=["anno2.mat"], images=["."], name="afw")
    assert dataset.keys == ("a", "b")


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        (np.arange(10.0).reshape(2, 5), r"field 'Annotations\(2\)\.objects': .*\(2, 5\).*4 columns.*\[0.0, 1.0, 2.0"),
        (np.arange(12.0).reshape(4, 3), r"Annotations\(2\)\.objects.*\(4, 3\)"),
        (np.array([[7.0]]), r"Annotations\(2\)\.objects.*\(1, 1\).*\[7.0\]"),
        (np.array([[1, 2, np.nan, 4]]), r"Annotations\(2\)\.objects.*finite.*nan"),
        ("none", r"Annotations\(2\)\.objects.*numbers.*none"),
    ],
)
def test_other_objects_are_refused(tmp_path: Path, objects: object, said: str) -> None:
    path = toolbox(tmp_path / "bad.mat", {"a.jpg": np.ones((1, 6)), "b.jpg": objects})
    with pytest.raises(InputError, match=rf"bad\.mat.*{said}"):
        read_mat(path)


@pytest.mark.parametrize("box", [np.array([[1, 2, 3, 4]]), np.array([[1, 2], [3, 4], [5, 6]]), np.zeros((0, 0))])
def test_other_boxes_of_afw_are_refused(tmp_path: Path, box: np.ndarray) -> None:
    path = afw(tmp_path / "bad.mat", {"a.jpg": cells(np.eye(2)), "b.jpg": cells(np.eye(2), box)})
    with pytest.raises(InputError, match=r"bad\.mat, field 'anno\{2,2\}': .*x1 y1; x2 y2"):
        read_mat(path)


def test_names_must_be_there_and_differ(tmp_path: Path) -> None:
    for first in ("", "b.png"):
        with pytest.raises(InputError, match=r"bad\.mat.*missing or duplicate image name"):
            read_mat(toolbox(tmp_path / "bad.mat", {first: np.ones((1, 4)), "b.jpg": np.ones((1, 4))}))


def test_what_is_no_annotation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.mat"
    path.write_bytes(b"no .mat file")
    with pytest.raises(InputError, match=r"not a readable \.mat file"):
        read_mat(path)
    savemat(path, {"boxes": np.ones((2, 4))})
    with pytest.raises(InputError, match=r"expected the variable Annotations.*\['boxes'\]"):
        read_mat(path)
    savemat(path, {"anno": np.ones((2, 4))})
    with pytest.raises(InputError, match="cell array anno"):
        read_mat(path)
    savemat(path, {"Annotations": {"imgname": "a.jpg"}})
    with pytest.raises(InputError, match=r"'Annotations': expected imgname and objects"):
        read_mat(path)


@pytest.mark.parametrize("row", ["a.jpg,1,2,nan,4,0,0", "a.jpg,1,2,3,4,0", "a.jpg,1,2,3,4,0,yes"])
def test_rows_of_a_csv_that_cannot_be_read(tmp_path: Path, row: str) -> None:
    path = tmp_path / "new.csv"
    path.write_text(f"image,x1,y1,x2,y2,f4,ignore\na.jpg,1,2,3,4,0,0\n{row}\n")
    with pytest.raises(InputError, match=r"new\.csv:3: invalid row"):
        read_csv(path)
