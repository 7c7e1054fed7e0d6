"""How a detector's network runs: the settings that say it, and what of them is stored with results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from sshbench.detectors.contract import DetectorInfo, Prepared, Settings, SettingValue
from sshbench.errors import InputError
from sshbench.images import read_image
from sshbench.records import Image
from sshbench.runtimes.network import Array
from sshbench.runtimes.plan import Plan, plan

EXECUTION: Mapping[str, SettingValue] = {
    "backend": "onnxruntime",
    "precision": "fp32",
    "device": "cpu",
    "calibration": "",
    "calibration_images": 64,
    "quantizer": "onnxruntime",
}
"""Settings of every detector whose network is an ONNX graph, with their defaults; `calibration` is a folder of images,
or what the identity of a run calls a calibration that is in the cache."""

CALIBRATION_RANGE: Mapping[str, tuple[float, float]] = {"calibration_images": (1, 100_000)}


def asked_plan(settings: Settings, allowed: Sequence[str]) -> Plan:
    """Return the plan that settings ask for.

    Raises:
        UsageError: A name is unknown, or the backend or the device is not there.
    """
    backend, precision, device = (str(settings.extra[name]) for name in ("backend", "precision", "device"))
    return plan(backend, precision, device, allowed=allowed)


def effective_settings(settings: Settings, ran: Plan, calibration: str, *, always: bool = False) -> Settings:
    """Return the settings as results store them: with how the network really runs.

    Settings that say nothing of it mean ONNX Runtime in fp32 on the CPU, which was the only way once, so that results
    stay comparable with older ones.

    Args:
        settings: The settings that were asked for.
        ran: How the network runs, read back from the library.
        calibration: Id of the calibration of a network in int8, else empty.
        always: Whether to state it where it is ONNX Runtime in fp32 on the CPU as well.
    """
    own = own_settings(settings)
    how: dict[str, SettingValue] = {"backend": ran.backend, "precision": ran.precision, "device": ran.device}
    if not always and all(EXECUTION[name] == value for name, value in how.items()):
        how = {}
    return replace(settings, extra={**own, **how, **({"calibration": calibration} if calibration else {})})


def own_settings(settings: Settings) -> dict[str, SettingValue]:
    """Return the settings that only one detector has, without those of `EXECUTION`."""
    return {name: value for name, value in settings.extra.items() if name not in EXECUTION}


class Prepares(Protocol):
    """What of a detector is needed to calibrate its network."""

    info: DetectorInfo
    settings: Settings

    def preprocess(self, image: Image) -> Prepared[Any]:
        """Turn an image into the network's input."""


@dataclass(frozen=True, slots=True)
class Int8Network:
    """A detector's network in int8.

    Attributes:
        content: Content of its ONNX file.
        calibration: Id of its calibration; empty where a quantized file of the user's does not say.
        file: The file in the cache; None where the detector's own file is quantized already.
    """

    content: bytes
    calibration: str
    file: Path | None = None


def int8_network_of(
    detector: Prepares, content: bytes, inputs_of: Callable[[Prepared[Any]], Iterable[Array]]
) -> Int8Network:
    """Return a detector's network in int8, calibrated with the images that its settings name.

    Args:
        detector: The detector; its network need not be open.
        content: Content of its ONNX file. A file that is quantized already is returned as it is.
        inputs_of: Function that returns the network's inputs of a prepared image.

    Raises:
        UsageError: The settings name no images, or an unknown quantizer.
        MissingDataError: There are no images.
        InputError: The content is no ONNX file.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    from sshbench.runtimes.graphs import is_quantized
    from sshbench.runtimes.int8 import Calibration, int8_network, record_of

    try:
        quantized = is_quantized(ModelProto.FromString(content))
    except DecodeError as error:
        raise InputError("invalid ONNX file", file=str(detector.info.weights), remedy="Check --weights") from error
    if quantized:
        record = record_of(content)
        return Int8Network(content, "" if record is None else record.id)
    extra = detector.settings.extra
    calibration = Calibration(str(extra["calibration"]), str(extra["quantizer"]), int(extra["calibration_images"]))

    def inputs(paths: Iterable[Path]) -> Iterator[Array]:
        for path in paths:
            yield from inputs_of(detector.preprocess(read_image(path)))

    decisive = {"detector": detector.info.name, "resize": detector.settings.resize, **own_settings(detector.settings)}
    path, record = int8_network(content, calibration, inputs, decisive)
    return Int8Network(path.read_bytes(), record.id, path)
