"""Sizes as text: one string is never read in two orders without a word."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.detectors import Settings, load_detector
from sshbench.detectors.sizes import Size, parse_image_size, parse_resize, parse_resize_list
from sshbench.errors import UsageError


def test_larger_number_first_names_both_forms() -> None:
    with pytest.raises(UsageError, match=r"640x480.*Use fit=640x480 for width x height, or short=480,long=640"):
        parse_resize("640x480")


@pytest.mark.parametrize("text", ["short=480", "fit=640", "fit=0x5", "fit=640x480,long=2", "original ", "fit=640X480"])
def test_invalid_forms_are_refused_with_the_valid_ones(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid input size.*original, fit=WIDTHxHEIGHT.*short=480,long=640"):
        parse_resize(text)


@pytest.mark.parametrize("text", ["640", "short=480,long=640", "original", "0x480", ""])
def test_the_size_of_images_is_width_by_height_only(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid image size.*WIDTHxHEIGHT"):
        parse_image_size(text)


def test_the_papers_notation_is_the_stored_one() -> None:
    # Runs of earlier versions store `400x800`; another form of the same size must resume them.
    assert Settings(resize="short=400,long=800") == Settings(resize="400x800")
    assert Settings(resize="short=400,long=800").as_dict()["resize"] == "400x800"
    assert Settings(resize="fit=640x480").as_dict()["resize"] == "fit=640x480"


def test_a_run_resumes_under_another_form_of_the_same_size(sshbench: Any, tmp_path: Any) -> None:
    arguments = ["eval", "--dataset", "sample", "--detector", "haar", "--limit", "2", "-o", tmp_path / "run", "--json"]
    code, _, err = sshbench(*arguments, "--resize", "200x300")
    assert code == 0, err
    code, _, err = sshbench(*arguments, "--resize", "short=200,long=300")
    assert code == 0, err
    assert json.loads((tmp_path / "run" / "identity.json").read_text())["settings"]["resize"] == "200x300"
    assert sshbench(*arguments, "--resize", "fit=300x200")[0] == 1


def test_lists_keep_the_comma_of_a_named_pair() -> None:
    assert parse_resize_list("400x800, short=480,long=640 ,original,") == ("400x800", "480x640", "original")
    with pytest.raises(UsageError, match="invalid input size 'huge'"):
        parse_resize_list("original,huge")


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000))
def test_fit_is_the_largest_size_within_the_box(height: int, width: int, limit_w: int, limit_h: int) -> None:
    scale = Size("fit", limit_w, limit_h).scale(height, width)
    sides = round(width * scale), round(height * scale)
    assert sides[0] <= limit_w
    assert sides[1] <= limit_h
    assert sides[0] == limit_w or sides[1] == limit_h


def test_text_form_is_read_back() -> None:
    for size in (Size("short", 480, 640), Size("fit", 640, 480)):
        assert parse_resize(str(size)) == size


def test_ssh_scales_to_the_box_too() -> None:
    import numpy as np

    detector = load_detector("ssh-tiny", resize="fit=160x120")
    prepared = detector.preprocess(np.zeros((300, 320, 3), dtype=np.uint8))
    assert prepared.scale == 0.4
    assert prepared.data[0][0].shape == (1, 3, 120, 128)
