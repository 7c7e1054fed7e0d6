"""The benchmarks that are shipped."""

from __future__ import annotations

from sshbench.evaluation.benchmarks import Benchmark
from sshbench.files import sample_dir
from sshbench.protocols import CocoEvaluation, FddbEvaluation, PascalEvaluation, WiderEvaluation

_WIDER_FILES = "a folder or zip of <event>/<image>.txt: a name, a count, then one row 'x y w h score' per detection"
_PASCAL_FILES = "a text file with one line per detection: 'image score x1 y1 x2 y2'"

SHIPPED = (
    Benchmark(
        name="wider",
        title="WIDER FACE",
        kind="wider",
        rules=WiderEvaluation,
        load="sshbench.datasets.wider:load",
        evaluate="sshbench.evaluators.wider:evaluate",
        predictions=_WIDER_FILES,
        compared="AP/hard",
        shown_rule="iou_arithmetic",
        published="wider_val.csv",
        curves="pr",
        check_files="sshbench.datasets.wider:check_files",
    ),
    Benchmark(
        name="sample",
        title="the bundled sample",
        kind="wider",
        rules=WiderEvaluation,
        load="sshbench.datasets.wider:load",
        evaluate="sshbench.evaluators.wider:evaluate",
        predictions=_WIDER_FILES,
        compared="AP/hard",
        shown_rule="iou_arithmetic",
        bundled=sample_dir,
        check_files="sshbench.datasets.wider:check_files",
    ),
    Benchmark(
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
    ),
    Benchmark(
        name="pascal",
        title="PASCAL Faces",
        kind="pascal",
        rules=PascalEvaluation,
        load="sshbench.datasets.pascal:load",
        evaluate="sshbench.evaluators.pascal:evaluate",
        predictions=_PASCAL_FILES,
        text_format="pascal",
        headline=("AP", "AP/iteration1"),
        published="pascal.csv",
        unknown_images_count=True,
    ),
    Benchmark(
        name="afw",
        title="AFW",
        kind="pascal",
        rules=PascalEvaluation,
        load="sshbench.datasets.pascal:load",
        evaluate="sshbench.evaluators.pascal:evaluate",
        predictions=_PASCAL_FILES,
        text_format="pascal",
        headline=("AP", "AP/iteration1"),
        published="afw.csv",
        unknown_images_count=True,
    ),
    Benchmark(
        name="coco",
        title="a COCO json with a category of faces",
        kind="coco",
        rules=CocoEvaluation,
        load="sshbench.datasets.coco:load",
        evaluate="sshbench.evaluators.coco:evaluate",
        predictions='a json list of {"image_id": ..., "category_id": ..., "bbox": [x, y, w, h], "score": ...}',
        text_format="coco",
        headline=("AP", "AP50", "AR", "AP/small", "AP/medium", "AP/large"),
    ),
)
"""One record per benchmark, in the order in which they are listed."""
