"""What this machine has, and self-tests: every way to run the reference network, and the evaluators."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

from sshbench.errors import SshbenchError
from sshbench.provenance import cpu_flags, machine, versions
from sshbench.selftest import GoldenCheck, check_golden

# Of the largest output: rounding to 8 or 11 bits in some thirty layers adds up to this much with random weights.
_TOLERANCE = {"fp32": 1e-4, "bf16": 0.05, "fp16": 0.01}
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "bf16")


@dataclass(frozen=True, slots=True)
class Check:
    """One self-test.

    Attributes:
        what: Backend, precision and device.
        ok: None where the backend is not here.
        detail: The difference measured, or what is wrong.
    """

    what: str
    ok: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """Facts about the machine and the results of the self-tests.

    Attributes:
        facts: By name, for people.
        checks: One per backend, precision and device.
        auto: What `--backend auto --precision auto` runs here.
        golden: One per golden set: the evaluators against the official tools.
    """

    facts: dict[str, str]
    checks: tuple[Check, ...]
    auto: str
    golden: tuple[GoldenCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing that is installed failed and the evaluators equal the official tools."""
        return self.evaluators_equal and all(check.ok is not False for check in self.checks)

    @property
    def evaluators_equal(self) -> bool:
        """Whether the evaluators equal the official tools on every golden set."""
        return all(check.ok for check in self.golden)

    def as_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "facts": self.facts,
            "checks": [asdict(check) for check in self.checks],
            "auto": self.auto,
            "golden": [{**asdict(check), "ok": check.ok} for check in self.golden],
            "evaluators_equal": self.evaluators_equal,
            "ok": self.ok,
        }


def examine() -> Report:
    """Look at the machine, try every backend on a small random network, and evaluate the golden sets."""
    from sshbench.ssh.backends import plan

    facts = {name: str(value) for name, value in machine().items()}
    facts["extensions"] = ", ".join(flag for flag in _FLAGS if flag in cpu_flags()) or "none known"
    facts["accelerator"] = ", ".join(_accelerators()) or "none"
    facts["versions"] = ", ".join(f"{name} {value}" for name, value in versions().items())
    devices = ["cpu", *(name.split(" ")[0] for name in _accelerators())]
    tried = [("torch", p, d) for d in devices for p in ("fp32", "bf16", "fp16") if (d, p) != ("cpu", "fp16")]
    tried += [("onnxruntime", "fp32", "cpu"), ("openvino", "fp32", "cpu"), ("openvino", "bf16", "cpu")]
    chosen = plan("auto", "auto", devices[-1])
    return Report(
        facts,
        tuple(_try(*each) for each in tried),
        f"{chosen.backend} in {chosen.precision} on {chosen.device}",
        check_golden(),
    )


def _try(backend: str, precision: str, device: str) -> Check:
    from sshbench.ssh.architecture import architecture
    from sshbench.ssh.parity import compare
    from sshbench.ssh.weights import random_weights

    what = f"{backend} {precision} {device}"
    if find_spec(backend) is None:
        return Check(what, None, "not installed")
    try:
        worst = max(compare(random_weights(architecture("ssh-tiny")), backend, precision, device))
    except (SshbenchError, RuntimeError, OSError) as error:
        return Check(what, False, str(error))
    return Check(what, worst <= _TOLERANCE[precision], f"differs by {worst:.2g} of the largest output")


def _accelerators() -> list[str]:
    if find_spec("torch") is None:
        return []
    import torch

    found = []
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(i)
        found.append(f"cuda:{i} {properties.name}, {properties.total_memory // 2**20} MiB")
    return found + (["mps Apple"] if torch.backends.mps.is_available() else [])
