"""Protocols as data: what changes their hash, and what a wrong file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sshbench.errors import InputError, UsageError
from sshbench.files import protocols_dir
from sshbench.protocols import WiderEvaluation, load_protocol, protocol_names

WIDER = (protocols_dir() / "wider.toml").read_text()


def test_shipped_protocols_load() -> None:
    assert {"wider", "sample"} <= set(protocol_names())
    assert len({load_protocol(name).hash for name in protocol_names()}) == len(protocol_names())
    assert [(s.name, s.counted) for s in load_protocol("wider").subsets] == [
        ("easy", 7211),
        ("medium", 13319),
        ("hard", 31958),
    ]


def test_hash_is_of_the_content_not_of_the_file(tmp_path: Path) -> None:
    head, tail = WIDER.split("[expected]")
    other = tmp_path / "other.toml"
    lines = [f"   {line}  # why" if line.strip() and not line.startswith("#") else "" for line in head.splitlines()]
    other.write_text("\n".join(lines) + "\n\n[expected]" + tail)
    assert load_protocol(other).hash == load_protocol("wider").hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("iou_threshold = 0.5", "iou_threshold = 0.4"),
        ("thresholds = 1000", "thresholds = 1001"),
        ('"double"', '"int32"'),
        ("counted = 7211", "counted = 7212"),
        ('resize = "detector"', 'resize = "original"'),
        ('score_threshold = "detector"', "score_threshold = 0.1"),
        ("version = 1", "version = 2"),
        ('images_without_faces = "skip"', 'images_without_faces = "count"'),
    ],
)
def test_every_number_changes_the_hash(tmp_path: Path, old: str, new: str) -> None:
    assert old in WIDER
    changed = tmp_path / "changed.toml"
    changed.write_text(WIDER.replace(old, new, 1))
    assert load_protocol(changed).hash != load_protocol("wider").hash


def test_own_protocols_count_images_without_faces_and_keep_their_hash(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(WIDER.replace('images_without_faces = "skip"\n', ""))
    protocol = load_protocol(own)
    assert isinstance(protocol.evaluation, WiderEvaluation)
    assert protocol.evaluation.images_without_faces == "count"
    assert protocol.hash == "68091a41ef8b4d0f"  # as it was before the key existed


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("iou_threshold = 0.5", "iou_threshold = 1.5", "evaluation.iou_threshold"),
        ("iou_threshold = 0.5", "iou_treshold = 0.5", "evaluation.iou_t"),
        ("thresholds = 1000", 'thresholds = "many"', "evaluation.thresholds"),
        ('kind = "wider"', 'kind = "voc"', "evaluation.kind"),
        ("version = 1", "", "version"),
        ("version = 1", "version = ", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_field(tmp_path: Path, old: str, new: str, says: str) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(WIDER.replace(old, new, 1))
    with pytest.raises(InputError, match=r"wrong\.toml") as caught:
        load_protocol(wrong)
    assert says in str(caught.value)
    assert caught.value.remedy


def test_int32_goes_with_the_official_rule_only() -> None:
    with pytest.raises(UsageError, match="int32"):
        load_protocol("wider").with_evaluation(iou_arithmetic="int32", box_convention="continuous")


def test_unknown_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no protocol named 'widder'.*Known: .*wider"):
        load_protocol("widder")
    with pytest.raises(InputError, match="cannot be read"):
        load_protocol(tmp_path / "absent.toml")


def test_inference_policy_overrides() -> None:
    protocol = load_protocol("wider")
    assert protocol.inference.overrides() == {}
    assert protocol.inference.model_copy(update={"nms_iou": 0.3}).overrides() == {"nms_iou": 0.3}
