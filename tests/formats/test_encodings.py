"""One content, however a tool wrote the text: byte order marks, UTF-16, line ends and gzip change nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sshbench.errors import InputError, MissingDataError
from sshbench.formats.base import lines_of, read_lines, read_size_list
from sshbench.formats.coco import read_coco_results
from sshbench.formats.coco_truth import read_coco
from sshbench.formats.content import Known
from sshbench.formats.convert import FORMATS
from sshbench.formats.fddb import read_annotation, read_fddb_file
from sshbench.formats.pascal import read_csv, read_pascal_file
from sshbench.formats.wider_truth import image_names, read_text
from sshbench.images import IMAGE_SUFFIXES
from sshbench.records import DetectionSet, FaceSet

Images = Sequence[tuple[str, Sequence[Sequence[int]]]]
"""Names, and the boxes of each as four whole numbers."""

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be")
LINE_ENDS = ("\n", "\r\n", "\r")


def blocks(images: Images, tail: str, suffix: str = "") -> str:
    return "".join(
        f"{name}{suffix}\n{len(boxes)}\n" + "".join(f"{' '.join(map(str, box))}{tail}\n" for box in boxes)
        for name, boxes in images
    )


def rows(images: Images, template: str) -> str:
    return "".join(template.format(name, *box) for name, boxes in images for box in boxes)


def coco(images: Images, **more: float) -> str:
    annotations = [
        {"image_id": i, "category_id": 1, "bbox": box, **more} for i, (_, boxes) in enumerate(images) for box in boxes
    ]
    if more:
        return json.dumps(annotations, indent=1)
    names = [{"id": i, "file_name": f"{name}.jpg"} for i, (name, _) in enumerate(images)]
    categories = [{"id": 1, "name": "face"}]
    content = {"images": names, "annotations": annotations, "categories": categories}
    return json.dumps(content, indent=1, ensure_ascii=False)


def results(path: Path) -> DetectionSet:
    return read_coco_results(path, ["0", "1", "2"], None)[0]


Read = Callable[[Path], object]
TEXTS: dict[str, tuple[str, Callable[[Images], str], Read]] = {
    "fddb detections": ("d.txt", lambda images: blocks(images, " 0.5"), read_fddb_file),
    "fddb annotation": ("a.txt", lambda images: blocks(images, " 1 1"), lambda path: read_annotation([path])),
    "pascal detections": ("d.txt", lambda images: rows(images, "{}.jpg 0.5 {} {} {} {}\n"), read_pascal_file),
    "pascal csv": (
        "a.csv",
        lambda images: "image,x1,y1,x2,y2,f4,ignore\n" + rows(images, "{},{},{},{},{},0,1\n"),
        read_csv,
    ),
    "wider list": ("gt.txt", lambda images: blocks(images, " 1 0 0 1 2 0", ".jpg"), read_text),
    "wider names": ("x_filelist.txt", lambda images: "".join(f"{name}.jpg\n" for name, _ in images), read_text),
    "wider image names": ("x_filelist.txt", lambda images: "".join(f"{name}.png\n" for name, _ in images), image_names),
    "coco truth": ("gt.json", coco, lambda path: read_coco(path).faces),
    "coco results": ("r.json", lambda images: coco(images, score=0.5), results),
    "sizes": ("s.txt", lambda images: "".join(f"{name}.jpg 40 20\n" for name, _ in images), read_size_list),
}


def fingerprint(read: object) -> object:
    """Whatever the readers return, as something that compares by value."""
    if not isinstance(read, FaceSet | DetectionSet):
        return read
    arrays: dict[str, object] = {"offsets": read.offsets, "boxes": read.boxes, "ellipses": read.ellipses}
    if isinstance(read, FaceSet):
        arrays |= {"sizes": read.sizes, **read.ignore, **read.attributes}
    else:
        arrays["scores"] = read.scores
    return read.keys, {name: None if array is None else np.asarray(array).tolist() for name, array in arrays.items()}


names = st.text("abcäßЖ人été_-.0123", min_size=1, max_size=8).map(lambda text: f"2002/{text}x")
sides = st.integers(1, 500)
boxes = st.lists(st.tuples(sides, sides, sides, sides).map(list), min_size=1, max_size=3)
contents = st.lists(st.tuples(names, boxes), min_size=1, max_size=3, unique_by=lambda image: image[0])


def encoded(text: str, encoding: str, end: str) -> bytes:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    return (mark + text.replace("\n", end)).encode(encoding)


@pytest.mark.parametrize("name", TEXTS)
@given(images=contents)
@settings(max_examples=15, deadline=None)
def test_every_encoding_reads_the_same(tmp_path_factory: pytest.TempPathFactory, name: str, images: Images) -> None:
    file, write, read = TEXTS[name]
    text = write(images)
    folder = tmp_path_factory.mktemp("encodings")
    (folder / file).write_bytes(text.encode())
    expected = fingerprint(read(folder / file))
    assert images[0][0] in repr(expected) or name == "coco results"
    for encoding in ENCODINGS:
        for end in LINE_ENDS:
            content = encoded(text, encoding, end)
            (folder / file).write_bytes(content)
            (folder / f"{file}.gz").write_bytes(gzip.compress(content, 1))
            for path in (folder / file, folder / f"{file}.gz"):
                assert fingerprint(read(path)) == expected, (encoding, end, path.name)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", LINE_ENDS)
def test_yolo_files_in_every_encoding(tmp_path: Path, encoding: str, end: str) -> None:
    (tmp_path / "a.txt").write_bytes(encoded("0 0.5 0.5 0.5 0.5 0.25\n\n0 0.5 0.5 1 1 0.75\n", encoding, end))
    read = FORMATS["yolo"].read_detections(tmp_path, Known(sizes={"a": (40, 20)})).rows
    assert read.boxes.tolist() == [[10, 5, 30, 15], [0, 0, 40, 20]]
    assert read.scores.tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\r\n\rb\nc", ["a", "", "b", "c"]),
        (b"\xef\xbb\xbf", []),
        (b"\xffa\n", ["�a"]),
        ("a\u2028b\x85c\x0bd\n".encode(), ["a\u2028b\x85c\x0bd"]),  # an image may be named so
        (b"\xff\xfea\x00\n\x00b", ["a", "�"]),  # cut within a character
    ],
)
def test_lines_of_odd_files(content: bytes, lines: list[str]) -> None:
    assert lines_of(content) == lines


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"there is no file .*nowhere\.txt"):
        read_lines(tmp_path / "nowhere.txt")
    for content in (b"no gzip", gzip.compress(b"a\nb\n")[:-4]):
        (tmp_path / "a.txt.gz").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.txt\.gz: cannot be read"):
            read_lines(tmp_path / "a.txt.gz")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a 10 20\nb 10\n", ":2: invalid size: 'b 10'"),
        ("a 10.5 20\n", ":1: invalid size"),
        ("a 0 20\n", ":1: invalid size"),
        ("a -4 20\n", ":1: invalid size"),
        (f"a 10 {'9' * 5000}\n", ":1: invalid size"),
        ("a 10 20\n\na.jpg 10 30\n", ":3: a second size of a"),
    ],
)
def test_sizes_that_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "s.txt").write_text(text)
    with pytest.raises(InputError, match=says):
        read_size_list(tmp_path / "s.txt")


def test_a_list_of_sizes_may_name_suffixes_and_hold_spaces(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("a 10 20\na.jpg 10 20\n\n b c.PNG  3\t4 \n")
    assert read_size_list(tmp_path / "s.txt") == {"a": (10, 20), "b c": (3, 4)}


@pytest.mark.parametrize("suffix", [*IMAGE_SUFFIXES, ".BMP"])
def test_lists_of_wider_take_every_kind_of_image(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "gt.txt").write_text(f"e/a.b{suffix}\n1\n1 2 3 4\n")
    assert read_text(tmp_path / "gt.txt").keys == ("e/a.b",)
    assert image_names(tmp_path / "gt.txt") == (f"e/a.b{suffix}",)
