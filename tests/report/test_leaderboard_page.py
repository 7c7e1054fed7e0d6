"""The leaderboard's page: sort, filters, a plot of any two columns that is linked with the rows, and the address."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from sshbench.report.leaderboard import Leaderboard
from sshbench.report.leaderboard_collect import collect
from sshbench.report.leaderboard_page import page as page_of
from sshbench.report.leaderboard_plot import HEIGHT, WIDTH, Point, fronts
from sshbench.report.leaderboard_table import BoardTable, TableRow, board_table
from tests.report.browser import Browser
from tests.report.pages import MEASURED, ON_WIDER
from tests.report.pages import board as collected


@pytest.fixture(scope="module")
def board() -> Leaderboard:
    return collected()


@pytest.fixture(scope="module")
def tables(board: Leaderboard) -> list[BoardTable]:
    return [board_table(board, position, board.rows) for position in (0, 1)]


@pytest.fixture(scope="module")
def page(board: Leaderboard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(page_of(board), encoding="utf-8")
    return path


SHOWN = "[...document.querySelectorAll('.panel.shown tbody tr')].filter((row) => !row.hidden).map((row) => row.id)"
COUNT = "document.querySelector('.panel.shown .count').textContent"


def ids(rows: list[TableRow], position: int = 0) -> list[str]:
    return [f"r{position}-{row.mark}" for row in rows]


def choose(browser: Browser, selector: str, value: str) -> None:
    """Give a field of the page a value, as a reader does."""
    browser.run(
        f"(field => {{ field.value = {json.dumps(value)};"
        " for (const name of ['input', 'change']) field.dispatchEvent(new Event(name, { bubbles: true })); })"
        f"(document.querySelector({json.dumps(selector)}))"
    )


def click(browser: Browser, selector: str) -> None:
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


def address(browser: Browser) -> dict[str, str]:
    """Return what the page's address holds."""
    return {name: values[0] for name, values in parse_qs(browser.run("location.hash")[1:]).items()}


# ---- What stands on the page.


def test_published_rows_stand_below_the_measured_ones_of_their_detector(tables: list[BoardTable]) -> None:
    wider, fddb = tables
    assert [(row.label, row.published) for row in wider.rows][:4] == [
        ("centerface", ""),
        ("centerface", "of these"),
        ("yunet", ""),
        ("yunet", "of these"),
    ]
    assert [row.amounts["AP/hard"].text for row in wider.rows if row.label == "yunet"] == ["76.81", "76.80"]
    for table in tables:
        values = [row.amounts[table.y].value for row in table.rows if row.domain]
        assert values == sorted(values, reverse=True), "best first, on each board"
    marks = [{row.label: row.mark for row in table.rows if row.domain} for table in tables]
    assert marks[0].items() & marks[1].items() >= {("yunet", marks[0]["yunet"])}, "a detector keeps its number"
    others = [row.published for row in wider.rows].index("of others")
    assert {row.published for row in wider.rows[others:]} == {"of others"}
    assert {row.label for row in fddb.rows if row.published == "of others"} > {"SSH (VGG-16)", "PyramidBox"}
    for table in tables:
        assert len({row.mark for row in table.rows}) == len(table.rows)
        assert all(table.sources[row.source - 1] for row in table.rows if row.published)
        assert not any(
            row.domain or row.licence_kind or set(row.amounts) & {"ms", "weights"}
            for row in table.rows
            if row.published
        )


def test_boards_of_fitted_images_hold_measured_rows_only() -> None:
    runs = [MEASURED / "wider-fit-640x480" / name for name in ("yunet", "mtcnn")]
    board = collect(runs, [])
    table = board_table(board, 0, board.rows)
    assert [row.published for row in table.rows] == ["", ""]
    assert table.x == "megapixels", "no latency: the plot has pixels across"


def test_the_chosen_metric_has_a_column() -> None:
    board = collect([MEASURED / "fddb" / name for name in ("haar", "yunet")], [], metric="TPR@500/discrete")
    table = board_table(board, 0, board.rows)
    assert table.column("TPR@500/discrete").title == "discrete @500"
    assert [row.label for row in table.drawn()] == ["yunet", "haar"]


def test_one_row_has_no_plot() -> None:
    board = collect([MEASURED / "wider-fit-640x480" / "yunet"], [])
    assert '<figure class="plot">' not in page_of(board)


def test_the_page_reads_without_its_script(page: Path, tables: list[BoardTable]) -> None:
    text = page.read_text(encoding="utf-8").partition("<script>")[0]
    for table in tables:
        drawn = [row.mark for row in table.drawn()]
        assert re.findall(rf'<a class="point [^>]* id="p{table.position}-(\w+)"', text) == drawn
        assert re.findall(rf'<tr id="(r{table.position}-\w+)"', text) == ids(table.rows, table.position)
    assert len(tables[0].drawn()) == len(ON_WIDER)
    assert text.count('js">') == 3, "what needs the script is not shown without it"
    assert "<script" not in text


def test_the_script_is_small_and_loads_nothing(page: Path) -> None:
    script = page.read_text(encoding="utf-8").partition("<script>")[2]
    assert len(script.encode()) <= 40_000
    for word in ("fetch(", "XMLHttpRequest", "innerHTML", "import ", "https:"):
        assert word not in script


# ---- Sort and filters.


def test_headers_sort_in_both_directions(browser: Browser, page: Path, tables: list[BoardTable]) -> None:
    browser.open(page)
    first = browser.run(SHOWN)
    assert first == ids(tables[0].rows)
    timed = sorted((row for row in tables[0].rows if "ms" in row.amounts), key=lambda row: row.amounts["ms"].value)
    head = ".panel.shown th[data-key=ms]"
    click(browser, f"{head} button")
    assert browser.run(f"document.querySelector('{head}').getAttribute('aria-sort')") == "ascending"
    assert browser.run(SHOWN)[: len(timed)] == ids(timed)
    assert address(browser) == {"sort": "ms:ascending"}
    click(browser, f"{head} button")
    assert browser.run(SHOWN)[: len(timed)] == ids(timed[::-1]), "rows without a latency stay last"
    assert address(browser) == {"sort": "ms:descending"}
    click(browser, f"{head} button")
    assert (browser.run(SHOWN), address(browser)) == (first, {})
    click(browser, ".panel.shown th[data-key='AP/easy'] button")
    best = max(tables[0].rows, key=lambda row: row.amounts["AP/easy"].value)
    assert browser.run(SHOWN)[0] == ids([best])[0]


FILTERS: list[tuple[str, str, Callable[[TableRow], bool]]] = [
    ("domain", "in domain", lambda row: row.domain == "in domain"),
    ("domain", "cross-data", lambda row: row.domain == "cross-data"),
    ("domain", "unknown", lambda row: row.domain == "unknown"),
    ("licence", "permissive", lambda row: row.licence_kind == "permissive"),
    ("licence", "not stated", lambda row: row.licence_kind == "not stated"),
    ("licence", "restricted", lambda row: row.licence_kind == "restricted"),
    ("ms", "39", lambda row: "ms" in row.amounts and row.amounts["ms"].value <= 39),
    ("mb", "2.5", lambda row: "weights" in row.amounts and row.amounts["weights"].value <= 2.5),
    ("q", "YUNET libface", lambda row: row.label == "yunet"),
    ("q", "najibi", lambda row: "SSH" in row.label or "HR (" in row.label or row.label == "CMS-RCNN"),
    ("published", "of these", lambda row: row.published != "of others"),
    ("published", "hidden", lambda row: not row.published),
]


@pytest.mark.parametrize(("field", "value", "passes"), FILTERS, ids=[f"{one[0]}={one[1]}" for one in FILTERS])
def test_each_filter(
    browser: Browser, page: Path, tables: list[BoardTable], field: str, value: str, passes: Callable[[TableRow], bool]
) -> None:
    browser.open(page)
    rows = tables[0].rows
    left = [row for row in rows if passes(row)]
    assert len(left) < len(rows)
    choose(browser, f"#filters [name={field}]", value)
    assert browser.run(SHOWN) == ids(left)
    said = f"{len(left)} of {len(rows)} rows"
    assert browser.run(COUNT) == (said if left else f"{said}: none passes these filters")
    assert address(browser) == {field: value}
    points = [row for row in left if {"ms", "AP/hard"} <= row.amounts.keys()]
    found = browser.run("[...document.querySelectorAll('.panel.shown .point')].map((point) => point.id)")
    assert sorted(found) == sorted(f"p0-{row.mark}" for row in points), "the plot shows the rows that are shown"
    click(browser, "#filters [type=reset]")
    browser.wait(f"{SHOWN}.length === {len(rows)}")
    assert address(browser) == {}


def test_filters_add_up_and_only_shown_rows_are_copied(browser: Browser, page: Path, tables: list[BoardTable]) -> None:
    browser.open(page)
    choose(browser, "#filters [name=licence]", "permissive")
    choose(browser, "#filters [name=ms]", "30")
    left = [row for row in tables[0].rows if row.licence_kind == "permissive" and row.amounts["ms"].value <= 30]
    assert browser.run(SHOWN) == ids(left)
    text = browser.run("sshbenchTables.asCsv(document.querySelector('.panel.shown table'))")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["detector"] for row in rows] == [row.label for row in left]
    assert [float(row["hard"]) for row in rows] == pytest.approx(
        [row.amounts["AP/hard"].value for row in left], rel=1e-5
    )
    assert {row["ms"] for row in rows} == {"14.2 (unstable)", "25.8 (unstable)"}
    assert [row["hard ±"] for row in rows] == [f"{row.amounts['AP/hard'].half:.4g}" for row in left]
    click(browser, "#filters [type=reset]")
    browser.wait(f"{SHOWN}.length === {len(tables[0].rows)}")
    for kind in ("asMarkdown", "asLatex"):
        text = browser.run(f"sshbenchTables.{kind}(document.querySelector('.panel.shown table'))")
        assert text.count("yunet (published)") == 1
    assert browser.run("document.querySelectorAll('.panel.shown .copy button').length") == 3


# ---- The plot.

POLYLINES = """(() => {
  const points = [...document.querySelectorAll(".panel.shown .point")];
  const at = (place) => points.find((one) => one.getAttribute("transform") === `translate(${place.replace(",", " ")})`);
  const lines = [...document.querySelectorAll(".panel.shown .front")];
  return lines.map((line) => line.getAttribute("points").split(" ").map((place) => at(place).id.slice(3)));
})()"""


def test_any_two_columns_and_the_front_of_each_domain(browser: Browser, page: Path, tables: list[BoardTable]) -> None:
    table = tables[0]
    browser.open(page, "#published=hidden")
    keys = ["AP/easy", "AP/hard", *(column.key for column in table.columns if not column.key.startswith("AP/"))]
    assert keys[2:] == ["ms", "images/s", "megapixels", "gflop", "parameters", "weights", "memory"]
    measured = [row for row in table.rows if row.domain]
    for x, y in permutations(keys, 2):
        choose(browser, ".panel.shown select[data-axis=x]", x)
        choose(browser, ".panel.shown select[data-axis=y]", y)
        rows = [row for row in measured if {x, y} <= row.amounts.keys()]
        points = [
            Point(i, row.amounts[x].value, row.amounts[y].value, row.label, row.domain or "unknown")
            for i, row in enumerate(rows)
        ]
        lines = fronts(points, less_x=table.column(x).less, less_y=table.column(y).less)
        expected = [[rows[point.number].mark for point in line] for line in lines]
        assert sorted(browser.run(POLYLINES)) == sorted(expected), (x, y)
        assert browser.run("document.querySelectorAll('.panel.shown .point').length") == len(rows)
        label = browser.run("document.querySelector('.panel.shown .plot > svg').getAttribute('aria-label')")
        assert label == f"{table.column(y).axis}, against {table.column(x).axis}"


def test_axes_are_logarithmic_or_linear(browser: Browser, page: Path) -> None:
    ticks = "[...document.querySelectorAll('.panel.shown .tick.x')].map((tick) => tick.textContent)"
    browser.open(page)
    assert browser.run(ticks) == ["20", "50", "100", "200"]
    click(browser, ".panel.shown [data-log=x]")
    assert browser.run(ticks) == ["0", "50", "100", "150", "200", "250"]
    assert address(browser) == {"xscale": "linear"}
    click(browser, ".panel.shown [data-log=x]")
    assert (browser.run(ticks), address(browser)) == (["20", "50", "100", "200"], {})


def test_whiskers_are_the_intervals(browser: Browser, page: Path, tables: list[BoardTable]) -> None:
    browser.open(page)
    for row in tables[0].drawn():
        path = browser.run(
            f"(document.querySelector('#p0-{row.mark} .whisker') || {{ getAttribute() {{}} }}).getAttribute('d')"
        )
        across, up = (row.amounts[key].low is not None for key in ("ms", "AP/hard"))
        assert across, "latencies have intervals"
        assert (path.count("H"), path.count("V")) == (2, 2 if up else 0), row.label
    assert [row.label for row in tables[0].drawn() if row.amounts["AP/hard"].low is None] == [
        "s3fd-mobilenetv2",
        "mtcnn",
    ]


def test_the_first_drawing_is_that_of_the_script(browser: Browser, page: Path) -> None:
    kept = page.read_text(encoding="utf-8").partition("<script>")[0]
    plot = kept[kept.index('<figure class="plot">') : kept.index("</figure>")]
    pattern = r'<a class="point [^>]* id="([^"]*)"[^>]* transform="translate\((.*?) (.*?)\)"'
    drawn = {one: (float(x), float(y)) for one, x, y in re.findall(pattern, plot)}
    browser.open(page)
    browser.run("document.querySelector('main').style.width = '940px'")
    box = "document.querySelector('.panel.shown .plot > svg').getAttribute('viewBox')"
    browser.wait(f"{box} === '0 0 {WIDTH} {HEIGHT}'")
    places = (
        "[...document.querySelectorAll('.panel.shown .point')].map((one) => [one.id, one.getAttribute('transform')])"
    )
    for one, transform in browser.run(places):
        assert [float(place) for place in re.findall(r"[\d.]+", transform)] == pytest.approx(drawn.pop(one), abs=0.11)
    assert drawn == {}
    for kind, pattern in (
        ("tick x", r'tick x" x="(.*?)"[^>]*>(.*?)<'),
        ("tick y", r'tick y"[^>]* y="(.*?)"[^>]*>(.*?)<'),
    ):
        wanted = [label for _, label in re.findall(pattern, plot)]
        assert (
            browser.run(
                f"[...document.querySelectorAll('.panel.shown .{kind.replace(' ', '.')}')].map((t) => t.textContent)"
            )
            == wanted
        )


def test_pointing_at_a_point_marks_its_row_and_the_other_way_round(browser: Browser, page: Path) -> None:
    def point_at(selector: str) -> None:
        browser.run(f"document.querySelector('{selector}').scrollIntoView({{ block: 'center' }})")
        box = f"document.querySelector('{selector}').getBoundingClientRect()"
        x, y, wide, high = browser.run(f"(box => [box.x, box.y, box.width, box.height])({box})")
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + wide / 2, y=y + high / 2)

    marked = "[...document.querySelectorAll('.on')].map((one) => one.id || one.dataset.of).sort()"
    browser.open(page)
    point_at("#p0-2 rect")
    assert browser.run(marked) == ["0-2", "p0-2", "r0-2"]
    told = browser.run("document.querySelector('.panel.shown .tip').textContent")
    assert re.fullmatch(r"yunet ?hard 76\.81 \(?±\s1\.69\)? · ms \(14\.2\) \(14\.0\N{EN DASH}15\.1\)in domain", told), (
        told
    )
    point_at("#r0-1 td")
    assert browser.run(marked) == ["0-1", "p0-1", "r0-1"]
    assert browser.run("document.querySelector('.panel.shown .tip').hidden") is True
    point_at("h1")
    assert browser.run(marked) == []
    # By keyboard: a point, and the link in a row, are both reached and go to each other.
    browser.run("document.getElementById('p0-2').focus()")
    assert browser.run(marked) == ["0-2", "p0-2", "r0-2"]
    browser.run("document.activeElement.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))")
    assert browser.run("document.activeElement.closest('tr').id") == "r0-2"
    assert browser.run(marked) == ["0-2", "p0-2", "r0-2"]
    click(browser, "#r0-2 .who")
    assert browser.run("document.activeElement.id") == "p0-2"
    assert address(browser) == {}


# ---- The address.


def test_the_address_alone_gives_the_same_view(browser: Browser, page: Path) -> None:
    browser.open(page)
    choose(browser, "#filters [name=published]", "of these")
    choose(browser, "#filters [name=mb]", "8")
    choose(browser, "#filters [name=q]", "mit")
    choose(browser, ".panel.shown select[data-axis=x]", "weights")
    choose(browser, ".panel.shown select[data-axis=y]", "AP/medium")
    click(browser, ".panel.shown [data-log=x]")
    click(browser, ".panel.shown th[data-key=gflop] button")
    whole = (
        "[location.hash, document.querySelector('.panel.shown').id,"
        " document.querySelector('.panel.shown .plot svg').outerHTML,"
        " [...document.querySelectorAll('#filters [name], .panel.shown select')].map((one) => one.value),"
        f" document.querySelector('.panel.shown [data-log=x]').checked, {SHOWN}]"
    )
    left = browser.run(whole)
    assert address(browser) == {
        "sort": "gflop:ascending",
        "q": "mit",
        "mb": "8",
        "published": "of these",
        "x": "weights",
        "xscale": "linear",
        "y": "AP/medium",
    }
    assert len(left[5]) > 1
    browser.open(page, left[0])
    assert browser.run(whole) == left


def test_tabs_show_one_board_and_keep_what_it_has(browser: Browser, page: Path, tables: list[BoardTable]) -> None:
    browser.open(page, "#x=gflop&y=AP%2Feasy&domain=cross-data")
    browser.run("document.querySelectorAll('.tabs a')[1].click()")
    assert browser.run("document.querySelector('.panel.shown').id") == "board-1"
    assert address(browser)["board"] == "1"
    left = [row for row in tables[1].rows if row.domain == "cross-data"]
    assert browser.run(SHOWN) == ids(left, 1)
    label = browser.run("document.querySelector('.panel.shown .plot > svg').getAttribute('aria-label')")
    assert label == "discrete @1000, percent, against GFLOP per image", "this board has no AP: its first axis"
    assert browser.run("document.querySelectorAll('.tabs [aria-current]').length") == 1


def test_an_address_that_makes_no_sense_is_dropped(browser: Browser, page: Path, tables: list[BoardTable]) -> None:
    for state in (
        "#board=9&domain=x&ms=abc&x=nothing&xscale=cubic&sort=ms:up&published=1",
        "#sort=<img>:ascending",
        "#none",
    ):
        browser.open(page, state)
        assert len(browser.run(SHOWN)) == len(tables[0].rows)
        assert browser.run("document.querySelectorAll('.panel.shown .point').length") == len(ON_WIDER)
    fields = "[...document.querySelectorAll('#filters [name]')].map((field) => field.value)"
    browser.open(page, "#domain=x&ms=abc&published=1")
    assert (set(browser.run(fields)), address(browser)) == ({""}, {})
    browser.open(page, "#board-1")
    assert browser.run("document.querySelector('.panel.shown').id") == "board-1"


# ---- Paper.


def test_paper_has_every_board(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.show(1047, 720, media="print")
    shown = "[...document.querySelectorAll({})].map((one) => getComputedStyle(one).display)"
    assert set(browser.run(shown.format("'.panel'"))) == {"block"}
    assert set(browser.run(shown.format("'.filters, .axes, .tabs, .copy'"))) == {"none"}
    assert browser.run("document.querySelectorAll('#board-1 .point').length") > 1, "boards behind tabs are drawn"
