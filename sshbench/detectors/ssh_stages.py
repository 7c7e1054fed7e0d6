"""The stages of SSH, on the host or on an accelerator, one image at a time or in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.adapter import WeightsAdapter
from sshbench.detectors.contract import Prepared
from sshbench.detectors.cost import NetworkCost
from sshbench.records import Detections, Image
from sshbench.ssh.architecture import architecture
from sshbench.ssh.backends import Network
from sshbench.ssh.candidates import with_candidates_of
from sshbench.ssh.decode import LevelOutputs, pooled, suppressed
from sshbench.ssh.preprocess import PYRAMID, network_input, pyramid_scales
from sshbench.ssh.work import work_of

Levels = list[tuple[Any, float]]
"""For each scale the input of the network, float32 (1, 3, height, width), an array or a tensor on an accelerator, and
its pixels per image pixel."""
Modules = list[tuple[Any, Any]]
"""For each module class scores (n, 4, h, w) and deltas (n, 8, h, w): arrays, or tensors on an accelerator."""
Boxes = tuple[Any, Any]
"""Boxes and their scores: arrays, or tensors on an accelerator."""


class SshStages(WeightsAdapter):
    """Base of the SSH detectors; `load` builds the network.

    Attributes:
        pyramid: Whether the network runs at four scales.
        network: The network, with how it runs.
        input_device: Device on which inputs are made; empty for the host.
    """

    pyramid: ClassVar[bool] = False
    network: Network
    input_device: str = ""
    _seed: int | None = None

    def preprocess(self, image: Image) -> Prepared[Levels]:
        """Return the network's input at each scale."""
        height, width = image.shape[:2]
        scales = pyramid_scales(height, width) if self.pyramid else [self.settings.scale(height, width)]
        if not self.input_device:
            return Prepared([(network_input(image, scale), scale) for scale in scales], scales[0])
        from sshbench.ssh import device

        levels: Levels = [(device.network_input(image, scale, self.input_device), scale) for scale in scales]
        return Prepared(levels, scales[0])

    def cost(self, prepared: Prepared[Levels]) -> NetworkCost:
        """Return size and work of the network at all scales."""
        network = architecture(str(self.settings.extra["architecture"]))
        sizes = [data.shape[2:] for data, _ in prepared.data]
        operations = sum(work_of(network, height, width, "fp32")[0] for height, width in sizes)
        return self._sized(NetworkCost(parameters=network.parameters(), gflop=operations / 1e9))

    def forward(self, prepared: Prepared[Levels]) -> list[Modules]:
        """Return the outputs of the network at each scale."""
        return [self.network(data) for data, _ in prepared.data]

    def postprocess(self, outputs: list[Modules], prepared: Prepared[Levels]) -> Detections:
        """Decode, pool, apply the threshold and NMS, on the device that holds the outputs."""
        return self.suppress(self.decode_boxes(outputs, prepared))

    def decode_boxes(self, outputs: list[Modules], prepared: Prepared[Levels]) -> Boxes:
        """Return boxes and scores of all scales in original pixels, before NMS: what the release's timer includes."""
        inputs = [((data.shape[2], data.shape[3]), scale) for data, scale in prepared.data]
        modules = [self._kept(i, [(c[0], b[0]) for c, b in level]) for i, level in enumerate(outputs)]
        if self._seed is not None:
            modules = with_candidates_of(modules, self.settings.score_threshold)
        if isinstance(outputs[0][0][0], np.ndarray):
            host = [LevelOutputs(kept, *put) for kept, put in zip(modules, inputs, strict=True)]
            return pooled(host, self.settings.score_threshold)
        from sshbench.ssh import device

        return device.pooled([device.DeviceLevel(kept, *put) for kept, put in zip(modules, inputs, strict=True)])

    def suppress(self, decoded: Boxes) -> Detections:
        """Apply NMS, and copy the boxes to the host if they are on an accelerator."""
        nms_iou, top_k = float(self.settings.nms_iou or 0.0), self.settings.top_k
        if isinstance(decoded[0], np.ndarray):
            return suppressed(*decoded, nms_iou, top_k)
        from sshbench.ssh import device

        return device.on_host(*decoded, self.settings.score_threshold, nms_iou, top_k)

    def forward_batch(self, prepared: Sequence[Prepared[Levels]]) -> list[list[Modules]]:
        """Run the network once for inputs of one size; return for each input what `forward` returns."""
        levels = [
            self.network(_joined([one.data[level][0] for one in prepared])) for level in range(len(prepared[0].data))
        ]
        rows = range(len(prepared))
        return [[[(c[i : i + 1], b[i : i + 1]) for c, b in level] for level in levels] for i in rows]

    def _kept(self, level: int, outputs: Modules) -> Sequence[tuple[Any, Any] | None]:
        # The largest scale of the pyramid is for small faces, so the module of large faces is left out there.
        if self.pyramid and level == len(PYRAMID) - 1:
            return [*outputs[:2], None]
        return list(outputs)


def _joined(inputs: Sequence[Any]) -> Any:
    """Return inputs of one size as one batch."""
    if isinstance(inputs[0], np.ndarray):
        return np.concatenate(inputs)
    import torch

    return torch.cat(list(inputs))
