"""The evaluators against outputs of the official tools, on the small golden sets that travel with the package.

Every set is evaluated the way a user evaluates: protocol, dataset, predictions, `evaluate`. Equal means, as in
`tests/golden/README.md`: WIDER FACE: counts, precision and recall bit for bit, AP within 2e-15. FDDB: byte for byte.
PASCAL Faces and AFW: recall and precision bit for bit, AP and alignment within 1e-12, the same counts.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.evaluation.benchmarks import benchmark_of
from sshbench.evaluation.core import evaluate_set
from sshbench.evaluation.loading import load_dataset, load_predictions
from sshbench.evaluation.result import Evaluation
from sshbench.evaluators.pascal import PascalResult
from sshbench.evaluators.wider import WiderResult
from sshbench.files import golden_dir
from sshbench.protocols import Protocol, load_protocol

_WIDER_AP = 2e-15
_PASCAL_AP = 1e-12
_WIDER_SETS = {"wider": ("ordinary", "grid", "logits", "hostile", "inf_score"), "wider_no_boxes": ("percent",)}
_FDDB_SETS = ("ordinary", "crowded", "crowded_unsorted")
_STEM = "Annotations_Face_PASCALLayout_large"
_PASCAL_ANNOTATIONS = {
    "pascal": {"new": ("new.csv", f"{_STEM}_fixed.mat"), "old": ("old.csv", f"{_STEM}.mat")},
    "afw": {"new": ("afw_new.csv", "new_annotations_AFW.mat"), "old": ("old.csv", "anno2.mat")},
}
_PASCAL_SETS = ("shifted", "tied")


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """One prediction set and what the official tool said about it.

    Attributes:
        name: For people, unique, for example `wider ordinary, int32`.
        protocol: The rules, with the annotation and the numbers of this set.
        data: Folder of the dataset.
        predictions: The prediction file.
        golden: WIDER: the npz; FDDB: the folder of the two ROC files; PASCAL and AFW: the npz of the prediction file.
        case: PASCAL and AFW: which annotations, `old` or `new`; empty for the others.
    """

    name: str
    protocol: Protocol
    data: Path
    predictions: Path
    golden: Path
    case: str = ""

    def evaluate(self) -> Evaluation:
        """Evaluate the prediction set through the public functions.

        Raises:
            SshbenchError: A file is missing or damaged.
        """
        dataset = load_dataset(self.protocol, self.data)
        detections, findings = load_predictions(self.predictions, dataset, benchmark_of(self.protocol))
        return evaluate_set(detections, dataset, self.protocol, findings=findings)

    def differences(self) -> list[str]:
        """Evaluate, and return how the result differs from the official tool's; empty where it is equal."""
        outcome = self.evaluate().outcome
        if isinstance(outcome.result, WiderResult):
            return wider_differences(outcome.result, self.golden)
        if isinstance(outcome.result, PascalResult):
            return pascal_differences(outcome.result, *self._pascal_golden(outcome.result))
        return fddb_differences(outcome.texts or {}, self.golden)

    def _pascal_golden(self, result: PascalResult) -> tuple[Mapping[str, Any], npt.NDArray[np.float64]]:
        iterations, name = len(result.curves), self.golden.stem
        summaries = json.loads((self.golden.parent / "golden.json").read_text(encoding="utf-8"))
        with self.golden.open("rb") as file, np.load(file) as points:
            summary = summaries[f"{self.protocol.name.upper()}|{self.case}|nit{iterations}|{name}.txt"]
            return summary, points[f"{self.case}_nit{iterations}"]


@dataclass(frozen=True, slots=True)
class GoldenCheck:
    """What became of one golden set.

    Attributes:
        name: Name of the set.
        differences: How the evaluator differs from the official tool, or why it could not be evaluated; empty: equal.
    """

    name: str
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the evaluator equals the official tool."""
        return not self.differences


def golden_sets(root: Path | None = None) -> tuple[GoldenSet, ...]:
    """Return all golden sets.

    Args:
        root: Folder that holds `wider`, `fddb` and so on; default: the one that travels with the package.
    """
    folder = golden_dir() if root is None else root
    return (*_wider_sets(folder), *_fddb_sets(folder / "fddb"), *_pascal_sets(folder))


def check_golden(sets: Sequence[GoldenSet] | None = None) -> tuple[GoldenCheck, ...]:
    """Compare the evaluators with the official tools' outputs on this machine.

    Args:
        sets: Default: all.

    Returns:
        One check per set. A set that cannot be evaluated is one that differs.

    >>> check_golden(golden_sets()[:1])
    (GoldenCheck(name='wider ordinary, double', differences=()),)
    """
    return tuple(
        GoldenCheck(golden.name, tuple(_tried(golden))) for golden in (golden_sets() if sets is None else sets)
    )


def _tried(golden: GoldenSet) -> list[str]:
    try:
        return golden.differences()
    except Exception as error:  # noqa: BLE001 - whatever goes wrong on this machine is what the check is there to say
        return [f"cannot be evaluated: {type(error).__name__}: {error}"]


def wider_differences(result: WiderResult, golden: Path) -> list[str]:
    """Compare with an npz of the official WIDER FACE tool: counts and cells bit for bit, AP within 2e-15.

    Args:
        result: Subsets in the order of the npz.
        golden: `ap` (subsets,), `pr` (subsets, thresholds, 2) precision and recall, `raw_counts` (subsets, thresholds,
            2) detections kept and faces recalled.
    """
    found = []
    with golden.open("rb") as file, np.load(file) as expected:
        ap, cells, counts = expected["ap"], expected["pr"], expected["raw_counts"]
    if len(ap) != len(result.curves):
        return [f"{len(result.curves)} subsets, {len(ap)} expected"]
    for i, (name, curve) in enumerate(result.curves.items()):
        found += array_differences(f"{name}: counts", result.counts[name], counts[i])
        found += array_differences(f"{name}: precision", curve.precision, cells[i, :, 0])
        found += array_differences(f"{name}: recall", curve.recall, cells[i, :, 1])
        found += _number_differences(f"{name}: AP", curve.ap, float(ap[i]), _WIDER_AP)
    return found


def fddb_differences(texts: Mapping[str, str], golden: Path) -> list[str]:
    """Compare ROC files with those of the official FDDB tool, byte for byte.

    Args:
        texts: `DiscROC.txt` and `ContROC.txt`.
        golden: Folder with `DiscROC.txt.gz` and `ContROC.txt.gz`.
    """
    found = []
    for name in ("DiscROC.txt", "ContROC.txt"):
        expected = gzip.decompress((golden / f"{name}.gz").read_bytes()).decode()
        text = texts.get(name, "")
        if text != expected:
            lines, wanted = text.split("\n"), expected.split("\n")
            same = sum(a == b for a, b in zip(lines, wanted, strict=False))
            found.append(f"{name}: {max(len(lines), len(wanted)) - same} of {len(wanted) - 1} lines differ")
    return found


def pascal_differences(
    result: PascalResult, summary: Mapping[str, Any], points: npt.NDArray[np.float64] | None = None
) -> list[str]:
    """Compare with the toolbox: curve of the last iteration bit for bit, AP and alignment within 1e-12, equal counts.

    Args:
        result: Of as many iterations as the toolbox ran.
        summary: `aps` of all iterations, `T`: the alignment, `tot` faces, `ndet` detections, `tp`, `fp`, `ignored`.
        points: float64 (3, n): recall, precision and score of the last iteration; None leaves them out.
    """
    found = []
    if points is not None:
        curve = result.curves[-1]
        found += array_differences("recall", curve.recall, points[0])
        found += array_differences("precision", curve.precision, points[1])
        found += array_differences("scores", curve.thresholds, points[2])
    if len(result.curves) != len(summary["aps"]):
        return [*found, f"{len(result.curves)} iterations, {len(summary['aps'])} expected"]
    for i, (curve, ap) in enumerate(zip(result.curves, summary["aps"], strict=True), start=1):
        found += _number_differences(f"AP of iteration {i}", curve.ap, ap, _PASCAL_AP)
    for name, value, wanted in zip(
        ("shift x", "shift y", "scale x", "scale y"), result.alignment.tolist(), summary["T"], strict=True
    ):
        found += _number_differences(name, value, wanted, _PASCAL_AP)
    counts = {
        "faces": (result.faces, summary["tot"]),
        "detections": (result.detections, summary["ndet"]),
        "true positives": (result.true_positives, summary["tp"]),
        "false positives": (result.false_positives, summary["fp"]),
        "neutral detections": (result.neutral, summary["ignored"]),
    }
    return found + [
        f"{name}: {value}, {wanted} expected" for name, (value, wanted) in counts.items() if value != wanted
    ]


def array_differences(what: str, found: npt.ArrayLike, expected: npt.ArrayLike) -> list[str]:
    """Compare two arrays bit for bit; NaN equals NaN.

    >>> array_differences("recall", [0.5, 1.0], [0.5, 0.75])
    ['recall: 1 of 2 values differ, first at position 1: 1.0, 0.75 expected']
    """
    a, b = np.asarray(found), np.asarray(expected)
    if a.shape != b.shape:
        return [f"{what}: shape {a.shape}, {b.shape} expected"]
    differ = np.flatnonzero(((a != b) & ~((a != a) & (b != b))).ravel())
    if not len(differ):
        return []
    at = differ[0]
    values = f"{a.ravel()[at].item()!r}, {b.ravel()[at].item()!r} expected"
    return [f"{what}: {len(differ)} of {a.size} values differ, first at position {at}: {values}"]


def _number_differences(what: str, found: float, expected: float, tolerance: float) -> list[str]:
    if found == expected or (np.isnan(found) and np.isnan(expected)) or abs(found - expected) <= tolerance:
        return []
    return [f"{what}: {found!r}, {expected!r} expected"]


def _wider_sets(folder: Path) -> Iterator[GoldenSet]:
    protocol = load_protocol("wider")
    for part, names in _WIDER_SETS.items():
        data = folder / part
        for name in names:
            for iou in ("double", "int32"):
                yield GoldenSet(
                    f"{part} {name}, {iou}",
                    protocol.with_evaluation(iou_arithmetic=iou),
                    data,
                    data / "predictions" / f"{name}.zip",
                    data / "golden" / f"{name}_{iou}.npz",
                )


def _fddb_sets(data: Path) -> Iterator[GoldenSet]:
    protocol = load_protocol("fddb")
    for folder, names in (("detections", _FDDB_SETS), ("detections_ellipse", ("ellipses",))):
        for name in names:
            yield GoldenSet(f"fddb {name}", protocol, data, data / folder / f"{name}.txt.gz", data / "golden" / name)


def _pascal_sets(folder: Path) -> Iterator[GoldenSet]:
    for part, ages in _PASCAL_ANNOTATIONS.items():
        protocol, data = load_protocol(part), folder / part
        for age, file in ((age, file) for age, files in ages.items() for file in files):
            layout = protocol.layout.model_copy(update={"annotation": (file,)})
            for iterations in (1, 5):
                rules = protocol.model_copy(update={"layout": layout}).with_evaluation(iterations=iterations)
                for name in _PASCAL_SETS:
                    yield GoldenSet(
                        f"{part} {name}, {file}, {iterations} iterations",
                        rules,
                        data,
                        data / "detections" / f"{name}.txt.gz",
                        data / "golden" / f"{name}.npz",
                        age,
                    )
