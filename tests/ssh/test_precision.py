"""PyTorch computes in the precision that is stated, and has its settings back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from sshbench.runtimes import plan as plans
from sshbench.ssh import backends
from sshbench.ssh.architecture import architecture
from sshbench.ssh.weights import random_weights
from sshbench.timing.floor import floor_of, matmul_rate

torch: Any = pytest.importorskip("torch")
precision: Any = pytest.importorskip("sshbench.ssh.precision")


def settings() -> dict[str, object]:
    """What PyTorch says of its precisions, in all the ways that it offers."""
    cudnn, cuda, mkldnn = torch.backends.cudnn, torch.backends.cuda, torch.backends.mkldnn
    operations = {"conv": cudnn.conv, "rnn": cudnn.rnn, "matmul": cuda.matmul, "mkldnn": mkldnn.matmul}
    found: dict[str, object] = {name: operation.fp32_precision for name, operation in operations.items()}
    for name, read in (
        ("old conv", lambda: cudnn.allow_tf32),
        ("old matmul", lambda: cuda.matmul.allow_tf32),
        ("oldest matmul", torch.get_float32_matmul_precision),
    ):
        try:
            found[name] = read()
        except RuntimeError:
            found[name] = "contradicts the newer setting"
    return found


def new(module: Any, value: str) -> None:
    module.fp32_precision = value


def old_switches_on() -> None:
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = True


WAYS: dict[str, Callable[[], object]] = {
    "default": lambda: None,
    "old switches on": old_switches_on,
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
    "new switch of products": lambda: new(torch.backends.cuda.matmul, "tf32"),
    "new switch of convolutions": lambda: new(torch.backends.cudnn.conv, "ieee"),
}


@pytest.fixture
def untouched() -> Iterator[None]:
    """Give the other tests PyTorch's settings back, whatever a test sets."""
    slots = (
        torch.backends.cudnn.conv,
        torch.backends.cudnn.rnn,
        torch.backends.cuda.matmul,
        torch.backends.mkldnn.matmul,
    )
    before = [slot.fp32_precision for slot in slots]
    yield
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("highest")
    for slot, value in zip(slots, before, strict=True):
        slot.fp32_precision = value


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("way", WAYS)
def test_tf32_is_off_inside_and_restored_after_an_exception(way: str) -> None:
    WAYS[way]()
    before = settings()
    inside: dict[str, object] = {}

    def work() -> None:
        with precision.exact_precision("cuda"):
            assert not precision.uses_tf32()
            inside.update(settings())
            raise KeyError

    with pytest.raises(KeyError):
        work()
    # The old switches can be read, as torch.compile does, and say the same.
    assert (inside["old conv"], inside["old matmul"], inside["oldest matmul"]) == (False, False, "highest")
    assert settings() == before


@pytest.mark.usefixtures("untouched")
def test_nothing_is_switched_for_a_cpu() -> None:
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    before = settings()
    with precision.exact_precision("cpu"):
        assert settings() == before
        assert precision.uses_tf32()


@pytest.mark.usefixtures("untouched")
def test_the_floor_of_cuda_is_measured_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    before, seen = settings(), []

    def matrix(*_: object, **__: object) -> None:
        seen.append(precision.uses_tf32())
        raise MemoryError("no device")

    monkeypatch.setattr(torch, "randn", matrix)
    matmul_rate.cache_clear()
    with pytest.raises(MemoryError):
        matmul_rate("fp32", "cuda")
    assert seen == [False]
    assert settings() == before


def test_the_floor_says_whether_tf32_was_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sshbench.timing.floor._MATRIX", 256)
    matmul_rate.cache_clear()
    floor = floor_of(architecture("ssh-tiny"), 100, 150, precision="fp32", device="cpu", forward_ms=1.0)
    assert floor.tf32 is None
    assert floor.matmul_gflops == matmul_rate("fp32", "cpu").flops / 1e9 > 0


@pytest.mark.usefixtures("untouched")
def test_ssh_runs_whichever_switches_the_caller_uses() -> None:
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # reading the old switch raises now
    with pytest.raises(RuntimeError):
        _ = torch.backends.cudnn.allow_tf32
    network = backends.build(random_weights(architecture("ssh-tiny")), plans.plan("torch", "fp32"))
    assert len(network(np.zeros((1, 3, 32, 32), dtype=np.float32))) == 3
