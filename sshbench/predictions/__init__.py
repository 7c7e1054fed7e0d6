"""Reading and writing files of detections, one module per format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sshbench.errors import CheckFailedError
from sshbench.records import DetectionSet, Finding


def format_of(path: Path, kind: str) -> str:
    """The format a file of detections is in: `wider`, `fddb`, `pascal` or `coco`.

    A folder or a zip is in WIDER FACE's format, a json file in COCO's, and a text file in that of the benchmark.

    Args:
        path: The file or folder.
        kind: The protocol's kind of evaluation.

    >>> format_of(Path("results.json"), "wider"), format_of(Path("dets.txt.gz"), "fddb")
    ('coco', 'fddb')
    """
    if path.name.removesuffix(".gz").endswith(".json"):
        return "coco"
    if path.is_dir() or path.suffix == ".zip":
        return "wider"
    return kind


def read_text_predictions(
    format_: str,
    path: Path,
    keys: Sequence[str],
    *,
    image_ids: Mapping[int | str, str] | None = None,
    strict: bool = False,
) -> tuple[DetectionSet, list[Finding]]:
    """Read one file that holds the detections of all images.

    Args:
        format_: `fddb`, `pascal` or `coco`.
        path: The file.
        keys: Image keys of the dataset, in order.
        image_ids: Keys by the ids of the dataset's COCO json.
        strict: Raise instead of reporting what was found.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line or an entry is wrong; the text names it.
        CheckFailedError: `strict`, and there was something to report.
    """
    if format_ == "fddb":
        from sshbench.predictions.fddb import read_fddb

        detections, findings = read_fddb(path, keys)
    elif format_ == "coco":
        from sshbench.predictions.coco import read_coco_results

        detections, findings = read_coco_results(path, keys, image_ids)
    else:
        from sshbench.predictions.pascal import read_pascal

        detections, findings = read_pascal(path, keys)
    if strict and findings:
        listed = "; ".join(f"{finding.code}: {finding}" for finding in findings)
        raise CheckFailedError(f"strict mode: {path}: {listed}", remedy="Mend the file or use --lenient")
    return detections, findings
