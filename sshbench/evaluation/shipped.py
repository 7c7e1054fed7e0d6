"""The benchmarks that are shipped."""

from __future__ import annotations

from dataclasses import replace

from sshbench.evaluation.benchmarks import Benchmark
from sshbench.files import sample_dir
from sshbench.protocols import CocoEvaluation, FddbEvaluation, PascalEvaluation, WiderEvaluation

WIDER = Benchmark(
    name="wider",
    title="WIDER FACE",
    kind="wider",
    rules=WiderEvaluation,
    load="sshbench.datasets.wider:load",
    evaluate="sshbench.evaluators.wider:evaluate",
    predictions="a folder or zip of <event>/<image>.txt: a name, a count, then one row 'x y w h score' per detection",
    compared="AP/hard",
    shown_rule="iou_arithmetic",
    published="wider_val.csv",
    curves="pr",
    check_files="sshbench.datasets.wider:check_files",
)
FDDB = Benchmark(
    name="fddb",
    title="FDDB",
    kind="fddb",
    rules=FddbEvaluation,
    load="sshbench.datasets.fddb:load",
    evaluate="sshbench.evaluators.fddb:evaluate",
    predictions="a text file with one block per image: its name, a count, then rows 'x y w h score' or "
    "'major_radius minor_radius angle x y score'",
    text_format="fddb",
    headline=("TPR@1000/discrete", "TPR@1000/continuous"),
    compared="TPR@1000/discrete",
    shown_rule="matching",
    published="fddb.csv",
    curves="roc",
)
PASCAL = Benchmark(
    name="pascal",
    title="PASCAL Faces",
    kind="pascal",
    rules=PascalEvaluation,
    load="sshbench.datasets.pascal:load",
    evaluate="sshbench.evaluators.pascal:evaluate",
    predictions="a text file with one line per detection: 'image score x1 y1 x2 y2'",
    text_format="pascal",
    headline=("AP", "AP/iteration1"),
    published="pascal.csv",
    unknown_images_count=True,
)
COCO = Benchmark(
    name="coco",
    title="a COCO json with a category of faces",
    kind="coco",
    rules=CocoEvaluation,
    load="sshbench.datasets.coco:load",
    evaluate="sshbench.evaluators.coco:evaluate",
    predictions='a json list of {"image_id": ..., "category_id": ..., "bbox": [x, y, w, h], "score": ...}',
    text_format="coco",
    headline=("AP", "AP50", "AR", "AP/small", "AP/medium", "AP/large"),
)
YOLO = replace(
    COCO,
    name="yolo",
    title="images/ and labels/ in YOLO's layout",
    load="sshbench.datasets.yolo:load",
    label_problems="sshbench.datasets.yolo:label_problems",
)
OWN = replace(
    COCO,
    name="own",
    title="your own images, with an annotation in any format",
    load="sshbench.datasets.own:load",
    label_problems="sshbench.datasets.own:label_problems",
)
SAMPLE = replace(WIDER, name="sample", title="the bundled sample", published="", curves=None, bundled=sample_dir)
AFW = replace(PASCAL, name="afw", title="AFW", published="afw.csv")

SHIPPED = (
    WIDER,
    SAMPLE,
    FDDB,
    PASCAL,
    AFW,
    COCO,
    YOLO,
    OWN,
)
"""One record per benchmark, in the order in which they are listed."""
