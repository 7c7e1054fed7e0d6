"""The table of docs/runtimes.md: what each backend and precision costs and gains, from the committed results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sshbench.evaluation.metrics import percent
from sshbench.report.measured import read_measured
from sshbench.timing.record import SizeTiming, TimingRecord

MEASURED = Path(__file__).resolve().parents[1] / "results" / "measured"
SWEEPS = MEASURED / "amd-epyc-2-cores" / "sweeps"
DETECTORS = ("yunet", "ssh-tiny", "retinaface-mnet025", "ultraface-rfb-640", "centerface")
METRICS = {"afw": ("AP",), "wider": ("AP/easy", "AP/medium", "AP/hard")}


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """How a network ran: library, precision, and for int8 the quantizer."""

    backend: str
    precision: str
    quantizer: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Way:
        """Return the way that settings stand for; detectors that do not say it ran in ONNX Runtime in fp32."""
        extra = settings["extra"]
        quantizer = str(extra.get("calibration", "")).partition("-")[0]
        return cls(extra.get("backend", "onnxruntime"), extra.get("precision", "fp32"), quantizer)

    def __str__(self) -> str:
        return f"{self.precision}{f', {self.quantizer}' if self.quantizer else ''} | {self.backend}"


def precisions() -> str:
    """Return the table in Markdown."""
    figures = {part: dict(_figures(part)) for part in METRICS}
    times: dict[tuple[str, Way], SizeTiming] = {}
    for key, timing in _times():
        times.setdefault(key, timing)
    lines = [
        "| detector | precision, quantizer | runs in | AFW | easy | medium | hard | ms | MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for detector in DETECTORS:
        known = {way for table in figures.values() for name, way in table if name == detector}
        known |= {way for name, way in times if name == detector}
        for way in sorted(known, key=lambda way: (way.precision, way.quantizer, way.backend)):
            key = detector, way
            accuracy = [cell for part, names in METRICS.items() for cell in figures[part].get(key, ["-"] * len(names))]
            cost = _cost(times.get(key))
            lines.append(f"| {detector} | {way} | {' | '.join([*accuracy, *cost])} |")
    record = next(_records())
    lines += [
        "",
        "AP in percent: AFW on all 205 images, WIDER FACE val on all 3 226, at each detector's own settings; int8 is "
        "calibrated with 64 of 2 897 images of the training collection. ms: medians on "
        f"{record.image_source}, scope {record.scope}, {record.machine['processor']}, {record.threads} threads "
        "(avx512_vnni, avx512_bf16); MiB: peak memory of the process. `-`: not measured.",
    ]
    return "\n".join(lines)


def _cost(timing: SizeTiming | None) -> list[str]:
    if timing is None:
        return ["-", "-"]
    return [f"{timing.summary['total'].median:.3g}", str(timing.peak_memory_mib)]


def _figures(part: str) -> Iterator[tuple[tuple[str, Way], list[str]]]:
    folders = [MEASURED / part / detector for detector in DETECTORS]
    folders += sorted(path.parent for path in (MEASURED / "precisions" / part).glob("*/identity.json"))
    for folder in folders:
        run = read_measured(folder)
        key = run.identity.detector, Way.of(run.identity.settings)
        yield key, [percent(run.record.metrics[name]) for name in METRICS[part]]


def _records() -> Iterator[TimingRecord]:
    for detector in DETECTORS:
        for path in sorted(SWEEPS.glob(f"{detector}*/timing-*.json")):
            yield TimingRecord.load(path)


def _times() -> Iterator[tuple[tuple[str, Way], SizeTiming]]:
    for record in _records():
        yield (record.detector, Way.of(record.settings)), record.sizes[0]
