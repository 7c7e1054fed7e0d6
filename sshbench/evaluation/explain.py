"""Why two tools disagree: one prediction set of WIDER FACE, evaluated with the deviations of other tools."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sshbench.datasets.base import Dataset
from sshbench.errors import UsageError
from sshbench.evaluation.api import Prediction, evaluate
from sshbench.evaluation.loading import load_benchmark
from sshbench.evaluation.metrics import percent
from sshbench.evaluation.result import Evaluation
from sshbench.evaluators.wider import score_order
from sshbench.evaluators.wider_variants import PYTHON_PORT, SWITCHES, applicable, changed_rules, variant_ap
from sshbench.flat import counted
from sshbench.formats.box_formats import BoxFormat
from sshbench.protocols import Protocol
from sshbench.records import DetectionSet

if TYPE_CHECKING:
    import pandas as pd

OFFICIAL, PORT, TOGETHER = "official", "python-port", "together"
_ODD_TEXT = ("empty-file", "bad-count", "too-few-rows", "bad-row", "repaired-file", "odd-text", "extra-rows")


@dataclass(frozen=True, slots=True)
class Variant:
    """The figures of one set of deviations.

    Attributes:
        name: `official`, a switch, `python-port`, or `together`.
        switches: Which deviations are on.
        ap: By subset, AP as an unrounded fraction; None where no face counts.
        points: By subset, 100 x (AP less the official one); None where there is no AP.
    """

    name: str
    switches: tuple[str, ...]
    ap: Mapping[str, float | None]
    points: Mapping[str, float | None]

    @property
    def what(self) -> str:
        """The deviations in words."""
        return "; ".join(SWITCHES[name] for name in self.switches) or "the official protocol"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """How far the deviations of other tools move the figures of a prediction set.

    Attributes:
        evaluation: The official evaluation.
        variants: The official figures first, then those of each switch and of switches together.
        notes: Where other tools give no figure, or may read other numbers.

    >>> import sshbench
    >>> result = sshbench.explain({"1--Group/1_Group_sample_1_1": ([[10, 20, 50, 70]], [0.9])}, dataset="sample",
    ...     only=["unsorted"])
    >>> [variant.name for variant in result.variants], result["unsorted"].points["hard"]
    (['official', 'unsorted'], 0.0)
    """

    evaluation: Evaluation
    variants: tuple[Variant, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Variant:
        """Return the variant of this name.

        Raises:
            KeyError: There is none; the text names all.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(f"there is no variant '{name}'. Known: {', '.join(one.name for one in self.variants)}")

    @property
    def subsets(self) -> tuple[str, ...]:
        """Names of the subsets."""
        return tuple(self.variants[0].ap)

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per variant: name, switches in words, AP and points by subset."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"variant": one.name, "what": one.what}
                | {f"AP/{name}": value for name, value in one.ap.items()}
                | {f"points/{name}": value for name, value in one.points.items()}
                for one in self.variants
            ]
        )

    def __repr__(self) -> str:
        official = " ".join(map(percent, self.variants[0].ap.values()))
        moves = [
            (abs(points or 0.0), f"{one.name} {points_text(points)} in {subset}")
            for one in self.variants
            for subset, points in one.points.items()
        ]
        record = self.evaluation.record
        head = f"{record.detector[:60]} on {record.dataset}, official {official[:200]} (percent)"
        count = len(self.variants) - 1
        return f"<Explanation of {head}, {count} variants, largest move {max(moves)[1][:120]} (points)>"

    def _repr_html_(self) -> str:
        titles = ["", *self.subsets[:8], *(f"± {name}" for name in self.subsets[:8])]
        rows = [
            [one.name, *map(percent, list(one.ap.values())[:8]), *map(points_text, list(one.points.values())[:8])]
            for one in self.variants
        ]
        head = "".join(f"<th>{escape(title)}</th>" for title in titles)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><tr>{head}</tr>{body}</table>"


def points_text(points: float | None) -> str:
    """Return a difference in points with its sign and three digits; `-` where there is none.

    >>> points_text(0.0081), points_text(-12.5), points_text(0.0), points_text(None)
    ('+0.008', '-12.500', '0', '-')
    """
    if points is None:
        return "-"
    return "0" if points == 0 else f"{points:+.3f}"


def explain(
    predictions: Mapping[str, Prediction] | DetectionSet | str | Path,
    *,
    data: str | Path | None = None,
    dataset: str | Path | Protocol | Dataset = "wider",
    protocol: str | Path | Protocol | None = None,
    only: Sequence[str] | None = None,
    together: bool = False,
    limit: int | None = None,
    box_format: BoxFormat | None = None,
    progress: bool = False,
) -> Explanation:
    """Say by how many points the deviations of other tools move the figures of WIDER FACE.

    Args:
        predictions: As for `evaluate`; rows of an image in the order in which another tool would get them.
        data: The dataset's folder, where it is not loaded and not bundled.
        dataset: A dataset that is evaluated by WIDER FACE's protocol: `wider`, `sample`, a protocol or a loaded one.
        protocol: The rules; default: the dataset's own.
        only: Switches to try, of `sshbench.evaluators.wider_variants.SWITCHES`; default: all, and those of the widely
            used Python port at once.
        together: Also turn on all switches of `only` at once.
        limit: Only the first images.
        box_format: As for `evaluate`.
        progress: Draw a progress bar where standard error is a terminal.

    Returns:
        AP as unrounded fractions, and differences in points (100 times the difference of AP).

    Raises:
        UsageError: A switch is unknown, two exclude each other, or the protocol is of another kind; also as for
            `evaluate`.
        MissingDataError: As for `evaluate`.
        InputError: As for `evaluate`.

    >>> import sshbench
    >>> found = {"1--Group/1_Group_sample_1_1": ([[10, 20, 50, 70]], [0.9])}
    >>> sshbench.explain(found, dataset="sample").variants[-1].switches
    ('unsorted', 'range-0-1', 'float64')
    """
    images, rules = load_benchmark(dataset, data, protocol)
    wanted = _wanted(rules, only, together)
    evaluation = evaluate(images, predictions, protocol=rules, limit=limit, box_format=box_format, progress=progress)
    official = dict(evaluation.ap)
    variants = [_variant(OFFICIAL, (), official, official)]
    for name, switches in wanted.items():
        ap = variant_ap(evaluation.detections, evaluation.dataset.faces, rules, switches)
        defined = {subset: None if math.isnan(value) else value for subset, value in ap.items()}
        variants.append(_variant(name, switches, defined, official))
    return Explanation(evaluation, tuple(variants), _notes(evaluation))


def _wanted(rules: Protocol, only: Sequence[str] | None, together: bool) -> dict[str, tuple[str, ...]]:
    """Return the switches of each row by its name, all of them checked."""
    named = tuple(dict.fromkeys(only or applicable(rules)))
    if together and (only is None or len(named) < 2):
        raise UsageError("one switch alone is not together", remedy="Name two or more with --only")
    wanted: dict[str, tuple[str, ...]] = {name: (name,) for name in named}
    if together:
        wanted[TOGETHER] = named
    elif not only:
        wanted[PORT] = PYTHON_PORT
    for switches in wanted.values():
        changed_rules(rules, switches)
    return wanted


def _variant(
    name: str, switches: tuple[str, ...], ap: Mapping[str, float | None], official: Mapping[str, float | None]
) -> Variant:
    pairs = {subset: (value, official[subset]) for subset, value in ap.items()}
    points = {
        subset: None if value is None or reference is None else 100 * (value - reference)
        for subset, (value, reference) in pairs.items()
    }
    return Variant(name, switches, ap, points)


def _notes(evaluation: Evaluation) -> tuple[str, ...]:
    """Return where the widely used Python port gives no figure, or reads other numbers."""
    found = {finding.code: finding for finding in evaluation.record.warnings}
    notes = []
    if absent := found.get("missing-file") or found.get("missing-image"):
        notes.append(
            f"{counted(absent.file_count, 'image')} without a prediction file: the Python port ends with a KeyError "
            "there; in every row here their faces count as missed"
        )
    if odd := [finding for code, finding in found.items() if code in _ODD_TEXT]:
        files = sum(finding.file_count for finding in odd)
        notes.append(
            f"{counted(files, 'file')} with odd text or a wrong count: every row here reads them as the official tool "
            "does, while other tools stop or read other numbers"
        )
    detections = evaluation.detections
    if np.array_equal(score_order(detections), np.arange(detections.total)):
        notes.append(
            "the rows of every image are sorted by falling score, so a tool that does not sort changes nothing"
        )
    return tuple(notes)
