"""Protocols as data: one TOML file fixes every number of a benchmark, and its hash is part of every result.

The hash is taken over the parsed content, not over the file, so that a comment or a blank line does not change it and
any number does.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sshbench.errors import InputError, UsageError
from sshbench.resources import protocols_dir


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Subset(_Strict):
    """Which faces count under one name.

    Attributes:
        name: As it stands in metrics, for example `easy`.
        ground_truth: File of the official tool that lists the faces that count.
        counted: How many faces count in the whole dataset, where the benchmark fixes it.
    """

    name: str
    ground_truth: str
    counted: int | None = None


class WiderEvaluation(_Strict):
    """Numbers of the WIDER FACE evaluation; see `sshbench.evaluators.wider` for what each one does."""

    kind: Literal["wider"]
    iou_threshold: float = Field(gt=0, le=1)
    iou_arithmetic: Literal["double", "int32"]
    box_convention: Literal["inclusive", "continuous"]
    score_precision: Literal["float32", "float64"]
    thresholds: int = Field(ge=1, le=1_000_000)
    ap_rule: Literal["wider"]

    @model_validator(mode="after")
    def _int32_is_inclusive(self) -> WiderEvaluation:
        if self.iou_arithmetic == "int32" and (self.box_convention != "inclusive" or self.iou_threshold != 0.5):
            raise ValueError(
                "iou_arithmetic 'int32' rounds the IoU to 0 or 1: it needs inclusive boxes and threshold 0.5"
            )
        return self


class Inference(_Strict):
    """Resize, threshold and NMS policy; `detector` leaves it to the detector's own published settings."""

    resize: str = "detector"
    score_threshold: float | Literal["detector"] = "detector"
    nms_iou: float | Literal["detector"] = "detector"

    def overrides(self) -> dict[str, Any]:
        """The settings that this policy takes out of the detector's hands, by name."""
        return {name: value for name, value in self.model_dump().items() if value != "detector"}


class Expected(_Strict):
    """Counts of the whole dataset, which `sshbench data check` verifies."""

    images: int | None = None
    events: int | None = None
    faces: int | None = None


class Source(_Strict):
    """Where a protocol's numbers come from."""

    what: str
    title: str
    url: str


class Protocol(_Strict):
    """A benchmark's rules: dataset, subsets, evaluation, inference policy and sources."""

    name: str
    title: str
    version: int
    dataset: str
    split: str
    smoke_test: bool = False
    subsets: tuple[Subset, ...] = Field(min_length=1)
    expected: Expected = Expected()
    evaluation: WiderEvaluation
    inference: Inference = Inference()
    sources: tuple[Source, ...] = ()

    @property
    def hash(self) -> str:
        """First 16 hex digits of the sha256 of the content, in a canonical form."""
        return content_hash(self.model_dump(mode="json"))

    def with_evaluation(self, **changes: Any) -> Protocol:
        """Return the protocol with other numbers in `[evaluation]`; its hash changes with them."""
        data = self.model_dump()
        data["evaluation"].update(changes)
        return Protocol.model_validate(data)


def load_protocol(name_or_path: str | Path) -> Protocol:
    """Read a protocol.

    Args:
        name_or_path: Name of a shipped protocol (`wider`), or the path of a TOML file.

    Raises:
        UsageError: No shipped protocol has this name.
        InputError: The file is not TOML, or a field is missing, unknown or out of range.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = protocols_dir() / f"{name_or_path}.toml"
        if not path.is_file():
            raise UsageError(
                f"there is no protocol named '{name_or_path}'",
                remedy=f"Known: {', '.join(protocol_names())}; or give the path of a .toml file",
            )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy="Check the path") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not valid TOML ({error})", file=path, remedy="Mend the syntax") from error
    try:
        return Protocol.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            first["msg"],
            file=path,
            field=".".join(str(part) for part in first["loc"]) or None,
            value=first.get("input"),
            remedy="Compare with the shipped protocols/wider.toml",
        ) from error


def protocol_names() -> list[str]:
    """Names of the shipped protocols, sorted."""
    return sorted(path.stem for path in protocols_dir().glob("*.toml"))


def content_hash(content: Any) -> str:
    """First 16 hex digits of the sha256 of JSON-ready content in a canonical form.

    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
