"""`sshbench analyze`, `sshbench compare`, the intervals and floors of `sshbench eval`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import sshbench
from sshbench.evaluation.loading import load_dataset

Call = Callable[..., tuple[int, str, str]]
QUICK = ("--replicates", "200")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three runs on the sample: every face, every second one, and every second one again."""
    folder, sample = tmp_path_factory.mktemp("runs"), load_dataset("sample")
    steps = {"all": 1, "half": 2, "again": 2}
    for name, step in steps.items():
        found = {
            key: (faces.boxes[::step], faces.boxes[::step, 2] / 1000)
            for key, faces in zip(sample.keys, sample.faces, strict=True)
        }
        sshbench.evaluate("sample", found, detector=name, out=folder / name)
    return {name: folder / name for name in steps}


def test_analyze_prints_tables(sshbench: Call, runs: dict[str, Path]) -> None:
    code, out, err = sshbench("analyze", runs["half"], *QUICK)
    assert code == 0, err
    for text in ("95% intervals by resampling 24 images", "Operating points, hard", "Recall by crowd", "background"):
        assert text in out


def test_analyze_writes_files_and_overwrites_none_of_the_run(
    sshbench: Call, runs: dict[str, Path], tmp_path: Path
) -> None:
    code, out, err = sshbench("analyze", runs["half"], *QUICK, "-o", tmp_path, "--json")
    assert code == 0, err
    assert json.loads(out) == json.loads((tmp_path / "analysis.json").read_text())
    names = {path.name for path in tmp_path.iterdir()}
    assert {"analysis.json", "metrics.csv", "slices.csv", "errors.csv", "operating.csv", "errors.svg"} <= names


def test_equal_seeds_give_equal_bytes(sshbench: Call, runs: dict[str, Path]) -> None:
    first, second, other = (
        sshbench("analyze", runs["half"], *QUICK, "--seed", seed, "--json")[1] for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_analyze_with_own_slices_and_groups(sshbench: Call, runs: dict[str, Path], tmp_path: Path) -> None:
    keys = load_dataset("sample").keys
    slices, groups = tmp_path / "slices.csv", tmp_path / "groups.csv"
    slices.write_text(
        "image,axis,value\n" + "".join(f"{key},place,{'in' if i % 2 else 'out'}\n" for i, key in enumerate(keys))
    )
    groups.write_text("image,group\n" + "".join(f"{key},{i // 2}\n" for i, key in enumerate(keys)))
    code, out, err = sshbench(
        *("analyze", runs["half"], *QUICK, "--slices", slices, "--unit", "group", "--groups", groups),
        *("--cross", "height,occlusion", "--json"),
    )
    assert code == 0, err
    record = json.loads(out)
    assert record["resampling"]["units"] == 12
    assert {"place", "height x occlusion"} <= {one["axis"] for one in record["slices"]}
    slices.write_text("image,axis,value\nnothing,place,in\n")
    code, _, err = sshbench("analyze", runs["half"], *QUICK, "--slices", slices)
    assert code == 2
    assert f"{slices}:2" in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--at", "precision=2"), "precision=2"),
        (("--at", "what"), "what"),
        (("--subset", "tiny"), "tiny"),
        (("--cross", "height"), "--cross height"),
        (("--groups", "x.csv"), "--unit group"),
        (("--replicates", "5"), "--replicates"),
    ],
)
def test_wrong_use_is_named(sshbench: Call, runs: dict[str, Path], arguments: tuple[str, str], text: str) -> None:
    code, _, err = sshbench("analyze", runs["half"], *arguments)
    assert code == 2
    assert text in err


def test_compare_prints_ranks_and_words(sshbench: Call, runs: dict[str, Path]) -> None:
    code, out, err = sshbench("compare", *runs.values(), *QUICK)
    assert code == 0, err
    assert "rank" in out
    assert "identical" in out
    assert "all is better by" in " ".join(out.split())


def test_compare_in_markdown(sshbench: Call, runs: dict[str, Path], tmp_path: Path) -> None:
    code, out, err = sshbench("compare", runs["all"], runs["half"], *QUICK, "--markdown", "-o", tmp_path)
    assert code == 0, err
    assert "| run | easy | rank |" in out
    assert (tmp_path / "comparison.json").is_file()
    assert (tmp_path / "pairs.csv").is_file()


def test_a_worse_run_fails_the_build(sshbench: Call, runs: dict[str, Path]) -> None:
    gate = ("--baseline", runs["all"], "--fail-if-worse", *QUICK)
    code, _, err = sshbench("compare", runs["half"], *gate)
    assert code == 1
    assert "half is worse than all in AP/hard" in err
    assert sshbench("compare", runs["half"], *gate, "--margin", "99pt")[0] == 0
    better = ("--baseline", runs["half"], "--fail-if-worse", *QUICK)
    assert sshbench("compare", runs["all"], *better)[0] == 0
    assert sshbench("compare", runs["again"], *better)[0] == 0
    assert sshbench("compare", runs["half"], runs["all"], "--fail-if-worse")[0] == 2


def test_a_margin_needs_a_unit_or_a_fraction(sshbench: Call, runs: dict[str, Path]) -> None:
    code, _, err = sshbench("compare", *runs.values(), "--margin", "5")
    assert code == 2
    assert "0.5pt" in err


def test_runs_of_other_images_are_not_compared(sshbench: Call, runs: dict[str, Path], tmp_path: Path) -> None:
    from sshbench.evaluation.api import evaluate

    sample = load_dataset("sample")
    found = {key: (faces.boxes, faces.boxes[:, 2]) for key, faces in zip(sample.keys, sample.faces, strict=True)}
    evaluate("sample", found, limit=12, out=tmp_path / "part")
    code, _, err = sshbench("compare", runs["all"], tmp_path / "part")
    assert code == 2, err
    assert "cannot be compared" in err


def test_eval_says_how_sure(sshbench: Call, runs: dict[str, Path]) -> None:
    arguments = ("eval", "--dataset", "sample", "--predictions", runs["half"])
    code, out, _ = sshbench(*arguments)
    assert code == 0
    assert "±" in out
    assert "±" not in sshbench(*arguments, "--no-intervals")[1]
    record = json.loads(sshbench(*arguments, "--json")[1])
    hard = record["intervals"]["AP/hard"]
    assert hard["low"] < hard["value"] == record["metrics"]["AP/hard"] < hard["high"]
    assert "intervals" not in json.loads(sshbench(*arguments, "--json", "--no-intervals")[1])


def test_a_figure_under_its_floor_fails_the_build(sshbench: Call, runs: dict[str, Path]) -> None:
    arguments = ("eval", "--dataset", "sample", "--predictions", runs["half"], "--json")
    assert sshbench(*arguments, "--fail-under", "AP/hard=0.1")[0] == 0
    code, out, err = sshbench(*arguments, "--fail-under", "AP/hard=99%", "--fail-under", "AP/easy=0.1")
    assert code == 1
    assert json.loads(out)["metrics"]
    assert "AP/hard is 0." in err
    assert "AP/easy" not in err
    assert sshbench(*arguments, "--fail-under", "AP/tiny=0.1")[0] == 2
    assert sshbench(*arguments, "--fail-under", "AP/hard=80")[0] == 2
