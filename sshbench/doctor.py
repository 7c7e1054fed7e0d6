"""What this machine has, and self-tests: every way to run the reference network, and the evaluators."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sshbench.errors import SshbenchError, UsageError
from sshbench.provenance import cpu_flags, machine, versions
from sshbench.selftest import GoldenCheck, check_golden

if TYPE_CHECKING:
    from sshbench.ssh.weights import Weights

# Of the largest output: rounding to 8 or 11 bits in some thirty layers adds up to this much with random weights.
_TOLERANCE = {"fp32": 1e-4, "bf16": 0.05, "fp16": 0.01}
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "bf16")


@dataclass(frozen=True, slots=True)
class Check:
    """One self-test.

    Attributes:
        what: Backend, precision and device.
        ok: None where this machine cannot run it: the backend is not installed, or the device runs another precision.
        detail: The difference measured, or what is wrong.
        threads: CPU threads that the library used; None where unknown, and on an accelerator.
    """

    what: str
    ok: bool | None
    detail: str
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The result of `examine`.

    Attributes:
        facts: About the machine, by name.
        checks: Self-tests of the backends, one per backend, precision and device.
        auto: What backend `auto` and precision `auto` run here.
        reference: What the backends were compared with.
        golden: One per golden set: the evaluators against the official tools.
    """

    facts: dict[str, str]
    checks: tuple[Check, ...]
    auto: str
    reference: str
    golden: tuple[GoldenCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether no self-test failed and the evaluators equal the official tools."""
        return self.evaluators_equal and all(check.ok is not False for check in self.checks)

    @property
    def evaluators_equal(self) -> bool:
        """Whether the evaluators equal the official tools on every golden set."""
        return all(check.ok for check in self.golden)


def examine() -> Report:
    """Inspect the machine, run every backend on a small random network, and evaluate the golden sets."""
    from sshbench.runtimes.plan import ONNX_BACKENDS, devices_here, plan
    from sshbench.ssh import reference
    from sshbench.ssh.architecture import architecture
    from sshbench.ssh.backends import build
    from sshbench.ssh.weights import random_weights

    facts = {name: str(value) for name, value in machine().items()}
    facts["extensions"] = ", ".join(flag for flag in _FLAGS if flag in cpu_flags()) or "none known"
    facts["accelerator"] = ", ".join(_accelerators()) or "none"
    for backend in ONNX_BACKENDS:
        there = devices_here(backend) if find_spec(backend) is not None else ["not installed"]
        facts[f"devices of {backend}"] = ", ".join(there)
    facts["versions"] = ", ".join(f"{name} {value}" for name, value in versions().items())
    devices = ["cpu", *(name.split(" ")[0] for name in _accelerators())]
    tried = [("torch", p, d) for d in devices for p in ("fp32", "bf16", "fp16") if (d, p) != ("cpu", "fp16")]
    providers = [name for name in devices_here("onnxruntime") if name != "cpu"]
    tried += [("onnxruntime", "fp32", "cpu"), *(("onnxruntime", p, d) for d in providers for p in ("fp32", "fp16"))]
    tried += [("openvino", p, "cpu") for p in ("fp32", "bf16", "fp16")]
    weights = random_weights(architecture("ssh-tiny"))
    checks = [_try(weights, *each) for each in tried] + [_try_opencv(weights)]
    try:
        chosen = build(weights, plan("auto", "auto", devices[-1])).plan
        auto = f"{chosen.backend} in {chosen.precision} on {chosen.device}"
    except (SshbenchError, RuntimeError, OSError) as error:  # a library that does not load; its own check says FAILED
        auto = f"nothing: {error}"
    return Report(facts, tuple(checks), auto, reference.NAME, check_golden())


def _try(weights: Weights, backend: str, precision: str, device: str) -> Check:
    from sshbench.runtimes.plan import plan
    from sshbench.ssh.backends import build
    from sshbench.ssh.parity import differences

    what = f"{backend} {precision} {device}"
    if find_spec(backend) is None:
        return Check(what, None, "not installed")
    try:
        network = build(weights, plan(backend, precision, device))
        worst = max(differences(weights, network).values())
    except UsageError as error:
        return Check(what, None, error.message)
    except (SshbenchError, RuntimeError, OSError) as error:
        return Check(what, False, str(error))
    return Check(what, worst <= _TOLERANCE[precision], _words(worst), network.threads)


def _try_opencv(weights: Weights) -> Check:
    """Check that another library than ONNX Runtime reads the same network out of the ONNX file."""
    import cv2

    from sshbench.ssh.onnx_graph import onnx_model
    from sshbench.ssh.parity import TOLERANCE, differences, opencv_network

    what = "opencv fp32 cpu"
    try:
        worst = max(differences(weights, opencv_network(onnx_model(weights))).values())
    except SshbenchError as error:
        return Check(what, False, str(error))
    return Check(what, worst <= TOLERANCE, _words(worst), cv2.getNumThreads())


def _words(difference: float) -> str:
    return f"differs by {difference:.2g} of the largest output"


def _accelerators() -> list[str]:
    if find_spec("torch") is None:
        return []
    import torch

    found = []
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(i)
        found.append(f"cuda:{i} {properties.name}, {properties.total_memory // 2**20} MiB")
    return found + (["mps Apple"] if torch.backends.mps.is_available() else [])
