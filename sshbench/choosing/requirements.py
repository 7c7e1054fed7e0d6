"""Requirements of a detector to deploy, and whether a measured row meets them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sshbench.answers.gates import parse_share
from sshbench.errors import UsageError
from sshbench.evaluation.metrics import percent
from sshbench.models import StrictModel

LIMITS: Mapping[str, tuple[str, str]] = {
    "ms": ("at most", "ms per image"),
    "mb": ("at most", "MB of weights"),
    "memory_mib": ("at most", "MiB of memory"),
    "gflop": ("at most", "GFLOP per image"),
    "images_per_second": ("at least", "images per second"),
}
"""Numbers other than metrics that a requirement may be of: direction and unit."""


class Verdict(StrictModel):
    """Whether one row meets one requirement.

    Attributes:
        requirement: In words.
        value: What was measured, a number or a text; None where it is not known.
        met: Whether it holds for the measured value; not met where there is none.
        sure: Whether the whole 95 % interval says the same; None where there is no interval.
        text: One sentence.
    """

    requirement: str
    value: float | str | None
    met: bool
    sure: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Measure:
    """A measured number with its interval.

    Attributes:
        value: None where nothing was measured.
        low: Lower end of the 95 % interval, where there is one.
        high: Upper end.
        unknown: Why there is no value.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A limit of one number.

    Attributes:
        name: A metric such as `AP/hard`, or a key of `LIMITS`.
        limit: The limit; a fraction for metrics.
    """

    name: str
    limit: float

    @classmethod
    def of_metric(cls, text: str) -> Requirement:
        """Read `METRIC=SHARE`.

        Raises:
            UsageError: It is something else.

        >>> Requirement.of_metric("AP/hard=80%")
        Requirement(name='AP/hard', limit=0.8)
        """
        name, sign, share = text.rpartition("=")
        if not sign or not name.strip():
            raise UsageError(f"'{text}' is not a requirement", remedy="Write METRIC=SHARE, such as AP/hard=0.8")
        return cls(name.strip(), parse_share(share))

    @property
    def is_metric(self) -> bool:
        """Whether it is of an accuracy, which must be at least the limit."""
        return self.name not in LIMITS

    @property
    def _at_least(self) -> bool:
        return self.is_metric or LIMITS[self.name][0] == "at least"

    def __str__(self) -> str:
        if self.is_metric:
            return f"{self.name} at least {percent(self.limit)} %"
        direction, unit = LIMITS[self.name]
        return f"{direction} {self.limit:g} {unit}"

    def judge(self, measure: Measure) -> Verdict:
        """Return whether a measured number meets the requirement.

        >>> Requirement("ms", 10.0).judge(Measure(9.5, 9.1, 10.4)).text
        '9.5 ms per image, 9.1 to 10.4: meets at most 10 ms per image, but not surely'
        """
        value = measure.value
        if value is None:
            return Verdict(requirement=str(self), value=None, met=False, sure=None, text=measure.unknown)
        met = self._holds(value)
        sure = None
        if measure.low is not None and measure.high is not None:
            sure = self._holds(measure.low) == self._holds(measure.high) == met
        doubt = ", but not surely" if sure is False else ""
        text = f"{self._shown(measure)}: {'meets' if met else 'misses'} {self}{doubt}"
        return Verdict(requirement=str(self), value=value, met=met, sure=sure, text=text)

    def _holds(self, value: float) -> bool:
        return value >= self.limit if self._at_least else value <= self.limit

    def _shown(self, measure: Measure) -> str:
        numbers = (measure.value, measure.low, measure.high)
        shown = [percent(number) if self.is_metric else f"{number:.3g}" for number in numbers if number is not None]
        between = f", {shown[1]} to {shown[2]}" if len(shown) == 3 else ""
        return f"{self.name} {shown[0]} %{between}" if self.is_metric else f"{shown[0]} {LIMITS[self.name][1]}{between}"


def judge_text(what: Literal["licence", "data"], wanted: str, value: str, detail: str) -> Verdict:
    """Return whether a word that is known of a row is the one asked for."""
    met = value == wanted
    text = f"{what} {value}{f' ({detail})' if detail and detail != value else ''}"
    missed = "" if met else f": misses {what} {wanted}"
    return Verdict(requirement=f"{what} {wanted}", value=value, met=met, sure=None, text=f"{text}{missed}")


def check_metrics(requirements: Sequence[Requirement], known: Sequence[str]) -> None:
    """Refuse requirements of metrics that no run has.

    Raises:
        UsageError: The first of them, with what there is.
    """
    for requirement in requirements:
        if requirement.is_metric and requirement.name not in known:
            raise UsageError(f"no run has the metric '{requirement.name}'", remedy=f"Known: {', '.join(known)}")
