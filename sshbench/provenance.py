"""What made a result: code, libraries, machine and time."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import sshbench

# The libraries that can change a detection or a figure.
_LIBRARIES = (
    "numpy",
    "scipy",
    "opencv-python-headless",
    "onnxruntime",
    "openvino",
    "nncf",
    "torch",
    "dlib-bin",
    "hotcoco",
    "pycocotools",
)


def versions() -> dict[str, str]:
    """Return the versions of sshbench, Python and the installed libraries that can change a figure."""
    found = {"sshbench": sshbench.__version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str | int]:
    """Return processor, usable cores, memory in MiB and operating system of this machine."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_mib": _memory_mib(),
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
    }


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def cpu_flags() -> frozenset[str]:
    """Instruction set extensions as Linux names them (`avx512_bf16`, `amx_bf16`, ...); none on other systems."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _memory_mib() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (ValueError, OSError, AttributeError):
        return 0
