"""Control over the precision in which PyTorch computes.

Source: PyTorch documentation, "TensorFloat-32 (TF32) on Ampere (and later) devices" and "Automatic Mixed Precision".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

_BACKENDS: Any = torch.backends  # the stubs leave many of its attributes out


@contextmanager
def exact_precision(kind: str) -> Iterator[None]:
    """Keep PyTorch from computing in another precision than that of the tensors, and restore its settings at the end.

    A caller's autocast would run convolutions in bf16 or fp16, and CUDA runs those of fp32 in TF32 by default. The
    settings are restored after an exception as well.

    Args:
        kind: Kind of the device: `cpu`, `cuda` or `mps`. Only on `cuda` are the settings of TF32 changed.
    """
    with torch.autocast(kind, enabled=False):
        if kind == "cuda":
            with _no_tf32():
                yield
        else:
            yield


def uses_tf32() -> bool:
    """Return whether PyTorch computes fp32 convolutions or matrix products on CUDA in TF32 now, as it says itself."""
    return "tf32" in (_BACKENDS.cudnn.conv.fp32_precision, _BACKENDS.cuda.matmul.fp32_precision)


@contextmanager
def _no_tf32() -> Iterator[None]:
    operations = (
        _BACKENDS.cudnn.conv,
        _BACKENDS.cudnn.rnn,
        _BACKENDS.cuda.matmul,
        _BACKENDS.mkldnn.matmul,  # set_float32_matmul_precision changes it too
    )
    before = [operation.fp32_precision for operation in operations]
    # PyTorch has older switches for the same thing. It reads them itself (in torch.compile), and raises where they
    # contradict the newer settings, so both are switched. Where they contradict each other already, the newer settings
    # count, and only they are restored.
    convolutions = products = None
    with suppress(RuntimeError):
        convolutions = _BACKENDS.cudnn.allow_tf32
    with suppress(RuntimeError):
        products = torch.get_float32_matmul_precision()
    try:
        _BACKENDS.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
        for operation in operations[:3]:
            operation.fp32_precision = "ieee"
        yield
    finally:
        if convolutions is not None:
            _BACKENDS.cudnn.allow_tf32 = convolutions
        if products is not None:
            torch.set_float32_matmul_precision(products)
        for operation, precision in zip(operations, before, strict=True):
            operation.fp32_precision = precision
