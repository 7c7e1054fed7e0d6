"""What the examples of the documentation find: a home folder with small datasets, and files made when one is named.

Examples are run as they stand, but for what would only take long: a detector that needs weights is the one inside the
package, and timings measure two passes of a small image.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy.io

import sshbench
from sshbench.archive import archive_runs
from sshbench.files import sample_dir
from sshbench.formats.convert import Known, convert
from sshbench.formats.wider import write_wider
from sshbench.images import read_image
from sshbench.records import Detections
from tests.datasets.own_sets import yolo_coco_and_list
from tests.detectors.graphs.maker import boxes_scores, constant_net

GOLDEN = Path(__file__).parents[1] / "golden"
ROOT = Path(__file__).parents[2]
IMAGES = ("0--Portrait/0_Portrait_sample_0_1", "5--Empty/5_Empty_sample_5_1")
NAMES = {"0--Portrait": "0--Parade", "0_Portrait_sample_0_1": "0_Parade_marchingband_1_20"}
"""Names of the sample, and the names of WIDER FACE that examples use."""
NEED_WEIGHTS = {"yunet": "ssh-tiny", "centerface": "haar", "s3fd-mobilenetv2": "ssh-tiny"}
"""Detectors of the examples that need a download, and those that take their place."""
SPELLING = r"^onnx:|:\w+$"
"""What stands before or behind the file of a detector of one's own."""
SUITE = """images = 1
[[detectors]]
name = "haar"
settings = [{ resize = "120x160" }, { resize = "160x200" }]
[[datasets]]
name = "sample"
limit = 1
"""
TINY_RECIPE = """name = "tiny"
architecture = "ssh-tiny"
[data]
dataset = "wider"
annotation = ["my_bbx_gt.txt"]
images = ["photos"]
[input]
crop = 64
[optimiser]
iterations = 1
batch = 1
"""
Call = Callable[..., tuple[int, str, str]]


def renamed(text: str) -> str:
    """Return a name or text of the sample as it stands in WIDER FACE."""
    for old, new in NAMES.items():
        text = text.replace(old, new)
    return text


class World:
    """A home folder, and a working folder of a page in it.

    Attributes:
        home: Has WIDER, FDDB, AFW, PASCAL and own datasets.
        work: Where the examples of a page run.
        ran: The commands that ran, word by word.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._stock = home / "stock"
        self._stock.mkdir(parents=True)
        self.work = home / "work"
        self.ran: set[tuple[str, ...]] = set()
        _wider(home / "WIDER")
        _fddb(home / "FDDB", self._stock / "fddb.txt")
        _table(home / "AFW", "afw", "afw_new.csv", self._stock / "afw.txt")
        _table(home / "PASCAL", "pascal", "new.csv", self._stock / "pascal.txt")
        yolo_coco_and_list(self._stock)
        shutil.copytree(self._stock / "my-faces", home / "my-faces")
        self._predictions()
        self._files()
        for name in ("mine", "faces"):
            (home / name).symlink_to(home / "WIDER")

    def _predictions(self) -> None:
        """Write predictions as a zip, YOLO's labels and COCO's results, and two runs."""
        truth = sshbench.load_dataset("wider", self.home / "WIDER")
        rng = np.random.default_rng(0)
        found = {}
        for key, faces in zip(truth.keys, truth.faces, strict=True):
            boxes = np.asarray(faces.boxes) + rng.normal(0, 0.5, (len(faces.boxes), 4))
            found[key] = (boxes, np.linspace(0.99, 0.2, len(boxes)))
        for name, left_out in (("detections", 0), ("theirs", 1)):
            kept = ((key, Detections(boxes[left_out:], scores[left_out:])) for key, (boxes, scores) in found.items())
            write_wider(self._stock / f"{name}.zip", kept)
            sshbench.evaluate("wider", self._stock / f"{name}.zip", data=self.home / "WIDER", out=self._stock / name)
        sizes = {
            renamed(one.key): read_image(one.path).shape[1::-1] for one in sshbench.load_dataset("sample") if one.path
        }
        (self._stock / "sizes.txt").write_text("".join(f"{key} {w} {h}\n" for key, (w, h) in sizes.items()))
        known = Known(sizes=sizes)
        source, target = self._stock / "detections.zip", self._stock / "labels"
        convert(source, target, source_format="wider", target_format="yolo", detections=True, known=known)
        sshbench.run("haar", "wider", data=self.home / "WIDER", out=self._stock / "detected")
        coco = self._stock / "my-coco/annotations/instances_val2017.json"
        shutil.copy(coco, self._stock / "annotations.json")
        rows = json.loads(coco.read_text())["annotations"]
        results = [{**{name: row[name] for name in ("image_id", "category_id", "bbox")}, "score": 0.9} for row in rows]
        (self._stock / "results.json").write_text(json.dumps(results))

    def _files(self) -> None:
        """Write files of other kinds that examples name."""
        stock, measured = self._stock, ROOT / "results/measured"
        fold, images = self.home / "FDDB/FDDB-folds/FDDB-fold-01-ellipseList.txt", self.home / "FDDB/originalPics"
        convert(fold, stock / "fddb.json", source_format="fddb", target_format="coco", known=Known(images=images))
        shutil.copytree(sample_dir() / "WIDER_val/images", stock / "WIDER_val/images")
        for file in (sample_dir() / "wider_face_split").iterdir():
            shutil.copy(file, stock)
        for name in ("my.toml", "mine.toml"):
            shutil.copy(ROOT / "protocols/wider.toml", stock / name)
        for name in ("haar", "yunet"):
            shutil.copy(measured / f"intel-xeon-2-cores/timing-{name}.json", stock / f"{name}.json")
        (stock / "suite.toml").write_text(SUITE)
        (stock / "tiny.toml").write_text(TINY_RECIPE)
        (stock / "model.py").write_text("def faces(image):\n    return [[0, 0, *image.shape[1::-1]]], [0.5]\n")
        shutil.copy(
            Path(sshbench.__file__).parent / "ssh/trained/ssh-tiny.safetensors", stock / "ssh-vgg16.safetensors"
        )
        outputs, _ = boxes_scores(640, 480)
        constant_net(stock / "model.onnx", outputs, [1, 3, "height", "width"])
        archive_runs([stock / "detections"], stock / "archived", with_detections=True)
        for name in ("wider-fit-640x480", "amd-epyc-2-cores/of-runs-fit-640x480"):
            shutil.copytree(measured / name, stock / "results/measured" / name)
        for name in ("wider-fit-640x480", "afw"):
            shutil.copytree(measured / name, stock / "runs" / name)
        shutil.copytree(measured / "amd-epyc-2-cores/of-runs-fit-640x480", stock / "timings")

    def enter(self, page: str) -> None:
        """Give a page an empty working folder."""
        self.work = self.home / "pages" / page
        self.work.mkdir(parents=True)

    def provide(self, words: Sequence[str], made: Sequence[str]) -> None:
        """Put the files that a command names into the working folder, unless they are there, or it makes them."""
        for word in words:
            path = self.work / re.sub(SPELLING, "", word)
            known = path.exists() and path.name != "detections.txt"  # which has a form for each benchmark
            if word.startswith(("-", "/", "~")) or word in made or known or "*" in word:
                continue
            if make := self._maker(word.rstrip("/"), words):
                path.parent.mkdir(parents=True, exist_ok=True)
                make(path)

    def _maker(self, word: str, words: Sequence[str]) -> Callable[[Path], object] | None:
        """Return what makes a file or folder of this name."""
        name = Path(word).name
        if word == "results/mine":
            return lambda path: shutil.copytree(self._stock / "archived/detections", path)
        if word.startswith("runs/"):
            run = "detections" if name.endswith(("mine", "new", "yunet")) else "theirs"
            return lambda path: shutil.copytree(self._stock / ("detected" if words[0] == "timing" else run), path)
        if name == "detections.txt":
            benchmark = next((one for one in ("fddb", "afw", "pascal") if one in " ".join(words)), "fddb")
            return lambda path: shutil.copy(self._stock / f"{benchmark}.txt", path)
        if name.endswith(".zip"):
            return lambda path: shutil.copy(self._stock / "detections.zip", path)
        if name == "faces":
            return lambda path: path.symlink_to(self._stock if words[0] == "train" else self.home / "WIDER")
        stocked = self._stock / re.sub(SPELLING, "", word)
        if stocked.is_dir():
            return lambda path: shutil.copytree(stocked, path)
        return (lambda path: shutil.copy(stocked, path)) if stocked.is_file() else None


def adapted(words: Sequence[str], home: Path) -> list[str]:
    """Return a command with what would only take long made short."""
    new = [NEED_WEIGHTS.get(word, word).replace("~", str(home)) for word in words]
    if "--detector" in new and new[:3] == ["eval", "--dataset", "sample"]:
        new += ["--limit", "2"]
    if new[0] == "eval" and "haar" in new:
        new += ["--set", "scale_factor=1.5"]  # fewer sizes
    if "s3fd-wider" in new:
        new += ["--resize", "original"]
    if new[0] == "train":
        new[new.index("--config") + 1] = "tiny.toml"
    if new[0] == "timing" and new[1:2] != ["plot"]:
        if "--sizes" in new:
            new[new.index("--sizes") + 1] = "120x160,160x200"
        elif "--run" not in new:
            new += ["--sizes", "120x160"]
        new += ["--min-time", "0", "--min-count", "2", "--count", "1", "--threads", "1"]
        new = [word.replace("timing-yunet", "timing-ssh-tiny") for word in new]
    return new


def _wider(folder: Path) -> None:
    """Write the sample in WIDER's layout, with a name of WIDER's own, and two of its images."""
    for part in ("ground_truth", "wider_face_split"):
        (folder / part).mkdir(parents=True)
        for source in (sample_dir() / part).iterdir():
            if source.suffix == ".txt":
                (folder / part / source.name).write_text(renamed(source.read_text()))
            else:
                content = {k: v for k, v in scipy.io.loadmat(source).items() if not k.startswith("__")}
                scipy.io.savemat(
                    folder / part / source.name, {name: _renamed(value) for name, value in content.items()}
                )
    keys = [renamed(image) for image in IMAGES]
    (folder / "wider_face_split/wider_face_test_filelist.txt").write_text(f"{keys[0]}.jpg\n")
    for image, key in zip(IMAGES, keys, strict=True):
        for part in ("WIDER_val", "WIDER_test"):
            _picture(image, folder / part / "images" / f"{key}.jpg")


def _picture(image: str, target: Path, height: float = 1.0) -> None:
    """Write an image of the sample at half of its size, or the upper part of it."""
    pixels = read_image(sample_dir() / "WIDER_val/images" / f"{image}.jpg")[::2, ::2]
    target.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(target), pixels[: int(height * len(pixels))])


def _renamed(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == object:
        new = np.empty_like(value)
        for index in np.ndindex(value.shape):
            new[index] = _renamed(value[index])
        return new
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return np.array([renamed(str(one)) for one in value.ravel()]).reshape(value.shape)
    return value


def _fddb(folder: Path, predictions: Path) -> None:
    (folder / "FDDB-folds").mkdir(parents=True)
    image, key = folder / "originalPics/2002/08/11/big/img_591.jpg", "2002/08/11/big/img_591"
    _picture(IMAGES[0], image, height=0.8)
    (folder / "FDDB-folds/FDDB-fold-01-ellipseList.txt").write_text(f"{key}\n1\n40 30 1.5 118 100  1\n")
    predictions.write_text(f"{key}\n1\n84 60 68 80 0.98\n")


def _table(folder: Path, golden: str, annotation: str, predictions: Path) -> None:
    (folder / "images").mkdir(parents=True)
    shutil.copy(GOLDEN / golden / annotation, folder)
    if golden == "afw":
        shutil.copy(GOLDEN / golden / "anno2.mat", folder)
    _picture(IMAGES[0], folder / "images/made_2012_000.jpg", height=0.5)
    packed = sorted((GOLDEN / golden / "detections").glob("*.gz"))[0]
    predictions.write_bytes(gzip.decompress(packed.read_bytes()))
