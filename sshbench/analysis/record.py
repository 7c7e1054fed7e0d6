"""The records of analyses: `analysis.json` of one run, `comparison.json` of several."""

from __future__ import annotations

from sshbench.contamination import Domain
from sshbench.models import FileModel, StrictModel

ANALYSIS, COMPARISON = "analysis.json", "comparison.json"
"""Names of the files."""


class Interval(StrictModel):
    """A figure, and how sure it is; fractions.

    Attributes:
        value: The evaluator's own figure.
        low: Lower end; None where there is no interval.
        high: Upper end.
        se: Standard deviation of the replicates.
        se_jackknife: Standard error by leaving out one image at a time.
        se_group: Standard error by leaving out one group of images (WIDER: event) at a time, where there are groups.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    se: float | None = None
    se_jackknife: float | None = None
    se_group: float | None = None

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


class Spread(StrictModel):
    """A figure with its interval; fractions, or counts per image. None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


class ResamplingRecord(StrictModel):
    """How the intervals were computed.

    Attributes:
        unit: `image` or `group`.
        units: How many there are.
        replicates: Resampled datasets.
        seed: Of the generator.
        level: Share of the replicates inside an interval.
        effective_images: By metric; see `intervals.effective_images`.
        alignment: `fixed` where boxes were aligned once, with all images (PASCAL Faces, AFW).
        grid_offset: By metric, what reading a curve at a grid of steps changed (COCO).
    """

    unit: str
    units: int
    replicates: int
    seed: int
    level: float
    effective_images: dict[str, float]
    alignment: str | None = None
    grid_offset: dict[str, float] | None = None


class HeldOut(StrictModel):
    """What a threshold chosen on four fifths of the images gives on the other fifth, all fifths together."""

    precision: float | None
    recall: float | None
    fppi: float | None


class Lrp(StrictModel):
    """Localisation-recall-precision error at IoU 0.5, and its parts.

    Attributes:
        total: (false + missed + localisation) / (right + false + missed).
        localisation: Mean of (1 - IoU) / 0.5 over the right detections.
        false: Share of false detections among all that count.
        missed: Share of missed faces.
    """

    total: float | None
    localisation: float | None
    false: float | None
    missed: float | None


class OperatingPoint(StrictModel):
    """A threshold and what it gives.

    Attributes:
        rule: `best-f1`, `precision`, `recall`, `fppi`, `score` or `lrp` (least LRP error).
        target: The number asked for; None for `best-f1` and `lrp`.
        reached: The best value there is, where the target cannot be reached.
        score: Lowest raw score that is kept (`score >= threshold`); None where the target cannot be reached.
        threshold: `score` with the fewest digits that tell it from the next lower one.
        normalised: The score as the curve has it (WIDER), else None.
        score_low: Lower end of the interval of the score, chosen anew on each resampled dataset; None where it is open,
            because the target cannot be reached on too many of them.
        score_high: Upper end; None where it is open.
        found: Right detections.
        false: False detections.
        precision: At this fixed score.
        recall: At this fixed score.
        fppi: False detections per image, over all images.
        f1: At this score.
        held_out: On images that the threshold was not chosen on.
        lrp: Error that counts localisation too.
        crossings: How often precision crosses the target, for `precision`.
    """

    rule: str
    target: float | None
    reached: float | None = None
    score: float | None
    threshold: str | None = None
    normalised: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    found: int | None = None
    false: int | None = None
    precision: Spread | None = None
    recall: Spread | None = None
    fppi: Spread | None = None
    f1: float | None = None
    held_out: HeldOut | None = None
    lrp: Lrp | None = None
    crossings: int | None = None


class Slice(StrictModel):
    """Figures of one part of an axis.

    Attributes:
        axis: Such as `height`, `blur`, `event`.
        part: Such as `[16,32)`, `heavy`.
        of: `faces` or `images`: what the axis divides.
        faces: Counted faces of the part.
        images: Images with such faces, or of the part.
        median_height: Of the counted faces, pixels.
        found: Counted faces that are found at the operating point.
        recall: Found of counted.
        precision: At the operating point; axes of images only.
        fppi: False detections per image there; axes of images only.
        normalised_ap: AP as if the part had as many faces as the whole subset, and all its false detections.
        ap: By the protocol, other faces ignored, all false detections charged; axes of images: those of their images.
        ap_own: For height: false detections of other heights left out.
        standardised: Recall with the heights of the whole subset; other axes than height.
        covered: Share of the subset's heights that `standardised` rests on.
        difference: Recall minus that of the other parts together.
        p_adjusted: Of the difference, over all parts of the axis.
    """

    axis: str
    part: str
    of: str
    faces: int
    images: int
    median_height: float | None
    found: int
    recall: Spread
    precision: float | None = None
    fppi: float | None = None
    normalised_ap: float | None = None
    ap: float | None = None
    ap_own: float | None = None
    standardised: float | None = None
    covered: float | None = None
    difference: Spread | None = None
    p_adjusted: float | None = None


class ErrorType(StrictModel):
    """A kind of error.

    Attributes:
        name: `duplicate`, `localisation`, `on-ignored`, `background` or `missed`.
        detections: False detections of this type; for `missed`, faces.
        at_point: The same at the operating point.
        cost: What the metric would gain without them; may be negative.
    """

    name: str
    detections: int
    at_point: int
    cost: Spread


class Reasons(StrictModel):
    """Why counted faces are missed at the operating point: the first reason that fits; counts of faces.

    Attributes:
        score: A detection with a lower score hits it.
        taken: A detection overlaps it enough, but has a better face.
        localisation: A detection is near it, but does not overlap it enough.
        low: Such a one with a lower score.
        nothing: No detection is near it.
    """

    score: int
    taken: int
    localisation: int
    low: int
    nothing: int


class ErrorsRecord(StrictModel):
    """Types of errors and what they cost.

    Attributes:
        metric: In which costs are given.
        limits: Least IoU of a detection near a face, and of a hit.
        types: In the order of the definition.
        all_false: What the metric would gain without any false detection.
        all_missed: What it would gain if faces that no detection hits did not count.
        reasons: Of missed faces.
    """

    metric: str
    limits: tuple[float, float]
    types: tuple[ErrorType, ...]
    all_false: Spread
    all_missed: Spread
    reasons: Reasons


class CalibrationBin(StrictModel):
    """Detections of similar scores.

    Attributes:
        low: Lowest score.
        high: Highest score.
        score: Mean score.
        right: Share that is right, with its interval.
        detections: How many.
        images: In how many images.
    """

    low: float
    high: float
    score: float
    right: Spread
    detections: int
    images: int


class CalibrationRow(StrictModel):
    """How well scores are probabilities, from one score on.

    Attributes:
        from_score: Least score.
        detections: Detections that count, from it on.
        ece: Expected calibration error.
        ece_floor: Its mean where every score is exactly right: an ECE near it means nothing.
        mce: Largest error of a bin with at least 50 detections.
        bias: Mean score minus share right; above 0: over-confident.
        brier: Brier score.
        recall: Recall from this score on; ECE says nothing of missed faces.
        bins: Equal numbers of detections.
    """

    from_score: float
    detections: int
    ece: float | None
    ece_floor: float | None
    mce: float | None
    bias: float | None
    brier: float | None
    recall: float | None
    bins: tuple[CalibrationBin, ...] = ()


class AnalysisFinding(StrictModel):
    """What the reader should know.

    Attributes:
        code: For machines.
        message: For people.
        names: Metrics or parts that it is of.
    """

    code: str
    message: str
    names: tuple[str, ...] = ()


class AnalysisRecord(FileModel):
    """The file `analysis.json`: what is known of one run besides its figures.

    Attributes:
        detector: Name of the detector or prediction set.
        dataset: Name of the dataset.
        protocol: Name of the protocol.
        protocol_hash: Hash of its content.
        dataset_fingerprint: Hash of annotations and image list.
        detections_digest: Hash of the detections.
        subset: The curve that slices, errors, calibration and operating points are of.
        images: Images that took part.
        complete: False for an unfinished run.
        smoke_test: The dataset measures nothing.
        domain: Whether the model may have seen such images.
        resampling: How intervals were computed.
        metrics: Intervals by metric.
        operating: Operating points.
        slices: By axis and part.
        errors: Types of errors and their costs.
        calibration: By least score.
        findings: What the reader should know.
    """

    detector: str
    dataset: str
    protocol: str
    protocol_hash: str
    dataset_fingerprint: str
    detections_digest: str
    subset: str
    images: int
    complete: bool
    smoke_test: bool
    domain: Domain
    resampling: ResamplingRecord
    metrics: dict[str, Interval]
    operating: tuple[OperatingPoint, ...]
    slices: tuple[Slice, ...]
    errors: ErrorsRecord
    calibration: tuple[CalibrationRow, ...]
    findings: tuple[AnalysisFinding, ...]


class ComparedRun(StrictModel):
    """A run of a comparison.

    Attributes:
        name: Its label, which pairs and ranks use.
        detector: Name of the detector.
        detections_digest: Hash of its detections.
        domain: Whether the model may have seen such images.
        complete: False for an unfinished run.
        lowest_score: Lowest raw score of its detections.
        detections_per_image: Mean number.
        metrics: Intervals by metric.
    """

    name: str
    detector: str
    detections_digest: str
    domain: Domain
    complete: bool
    lowest_score: float | None
    detections_per_image: float
    metrics: dict[str, Interval]


class Pair(StrictModel):
    """The difference of two runs in one metric, over the same resampled datasets.

    Attributes:
        a: First run.
        b: Second run.
        metric: Name of the metric.
        difference: Figure of `a` minus figure of `b`.
        low: Lower end of the interval of the difference.
        high: Upper end.
        se: Standard deviation of the replicates of the difference.
        se_jackknife: Standard error by leaving out images.
        se_group: Standard error by leaving out groups.
        p: Below 0.05 where a 95 % interval leaves 0 out.
        p_adjusted: Over all pairs of the metric.
        low_adjusted: Lower end of the interval that holds for all pairs together.
        high_adjusted: Upper end.
        detectable: A difference of this size would be found in 80 % of such tests.
        share: Share of the replicates in which `a` is better; not the probability that it is.
        words: The verdict.
    """

    a: str
    b: str
    metric: str
    difference: float | None
    low: float | None = None
    high: float | None = None
    se: float | None = None
    se_jackknife: float | None = None
    se_group: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    low_adjusted: float | None = None
    high_adjusted: float | None = None
    detectable: float | None = None
    share: float | None = None
    words: str


class Rank(StrictModel):
    """Places that a run may have in one metric.

    Attributes:
        run: Its name.
        best: One more than the number of runs that are better after adjustment.
        worst: Number of runs minus those that are worse after adjustment.
    """

    run: str
    best: int
    worst: int

    @property
    def places(self) -> str:
        """The places in words: `2`, or `2-4`."""
        return str(self.best) if self.best == self.worst else f"{self.best}-{self.worst}"


class SharedFaces(StrictModel):
    """Counted faces by who finds them, each run at its operating point.

    Attributes:
        a: First run.
        b: Second run.
        axis: `all`, or an axis of slices.
        part: `all`, or its part.
        both: Found by both.
        only_a: Found by the first alone.
        only_b: Found by the second alone.
        neither: Found by neither.
    """

    a: str
    b: str
    axis: str
    part: str
    both: int
    only_a: int
    only_b: int
    neither: int


class ImageInfluence(StrictModel):
    """An image that moves the difference of two runs.

    Attributes:
        a: First run.
        b: Second run.
        metric: Name of the metric.
        key: Image key.
        influence: Difference minus the difference without the image.
    """

    a: str
    b: str
    metric: str
    key: str
    influence: float


class ExchangeTest(StrictModel):
    """Found and false detections of two runs, each at its own operating point, tested by exchange within images.

    Attributes:
        a: First run.
        b: Second run.
        figure: `recall` or `precision`.
        difference: Of `a` minus `b`.
        p: Two-sided.
    """

    a: str
    b: str
    figure: str
    difference: float
    p: float


class ComparisonRecord(FileModel):
    """The file `comparison.json`: which of several runs are better.

    Attributes:
        dataset: Name of the dataset.
        protocol: Name of the protocol.
        protocol_hash: Hash of its content.
        dataset_fingerprint: Hash of annotations and image list.
        images: Images that took part.
        smoke_test: The dataset measures nothing.
        subset: The curve that faces and operating points are of.
        baseline: Name of the run that the others are compared with; None for all pairs.
        margin: Differences within it are called equal; a fraction.
        resampling: How intervals were computed.
        runs: In the order given.
        pairs: By metric.
        ranks: By metric.
        faces: Who finds what.
        images_moving: Images with the largest influence on a difference.
        exchange: Tests at the operating points.
        findings: What the reader should know.
    """

    dataset: str
    protocol: str
    protocol_hash: str
    dataset_fingerprint: str
    images: int
    smoke_test: bool
    subset: str
    baseline: str | None
    margin: float | None
    resampling: ResamplingRecord
    runs: tuple[ComparedRun, ...]
    pairs: tuple[Pair, ...]
    ranks: dict[str, tuple[Rank, ...]]
    faces: tuple[SharedFaces, ...]
    images_moving: tuple[ImageInfluence, ...]
    exchange: tuple[ExchangeTest, ...]
    findings: tuple[AnalysisFinding, ...]
