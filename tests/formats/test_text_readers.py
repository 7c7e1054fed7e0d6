"""FDDB's, PASCAL Faces' and COCO's files: what is read, what is mended and said, what is refused and where."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.errors import CheckFailedError, InputError, MissingDataError
from sshbench.formats import format_of, read_text_predictions
from sshbench.formats.coco import read_coco_results, results_in
from sshbench.formats.fddb import read_annotation, read_fddb, read_sizes
from sshbench.formats.pascal import read_pascal

KEYS = ("2002/a", "2002/b", "2002/c")
FDDB = "2002/a\n2\n1 2 30 40 0.9\n5 6 7 8 0.5\n2002/b\n0\n2002/c\n1\n0 0 9 9 -1.5\n"
PASCAL = "a.jpg 0.9 1 2 31 42\nb 0.5 0 0 9 9\na 0.9 5 6 12 14\n"


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def codes(findings: list[Any]) -> list[str]:
    return [finding.code for finding in findings]


def test_fddb_rectangles(tmp_path: Path) -> None:
    read, findings = read_fddb(write(tmp_path / "d.txt", FDDB), KEYS)
    assert findings == []
    assert read.offsets.tolist() == [0, 2, 2, 3]
    assert read.boxes.tolist() == [[1, 2, 31, 42], [5, 6, 12, 14], [0, 0, 9, 9]]
    assert read.scores.tolist() == [0.9, 0.5, -1.5]
    assert read.ellipses is None


def test_fddb_ellipses_have_their_bounding_boxes(tmp_path: Path) -> None:
    read, _ = read_fddb(write(tmp_path / "d.txt", "a\n1\n20 10 0 50 40 0.7\n"), ("a",))
    assert read.ellipses is not None
    assert read.ellipses.tolist() == [[20, 10, 0, 50, 40]]
    assert read.boxes.tolist() == [[30, 30, 70, 50]]


def test_fddb_crlf_blank_lines_and_gz_read_the_same(tmp_path: Path) -> None:
    expected, _ = read_fddb(write(tmp_path / "d.txt", FDDB), KEYS)
    packed = tmp_path / "e.txt.gz"
    packed.write_bytes(gzip.compress(FDDB.replace("\n", "\r\n").replace("2002/b", "\r\n2002/b").encode()))
    read, findings = read_fddb(packed, KEYS)
    assert findings == []
    assert read.digest == expected.digest


def test_fddb_another_order_is_matched_by_name_and_said(tmp_path: Path) -> None:
    expected, _ = read_fddb(write(tmp_path / "d.txt", FDDB), KEYS)
    moved = "2002/c\n1\n0 0 9 9 -1.5\n" + FDDB[: FDDB.index("2002/c")]
    read, findings = read_fddb(write(tmp_path / "e.txt", moved), KEYS)
    assert codes(findings) == ["image-order"]
    assert read.digest == expected.digest
    with pytest.raises(CheckFailedError, match="image-order"):
        read_text_predictions("fddb", tmp_path / "e.txt", KEYS, strict=True)


def test_fddb_missing_and_unknown_images_are_named(tmp_path: Path) -> None:
    read, findings = read_fddb(write(tmp_path / "d.txt", FDDB.replace("2002/b", "2003/x")), KEYS)
    assert codes(findings) == ["missing-image", "unknown-image"]
    assert [finding.files for finding in findings] == [("2002/b",), ("2003/x",)]
    assert read.keys == KEYS


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("1 2 30 40 0.9", "1 2 30 40", r"d.txt:3: .*'1 2 30 40'"),  # the score is missing
        ("1 2 30 40 0.9", "1 2 30 40 0.9 7 8", ":3: "),
        ("5 6 7 8 0.5", "5 6 7 x 0.5", ":4: "),
        ("5 6 7 8 0.5", "5 6 7 8 nan", "2002/a is not finite"),
        ("5 6 7 8 0.5", "5 6 inf 8 1", "2002/a is not finite"),
        ("2002/b\n0", "2002/b\nmany", r":6: .*expected a count"),
        ("2002/b\n0", "2002/b\n-1", ":6: "),
        ("2002/b\n0", f"2002/b\n{'9' * 5000}", ":6: .*expected a count"),  # int() refuses so many digits
        ("2002/c\n1", "2002/c\n3", r"has \d of 3 rows"),
        ("2002/b", "2002/a", "duplicate image"),
    ],
)
def test_fddb_what_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in FDDB
    with pytest.raises(InputError, match=says):
        read_fddb(write(tmp_path / "d.txt", FDDB.replace(old, new)), KEYS)


def test_fddb_negative_radii_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="negative radius"):
        read_fddb(write(tmp_path / "d.txt", "a\n1\n20 -10 0 50 40 0.7\n"), ("a",))
    with pytest.raises(InputError, match="none of its images is in the dataset"):
        read_fddb(write(tmp_path / "d.txt", FDDB), ("other",))
    with pytest.raises(MissingDataError, match="no file"):
        read_fddb(tmp_path / "nowhere.txt", KEYS)
    (tmp_path / "d.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read"):
        read_fddb(tmp_path / "d.gz", KEYS)


def test_fddb_sizes(tmp_path: Path) -> None:
    path = write(tmp_path / "s.txt", "a 10 20\n\nb 30 40\n")
    assert read_sizes(path, ["b", "a"]).tolist() == [[30, 40], [10, 20]]
    with pytest.raises(InputError, match="not in the list"):
        read_sizes(path, ["c"])
    with pytest.raises(InputError, match=":1: "):
        read_sizes(write(path, "a 10\n"), ["a"])


def test_pascal_keeps_file_order_for_ties_and_strips_suffixes(tmp_path: Path) -> None:
    read, findings = read_pascal(write(tmp_path / "d.txt", PASCAL.replace("\n", "\r\n")), ("a", "b"))
    assert findings == []
    assert read.boxes.tolist() == [[1, 2, 31, 42], [5, 6, 12, 14], [0, 0, 9, 9]]
    assert read.positions is not None
    assert read.positions.tolist() == [0, 2, 1]


def test_pascal_unknown_images_stay_as_false_positives(tmp_path: Path) -> None:
    read, findings = read_pascal(write(tmp_path / "d.txt", PASCAL), ("a",))
    assert codes(findings) == ["unknown-image"]
    assert read.keys == ("a", "b")
    assert read.total == 3


@pytest.mark.parametrize("row", ["a 0.9 1 2 31", "a nan 1 2 31 42", "a 0.9 1 2 31 inf", "a x 1 2 31 42", "only-a-name"])
def test_pascal_what_is_refused(tmp_path: Path, row: str) -> None:
    with pytest.raises(InputError, match=":4: "):
        read_pascal(write(tmp_path / "d.txt", f"{PASCAL}{row}\n"), ("a", "b"))


RESULT = {"image_id": 7, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.9}


def results(path: Path, *entries: Any) -> Path:
    return write(path, json.dumps(list(entries)))


def test_coco_results_by_id_or_by_name(tmp_path: Path) -> None:
    named = {**RESULT, "file_name": "b.png", "image_id": 99, "score": 0.1}
    read, findings = read_coco_results(results(tmp_path / "r.json", named, RESULT), ("a", "b"), {7: "a", 8: "b"})
    assert findings == []
    assert read.boxes.tolist() == [[1, 2, 31, 42]] * 2
    assert read.scores.tolist() == [0.9, 0.1]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("e/a.v2.JPEG", ("e/a", "e/a.v2")),
        ("e/a.v2", ("e/a", "e/a.v2")),
        ("a.gif", ("b", "a")),
        ("a.png", ("a", "a.png")),
        ("a", ("b", "a")),
    ],
)
def test_coco_results_match_names_with_and_without_suffix(tmp_path: Path, name: str, keys: tuple[str, str]) -> None:
    read, findings = read_coco_results(results(tmp_path / "r.json", {**RESULT, "file_name": name}), keys, None)
    assert findings == []
    assert np.diff(read.offsets).tolist() == [0, 1]


def test_coco_results_name_unknown_images_as_the_file_does(tmp_path: Path) -> None:
    path = results(tmp_path / "r.json", {**RESULT, "file_name": "a"}, {**RESULT, "file_name": "plain"})
    assert [finding.files for finding in read_coco_results(path, ("a",), None)[1]] == [("plain",)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bbox": [1, 2, 3]}, r"\[1\]\.bbox"),
        ({"bbox": [1, 2, float("nan"), 4]}, r"\[1\]\.bbox"),
        ({"score": None}, r"\[1\]\.score"),
        ({"score": True}, r"\[1\]\.score"),
        ({"score": 10**400}, r"\[1\]\.score"),
        ({"image_id": None}, r"\[1\]\.image_id"),
        ({"category_id": 2}, "several categories"),
    ],
)
def test_coco_results_what_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_coco_results(results(tmp_path / "r.json", RESULT, {**RESULT, **change}), ("a",), {7: "a"})


ODD = (
    {"image_id": 7.0},
    {"image_id": "7"},
    {"file_name": "b.png"},
    {"image_id": 8},
    {"category_id": 1.0},
    {"category_id": "1"},
    {"bbox": [True, 2, 3, 4]},
    {"score": 2},
    {"score": 10**400},
    {"image_id": True},
    {"image_id": 9},
    {"file_name": None},
)


def outcome_of(*arguments: Any) -> Any:
    try:
        read, findings = read_coco_results(*arguments)
    except InputError as error:
        return str(error)
    return read.digest, findings


@given(st.lists(st.sampled_from(({}, {}, *ODD)), max_size=9), st.sampled_from([1, 2, 4096]))
def test_coco_results_in_parts_and_one_by_one_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, changes: Any, part: int
) -> None:
    path = results(tmp_path_factory.mktemp("coco") / "r.json", *({**RESULT, **change} for change in changes))
    arguments = (path, ("a", "b"), {7: "a", 8: "b"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sshbench.formats.coco._PART_TEXT", part)
        fast = outcome_of(*arguments)
        patch.setattr("sshbench.formats.coco_columns.ResultColumns._plain", lambda *_: None)
        assert outcome_of(*arguments) == fast


@given(
    st.lists(
        st.sampled_from(
            ["[", "]", "{", "}", ",", " ", "\n", "1", "NaN", '"},"', "-", "{}", "{},", '{"a": {}, "b": [1, 2]}']
        )
    )
)
def test_a_list_in_parts_is_that_of_the_json_parser(tmp_path_factory: pytest.TempPathFactory, tokens: Any) -> None:
    text = "[" + "".join(tokens) + "]"
    path = write(tmp_path_factory.mktemp("coco") / "r.json", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sshbench.formats.coco._PART_TEXT", 1)
        try:
            expected: Any = json.loads(text)
        except ValueError:
            with pytest.raises(InputError, match="invalid json"):
                results_in(path)
            return
        assert repr(results_in(path)) == repr(expected)


def test_coco_results_unknown_images(tmp_path: Path) -> None:
    path = results(tmp_path / "r.json", RESULT, {**RESULT, "image_id": 8})
    _, findings = read_coco_results(path, ("a",), {7: "a"})
    assert codes(findings) == ["unknown-image"]
    with pytest.raises(InputError, match="none of its images is in the dataset"):
        read_coco_results(path, ("a",), {})
    with pytest.raises(InputError, match=":1: "):
        read_coco_results(write(path, "[{"), ("a",), {})
    with pytest.raises(InputError, match="expected a list of results"):
        read_coco_results(write(path, "{}"), ("a",), {})


@given(st.binary(max_size=300) | st.text("ab/.0123456789e-+ \n\r\t", max_size=200).map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "d.txt"
    path.write_bytes(content)
    for read in (
        lambda: read_fddb(path, KEYS),
        lambda: read_pascal(path, ("a", "b")),
        lambda: read_annotation([path]),
        lambda: read_sizes(path, []),
        lambda: read_coco_results(path, KEYS, {}),
    ):
        result: Any = ()
        with contextlib.suppress(InputError):
            result = read()
        if isinstance(result, tuple) and result:
            assert np.isfinite(result[0].boxes).all()


def test_an_annotation_that_names_an_image_twice_is_refused_with_its_file(tmp_path: Path) -> None:
    folds = [tmp_path / "fold1.txt", tmp_path / "fold2.txt"]
    for fold in folds:
        fold.write_text("a/b\n1\n3 2 0 5 5 1\n")
    assert read_annotation(folds[:1]).keys == ("a/b",)
    with pytest.raises(InputError, match=r"fold2.txt:1: duplicate image, also in line 1 of .*fold1.txt: 'a/b'"):
        read_annotation(folds)


def test_formats_by_name(tmp_path: Path) -> None:
    assert format_of(tmp_path, "fddb") == "wider"
    assert format_of(Path("x.zip"), "coco") == "wider"
    assert format_of(Path("x.json.gz"), "pascal") == "coco"
    assert format_of(Path("x.txt"), "pascal") == "pascal"
