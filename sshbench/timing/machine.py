"""State of the machine during a timing: hardware, clocks, load, memory."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from sshbench.provenance import cpu_flags, machine, usable_cores

_EXTENSIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")


def hardware(device: str = "cpu") -> dict[str, object]:
    """Return the hardware that a timing depends on; it is the same for every run on a machine."""
    found: dict[str, Any] = dict(machine())
    found["cores_physical"] = psutil.cpu_count(logical=False)
    found["extensions"] = [flag for flag in _EXTENSIONS if flag in cpu_flags()]
    found["device"] = device
    if device.startswith("cuda") and find_spec("torch") is not None:
        found |= _gpu(device)
    return found


def state() -> dict[str, object]:
    """Return what may change during a timing: clock, load, governor and throttling; None for what cannot be read."""
    frequency = psutil.cpu_freq()
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return {
        "cpu_mhz": round(frequency.current) if frequency else None,
        "load": [round(value, 2) for value in psutil.getloadavg()],
        "governor": governor.read_text().strip() if governor.is_file() else None,
        "throttled": _throttles(),
    }


def noted(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return warnings about the state of the machine before and after a timing."""
    notes = []
    if before["cpu_mhz"] and after["cpu_mhz"] and abs(after["cpu_mhz"] / before["cpu_mhz"] - 1) > 0.1:
        notes.append(f"the CPU's clock went from {before['cpu_mhz']} to {after['cpu_mhz']} MHz")
    cores = usable_cores()
    if before["load"][0] > 0.5 * cores:
        notes.append(f"other work was running before: load {before['load'][0]} on {cores} cores")
    if before["throttled"] is not None and after["throttled"] is not None and after["throttled"] > before["throttled"]:
        notes.append(f"the CPU throttled {after['throttled'] - before['throttled']} times")
    return notes


def peak_memory_mib(device: str = "cpu") -> int | None:
    """Return the peak memory of the process so far in MiB; on CUDA, that of the device's allocator."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device) // 2**20)
    status = Path("/proc/self/status")
    if status.is_file():
        line = next((text for text in status.read_text().splitlines() if text.startswith("VmHWM")), None)
        return int(line.split()[1]) // 1024 if line else None
    info = psutil.Process().memory_info()
    return int(getattr(info, "peak_wset", info.rss) // 2**20)


def _throttles() -> int | None:
    counts = Path("/sys/devices/system/cpu").glob("cpu*/thermal_throttle/core_throttle_count")
    found = [int(path.read_text()) for path in counts]
    return sum(found) if found else None


def _gpu(device: str) -> dict[str, Any]:
    import torch

    properties = torch.cuda.get_device_properties(device)
    found: dict[str, Any] = {"gpu": properties.name, "gpu_memory_mib": properties.total_memory // 2**20}
    found["cuda"] = torch.version.cuda
    if find_spec("pynvml") is not None:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(torch.device(device).index or 0)
        found["driver"] = str(pynvml.nvmlSystemGetDriverVersion())
        found["gpu_sm_mhz"] = pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)
        found["gpu_power_limit_w"] = pynvml.nvmlDeviceGetPowerManagementLimit(handle) // 1000
    return found
