"""The page of failures: which items, how many bytes, and a page that names from files cannot break."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench.analysis.error_types import FALSE_TYPES, REASON_NAMES, TYPE_NAMES
from sshbench.datasets import Dataset
from sshbench.evaluation.api import evaluate
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluation.result import Evaluation
from sshbench.protocols import load_protocol
from sshbench.records import FaceSet, offsets_of
from sshbench.report.build import build_report
from sshbench.report.failures import page as page_module
from sshbench.report.failures.data import dumps
from sshbench.report.failures.items import KINDS, MISSED, items_of, ranked_images
from sshbench.report.failures.page import write_failures
from sshbench.report.failures.sprites import cut, sheets, square_around
from sshbench.report.failures.view import RunView
from tests.analysis.sets import CASES, GOLDEN
from tests.report.browser import Browser

NASTY = "</script><img src=x onerror=alert(1)>&\"'\u2028\u202e\x00é"

# Faces of the small set, by image: x, y, w, h. The last one is ignored.
FACES = {
    "1--one/a": [(10, 10, 40, 40), (100, 10, 40, 40), (200, 10, 40, 40), (300, 10, 40, 40), (500, 10, 90, 90)],
    "1--one/b": [(10, 10, 40, 40), (22, 10, 40, 40), (200, 100, 60, 60)],
    "2--two/c": [(50, 50, 80, 80), (300, 300, 60, 60)],
}
IGNORED = 9
FOUND = {
    "1--one/a": [
        (10, 10, 40, 40, 0.9),  # right
        (14, 10, 40, 40, 0.8),  # duplicate of it
        (120, 10, 40, 40, 0.94),  # near the second face: badly placed
        (200, 10, 40, 40, 0.1),  # would find the third face, but scores low
        (320, 10, 40, 40, 0.1),  # near the fourth face, and scores low
        (400, 200, 30, 30, 0.95),  # background
        (10, 300, 30, 30, 0.3),  # background
        (500, 10, 90, 80, 0.92),  # right
    ],
    "1--one/b": [
        (12, 10, 40, 40, 0.96),  # overlaps two faces and finds the first, which it is nearer to
        (400, 300, 50, 50, 0.2),  # background
    ],
    "2--two/c": [
        (50, 50, 80, 75, 0.97),  # right
        (340, 300, 60, 60, 0.6),  # near the ignored face
    ],
}
"""x, y, w, h, score. Best F1 is at 0.9."""


def small(found: Mapping[str, Sequence[Sequence[float]]] = FOUND, keys: Mapping[str, str] | None = None) -> Evaluation:
    """Evaluate detections on the small set, which has no images."""
    named = {key: (keys or {}).get(key, key) for key in FACES}
    boxes = [np.array(rows, dtype=np.float64) for rows in FACES.values()]
    flat = np.vstack([np.column_stack((rows[:, :2], rows[:, :2] + rows[:, 2:])) for rows in boxes])
    ignored = np.arange(len(flat)) == IGNORED
    faces = FaceSet(
        keys=tuple(named.values()),
        offsets=offsets_of([len(rows) for rows in boxes]),
        boxes=flat,
        ignore={"easy": np.ones_like(ignored), "medium": ignored, "hard": ignored},
        attributes={"blur": np.zeros(len(flat), dtype=np.int8)},
    )
    dataset = Dataset(
        name="sample",
        split="val",
        root=Path("nowhere"),
        faces=faces,
        source_hash="0",
        image_root=None,
        suffix=".jpg",
        total_images=len(faces),
        all_keys=faces.keys,
    )
    detections = {}
    for key, rows in found.items():
        table = np.array(rows, dtype=np.float64).reshape(-1, 5)
        detections[named[key]] = (np.column_stack((table[:, :2], table[:, :2] + table[:, 2:4])), table[:, 4])
    return evaluate(dataset, detections, protocol=load_protocol("sample"))


def view(found: Mapping[str, Sequence[Sequence[float]]] = FOUND) -> RunView:
    return RunView.of("own", small(found))


def script_data(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="ascii")
    head, _, rest = text.partition(" = ")
    assert re.fullmatch(r"var sshbenchRun\d+", head)
    assert rest.endswith(";\n")
    data: dict[str, Any] = json.loads(rest[:-2])
    return data


@pytest.fixture(scope="module")
def sample() -> Evaluation:
    """Evaluate a detector that finds every second face of the bundled sample, and invents some."""
    dataset = load_dataset("sample")
    found = {}
    for key, faces in zip(dataset.keys, dataset.faces, strict=True):
        boxes = np.vstack((faces.boxes[::2], [[400.0, 300.0, 440.0, 350.0], [0.0, 0.0, 30.0, 30.0]]))
        found[key] = (boxes, np.linspace(0.9, 0.2, len(boxes)))
    return evaluate("sample", found)


@pytest.fixture(scope="module")
def page(sample: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of two runs of the sample, with images."""
    dataset = load_dataset("sample")
    other = evaluate(
        "sample",
        {key: (faces.boxes, np.full(len(faces), 0.5)) for key, faces in zip(dataset.keys, dataset.faces, strict=True)},
    )
    return write_failures({"half": sample, "all": other}, tmp_path_factory.mktemp("failures"))[0]


def test_items_and_their_order_by_hand() -> None:
    own = view()
    assert own.threshold == 0.9
    items = items_of([own], 0, 10)
    shown = [(item.kind, item.rank, item.detection, item.face) for item in items]
    assert shown == [
        ("background", 0, 5, -1),  # scores .95 and costs most
        ("background", 1, 6, -1),  # costs as much as the next one, and scores higher
        ("background", 2, 9, -1),
        ("localisation", 0, 2, 1),
        ("localisation", 1, 4, 3),
        ("duplicate", 0, 1, 0),
        ("on-ignored", 0, 11, 9),
        ("missed-score", 0, -1, 2),
        ("missed-taken", 0, -1, 6),
        ("missed-localisation", 0, -1, 1),
        ("missed-low", 0, -1, 3),
        ("missed-nothing", 0, -1, 7),
        ("right", 0, 7, 4),
        ("right", 1, 8, 5),
        ("right", 2, 10, 8),
        ("right", 3, 0, 0),
    ]
    costs = [item.cost for item in items if item.kind == "background"]
    assert costs[0] is not None
    assert costs[1] == costs[2]
    assert costs[0] > own.costs[6] > 0
    assert {item.rank for item in items_of([own], 0, 1)} == {0}


def test_every_type_and_reason_is_a_kind() -> None:
    kinds = [kind.name for kind in KINDS]
    assert {TYPE_NAMES[code] for code in FALSE_TYPES} < set(kinds)
    assert [name for name in kinds if name.startswith(MISSED)] == [MISSED + reason for reason in REASON_NAMES[1:]]
    assert set(kinds) - {item.kind for item in items_of([view()], 0, 10)} == {"suspected"}  # needs precision .99


def test_surprising_misses_come_first_and_few_faces_fall_back_to_their_height() -> None:
    own = view()
    # Heights of the counted faces: seven of 40 px, of which two are found, and one each of 60, 80 and 90 px.
    assert own.surprise[[2, 3]].tolist() == [2 / 7] * 2
    own = replace(own, surprise=np.arange(10.0), reasons=np.where(own.reasons, 5, 0).astype(np.int8))
    missed = [item.face for item in items_of([own], 0, 10) if item.kind == "missed-nothing"]
    assert missed == [7, 6, 3, 2, 1]


def test_suspected_annotations_that_two_runs_share_come_first() -> None:
    other = {key: [list(row) for row in rows] for key, rows in FOUND.items()}
    del other["1--one/a"][5]  # the background detection of .95
    other["1--one/a"][5][4] = 0.93  # the other one, which its run keeps
    views = [replace(view(found), sure=0.25) for found in (FOUND, other)]
    found = [item for item in items_of(views, 0, 10) if item.kind == "suspected"]
    assert [(item.detection, item.others) for item in found] == [(6, (1,)), (5, ())]


def test_runs_share_faces_that_both_miss_and_false_detections_at_iou_half() -> None:
    other = {**FOUND, "1--one/a": [(100, 10, 40, 40, 0.99), (410, 200, 30, 30, 0.98), (10, 10, 40, 40, 0.97)]}
    views = [view(), view(other)]
    items = {(item.kind, item.rank): item.others for item in items_of(views, 0, 10)}
    assert items["background", 0] == (1,)  # IoU exactly .5
    assert items["background", 1] == ()
    assert items["missed-localisation", 0] == ()  # the other run finds the second face
    assert items["missed-score", 0] == (1,)
    assert items["right", 0] == ()  # the other run misses that face
    assert items["right", 3] == (1,)


def test_images_are_ranked_by_errors_and_by_harm() -> None:
    own = view()
    assert ranked_images(own) == [0, 1]  # the third image has no error, and helps the figure
    right, false, missed = (counts.tolist() for counts in own.image_counts())
    assert (right, false, missed) == ([2, 1, 1], [2, 0, 0], [3, 2, 0])


def test_crops_keep_place_and_scale() -> None:
    image = np.zeros((100, 200, 3), dtype=np.uint8)
    image[40:60, 90:110] = 255
    square = square_around([90, 40, 110, 60])
    assert square == (76, 26, 48)
    crop = cut(image, square)
    assert crop[64, 64].tolist() == [255] * 3
    assert crop[64, 10].tolist() == [0] * 3
    assert cut(image, square_around([-500, -500, -400, -400])).min() == 128  # outside: grey
    assert cut(image, (150, 50, 100))[100, 100].tolist() == [128] * 3
    assert cut(image, square_around([float("nan"), -1e300, float("inf"), 1e300])).shape == (128, 128, 3)
    assert len(sheets([crop] * 65)) == 2


def test_files_and_data(page: Path, sample: Evaluation) -> None:
    folder = page.parent
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {
        "failures.html",
        "failures.css",
        "failures.js",
        "data-1-half.js",
        "data-2-all.js",
        "crops/1-half-0.jpg",
    } <= names
    data = script_data(folder / "data-1-half.js")
    assert all((folder / picture).is_file() for _, _, picture in data["sizes"])
    assert len({key["key"] for key in data["images"]}) == len(data["images"]) == len(data["sizes"])
    crops = {item["crop"] for item in data["items"]}
    assert crops == set(range(len(crops)))
    for item in data["items"]:
        assert len(item["parts"]) == len(data["facets"])
    # At the threshold, what the script counts from the data is what the evaluator says.
    fates = sample.outcome.fates(min_score=sample.outcome.best_f1_score())
    right, missed = int(fates.right.sum()), int(fates.missed.sum())
    assert len(data["images"]) == len(sample.dataset)
    kept = [row for image in data["images"] for row in image["detections"] if row[4] >= data["threshold"]]
    assert sum(row[5] == 1 for row in kept) == right
    assert sum(face[4] for image in data["images"] for face in image["faces"]) == right + missed


class Text(HTMLParser):
    """Collects the cells of the table, and what the page loads or links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href", "action", "data", "poster")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag == "td":
            self._in_cell = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data


def test_page_loads_only_its_own_files_and_reads_without_scripts(page: Path) -> None:
    text = page.read_text()
    parsed = Text(text)
    assert parsed.loads == ["failures.css", "data-1-half.js", "data-2-all.js", "failures.js"]
    assert "http" not in text.replace("https://www.w3.org", "")
    script = (page.parent / "failures.js").read_text()
    assert len(script.encode()) <= 20_480
    for word in ("fetch(", "XMLHttpRequest", "getImageData", "toDataURL", "toBlob", "innerHTML", "import ", "http"):
        assert word not in script
    assert "url(" not in (page.parent / "failures.css").read_text()
    titles = {kind.name: kind.title for kind in KINDS}
    rows = [tuple(parsed.cells[-10 * n :][:10]) for n in range(text.count("<tr><td><bdi>"), 0, -1)]
    items = [
        (data["label"], item, data["images"][item["image"]]["key"])
        for data in (script_data(page.parent / name) for name in parsed.loads[1:3])
        for item in data["items"]
    ]
    assert len(rows) == len(items) > 20
    for row, (label, item, key) in zip(rows, items, strict=True):
        assert row[:4] == (label, titles[item["kind"]], str(item["rank"] + 1), key)
        assert (float(row[6]) if row[6] else None) == (
            None if item["score"] is None else pytest.approx(item["score"], rel=1e-3)
        )


def test_names_from_files_are_text(tmp_path: Path) -> None:
    keys = {"1--one/a": f"{NASTY}/a", "2--two/c": f"2--two/{NASTY}"}
    page = write_failures({NASTY: small(keys=keys), "b": small(keys=keys)}, tmp_path)[0]
    text = page.read_text(encoding="utf-8")
    parsed = Text(text)
    assert "img" not in parsed.tags
    assert parsed.tags.count("script") == 3
    assert "\x00" not in text
    assert any(NASTY.replace("\x00", "\ufffd") in cell for cell in parsed.cells)
    scripts = sorted(tmp_path.glob("data-*.js"))
    assert [re.fullmatch(r"data-\d-[A-Za-z0-9._-]+\.js", path.name) is not None for path in scripts] == [True, True]
    assert all(
        set(load) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_ACDEFGHIJKLMNOPQRSTUVWXYZ") for load in parsed.loads
    )
    for path in scripts:
        raw = path.read_bytes()
        assert not set(b"<>&\x00") & set(raw)
        assert max(raw) < 128
    data = script_data(scripts[0])
    assert data["label"] == NASTY
    assert f"{NASTY}/a" in {image["key"] for image in data["images"]}


def test_data_cannot_end_its_script() -> None:
    text = dumps({"</script>": ["<!--", "\u2028", NASTY, "\udcff"]})
    assert not set("<>&\u2028\x00") & set(text)
    assert json.loads(text) == {"</script>": ["<!--", "\u2028", NASTY, "\udcff"]}


def test_too_large_files_hold_fewer_items_and_say_so(sample: Evaluation, page: Path, tmp_path: Path) -> None:
    whole = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file())
    limit = 700_000 + 200_000  # the reserve, and some
    assert whole > limit - 700_000
    files = write_failures({"half": sample}, tmp_path, limit=limit)
    assert sum(path.stat().st_size for path in files) < limit
    data = script_data(tmp_path / "data-1-half.js")
    depth = 1 + max(item["rank"] for item in data["items"])
    assert f"<bdi>half</bdi>: {depth} of each type, instead of 200" in files[0].read_text()
    assert "instead of 200" not in page.read_text()
    # A smaller page leaves nothing of a larger one behind.
    again = write_failures({"half": sample}, tmp_path, most=1)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(again)


def test_without_images_boxes_lie_on_blank_ones(tmp_path: Path) -> None:
    page = write_failures({"own": small()}, tmp_path)[0]
    assert "<strong>No images.</strong>" in page.read_text()
    assert not list(tmp_path.rglob("*.jpg"))
    data = script_data(tmp_path / "data-1-own.js")
    assert {item["crop"] for item in data["items"]} == {None}
    sizes = {image["key"]: size for image, size in zip(data["images"], data["sizes"], strict=True)}
    assert sizes["1--one/a"] == [619, 346, None]  # 1.05 of the lowest and rightmost box


@pytest.mark.parametrize("case", [CASES[0], CASES[4], CASES[5], CASES[6]], ids=lambda case: case[1])
def test_every_protocol_has_a_page(case: tuple[str, str, str], tmp_path: Path) -> None:
    name, folder, file = case
    evaluation = evaluate(name, GOLDEN / folder / file, data=GOLDEN / folder)
    page = write_failures({"own": evaluation}, tmp_path, most=20)[0]
    assert ("FDDB matches anew" in page.read_text()) is (name == "fddb")
    items = script_data(tmp_path / "data-1-own.js")["items"]
    assert {"background", "right"} <= {item["kind"] for item in items}
    for kind in ("background", "localisation", "duplicate", "on-ignored"):
        costs = [(item["cost"], item["score"]) for item in items if item["kind"] == kind]
        assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize(
    "found", [{}, {"1--one/a": []}, {"1--one/a": [(np.nan, 0, 5, 5, 0.5), (0, 0, 1e300, 5, np.inf)]}]
)
def test_runs_without_a_sensible_detection(found: dict[str, Any], tmp_path: Path) -> None:
    page = write_failures({"own": small({**{"2--two/c": []}, **found})}, tmp_path)[0]
    assert "Failures of" in page.read_text()
    script_data(tmp_path / "data-1-own.js")


def test_report_writes_the_page_and_links_it(sample: Evaluation, tmp_path: Path) -> None:
    sample.save(tmp_path / "run")
    files = build_report([tmp_path / "run"], tmp_path / "out", images_per_run=0, failures=3)
    assert tmp_path / "out" / "failures.html" in files.files
    assert 'href="failures.html"' in files.page.read_text()
    build_report([tmp_path / "run"], tmp_path / "plain", images_per_run=0)
    assert not (tmp_path / "plain" / "failures.html").exists()
    assert "failures.html" not in (tmp_path / "plain" / "index.html").read_text()


@pytest.mark.parametrize(
    ("options", "most"), [((), None), (("--failures",), 200), (("--failures", "2"), 2), (("--failures=2",), 2)]
)
def test_the_number_of_items_may_be_left_out(
    options: tuple[str, ...], most: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from sshbench.cli import app
    from sshbench.report import build

    called: list[int] = []

    def fake(*_: object, failures: int, **__: object) -> build.ReportFiles:
        called.append(failures)
        return build.ReportFiles(tmp_path / "index.html", ())

    monkeypatch.setattr(build, "build_report", fake)
    result = CliRunner().invoke(app, ["report", *options, "run", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert called == [most or 0]
    assert ("failures.html" in result.output) is (most is not None)


NODE = """
const { countImage, tally, sliderSteps, SORTS } = require(process.argv[1]);
const face = [0, 0, 9, 9, 1], ignored = [0, 0, 9, 9, 0];
const image = { faces: [face, face, ignored], detections: [[0, 0, 1, 1, 0.9, 1, 0], [0, 0, 1, 1, 0.8, 6, -1],
  [0, 0, 1, 1, 0.5, 2, 2], [0, 0, 1, 1, 0.4, 1, 1], [0, 0, 1, 1, 0.3, 3, 1]] };
const count = (t) => { const { right, wrong, missed } = countImage(image, t); return [right, wrong, missed]; };
const items = [[0, 1, 0.5], [0, 2, null], [1, 1, 0.9]].map(([type, height, score]) => ({ type, height, score }));
const facets = ["type", "height"].map((name) => ({ parts: [0, 1, 2], of: (item) => [item[name]] }));
const filtered = (a, b, low) => {
  const { passed, counts } = tally(items, facets, [new Set(a), new Set(b)], low, "");
  return [passed.length, counts];
};
console.log(JSON.stringify([
  [count(0.95), count(0.9), count(0.5), count(0)],
  [filtered([], [], ""), filtered([0], [], ""), filtered([0], [1], ""), filtered([], [], "0.6")],
  [sliderSteps([image], 0.5, 3), sliderSteps([], 0.5, 3)],
  items.slice().sort(SORTS.score[1]).map((item) => item.score),
]));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_counts_of_the_script() -> None:
    script = Path(page_module.__file__).parents[1] / "templates" / "failures.js"
    done = subprocess.run(["node", "-e", NODE, str(script)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        [[0, 0, 2], [1, 0, 1], [1, 1, 1], [2, 2, 0]],
        [
            [3, [[2, 1, 0], [0, 2, 1]]],
            [2, [[2, 1, 0], [0, 1, 1]]],  # counts of a filter follow the others, not itself
            [1, [[1, 1, 0], [0, 1, 1]]],
            [1, [[0, 1, 0], [0, 1, 0]]],
        ],
        [[0.3, 0.5, 0.9], [0.5]],
        [0.9, 0.5, None],
    ]


COUNT = "document.getElementById('count').textContent"
CELLS = "document.querySelectorAll('.cell').length"
OPENED = "document.getElementById('viewer').open"


def test_filters_grid_and_address(browser: Browser, page: Path) -> None:
    browser.open(page)
    total = sum(len(script_data(path)["items"]) for path in page.parent.glob("data-*.js"))
    assert browser.run(COUNT) == f"{total} of {total} items"
    assert 0 < browser.run(CELLS) <= total
    browser.key("1", "1")
    kinds = [item["kind"] for path in page.parent.glob("data-*.js") for item in script_data(path)["items"]]
    assert browser.run(COUNT) == f"{kinds.count('background')} of {total} items"
    assert browser.run("location.hash") == "#type=background"
    # The address alone gives the same view.
    browser.open(page, "#type=background&which+runs=both")
    assert browser.run(COUNT) == f"0 of {total} items"
    browser.run("document.getElementById('reset').click()")
    assert browser.run(COUNT) == f"{total} of {total} items"
    assert browser.run("location.hash") == ""
    browser.run("low.value = '0.85'; low.dispatchEvent(new Event('change'))")
    assert 0 < int(browser.run(COUNT).split()[0]) < total
    assert browser.run("document.getElementById('table').open") is False


def test_opened_item_keys_and_slider(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.key("ArrowRight")
    browser.run("document.activeElement.click()")
    assert browser.run(OPENED) is True
    first = browser.run("location.hash")
    assert first.startswith("#_open=")
    browser.key("ArrowRight")
    assert browser.run("location.hash") != first
    browser.key("ArrowLeft")
    assert browser.run("location.hash") == first
    assert browser.run("document.querySelectorAll('canvas').length") == 2
    text = "document.querySelector('.pane output').textContent"
    before = browser.run(text)
    browser.run(
        "(s => { s.value = s.max; s.dispatchEvent(new Event('input')); })(document.querySelector('.pane input'))"
    )
    assert browser.run(text) != before
    assert "_at=" in browser.run("location.hash")
    state = browser.run("location.hash")
    after = browser.run(text)
    browser.open(page, state)
    assert browser.run(text) == after
    # Pixels of a canvas that shows an image from disk cannot be read back; the image was at least loaded.
    assert any("/images/" in address for address in browser.requests)
    browser.run("document.getElementById('close').click()")
    assert browser.run(OPENED) is False


def test_images_view(browser: Browser, page: Path) -> None:
    browser.open(page, "#_view=images&_sort=influence")
    assert browser.run("document.querySelectorAll('#rows tr').length") == 48
    browser.run("document.querySelector('#rows button').click()")
    assert browser.run(OPENED) is True


def test_boxes_are_drawn_on_blank_images(browser: Browser, tmp_path: Path) -> None:
    page = write_failures({"own": small()}, tmp_path)[0]
    browser.open(page, "#_open=0.missed-nothing.0")
    colours = """(() => {
      const canvas = document.querySelector("canvas"), { width, height } = canvas;
      const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
      const seen = new Set();
      for (let i = 0; i < data.length; i += 4) seen.add([data[i], data[i + 1], data[i + 2]].join());
      return [...seen];
    })()"""
    drawn = set(browser.run(colours))
    right, missed, false = "0,196,158", "255,176,0", "230,80,204"
    assert {right, missed} <= drawn  # nothing is false in that image
    assert false not in drawn
    browser.run("document.querySelector('#layers input[value=missed]').click()")
    assert missed not in set(browser.run(colours))
    assert browser.run("location.hash").endswith("_hide=missed")
    browser.key("ArrowLeft")  # the item before it is in another image
    assert false in set(browser.run(colours))
