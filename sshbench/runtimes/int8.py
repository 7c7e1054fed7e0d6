"""Networks in int8: the images they are calibrated with, what a file says of it, and the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.files import cache_dir, sha256_of, write_atomic
from sshbench.images import IMAGE_SUFFIXES
from sshbench.models import FileModel, invalid_field
from sshbench.protocols import content_hash
from sshbench.runtimes.network import Array
from sshbench.runtimes.quantizers import METHODS, check_quantizer, quantize

if TYPE_CHECKING:
    from onnx import ModelProto

COUNT = 64
"""Images that a network is calibrated with, unless the user says how many."""
PROPERTY = "sshbench.int8"
"""Where an ONNX file of ours keeps its `Int8Record`: a property of its metadata."""

_RULE = "last layers with weights, and what follows them, stay float"


class Int8Record(FileModel):
    """How a network was quantized; its file holds this as the property `sshbench.int8`.

    Attributes:
        quantizer: One of `quantizers.QUANTIZERS`.
        version: Of the quantizer.
        method: How it finds the range of a tensor.
        images: How many images it was calibrated with.
        images_sha256: Hash of the hashes of these images, in order.
        settings: The detector's settings that say how images become the network's input.
        source_sha256: Hash of the network in fp32.
        float_rule: Which layers stay float, in words.
        float_layers: These layers; empty before the network is quantized.
    """

    quantizer: str
    version: str
    method: str
    images: int
    images_sha256: str
    settings: dict[str, str | float]
    source_sha256: str
    float_rule: str = _RULE
    float_layers: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """What the identity of a run calls this calibration: quantizer, version, number of images, and a hash."""
        hashed = content_hash(self.model_dump(mode="json", exclude={"float_layers"}))
        return f"{self.quantizer}-{self.version}-{self.images}-{hashed}"


@dataclass(frozen=True, slots=True)
class Calibration:
    """What to quantize a network with.

    Attributes:
        source: Folder of images, or the id of a calibration that is in the cache.
        quantizer: One of `quantizers.QUANTIZERS`.
        count: How many of the images, at equal distances in the order of their paths; all, if there are fewer.
    """

    source: str
    quantizer: str = "onnxruntime"
    count: int = COUNT


def calibration_images(folder: Path, count: int) -> list[Path]:
    """Return images of a folder and its subfolders, at equal distances in the order of their paths.

    Raises:
        MissingDataError: There is no image.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not found:
        raise MissingDataError(
            f"no images to calibrate int8 with in {folder}",
            remedy="Name a folder of photographs like those the detector will see, but not of a benchmark",
        )
    count = min(count, len(found))
    return [found[i * len(found) // count] for i in range(count)]


def int8_network(
    content: bytes,
    calibration: Calibration,
    inputs: Callable[[Iterable[Path]], Iterable[Array]],
    settings: Mapping[str, str | float],
) -> tuple[Path, Int8Record]:
    """Return a network in int8, from the cache where it was quantized before.

    Args:
        content: Content of the ONNX file in fp32.
        calibration: The images and the quantizer.
        inputs: Function that turns images into the network's inputs.
        settings: Settings of the detector that change these inputs.

    Returns:
        The quantized ONNX file in the cache, and its record.

    Raises:
        MissingDataError: There are no images, or no such calibration in the cache.
        UsageError: The quantizer is unknown or not installed.
        InputError: The file in the cache is damaged.
    """
    if not calibration.source:
        raise UsageError(
            "int8 needs images to calibrate the network with",
            remedy="Pass a folder of them with --calibration, but not one of a benchmark's images",
        )
    source = hashlib.sha256(content).hexdigest()
    folder = Path(calibration.source).expanduser()
    if not folder.is_dir():
        return _cached(source, calibration.source)
    version = check_quantizer(calibration.quantizer)
    images = calibration_images(folder, calibration.count)
    wanted = Int8Record(
        quantizer=calibration.quantizer,
        version=version,
        method=METHODS[calibration.quantizer],
        images=len(images),
        images_sha256=hashlib.sha256("".join(map(sha256_of, images)).encode()).hexdigest(),
        settings=dict(settings),
        source_sha256=source,
    )
    path = _place(source, wanted.id)
    if not path.is_file():
        model, kept = quantize(content, lambda: inputs(images), calibration.quantizer)
        _label(model, wanted.model_copy(update={"float_layers": tuple(kept)}))
        write_atomic(path, model.SerializeToString(deterministic=True))
    return path, _read(path)


def record_of(content: bytes) -> Int8Record | None:
    """Return how a network of ours was quantized; None if the file does not say.

    Raises:
        InputError: What it says is invalid.
    """
    from onnx import ModelProto

    said = {one.key: one.value for one in ModelProto.FromString(content).metadata_props}.get(PROPERTY)
    if said is None:
        return None
    try:
        return Int8Record.model_validate(json.loads(said))
    except ValidationError as error:
        raise invalid_field(error, Path(PROPERTY), "Quantize the network again") from error


def _label(model: ModelProto, record: Int8Record) -> None:
    from onnx import helper

    said = {one.key: one.value for one in model.metadata_props}
    helper.set_model_props(model, {**said, PROPERTY: record.model_dump_json()})


def _place(source: str, name: str) -> Path:
    return cache_dir("int8") / f"{source[:16]}-{name}.onnx"


def _cached(source: str, name: str) -> tuple[Path, Int8Record]:
    path = _place(source, Path(name).name)
    if not path.is_file():
        raise MissingDataError(
            f"--calibration {name} is neither a folder of images nor a calibration of this network in the cache",
            remedy="Pass the folder of the images",
        )
    return path, _read(path)


def _read(path: Path) -> Int8Record:
    try:
        record = record_of(path.read_bytes())
    except Exception as error:  # onnx's own errors share no other base
        raise InputError(f"cannot be read ({error})", file=path, remedy="Remove the file") from error
    if record is None:
        raise InputError("no network in int8 of ours", file=path, remedy="Remove the file")
    return record
