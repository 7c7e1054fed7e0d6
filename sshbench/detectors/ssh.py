"""SSH, the reference model: single scale, pyramid, and a slim variant of the same shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, check_image
from sshbench.detectors.weights import find_weights, locate_weights
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of
from sshbench.ssh.decode import LevelOutputs, pooled, suppressed
from sshbench.ssh.preprocess import PYRAMID, network_input, pair_scale, pyramid_scales

_EXECUTION = {"backend": "auto", "precision": "fp32", "device": "cpu"}
_RELEASE = Settings(resize="1200x1600", score_threshold=0.05, nms_iou=0.3, extra=_EXECUTION)


class Ssh(WeightsAdapter):
    """SSH with a VGG-16 trunk at one scale."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="ssh",
        title="SSH (VGG-16)",
        source="Najibi et al., SSH: Single Stage Headless Face Detector, ICCV 2017",
        licence="own code, Apache-2.0; weights: those of the file you import",
        weights="ssh-vgg16.safetensors",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        defaults=_RELEASE,
        defaults_source="SSH release, SSH/configs/wider.yml and default_config.yml",
    )
    pyramid: ClassVar[bool] = False
    preferred: ClassVar[str] = "auto"
    """The backend for fp32 on the CPU where the user names none."""
    trained_on: tuple[str, ...] | None = None
    """What the weights file says of the benchmarks that it saw; None where it says nothing."""

    def load(self) -> None:
        """Read the weights and build the network; the settings then say what really runs it."""
        from sshbench.ssh import backends
        from sshbench.ssh.weights import load_weights

        if self.pyramid and self.settings.resize != "original":
            raise UsageError(
                "a pyramid has its own four sizes: --resize does not go with it", remedy="Use detector 'ssh'"
            )
        path = self._find()
        weights = load_weights(path)
        if weights.trunk_only:
            raise InputError(
                "holds a trunk only: a start for training, no detector", file=path, remedy="Train it first"
            )
        extra = self.settings.extra
        asked = str(extra["backend"]), str(extra["precision"]), str(extra["device"])
        chosen = backends.plan(self.preferred if asked == ("auto", "fp32", "cpu") else asked[0], *asked[1:])
        resolved = {"backend": chosen.backend, "precision": chosen.precision, "device": chosen.device}
        self.settings = replace(self.settings, extra={**extra, **resolved, "architecture": weights.architecture.name})
        self._run = backends.build(weights, chosen)
        self.trained_on = _benchmarks(weights.metadata.get("trained_on"))
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """The network's input at each level: a list of (input, scale)."""
        height, width = image.shape[:2]
        scales = (
            pyramid_scales(height, width) if self.pyramid else [pair_scale(height, width, self.settings.size_pair())]
        )
        return Prepared([(network_input(image, scale), scale) for scale in scales], scales[0])

    def forward(self, prepared: Prepared) -> Any:
        """For each level, class scores and deltas of each module, with their batch of one."""
        return [self._run(data) for data, _ in prepared.data]

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """Decode, pool, threshold and suppress, where the outputs are."""
        return self.suppress(self.decode_boxes(outputs, prepared))

    def decode_boxes(self, outputs: Any, prepared: Prepared) -> tuple[Any, Any]:
        """Boxes and scores of all levels in original pixels, before NMS: the part that the release's timer counts."""
        inputs = [(data.shape[2:], scale) for data, scale in prepared.data]
        modules = [self._kept(i, [(c[0], b[0]) for c, b in level]) for i, level in enumerate(outputs)]
        if isinstance(outputs[0][0][0], np.ndarray):
            host = [LevelOutputs(kept, *put) for kept, put in zip(modules, inputs, strict=True)]
            return pooled(host, self.settings.score_threshold)
        from sshbench.ssh import device

        there = [device.DeviceLevel(kept, *put) for kept, put in zip(modules, inputs, strict=True)]
        return device.pooled(there)

    def suppress(self, decoded: tuple[Any, Any]) -> Detections:
        """NMS, and the copy to the host where the boxes are on an accelerator."""
        nms_iou, top_k = float(self.settings.nms_iou or 0.0), self.settings.top_k
        if isinstance(decoded[0], np.ndarray):
            return suppressed(*decoded, nms_iou, top_k)
        from sshbench.ssh import device

        return device.on_host(*decoded, self.settings.score_threshold, nms_iou, top_k)

    def forward_batch(self, prepared: Sequence[Prepared]) -> list[Any]:
        """One pass of the network for inputs of one size; outputs as `forward` gives them, for each."""
        levels = [
            self._run(np.concatenate([one.data[level][0] for one in prepared]))
            for level in range(len(prepared[0].data))
        ]
        rows = range(len(prepared))
        return [[[(c[i : i + 1], b[i : i + 1]) for c, b in level] for level in levels] for i in rows]

    def detect_batch(self, images: Sequence[Image]) -> list[Detections]:
        """Detect in several images at once: those whose inputs have the same size share a pass of the network."""
        prepared = [self.preprocess(check_image(image)) for image in images]
        groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for i, one in enumerate(prepared):
            groups.setdefault(tuple(data.shape for data, _ in one.data), []).append(i)
        found: dict[int, Detections] = {}
        for members in groups.values():
            outputs = self.forward_batch([prepared[i] for i in members])
            for i, out in zip(members, outputs, strict=True):
                found[i] = self.postprocess(out, prepared[i])
        return [found[i] for i in range(len(images))]

    def _kept(self, level: int, outputs: list[tuple[Any, Any]]) -> list[tuple[Any, Any] | None]:
        # The largest level of the pyramid is there for small faces: the module of large ones is left out of it.
        if self.pyramid and level == len(PYRAMID) - 1:
            return [*outputs[:2], None]
        return list(outputs)

    def _find(self) -> Path:
        if self._weights is not None:
            return self._weights
        name = str(self.info.weights)
        found = locate_weights(name)
        if found is None:
            raise MissingDataError(
                f"detector '{self.info.name}' has no weights: {name} is not below SSHBENCH_WEIGHTS nor in the cache",
                remedy=f"Import the authors' (github.com/mahyarnajibi/SSH) by `sshbench weights import SSH.caffemodel "
                f"-o {name}`, then name that file by --weights, or its folder by SSHBENCH_WEIGHTS",
            )
        return found


class SshPyramid(Ssh):
    """SSH over a pyramid of four scales."""

    info = replace(
        Ssh.info,
        name="ssh-pyramid",
        title="SSH (VGG-16) + pyramid",
        defaults=replace(_RELEASE, resize="original"),
        defaults_source="SSH release, SSH/configs/wider_pyramid.yml: scales 500, 800, 1200, 1600 on the pair 800x1200",
    )
    pyramid = True

    @classmethod
    def input_pixels(cls, settings: Settings, width: int, height: int) -> int:
        """Return the pixels of all four levels."""
        return sum(round(width * scale) * round(height * scale) for scale in pyramid_scales(height, width))


class SshTiny(Ssh):
    """The same shape, slim, trained by this project; its weights travel with the package."""

    info = replace(
        Ssh.info,
        name="ssh-tiny",
        title="SSH (tiny)",
        source="this project, docs/ssh-tiny.md; the shape of Najibi et al., SSH, ICCV 2017",
        licence="Apache-2.0, code and weights",
        weights="ssh-tiny.safetensors",
        training_data="2 688 web images (people with masks, portraits), boxes on which two detectors agreed",
        trained_on=(),
        defaults=replace(_RELEASE, resize="600x800"),
        defaults_source="SSH release (score 0.05, NMS 0.3); the size with the best AP on the validation images",
    )
    preferred = "onnxruntime"  # always there, and for a network this small faster than PyTorch

    def _find(self) -> Path:
        return find_weights(str(self.info.weights), self._weights)


def _benchmarks(said: str | None) -> tuple[str, ...] | None:
    """Out of a weights file's metadata: names separated by commas, or `none`."""
    if said is None:
        return None
    return () if said == "none" else tuple(said.split(","))
