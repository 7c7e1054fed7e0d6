"""A user's own protocol: own data in WIDER's or COCO's format, own subsets by rule, no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench.errors import UsageError
from sshbench.evaluation.loading import load_dataset
from sshbench.protocols import load_protocol

HEAD = """
name = "mine"
title = "My faces"
version = 1
dataset = "{dataset}"
split = "val"
[layout]
annotation = ["{annotation}"]
root = "."
"""
SUBSETS = """
[[subsets]]
name = "tall"
min_height = 20
[[subsets]]
name = "low"
max_height = 20.5
[[subsets]]
name = "sharp"
attributes = { blur = [0], pose = [0] }
"""
WIDER = """
[evaluation]
kind = "wider"
iou_threshold = 0.5
iou_arithmetic = "double"
box_convention = "inclusive"
score_precision = "float32"
thresholds = 1000
ap_rule = "wider"
"""
COCO = '[evaluation]\nkind = "coco"\n'
LIST = """e/a.jpg
3
10 10 20 20 0 0 0 0 0 0
50 50 30 40.5 1 0 0 0 0 0
100 100 5.5 6 0 0 0 0 0 1
e/b.jpg
0
0 0 0 0 0 0 0 0 0 0
"""
COUNTED = {"tall": 2, "low": 2, "sharp": 1}


@pytest.fixture
def own(tmp_path: Path, sshbench: Any) -> Path:
    """A folder with the same faces in both formats, perfect detections, and protocols."""
    (tmp_path / "faces.txt").write_text(LIST)
    sshbench("data", "convert", tmp_path / "faces.txt", tmp_path / "faces.json", "--from", "wider", "--to", "coco")
    (tmp_path / "dets" / "e").mkdir(parents=True)
    (tmp_path / "dets" / "e" / "a.txt").write_text("a\n3\n10 10 20 20 0.9\n50 50 30 40.5 0.8\n100 100 5.5 6 0.7\n")
    (tmp_path / "dets" / "e" / "b.txt").write_text("b\n0\n")
    for name, dataset, annotation, evaluation in (
        ("text", "wider", "faces.txt", WIDER),
        ("json", "coco", "faces.json", WIDER),
        ("coco", "coco", "faces.json", COCO),
    ):
        head = HEAD.format(dataset=dataset, annotation=annotation)
        (tmp_path / f"{name}.toml").write_text(head + SUBSETS + evaluation)
    return tmp_path


@pytest.mark.parametrize("name", ["text", "json", "coco"])
def test_rules_choose_faces(own: Path, name: str) -> None:
    protocol = load_protocol(own / f"{name}.toml")
    faces = load_dataset(protocol).faces
    assert {subset: faces.counted(subset) for subset in COUNTED} == COUNTED


@pytest.mark.parametrize("name", ["text", "json", "coco"])
def test_own_protocol_runs_without_code(sshbench: Any, own: Path, name: str) -> None:
    code, out, err = sshbench("eval", "--protocol", own / f"{name}.toml", "--predictions", own / "dets", "--json")
    assert code == 0, err
    metrics = json.loads(out)["metrics"]
    assert [metrics[f"AP/{subset}"] for subset in COUNTED] == pytest.approx([1.0] * 3)
    code, out, _ = sshbench("protocols", "validate", own / f"{name}.toml", "--json")
    assert code == 0
    assert {key: json.loads(out)["counted"][key] for key in COUNTED} == COUNTED


def test_own_coco_results_on_the_wider_evaluation(sshbench: Any, own: Path) -> None:
    """A network's json and the text files say the same."""
    arguments = ["--from", "wider", "--to", "coco", "--detections", "--truth", own / "faces.json"]
    assert sshbench("data", "convert", own / "dets", own / "r.json", *arguments)[0] == 0
    outputs = [
        json.loads(sshbench("eval", "--protocol", own / "json.toml", "--predictions", own / name, "--json")[1])[
            "metrics"
        ]
        for name in ("r.json", "dets")
    ]
    assert outputs[0] == outputs[1]


def test_a_rule_on_an_attribute_that_is_not_there(own: Path) -> None:
    text = (own / "json.toml").read_text().replace("pose = [0]", "mood = [0]")
    (own / "json.toml").write_text(text)
    with pytest.raises(UsageError, match=r"no attribute 'mood'.*blur"):
        load_dataset(load_protocol(own / "json.toml"))


def test_what_is_ignored_stays_ignored(own: Path) -> None:
    content = json.loads((own / "faces.json").read_text())
    content["annotations"][0]["iscrowd"] = 1
    (own / "faces.json").write_text(json.dumps(content))
    faces = load_dataset(load_protocol(own / "json.toml")).faces
    assert faces.ignore["tall"].tolist() == [True, False, True]
    np.testing.assert_array_equal(faces.ignore["all"], [True, False, False])


def test_expected_counts_that_are_not_there_fail_validation(sshbench: Any, own: Path) -> None:
    text = (own / "text.toml").read_text().replace("[evaluation]", "[expected]\nimages = 3\nfaces = 3\n[evaluation]")
    (own / "text.toml").write_text(text.replace('name = "tall"', 'name = "tall"\ncounted = 7'))
    code, out, _ = sshbench("protocols", "validate", own / "text.toml")
    assert code == 1
    assert "3 images expected, 2 found" in out
    assert "7 faces of subset 'tall' expected, 2 found" in out


GOLDEN = Path(__file__).parents[1] / "golden" / "wider"
TALL = 'ground_truth = "wider_{}_val.mat"\nmin_height = 100'


@pytest.fixture
def tall(sshbench: Any, tmp_path: Path) -> Path:
    """The protocol `wider` with a rule of the user's own in all three official subsets."""
    text = sshbench("protocols", "show", "wider")[1]
    for name in ("easy", "medium", "hard"):
        text = text.replace(TALL.format(name).splitlines()[0], TALL.format(name))
    (tmp_path / "tall.toml").write_text(text)
    return tmp_path / "tall.toml"


def test_a_rule_narrows_an_official_subset(tall: Path) -> None:
    plain, ruled = (load_dataset(load_protocol(name), GOLDEN).faces for name in ("wider", tall))
    heights = plain.boxes[:, 3] - plain.boxes[:, 1]
    for name in ("easy", "medium", "hard"):
        np.testing.assert_array_equal(ruled.ignore[name], plain.ignore[name] | (heights < 100))
        assert 0 < ruled.counted(name) < plain.counted(name)


def test_a_rule_on_official_subsets_changes_figures_and_counts(sshbench: Any, tall: Path) -> None:
    arguments = ["--data", GOLDEN, "--predictions", GOLDEN / "predictions" / "ordinary.zip", "--json"]
    records = []
    for protocol in ("wider", tall):
        code, out, err = sshbench("eval", "--protocol", protocol, *arguments)
        assert code == 0, err
        records.append(json.loads(out))
    plain, ruled = records
    assert plain["protocol_hash"] != ruled["protocol_hash"]
    for name in ("easy", "medium", "hard"):
        assert 0 < ruled["counted"][name] < plain["counted"][name]
        assert ruled["metrics"][f"AP/{name}"] != plain["metrics"][f"AP/{name}"]
    code, out, _ = sshbench("protocols", "validate", tall, "--data", GOLDEN)
    assert code == 1
    assert f"7211 faces of subset 'easy' expected, {ruled['counted']['easy']} found" in out
    # With the counts that the rule leaves the protocol is valid again.
    text = tall.read_text().replace("images = 3226", "images = 183").replace("faces = 39708", "faces = 1445")
    for name, official in (("easy", 7211), ("medium", 13319), ("hard", 31958)):
        text = text.replace(f"counted = {official}", f"counted = {ruled['counted'][name]}")
    tall.write_text(text)
    assert sshbench("protocols", "validate", tall, "--data", GOLDEN)[0] == 0


def test_official_subsets_under_names_of_the_users_own() -> None:
    """The cache of the annotation holds flags by name: another name must not count every face."""
    protocol = load_protocol("wider")
    subsets = tuple(s.model_copy(update={"name": f"my-{s.name}"}) for s in protocol.subsets)
    plain = load_dataset(protocol, GOLDEN).faces
    renamed = load_dataset(protocol.model_copy(update={"subsets": subsets}), GOLDEN).faces
    assert set(renamed.ignore) == {"my-easy", "my-medium", "my-hard"}
    for name in ("easy", "medium", "hard"):
        np.testing.assert_array_equal(renamed.ignore[f"my-{name}"], plain.ignore[name])


def test_a_list_of_faces_that_the_dataset_does_not_read_is_refused(own: Path) -> None:
    text = (own / "json.toml").read_text().replace('name = "tall"', 'name = "tall"\nground_truth = "tall.mat"')
    (own / "json.toml").write_text(text)
    with pytest.raises(UsageError, match=r"subset 'tall': dataset 'coco' has no list of faces 'tall.mat'"):
        load_dataset(load_protocol(own / "json.toml"))


def own_set(folder: Path, rng: np.random.Generator) -> None:
    """Write 24 images' annotation, all suffixes, with invalid faces, faces of no size and empty images; detections."""
    suffixes = (".jpg", ".PNG", ".jpeg", ".webp", ".bmp", ".tiff")
    lines: list[str] = []
    (folder / "dets" / "e").mkdir(parents=True)
    for i in range(24):
        lines.append(f"e/im{i}{suffixes[i % len(suffixes)]}")
        boxes = rng.uniform(10, 200, (0 if i % 8 == 7 else i % 5 + 1, 4)).round(2)
        boxes[rng.random(len(boxes)) < 0.15, 2:] = 0
        flags = [[*rng.integers(0, 3, 1), 0, 0, int(rng.random() < 0.2), 0, 0] for _ in boxes]
        lines.append(str(len(boxes)))
        lines += [" ".join(map(str, [*box, *flag])) for box, flag in zip(boxes.tolist(), flags, strict=True)]
        if not len(boxes):
            lines.append("0 0 0 0 0 0 0 0 0 0")
        found = np.concatenate([boxes + rng.normal(0, 6, boxes.shape), rng.uniform(10, 200, (2, 4))])
        scores = np.sort(rng.random(len(found)))[::-1]
        rows = [" ".join(map(str, [*box, score])) for box, score in zip(found.tolist(), scores.tolist(), strict=True)]
        (folder / "dets" / "e" / f"im{i}.txt").write_text("\n".join([f"im{i}", str(len(found)), *rows]) + "\n")
    (folder / "faces.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("seed", range(3))
def test_an_own_set_forth_and_back_has_the_same_figures(sshbench: Any, tmp_path: Path, seed: int) -> None:
    own_set(tmp_path, np.random.default_rng(seed))
    for source, target, there in (("faces.txt", "faces.json", "coco"), ("faces.json", "again.txt", "wider")):
        back = "wider" if there == "coco" else "coco"
        code, out, err = sshbench(
            "data", "convert", tmp_path / source, tmp_path / target, "--from", back, "--to", there, "--json"
        )
        assert code == 0, err
        assert [loss for loss in json.loads(out)["losses"] if "marked invalid are ignored" not in loss] == []
    results = []
    for name, dataset in (("faces.txt", "wider"), ("faces.json", "coco"), ("again.txt", "wider")):
        # A conversion keeps the flag as ignored faces, as the rule of the user's own protocol does.
        rules = SUBSETS.replace("pose = [0]", "invalid = [0]").replace("20\n", "20\nattributes = { invalid = [0] }\n")
        rules = rules.replace("20.5\n", "20.5\nattributes = { invalid = [0] }\n")
        (tmp_path / "mine.toml").write_text(HEAD.format(dataset=dataset, annotation=name) + rules + WIDER)
        code, out, err = sshbench(
            "eval", "--protocol", tmp_path / "mine.toml", "--predictions", tmp_path / "dets", "--json"
        )
        assert code == 0, err
        results.append({key: json.loads(out)[key] for key in ("metrics", "counted", "images", "faces")})
    assert results[0] == results[1] == results[2]
    assert results[0]["images"] == 24
    assert 0 < results[0]["metrics"]["AP/tall"] < 1
