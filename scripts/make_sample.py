"""Compose the bundled sample dataset: the same sources give the same scenes, byte for byte.

    python scripts/make_sample.py --sources DIR --out sshbench/datasets/sample_data

DIR holds the files of SOURCES, under their own names; they come out of two wheels:

    pip download --no-deps scikit-image==0.26.0 matplotlib==3.11.2
    unzip -j '*.whl' 'skimage/data/*' 'matplotlib/mpl-data/sample_data/grace_hopper.jpg' -d DIR

Scenes are made of two portraits (both official photographs of the U.S. government) cut out softly, scaled, turned,
blurred, darkened or half hidden on backgrounds without people. They show that the pipeline works; nothing more.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

SEED = 20170810
JPEG_QUALITY = 82

# sha256 of each source; licence and origin of each are in NOTICE.
SOURCES = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "grace_hopper.jpg": "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    "brick.png": "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "grass.png": "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    "gravel.png": "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
    "hubble_deep_field.jpg": "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
}
BACKGROUNDS = [
    "brick.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "rocket.jpg",
]

# Subsets in WIDER's manner: nested, by height and how hard a face is to see.
EASY_HEIGHT, MEDIUM_HEIGHT, HARD_HEIGHT = 50, 30, 10


@dataclass(frozen=True)
class Portrait:
    """A source photograph: its face box (x, y, w, h) and the ellipse of the head (centre, semi-axes), in pixels."""

    file: str
    face: tuple[float, float, float, float]
    head: tuple[float, float, float, float]


PORTRAITS = [
    Portrait("astronaut.png", (178, 63, 90, 113), (226, 108, 74, 96)),
    Portrait("grace_hopper.jpg", (181, 120, 172, 214), (262, 196, 112, 176)),
]


@dataclass(frozen=True)
class Face:
    """One annotated face, with WIDER's attribute codes."""

    box: tuple[int, int, int, int]
    blur: int = 0
    expression: int = 0
    illumination: int = 0
    invalid: int = 0
    occlusion: int = 0
    pose: int = 0

    def row(self) -> tuple[int, ...]:
        return (*self.box, self.blur, self.expression, self.illumination, self.invalid, self.occlusion, self.pose)

    def counts_in(self, subset: str) -> bool:
        height = self.box[3]
        heavy = (self.blur == 2) + (self.occlusion == 2)
        if self.invalid:
            return False
        if subset == "easy":
            return height >= EASY_HEIGHT and heavy == 0
        if subset == "medium":
            return height >= MEDIUM_HEIGHT and heavy <= 1
        return height >= HARD_HEIGHT


@dataclass
class Scene:
    """A picture in the making."""

    event: str
    name: str
    image: np.ndarray
    faces: list[Face] = field(default_factory=list)
    taken: list[tuple[float, float, float]] = field(default_factory=list)


class Studio:
    """Sources, random numbers, and the steps that make a scene."""

    def __init__(self, sources: Path) -> None:
        self.rng = np.random.default_rng(SEED)
        self.photos = {name: read_checked(sources / name, digest) for name, digest in SOURCES.items()}
        self.scenes: list[Scene] = []

    def background(self, file: str, width: int, height: int) -> np.ndarray:
        """A part of a background photograph, larger or smaller than it was, a little blurred and dimmed."""
        photo = self.photos[file]
        scale = max(width / photo.shape[1], height / photo.shape[0]) * self.rng.uniform(1.0, 1.3)
        large = cv2.resize(
            photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        x = int(self.rng.integers(0, large.shape[1] - width + 1))
        y = int(self.rng.integers(0, large.shape[0] - height + 1))
        part = cv2.GaussianBlur(large[y : y + height, x : x + width], (0, 0), 1.6)
        gain = self.rng.uniform(0.6, 0.9)
        return np.clip(part * gain + 20, 0, 255).astype(np.uint8)

    def scene(self, event: str, file: str, width: int = 800, height: int = 600) -> Scene:
        number = sum(scene.event == event for scene in self.scenes) + 1
        prefix = event.replace("--", "_")
        made = Scene(event, f"{prefix}_sample_{event.split('--')[0]}_{number}", self.background(file, width, height))
        self.scenes.append(made)
        return made

    def place(
        self, scene: Scene, height: float, *, turn: float = 0.0, blur: int = 0, dark: bool = False, hide: int = 0
    ) -> None:
        """Paste a head with a face of `height` pixels where there is room for it."""
        portrait = PORTRAITS[int(self.rng.integers(len(PORTRAITS)))]
        flip = bool(self.rng.integers(2))
        angle = float(np.deg2rad(self.rng.uniform(-turn, turn)))
        scale = height / portrait.face[3]
        reach = max(portrait.head[2], portrait.head[3]) * scale
        spot = self.free_spot(scene, reach)
        if spot is None:
            raise SystemExit(f"no room for a face of {height:.0f} px in {scene.name}: change the scene or the seed")
        box = self.paste(scene, portrait, scale, angle, flip, spot, blur, dark)
        scene.taken.append((*spot, reach))
        if hide:
            self.hide(scene, box, hide)
        pose = int(abs(np.rad2deg(angle)) > 10)
        scene.faces.append(Face(box, blur=blur, illumination=int(dark), occlusion=hide, pose=pose))

    def free_spot(self, scene: Scene, reach: float) -> tuple[float, float] | None:
        rows, columns = scene.image.shape[:2]
        margin = reach * 1.02
        for _ in range(4000):
            x, y = self.rng.uniform(margin, columns - margin), self.rng.uniform(margin, rows - margin)
            if all(np.hypot(x - a, y - b) > 0.95 * (reach + r) for a, b, r in scene.taken):
                return float(x), float(y)
        return None

    def paste(
        self,
        scene: Scene,
        portrait: Portrait,
        scale: float,
        angle: float,
        flip: bool,
        spot: tuple[float, float],
        blur: int,
        dark: bool,
    ) -> tuple[int, int, int, int]:
        """Paste the head with its centre at `spot`; return the tight box of the face's ellipse there."""
        photo = self.photos[portrait.file]
        cx, cy, ax, ay = portrait.head
        mask = np.zeros(photo.shape[:2], np.float32)
        cv2.ellipse(mask, (round(cx), round(cy)), (round(ax), round(ay)), 0, 0, 360, 1.0, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), 0.05 * ax)
        if scale < 1:  # what warpAffine would alias away
            photo = cv2.GaussianBlur(photo, (0, 0), 0.4 / scale)
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        mirror = -1.0 if flip else 1.0
        matrix = np.array([[mirror * cos, -sin, 0.0], [mirror * sin, cos, 0.0]])
        matrix[:, 2] = np.array(spot) - matrix[:, :2] @ np.array([cx, cy])
        size = (scene.image.shape[1], scene.image.shape[0])
        head = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR)[:, :, None]
        x, y, w, h = portrait.face
        if dark:
            head = (head * 0.4).astype(np.uint8)
        merged = (scene.image * (1 - alpha) + head * alpha).astype(np.uint8)
        if blur:
            soft = cv2.GaussianBlur(merged, (0, 0), max(0.6, h * scale * (0.018, 0.045)[blur - 1]))
            merged = (merged * (1 - alpha) + soft * alpha).astype(np.uint8)
        scene.image = merged
        centre = matrix[:, :2] @ np.array([x + w / 2, y + h / 2]) + matrix[:, 2]
        half_w = np.hypot(w / 2 * cos, h / 2 * sin)
        half_h = np.hypot(w / 2 * sin, h / 2 * cos)
        return round(centre[0] - half_w), round(centre[1] - half_h), round(2 * half_w), round(2 * half_h)

    def hide(self, scene: Scene, box: tuple[int, int, int, int], degree: int) -> None:
        """Cover a part of the face: 25 % of it (partial) or 45 % (heavy), from below or from a side."""
        x, y, w, h = box
        share = (0.25, 0.45)[degree - 1]
        if self.rng.integers(2):
            part = (x - w // 4, round(y + h * (1 - share)), w + w // 2, round(h * share) + h // 3)
        else:
            part = (round(x + w * (1 - share)), y - h // 6, round(w * share) + w // 4, h + h // 3)
        left, top = max(part[0], 0), max(part[1], 0)
        right, bottom = min(part[0] + part[2], scene.image.shape[1]), min(part[1] + part[3], scene.image.shape[0])
        scene.image[top:bottom, left:right] = self.background("gravel.png", right - left, bottom - top)

    def smudge(self, scene: Scene) -> None:
        """A face too small to be one (6 px): annotated as invalid, as WIDER does."""
        spot = self.free_spot(scene, 12)
        if spot is not None:
            box = self.paste(scene, PORTRAITS[0], 6 / PORTRAITS[0].face[3], 0.0, False, spot, 0, False)
            scene.taken.append((*spot, 12))
            scene.faces.append(Face(box, blur=2, invalid=1))

    def whole(self, scene: Scene, portrait: Portrait) -> None:
        """The scene is the photograph itself, scaled to the scene's height."""
        photo = self.photos[portrait.file]
        scale = scene.image.shape[0] / photo.shape[0]
        scene.image = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        x, y, w, h = (round(value * scale) for value in portrait.face)
        scene.faces.append(Face((x, y, w, h)))


def compose(studio: Studio) -> None:
    """The 24 scenes, in order."""
    rng = studio.rng
    for portrait, height in ((PORTRAITS[0], 500), (PORTRAITS[1], 560)):
        studio.whole(studio.scene("0--Portrait", "brick.png", 640, height), portrait)
    for file, height in (("coffee.png", 250), ("rocket.jpg", 200)):
        studio.place(studio.scene("0--Portrait", file), height, turn=8)
    for i, file in enumerate(("grass.png", "brick.png", "chelsea.png", "rocket.jpg", "gravel.png")):
        scene = studio.scene("1--Group", file)
        for height in sorted(rng.uniform(45, 115, 4 + i % 3), reverse=True):
            studio.place(scene, float(height), turn=15)
    for i, file in enumerate(("brick.png", "hubble_deep_field.jpg", "grass.png", "gravel.png")):
        scene = studio.scene("2--Crowd", file)
        for height in sorted(np.geomspace(12, 44, 22 + 3 * i) * rng.uniform(0.95, 1.05), reverse=True):
            studio.place(scene, float(height), turn=10)
        studio.smudge(scene)
        studio.smudge(scene)
    for i, file in enumerate(("coffee.png", "brick.png", "rocket.jpg", "grass.png")):
        scene = studio.scene("3--Blur", file)
        for k, height in enumerate(sorted(rng.uniform(35, 130, 4), reverse=True)):
            studio.place(scene, float(height), turn=8, blur=1 + (i + k) % 2, dark=(i + k) % 4 == 3)
    for i, file in enumerate(("chelsea.png", "gravel.png", "coffee.png", "hubble_deep_field.jpg")):
        scene = studio.scene("4--Occlusion", file)
        for k, height in enumerate(sorted(rng.uniform(40, 140, 4), reverse=True)):
            studio.place(scene, float(height), turn=6, hide=(i + k) % 3)
    for file in ("chelsea.png", "coffee.png", "hubble_deep_field.jpg"):
        studio.scene("5--Empty", file)


def write(studio: Studio, out: Path) -> None:
    """Images, the text list and the four .mat files in WIDER FACE's layout."""
    lines: list[str] = []
    for scene in studio.scenes:
        path = out / "WIDER_val" / "images" / scene.event / f"{scene.name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        path.write_bytes(cv2.imencode(".jpg", scene.image, quality)[1].tobytes())
        rows = [face.row() for face in scene.faces]
        # WIDER writes one row of zeros for an image without faces.
        shown = rows or [(0,) * 10]
        lines += [f"{scene.event}/{scene.name}.jpg", str(len(rows))]
        lines += [" ".join(map(str, row)) + " " for row in shown]
    split = out / "wider_face_split"
    split.mkdir(parents=True, exist_ok=True)
    (split / "wider_face_val_bbx_gt.txt").write_text("\n".join(lines) + "\n")
    truth = out / "ground_truth"
    truth.mkdir(parents=True, exist_ok=True)
    write_mat(truth / "wider_face_val.mat", mat_content(studio.scenes))
    for subset in ("easy", "medium", "hard"):
        write_mat(
            truth / f"wider_{subset}_val.mat", {**mat_content(studio.scenes), "gt_list": counted(studio.scenes, subset)}
        )


def mat_content(scenes: list[Scene]) -> dict[str, np.ndarray]:
    events = list(dict.fromkeys(scene.event for scene in scenes))
    by_event = [[scene for scene in scenes if scene.event == event] for event in events]
    names = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
    content = {
        "event_list": cells([np.array(event) for event in events]),
        "file_list": cells([cells([np.array(scene.name) for scene in group]) for group in by_event]),
        "face_bbx_list": cells(
            [cells([np.array([f.box for f in s.faces], np.int32).reshape(-1, 4) for s in group]) for group in by_event]
        ),
    }
    for name in names:
        content[f"{name}_label_list"] = cells(
            [
                cells([np.array([getattr(f, name) for f in s.faces], np.uint8).reshape(-1, 1) for s in group])
                for group in by_event
            ]
        )
    return content


def counted(scenes: list[Scene], subset: str) -> np.ndarray:
    """1-based indices of the faces that count, by event and image."""
    events = list(dict.fromkeys(scene.event for scene in scenes))
    return cells(
        [
            cells(
                [
                    np.array([i + 1 for i, f in enumerate(s.faces) if f.counts_in(subset)], np.uint8).reshape(-1, 1)
                    for s in scenes
                    if s.event == event
                ]
            )
            for event in events
        ]
    )


def cells(values: list[np.ndarray]) -> np.ndarray:
    column = np.empty((len(values), 1), dtype=object)
    for i, value in enumerate(values):
        column[i, 0] = value
    return column


def write_mat(path: Path, content: dict[str, np.ndarray]) -> None:
    savemat(path, content, do_compression=True)
    data = bytearray(path.read_bytes())
    # The first 116 bytes are free text, into which the time of writing goes.
    data[:116] = b"MATLAB 5.0 MAT-file, sshbench sample dataset".ljust(116)
    path.write_bytes(data)


def read_checked(path: Path, digest: str) -> np.ndarray:
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise SystemExit(f"{path} is not the source it should be: sha256 {found}, expected {digest}")
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, required=True, help="folder with the files named in SOURCES")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the dataset to")
    arguments = parser.parse_args()
    studio = Studio(arguments.sources)
    compose(studio)
    write(studio, arguments.out)
    faces = [face for scene in studio.scenes for face in scene.faces]
    counts = {name: sum(face.counts_in(name) for face in faces) for name in ("easy", "medium", "hard")}
    sys.stdout.write(f"{len(studio.scenes)} scenes, {len(faces)} faces, counted {counts}\n")


if __name__ == "__main__":
    main()
