"""Image files whose names are written in another way than the annotation's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sshbench
from sshbench.datasets.base import Dataset
from sshbench.datasets.pictures import match_files, unlisted_images, with_files

SUFFIXES = (".jpg", ".JPG", ".Jpeg", ".png", ".PNG", ".webp", ".bmp", ".BMP")
names = st.text("abcxyz019._- é", min_size=1, max_size=8).filter(lambda text: text.strip("._ -") == text)
folders = st.lists(names, max_size=2)


@given(
    st.dictionaries(names.map(str.casefold), st.tuples(folders, st.sampled_from(SUFFIXES), st.booleans()), max_size=6)
)
def test_other_suffixes_and_cases_are_found(images: dict[str, tuple[list[str], str, bool]]) -> None:
    wanted = {stem: "/".join([*folders, f"{stem}.jpg"]) for stem, (folders, _, _) in images.items()}
    files = {
        stem: "/".join([*folders, (stem.upper() if upper and stem.upper().casefold() == stem else stem) + suffix])
        for stem, (folders, suffix, upper) in images.items()
    }
    assert match_files(wanted, files.values()) == files


@given(st.lists(st.tuples(folders, names, st.sampled_from(SUFFIXES)), max_size=8), st.lists(names, max_size=8))
def test_no_file_is_given_to_two_images(found: list[tuple[list[str], str, str]], wanted: list[str]) -> None:
    files = {"/".join([*folders, name + suffix]) for folders, name, suffix in found}
    matched = match_files({name: name for name in wanted}, sorted(files))
    assert set(matched.values()) <= files
    assert len(set(matched.values())) == len(matched)


@pytest.mark.parametrize(
    ("written", "files", "found"),
    [
        ("x/y/a.jpg", ["a.jpg"], "a.jpg"),
        ("a.jpg", ["x/a.PNG"], "x/a.PNG"),
        ("C:\\data\\a.jpg", ["data/a.jpg"], "data/a.jpg"),
        ("a", ["a.webp"], "a.webp"),
        ("x/a.jpg", ["y/a.jpg"], None),
        ("a.jpg", ["a.png", "a.webp"], None),
        ("a.jpg", ["x/a.jpg", "x/a.png"], "x/a.jpg"),
        ("a.jpg", ["x/a.jpg", "y/a.jpg"], None),
    ],
)
def test_folders_fit_or_the_image_is_another(written: str, files: list[str], found: str | None) -> None:
    assert match_files({"key": written}, files).get("key") == found


def renamed(folder: Path) -> Dataset:
    """Three images of the sample, of which one has another suffix, one another case, and one is not there."""
    sample = sshbench.load_dataset("sample")[:3]
    for image in sample:
        assert image.path is not None
        (folder / image.key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image.path, folder / f"{image.key}.jpg")
    first, second, third = (folder / f"{key}.jpg" for key in sample.keys)
    first.rename(first.with_suffix(".JPG"))
    second.rename(second.with_suffix(".jpeg"))
    third.unlink()
    (folder / "0--Portrait/more.png").write_bytes(b"")
    from dataclasses import replace

    return replace(sample, image_root=folder)


def test_what_was_found_is_reported(tmp_path: Path) -> None:
    dataset = with_files(renamed(tmp_path))
    assert [dataset.image(i).path.suffix for i in dataset.images_present()] == [".JPG", ".jpeg"]  # type: ignore[union-attr]
    assert [(finding.code, len(finding.files)) for finding in dataset.findings] == [("renamed-image", 2)]
    assert unlisted_images(dataset) == ["0--Portrait/more.png"]


def test_images_of_any_dataset_may_lie_elsewhere(tmp_path: Path) -> None:
    renamed(tmp_path)
    protocol = sshbench.load_protocol("sample")
    dataset = sshbench.load_dataset(protocol.with_data(images=tmp_path))
    assert len(dataset.images_present()) == 2
    assert dataset.image_root == tmp_path
    assert protocol.with_data(images=tmp_path).hash == protocol.hash
