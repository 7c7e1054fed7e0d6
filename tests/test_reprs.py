"""Every public object shows itself in few words: notebooks and debuggers print what they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sshbench
from sshbench.curves import PRCurve, ROCCurve
from sshbench.datasets.check import CheckItem
from sshbench.detectors.contract import DetectorInfo, Settings
from sshbench.evaluation.benchmarks import benchmark_named
from sshbench.evaluation.record import EvaluationRecord, StoredFinding
from sshbench.formats.convert import Conversion
from sshbench.records import Detections, DetectionSet, Faces, FaceSet, Finding, ImageRecord, Region, offsets_of
from sshbench.report.measured import read_measured
from sshbench.timing.record import TimingRecord

MANY = 10_000
BOXES = np.tile([0.0, 0.0, 10.0, 10.0], (MANY, 1))
SCORES = np.linspace(0, 1, MANY)
KEYS = tuple(f"event/{'long name ' * 5}{i}" for i in range(MANY))
FLAGS = np.zeros(MANY, dtype=np.bool_)


def record() -> EvaluationRecord:
    finding = StoredFinding(code="odd-file", message="odd " * 500, files=("file " * 50,) * 20, file_count=MANY)
    return EvaluationRecord(
        dataset="wider",
        detector="detector " * 200,
        protocol="wider",
        protocol_hash="0" * 16,
        metrics={f"AP/subset-{i}": i / MANY for i in range(1000)},
        images=MANY,
        faces=MANY,
        counted={f"subset-{i}": i for i in range(1000)},
        detections=MANY,
        seconds=1.0,
        total_images=MANY,
        dataset_fingerprint="0" * 16,
        warnings=(finding,) * 100,
    )


def submission() -> sshbench.Submission:
    item = CheckItem("every image has a file " * 10, False, True, "not so " * 100, "Write one " * 100)
    warning = Finding("code", "message " * 1000, KEYS)
    return sshbench.Submission(Path("submission.zip"), "test", MANY, MANY, (item,) * 100, None, (warning,) * 100)


def objects() -> dict[str, object]:
    sample = sshbench.load_dataset("sample")
    predictions = {key: (faces.boxes, faces.boxes[:, 2]) for key, faces in zip(sample.keys, sample.faces, strict=True)}
    result = sshbench.evaluate(sample, predictions)
    offsets = offsets_of([1] * MANY)
    timing = next((Path(__file__).parents[1] / "results" / "measured").rglob("timing-*.json"))
    identity = next((Path(__file__).parents[1] / "results" / "measured").rglob("identity.json"))
    found: dict[str, object] = {
        "Detections": Detections(BOXES, SCORES),
        "DetectionSet": DetectionSet(KEYS, offsets, BOXES, SCORES),
        "Faces": Faces(BOXES, {"all": FLAGS}),
        "FaceSet": FaceSet(KEYS, offsets, BOXES, {"all": FLAGS}),
        "Finding": Finding("code", "message " * 1000, KEYS),
        "ImageRecord": ImageRecord(KEYS[0], Path("/folder") / KEYS[0]),
        "Region": Region(0, 0, np.ones((500, 500), dtype=np.uint8)),
        "PRCurve": PRCurve(SCORES, SCORES, SCORES, 0.5),
        "ROCCurve": ROCCurve(SCORES, SCORES, SCORES),
        "Settings": Settings(),
        "DetectorInfo": DetectorInfo(name="x", title="title " * 1000),
        "Dataset": sample,
        "Protocol": sshbench.load_protocol("wider"),
        "Benchmark": benchmark_named("wider"),
        "FunctionDetector": sshbench.FunctionDetector(lambda image: (image[:0, :4, 0], image[:0, 0, 0])),
        "Conversion": Conversion(MANY, MANY, ("a loss of the target format " * 5,) * 100),
        "Evaluation": result,
        "EvaluationRecord": record(),
        "Submission": submission(),
        "Explanation": sshbench.explain(predictions, dataset=sample),
        "Outcome": result.outcome,
        "Fates": result.outcome.fates(),
        "Figures": result.metrics,
        "Evaluator": sshbench.Evaluator(sample),
        "TimingRecord": TimingRecord.load(timing),
        "Identity": read_measured(identity.parent).identity,
    }
    for kind in ("fddb", "pascal", "coco"):
        found[f"{kind} result"] = evaluated(kind)
    found["wider result"] = result.outcome.result
    return found


def evaluated(kind: str) -> object:
    """The evaluator's own result on a few ellipses or boxes."""
    from sshbench.evaluation.benchmarks import evaluator_of

    keys = tuple(f"image {i}" for i in range(300))
    offsets = offsets_of([1] * len(keys))
    boxes = np.tile([10.0, 10.0, 60.0, 80.0], (len(keys), 1))
    ellipses = np.tile([35.0, 25.0, 1.57, 35.0, 45.0], (len(keys), 1))
    flags = {"all": np.zeros(len(keys), dtype=np.bool_)}
    sizes = np.tile([100, 100], (len(keys), 1))
    faces = FaceSet(keys, offsets, boxes, flags, ellipses=ellipses, sizes=sizes)
    protocol = sshbench.load_protocol(kind)
    detections = DetectionSet(keys, offsets, boxes, np.linspace(0, 1, len(keys)))
    return evaluator_of(protocol)(detections, faces, protocol).result


@pytest.fixture(scope="module")
def public() -> dict[str, object]:
    return objects()


def test_reprs_are_short(public: dict[str, object]) -> None:
    lengths = {name: len(repr(one)) for name, one in public.items()}
    assert {name: length for name, length in lengths.items() if length >= 1500} == {}
    printed = {name: len(str(one)) for name, one in public.items() if name != "Finding"}
    assert {name: length for name, length in printed.items() if length >= 1500} == {}


def test_html_is_short_and_escaped(public: dict[str, object]) -> None:
    for name, one in public.items():
        if hasattr(one, "_repr_html_"):
            html = str(one._repr_html_())
            assert html.startswith("<"), name
            assert len(html) < 5000, name
    assert "Evaluation" in {name for name, one in public.items() if hasattr(one, "_repr_html_")}
