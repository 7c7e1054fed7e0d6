"""Replaying recorded runs, with the CPU in place of CUDA: one recording per shape, and outputs of one's own."""

from __future__ import annotations

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
cuda_graphs: Any = pytest.importorskip("sshbench.ssh.cuda_graphs")


def model(data: Any) -> list[Any]:
    return [(data.sum(dim=1, keepdim=True), data * 2)]


def recorder(recorded: list[tuple[int, ...]]) -> Any:
    """Record as CUDA does: input and outputs have one place each, and a replay writes there."""

    def record(wanted: Any, data: Any) -> Any:
        recorded.append(tuple(data.shape))
        place, outputs = torch.empty_like(data), wanted(data)

        def replay() -> None:
            for targets, values in zip(outputs, wanted(place), strict=True):
                for target, value in zip(targets, values, strict=True):
                    target.copy_(value)

        return cuda_graphs.Recording(place, outputs, replay)

    return record


def test_every_input_gets_its_own_outputs() -> None:
    recorded: list[tuple[int, ...]] = []
    replayed = cuda_graphs.ReplayedModel(model, recorder(recorded))
    inputs = [torch.rand(1, 3, 4, 5) for _ in range(3)] + [torch.rand(2, 3, 6, 5)]
    outputs = [replayed(data) for data in inputs]
    for data, found in zip(inputs, outputs, strict=True):
        for one, other in zip(model(data)[0], found[0], strict=True):
            assert torch.equal(one, other)
    assert recorded == [(1, 3, 4, 5), (2, 3, 6, 5)]


def test_the_recording_unused_for_longest_is_dropped() -> None:
    recorded: list[tuple[int, ...]] = []
    replayed = cuda_graphs.ReplayedModel(model, recorder(recorded), shapes=2)
    for width in (1, 2, 1, 3, 1, 2):
        replayed(torch.rand(1, 3, 1, width))
    assert [shape[3] for shape in recorded] == [1, 2, 3, 2]
