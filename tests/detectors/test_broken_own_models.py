"""Models of one's own that are wrong in every way: one clear error with the image's name; the traceback stays."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sshbench as package
from sshbench.detectors.check import check_detector
from sshbench.detectors.contract import check_places
from sshbench.errors import DetectorError
from sshbench.records import Detections

CommandLine = Callable[..., tuple[int, str, str]]

CLASS = """
import sys, time
import numpy as np
from sshbench import Detections, DetectorInfo, Settings
from sshbench.detectors import Prepared

class Faces:
    {info}
    weights_sha256 = None

    def __init__(self, *, settings=None, weights=None):
        {init}

    def load(self):
        {load}

    def preprocess(self, image):
        {preprocess}

    def forward(self, prepared):
        {forward}

    def postprocess(self, outputs, prepared):
        {postprocess}
"""
PARTS = {
    "info": 'info = DetectorInfo(name="faces")',
    "init": "self.settings = settings or self.info.defaults",
    "load": "pass",
    "preprocess": "return Prepared(image, 1.0)",
    "forward": "return [[0, 0, 10, 10]], [0.5]",
    "postprocess": "return Detections(*outputs)",
}
BOXES = "return Detections(np.array({}), np.array([0.5]))"


def broken(**parts: str) -> str:
    return CLASS.format(**{**PARTS, **parts})


# What is wrong at every image: what the error says.
AT_EVERY_IMAGE = {
    "preprocess raises": (broken(preprocess='raise RuntimeError("no")'), r"RuntimeError: no, in model.py:18"),
    "forward raises": (broken(forward="return 1 / 0"), r"ZeroDivisionError: division by zero, in model.py:21"),
    "postprocess raises": (broken(postprocess="return outputs[2]"), r"IndexError: .*, in model.py:24"),
    "a tuple": (broken(postprocess="return outputs"), "returned tuple where Detections are expected"),
    "nothing": (broken(postprocess="pass"), "returned NoneType where Detections are expected"),
    "five columns": (broken(postprocess=BOXES.format("[[1, 2, 3, 4, 5.]]")), r"boxes must have shape \(n, 4\)"),
    "NaN": (broken(postprocess=BOXES.format('[[1, 2, 3, float("nan")]]')), r"boxes that are not finite \(nan\)"),
    "inverted": (broken(postprocess=BOXES.format("[[5, 5, 2, 9.]]")), r"inverted box, .* = \[5.0, 5.0, 2.0, 9.0\]"),
    "far outside": (broken(postprocess=BOXES.format("[[9e5, 9e5, 9.1e5, 9.1e5]]")), "far outside the image of"),
    "sys.exit": (broken(forward="sys.exit(0)"), r"SystemExit: 0, in model.py:21"),
    "never returns": (broken(forward="time.sleep(60)"), "took longer than 0.3 seconds"),
    "no Prepared": (broken(preprocess="return image"), r"preprocess .* returned ndarray where Prepared is expected"),
    "function, a list": ("def Faces(image):\n    return [[1, 2, 3, 4, 0.5]]", "must return a pair of boxes and scores"),
    "function, xywh": ("def Faces(image):\n    return [[50, 50, 9, 9]], [1]", "for x y w h, add x to w"),
    "function, scores": ("def Faces(image):\n    return [[1, 2, 3, 4]], [1, 2]", "one score per box"),
    "function raises": ("def Faces(image):\n    return image.shap", r"AttributeError: .*shap.*, in model.py:2"),
}
# What is wrong before the first image.
AT_ONCE = {
    "no forward": (broken().replace("def forward", "def forwards"), "class '.*Faces' lacks forward", False),
    "no info, no load": (
        broken(info="").replace("def load", "def loads"),
        "class '.*Faces' lacks info and load",
        False,
    ),
    "info is a dict": (
        broken(info="info = {}"),
        "`info` of class '.*Faces' is of type dict, not .*DetectorInfo",
        False,
    ),
    "no settings": (broken(init="pass"), "class '.*Faces' lacks settings", False),
    "settings is a dict": (broken(init="self.settings = {}"), "`settings` of class '.*Faces' is of type dict", False),
    "other arguments": (
        broken().replace("*, settings=None, weights=None", "path"),
        r"cannot be made from settings and weights .* Write def __init__\(self, \*, settings=None",
        False,
    ),
    "init raises": (
        broken(init='raise KeyError("w")'),
        r"failed during loading \(KeyError: 'w', in model.py:12\)",
        True,
    ),
    "load raises": (broken(load='open("absent.pt")'), r"failed during loading \(FileNotFoundError.* model.py:15", True),
    "import raises": ("import no_such_library", r"model.py:1: the import failed \(ModuleNotFoundError: No mod", True),
    "exits at import": ("import sys\nsys.exit(3)", r"model.py:2: the import failed \(SystemExit: 3\)", True),
    "syntax": ("def Faces(image)\n    return [], []", r"model.py:1: invalid Python \(expected ':'\)", True),
    "absent": (broken().replace("class Faces", "class Facs"), "has no 'Faces'. Did you mean 'Facs'", False),
    "a number": ("Faces = 3", "'.*Faces' is of type int, not a detector", False),
    "no image": ("def Faces():\n    pass", "takes no image. Its first parameter is the image", False),
    "a parameter": ("def Faces(image, model):\n    pass", "needs a parameter 'model' that nobody gives", False),
}


@pytest.fixture
def model(tmp_path: Path) -> Callable[[str], str]:
    def write(content: str) -> str:
        (tmp_path / "model.py").write_text(content)
        return f"{tmp_path / 'model.py'}:Faces"

    return write


def evaluate(sshbench: CommandLine, spelling: str, out: Path) -> tuple[int, str, str]:
    options = ("--dataset", "sample", "--limit", 10, "--image-timeout", 0.3, "--json")
    return sshbench("eval", "--detector", spelling, "-o", out, *options)


@pytest.mark.parametrize("case", AT_EVERY_IMAGE)
def test_what_fails_at_every_image(
    sshbench: CommandLine, model: Callable[[str], str], tmp_path: Path, case: str
) -> None:
    content, message = AT_EVERY_IMAGE[case]
    code, out, err = evaluate(sshbench, model(content), tmp_path / "run")
    assert (code, out) == (1, "")
    *_, said = [line for line in err.splitlines() if line.startswith("sshbench:")]
    assert "stopped after 4 failed images; the last was 0--Portrait/0_Portrait_sample_0_4: " in said
    assert_matches(message, said)
    text = (tmp_path / "run" / "failures.txt").read_text()
    assert text.count("0--Portrait/") == 4
    assert_matches(message, text)
    if " raises" in case or case == "sys.exit":
        assert "Traceback (most recent call last)" in text
        assert 'model.py", line' in text


@pytest.mark.parametrize("case", AT_ONCE)
def test_what_fails_before_the_first_image(
    sshbench: CommandLine, model: Callable[[str], str], tmp_path: Path, case: str
) -> None:
    content, message, code_failed = AT_ONCE[case]
    code, out, err = evaluate(sshbench, model(content), tmp_path / "run")
    assert code in (1, 2)
    assert out == ""
    assert "Traceback" not in err
    assert_matches(message, err)
    kept = tmp_path / "run" / "failures.txt"
    assert kept.exists() == code_failed
    if code_failed:
        assert f"Its traceback is in {kept}" in err
        assert "Traceback (most recent call last)" in kept.read_text()
    code, _, err = evaluate(sshbench, model("def Faces(image):\n    return [[0, 0, 9, 9]], [1]"), tmp_path / "run")
    assert code == 0, err
    assert not kept.exists()


def assert_matches(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text


def test_what_it_prints_does_not_disturb(sshbench: CommandLine, model: Callable[[str], str], tmp_path: Path) -> None:
    content = "print('import')\ndef Faces(image):\n    print('call')\n    return [[0, 0, 9, 9]], [1]"
    code, out, err = evaluate(sshbench, model(content), tmp_path / "run")
    assert code == 0
    assert json.loads(out)["images"] == 10
    assert "import" in err
    assert "call" in err


def test_the_folder_of_other_things_is_left_alone(
    sshbench: CommandLine, model: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    code, _, err = evaluate(sshbench, model("import no_such_library"), tmp_path / "mine")
    assert code == 2
    assert "traceback is in" not in err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_workers_say_the_same(model: Callable[[str], str], tmp_path: Path) -> None:
    spelling = model(AT_EVERY_IMAGE["forward raises"][0])
    with pytest.raises(package.SshbenchError, match=r"_sample_.*ZeroDivisionError: division by zero, in model.py:21"):
        package.run(spelling, "sample", out=tmp_path / "run", limit=10, workers=2, progress=False)
    assert "Traceback (most recent call last)" in (tmp_path / "run" / "failures.txt").read_text()


def test_check_says_what_is_wrong(sshbench: CommandLine, model: Callable[[str], str]) -> None:
    content = "def Faces(image):\n    return [[0, 0, 9, 9]], [1 / (image.shape[0] - 1)]"
    code, out, err = sshbench("detectors", "check", model(content), "--json")
    assert code == 1
    assert [item["what"] for item in json.loads(out)["items"] if not item["ok"]] == ["one pixel"]
    assert "1 check of 8 failed" in err
    code, out, _ = sshbench(
        "detectors", "check", model("import random\n" + content.replace("1 /", "random.random() /"))
    )
    assert (code, "WRONG  the same image twice: other" in out) == (1, True)
    code, out, _ = sshbench("detectors", "check", model(broken()))
    assert (code, out.count("ok ")) == (0, 8), out
    code, out, _ = sshbench("detectors", "check", model("import no_such_library"))
    assert (code, "WRONG  loading" in out) == (1, True)


@pytest.mark.parametrize("name", ["haar", "yunet"])
def test_ours_pass_the_check(name: str, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    assert [item.message for item in check_detector(name) if not item.ok] == []


def test_what_our_networks_return_counts_as_it_is() -> None:
    """Their published figures count an inverted box, too."""
    found = Detections(np.array([[5.0, 5, 2, 9]]), np.array([0.5]))
    image = np.zeros((40, 60, 3), dtype=np.uint8)
    check_places(found, package.load_detector("haar"), image)
    with pytest.raises(DetectorError, match="inverted"):
        check_places(found, package.FunctionDetector(lambda image: ([], []), name="mine"), image)
