"""Models of one's own, without a package: `path/to/model.py:NAME`, `module:NAME`, classes, functions, instances."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sshbench as package
from sshbench.detectors.contract import Detector, DetectorInfo, Prepared, Settings
from sshbench.detectors.own_code import load_file
from sshbench.detectors.registry import detector_info, load_detector
from sshbench.detectors.spelling import Spelling, parse_spelling
from sshbench.errors import IdentityError, InputError, MissingDataError, UsageError
from sshbench.records import Detections, Image
from sshbench.runs import open_run

CommandLine = Callable[..., tuple[int, str, str]]

FUNCTION = """
def faces(image, share=0.5):
    height, width, _ = image.shape
    return [[0, 0, width * share, height * share]], [image[..., 0].mean() / 255]
"""
CLASS = """
import numpy as np
from sshbench import Detections, DetectorInfo, Settings
from sshbench.detectors import Prepared

class Faces:
    info = DetectorInfo(name="{name}", defaults=Settings(extra={{"share": 0.5}}))

    def __init__(self, *, settings=None, weights=None):
        self.settings = settings or self.info.defaults

    def load(self):
        pass

    def preprocess(self, image):
        return Prepared(image, 1.0)

    def forward(self, prepared):
        return prepared.data.shape[:2]

    def postprocess(self, outputs, prepared):
        height, width = outputs
        share = self.settings.extra["share"]
        return Detections(np.array([[0, 0, width * share, height * share]]), np.array([0.5]))

faces = Faces()
"""
IMAGE: Image = np.zeros((40, 60, 3), dtype=np.uint8) + np.array([0, 0, 255], dtype=np.uint8)  # red
BOX = [[0.0, 0.0, 30.0, 20.0]]


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., str]:
    """Write a file, and return its path as text."""

    def write(content: str = FUNCTION, name: str = "model.py") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("haar", Spelling("name", "haar")),
        ("replay:C:\\a b\\x.zip", Spelling("replay", "C:\\a b\\x.zip")),
        ("onnx:~/faces.onnx", Spelling("onnx", "~/faces.onnx")),
        ("C:\\models\\m.py:Faces", Spelling("file", "C:\\models\\m.py", "Faces")),
        ("~/a b/m.py:Faces", Spelling("file", "~/a b/m.py", "Faces")),
        ("m.py:Faces", Spelling("file", "m.py", "Faces")),
        ("pack.age:Faces", Spelling("module", "pack.age", "Faces")),
    ],
)
def test_spellings(text: str, expected: Spelling) -> None:
    assert parse_spelling(text, ["haar"]) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.py", r"does not say what to take of the file. Write model.py:NAME"),
        ("C:\\model.py:", r"Write C:\\model.py:NAME"),
        ("onnx:", "'onnx:' names no file. Write onnx:FILE"),
        ("harr", "Did you mean 'haar'"),
        ("a-b:C", "path/to/model.py:NAME"),
        ("", "unknown detector ''"),
    ],
)
def test_what_is_no_spelling_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_spelling(text, ["haar"])


@given(st.text(), st.sampled_from(["", "haar:", "onnx:", "x.py:", "m:"]))
def test_a_spelling_is_itself_or_refused(text: str, start: str) -> None:
    try:
        parsed = parse_spelling(start + text, ["haar"])
    except UsageError:
        return
    assert str(parsed) == start + text
    assert parse_spelling(str(parsed.absolute), ["haar"]).kind == parsed.kind


def test_a_function_of_a_file(model: Callable[..., str]) -> None:
    detector = load_detector(f"{model()}:faces")
    assert detector.info.name == "faces"
    found = package.detect(detector, IMAGE)
    assert (found.boxes.tolist(), found.scores.tolist()) == (BOX, [1.0]), "RGB by default"
    changed = load_detector(f"{model()}:faces", share="0.25", channel_order="BGR")
    found = package.detect(changed, IMAGE)
    assert (found.boxes.tolist(), found.scores.tolist()) == ([[0.0, 0.0, 15.0, 10.0]], [0.0])
    with pytest.raises(UsageError, match=r"no setting 'shar'.*Did you mean 'share'"):
        load_detector(f"{model()}:faces", shar=1)
    with pytest.raises(UsageError, match="takes no weights"):
        load_detector(f"{model()}:faces", weights="w.onnx")


def test_a_function_gets_its_weights(model: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"0.5")
    content = "def faces(image, weights):\n    return [[0, 0, 1, 1]], [float(weights.read_text())]\n"
    detector = load_detector(f"{model(content)}:faces", weights=tmp_path / "w")
    assert package.detect(detector, IMAGE).scores.tolist() == [0.5]
    assert detector.weights_sha256 is not None
    with pytest.raises(UsageError, match="needs weights"):
        load_detector(f"{model(content)}:faces")


@pytest.mark.parametrize("name", ["Faces", "faces"])
def test_a_class_and_an_instance_of_a_file(model: Callable[..., str], name: str) -> None:
    detector = load_detector(f"{model(CLASS.format(name='mine'))}:{name}")
    assert isinstance(detector, Detector)
    assert detector.info.name == "mine"
    assert package.detect(detector, IMAGE).boxes.tolist() == BOX


def test_settings_are_those_of_a_class_and_not_of_an_instance(model: Callable[..., str], tmp_path: Path) -> None:
    file = model(CLASS.format(name="mine"))
    (tmp_path / "w").write_bytes(b"x")
    detector = load_detector(f"{file}:Faces", share=0.25, weights=tmp_path / "w")
    assert package.detect(detector, IMAGE).boxes.tolist() == [[0.0, 0.0, 15.0, 10.0]]
    assert detector.weights_sha256 is not None
    with pytest.raises(UsageError, match="takes no settings or weights"):
        load_detector(f"{file}:faces", share=0.25)


def test_a_name_of_ours_is_not_taken(model: Callable[..., str]) -> None:
    assert load_detector(f"{model(CLASS.format(name='yunet'))}:Faces").info.name == "Faces"
    assert detector_info(f"{model('def haar(image): ...')}:haar").name == "own-haar"


def test_a_module_is_found_in_the_current_folder(
    model: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model("from .part import faces", "own_pack/inner.py")
    model(FUNCTION, "own_pack/part.py")
    model("", "own_pack/__init__.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    assert package.detect("own_pack.inner:faces", IMAGE).boxes.tolist() == BOX
    from sshbench.detectors.source import source_of

    assert sorted(source_of("own_pack.inner:faces").code) == [
        "own_pack/__init__.py",
        "own_pack/inner.py",
        "own_pack/part.py",
    ]
    model(FUNCTION + "# changed", "own_pack/part.py")
    with pytest.raises(UsageError, match=r"'own_pack.inner' changed after they were imported"):
        load_detector("own_pack.inner:faces")
    for text in ("own_absent:faces", "own_pack.absent:faces"):
        with pytest.raises(UsageError, match=r"there is no module 'own_.*absent'"):
            load_detector(text)


def test_the_file_that_python_itself_gives(model: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDataError, match=r"no file .*modle.py. Did you mean 'model.py'"):
        load_detector(model().replace("model", "modle") + ":faces")
    with pytest.raises(UsageError, match=r"has no 'face'. Did you mean 'faces'"):
        load_detector(f"{model()}:face")
    path = Path(model(FUNCTION, "a folder/m m.py"))
    monkeypatch.chdir(path.parent.parent)
    monkeypatch.setenv("HOME", str(path.parent.parent))
    for text in ("a folder/m m.py:faces", "~/a folder/m m.py:faces", "./a folder/../a folder/m m.py:faces"):
        assert package.detect(text, IMAGE).boxes.tolist() == BOX


def test_modules_beside_it_belong_to_their_own_model(model: Callable[..., str]) -> None:
    content = "from helper_of_own import SCORE\ndef faces(image):\n    return [[0, 0, 1, 1]], [SCORE]\n"
    files = [model(content, f"{folder}/model.py") for folder in ("one", "two")]
    model("SCORE = 0.25", "one/helper_of_own.py")
    model("SCORE = 0.75", "two/helper_of_own.py")
    scores = [package.detect(f"{file}:faces", IMAGE).scores.tolist() for file in (*files, *files)]
    assert scores == [[0.25], [0.75], [0.25], [0.75]]
    model("SCORE = 1.0", "one/helper_of_own.py")
    assert package.detect(f"{files[0]}:faces", IMAGE).scores.tolist() == [1.0], "it changed"
    assert sorted(load_file(files[0])[1]) == ["helper_of_own.py", "model.py"]


class Whole:
    info = DetectorInfo(name="whole", defaults=Settings(extra={"share": 0.5}))
    weights_sha256: str | None = None

    def __init__(self, *, settings: Settings | None = None, weights: Path | None = None) -> None:
        self.settings = settings or self.info.defaults

    def load(self) -> None:
        self.loaded = True

    def preprocess(self, image: Image) -> Prepared[Image]:
        assert self.loaded
        return Prepared(image, 1.0)

    def forward(self, prepared: Prepared[Image]) -> tuple[int, ...]:
        return prepared.data.shape

    def postprocess(self, outputs: Any, prepared: Prepared[Image]) -> Detections:
        share = float(self.settings.extra["share"])
        return Detections(np.array([[0, 0, outputs[1] * share, outputs[0] * share]]), np.array([0.5]))


def whole(image: Image, share: float = 0.5) -> tuple[list[list[float]], list[float]]:
    return [[0, 0, image.shape[1] * share, image.shape[0] * share]], [0.5]


@pytest.mark.parametrize("thing", [Whole, whole], ids=["class", "function"])
def test_python_takes_the_same_objects(thing: Any, tmp_path: Path) -> None:
    assert package.detect(thing, IMAGE).boxes.tolist() == BOX
    evaluation = package.run(
        thing, "sample", out=tmp_path / "run", limit=2, progress=False, settings={"share": 1.0}, workers=2
    )
    with open_run(tmp_path / "run") as run:
        assert run.identity.settings["extra"]["share"] == 1.0
        assert list(run.identity.code) == [thing.__name__]
        (width, height), found = run.sizes()[evaluation.detections.keys[0]], evaluation.detections[0]
    assert found.boxes.tolist() == [[0, 0, width, height]]
    record = package.time_detector(thing, sizes="original", settings={"share": 1.0}, count=1, min_time=0, min_count=2)
    assert record.settings["extra"]["share"] == 1.0
    assert record.code


def sample(sshbench: CommandLine, detector: str, out: Path, *options: object) -> tuple[int, str, str]:
    return sshbench("eval", "--dataset", "sample", "--limit", 3, "--detector", detector, "-o", out, "--json", *options)


def test_a_changed_file_is_another_run(sshbench: CommandLine, model: Callable[..., str], tmp_path: Path) -> None:
    spelling = f"{model()}:faces"
    assert sample(sshbench, spelling, tmp_path / "run")[0] == 0
    identity = json.loads((tmp_path / "run" / "identity.json").read_text())
    assert identity["detector"] == "faces"
    assert identity["spelling"] == spelling
    assert list(identity["code"]) == ["model.py"]
    model(FUNCTION + "# changed\n")
    code, _, err = sample(sshbench, spelling, tmp_path / "run")
    assert code == 1
    assert "code of model.py: '" in err
    with pytest.raises(IdentityError):
        package.run(spelling, "sample", limit=3, out=tmp_path / "run", progress=False)
    model()
    assert sample(sshbench, spelling, tmp_path / "run")[0] == 0, "the old text again"


def test_other_detectors_keep_the_keys_of_their_runs(tmp_path: Path) -> None:
    evaluation = package.run("haar", "sample", out=tmp_path, limit=1, settings={"resize": "90x120"}, progress=False)
    assert evaluation.folder is not None
    with open_run(evaluation.folder) as run:
        assert not {"code", "spelling"} & run.identity.key_fields().keys()


def test_two_models_of_one_name_do_not_mix(
    sshbench: CommandLine, model: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, share in (("one", 0.5), ("two", 0.25)):
        spelling = f"{model(FUNCTION.replace('0.5', str(share)), f'{folder}/model.py')}:faces"
        code, _, err = sshbench("eval", "--dataset", "sample", "--limit", 2, "--detector", spelling, "--json")
        assert code == 0, err
    assert len(list((tmp_path / "runs").glob("sample-faces-*"))) == 2


def test_every_command_takes_it(sshbench: CommandLine, model: Callable[..., str], tmp_path: Path) -> None:
    spelling = f"{model()}:faces"
    out = tmp_path / "run"
    code, _, err = sample(sshbench, spelling, out, "--workers", 2, "--set", "share=0.75")
    assert code == 0, err
    quick = ("--min-time", 0, "--min-count", 2, "--count", 2)
    code, _, err = sshbench("timing", "--run", out, "-o", tmp_path / "timings", *quick)
    assert code == 0, err
    (timed,) = (tmp_path / "timings").glob("*.json")
    assert json.loads(timed.read_text())["settings"]["extra"]["share"] == 0.75
    other = f"{model(FUNCTION.replace('0.5', '0.25'), 'two/model.py')}:faces"
    code, text, err = sshbench(
        "timing",
        "--detector",
        spelling,
        "--detector",
        other,
        "--sizes",
        "90x120",
        "-o",
        tmp_path / "t",
        "--json",
        *quick,
    )
    assert code == 0, err
    assert [record["detector"] for record in json.loads(text)["records"]] == ["faces", "faces"]
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == ["timing-faces-2.json", "timing-faces.json"]
    code, text, err = sshbench("detectors", "info", spelling, "--json")
    assert (code, json.loads(text)["settings"]["extra"]["share"]) == (0, 0.5), err
    photo = package.load_dataset("sample").with_images().image(0).path
    code, text, err = sshbench("detect", photo, "-o", tmp_path / "drawn", "--detector", spelling, "--json")
    assert (code, json.loads(text)["faces"]) == (0, 1), err
    shard = ("--shard", "1/2")
    code, text, err = sshbench("eval", "--dataset", "sample", "--detector", spelling, "-o", tmp_path / "s", *shard)
    assert code == 0, err
    code, text, err = sshbench("leaderboard", out, "--timing", timed, "-o", tmp_path / "board", "--json")
    assert code == 0, err
    assert "belongs to no run" not in text + err


def test_a_suite_takes_paths_from_its_own_folder(model: Callable[..., str], tmp_path: Path) -> None:
    model(FUNCTION, "models/model.py")
    model(FUNCTION.replace("0.5", "0.25"), "others/model.py")
    text = 'images = 0\n[[datasets]]\nname = "sample"\nlimit = 1\n'
    for folder in ("models", "others"):
        text += f'[[detectors]]\nname = "{folder}/model.py:faces"\n'
    (tmp_path / "suite.toml").write_text(text)
    outcome = package.run_suite(tmp_path / "suite.toml", progress=False)
    assert [result.error for result in outcome.results] == ["", ""]
    assert len({result.folder for result in outcome.results}) == 2


def test_another_process_finds_it_from_another_folder(model: Callable[..., str], tmp_path: Path) -> None:
    """What a cluster's worker does."""
    import pickle

    from sshbench.inference.spec import DetectorSpec

    model("import helper_beside\nfaces = helper_beside.faces")
    model(FUNCTION, "helper_beside.py")
    code = (
        "import os, pickle, sys\nfrom pathlib import Path\nfrom sshbench.inference.spec import DetectorSpec\n"
        "print(pickle.loads(sys.stdin.buffer.read()).make().info.name)"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        spec = DetectorSpec.of("model.py:faces", None, {"share": 0.25})
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(spec), capture_output=True, check=True)
    assert done.stdout.decode().strip() == "faces"


def test_a_worker_that_starts_later_does_not_take_a_changed_file(model: Callable[..., str]) -> None:
    from sshbench.inference.spec import DetectorSpec

    spec = DetectorSpec.of(f"{model()}:faces", None, {})
    assert spec.make().info.name == "faces"
    model(FUNCTION + "# changed\n")
    with pytest.raises(UsageError, match=r"model.py of detector .* is not what the run began with"):
        spec.make()


def test_a_file_beside_it_hides_no_library(sshbench: CommandLine, model: Callable[..., str], tmp_path: Path) -> None:
    model("raise RuntimeError('this is not the standard library')", "types.py")
    code, _, err = sample(sshbench, f"{model()}:faces", tmp_path / "run", "--workers", 2)
    assert code == 0, err


def test_a_changed_file_is_read_anew(model: Callable[..., str]) -> None:
    """A file changed within the same second, to the same length."""
    for share, expected in ((0.5, 30.0), (0.1, 6.0), (0.2, 12.0)):
        found = package.detect(f"{model(FUNCTION.replace('0.5', str(share)))}:faces", IMAGE)
        assert found.boxes[0, 2] == pytest.approx(expected)


def test_line_of_a_syntax_error(model: Callable[..., str]) -> None:
    with pytest.raises(InputError, match=r"model.py:3: invalid Python"):
        load_detector(f"{model('def faces(image):' + chr(10) + '    pass' + chr(10) + 'def broken(:')}:faces")


@pytest.mark.parametrize("name", ["faces", "Counted"])
def test_accuracy_and_latency_of_an_own_model_meet(model: Callable[..., str], tmp_path: Path, name: str) -> None:
    counted = CLASS.format(name="Counted").replace("class Faces", "class Counted").replace("faces = Faces()", "")
    counted += "    @classmethod\n    def input_pixels(cls, settings, width, height):\n        return width * height\n"
    spelled = f"{model(FUNCTION if name == 'faces' else counted)}:{name}"
    run = tmp_path / "run"
    package.run(spelled, "sample", out=run, limit=4)
    package.time_runs([run], count=2, min_time=0, min_count=2, out=tmp_path / "timings")
    choice = package.choose([run, tmp_path / "timings"], max_ms=1e6, scope="end-to-end")
    assert [one.chosen for one in choice.candidates] == [True], choice.notes
