"""`sshbench timing`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from sshbench.images import read_image
from sshbench.ssh.architecture import architecture
from sshbench.ssh.weights import random_weights, save_weights
from sshbench.timing.images import at_size, images_from
from sshbench.timing.record import TimingRecord

QUICK = ["--min-time", 0, "--min-count", 5, "--count", 2]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(path, random_weights(architecture("ssh-tiny"), few_boxes=True))
    return path


def test_one_detector(sshbench: Any, tmp_path: Path) -> None:
    arguments = ["timing", "--detector", "haar", "--sizes", "60x80,90x120", *QUICK]
    code, out, err = sshbench(*arguments, "--out", tmp_path / "t.json", "--plot", tmp_path / "plots", "--json")
    assert code == 0, err
    record = TimingRecord.model_validate_json(out)
    assert TimingRecord.load(tmp_path / "t.json") == record
    assert [timing.size for timing in record.sizes] == ["60x80", "90x120"]
    assert set(record.sizes[0].stages) == {"read", "preprocess", "forward", "postprocess"}
    assert record.machine["processor"]
    assert record.sizes[0].peak_memory_mib
    rows = list(csv.DictReader((tmp_path / "plots" / "latency-size.csv").read_text().splitlines()))
    assert [row["size"] for row in rows] == ["60x80", "90x120"]
    assert float(rows[0]["median_ms"]) == record.sizes[0].summary["total"].median
    assert (tmp_path / "plots" / "latency-faces.png").read_bytes()[:4] == b"\x89PNG"
    code, out, err = sshbench(*arguments, "--compare", tmp_path / "t.json", "--fail-if-slower", "900%")
    assert code == 0, err
    assert "of the old time" in out
    code, _, err = sshbench(*arguments, "--scope", "forward", "--compare", tmp_path / "t.json")
    assert (code, "scope: 'paper' and 'forward'" in err) == (2, True)


@pytest.mark.thorough
def test_several_detectors_in_processes_of_their_own(sshbench: Any, weights: Path, tmp_path: Path) -> None:
    arguments = ["timing", "--detector", "ssh-tiny", "--detector", "ssh-tiny", "--weights", weights, "--sizes", "60x80"]
    arguments += ["--backend", "onnxruntime", *QUICK]
    code, out, err = sshbench(*arguments, "--json", "--out", tmp_path)
    assert code == 0, err
    first, second = json.loads(out)["records"]
    assert len(first["sizes"][0]["images"]) == len(second["sizes"][0]["images"]) >= 5
    code, out, err = sshbench(*arguments)
    assert code == 0, err
    assert "pair by pair" in out
    code, _, err = sshbench("timing", "--detector", "haar", "--detector", "har", "--sizes", "60x80", *QUICK)
    assert (code, "Did you mean 'haar'" in err) == (2, True)


def test_ssh_parts_decoding_from_nms_and_knows_its_floor(
    sshbench: Any, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sshbench.timing.floor._MATRIX", 1024)  # an eighth of the work, nearly the same rate
    arguments = ["timing", "--detector", "ssh-tiny", "--weights", weights, "--sizes", "100x150", *QUICK]
    code, out, err = sshbench(*arguments, "--backend", "onnxruntime", "--floor", "--json")
    assert code == 0, err
    timing = TimingRecord.model_validate_json(out).sizes[0]
    assert list(timing.stages) == ["read", "preprocess", "forward", "decode", "nms"]
    assert timing.floor is not None
    assert timing.floor.over == pytest.approx(timing.summary["forward"].median / timing.floor.limit_ms)
    assert 0 < timing.floor.gflop < 5
    code, out, err = sshbench(*arguments, "--backend", "onnxruntime", "--batch", 3, "--json")
    assert code == 0, err
    record = TimingRecord.model_validate_json(out)
    assert record.batch == 3
    assert record.sizes[0].images_per_second == pytest.approx(3000 / record.sizes[0].summary["total"].median)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--detector", "haar", "--sizes", "huge"], "invalid input size 'huge'"),
        (["--detector", "haar", "--sizes", ""], "at least one size"),
        (["--detector", "haar", "--sizes", "60x80", "--image-size", "640"], "invalid image size '640'"),
        (["--sizes", "60x80"], "name a detector"),
        (["--detector", "haar", "--sizes", "60x80", "--count", "0"], "at least 1, not 0"),
        (["--detector", "haar", "--sizes", "60x80", "--images", "/nowhere"], "no image, folder or match"),
        (["--detector", "haar", "--sizes", "60x80", "--fail-if-slower", "5%"], "needs --compare"),
        (["--detector", "haar", "--sizes", "60x80", "--compare", "x", "--fail-if-slower", "much"], "not a percentage"),
        (["--detector", "haar", "--sizes", "60x80", "--floor"], "works only for SSH"),
        (["--detector", "haar", "--sizes", "60x80", "--precision", "bf16"], "no setting 'precision'"),
    ],
)
def test_wrong_use_is_exit_code_2(sshbench: Any, arguments: list[str], says: str) -> None:
    code, _, err = sshbench("timing", *arguments, *QUICK[:4])
    assert code == 2
    assert says in err


def test_images_cut_to_one_size(sshbench: Any, tmp_path: Path) -> None:
    arguments = ["timing", "--detector", "haar", "--sizes", "original", "--scope", "detect", *QUICK, "--json"]
    code, out, err = sshbench(*arguments, "--image-size", "120x90")
    assert code == 0, err
    record = TimingRecord.model_validate_json(out)
    assert record.image_source == "2 of bundled sample at 120x90"
    timing = record.sizes[0]
    within = [sum(timing.stages[stage][i] for stage in timing.stages if stage != "read") for i in range(5)]
    assert timing.total("detect") == within
    picked, _ = images_from(None, 2)
    for copy in at_size(picked, (120, 90), tmp_path):
        assert read_image(copy.path).shape == (90, 120, 3)


def test_what_was_measured_is_kept_where_a_later_size_fails(
    sshbench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sshbench.detectors.haar import HaarCascade

    forward = HaarCascade.forward

    def fails_when_large(self: HaarCascade, prepared: Any) -> Any:
        if self.settings.resize == "300x400":
            raise MemoryError("too large")
        return forward(self, prepared)

    monkeypatch.setattr(HaarCascade, "forward", fails_when_large)
    arguments = ["timing", "--detector", "haar", "--sizes", "120x160,300x400", *QUICK]
    code, _, err = sshbench(*arguments, "--out", tmp_path / "t.json")
    assert code == 1
    assert "(MemoryError: too large, in test_timing_command.py:" in err
    assert [timing.size for timing in TimingRecord.load(tmp_path / "t.json").sizes] == ["120x160"]
