"""Run a network on CUDA by replaying a recorded graph: one call to the driver in place of one per layer.

Source: PyTorch documentation, "CUDA semantics", "CUDA Graphs". A recording is of one shape of the input; each shape
gets its own when it is first seen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Outputs = Sequence[tuple[Tensor, Tensor]]
Model = Callable[[Tensor], Outputs]

_WARM_UP = 3  # runs before a recording, in which libraries choose their algorithms
_SHAPES = 16  # recordings that are kept; each holds the memory of all layers


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A recorded run.

    Attributes:
        data: The input that the recording reads.
        outputs: The outputs that it writes.
        replay: Function that runs it again.
    """

    data: Tensor
    outputs: Outputs
    replay: Callable[[], object]


def record(model: Model, data: Tensor) -> Recording:
    """Record a run of a model on CUDA with an input of this shape."""
    data = data.clone()
    with torch.cuda.device(data.device):
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                model(data)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = model(data)
    return Recording(data, outputs, graph.replay)


class ReplayedModel:
    """A model that records a run for each shape of its input, and replays it.

    Args:
        model: The model; it must do the same work for every input of one shape, all of it on the device.
        recorder: Function that records a run.
        shapes: How many recordings are kept; the one unused for longest is dropped.
    """

    def __init__(
        self, model: Model, recorder: Callable[[Model, Tensor], Recording] = record, shapes: int = _SHAPES
    ) -> None:
        self._model, self._record, self._limit = model, recorder, shapes
        self._recordings: OrderedDict[tuple[int, ...], Recording] = OrderedDict()

    def __call__(self, data: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the model's outputs: copies, which the next replay does not overwrite."""
        shape = tuple(data.shape)
        if shape not in self._recordings:
            if len(self._recordings) >= self._limit:
                self._recordings.popitem(last=False)
            self._recordings[shape] = self._record(self._model, data)
        self._recordings.move_to_end(shape)
        recording = self._recordings[shape]
        recording.data.copy_(data)
        recording.replay()
        return [(cls.clone(), bbox.clone()) for cls, bbox in recording.outputs]
