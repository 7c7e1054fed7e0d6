"""Write the page of failures: one HTML file, a style sheet, a script, data, crops and images, all opened from disk."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

import sshbench
from sshbench.evaluation.metrics import percent
from sshbench.evaluation.result import Evaluation
from sshbench.files import atomic_file, write_atomic
from sshbench.protocols import FddbEvaluation
from sshbench.report.failures.data import Facets, Geometry, box_of, dumps, figure, height_of, item_data, script
from sshbench.report.failures.gather import Gathered, Need, gather
from sshbench.report.failures.items import KINDS, SUSPECTED, Item, items_of, kind_counts, ranked_images
from sshbench.report.failures.sprites import CELL, ROW, sheets, square_around
from sshbench.report.failures.view import RunView, axes_shown
from sshbench.report.page import environment
from sshbench.report.text import printable

PAGE = "failures.html"
ITEMS = 200
"""Items of each kind and run that are shown where nobody says otherwise."""
LIMIT = 25_000_000
"""Bytes that the files of one run may take."""
_RESERVE = 700_000  # page, style and script, and what estimates are off by
_ROW_BYTES = 420  # of an item in the table of the page
_TEMPLATES = Path(__file__).parents[1] / "templates"


@dataclass(frozen=True, slots=True)
class Row:
    """One item as the table shows it, all text."""

    run: str
    kind: str
    rank: int
    key: str
    box: str
    height: str
    score: str
    iou: str
    note: str
    others: str


@dataclass(frozen=True, slots=True, eq=False)
class RunPart:
    """What the page says and shows of one run.

    Attributes:
        view: The run.
        items: Those that fit.
        depth: Items of each kind that fit, where that are fewer than asked for; else None.
        counts: By kind, how many there are.
        source: Address of the data.
    """

    view: RunView
    items: list[Item]
    depth: int | None
    counts: dict[str, int]
    source: str


def write_failures(
    evaluations: Mapping[str, Evaluation], out: Path, most: int = ITEMS, *, limit: int = LIMIT
) -> tuple[Path, ...]:
    """Write the page of failures of one or more runs of the same protocol on the same images.

    Args:
        evaluations: By label of the run.
        out: Folder for `failures.html` and what it loads.
        most: Items of each kind and run.
        limit: Bytes that the files of a run may take; with more, fewer items are shown, and the page says so.

    Returns:
        The files, the page first.
    """
    views = [RunView.of(label, evaluation) for label, evaluation in evaluations.items()]
    facets = Facets(views[0], axes_shown(views))
    plans = [_Plan(views, run, most, facets) for run in range(len(views))]
    gathered = gather(
        views[0].evaluation.dataset, [plan.needs for plan in plans], [plan.geometry for plan in plans], limit - _RESERVE
    )
    _clear(out)
    pictures = {i: f"images/{_digest(views[0].subject.faces.keys[i])}.jpg" for i in gathered.decoded}
    files = [_write(out / name, gathered.decoded[i].jpeg) for i, name in pictures.items()]
    sizes = dumps([_size(views, gathered, i, pictures.get(i)) for i in gathered.images])
    parts = []
    for run, plan in enumerate(plans):
        part, written = plan.write(out, gathered, gathered.depths[run], sizes)
        parts.append(part)
        files += written
    for asset, sources in (("failures.css", ("style.css", "failures.css")), ("failures.js", ("failures.js",))):
        texts = [(_TEMPLATES / source).read_text(encoding="utf-8") for source in sources]
        files.append(write_atomic(out / asset, "".join(texts)))
    return (write_atomic(out / PAGE, _render(parts, most, bool(gathered.decoded), limit)), *files)


class _Plan:
    """What a run would show if there were no limit.

    Attributes:
        needs: By rank, what is shown.
        geometry: By image, its geometry as JSON, made when asked for.
    """

    def __init__(self, views: Sequence[RunView], run: int, most: int, facets: Facets) -> None:
        self._views, self._run, self._view, self._facets = views, run, views[run], facets
        self._items = items_of(views, run, most)
        self._described = [item_data(self._view, item, facets) for item in self._items]
        self.needs = _needs(self._view, self._items, self._described)
        self.geometry = Geometry(self._view)

    def write(self, out: Path, gathered: Gathered, depth: int, sizes: str) -> tuple[RunPart, list[Path]]:
        """Write crops and data of the items that fit, and return them with the files.

        Args:
            out: The page's folder.
            gathered: What fits.
            depth: Ranks of this run that fit.
            sizes: Sizes of the images that are shown, as JSON.
        """
        view, label = self._view, re.sub("[^A-Za-z0-9._-]+", "-", self._view.label)[:60]
        name = f"{self._run + 1}-{label}"
        numbers = {image: number for number, image in enumerate(gathered.images)}
        crops, shown, rows = _Crops(view, gathered), [], []
        for item, data in zip(self._items, self._described, strict=True):
            if item.rank < depth:
                shown.append(item)
                rows.append(dumps({**data, "image": numbers[item.image], **crops.add(item)}))
        files = [_write(out / f"crops/{name}-{k}.jpg", sheet) for k, sheet in enumerate(sheets(crops.crops))]
        content = {
            **_summary(view, name, self._facets, gathered),
            "images": "[" + ",\n".join(self.geometry[image] for image in gathered.images) + "]",
            "sizes": sizes,
            "items": "[" + ",\n".join(rows) + "]",
        }
        files.append(write_atomic(out / f"data-{name}.js", script(self._run, content)))
        is_short = depth < max((item.rank + 1 for item in self._items), default=0)
        counts = kind_counts(self._views, self._run)
        return RunPart(view, shown, depth if is_short else None, counts, f"data-{name}.js"), files


class _Crops:
    """The crops of a run, each once, in the order of its items."""

    def __init__(self, view: RunView, gathered: Gathered) -> None:
        self.crops: list[np.ndarray] = []
        self._view, self._decoded = view, gathered.decoded
        self._known: dict[tuple[int, tuple[int, int, int]], int] = {}

    def add(self, item: Item) -> dict[str, object]:
        """Return the square of an item, and the number of its crop, None where there is none."""
        square = square_around(box_of(self._view, item))
        if item.image not in self._decoded:
            return {"square": square, "crop": None}
        if (item.image, square) not in self._known:
            self._known[item.image, square] = len(self.crops)
            self.crops.append(self._decoded[item.image].crops[square])
        return {"square": square, "crop": self._known[item.image, square]}


def _needs(view: RunView, items: Sequence[Item], described: Sequence[Mapping[str, object]]) -> list[list[Need]]:
    """Return by rank what a run shows; images of the rankings come one with each rank."""
    ranked = ranked_images(view)
    depth = max((item.rank + 1 for item in items), default=0)
    needs: list[list[Need]] = [[] for _ in range(max(depth, len(ranked)))]
    for item, data in zip(items, described, strict=True):
        size = len(dumps(data)) + 60 + _ROW_BYTES + len(view.subject.faces.keys[item.image])
        needs[item.rank].append(Need(item.image, square_around(box_of(view, item)), size))
    for rank, image in enumerate(ranked):
        needs[rank].append(Need(image, None, 60))
    return needs


def _summary(view: RunView, name: str, facets: Facets, gathered: Gathered) -> dict[str, str]:
    scores = view.subject.detections.scores
    finite = scores[np.isfinite(scores)]
    right, false, missed = view.image_counts()
    ranking = [
        {
            "kind": "",
            "rank": number,
            "image": number,
            "missed": int(missed[image]),
            "false": int(false[image]),
            "right": int(right[image]),
            "influence": round(100 * float(np.nan_to_num(view.influence[image])), 4),
        }
        for number, image in enumerate(gathered.images)
    ]
    return {
        "label": dumps(view.label),
        "files": dumps(name),
        "threshold": dumps(figure(view.threshold)),
        "scores": dumps([figure(float(finite.min())), figure(float(finite.max()))] if len(finite) else [0, 1]),
        "cell": dumps([CELL, ROW]),
        "kinds": dumps([[kind.name, kind.title, kind.meaning, kind.colour] for kind in KINDS]),
        "facets": dumps([[facet.name, facet.parts] for facet in facets.all]),
        "ranking": dumps(ranking),
    }


def _size(views: Sequence[RunView], gathered: Gathered, image: int, picture: str | None) -> list[object]:
    """Return width, height and picture of an image; where nobody knows its size, boxes and their margin fit in."""
    if image in gathered.decoded:
        return [gathered.decoded[image].width, gathered.decoded[image].height, picture]
    faces = views[0].subject.faces
    if faces.sizes is not None:
        return [*faces.sizes[image].tolist(), None]
    boxes = [faces[image].boxes, *(view.subject.detections[image].boxes for view in views)]
    ends = np.nan_to_num(np.vstack([*boxes, [[0, 0, 100, 100]]])[:, 2:], posinf=0, neginf=0)
    return [*(min(int(1.05 * end), 20_000) for end in ends.max(axis=0)), None]


def _clear(out: Path) -> None:
    """Remove what an earlier page of failures left: a smaller one would not replace all of it."""
    if (out / PAGE).is_file():
        for pattern in ("data-[0-9]*.js", "crops/[0-9]*-*-*.jpg", "images/" + 16 * "[0-9a-f]" + ".jpg"):
            for file in out.glob(pattern):
                file.unlink()


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _write(path: Path, content: bytes) -> Path:
    with atomic_file(path, sync=False) as file:
        file.write(content)
    return path


def _render(parts: Sequence[RunPart], most: int, has_images: bool, limit: int) -> str:
    view = parts[0].view
    record = view.evaluation.record
    metric = view.subject.metric
    labels = [printable(part.view.label) for part in parts]
    text: str = (
        environment()
        .get_template("failures.html.j2")
        .render(
            parts=[(label, part) for label, part in zip(labels, parts, strict=True)],
            rows=[_row(part, item, labels) for part in parts for item in part.items],
            kinds=KINDS,
            suspected=SUSPECTED,
            protocol=view.evaluation.protocol,
            record=record,
            curve=view.subject.curve,
            metric=metric,
            figures=[percent(part.view.evaluation.record.metrics.get(metric)) for part in parts],
            most=most,
            megabytes=f"{limit / 1e6:g}",
            has_images=has_images,
            matches_anew=isinstance(view.evaluation.protocol.evaluation, FddbEvaluation),
            version=sshbench.__version__,
            quote=quote,
            infinity=math.inf,
        )
    )
    return text


def _row(part: RunPart, item: Item, labels: Sequence[str]) -> Row:
    view = part.view
    notes = {"cost": item.cost, "surprise": item.surprise}
    return Row(
        run=printable(view.label),
        kind=next(kind.title for kind in KINDS if kind.name == item.kind),
        rank=item.rank + 1,
        key=printable(view.subject.faces.keys[item.image]),
        box=" ".join(f"{value:.0f}" for value in box_of(view, item)),
        height=f"{height_of(view, item):.0f}",
        score="" if item.score is None else f"{item.score:.4g}",
        iou="" if item.iou is None else f"{item.iou:.3f}",
        note=", ".join(f"{name} {_shown(name, value)}" for name, value in notes.items() if value is not None),
        others=", ".join(labels[other] for other in item.others),
    )


def _shown(name: str, value: float) -> str:
    """Return a cost in hundredths of a point, and a recall in percent."""
    return f"{1e4 * value:.2f}" if name == "cost" else f"{100 * value:.0f} %"
