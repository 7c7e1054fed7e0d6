"""Settings changed by name: from Python and with --set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sshbench.detectors import detector_info, load_detector, names
from sshbench.detectors.overrides import changed_settings, parse_assignments, setting_values
from sshbench.errors import UsageError
from sshbench.files import sample_dir


@pytest.mark.parametrize("name", [name for name in names() if name != "replay"])
def test_every_setting_of_every_detector_can_be_set_as_text(name: str) -> None:
    info = detector_info(name)
    for key, value in setting_values(info).items():
        if (key == "resize" and info.fixed_size) or (key == "nms_iou" and value is None):
            continue
        given = {"top_k": 7, "resize": "original", "score_threshold": 0.25, "nms_iou": 0.5}.get(key, value)
        changed = changed_settings(info, {key: str(given)})
        found = getattr(changed, key, None) if key not in changed.extra else changed.extra[key]
        assert found == given
        assert type(found) is type(given)


def test_published_values_are_within_the_stated_ranges() -> None:
    for name in names():
        info = detector_info(name)
        assert set(info.ranges) <= {*info.defaults.extra, "score_threshold"}
        assert changed_settings(info, dict(info.defaults.extra)) == info.defaults


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        (
            "mtcnn",
            {"minface": "30"},
            r"no setting 'minface' \(value 30\)\. Did you mean 'min_face'\? Its .*top_k",
        ),
        ("haar", {"colour": "red"}, r"no setting 'colour' \(value red\)\. Its settings: resize, score_threshold"),
        ("haar", {"min_neighbors": "2.5"}, r"'min_neighbors' of detector 'haar' must be a whole number, not '2\.5'"),
        ("haar", {"scale_factor": "fast"}, r"'scale_factor' of detector 'haar' must be a number, not 'fast'"),
        ("haar", {"scale_factor": 1.0}, r"'scale_factor'.* between 1\.001 and 10, not 1\.0"),
        ("mtcnn", {"scale_factor": "1"}, r"between 0\.01 and 0\.99"),  # the pyramid would never end
        ("mtcnn", {"min_face": 0}, r"'min_face'.*between 1 and 10000, not 0"),
        ("mtcnn", {"pnet_score": "nan"}, r"'pnet_score'.*between 0 and 1, not nan"),
        ("yunet", {"top_k": "0"}, "top_k must be at least 1, not 0"),
        ("yunet", {"top_k": True}, "'top_k'.*a whole number, not True"),
        ("yunet", {"nms_iou": "1.5"}, r"nms_iou must be between 0 and 1, not 1\.5"),
        ("yunet", {"nms_iou": None}, "'nms_iou'.*a number, not None"),
        ("yunet", {"score_threshold": "inf"}, "between 0 and 1, not inf"),
        ("haar", {"nms_iou": "0.5"}, "has no NMS threshold, so nms_iou cannot be 0.5"),
        ("yunet", {"resize": "640x480"}, "Use fit=640x480"),
        ("ssd-res10", {"resize": "fit=640x480"}, r"'ssd-res10' is fixed at 300 x 300 pixels.*fit=640x480"),
        ("ssh-tiny", {"backend": 3}, "'backend'.*must be text, not 3"),
    ],
)
def test_wrong_settings_name_key_and_value(name: str, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        changed_settings(detector_info(name), changes)


def test_no_limit_for_top_k() -> None:
    for none in (None, "none"):
        assert changed_settings(detector_info("faceboxes"), {"top_k": none}).top_k is None


def test_whole_numbers_become_the_type_of_the_setting() -> None:
    settings = load_detector("haar", scale_factor=2, min_neighbors=3.0).settings.extra
    assert (settings["scale_factor"], settings["min_neighbors"]) == (2.0, 3)
    assert [type(settings[name]) for name in ("scale_factor", "min_neighbors")] == [float, int]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["top_k"], "expected KEY=VALUE"),
        (["=3"], "KEY=VALUE"),
        (["a="], "KEY=VALUE"),
        (["a=1", "a=2"], "twice: 1 and 2"),
    ],
)
def test_malformed_assignments(texts: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_assignments(texts)


def test_set_reaches_eval_and_the_identity_of_its_run(sshbench: Any, tmp_path: Path) -> None:
    arguments = ["eval", "--dataset", "sample", "--detector", "haar", "--limit", "1", "--json", "-o", tmp_path / "run"]
    code, _, err = sshbench(*arguments, "--set", "min_neighbors=4", "--set", "top_k=1")
    assert code == 0, err
    settings = json.loads((tmp_path / "run" / "identity.json").read_text())["settings"]
    assert settings["top_k"] == 1
    assert settings["extra"] == {"scale_factor": 1.1, "min_neighbors": 4, "min_size": 10}


def test_set_reaches_detect_and_changes_what_is_found(sshbench: Any, tmp_path: Path) -> None:
    image = sorted(sample_dir().rglob("1_Group*.jpg"))[0]
    counts = []
    for number, given in enumerate(([], ["--set", "top_k=1"])):
        out = tmp_path / str(number)
        code, _, err = sshbench("detect", image, "-o", out, "--detector", "haar", "--resize", "480x640", *given)
        assert code == 0, err
        counts.append(len(json.loads(next(out.glob("*.json")).read_text())["detections"]))
    assert counts[0] > counts[1] == 1


def test_set_reaches_timing(sshbench: Any) -> None:
    arguments = ["timing", "--detector", "haar", "--sizes", "short=60,long=80", "--min-time", "0", "--min-count", "1"]
    code, out, err = sshbench(
        *arguments, "--count", "1", "--set", "min_size=20", "--image-size", "fit=120x90", "--json"
    )
    assert code == 0, err
    record = json.loads(out)
    assert record["settings"]["extra"]["min_size"] == 20
    assert [size["size"] for size in record["sizes"]] == ["60x80"]
    assert record["image_source"].endswith("at 120x90")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["eval", "--dataset", "sample", "--predictions", "x.zip", "--set", "a=1"], "--set are options of --detector"),
        (["eval", "--dataset", "sample", "--detector", "haar", "--set", "weights=x"], "Use --weights FILE"),
        (
            ["eval", "--dataset", "sample", "--detector", "haar", "--resize", "1x2", "--set", "resize=1x3"],
            "given twice",
        ),
        (["eval", "--dataset", "sample", "--detector", "haar", "--set", "min_nieghbors=4"], "mean 'min_neighbors'"),
        (["timing", "--detector", "haar", "--set", "resize=1x2"], "is not a setting of a timing"),
        (["timing", "--detector", "haar", "--image-size", "short=1,long=2"], "invalid image size 'short=1,long=2'"),
    ],
)
def test_wrong_use(sshbench: Any, arguments: list[str], says: str) -> None:
    code, _, err = sshbench(*arguments)
    assert (code, says in err) == (2, True), err


def test_info_lists_every_setting_with_its_value(sshbench: Any) -> None:
    for name in ("mtcnn", "yunet", "ultraface-rfb-320"):
        lines = sshbench("detectors", "info", name)[1].splitlines()
        listed = [line.split()[1] for line in lines if line.startswith("setting ")]
        values = setting_values(detector_info(name))
        assert listed == [f"{key}={'none' if value is None else value}" for key, value in values.items()]
    assert "resize=original (fixed: the network accepts 320 x 240 pixels only)" in "\n".join(lines)
    assert json.loads(sshbench("detectors", "info", "mtcnn", "--json")[1])["ranges"]["min_face"] == [1, 10000]


@pytest.mark.parametrize("name", ["yunet", "ssh-tiny", "mtcnn", "ultraface-rfb-640"])
def test_a_threshold_of_a_probability_is_one(name: str) -> None:
    with pytest.raises(UsageError, match=r"'score_threshold' of detector .* between 0 and 1, not 2"):
        changed_settings(detector_info(name), {"score_threshold": 2})
    assert changed_settings(detector_info("dlib-hog"), {"score_threshold": 2}).score_threshold == 2
