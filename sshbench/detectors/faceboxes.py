"""FaceBoxes (Zhang et al., IJCB 2017), a detector meant for CPUs, in PyTorch."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, resize_image, select
from sshbench.detectors.priors import decode, priors
from sshbench.detectors.weights import find_weights
from sshbench.errors import InputError, UsageError
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of

_MEAN = np.array((104, 117, 123), dtype=np.float32)  # of blue, green, red
_LEVELS = ((32, ((32, 4), (64, 2), (128, 1))), (64, ((256, 1),)), (128, ((512, 1),)))


class FaceBoxes(WeightsAdapter):
    """A single-stage detector whose small priors are laid densely."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="faceboxes",
        title="FaceBoxes",
        source="Zhang et al., FaceBoxes, IJCB 2017; FaceBoxes.PyTorch, weights of 3DDFA_V2",
        licence="MIT",
        weights="FaceBoxesProd.pth",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        defaults=Settings(score_threshold=0.05, nms_iou=0.3, top_k=750),
        defaults_source="FaceBoxes.PyTorch, test.py: score 0.05, NMS 0.3, best 750; AFW at original size; it has "
        "published no WIDER evaluation",
    )

    def load(self) -> None:
        """Read the weights."""
        path = find_weights(str(self.info.weights), self._weights)
        try:
            import torch

            from sshbench.detectors.faceboxes_network import FaceBoxesNetwork
            from sshbench.ssh.torch_weights import read_state_dict
        except ImportError as error:
            raise UsageError("faceboxes needs torch", remedy="pip install 'sshbench[ssh]'") from error
        parameters = {name: torch.from_numpy(array) for name, array in read_state_dict(path).items()}
        self._network: Any = FaceBoxesNetwork().eval()
        try:
            self._network.load_state_dict(parameters)
        except RuntimeError as error:
            raise InputError(f"holds no FaceBoxes weights ({error})", file=path, remedy="Check --weights") from error
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """BGR minus the mean."""
        resized, scale = resize_image(image, self.settings)
        data = (resized.astype(np.float32) - _MEAN).transpose(2, 0, 1)[None]
        return Prepared(np.ascontiguousarray(data), scale)

    def forward(self, prepared: Prepared) -> Any:
        """Deltas (n, 4) and softmaxed scores (n, 2)."""
        import torch

        with torch.inference_mode():
            deltas, scores = self._network(torch.from_numpy(prepared.data))
        return deltas.numpy(), scores.numpy()

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """Decode against the priors; threshold, NMS, best 750."""
        scores = outputs[1][:, 1].astype(np.float64)
        rows = np.flatnonzero(scores >= self.settings.score_threshold)
        height, width = prepared.data.shape[2:]
        chosen = priors(height, width, _LEVELS)[:, rows]
        boxes = decode(outputs[0][rows].astype(np.float64), chosen) / prepared.scale
        return select(boxes, scores[rows], self.settings)
