"""Detectors by backend and precision: what the settings hold afterwards, and that runs are told apart by it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sshbench
from sshbench.detectors.contract import detect
from sshbench.detectors.execution import EXECUTION, effective_settings
from sshbench.detectors.registry import detector_info, load_detector
from sshbench.errors import MissingDataError, UsageError
from sshbench.files import sample_dir
from sshbench.images import read_image
from sshbench.records import Image
from sshbench.runs import open_run
from sshbench.runtimes.int8 import record_of
from sshbench.runtimes.plan import Plan

SMALL = {"resize": "120x160"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images to calibrate with."""
    folder = tmp_path_factory.mktemp("photos")
    for path in sorted((sample_dir() / "WIDER_val").rglob("*.jpg"))[:2]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def portrait() -> Image:
    return read_image(sample_dir() / "WIDER_val" / "images" / "0--Portrait" / "0_Portrait_sample_0_1.jpg")


def how(detector: Any) -> dict[str, Any]:
    extra = detector.settings.extra
    return {name: extra[name] for name in ("backend", "precision", "device", "calibration") if name in extra}


def test_settings_that_say_nothing_mean_onnxruntime_in_fp32_on_the_cpu() -> None:
    """So results stay comparable with those of versions that had no other way."""
    settings = detector_info("yunet").defaults
    assert effective_settings(settings, Plan("onnxruntime", "fp32"), "").extra == {"score": "product"}
    ran = {"backend": "onnxruntime", "precision": "fp32", "device": "cuda"}
    assert effective_settings(settings, Plan("onnxruntime", "fp32", "cuda"), "").extra == {"score": "product", **ran}


def test_every_onnx_detector_has_the_settings() -> None:
    for name in ("centerface", "retinaface-mnet025", "ultraface-rfb-320", "ultraface-rfb-640", "yunet"):
        assert EXECUTION.items() <= detector_info(name).defaults.extra.items()
    assert {"backend", "precision", "device"} <= detector_info("mtcnn").defaults.extra.keys()
    with pytest.raises(UsageError, match="'mtcnn' is a cascade of three networks, which is not quantized"):
        load_detector("mtcnn", precision="int8")


def test_int8_is_close_to_fp32_and_says_what_it_was_calibrated_with(photos: Path, portrait: Image) -> None:
    plain = detect(load_detector("ssh-tiny"), portrait)
    detector = load_detector("ssh-tiny", precision="int8", calibration=str(photos), backend="onnxruntime")
    calibration = str(detector.settings.extra["calibration"])
    assert how(detector) == {
        "backend": "onnxruntime",
        "precision": "int8",
        "device": "cpu",
        "calibration": calibration,
    }
    assert calibration.startswith("onnxruntime-")
    assert calibration.split("-")[2] == "2"
    assert detector.weights_sha256 == load_detector("ssh-tiny").weights_sha256
    found = detect(detector, portrait)
    assert found.scores[0] == pytest.approx(plain.scores[0], abs=0.05)
    assert found.scores[0] != plain.scores[0]
    np.testing.assert_allclose(found.boxes[0], plain.boxes[0], atol=4)
    # A run passes on what its identity says: the images are not needed a second time.
    again = load_detector("ssh-tiny", precision="int8", calibration=calibration, backend="onnxruntime")
    assert again.settings == detector.settings
    assert detect(again, portrait).scores.tolist() == found.scores.tolist()


def test_the_identity_differs_by_precision_backend_and_calibration(photos: Path, tmp_path: Path) -> None:
    int8 = {"precision": "int8", "calibration": str(photos), "backend": "onnxruntime"}
    ways: list[dict[str, Any]] = [{}, int8, {**int8, "calibration_images": 1}]
    try:
        load_detector("ssh-tiny", backend="openvino")
        ways += [{"backend": "openvino"}, {**int8, "backend": "openvino"}]
    except UsageError:  # it is not installed
        pass
    keys = []
    for number, way in enumerate(ways):
        folder = tmp_path / str(number)
        sshbench.run("ssh-tiny", "sample", settings={**SMALL, **way}, out=folder, limit=1, progress=False)
        with open_run(folder) as run:
            keys.append(run.identity.key)
    assert len(set(keys)) == len(ways)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"precision": "int8"}, UsageError, "int8 needs images to calibrate the network with.*--calibration"),
        ({"precision": "int8", "calibration": "nowhere"}, MissingDataError, "nowhere is neither a folder of images"),
        ({"precision": "int8", "calibration": "{empty}"}, MissingDataError, "no images to calibrate int8 with in"),
        ({"precision": "int8", "backend": "torch"}, UsageError, "backend 'torch' does not run int8"),
        ({"precision": "bf16", "backend": "onnxruntime"}, UsageError, "does not run networks in bf16"),
        ({"backend": "onnxruntime", "device": "tensorrt"}, UsageError, "no device 'tensorrt' here.*Here are: cpu"),
        ({"calibration_images": 0}, UsageError, "'calibration_images'.* between 1 and 100000, not 0"),
        ({"precision": "int8", "calibration": "{empty}", "quantizer": "x"}, UsageError, "no quantizer 'x'"),
    ],
)
def test_what_is_missing_is_said(options: dict[str, Any], error: type[Exception], says: str, tmp_path: Path) -> None:
    given = {name: str(tmp_path) if value == "{empty}" else value for name, value in options.items()}
    with pytest.raises(error, match=says):
        load_detector("ssh-tiny", **given)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_published_networks_by_backend_and_in_int8(
    backend: str, shared: Path, monkeypatch: pytest.MonkeyPatch, photos: Path, portrait: Image, tmp_path: Path
) -> None:
    pytest.importorskip(backend)
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    for name in ("yunet", "ultraface-rfb-320"):
        best = detect(load_detector(name), portrait)
        for precision in ("fp32", "int8"):
            options = {"calibration": str(photos)} if precision == "int8" else {}
            detector = load_detector(name, backend=backend, precision=precision, **options)
            found = detect(detector, portrait)
            assert found.scores[0] == pytest.approx(best.scores[0], abs=1e-3 if precision == "fp32" else 0.2)
            plain = (backend, precision) == ("onnxruntime", "fp32")
            assert detector.settings.extra.get("precision") == (None if plain else precision)
    # A quantized file as weights: it runs in int8, and only if that is asked for.
    record = sshbench.quantize("yunet", photos, tmp_path / "int8.onnx")
    with pytest.raises(UsageError, match=r"runs in int8 on this device where fp32 is asked for. Use --precision int8"):
        load_detector("yunet", weights=tmp_path / "int8.onnx", backend=backend)
    detector = load_detector("yunet", weights=tmp_path / "int8.onnx", precision="int8", backend=backend)
    assert detector.settings.extra["calibration"] == record.id
    with pytest.raises(UsageError, match="'yunet' is quantized already"):
        sshbench.quantize("yunet", photos, tmp_path / "twice.onnx", weights=tmp_path / "int8.onnx")


def test_quantize_writes_the_file_that_precision_int8_runs(sshbench: Any, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8.onnx"
    code, printed, err = sshbench("quantize", "ssh-tiny", "--images", photos, "-o", out, "--json")
    assert code == 0, err
    answer = json.loads(printed)
    detector: Any = load_detector("ssh-tiny", precision="int8", calibration=str(photos))
    assert answer["calibration"] == detector.settings.extra["calibration"]
    assert out.read_bytes() == detector.int8_file.read_bytes()
    record = record_of(out.read_bytes())
    assert record is not None
    assert answer["record"] == json.loads(record.model_dump_json())
    code, printed, err = sshbench("quantize", "ssh-tiny", "--images", photos, "-o", out)
    assert (code, "exists already" in err) == (2, True)
    code, _, err = sshbench("quantize", "haar", "--images", photos, "-o", tmp_path / "other.onnx")
    assert (code, "'haar' has no setting 'backend'" in err) == (2, True)
