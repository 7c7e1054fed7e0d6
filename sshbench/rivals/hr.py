"""HR (Hu and Ramanan, Finding Tiny Faces): ResNet-101 and ResNet-50, and VGG-16 as far as its file tells."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.contract import DetectorInfo, Settings, SettingValue
from sshbench.errors import InputError
from sshbench.rivals.hr_architectures import architecture
from sshbench.rivals.hr_decode import best_logits
from sshbench.rivals.hr_levels import DEMO
from sshbench.rivals.hr_stages import HrInput, HrStages, Maps, protocol_of
from sshbench.rivals.hr_templates import chosen_templates
from sshbench.rivals.hr_weights import HrWeights
from sshbench.ssh.random_weights import random_note, seed_of, shift_for

_THRESHOLD = math.log(0.03 / 0.97)
_DEMO_THRESHOLD, _DEMO_NMS = 0.0, 0.1  # a probability of 0.5
_EXTRA: dict[str, SettingValue] = {
    "backend": "auto",
    "precision": "fp32",
    "device": "cpu",
    "protocol": "wider",
    "candidates": 1000,
}


class HrResnet101(HrStages):
    """HR with a ResNet-101 trunk.

    Attributes:
        architectures: Graphs that its weights file may hold.
        trained_on: No benchmark for random weights; None: what `info` says.
    """

    info = DetectorInfo(
        name="hr-resnet101",
        title="HR (ResNet-101)",
        source="Hu and Ramanan, Finding Tiny Faces, CVPR 2017; github.com/peiyunh/tiny",
        licence="own code, Apache-2.0; weights: none stated; the repository's code was MIT until 2017-09 and is for "
        "non-commercial research since 2017-10",
        weights="hr_res101.mat",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        ranges={"candidates": (1, 1_000_000)},
        defaults=Settings(score_threshold=_THRESHOLD, nms_iou=0.3, extra=_EXTRA),
        defaults_source="peiyunh/tiny, cnn_widerface_test_AB.m and scripts/hr_res101.m: levels 0.25, 0.5, 1 and 2, "
        "probability over 0.03 (a score is a logit: log(0.03 / 0.97)), NMS 0.3. candidates: for --weights random alone",
        draw_threshold=_DEMO_THRESHOLD,
    )
    architectures: ClassVar[tuple[str, ...]] = ("hr-resnet101",)
    trained_on: tuple[str, ...] | None = None

    def load(self) -> None:
        """Read the weights, or make random ones, and build the network."""
        from sshbench.runtimes.plan import plan
        from sshbench.ssh import backends

        if protocol_of(self.settings) == DEMO:
            self.settings = _for_demo(self.settings, self.info.defaults)
        extra = self.settings.extra
        chosen = plan(str(extra["backend"]), str(extra["precision"]), str(extra["device"]))
        self._seed, note = seed_of(self._weights), {}
        if self._seed is None:
            self._hr = self._read()
        else:
            self._hr = _random(self.architectures[0], self._seed)
            self.trained_on, note = (), random_note(self._seed, int(extra["candidates"]))
        self._run = backends.build_network(lambda: _torch_network(self._hr), lambda: _onnx(self._hr), chosen)
        ran = self._run.plan
        effective = {"backend": ran.backend, "precision": ran.precision, "device": ran.device}
        self.settings = replace(self.settings, extra={**extra, **effective, "graph": self._hr.graph.name, **note})

    def _read(self) -> HrWeights:
        """Return the weights of the authors' file, or of one that `sshbench weights import` made from it."""
        path = self._find_weights()
        hr = read_hr(path)
        if hr.graph.name not in self.architectures:
            raise InputError(
                f"holds a network of kind '{hr.graph.name}', not '{self.architectures[0]}'",
                file=path,
                remedy="Name the detector of this network, or the other file",
            )
        return hr

    def _shift(self, outputs: list[Maps], image: HrInput) -> float:
        """Return what is added to all logits: for random weights as much as makes a fixed number pass, else nothing."""
        if self._seed is None or not outputs:
            return 0.0
        candidates = int(self.settings.extra["candidates"])
        used = [chosen_templates(self._hr.templates, level.scale) for _, level in image.levels]
        best = [best_logits(maps[0][0], rows, candidates + 1) for maps, rows in zip(outputs, used, strict=True)]
        return shift_for(np.concatenate(best), candidates, self.settings.score_threshold)


class HrResnet50(HrResnet101):
    """HR with a ResNet-50 trunk."""

    info = replace(HrResnet101.info, name="hr-resnet50", title="HR (ResNet-50)", weights="hr_res50.mat")
    architectures = ("hr-resnet50",)


class HrVgg16(HrResnet101):
    """HR with a VGG-16 trunk: the graph of the file that the user has, or a guess of it with random weights."""

    info = replace(
        HrResnet101.info,
        name="hr-vgg16",
        title="HR (VGG-16; with random weights a reconstruction)",
        source="Hu and Ramanan, Finding Tiny Faces, CVPR 2017; no source of this network was published: random weights "
        "are those of a guessed graph, for timing alone",
        weights="hr_vgg16.mat",
    )
    architectures = ("hr-vgg16", "hr-other")


def read_hr(path: Path) -> HrWeights:
    """Read a network of HR.

    Args:
        path: The authors' `.mat` file, or a `.safetensors` file of sshbench.

    Raises:
        MissingDataError: There is no such file.
        InputError: It holds no network of HR.
    """
    if path.suffix == ".mat":
        from sshbench.rivals.hr_matconvnet import import_matconvnet

        return import_matconvnet(path)
    from sshbench.rivals.hr_weights import load_hr_weights

    return load_hr_weights(path)


def _for_demo(settings: Settings, published: Settings) -> Settings:
    """Return settings with the demo's threshold and NMS where the user has not changed those of WIDER FACE."""
    threshold, nms_iou = settings.score_threshold, settings.nms_iou
    return replace(
        settings,
        score_threshold=_DEMO_THRESHOLD if threshold == published.score_threshold else threshold,
        nms_iou=_DEMO_NMS if nms_iou == published.nms_iou else nms_iou,
    )


def _random(name: str, seed: int) -> HrWeights:
    from sshbench.rivals.hr_random import random_hr_weights

    return random_hr_weights(architecture(name), seed)


def _torch_network(hr: HrWeights) -> Any:
    from sshbench.rivals.hr_network import network_of

    return network_of(hr)


def _onnx(hr: HrWeights) -> bytes:
    from sshbench.rivals.hr_onnx import hr_onnx_model

    return hr_onnx_model(hr)
