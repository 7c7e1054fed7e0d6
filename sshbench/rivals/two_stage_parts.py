"""Run a two-stage network part by part on a device: trunk, proposal network, proposals, RoI pooling, head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sshbench.records import FloatArray, IntArray
from sshbench.rivals import proposals
from sshbench.rivals.two_stage_network import FasterRcnnNetwork
from sshbench.runtimes.plan import Plan
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.backends import DTYPES, precision_of
from sshbench.ssh.device import greedy_keep
from sshbench.ssh.precision import exact_precision

_ROUNDS = 64


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What the parts so far have made of one image.

    Attributes:
        maps: Feature maps of the trunk.
        first: Scores and deltas of the proposal network, on the host.
        rois: Proposals, float32 (k, 4), in pixels of the network's input.
        pooled: Their pooled maps.
        head: Class scores (k, 2) and deltas (k, 8), on the host.
    """

    maps: Any = None
    first: tuple[Float32Array, Float32Array] | None = None
    rois: Float32Array | None = None
    pooled: Any = None
    head: tuple[Float32Array, Float32Array] | None = None


class Parts:
    """A network on its device.

    Args:
        network: In evaluation mode, float32 on the CPU.
        chosen: Requested plan.

    Attributes:
        plan: Effective plan, read back from the network.
    """

    def __init__(self, network: FasterRcnnNetwork, chosen: Plan) -> None:
        self._network = network.to(device=chosen.device, dtype=getattr(torch, DTYPES[chosen.precision]))
        self._like = next(network.parameters())
        self.plan = replace(chosen, precision=precision_of(self._like), device=str(self._like.device), exact=True)

    def trunk(self, data: Float32Array) -> State:
        """Bring the input to the device and run the trunk."""
        with self._computing():
            return State(self._network.trunk(torch.from_numpy(data).to(self._like)))

    def rpn(self, state: State) -> State:
        """Run the proposal network, with what joins maps before it; copy its outputs to the host."""
        with self._computing():
            scores, deltas = self._network.rpn(self._network.fused(state.maps))
        return replace(state, first=(_on_host(scores[0]), _on_host(deltas[0])))

    def propose(self, state: State, size: tuple[int, int], scale: float) -> State:
        """Choose the proposals; on an accelerator NMS runs there."""
        assert state.first is not None
        suppress = proposals.on_host if self._like.device.type == "cpu" else self._on_device
        return replace(state, rois=proposals.proposals(*state.first, size, scale, suppress))

    def pool(self, state: State, size: tuple[int, int]) -> State:
        """Pool the regions of the proposals."""
        assert state.rois is not None
        with self._computing():
            return replace(state, pooled=self._network.pool(state.maps, state.rois, size), maps=None)

    def head(self, state: State) -> State:
        """Run the head; copy its outputs to the host."""
        with self._computing():
            scores, deltas = self._network.head(state.pooled)
        return replace(state, head=(_on_host(scores), _on_host(deltas)), pooled=None)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with torch.inference_mode(), exact_precision(self._like.device.type):
            yield

    def _on_device(self, boxes: FloatArray, threshold: float, most: int) -> IntArray:
        corners = torch.from_numpy(boxes).to(self._like.device)
        valid = torch.ones(len(boxes), dtype=torch.bool, device=corners.device)
        keep, settled = greedy_keep(corners, valid, threshold, _ROUNDS)
        if not settled:
            return proposals.on_host(boxes, threshold, most)
        return np.flatnonzero(keep.cpu().numpy())[:most]


def _on_host(values: Tensor) -> Float32Array:
    array: Float32Array = values.float().cpu().numpy()
    return array
