"""Predictions of other libraries, by stand-ins that have the attributes their documentation names."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import sshbench
from sshbench.errors import InputError, SshbenchError, UsageError

Numbers = npt.NDArray[np.generic]

BOXES = np.array([[10.1, 20.2, 50.3, 70.4], [0, 0, 5, 5]], dtype=np.float32)
SCORES = np.array([0.9, 0.1], dtype=np.float32)
TWO = {0: "person", 1: "face"}


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
    names: dict[int, str] = field(default_factory=lambda: {0: "face"})
    path: str = "image0.jpg"
    orig_shape: tuple[int, int] = (480, 640)

    def __len__(self) -> int:
        return 0 if self.boxes is None else len(np.asarray(self.boxes.conf))


@dataclass
class Supervision:
    xyxy: Numbers
    confidence: Numbers | None
    class_id: Numbers | None


def test_ultralytics() -> None:
    one = Result(Boxes(Tensor(BOXES), Tensor(SCORES), Tensor(np.array([0, 0]))))
    found = sshbench.from_ultralytics(one)
    assert found.boxes.tolist() == BOXES.astype(np.float64).tolist()
    assert found.scores.tolist() == SCORES.astype(np.float64).tolist()
    several = Result(Boxes(BOXES, SCORES, np.array([0, 1])), TWO)
    with pytest.raises(UsageError, match=r"several classes: 0 person, 1 face.*face_class="):
        sshbench.from_ultralytics(several)
    assert sshbench.from_ultralytics(several, face_class="face").scores.tolist() == [float(SCORES[1])]
    with pytest.raises(UsageError, match=r"no class 7. Known: 0 person, 1 face"):
        sshbench.from_ultralytics(several, face_class=7)
    with pytest.raises(UsageError, match=r"no class 'fase'. Did you mean 'face'\? Known: person, face"):
        sshbench.from_ultralytics(several, face_class="fase")
    with pytest.raises(UsageError, match="no boxes"):
        sshbench.from_ultralytics(Result(None))


def test_an_image_with_persons_only_gives_no_faces() -> None:
    """The model's classes decide, not those that it found in one image: else persons would count as faces."""
    persons = Result(Boxes(BOXES, SCORES, np.array([0, 0])), TWO)
    with pytest.raises(UsageError, match=r"several classes: 0 person, 1 face.*face_class="):
        sshbench.from_ultralytics(persons)
    assert len(sshbench.from_ultralytics(persons, face_class="face")) == 0
    many = Result(Boxes(BOXES, SCORES, np.array([0, 0])), {number: f"class {number}" for number in range(80)})
    with pytest.raises(UsageError, match=r"9 class 9 and 70 more\."):
        sshbench.from_ultralytics(many)


def test_several_images() -> None:
    images = [
        Result(Boxes(BOXES, SCORES, np.array([0, 1])), TWO),
        Result(Boxes(BOXES[:0], SCORES[:0], SCORES[:0]), TWO),
    ]
    found = sshbench.from_ultralytics((one for one in images), keys=["e/a", "e/b"], face_class=1)
    assert (found.keys, len(found["e/a"]), len(found["e/b"])) == (("e/a", "e/b"), 1, 0)
    outputs = [{"boxes": BOXES, "scores": SCORES, "labels": np.array([label, label])} for label in (1, 2)]
    assert [len(one) for one in sshbench.from_torchvision(outputs, keys="ab", face_label=2)] == [0, 2]
    with pytest.raises(UsageError, match="several classes: 1, 2"):  # one class in each image, two in all
        sshbench.from_torchvision(outputs, keys="ab")
    boxes = [Supervision(BOXES, SCORES, None), Supervision(BOXES[:1], SCORES[:1], None)]
    assert sshbench.from_supervision(boxes, keys="ab").offsets.tolist() == [0, 2, 3]


def test_results_and_keys_must_fit() -> None:
    output = {"boxes": BOXES, "scores": SCORES}
    with pytest.raises(UsageError, match="1 results do not fit 2 keys"):
        sshbench.from_torchvision([output], keys="ab")
    with pytest.raises(UsageError, match="Pass keys="):
        sshbench.from_torchvision([output])  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="Leave it out, or pass a list"):
        sshbench.from_torchvision(output, keys="a")  # type: ignore[arg-type]
    with pytest.raises(SshbenchError, match="'a' comes twice"):
        sshbench.from_torchvision([output, output], keys="aa")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"boxes": BOXES.reshape(4, 2), "scores": SCORES}, r"boxes must have shape \(n, 4\), not \(4, 2\)"),
        ({"boxes": BOXES, "scores": SCORES[:1]}, r"scores must have shape \(2,\), not \(1,\)"),
        ({"boxes": BOXES, "scores": SCORES[:, None]}, r"scores must have shape \(2,\), not \(2, 1\)"),
        ({"boxes": BOXES, "scores": SCORES, "labels": [1]}, r"2 detections do not fit classes of shape \(1,\)"),
        ({"boxes": BOXES, "scores": SCORES, "labels": [1, np.nan]}, "expected numbers of classes, got nan"),
        ({"boxes": BOXES, "scores": SCORES}, "face_label=1, but the detections have no classes"),
    ],
)
def test_arrays_that_do_not_fit(output: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=rf"^{message}"):
        sshbench.from_torchvision(output, face_label=1)
    with pytest.raises(UsageError, match=message):
        sshbench.from_torchvision([{"boxes": [], "scores": []}, output], keys=["a", "b"], face_label=1)


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
    # A negative side stays what it is, as for pycocotools.
    assert sshbench.from_coco([{**results[0], "bbox": [1, 2, -3, 4]}])["7"].boxes.tolist() == [[1, 2, -2, 6]]
    mixed = [results[0], {**results[1], "category_id": 2}]
    with pytest.raises(InputError, match=r"several categories: \['1', '2'\].*face_category="):
        sshbench.from_coco(mixed)
    faces = sshbench.from_coco(mixed, face_category=2)
    assert [len(faces[key]) for key in ("7", "8")] == [0, 1]
    with pytest.raises(InputError, match=r"no result of this category: 3. Choose one of: 1, 2"):
        sshbench.from_coco(mixed, face_category=3)
    with pytest.raises(UsageError, match=r"1 images are not in the dataset.*Leave out keys"):
        sshbench.from_coco(results, keys=["7"])
    with pytest.raises(InputError, match=r"\[0\].*invalid result: 3"):
        sshbench.from_coco([3])  # type: ignore[list-item]


def test_coco_results_of_a_file_are_those_in_memory(tmp_path: Path) -> None:
    results = [
        {"image_id": number, "category_id": 1, "bbox": box, "score": score}
        for number, box, score in [(7, [1.1, 2.2, 3.3, 4.4], 0.5), (8, [0, 0, 2, 2], 0.25)]
    ]
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results))
    ids: dict[int | str, str] = {7: "a", 8: "b"}
    digest = sshbench.from_coco(results, image_ids=ids).digest
    assert sshbench.from_coco(file, image_ids=ids).digest == digest
    assert sshbench.from_coco(str(file), image_ids=ids).digest == digest
    assert sshbench.read_coco_results(str(file), ["a", "b"], ids)[0].digest == digest
    file.write_text('[{"image_id": 7, "bbox": [1, 2, 3], "score": 0.5}]')
    with pytest.raises(InputError, match=rf"^{file}, field '\[0\].bbox': invalid box"):
        sshbench.from_coco(file)


def test_coco_results_with_numbers_of_numpy() -> None:
    """A loop over a model's output gives such numbers, not Python's own."""
    results = [{"image_id": np.int64(7), "category_id": np.int64(1), "bbox": BOXES[0], "score": SCORES[0]}]
    results += [{"image_id": np.int64(7), "category_id": 1, "bbox": tuple(BOXES[1]), "score": 0.5}]
    found = sshbench.from_coco(results)["7"]
    wide = BOXES.astype(np.float64)
    assert found.boxes.tolist() == np.hstack([wide[:, :2], wide[:, :2] + wide[:, 2:]]).tolist()
    assert found.scores.tolist() == [float(SCORES[0]), 0.5]


def test_real_tensors_go_in_as_they_are() -> None:
    torch = pytest.importorskip("torch")
    boxes = torch.tensor(BOXES, requires_grad=True)
    key = sshbench.load_dataset("sample").keys[0]
    tensors = sshbench.evaluate("sample", {key: (boxes, torch.tensor(SCORES))})
    arrays = sshbench.evaluate("sample", {key: (BOXES, SCORES)})
    assert tensors.detections.digest == arrays.detections.digest
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        output = {"boxes": boxes.to(dtype), "scores": torch.tensor([0.5, 0.25], dtype=dtype), "labels": torch.ones(2)}
        found = sshbench.from_torchvision(output)
        assert found.boxes.tolist() == boxes.to(dtype).double().tolist()
    entry = {"image_id": torch.tensor(7), "bbox": boxes[0], "score": torch.tensor(0.5)}
    assert sshbench.from_coco([entry])["7"].boxes[0, :2].tolist() == boxes[0, :2].double().tolist()


def test_none_of_the_libraries_is_imported() -> None:
    code = (
        "import sys, sshbench.interop; "
        "print([name for name in ('torch', 'torchvision', 'ultralytics', 'supervision') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
