"""Quantize the network of a detector to int8, and keep it as an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sshbench.detectors.contract import SettingValue
from sshbench.detectors.registry import load_detector
from sshbench.errors import UsageError
from sshbench.files import write_atomic
from sshbench.runtimes.int8 import COUNT, Int8Record, record_of


def quantize(
    detector: str,
    images: str | Path,
    out: str | Path,
    *,
    quantizer: str = "onnxruntime",
    count: int = COUNT,
    weights: str | Path | None = None,
    settings: Mapping[str, SettingValue] | None = None,
) -> Int8Record:
    """Quantize the network of a detector to int8, and write it as an ONNX file.

    The file is the same network that the settings `precision=int8` and `calibration=IMAGES` run. Its inputs and outputs
    are those of the network in fp32. ONNX Runtime and OpenVINO run it.

    Args:
        detector: Name of a detector whose network is an ONNX graph, or of SSH.
        images: Folder of photographs like those the detector will see; not those of a benchmark.
        out: The .onnx file to write.
        quantizer: `onnxruntime`, or `nncf` (extra `int8`).
        count: How many of the images, at equal distances in the order of their paths.
        weights: Weights file of the detector.
        settings: Settings that differ from the published ones; `resize` changes what the network is calibrated with.

    Returns:
        How it was quantized; the file holds this, too.

    Raises:
        UsageError: `out` exists, the detector has no such network, or its file is quantized already.
        MissingDataError: There are no images, or no weights.

    >>> import tempfile, sshbench
    >>> from sshbench.files import sample_dir
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record = quantize("ssh-tiny", sample_dir(), f"{folder}/int8.onnx", count=2, settings={"resize": "60x80"})
    >>> record.quantizer, record.images
    ('onnxruntime', 2)
    """
    target = Path(out).expanduser()
    if target.exists():
        raise UsageError(f"{target} exists already", remedy="Give another file")
    given: dict[str, Any] = {"backend": "onnxruntime", **(settings or {}), "precision": "int8"}
    given |= {"calibration": str(images), "calibration_images": count, "quantizer": quantizer}
    if quantizer == "nncf" and "backend" not in (settings or {}):
        given["backend"] = "openvino"  # ONNX Runtime runs many of NNCF's layers in fp32
    loaded = load_detector(detector, weights=weights, **given)
    file: Path | None = getattr(loaded, "int8_file", None)
    if file is None:
        raise UsageError(f"the network of '{detector}' is quantized already", remedy="Pass weights in fp32")
    content = file.read_bytes()
    record = record_of(content)
    assert record is not None
    write_atomic(target, content)
    return record
