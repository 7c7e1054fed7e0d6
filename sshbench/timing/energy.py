"""Energy of a measurement, from the counters that processors and graphics cards have."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_POWERCAP = Path("/sys/class/powercap")


@dataclass(slots=True)
class _Zone:
    """A RAPL counter of one processor package in microjoules, which starts again from 0 when it is full."""

    path: Path
    range: int
    last: int
    total: int = 0

    def joules(self) -> float:
        now = int(self.path.read_text())
        self.total += (now - self.last) % self.range
        self.last = now
        return self.total / 1e6


@dataclass(slots=True)
class EnergyMeter:
    """Energy counters of the machine: RAPL of all processor packages, and on CUDA the card's own.

    They count everything that the machine does meanwhile, so stop other work first.

    Attributes:
        source: What is read, or why nothing is, in words.

    >>> meter = EnergyMeter.open("cpu")
    >>> (meter.joules() is None) == meter.source.startswith("not readable")
    True
    """

    source: str
    _zones: list[_Zone] = field(default_factory=list)
    _card: Any = None
    _card_start: int = 0

    @classmethod
    def open(cls, device: str = "cpu", powercap: Path = _POWERCAP) -> EnergyMeter:
        """Return the counters that can be read here.

        Args:
            device: `cpu`, or `cuda`, `cuda:1` ... to count the card too.
            powercap: Folder of the kernel's RAPL counters.
        """
        zones, why = _zones(powercap)
        if not device.startswith("cuda"):
            return cls(f"RAPL, {len(zones)} packages" if zones else f"not readable: {why}", zones)
        try:
            import pynvml

            pynvml.nvmlInit()
            card = pynvml.nvmlDeviceGetHandleByIndex(int(device.partition(":")[2] or 0))
            start = int(pynvml.nvmlDeviceGetTotalEnergyConsumption(card))
        except Exception as error:  # noqa: BLE001  # an absent package, driver or counter: each has its own exception
            return cls(f"not readable: NVML ({type(error).__name__}: {error})")
        return cls(f"NVML{f' and RAPL, {len(zones)} packages' if zones else ''}", zones, card, start)

    def joules(self) -> float | None:
        """Return the energy since the meter was opened; None where nothing can be read."""
        if not self._zones and self._card is None:
            return None
        total = sum(zone.joules() for zone in self._zones)
        if self._card is not None:
            import pynvml

            total += (int(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._card)) - self._card_start) / 1e3
        return total


def _zones(folder: Path) -> tuple[list[_Zone], str]:
    """Return the counters of the packages, without those of their parts; or why there are none."""
    found = []
    for zone in sorted(folder.glob("intel-rapl:*")):
        if zone.name.count(":") == 1:
            counter = zone / "energy_uj"
            try:
                now, limit = int(counter.read_text()), int((zone / "max_energy_range_uj").read_text())
            except PermissionError:
                return [], f"{counter} belongs to root"
            except (OSError, ValueError) as error:
                return [], str(error)
            found.append(_Zone(counter, limit + 1, now))
    return found, f"there is no RAPL counter in {folder}"
