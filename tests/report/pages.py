"""Every page that sshbench writes, built from runs whose names attack it, and from committed ones."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.io import loadmat, savemat

import sshbench
from sshbench.evaluation.loading import load_dataset
from sshbench.files import sample_dir
from sshbench.formats.wider import write_wider
from sshbench.published import ImportedCurve
from sshbench.published.store import store
from sshbench.records import Detections, DetectionSet
from sshbench.report.build import build_report
from sshbench.report.leaderboard import Leaderboard
from sshbench.report.leaderboard_collect import collect
from sshbench.report.leaderboard_files import write_leaderboard
from sshbench.report.leaderboard_page import page as page_of
from sshbench.ssh_paper import measuring
from sshbench.ssh_paper.check import check_claims
from sshbench.ssh_paper.page import build_paper
from sshbench.timing.record import TimingRecord
from tests.analysis.sets import GOLDEN
from tests.ssh_paper.fakes import Fake

MEASURED = Path(__file__).parents[2] / "results" / "measured"
OF_RUNS = MEASURED / "amd-epyc-2-cores" / "of-runs"
ON_WIDER = ("centerface", "faceboxes", "mtcnn", "s3fd-mobilenetv2", "ssd-res10", "ssh-tiny", "yunet")
ON_FDDB = ("faceboxes", "haar", "yunet")

NASTY = "<img src=x onerror=hacked=1>&\"'\u2028\u202e]]><!--"
"""The name of a run that attacks."""
MARK = "\N{SNOWMAN}"
"""Begins each name that attacks, so that what is left of one can be found."""
DETECTOR = f"{MARK}</script><x-y><img src=x onerror=hacked=1>\"'&\0\u2028\u202e]]><!--"
OTHER = f"{MARK}'><svg onload=hacked=1>\" onfocus=hacked=1 \u202e\u2028&lt;\0"
EVENT = f"{MARK}<x-y onclick=hacked=1>\"'&\u2028\u202e--><"  # with the slash after it and FILE, it ends a script
FOLDERS = [re.sub("[/\0]", "", name) for name in (DETECTOR, OTHER)]
FILE = f"script>{MARK}<img src=x onerror=hacked=1>\"'&#60;\u2028\u202e"


def attacked_sample(folder: Path) -> Path:
    """Copy the bundled sample, with names of events and files that attack; an event's name and a file's make a tag."""
    shutil.copytree(sample_dir(), folder)
    for event in (folder / "WIDER_val" / "images").iterdir():
        for image in event.iterdir():
            image.rename(image.with_name(FILE + image.name))
        event.rename(event.with_name(event.name + EVENT))
    for path in (folder / "ground_truth").glob("*.mat"):
        content = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
        for cell in content["event_list"]:
            cell[0] = np.array([cell[0][0] + EVENT])
        for (files,) in content["file_list"]:
            for cell in files:
                cell[0] = np.array([FILE + cell[0][0]])
        savemat(path, content)
    return folder


def found_in(data: Path | None, shift: float, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return detections on the sample: each face, some of them badly placed, and false ones of all scores."""
    sample, rng = load_dataset("sample", data), np.random.default_rng(seed)
    found = {}
    for key, faces in zip(sample.keys, sample.faces, strict=True):
        sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
        moved = faces.boxes + np.tile(shift * sides * rng.normal(size=sides.shape), 2)
        boxes = np.vstack((moved[rng.uniform(size=len(moved)) < 0.9], rng.uniform(0, 300, (3, 2)) @ _SQUARE + _SIDES))
        found[key] = (boxes, np.round(rng.uniform(0.1, 1, len(boxes)), 3))
    return found


def perfect(noise: int = 0) -> DetectionSet:
    """Detections on every face of the sample, and `noise` false ones in each image."""
    rng = np.random.default_rng(5)
    sample = load_dataset("sample")
    images = []
    for key, faces in zip(sample.keys, sample.faces, strict=True):
        false = np.tile([700.0, 500.0, 720.0, 520.0], (noise, 1))
        boxes = np.vstack((faces.boxes, false))
        images.append((key, Detections(boxes, np.round(rng.uniform(0.1, 1, len(boxes)), 3))))
    return DetectionSet.from_images(images)


def make_run(folder: Path, name: str, detections: DetectionSet, **request: Any) -> Path:
    packed = folder / f"{name}.zip"
    write_wider(packed, zip(detections.keys, detections, strict=True))
    sshbench.evaluate("sample", packed, out=folder / name, **request)
    return folder / name


_SQUARE, _SIDES = np.array([[1.0, 0, 1, 0], [0, 1, 0, 1]]), np.array([0.0, 0, 40, 40])


def attacked_runs(folder: Path) -> list[Path]:
    """Return two runs of the sample by detectors whose names attack, in folders whose names do."""
    data = attacked_sample(folder / "data")
    runs = []
    for detector, name, shift in zip((DETECTOR, OTHER), FOLDERS, (0.05, 0.2), strict=True):
        runs.append(folder / name)
        sshbench.evaluate("sample", found_in(data, shift, 3), data=data, detector=detector, out=runs[-1])
    return runs


def board() -> Leaderboard:
    """Collect committed runs and timings on two datasets."""
    runs = [MEASURED / "wider" / name for name in ON_WIDER] + [MEASURED / "fddb" / name for name in ON_FDDB]
    timings = [OF_RUNS / f"timing-wider-{name}.json" for name in ON_WIDER]
    timings += [OF_RUNS / f"timing-fddb-{name}.json" for name in ("faceboxes", "yunet")]
    return collect(runs, timings, comparisons=[MEASURED / "wider/comparison.json"])


def _attacked(folder: Path) -> None:
    """Report and failures of two runs of the sample, and what a notebook and a paper show of them."""
    runs = attacked_runs(folder)
    build_report(runs, folder / "report", images_per_run=2, failures=4, figures=("svg",))
    result = sshbench.evaluate("sample", runs[0], data=folder / "data")
    timing = TimingRecord.load(OF_RUNS / "timing-wider-yunet.json").model_copy(update={"detector": DETECTOR})
    shown: list[Any] = [result, result.dataset, sshbench.explain(result.detections, dataset=result.dataset), timing]
    parts = [one._repr_html_() for one in shown] + [sshbench.table(runs, format="html", replicates=100)]
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Notebook</title>'
    (folder / "notebook.html").write_text(head + "\n".join(parts), encoding="utf-8")


def _board_of_names(folder: Path) -> None:
    """A leaderboard of committed runs whose detectors got other names, licences and training data."""
    runs, timings = [], []
    for old, new in (("yunet", DETECTOR), ("centerface", OTHER)):
        for source in (MEASURED / "wider" / old / "identity.json", OF_RUNS / f"timing-wider-{old}.json"):
            target = folder / old / source.name
            if source.name == "identity.json":
                runs.append(shutil.copytree(source.parent, target.parent))
                (target.parent / "analysis.json").unlink(missing_ok=True)
            else:
                timings.append(target)
            target.write_text(json.dumps({**json.loads(source.read_text()), "detector": new}))
    rows = collect(runs, timings)
    for row in rows.rows:
        row.licence, row.training_data, row.title = f"MIT {OTHER}", OTHER, OTHER
    (folder / "index.html").write_text(page_of(rows, note=OTHER), encoding="utf-8")


def _paper(folder: Path) -> None:
    """The SSH paper's page: imported curves, claims, timings, and committed runs whose detectors got other names."""
    ends = np.array([[1.0, 0.0], [0.9, 0.5], [0.2, 1.0]])
    results = folder / "results"
    with (
        patch.dict(os.environ, SSHBENCH_CACHE=str(folder / "cache")),
        patch.object(measuring, "run_interleaved", Fake()),
    ):
        store("wider", [ImportedCurve("SSH", "val", name, ends, 0.8, "file") for name in ("easy", "hard")])
        check_claims(results / "claims", sizes="400x800")
        for old, new in (("yunet", DETECTOR), ("centerface", OTHER), ("mtcnn", "ssh")):
            target = results / old / "identity.json"
            shutil.copytree(MEASURED / "wider" / old, target.parent)
            (target.parent / "analysis.json").unlink(missing_ok=True)
            target.write_text(json.dumps({**json.loads(target.read_text()), "detector": new}))
        build_paper(folder / "page", on=[results])


def _measured(folder: Path) -> None:
    write_leaderboard(board(), folder)


def _fddb(folder: Path) -> None:
    """A report of one run, with rates over false positives and figures of folds."""
    sshbench.evaluate("fddb", GOLDEN / "fddb/detections/ordinary.txt.gz", data=GOLDEN / "fddb", out=folder / "run")
    build_report([folder / "run"], folder / "report", figures=())


BUILDERS: Mapping[str, Callable[[Path], None]] = MappingProxyType(
    {
        "attacked": _attacked,
        "fddb": _fddb,
        "measured": _measured,
        "board of names": _board_of_names,
        "paper": _paper,
    }
)
"""By name, what builds pages in a folder."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and what the tests do with it.

    Attributes:
        group: What builds it (`BUILDERS`).
        file: Its path in that folder.
        scripts: How many it has.
        address: What follows the path.
        script: Expression that brings more of the page to the screen.
        names: Names that attack and are shown: `DETECTOR`, `OTHER`, `EVENT`, `FILE`.
    """

    group: str
    file: str
    scripts: int
    address: str = ""
    script: str = ""
    names: tuple[str, ...] = ()


_OPEN = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
_POINT = "sshbenchReport.figures.forEach((one) => one.point(500))"
_FOCUS = "document.getElementById('p0-1').focus()"
_DETECTORS = (DETECTOR, OTHER)
_ALL = (DETECTOR, OTHER, EVENT, FILE)
STYLED: Mapping[str, Page] = MappingProxyType(
    {
        "report": Page("attacked", "report/index.html", 3, script=f"{_OPEN}; {_POINT}", names=(*_ALL, *FOLDERS)),
        "report of FDDB": Page("fddb", "report/index.html", 3, script=f"{_OPEN}; {_POINT}"),
        "failures": Page("attacked", "report/failures.html", 3, script=_OPEN, names=_ALL),
        "failures, an item": Page("attacked", "report/failures.html", 3, "#_open=0.background.0", names=_ALL),
        "failures, images": Page("attacked", "report/failures.html", 3, "#_view=images", names=_ALL),
        "leaderboard": Page("measured", "index.html", 1, script=_FOCUS),
        "leaderboard of names": Page("board of names", "index.html", 1, script=_FOCUS, names=_DETECTORS),
        "SSH paper": Page("paper", "page/index.html", 1, script=_OPEN, names=_DETECTORS),
    }
)
"""Pages with our style, and what may be opened on them."""
PAGES: Mapping[str, Page] = MappingProxyType(
    {
        **STYLED,
        "notebook": Page("attacked", "notebook.html", 0, names=_DETECTORS),
        "curve": Page("attacked", "report/pr-hard.svg", 0),
    }
)
"""Every page, with what a notebook or a browser shows of other results."""
