"""Unpacking: nothing leaves the folder, nothing is half there, nothing damaged is believed."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.datasets.unpack import unpack
from sshbench.errors import InputError, MissingDataError, SshbenchError

FILES = {"WIDER/images/0--Parade/a b.jpg": b"one" * 1000, "WIDER/images/0--Parade/ä.jpg": b"", "readme.txt": b"hello"}

BAD_NAMES = [
    "../evil",
    "a/../../evil",
    "a/..",
    "..",
    "/evil",
    "//evil",
    "C:/evil",
    "a/c:evil",
    "..\\evil",
    "a\\..\\..\\evil",
    "\\\\host\\share\\evil",
    "a\0../evil",
    "../evil/",
]
GOOD_NAMES = ["a", "a/b/c", "./a", "a//b", "a/./b", "...", "a..b/..c", "~", "$HOME", " a ", "-rf", "ab:c"]


def make_zip(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names are on purpose
        for name, content in members:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name  # past what the constructor mends
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, content)
    return path


def make_tar(path: Path, members: list[tuple[str, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(params=["zip", "tar", "tar.gz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "archive.bin"  # the content says what it is, not the name
    members = list(FILES.items())
    return (
        make_zip(path, members)
        if request.param == "zip"
        else make_tar(path, members, {"tar": "w"}.get(request.param, "w:gz"))
    )


def test_unpack(archive: Path, tmp_path: Path) -> None:
    came: list[int] = []
    done = unpack(archive, tmp_path / "out", progress=came.append)
    assert done == [tmp_path / "out" / name for name in FILES]
    assert tree(tmp_path / "out") == FILES
    assert came == [len(content) for content in FILES.values()]


def test_what_is_there_and_right_is_kept_and_the_rest_mended(archive: Path, tmp_path: Path) -> None:
    first, second, third = unpack(archive, tmp_path / "out")
    os.utime(first, (1, 1))
    second.unlink()
    third.write_bytes(b"jello")  # the right size, another content
    assert unpack(archive, tmp_path / "out") == [first, second, third]
    assert first.stat().st_mtime == 1
    assert tree(tmp_path / "out") == FILES


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize(
    ("name", "expected"), [*((n, InputError) for n in BAD_NAMES), *((n, None) for n in GOOD_NAMES)]
)
def test_names(tmp_path: Path, make: object, name: str, expected: type[Exception] | None) -> None:
    if "\0" in name and make is make_tar:
        pytest.skip("a tar's name ends at a NUL")
    archive = make(tmp_path / "archive", [("first", b"1"), (name, b"2")])  # type: ignore[operator]
    before = tree(tmp_path)
    if expected is None:
        unpack(archive, tmp_path / "out")
        assert sorted(tree(tmp_path / "out").values()) == [b"1", b"2"]
    else:
        with pytest.raises(expected, match=r"archive.*could lead out of the folder"):
            unpack(archive, tmp_path / "out")
        assert tree(tmp_path) == before, "all members are checked before one is written"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_tar_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "archive", "w") as file:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc"
        file.addfile(info)
    with pytest.raises(InputError, match="link or a device"):
        unpack(tmp_path / "archive", tmp_path / "out")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_zip_links_and_devices(tmp_path: Path, mode: int) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as file:
        info = zipfile.ZipInfo("link")
        info.external_attr = (mode | 0o777) << 16
        file.writestr(info, "/etc")
    with pytest.raises(InputError, match="link or a device"):
        unpack(tmp_path / "archive", tmp_path / "out")


@pytest.mark.parametrize(
    ("members", "match"),
    [
        (["a", "a"], "no path of its own"),
        (["a/b", "a/./b"], "no path of its own"),
        (["a", "a/b"], "file and a folder"),
        (["a/b/c", "a"], "file and a folder"),
        (["."], "no path of its own"),
    ],
)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_members_in_each_others_way(tmp_path: Path, make: object, members: list[str], match: str) -> None:
    archive = make(tmp_path / "archive", [(name, b"x") for name in members])  # type: ignore[operator]
    with pytest.raises(InputError, match=match):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_that_differ_by_case_are_two(tmp_path: Path) -> None:
    unpack(make_zip(tmp_path / "archive", [("A", b"1"), ("a", b"2")]), tmp_path / "out")
    assert tree(tmp_path / "out") == {"A": b"1", "a": b"2"}


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_bomb(tmp_path: Path, make: object) -> None:
    archive = make(tmp_path / "archive", [("a", bytes(10_000_000)), ("b", b"x")])  # type: ignore[operator]
    assert archive.stat().st_size < 20_000
    with pytest.raises(InputError, match="limit is 10000000"):
        unpack(archive, tmp_path / "out", max_bytes=10_000_000)
    assert not (tmp_path / "out").exists()
    assert len(unpack(archive, tmp_path / "out", max_bytes=10_000_001)) == 2


def test_zip_that_lies_about_its_sizes_writes_no_more_than_it_says(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", [("a", bytes(1_000_000))])
    true, lie = (1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(true, lie))
    with pytest.raises(InputError):
        unpack(archive, tmp_path / "out", max_bytes=100)
    assert tree(tmp_path / "out") == {}


def test_link_that_is_in_the_folder_already(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="link that leads out of the folder"):
        unpack(make_zip(tmp_path / "archive", [("a/b", b"x")]), tmp_path / "out")
    assert tree(tmp_path / "elsewhere") == {}


def test_link_in_a_members_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "precious")
    unpack(make_zip(tmp_path / "archive", [("a", b"y")]), tmp_path / "out")
    assert (tmp_path / "precious").read_bytes() == b"x"
    assert (tmp_path / "out" / "a").read_bytes() == b"y"


def test_damage_is_seen_and_leaves_no_half_file(archive: Path, tmp_path: Path) -> None:
    content = bytearray(archive.read_bytes())
    broken = 0
    for at in range(0, len(content), max(1, len(content) // 40)):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]):
            archive.write_bytes(damaged)
            out = tmp_path / f"out{at}"
            try:
                unpack(archive, out)
            except InputError as error:
                broken += error.file == str(archive)
            assert not list(out.rglob("*.tmp"))
    assert broken > 10


def test_encrypted(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", [("a", b"x")])
    content = bytearray(archive.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(InputError, match="encrypted"):
        unpack(archive, tmp_path / "out")


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="there is no archive"):
        unpack(tmp_path / "archive", tmp_path)
    (tmp_path / "archive").write_text("<html>Sign in</html>")
    with pytest.raises(InputError, match="archive: neither a zip nor a tar"):
        unpack(tmp_path / "archive", tmp_path)


def test_unwritable_place_is_not_the_archives_fault(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", [("a/b", b"x")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("a file, not a folder")
    with pytest.raises(SshbenchError, match="cannot be written") as caught:
        unpack(archive, tmp_path / "out")
    assert not isinstance(caught.value, InputError)


def try_unpack(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "archive").write_bytes(content)
        (base / "deep").mkdir()
        try:
            done = unpack(base / "archive", base / "deep" / "out", max_bytes=1_000_000)
        except SshbenchError:
            done = []
        assert all(path.resolve().is_relative_to((base / "deep" / "out").resolve()) for path in done)
        assert {p.name for p in base.iterdir()} == {"archive", "deep"}
        assert {p.name for p in (base / "deep").iterdir()} <= {"out"}


ZIP_HEAD = b"PK\x03\x04"


@given(st.binary(max_size=600), st.sampled_from([b"", ZIP_HEAD, b"\x1f\x8b\x08\x00"]))
def test_random_bytes(content: bytes, head: bytes) -> None:
    try_unpack(head + content)


@given(
    st.lists(
        st.tuples(st.text(max_size=12) | st.sampled_from(BAD_NAMES + GOOD_NAMES), st.binary(max_size=9)), max_size=4
    )
)
def test_random_names(members: list[tuple[str, bytes]]) -> None:
    members = [(name.encode("utf-8", "replace").decode(), content) for name, content in members]
    with tempfile.TemporaryDirectory() as folder:
        archive = make_zip(Path(folder) / "archive", members).read_bytes()
    try_unpack(archive)


@given(st.data())
def test_random_damage(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        make = data.draw(st.sampled_from([make_zip, make_tar]))
        content = bytearray(make(Path(folder) / "archive", list(FILES.items())).read_bytes())
    if make is make_tar:
        content = bytearray(gzip.decompress(content))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try_unpack(bytes(content))
