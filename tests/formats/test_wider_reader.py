"""Reading prediction files: the forms that the official tool takes, what it drops, and whatever else may come."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sshbench.errors import CheckFailedError, InputError, MissingDataError, SshbenchError, UsageError
from sshbench.formats.wider import check_target, format_wider, read_wider, write_wider
from sshbench.records import Detections

KEYS = ("0--Parade/a", "0--Parade/b.jpg_g", "1--Handshaking/c")
ONE = [[1.0, 2.0, 3.0, 4.0, 0.5]]


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def make(**files: str | bytes) -> Path:
        for name, content in files.items():
            path = tmp_path / "predictions" / {"a": "0--Parade/a.txt", "c": "1--Handshaking/c.txt"}.get(name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "predictions"

    return make


@pytest.mark.parametrize(
    ("text", "rows", "codes"),
    [
        ("a\n1\n1 2 3 4 0.5\n", ONE, []),
        ("a\n1\n1 2 3 4 0.5", ONE, []),
        ("\n1\n1 2 3 4 0.5\n\n\n", ONE, []),
        ("a\r\n1\r\n1 2 3 4 0.5\r\n", ONE, []),
        ("a\n1\n1,2,3,4,0.5\n", ONE, []),
        ("a\n1\n1, 2, 3, 4, 0.5\n", ONE, []),
        ("a\n1\n1\t2\t3\t4\t0.5\n", ONE, []),
        ("a\n 1 \n   1 2 3 4 0.5   \n", ONE, []),
        ("a\n1.0\n1 2 3 4 0.5\n", ONE, []),
        ("a\n1\n1e0 20e-1 0.3E+1 4 .5\n", ONE, []),
        ("a\n1\n+1 2. 3 4 0.5\n", ONE, []),
        ("a\n1\n1 2 3 4 0.5 7 8\n", ONE, []),
        ("a\n0\n", [], []),
        ("a\n1\n1 2 3 4 0.5\n9 9 9 9 0.1\n", ONE, ["extra-rows"]),
        ("a\n2\n1 2 3 4 0.5\n", [], ["too-few-rows"]),
        ("a\n1\n\n1 2 3 4 0.5\n", [], ["bad-row"]),
        ("a\n1\n1 2 3 4\n", [], ["bad-row"]),
        ("a\n1\n1 2 3 four 0.5\n", [], ["bad-row"]),
        ("a\n1\n1 2 3_0 4 0.5\n", [[1.0, 2.0, 30.0, 4.0, 0.5]], ["odd-text"]),
        ("a\n1\n1 2 3 4 0.5 face\n", ONE, ["repaired-file"]),
        ("a\n1 face\n1,,2,3,4,0.5 # c\n", ONE, ["repaired-file"]),
        ("a\n1\n1 2 3 4 INF\n", [[1.0, 2.0, 3.0, 4.0, np.inf]], ["repaired-file", "not-finite"]),
        ("a\n1\n1 2 3 4 NA\n", [[1.0, 2.0, 3.0, 4.0, np.nan]], ["odd-text", "not-finite"]),
        ("a\r1\r1 2 3 4 0.5\r", ONE, ["odd-text"]),
        ("a\n1\n1/2 2 3 4 0.5\n", [[0.5, 2.0, 3.0, 4.0, 0.5]], ["odd-text"]),
        ("a\n1\n1 2 3 4 1e400\n", [[1.0, 2.0, 3.0, 4.0, np.inf]], ["not-finite"]),
        ("a\n1\n" + "[" * 5000, [], ["bad-row"]),
        ("a\n1\n0x" + "F" * 17 + " 2 3 4 5", [], ["bad-row"]),
        ("a\nmany\n1 2 3 4 0.5\n", [], ["bad-count"]),
        ("a\n-1\n1 2 3 4 0.5\n", [], ["bad-count"]),
        ("a\n1.5\n1 2 3 4 0.5\n", [], ["bad-count"]),
        ("a\nnan\n1 2 3 4 0.5\n", [], ["bad-count"]),
        ("a\ninf\n1 2 3 4 0.5\n", [], ["bad-count"]),
        ("a\n1e300\n1 2 3 4 0.5\n", [], ["too-few-rows"]),
        ("a\n", [], ["empty-file"]),
        ("", [], ["empty-file"]),
        ("a\n\n", [], ["empty-file"]),
        ("a\n2\n1 2 3 4 0.5\n1 2 3 4 0.6\n", [*ONE, [1.0, 2.0, 3.0, 4.0, 0.6]], ["unsorted-rows"]),
        ("a\n1\n-1 -2.5 3 4 -0.5\n", [[-1.0, -2.5, 3.0, 4.0, -0.5]], []),
        ("a\n1\n0.1 0.2 0.3 0.12345678901234567 1\n", [[0.1, 0.2, 0.3, 0.12345678901234567, 1.0]], []),
        ("a\n1\n1 2 3 4 nan\n", [[1.0, 2.0, 3.0, 4.0, np.nan]], ["not-finite"]),
        ("a\n1\n1 2 3 4 Inf\n", [[1.0, 2.0, 3.0, 4.0, np.inf]], ["not-finite"]),
    ],
)
def test_forms_of_a_file(folder: Callable[..., Path], text: str, rows: list[list[float]], codes: list[str]) -> None:
    detections, findings = read_wider(folder(a=text), ["0--Parade/a"])
    expected = Detections.from_xywh([row[:4] for row in rows], [row[4] for row in rows])
    np.testing.assert_array_equal(detections.boxes, expected.boxes)
    np.testing.assert_array_equal(detections.scores, expected.scores)
    assert [finding.code for finding in findings] == codes
    assert all(finding.files == ("0--Parade/a.txt",) for finding in findings)


def test_strict_mode_names_what_is_wrong_and_where(folder: Callable[..., Path]) -> None:
    root = folder(a="a\n1\n1 2 3 4\n", c="c\n0\n")
    with pytest.raises(CheckFailedError, match=r"bad-row: .*0--Parade/a\.txt") as caught:
        read_wider(root, [KEYS[0], KEYS[2]], strict=True)
    assert caught.value.exit_code == 1
    read_wider(root, [KEYS[2]], known_keys=KEYS, strict=True)


def test_files_by_name(folder: Callable[..., Path]) -> None:
    text = "x\n1\n1 2 3 4 0.5\n"
    root = folder(
        **{
            "deep/er/0--Parade/a.txt": text,
            "0--Parade/b.jpg_g.txt": text,
            "1--Handshaking/c.jpg.txt": text,
            "1--Handshaking/unknown.txt": text,
            "other/0--Parade/a.txt": text,
            "README.txt": text,
        }
    )
    detections, findings = read_wider(root, [*KEYS, "1--Handshaking/d"])
    assert np.diff(detections.offsets).tolist() == [1, 1, 1, 0]
    assert {finding.code: finding.files for finding in findings} == {
        "missing-file": ("1--Handshaking/d.txt",),
        "unknown-file": ("1--Handshaking/unknown.txt",),
        "duplicate-file": ("other/0--Parade/a.txt",),
        "renamed-file": ("1--Handshaking/c.jpg.txt",),
    }


def test_zip_and_folder_are_the_same(folder: Callable[..., Path], tmp_path: Path) -> None:
    root = folder(a="a\n2\n1 2 3 4 0.5\n5 6 7 8 0.25\n", c="c\n1\n1 2 3 4 1e-3\n")
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        packed = tmp_path / f"{method}.zip"
        with zipfile.ZipFile(packed, "w", compression=method) as archive:
            for path in root.rglob("*.txt"):
                archive.write(path, f"top/{path.relative_to(root)}")
        for ours, theirs in zip(read_wider(packed, KEYS)[0], read_wider(root, KEYS)[0], strict=True):
            np.testing.assert_array_equal(ours.boxes, theirs.boxes)
            np.testing.assert_array_equal(ours.scores, theirs.scores)


def test_a_folder_of_other_things_is_an_error(folder: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"no file in .* belongs to an image"):
        read_wider(folder(**{"notes.txt": "hello"}), KEYS)
    with pytest.raises(MissingDataError, match="nowhere does not exist"):
        read_wider(tmp_path / "nowhere", KEYS)


def test_x2_y2_in_place_of_w_h_is_noticed_and_can_be_read(folder: Callable[..., Path]) -> None:
    rng = np.random.default_rng(3)
    corners = rng.integers(100, 900, (40, 2))
    rows = "".join(f"{x} {y} {x + 130 + x} {y + 140 + y} 0.5\n" for x, y in corners)
    root = folder(a=f"a\n40\n{rows}")
    detections, findings = read_wider(root, ["0--Parade/a"])
    assert [finding.code for finding in findings] == ["xyxy-boxes"]
    assert findings[0].files == ("0--Parade/a.txt",)
    read, none = read_wider(root, ["0--Parade/a"], box_format="xyxy")
    assert none == []
    np.testing.assert_array_equal(read.boxes[:, 2], detections.boxes[:, 2] - detections.boxes[:, 0])


def test_a_stray_score_is_noticed(folder: Callable[..., Path]) -> None:
    rows = "".join(f"100 100 30 40 {1 - k / 2000}\n" for k in range(2000))
    assert read_wider(folder(a=f"a\n2000\n{rows}"), ["0--Parade/a"])[1] == []
    findings = read_wider(folder(a=f"a\n2001\n1 2 3 4 100\n{rows}"), ["0--Parade/a"])[1]
    assert [(finding.code, finding.files) for finding in findings] == [("stray-score", ("0--Parade/a.txt",))]


def test_real_sets_raise_no_suspicion(shared: Path) -> None:
    from sshbench.evaluation.loading import load_dataset

    wider = load_dataset("wider", shared / "data" / "wider")
    for name in ("retinaface-trt", "retinaface-mnet025", "retinaface-jit", "synth"):
        findings = read_wider(shared / "data" / "wider" / "predictions" / f"{name}.zip", wider.keys)[1]
        assert {finding.code for finding in findings} & {"xyxy-boxes", "stray-score"} == set()


NUMBER = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: v + 0.0) | st.sampled_from([1 / 3, 1e-17, 123456789.125])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER, NUMBER), max_size=6))
def test_written_files_read_back_bit_for_bit(tmp_path: Path, rows: list[tuple[float, ...]]) -> None:
    # Corners that x + w reaches: any other x2 cannot be written as x y w h at all.
    detections = Detections.from_xywh([row[:4] for row in rows], [row[4] for row in rows])
    write_wider(tmp_path / "out.zip", [(KEYS[0], detections)])
    read = read_wider(tmp_path / "out.zip", [KEYS[0]], strict=False)[0][0]
    order = np.argsort(-detections.scores, kind="stable")
    np.testing.assert_array_equal(read.boxes, detections.boxes[order])
    np.testing.assert_array_equal(read.scores, detections.scores[order])


def test_written_zips_are_the_same_bytes(tmp_path: Path) -> None:
    detections = Detections.from_xywh([[1, 2, 3.5, 4]], [0.25])
    for name in ("a.zip", "b.zip"):
        write_wider(tmp_path / name, [(KEYS[0], detections)])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert format_wider(KEYS[0], detections) == "a\n1\n1 2 3.5 4 0.25\n"


# Whatever the bytes are: an SshbenchError or a result, never another exception.

WORDS = "1 0 12 - . + e E nan inf -inf x 999999999999999999999999 0.1234567890123456789 1_0 1e400 -0 ٣ é".split()  # noqa: SIM905 - a list of 19 strings would be harder to read
WORDS += [
    "[",
    "]",
    ";",
    "^",
    "/",
    "*",
    "2i",
    "0x10",
    "0xFFFFFFFFFFFFFFFFF",
    "1d1",
    "NA",
    "%",
    "'",
    "(1)",
    "0/0",
    "-2^0.5",
]
BREAKS = [" ", "  ", "\t", ",", "\r", "\n", "\n\n", "\v", "\f", "\0", "\x1a"]
PIECES = st.lists(st.sampled_from([*WORDS, *BREAKS, "5" * 400]), max_size=60).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | PIECES.map(str.encode) | PIECES.map(lambda t: f"a\n2\n{t}".encode()))
@example(content=b"a\n1\n" + b"9" * 100_000)
@example(content=b"a\n1\n1 2 3 4 " + b"0." + b"1" * 5000)
@example(content=b"a\n99999999999999999999999999\n")
@example(content=b"\xff\xfe\x00a")
def test_fuzz_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p" / "0--Parade" / "a.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    detections, _ = read_wider(tmp_path / "p", [KEYS[0]])
    assert detections.total >= 0


def good_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0--Parade/a.txt", "a\n3\n" + "1 2 3 4 0.5\n" * 3)
        archive.writestr("1--Handshaking/ünï.txt", "c\n0\n")
    return buffer.getvalue()


def test_a_nameless_member_of_a_damaged_zip_is_passed_over(tmp_path: Path) -> None:
    content = bytearray(good_zip())
    at = content.index(b"PK\x01\x02")  # the central directory's first entry; a NUL ends a name
    content[at + 46] = 0
    (tmp_path / "p.zip").write_bytes(bytes(content))
    with suppress(SshbenchError):
        read_wider(tmp_path / "p.zip", KEYS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_fuzz_zips(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(good_zip())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    path = tmp_path / "p.zip"
    path.write_bytes(bytes(content[:cut]))
    with suppress(SshbenchError):
        read_wider(path, KEYS)


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    content = bytearray(good_zip())
    at = content.index(b"a.txt") + len("a.txt") + 3
    content[at] ^= 0xFF
    (tmp_path / "p.zip").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"p\.zip:0--Parade/a\.txt: the member cannot be read"):
        read_wider(tmp_path / "p.zip", KEYS)


def test_a_file_that_is_no_zip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="not a readable zip"):
        read_wider(tmp_path / "p.zip", KEYS)


def test_unicode_names(tmp_path: Path) -> None:
    key = "0--Parade/人群 été"
    path = tmp_path / "p" / f"{key}.txt"
    path.parent.mkdir(parents=True)
    path.write_text("x\n1\n1 2 3 4 0.5\n")
    assert read_wider(tmp_path / "p", [key])[0].total == 1


def test_only_our_own_submissions_are_replaced(tmp_path: Path) -> None:
    own, foreign = tmp_path / "own.zip", tmp_path / "foreign.zip"
    write_wider(own, [(KEYS[0], Detections.empty())])
    check_target(own, overwrite=False)
    check_target(tmp_path / "absent.zip", overwrite=False)
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr(f"{KEYS[0]}.txt", "mine")
    for content in (foreign.read_bytes(), b"no zip"):
        foreign.write_bytes(content)
        with pytest.raises(UsageError, match=r"exists, and sshbench did not write it.*--overwrite"):
            check_target(foreign, overwrite=False)
        check_target(foreign, overwrite=True)
    with pytest.raises(UsageError, match=r"a submission is a zip, not 'a.txt'"):
        check_target(tmp_path / "a.txt", overwrite=True)
