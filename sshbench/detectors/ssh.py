"""SSH, the reference model: single scale, pyramid, and a slim variant of the same shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Settings
from sshbench.detectors.execution import CALIBRATION_RANGE, EXECUTION, effective_settings, int8_network_of
from sshbench.detectors.ssh_stages import SshStages
from sshbench.detectors.weights import find_weights, locate_weights
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.files import sha256_of
from sshbench.runtimes.plan import ONNX_BACKENDS, plan
from sshbench.ssh.architecture import architecture
from sshbench.ssh.candidates import CANDIDATES
from sshbench.ssh.preprocess import pyramid_scales
from sshbench.ssh.random_weights import PARAMETERS, RANDOM, random_note, seed_of

if TYPE_CHECKING:
    from sshbench.ssh.weights import Weights

_RELEASE = Settings(resize="1200x1600", score_threshold=0.05, nms_iou=0.3, extra={**EXECUTION, "backend": "auto"})


class Ssh(SshStages):
    """SSH with a VGG-16 trunk at one scale.

    Attributes:
        preferred: The backend for fp32 on the CPU if the user names none.
        widths: Architecture of random weights.
        trained_on: What the weights file says of the benchmarks it was trained on; None if it says nothing.
    """

    info = DetectorInfo(
        name="ssh",
        title="SSH (VGG-16)",
        source="Najibi et al., SSH: Single Stage Headless Face Detector, ICCV 2017",
        licence="own code, Apache-2.0; weights: those of the file you import",
        weights="ssh-vgg16.safetensors",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        ranges={**PROBABILITY, **CALIBRATION_RANGE},
        defaults=_RELEASE,
        defaults_source="SSH release, SSH/configs/wider.yml and default_config.yml",
    )
    preferred: ClassVar[str] = "auto"
    widths: ClassVar[str] = "ssh-vgg16"
    trained_on: tuple[str, ...] | None = None

    def load(self) -> None:
        """Read or make weights and build the network; the settings then hold what the library says really runs it."""
        from sshbench.ssh import backends
        from sshbench.ssh.onnx_graph import onnx_model
        from sshbench.ssh.weights import random_weights

        if self.pyramid and self.settings.resize != "original":
            raise UsageError(
                f"'{self.info.name}' has four sizes of its own, so resize cannot be {self.settings.resize}",
                remedy="Leave the input size at original, or use detector 'ssh'",
            )
        self._seed, note = seed_of(self._weights), {}
        if self._seed is None:
            weights = self._read(self._find())
            self.trained_on = _benchmarks(weights.metadata.get("trained_on"))
            origin = weights.metadata.get("origin", "")
            if origin.startswith(RANDOM):  # a file of `sshbench weights random`: every result shall say so
                self.trained_on, note = (), {PARAMETERS: origin}
        else:
            weights = random_weights(architecture(self.widths), self._seed, few_boxes=True)
            self.trained_on, note = (), random_note(self._seed, CANDIDATES)
        extra = self.settings.extra
        asked = str(extra["backend"]), str(extra["precision"]), str(extra["device"])
        chosen = plan(self.preferred if asked == ("auto", "fp32", "cpu") else asked[0], *asked[1:])
        content, calibration = None, ""
        if chosen.precision == "int8":
            int8 = int8_network_of(self, onnx_model(weights), lambda prepared: [data for data, _ in prepared.data])
            content, calibration, self.int8_file = int8.content, int8.calibration, int8.file
        self.network = backends.build(weights, chosen, content)
        ran = self.network.plan
        self.input_device = ran.device if ran.kind == "cuda" and ran.backend not in ONNX_BACKENDS else ""
        self.settings = effective_settings(self.settings, ran, calibration, always=True)
        own = {**self.settings.extra, "architecture": weights.architecture.name, **note}
        self.settings = replace(self.settings, extra=own)

    def _read(self, path: Path) -> Weights:
        from sshbench.ssh.weights import load_weights

        weights = load_weights(path)
        if weights.trunk_only:
            raise InputError(
                "holds a trunk only, which is a start for training and not a detector",
                file=path,
                remedy="Train it first: sshbench train",
            )
        self.weights_sha256 = sha256_of(path)
        self._weights_bytes = path.stat().st_size
        return weights

    def _find(self) -> Path:
        if self._weights is not None:
            return self._weights
        name = str(self.info.weights)
        found = locate_weights(name)
        if found is None:
            raise MissingDataError(
                f"detector '{self.info.name}' has no weights: {name} is neither in SSHBENCH_WEIGHTS nor in the cache",
                remedy="Import the authors' file (github.com/mahyarnajibi/SSH) with `sshbench weights import "
                f"SSH.caffemodel -o {name}`, then pass it with --weights, or its folder with SSHBENCH_WEIGHTS",
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
    """The same shape, slim, trained by this project; its weights are part of the package."""

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
    widths = "ssh-tiny"
    preferred = "onnxruntime"  # always installed, and for a network this small faster than PyTorch

    def _find(self) -> Path:
        return find_weights(str(self.info.weights), self._weights)


def _benchmarks(stated: str | None) -> tuple[str, ...] | None:
    """Parse the `trained_on` of a weights file: names separated by commas, or `none`."""
    if stated is None:
        return None
    return () if stated == "none" else tuple(stated.split(","))
