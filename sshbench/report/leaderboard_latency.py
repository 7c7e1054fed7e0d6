"""Which latency may stand beside an accuracy: one that was measured on as many pixels."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sshbench.detectors.pixels import Pixels, same_pixels
from sshbench.errors import UsageError
from sshbench.report.measured import Measured
from sshbench.timing.record import SeriesSummary, SizeTiming, TimingRecord, pixels_of, summary_of

# What must be alike in all timings, and what in those that stand in one column.
_SAME = ("scope", "batch", "threads")
_SAME_MACHINE = ("processor", "cores", "architecture", "device", "gpu")


@dataclass(frozen=True, slots=True)
class Timed:
    """One timing at one size: a candidate for a detector's latency.

    Attributes:
        record: The file it is from.
        timing: The size.
        pixels: Mean pixels of its images and of the network's input.
    """

    record: TimingRecord
    timing: SizeTiming
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class Latency:
    """A latency that belongs to an accuracy.

    Attributes:
        summary: Milliseconds per image.
        stable: Whether it can be trusted.
        record: The timing that it is from.
        pixels: Mean pixels of the timing.
        timing: All figures at the size.
    """

    summary: SeriesSummary
    stable: bool
    record: TimingRecord
    pixels: Pixels
    timing: SizeTiming


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A latency that is not shown beside an accuracy, and why.

    Attributes:
        detector: Name.
        dataset: Name of the dataset of the accuracy.
        title: The same for people.
        size: The run's input size, `MxN` or `original`.
        images: How many images the run has.
        run_pixels: Mean pixels of the network's input in the run; None where not known.
        timing_pixels: The same for the timing that comes nearest; None where not known.
        timed_on: Images of that timing, in words.
        scope: What that timing covers.
        unknown: What does not say how many pixels the network got: the `run`, the `timing`, or the `detector` itself
            (a plug-in without `input_pixels`); empty where both are known.
    """

    detector: str
    dataset: str
    title: str
    size: str
    images: int
    run_pixels: float | None
    timing_pixels: float | None
    timed_on: str
    scope: str
    unknown: Literal["run", "timing", "detector", ""]

    @property
    def code(self) -> str:
        """`unknown-pixels` or `unlike-pixels`."""
        return "unknown-pixels" if self.unknown else "unlike-pixels"

    @property
    def reason(self) -> str:
        """One sentence: what differs, or what is not known."""
        shown = f"the latency of {self.detector} is not shown for {self.title}"
        if self.unknown:
            return f"{shown}: the {self.unknown} does not say how many pixels the network gets per image"
        return (
            f"{shown}: the network got {megapixels(self.run_pixels)} megapixels per image in the run, "
            f"{megapixels(self.timing_pixels)} in the timing ({self.timed_on})"
        )

    @property
    def command(self) -> str:
        """The command that times the detector on the images of the run."""
        return (
            f"sshbench timing --detector {shlex.quote(self.detector)} --sizes {self.size} --images DIR "
            f"--count {self.images} --scope {self.scope} -o {shlex.quote(self.detector)}.json"
        )

    @property
    def remedy(self) -> str:
        """What to do."""
        if self.unknown == "detector":
            return "Give the detector's class a method `input_pixels`, then evaluate and time it again"
        first = "Evaluate or archive the run again, then time" if self.unknown == "run" else "Time"
        return f"{first} it on the images of the run (DIR), with the same weights and settings: {self.command}"


def megapixels(pixels: float | None) -> str:
    """Return pixels in millions with three digits.

    >>> megapixels(2_194_687.0), megapixels(76_800.0), megapixels(None)
    ('2.19', '0.0768', 'unknown')
    """
    return "unknown" if pixels is None else f"{pixels / 1e6:#.3g}"


def choose_latency(run: Measured, timed: Sequence[Timed], scope: str) -> Latency | LeftOut:
    """Choose the latency of a run out of the timings of its detector with its weights and settings.

    Args:
        run: The run.
        timed: At least one timing.
        scope: What the latency shall cover.

    Returns:
        The latency of the timing whose network got as many pixels, or why there is none. A network with a fixed input
        gets the same pixels from all images: of several timings, that with the most similar images is taken then.

    Raises:
        UsageError: Two timings are of the same pixels.
    """
    wanted = run.pixels.input
    known = [one for one in timed if one.pixels.input is not None]
    if wanted is None or not known:
        nearest = (known or timed)[0]
        return _left_out(run, nearest)
    fitting = [one for one in known if same_pixels(wanted, one.pixels.input or 0.0)]
    if not fitting:
        return _left_out(run, min(known, key=lambda one: abs((one.pixels.input or 0.0) - wanted)))
    best = min(fitting, key=lambda one: _distance(run, one))
    if sum(_distance(run, one) == _distance(run, best) for one in fitting) > 1:
        raise UsageError(f"two timings are of '{run.identity.detector}' on the same pixels", remedy="Name one of them")
    return Latency(summary_of(best.timing, scope), best.timing.stable, best.record, best.pixels, best.timing)


def images_per_second(timing: SizeTiming) -> float:
    """Return the throughput of everything from the image file to the boxes: images divided by the sum of the times."""
    total = timing.total("end-to-end")
    return 1e9 * len(total) / sum(total)


def candidates(records: Iterable[TimingRecord]) -> list[Timed]:
    """Return all sizes of all records."""
    return [Timed(record, timing, pixels_of(record, timing)) for record in records for timing in record.sizes]


def check_alike(records: Sequence[TimingRecord], *, images: bool = False) -> None:
    """Refuse timings of unlike machines or ways of measuring.

    Args:
        records: Timings.
        images: They must be of the same images, too.

    Raises:
        UsageError: They differ; the text names the first difference.
    """
    for record in records[1:]:
        first = records[0]
        names = (*_SAME, "image_source") if images else _SAME
        pairs = [(name, getattr(first, name), getattr(record, name)) for name in names]
        pairs += [(name, first.machine.get(name), record.machine.get(name)) for name in _SAME_MACHINE]
        for name, there, here in pairs:
            if there != here:
                raise UsageError(
                    f"the timings cannot be compared: {name} is {there!r} for '{first.detector}' and {here!r} for "
                    f"'{record.detector}'",
                    remedy="Time all of them on one machine, on the same images",
                )


def _left_out(run: Measured, timed: Timed) -> LeftOut:
    identity = run.identity
    unknown: Literal["run", "timing", "detector", ""] = ""
    if run.pixels.input is None:
        unknown = "run" if run.pixels.image is None else "detector"
    elif timed.pixels.input is None:
        unknown = "timing" if timed.pixels.image is None else "detector"
    return LeftOut(
        identity.detector,
        run.protocol.dataset,
        run.protocol.title,
        str(identity.settings.get("resize", "original")),
        identity.images,
        run.pixels.input,
        timed.pixels.input,
        timed.record.image_source,
        timed.record.scope,
        unknown,
    )


def _distance(run: Measured, timed: Timed) -> float:
    """Return how far the images of a timing are from those of the run, in pixels; infinite where unknown."""
    if run.pixels.image is None or timed.pixels.image is None:
        return float("inf")
    return abs(run.pixels.image - timed.pixels.image)
