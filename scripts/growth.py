"""Measure how time and memory grow with images and detections: `python scripts/growth.py --help`.

A set is written to a temporary folder, in WIDER's text format (a folder of files) or as COCO json, and evaluated in
processes of their own. Images are copies of a few drawn ones, so that writing is fast. A row of the table has the
processor seconds of the ground truth, of reading detections and of evaluating them; the elapsed seconds of the last
two; the peak memory; and the bytes that it rose by for each detection from the moment that the ground truth was there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCENES = 16  # drawn images, which the others repeat
FACES = 12  # per image
PROTOCOL = """name = "growth"
title = "Synthetic set"
version = 1
dataset = "{dataset}"
split = "val"
[layout]
annotation = ["truth{suffix}"]
[[subsets]]
name = "high"
min_height = 60
[[subsets]]
name = "every"
[evaluation]
{rules}
"""
RULES = {
    "wider": 'kind = "wider"\niou_threshold = 0.5\niou_arithmetic = "double"\nbox_convention = "inclusive"\n'
    'score_precision = "float32"\nthresholds = 1000\nap_rule = "wider"',
    "coco": 'kind = "coco"',
}
SUFFIX = {"wider": ".txt", "coco": ".json"}


def main() -> None:
    options = parse()
    if options.measure is not None:
        print(json.dumps(measure(options.format, options.set, options.measure)))
        return
    print("| format | images | detections | truth | reading | evaluation | elapsed | peak, MiB | bytes each |")
    print("|---|---|---|---|---|---|---|---|---|")
    for images in options.images:
        for detections in options.detections:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                WRITERS[options.format](Path(folder), images, detections)
                found = in_processes(options.format, Path(folder))
            spent = " | ".join(f"{found[name]:.2f}" for name in ("truth", "detections", "evaluation", "elapsed"))
            each = (found["peak"] - found["start"]) / detections
            row = f"| {options.format} | {images} | {detections} | {spent} | {found['peak'] / 2**20:.0f} | {each:.1f} |"
            print(row, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure time and memory of an evaluation on synthetic sets.")
    parser.add_argument("--format", choices=("wider", "coco"), default="wider")
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--detections", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--folder", help="where the sets are written; default: the folder for temporary files")
    parser.add_argument("--measure", choices=("truth", "evaluation"), help="measure in this process and print JSON")
    parser.add_argument("--set", type=Path, help="folder of the set to measure")
    return parser.parse_args()


def in_processes(form: str, folder: Path) -> dict[str, float]:
    """Load the ground truth in one process, which caches it where the format has a cache, and evaluate in another."""
    truth = run(form, folder, "truth")
    return {**run(form, folder, "evaluation"), "truth": truth["truth"]}


def run(form: str, folder: Path, part: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--format", form, "--measure", part, "--set", str(folder)]
    environment = {**os.environ, "SSHBENCH_CACHE": str(folder / "cache")}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(form: str, folder: Path, part: str) -> dict[str, float]:
    """Measure in this process: seconds by step, and bytes of memory when the ground truth is there and at the peak."""
    import psutil

    import sshbench
    from sshbench.evaluation.benchmarks import benchmark_named
    from sshbench.evaluation.core import evaluate_set
    from sshbench.evaluation.loading import load_predictions

    seconds: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = step()
        seconds[name] = time.process_time() - began
        return result

    protocol = sshbench.load_protocol(folder / "protocol.toml")
    dataset = timed("truth", lambda: sshbench.load_dataset(protocol, folder))
    start, began = psutil.Process().memory_info().rss, time.perf_counter()
    if part == "truth":
        return seconds
    path = folder / ("detections" if form == "wider" else "detections.json")
    found, _ = timed("detections", lambda: load_predictions(path, dataset, benchmark_named(form)))
    timed("evaluation", lambda: evaluate_set(found, dataset, protocol))
    return {**seconds, "elapsed": time.perf_counter() - began, "start": start, "peak": peak()}


def peak() -> int:
    """Largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def scenes(each: int) -> list[tuple[Any, Any]]:
    """Faces (x y w h) and detections (x y w h score, by falling score) of the drawn images."""
    import numpy as np

    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(SCENES):
        side = rng.choice([12, 40, 120], FACES)
        faces = np.column_stack((rng.integers(0, 900, (FACES, 2)), side, side + side // 4))
        near = faces[rng.integers(0, FACES, each)] + rng.integers(-4, 5, (each, 4))
        free = np.column_stack((rng.integers(0, 900, (each, 2)), rng.integers(8, 90, (each, 2))))
        boxes = np.where(rng.uniform(size=(each, 1)) < 0.2, near, free)
        drawn.append((faces, np.column_stack((boxes, np.sort(np.round(rng.uniform(size=each), 4))[::-1]))))
    return drawn


def shares(images: int, detections: int) -> int:
    """Detections per image."""
    if detections % images:
        raise SystemExit(f"{detections} detections cannot be shared by {images} images")
    return detections // images


def write_wider(folder: Path, images: int, detections: int) -> None:
    each = shares(images, detections)
    texts = [
        (
            f"{FACES}\n" + "".join(f"{x} {y} {w} {h} 0 0 0 0 0 0\n" for x, y, w, h in faces.tolist()),
            f"{each}\n" + "".join(f"{x:.0f} {y:.0f} {w:.0f} {h:.0f} {s:.4f}\n" for x, y, w, h, s in rows.tolist()),
        )
        for faces, rows in scenes(each)
    ]
    with (folder / "truth.txt").open("w") as truth:
        for image in range(images):
            event, name = f"{image // 1000}--Event", f"{image // 1000}_{image:06d}"
            if image % 1000 == 0:
                (folder / "detections" / event).mkdir(parents=True)
            faces, rows = texts[image % SCENES]
            truth.write(f"{event}/{name}.jpg\n{faces}")
            (folder / "detections" / event / f"{name}.txt").write_text(f"{name}\n{rows}")
    write_protocol(folder, "wider")


def write_coco(folder: Path, images: int, detections: int) -> None:
    each = shares(images, detections)
    drawn = scenes(each)
    texts = [
        [
            f'"category_id": 1, "bbox": [{x:.0f}, {y:.0f}, {w:.0f}, {h:.0f}], "score": {s:.4f}}}'
            for x, y, w, h, s in rows
        ]
        for rows in (rows.tolist() for _, rows in drawn)
    ]
    with (folder / "detections.json").open("w") as found:
        for image in range(images):
            entries = (f'{{"image_id": {image}, {text}' for text in texts[image % SCENES])
            found.write(("," if image else "[") + ",\n".join(entries))
        found.write("]")
    annotations = [
        {
            "id": image * FACES + n,
            "image_id": image,
            "category_id": 1,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
        }
        for image in range(images)
        for n, box in enumerate(drawn[image % SCENES][0].tolist())
    ]
    names = [{"id": image, "file_name": f"{image}.jpg", "width": 1024, "height": 1024} for image in range(images)]
    content = {"images": names, "annotations": annotations, "categories": [{"id": 1, "name": "face"}]}
    (folder / "truth.json").write_text(json.dumps(content))
    write_protocol(folder, "coco")


def write_protocol(folder: Path, form: str) -> None:
    text = PROTOCOL.format(dataset=form, suffix=SUFFIX[form], rules=RULES[form])
    (folder / "protocol.toml").write_text(text)


WRITERS = {"wider": write_wider, "coco": write_coco}

if __name__ == "__main__":
    main()
