"""Detectors by name, and the files they need."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from sshbench.detectors import registry, weights
from sshbench.detectors.built_in import BUILT_IN
from sshbench.detectors.contract import Detector
from sshbench.detectors.registry import detector_info, load_detector, names
from sshbench.detectors.weights import find_weights, locate_weights, weights_file
from sshbench.errors import DownloadError, InputError, MissingDataError, UsageError

FILE = "face_detection_yunet_2023mar.onnx"


def test_built_in_detectors() -> None:
    assert {"haar", "yunet"} <= set(names())
    for name in ("haar", "yunet"):
        info = detector_info(name)
        assert info.name == name
        assert info.licence
        assert info.training_data
        assert info.defaults_source
    assert isinstance(load_detector("haar"), Detector)


def test_detectors_are_written_once() -> None:
    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert registry.GROUP not in project["project"].get("entry-points", {})
    for name, target in BUILT_IN.items():
        assert detector_info(name).name == name, target


INSIDE = "sshbench.detectors."


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def test_modules_form_no_circle() -> None:
    """Imports inside functions and for type checkers count too."""
    folder = Path(registry.__file__).parent
    files = {_module(path.relative_to(folder)): path for path in folder.rglob("*.py")}
    names = files.keys() - {"__init__"}
    imports: dict[str, set[str]] = {}
    for name in names:
        tree = ast.parse(files[name].read_text(encoding="utf-8"))
        found = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        inside = {module.removeprefix("sshbench.detectors.") for module in found if module.startswith(INSIDE)}
        imports[name] = inside & names
        assert "sshbench.detectors" not in found, "the public face imports everything"
    assert len(tuple(TopologicalSorter(imports).static_order())) == len(names)  # a circle raises CycleError


def test_listing_loads_nothing_heavy() -> None:
    code = (
        "import sys; from sshbench.detectors import registry; registry.names(); registry.detector_info('yunet'); "
        "print([m for m in ('cv2', 'onnxruntime', 'torch', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_names_and_settings() -> None:
    with pytest.raises(UsageError, match="Did you mean 'haar'"):
        load_detector("harr")
    with pytest.raises(UsageError, match="no setting 'colour'"):
        load_detector("haar", colour="red")
    with pytest.raises(UsageError, match="no NMS threshold"):
        load_detector("haar", nms_iou=0.5)


def test_settings_override_the_published_ones() -> None:
    detector = load_detector("haar", resize="480x640", score_threshold=1.5, min_neighbors=4)
    assert detector.settings.as_dict() == {
        "resize": "480x640",
        "score_threshold": 1.5,
        "nms_iou": None,
        "top_k": None,
        "extra": {"scale_factor": 1.1, "min_neighbors": 4, "min_size": 10},
    }


def test_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("theirs", "sshbench.detectors.haar:HaarCascade", registry.GROUP),
        EntryPoint("haar", "nowhere:Shadow", registry.GROUP),
        EntryPoint("broken", "no_such_module:X", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    assert names() == sorted({*BUILT_IN, "broken", "theirs"})
    assert type(load_detector("theirs")).__name__ == "HaarCascade"
    assert type(load_detector("haar")).__name__ == "HaarCascade", "a plug-in replaced a built-in detector"
    with pytest.raises(UsageError, match=r"'broken' \(no_such_module:X\) is broken"):
        load_detector("broken")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no folders named by the environment."""
    monkeypatch.setenv("SSHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SSHBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("SSHBENCH_OFFLINE", "1")
    return tmp_path


def test_search_order(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"weights"
    entry = weights.WeightsFile(FILE, hashlib.sha256(content).hexdigest(), len(content), "", "", "http://x")
    monkeypatch.setattr(weights, "weights_file", lambda _: entry)
    with pytest.raises(MissingDataError, match=r"SSHBENCH_OFFLINE.*add that folder to SSHBENCH_WEIGHTS"):
        find_weights(FILE)
    assert locate_weights(FILE) is None
    places = [folders / "cache" / "weights", folders / "second", folders / "first"]
    monkeypatch.setenv("SSHBENCH_WEIGHTS", f"{folders / 'first'}:{folders / 'second'}")
    for place in places:  # each goes before the one before it
        place.mkdir(parents=True, exist_ok=True)
        (place / FILE).write_bytes(content)
        assert find_weights(FILE) == place / FILE


def test_another_file_of_the_name_is_refused(folders: Path) -> None:
    (folders / "cache" / "weights").mkdir(parents=True)
    (folders / "cache" / "weights" / FILE).write_bytes(b"something else")
    with pytest.raises(InputError, match=f"expected {weights_file(FILE).sha256}"):
        find_weights(FILE)


def test_a_failed_download_says_where_to_put_the_file(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSHBENCH_OFFLINE")

    def fail(*_: object, **__: object) -> Path:
        raise DownloadError("no network")

    monkeypatch.setattr("sshbench.download.download_file", fail)
    with pytest.raises(MissingDataError, match=r"no network.*https://.*SSHBENCH_WEIGHTS"):
        find_weights(FILE)


def test_the_users_own_file(folders: Path) -> None:
    with pytest.raises(MissingDataError, match="--weights"):
        find_weights(FILE, folders / "absent.onnx")
    (folders / "mine.onnx").write_bytes(b"x")
    assert find_weights(FILE, folders / "mine.onnx") == folders / "mine.onnx"
    (folders / FILE).write_bytes(b"x")
    with pytest.raises(InputError, match=r"1 bytes; expected .* give it another name"):
        find_weights(FILE, folders / FILE)


def test_shared_weights_are_the_published_ones(shared: Path) -> None:
    content = (shared / "weights" / FILE).read_bytes()
    entry = weights_file(FILE)
    assert (len(content), hashlib.sha256(content).hexdigest()) == (entry.bytes, entry.sha256)
