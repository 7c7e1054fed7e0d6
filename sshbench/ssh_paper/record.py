"""The file `claims.json`: what was measured, and the verdict on each claim."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from sshbench.models import FileModel, StrictModel

Table = Literal["same input", "protocol"]
Ruling = Literal["holds", "holds at some sizes", "not supported here", "not measured"]
CLAIMS = "claims.json"
MS, MEMORY, PARAMETERS, HEAD_SHARE = "ms", "memory", "parameters", "head share"


class Span(StrictModel):
    """A measured quantity with its 95 % interval; None where it has none."""

    value: float
    low: float | None = None
    high: float | None = None


class ClaimRow(StrictModel):
    """One detector in one table at one size.

    Attributes:
        table: `same input` or `protocol`.
        detector: Name.
        title: For people.
        size: Input size; in the table `protocol` the protocol in words.
        weights: `random, seed 0, 1000 candidates`, or the sha256 of the weights.
        parameters: Of the network; None where they are not counted.
        gflop: Of all passes over an image, mean over the images.
        weights_bytes: Of the parameters in memory.
        peak_memory_mib: Of the process, its libraries included; on CUDA of the device's allocator.
        total: Milliseconds of a pass, without reading and NMS.
        stages: Milliseconds by stage.
        passes: How many were measured.
        stable: Whether the series passed the stability check.
        file: Of the timing, relative to the folder of `claims.json`.
    """

    table: Table
    detector: str
    title: str
    size: str
    weights: str
    parameters: int | None
    gflop: float | None
    weights_bytes: int | None
    peak_memory_mib: int | None
    total: Span
    stages: dict[str, Span]
    passes: int
    stable: bool
    file: str


class Claim(StrictModel):
    """One claim and the rule that judges it; `claims.toml` explains the fields."""

    id: str
    words: str
    figure: str = ""
    source: str
    origin: Literal["paper", "arithmetic"] = "paper"
    certainty: Literal["certain", "secondary", "ours"]
    table: Table
    measure: Literal["ms", "memory", "parameters", "head share"]
    of: str
    than: str = ""
    above: float
    below: float | None = None

    @property
    def rule(self) -> str:
        """The rule in words."""
        what = {MS: "time", MEMORY: "peak memory", PARAMETERS: "parameters", HEAD_SHARE: "share of the head"}
        measured = f"{what[self.measure]} of {self.of}"
        if self.than:
            measured += f" / {self.than}"
        return f"{measured} above {self.above:g}" + (f" and below {self.below:g}" if self.below is not None else "")


class Place(StrictModel):
    """What was found at one size.

    Attributes:
        size: Input size, or the protocol in words.
        span: The ratio, or the share.
        met: Whether the whole interval lies where the rule asks for.
        note: Why it cannot say more; empty usually.
    """

    size: str
    span: Span
    met: bool
    note: str = ""


class Verdict(StrictModel):
    """A claim, what was found at each size, and the ruling that follows."""

    claim: Claim
    rule: str
    ruling: Ruling
    places: tuple[Place, ...]


class ClaimsRecord(FileModel):
    """The file `claims.json`.

    Attributes:
        images: What was timed on, in words.
        conditions: What all rows share: backend, precision, device, threads; and how random weights were made fair.
        rows: By table and size.
        verdicts: In the order of `claims.toml`.
        missing: What was not measured, in words.
        machine: Hardware and system.
        versions: Of sshbench and the libraries.
        created: UTC.
    """

    FORMAT: ClassVar[int] = 1

    images: tuple[str, ...]
    conditions: tuple[str, ...]
    rows: tuple[ClaimRow, ...]
    verdicts: tuple[Verdict, ...]
    missing: tuple[str, ...]
    machine: dict[str, Any]
    versions: dict[str, str]
    created: str
