"""Speed and memory of SSH (VGG-16, random weights) on this CPU: `pytest tests/benchmarks --benchmark-only`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench.errors import UsageError
from sshbench.images import read_image
from sshbench.runtimes import plan as plans
from sshbench.runtimes.quantizers import quantize
from sshbench.ssh import backends
from sshbench.ssh.architecture import architecture
from sshbench.ssh.decode import LevelOutputs, detections_of
from sshbench.ssh.onnx_graph import onnx_model
from sshbench.ssh.preprocess import network_input, pair_scale
from sshbench.ssh.weights import Weights, random_weights

SIZE = (800, 1200)
EAGER = plans.Plan("torch", "fp32", "cpu", channels_last=False)
PLANS: dict[str, plans.Plan | tuple[str, str]] = {
    "torch fp32 eager NCHW": EAGER,
    "torch fp32": plans.Plan("torch", "fp32"),
    "torch auto": ("torch", "auto"),
    "compile auto": ("compile", "auto"),
    "onnxruntime fp32": plans.Plan("onnxruntime", "fp32"),
    "openvino fp32": plans.Plan("openvino", "fp32"),
    "onnxruntime int8": plans.Plan("onnxruntime", "int8"),
    "openvino int8": plans.Plan("openvino", "int8"),
    "auto": ("auto", "auto"),
}
PROBE = """
import json, sys
import numpy as np
from sshbench.runtimes.plan import Plan
from sshbench.ssh import backends
from sshbench.ssh.architecture import architecture
from sshbench.ssh.weights import random_weights
backend, precision, channels_last, batch, height, width = json.loads(sys.argv[1])
plan = Plan(backend, precision, "cpu", channels_last)
run = backends.build(random_weights(architecture("ssh-vgg16")), plan)
data = np.zeros((batch, 3, height, width), dtype=np.float32)
def peak():  # not ru_maxrss: that one begins with the memory of the process that started this one
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
before = peak()
run(data)
print(json.dumps({"loaded_mib": round(before), "peak_mib": round(peak())}))
"""


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(architecture("ssh-vgg16"))


def int8(weights: Weights) -> bytes:
    """The network quantized with noise, which is enough for its speed."""
    noise = np.random.default_rng(1).normal(0, 50, (1, 3, 160, 240)).astype(np.float32)
    model, _ = quantize(onnx_model(weights), lambda: [noise], "onnxruntime")
    return bytes(model.SerializeToString())


@pytest.mark.benchmark(group="SSH network, 800 x 1200")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # of torch's own compiler
@pytest.mark.parametrize("name", PLANS)
def test_network(benchmark: Any, weights: Weights, name: str) -> None:
    wanted = PLANS[name]
    try:
        plan = wanted if isinstance(wanted, plans.Plan) else plans.plan(*wanted)
        run = backends.build(weights, plan, int8(weights) if plan.precision == "int8" else None)
    except (UsageError, ImportError) as error:
        pytest.skip(str(error))
    data = np.random.default_rng(0).normal(0, 50, (1, 3, *SIZE)).astype(np.float32)
    benchmark.extra_info["plan"] = f"{plan.backend} {plan.precision}"
    benchmark.pedantic(run, args=(data,), rounds=5, warmup_rounds=2)


@pytest.mark.benchmark(group="SSH around the network, 800 x 1200")
@pytest.mark.parametrize("stage", ["preprocess", "decode and NMS, 400 boxes", "decode and NMS, 3 000 boxes"])
def test_around_the_network(benchmark: Any, shared: Path, stage: str) -> None:
    """A photograph, and outputs with as many boxes over the threshold as a crowd has, or as there can be."""
    image = read_image(sorted((shared / "data" / "wider" / "WIDER_val").rglob("*.jpg"))[0])
    scale = pair_scale(image.shape[0], image.shape[1], SIZE)
    if stage == "preprocess":
        benchmark(network_input, image, scale)
        return
    rng = np.random.default_rng(0)
    modules = []
    for stride in (8, 16, 32):
        shape = (SIZE[0] // stride, SIZE[1] // stride)
        cls = np.zeros((4, *shape), dtype=np.float32)
        over = 134 / (2 * shape[0] * shape[1]) if "400" in stage else 1.0
        cls[2:] = np.where(rng.uniform(size=(2, *shape)) < over, rng.normal(2, 2, (2, *shape)), -9)
        modules.append((cls, rng.normal(0, 0.1, (8, *shape)).astype(np.float32)))
    levels = [LevelOutputs(modules, SIZE, 1.0)]
    found = benchmark(detections_of, levels, 0.05, 0.3, None)
    benchmark.extra_info["detections"] = len(found)


@pytest.mark.benchmark(group="SSH peak memory, one pass")
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize(
    ("plan", "batch", "size"),
    [
        (EAGER, 1, (1200, 1600)),
        (plans.Plan("torch", "bf16"), 1, (1200, 1600)),
        (plans.Plan("onnxruntime", "fp32"), 1, (1200, 1600)),
        (plans.Plan("openvino", "bf16"), 1, (1200, 1600)),
        (plans.Plan("torch", "bf16"), 4, (1200, 1600)),
    ],
)
def test_memory(benchmark: Any, plan: plans.Plan, batch: int, size: tuple[int, int]) -> None:
    request = json.dumps([plan.backend, plan.precision, plan.channels_last, batch, *size])
    command = [sys.executable, "-c", PROBE, request]
    run = benchmark.pedantic(subprocess.run, args=(command,), kwargs={"capture_output": True, "check": True}, rounds=1)
    benchmark.extra_info.update(json.loads(run.stdout))
