"""The bundled sample in the layouts that users have: YOLO, COCO, a WIDER text list."""

from __future__ import annotations

import shutil
from pathlib import Path

import sshbench
from sshbench.formats.convert import Known, convert

COUNT = 5
"""Images taken from the sample."""


def yolo_coco_and_list(folder: Path) -> tuple[Path, Path, Path]:
    """Write five images of the sample as a YOLO dataset, a COCO folder and a text list beside `photos`; return all."""
    sample = sshbench.load_dataset("sample")
    yolo, coco, photos = folder / "my-faces", folder / "my-coco", folder / "photos"
    for place in (yolo / "images/val", coco / "val2017", photos):
        place.mkdir(parents=True)
    lines = []
    for image in sample[3:18:3]:
        assert image.path is not None
        for place in (yolo / "images/val", coco / "val2017", photos):
            shutil.copy(image.path, place / image.path.name)
        boxes = sample.faces[image.key].boxes.astype(int).tolist()
        lines += [image.path.name, str(len(boxes)), *(f"{x} {y} {u - x} {v - y} 0 0 0 0 0 0" for x, y, u, v in boxes)]
        lines += [] if boxes else ["0 0 0 0 0 0 0 0 0 0"]
    listed = folder / "my_bbx_gt.txt"
    listed.write_text("\n".join(lines) + "\n")
    (coco / "annotations").mkdir()
    truth = coco / "annotations/instances_val2017.json"
    convert(listed, truth, source_format="wider", target_format="coco", known=Known(images=photos))
    convert(truth, yolo / "labels/val", source_format="coco", target_format="yolo")
    return yolo, coco, listed
