"""Programs by torch.export and TorchScript files as detectors."""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sshbench
from sshbench.detectors.contract import detect
from sshbench.detectors.graphs.spec import GraphSpec
from sshbench.errors import InputError, MissingDataError, UsageError
from tests.detectors.graphs.maker import FACES, FAMILIES, SCORES

torch: Any = pytest.importorskip("torch")

WIDTH, HEIGHT = 320, 256


def model(*, named: bool) -> Any:
    """A program that returns YOLOv8's output for every image, in a dictionary or alone."""
    values = torch.from_numpy(FAMILIES["yolov8"](WIDTH, HEIGHT)[0]["output0"])

    class Net(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("values", values)

        def forward(self, image: Any) -> Any:
            out = self.values + 0 * image.mean()
            return {"boxes": out} if named else (out, image.mean())

    return Net().eval()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "faces.pt2"
    torch.export.save(torch.export.export(model(named=True), (torch.zeros(1, 3, HEIGHT, WIDTH),)), path)
    return path


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "faces.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model(named=False), torch.zeros(1, 3, HEIGHT, WIDTH)).save(str(path))
    return path


def spec_of(output: Mapping[str, Any]) -> GraphSpec:
    return GraphSpec.model_validate(
        {
            "input": {"size": [WIDTH, HEIGHT]},
            "output": {"family": "yolov8", "face_class": 1, **output},
            "settings": {"score_threshold": 0.3},
        }
    )


def check(detector: Any) -> None:
    found = detect(detector, np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8))
    np.testing.assert_allclose(found.boxes, FACES, atol=1e-4)
    np.testing.assert_allclose(found.scores, SCORES, atol=1e-6)


def test_a_program_by_torch_export(program: Path, tmp_path: Path) -> None:
    check(sshbench.ExportedGraph(program, spec=spec_of({"output": "boxes"})))
    guessed = sshbench.load_detector(f"export:{program}")
    assert isinstance(guessed, sshbench.ExportedGraph)
    assert (guessed.spec.output.family, guessed.spec.input.size) == ("yolov8", (WIDTH, HEIGHT))
    assert [one.code for one in guessed.findings] == ["guessed-spec"]
    run = sshbench.run(f"export:{program}", "sample", out=tmp_path / "run", limit=1, progress=False)
    assert run.record.images == 1


def test_torchscript_is_read_with_a_notice(script: Path) -> None:
    given = sshbench.ExportedGraph(script, spec=spec_of({"output": "output0"}))
    check(given)
    assert [one.code for one in given.findings] == ["torchscript"]
    guessed = sshbench.ExportedGraph(script)
    assert guessed.spec.output.family == "yolov8"
    assert [one.code for one in guessed.findings] == ["torchscript", "guessed-spec"]


def test_sides_that_may_change(tmp_path: Path) -> None:
    class Cells(torch.nn.Module):  # type: ignore[misc]
        def forward(self, image: Any) -> Any:
            pooled = torch.nn.functional.avg_pool2d(image, 32)[:, :1].flatten(2).transpose(1, 2)
            return pooled.new_zeros(1, pooled.shape[1], 4) + torch.tensor([0.1, 0.1, 0.4, 0.5]), pooled[..., 0]

    side = {axis: torch.export.Dim(name, min=2, max=64) * 32 for axis, name in ((2, "h"), (3, "w"))}
    path = tmp_path / "cells.pt2"
    exported = torch.export.export(Cells(), (torch.zeros(1, 3, 64, 96),), dynamic_shapes={"image": side})
    torch.export.save(exported, path)
    detector = sshbench.ExportedGraph(path)
    assert detector.spec.input.size == "dynamic"
    found = detect(detector, np.full((64, 96, 3), 255, dtype=np.uint8))
    np.testing.assert_allclose(found.boxes, [[9.6, 6.4, 38.4, 32]] * 6, atol=1e-4)


def test_what_is_no_program(tmp_path: Path, program: Path) -> None:
    with pytest.raises(MissingDataError, match="there is no file"):
        sshbench.load_detector(f"export:{tmp_path}/none.pt2")
    (tmp_path / "text.pt2").write_text("no program")
    with pytest.raises(InputError, match=r"text\.pt2: neither a program by torch\.export nor TorchScript"):
        sshbench.load_detector(f"export:{tmp_path}/text.pt2")
    torch.save(model(named=True).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"weights without a graph, perhaps.*torch\.export\.save"):
        sshbench.load_detector(f"export:{tmp_path}/weights.pt")
    with pytest.raises(InputError, match=r"'output9'.*Change it"):
        sshbench.ExportedGraph(program, spec=spec_of({"output": "output9"})).load()
    small = GraphSpec.model_validate({"input": {"size": [64, 64]}, "output": {"family": "yolov8", "output": "boxes"}})
    with pytest.raises(InputError, match=r"takes image \(1, 3, 256, 320\) float32 and no other size"):
        sshbench.ExportedGraph(program, spec=small).load()


def test_without_torch(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = builtins.__import__

    def missing(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "torch":
            raise ImportError(name)
        return there(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UsageError, match=r"faces\.pt2 needs torch.*sshbench\[ssh\]"):
        sshbench.ExportedGraph(program)
