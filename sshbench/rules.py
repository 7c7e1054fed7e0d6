"""The kinds of evaluation, and the numbers of each: the table `[evaluation]` of a protocol."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar, Literal
from typing import Protocol as Interface

from pydantic import Field, model_validator

from sshbench.models import StrictModel


class Rules(StrictModel):
    """The numbers of one kind of evaluation; derive your own kind from it, and register it with its benchmark.

    Attributes:
        kind: Name of the kind, as in `[evaluation] kind`.
    """

    subsets: ClassVar[Literal["required", "allowed", "none"]] = "none"
    """Whether a protocol of this kind has `[[subsets]]`."""
    reserved_subsets: ClassVar[tuple[str, ...]] = ()
    """Names that the evaluation itself gives to curves."""
    without_effect: ClassVar[frozenset[str]] = frozenset()
    """Fields that change no figure, only how it is computed; they do not count in the hash of a protocol."""

    kind: str


class WiderEvaluation(Rules):
    """Numbers of the WIDER FACE evaluation; see `sshbench.evaluators.wider` for what each one does.

    Attributes:
        iou_threshold: A detection hits a face at this IoU or more.
        iou_arithmetic: `double` (official tool since 2019), or `int32`, which rounds the IoU (2017 and 2018).
        box_convention: `inclusive` adds 1 to every side, `continuous` does not.
        score_precision: In which scores are normalised over the whole set.
        thresholds: Number of thresholds between 1 and 0 at which precision and recall are counted.
        ap_rule: Area under the curve as the official tool computes it.
        images_without_faces: What becomes of the detections in an image without any ground-truth box: `skip` passes
            over them, as the official tool does; `count` makes them false positives, which suits data with such
            images on purpose. An image whose boxes are all ignored in a subset is not such an image.
    """

    subsets: ClassVar[Literal["required", "allowed", "none"]] = "required"

    kind: Literal["wider"]
    iou_threshold: float = Field(gt=0, le=1)
    iou_arithmetic: Literal["double", "int32"]
    box_convention: Literal["inclusive", "continuous"]
    score_precision: Literal["float32", "float64"]
    thresholds: int = Field(ge=1, le=1_000_000)
    ap_rule: Literal["wider"]
    images_without_faces: Literal["skip", "count"] = "count"

    @model_validator(mode="after")
    def _int32_is_inclusive(self) -> WiderEvaluation:
        if self.iou_arithmetic == "int32" and (self.box_convention != "inclusive" or self.iou_threshold != 0.5):
            raise ValueError(
                "iou_arithmetic 'int32' rounds the IoU to 0 or 1: it needs inclusive boxes and threshold 0.5"
            )
        return self


class FddbEvaluation(Rules):
    """Numbers of the FDDB evaluation; see `sshbench.evaluators.fddb`.

    Attributes:
        matching: `official` follows the official tool's solver, `optimal` takes the best assignment.
        discrete_iou: A match counts as one face over this IoU.
        false_positives: Numbers of false positives at which the true positive rate is read.
        fit_ellipse: Whether rectangles become ellipses, by a rule fitted on FDDB, before they are compared.
    """

    kind: Literal["fddb"]
    matching: Literal["official", "optimal"]
    discrete_iou: float = Field(gt=0, lt=1)
    false_positives: tuple[int, ...] = Field(min_length=1)
    fit_ellipse: bool = False


class PascalEvaluation(Rules):
    """Numbers of the PASCAL Faces and AFW evaluation; see `sshbench.evaluators.pascal`.

    Attributes:
        iterations: How often precision and recall are computed; after each but the last the boxes are aligned.
        iou_threshold: A detection hits a face over this IoU.
        least_detection: Pixels; a detection is used if one of its sides is longer.
        least_face: Pixels; a face with a shorter side is ignored.
        ap_rule: Area under the curve, as PASCAL VOC computes it since 2010.
    """

    kind: Literal["pascal"]
    iterations: int = Field(ge=1, le=100)
    iou_threshold: float = Field(gt=0, lt=1)
    least_detection: float = Field(ge=0)
    least_face: float = Field(ge=0)
    ap_rule: Literal["voc-area"]


class CocoEvaluation(Rules):
    """Numbers of the COCO evaluation; see `sshbench.evaluators.coco`.

    Attributes:
        max_detections: Detections per image that take part; None for as many as the data need.
        backend: The library that computes: hotcoco, or pycocotools, the reference. Both give the same to the bit, so
            that it does not count in a protocol's hash.
    """

    subsets: ClassVar[Literal["required", "allowed", "none"]] = "allowed"
    reserved_subsets: ClassVar[tuple[str, ...]] = ("all", "small", "medium", "large")
    without_effect: ClassVar[frozenset[str]] = frozenset({"backend"})

    kind: Literal["coco"]
    max_detections: int | None = Field(default=None, ge=1)
    backend: Literal["hotcoco", "pycocotools"] = "hotcoco"


RULES: dict[str, type[Rules]] = {
    "wider": WiderEvaluation,
    "fddb": FddbEvaluation,
    "pascal": PascalEvaluation,
    "coco": CocoEvaluation,
}
"""Known kinds of evaluation; `sshbench.evaluation.benchmarks.register` adds those of other benchmarks."""

PROTOCOL_FILES: dict[str, Path] = {}
"""Protocol files that are not shipped, by name; `register` adds those of other benchmarks."""

_PLUGINS = "sshbench.benchmarks"


class _Plugin(Interface):
    """What this module needs to know of a benchmark of another package."""

    name: str
    kind: str
    rules: type[Rules]
    protocol: Path | None


@cache
def load_plugins() -> tuple[object, ...]:
    """Import the benchmarks of other packages, and make their kinds and protocol files known; return the records."""
    records: list[_Plugin] = [point.load() for point in entry_points(group=_PLUGINS)]
    for record in records:
        RULES.setdefault(record.kind, record.rules)
        if record.protocol is not None:
            PROTOCOL_FILES.setdefault(record.name, record.protocol)
    return tuple(records)
