"""Predictions of other libraries, by stand-ins that have the attributes their documentation names."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

import sshbench
from sshbench.errors import InputError, UsageError
from sshbench.interop import to_numpy

Numbers = npt.NDArray[np.generic]

BOXES = np.array([[10.1, 20.2, 50.3, 70.4], [0, 0, 5, 5]], dtype=np.float32)
SCORES = np.array([0.9, 0.1], dtype=np.float32)


class Tensor:
    """Numbers on a device, with a gradient: numpy cannot take them before `detach` and `cpu`."""

    def __init__(self, values: Numbers, ready: int = 0) -> None:
        self.values, self.ready = values, ready

    def detach(self) -> Tensor:
        return Tensor(self.values, self.ready + 1)

    def cpu(self) -> Tensor:
        return Tensor(self.values, self.ready + 1)

    def __array__(self, dtype: object = None, copy: bool | None = None) -> Numbers:
        if self.ready < 2:
            raise TypeError("can't convert device type tensor to numpy")
        return np.asarray(self.values, dtype=np.float64)


@dataclass
class Boxes:
    xyxy: object
    conf: object
    cls: object


@dataclass
class Result:
    boxes: Boxes | None
    names: dict[int, str] = field(default_factory=lambda: {0: "person", 1: "face"})


@dataclass
class Supervision:
    xyxy: Numbers
    confidence: Numbers | None
    class_id: Numbers | None


def test_ultralytics() -> None:
    one = Result(Boxes(Tensor(BOXES), Tensor(SCORES), Tensor(np.array([1, 1]))))
    found = sshbench.from_ultralytics(one)
    assert found.boxes.tolist() == BOXES.astype(np.float64).tolist()
    assert found.scores.tolist() == SCORES.astype(np.float64).tolist()
    several = Result(Boxes(BOXES, SCORES, np.array([0, 1])))
    with pytest.raises(UsageError, match=r"several classes: 0 person, 1 face.*face_class="):
        sshbench.from_ultralytics(several)
    assert sshbench.from_ultralytics(several, face_class="face").scores.tolist() == [float(SCORES[1])]
    assert len(sshbench.from_ultralytics(several, face_class=7)) == 0
    with pytest.raises(UsageError, match=r"no class 'head'.*person, face"):
        sshbench.from_ultralytics(several, face_class="head")
    with pytest.raises(UsageError, match="no boxes"):
        sshbench.from_ultralytics(Result(None))


def test_torchvision() -> None:
    output = {"boxes": Tensor(BOXES), "scores": Tensor(SCORES), "labels": Tensor(np.array([1, 2]))}
    assert len(sshbench.from_torchvision(output, face_label=2)) == 1
    with pytest.raises(UsageError, match=r"several classes: 1, 2.*face_label="):
        sshbench.from_torchvision(output)
    empty = np.empty((0, 4))
    assert len(sshbench.from_torchvision({"boxes": empty, "scores": np.empty(0), "labels": np.empty(0)})) == 0
    with pytest.raises(UsageError, match="no 'scores'"):
        sshbench.from_torchvision({"boxes": empty})


def test_supervision() -> None:
    assert len(sshbench.from_supervision(Supervision(BOXES, SCORES, None))) == 2
    assert len(sshbench.from_supervision(Supervision(BOXES, SCORES, np.array([0, 3])), face_class=3)) == 1
    assert len(sshbench.from_supervision(Supervision(np.empty((0, 4)), None, None))) == 0
    with pytest.raises(UsageError, match="no confidence"):
        sshbench.from_supervision(Supervision(BOXES, None, None))


def test_coco_results_in_memory() -> None:
    results = [
        {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5},
        {"image_id": 8, "category_id": 1, "bbox": [0, 0, 2, 2], "score": 0.25},
        {"image_id": 7, "category_id": 1, "bbox": [5, 6, 7, 8], "score": 0.75},
    ]
    found = sshbench.from_coco(results, image_ids={7: "a", 8: "b"})
    assert found.keys == ("a", "b")
    assert found["a"].boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert sshbench.from_coco(results, keys=("b", "a"), image_ids={7: "a", 8: "b"}).keys == ("b", "a")
    with pytest.raises(InputError, match=r"bbox.*negative"):
        sshbench.from_coco([{**results[0], "bbox": [1, 2, -3, 4]}])
    with pytest.raises(InputError, match="several categories"):
        sshbench.from_coco([results[0], {**results[1], "category_id": 2}])


def test_real_tensors_go_in_as_they_are() -> None:
    torch = pytest.importorskip("torch")
    boxes = torch.tensor(BOXES, requires_grad=True)
    key = sshbench.load_dataset("sample").keys[0]
    tensors = sshbench.evaluate("sample", {key: (boxes, torch.tensor(SCORES))})
    arrays = sshbench.evaluate("sample", {key: (BOXES, SCORES)})
    assert tensors.detections.digest == arrays.detections.digest
    assert to_numpy(torch.tensor([0.5], dtype=torch.bfloat16)).tolist() == [0.5]


def test_none_of_the_libraries_is_imported() -> None:
    code = (
        "import sys, sshbench.interop; "
        "print([name for name in ('torch', 'torchvision', 'ultralytics', 'supervision') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
