"""Tables of our pages sort by a click and are copied as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.report.browser import Browser

PAGE = """<!doctype html><meta charset="utf-8"><title>t</title>
<div class="scroll"><table data-sortable data-copy>
<thead>
<tr><th></th><th colspan="2">easy &amp; hard</th><th></th></tr>
<tr><th>name</th><th class="number">AP</th><th class="number" data-first="ascending">ms</th>
<th data-nosort>note</th></tr>
</thead>
<tbody>
<tr><td>b|x</td><td class="number" data-value="0.9312" data-half="0.004">93.1 ± 0.4<br>more</td>
<td class="number">1 234.5</td><td></td></tr>
<tr><td data-text="a_1">1 a_1 long</td><td class="number" data-value="0.95">95.0</td>
<td class="number">-</td><td>a, "b"</td></tr>
<tr><td>c10</td><td class="number" data-value="">-</td><td class="number">20 to 30</td><td></td></tr>
<tr style="display: none"><td>c9</td>
<td class="number" data-value="0.1">10.0</td><td class="number">3</td><td></td></tr>
</tbody>
<tbody><tr><td>published</td><td class="number" data-value="0.99">99.0</td><td></td><td></td></tr></tbody>
</table></div>
<script>SCRIPT</script>"""
NAMES = "[...document.querySelectorAll('tbody:first-of-type tr')].map((row) => row.cells[0].textContent)"


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Browser:
    script = files("sshbench").joinpath("report/templates/tables.js").read_text()
    (tmp_path / "page.html").write_text(PAGE.replace("SCRIPT", script))
    browser.open(tmp_path / "page.html")
    return browser


def names_after(page: Browser, column: int, clicks: int) -> tuple[list[str], Any]:
    button = f"document.querySelectorAll('thead tr:last-child th')[{column}]"
    for _ in range(clicks):
        page.run(f"{button}.querySelector('button').click()")
    return page.run(NAMES), page.run(f"{button}.getAttribute('aria-sort')")


@pytest.mark.parametrize(
    ("column", "clicks", "names", "direction"),
    [
        (1, 1, ["1 a_1 long", "b|x", "c9", "c10"], "descending"),
        (1, 2, ["c9", "b|x", "1 a_1 long", "c10"], "ascending"),
        (1, 3, ["b|x", "1 a_1 long", "c10", "c9"], "none"),
        (2, 1, ["c9", "c10", "b|x", "1 a_1 long"], "ascending"),
        (0, 1, ["1 a_1 long", "b|x", "c9", "c10"], "ascending"),
    ],
)
def test_sort(page: Browser, column: int, clicks: int, names: list[str], direction: str) -> None:
    assert names_after(page, column, clicks) == (names, direction)
    assert page.run("document.querySelector('tbody:last-of-type').textContent") == "published99.0"
    assert page.run("document.querySelectorAll('th button').length") == 3


def copied(page: Browser, form: str) -> str:
    text: str = page.run(f"sshbenchTables.as{form}(document.querySelector('table'))")
    return text


def test_copy_as_csv_has_raw_numbers_and_the_rows_that_are_shown(page: Browser) -> None:
    names_after(page, 1, 1)
    assert list(csv.reader(copied(page, "Csv").splitlines())) == [
        ["name", "easy & hard, AP", "easy & hard, AP ±", "easy & hard, ms", "note"],
        ["a_1", "0.95", "", "-", 'a, "b"'],
        ["b|x", "0.9312", "0.004", "1 234.5", ""],
        ["c10", "", "", "20 to 30", ""],
        ["published", "0.99", "", "", ""],
    ]


def test_copy_as_markdown(page: Browser) -> None:
    lines = copied(page, "Markdown").splitlines()
    assert lines[:3] == [
        "| name | easy & hard, AP | easy & hard, ms | note |",
        "| --- | ---: | ---: | --- |",
        "| b\\|x | 93.1 ± 0.4 more | 1 234.5 |  |",
    ]


def test_copy_as_latex(page: Browser) -> None:
    lines = copied(page, "Latex").splitlines()
    assert lines[:6] == [
        r"\begin{tabular}{lrrl}",
        r"\toprule",
        r" & \multicolumn{2}{c}{easy \& hard} &  \\",
        r"name & AP & ms & note \\",
        r"\midrule",
        r"b|x & 93.1 $\pm$ 0.4 more & 1 234.5 &  \\",
    ]
    assert lines[6] == r"a\_1 & 95.0 & - & a, " + '"b"' + r" \\"
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]


def test_where_the_clipboard_is_forbidden_the_text_is_shown(page: Browser) -> None:
    page.run("Object.defineProperty(navigator, 'clipboard', {value: undefined}); document.execCommand = () => false")
    page.run("document.querySelector('.copy button').click()")
    page.wait("document.querySelector('.copy textarea') !== null")
    assert page.run("document.querySelector('.copy textarea').value") == copied(page, "Csv")
    assert page.run("document.activeElement.tagName") == "TEXTAREA"
    page.wait("document.querySelector('[role=status]').textContent === 'Copy the marked text.'")
