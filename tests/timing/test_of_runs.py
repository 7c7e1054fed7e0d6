"""A latency of the very configuration that an accuracy is of: settings, weights and images of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import sshbench
from sshbench.errors import MissingDataError, UsageError
from sshbench.report.leaderboard_collect import collect
from sshbench.runs import open_run

CommandLine = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "small"
    settings: dict[str, str | int] = {"resize": "90x120", "min_neighbors": 2}
    sshbench.run("haar", "sample", out=folder, settings=settings, progress=False)
    return folder


def test_settings_and_images_are_the_run_s(run: Path, tmp_path: Path) -> None:
    (record,) = sshbench.time_runs([run], count=5, min_time=0, min_count=2, out=tmp_path)
    with open_run(run) as opened:
        identity, pixels = opened.identity, {k: w * h for k, (w, h) in opened.sizes().items()}
    assert record.settings == {name: value for name, value in identity.settings.items() if name != "resize"}
    (timing,) = record.sizes
    assert timing.size == "90x120"
    assert record.scope == "end-to-end"
    assert record.image_source == "5 of 24 images of sample val, of all sizes"
    # The middle ones of five equal parts by pixels, and each of them is measured.
    ordered = sorted(pixels.values(), reverse=True)
    taken = sorted({pixels[name] for name in timing.images}, reverse=True)
    assert set(taken) == {ordered[2], ordered[7], ordered[12], ordered[16], ordered[21]}
    assert len(set(timing.images)) == 5
    assert json.loads((tmp_path / "timing-sample-small.json").read_text())["detector"] == "haar"


def test_the_latency_stands_beside_the_accuracy(run: Path, tmp_path: Path) -> None:
    sshbench.time_runs([run], count=8, min_time=0, min_count=2, out=tmp_path)
    board = collect([run], [tmp_path / "timing-sample-small.json"])
    assert not board.left_out
    assert 0 in board.rows[0].latencies
    (hard,) = (row for _, row in board.to_pandas().iterrows() if row["metric"] == "AP/hard")
    assert hard["images_per_second"] > 0
    assert hard["peak_memory_mib"] > 0
    assert hard["licence"]
    assert pd.isna(hard["parameters"]), "the work of a cascade depends on the image"


def test_another_configuration_is_refused(run: Path, tmp_path: Path) -> None:
    identity = run / "identity.json"
    content = {**json.loads(identity.read_text()), "weights_sha256": "0" * 64}
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in run.iterdir():
        if file.is_file():
            (changed / file.name).write_bytes(file.read_bytes())
    (changed / "files.json").unlink()
    (changed / "identity.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"is not what the run was made with: weights_sha256 is .* here, and .00000"):
        sshbench.time_runs([changed], count=2, min_time=0, min_count=2)


def test_no_detector_and_no_run(tmp_path: Path, sshbench_predictions: Path) -> None:
    with pytest.raises(UsageError, match="is a prediction set: there is no detector to time"):
        sshbench.time_runs([sshbench_predictions])
    with pytest.raises(MissingDataError, match="there is no run"):
        sshbench.time_runs([tmp_path])


@pytest.fixture
def sshbench_predictions(tmp_path: Path) -> Path:
    sshbench.evaluate("sample", {"1--Group/1_Group_sample_1_1": ([[1, 2, 30, 40]], [0.9])}, out=tmp_path / "kept")
    return tmp_path / "kept"


def test_the_command(sshbench: CommandLine, run: Path, tmp_path: Path) -> None:
    words = ["timing", "--run", run, "--count", 2, "--min-time", 0, "--min-count", 2, "-o", tmp_path]
    code, out, err = sshbench(*words, "--json")
    assert code == 0, err
    assert json.loads(out)["sizes"][0]["size"] == "90x120"
    code, out, err = sshbench(*words)
    assert (code, "2 of 24 images of sample val" in out) == (0, True)
    code, _, err = sshbench(*words, "--sizes", "90x120")
    assert (code, "--sizes does not go with --run" in err) == (2, True)
    code, _, err = sshbench("timing", "--detector", "haar", "--data", tmp_path)
    assert (code, "--data belongs to --run" in err) == (2, True)
