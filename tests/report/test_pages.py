"""What holds of every page: names are text, everybody can read it, and it fits each screen, the dark and paper."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.report.browser import Browser, missing
from tests.report.pages import MARK, PAGES, STYLED

Built = Callable[[str], Path]
every_page = pytest.mark.parametrize("name", STYLED)


def opened(browser: Browser, built: Built, name: str) -> None:
    page = PAGES[name]
    browser.open(built(name), page.address)
    if page.script:
        browser.run(page.script)


# ---- Names from files.

TEXTS = """(() => {
  const texts = [], odd = [];
  for (const one of document.querySelectorAll("*")) {
    for (const { name, value } of one.attributes) {
      if (name.startsWith("on") || /^\\s*javascript:/i.test(value)) odd.push(one.outerHTML.slice(0, 200));
      texts.push(value);
    }
    if (/^(x-y|embed|iframe|object)$/.test(one.localName) || one.matches("img[src=x]")) odd.push(one.outerHTML);
    if (/^(script|style)$/.test(one.localName)) continue;
    for (const node of one.childNodes) if (node.nodeType === Node.TEXT_NODE) texts.push(node.data);
  }
  return { odd, texts: texts.filter((text) => text.includes(MARK)), scripts: document.scripts.length };
})()"""


@pytest.mark.parametrize("name", PAGES)
def test_names_are_text(browser: Browser, built: Built, name: str) -> None:
    opened(browser, built, name)
    found = browser.run(TEXTS.replace("MARK", json.dumps(MARK)))
    assert browser.run("typeof hacked") == "undefined"
    assert found["odd"] == []
    assert found["scripts"] == PAGES[name].scripts
    # Each text or attribute that holds the begin of a name holds the whole of it, or is shortened by a page on purpose.
    whole = "\n".join(found["texts"])
    for one in PAGES[name].names:
        shown = one.replace("\0", "\ufffd")
        if name == "notebook":  # a browser drops U+0000, and the table of a paper every mark of direction
            shown, whole = visible(shown), visible(whole)
        assert shown in whole
        whole = whole.replace(shown, "").replace(one, "")
    assert [one for one in whole.split("\n") if MARK in one and not one.endswith("…")] == []


def visible(text: str) -> str:
    return "".join(one for one in text if one.isprintable() and one not in " \ufffd")


# ---- Everybody can read it.


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core."""
    spec = find_spec("axe_core_python")
    if spec is None or spec.origin is None:
        missing("axe-core is not installed: pip install axe-core-python")
    return Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


BARRIERS = """axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .map(({ id, nodes }) => [id, ...nodes.slice(0, 5).map((one) => one.html.slice(0, 150) + one.failureSummary)]))"""


def test_a_barrier_is_found(browser: Browser, axe: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<!doctype html><html lang="en"><title>t</title><img src="data:,"><p style="color: #ccc">pale</p>')
    browser.open(page)
    browser.run(axe + "; true")
    assert {one[0] for one in browser.run(BARRIERS)} == {"image-alt", "color-contrast"}


@every_page
def test_nothing_keeps_a_reader_out(browser: Browser, built: Built, axe: str, name: str) -> None:
    opened(browser, built, name)
    browser.run(axe + "; true")
    for scheme in ("light", "dark"):
        for width in (1280, 400):
            browser.show(width, scheme=scheme)
            assert browser.run(BARRIERS) == [], (scheme, width)


# ---- Screens, the dark and paper.

WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

LEAVING = """[...document.querySelectorAll(".scroll")].filter((box) => box.checkVisibility()).filter((box) => {
  const first = box.querySelector("tbody tr > :first-child"), place = () => first.getBoundingClientRect().left;
  const before = place();
  box.scrollLeft = 1e4;
  return Math.abs(place() - before) > 1;
}).map((box) => box.innerText.slice(0, 50))"""


@every_page
def test_no_width_scrolls_the_page_and_first_columns_stay(browser: Browser, built: Built, name: str) -> None:
    for width in (400, 768, 1280, 1920):
        browser.show(width)
        opened(browser, built, name)
        assert browser.run(WIDE) == 0, width
        assert browser.run(LEAVING) == [], width


WHITE = """[...document.querySelectorAll("body, body *")].filter((one) => {
  if (one.matches("a, a *, button, .key, .swatch, .tip") || !one.checkVisibility()) return false;
  const { backgroundColor, fill } = getComputedStyle(one), { width, height } = one.getBoundingClientRect();
  const is_filled = one.localName === "rect" && width > 20;
  const [r, g, b, a = 1] = (is_filled ? fill : backgroundColor).match(/[\\d.]+/g).map(Number);
  return width * height > 400 && a > 0.3 && Math.max(r, g, b) > 128;
}).map((one) => one.outerHTML.slice(0, 100))"""


@every_page
def test_the_dark_has_no_white_boxes(browser: Browser, built: Built, name: str) -> None:
    opened(browser, built, name)
    assert len(browser.run(WHITE)) > 1, "in the light, they are found"
    browser.show(scheme="dark")
    assert browser.run(WHITE) == []


# What is hidden on paper on purpose has no box; what is cut has one that ends outside of the paper, or is smaller than
# its content.
CUT = """(() => {
  const paper = document.documentElement.clientWidth + 1;
  const cut = (one) => one.getBoundingClientRect().right > paper
    || (getComputedStyle(one).overflowX !== "visible" && one.scrollWidth > one.clientWidth + 1);
  const parts = "table, th, td, .scroll, figure svg:not(svg svg), img, summary, p, li, dd";
  return [...document.querySelectorAll(parts)].filter((one) => one.checkVisibility() && cut(one))
    .map((one) => one.outerHTML.slice(0, 120));
})()"""
FOLDED = """[...document.querySelectorAll("details > :not(summary)")].filter((one) =>
  one.parentElement.checkVisibility() && !one.checkVisibility()).map((one) => one.outerHTML.slice(0, 100))"""
CELLS = "[...document.querySelectorAll('th, td')].filter((one) => one.checkVisibility()).map((one) => one.innerText)"


@every_page
def test_paper_cuts_nothing_and_has_every_row(browser: Browser, built: Built, name: str, tmp_path: Path) -> None:
    browser.open(built(name), PAGES[name].address)
    browser.show(*paper_of(name), media="print")
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.run(CUT) == []
    assert browser.run(FOLDED) == []
    cells = browser.run(CELLS)
    assert len(cells) > 20
    browser.run("window.dispatchEvent(new Event('afterprint'))")
    browser.show()
    printed = browser.call("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69)["data"]
    path = tmp_path / "page.pdf"
    path.write_bytes(base64.b64decode(printed))
    assert 1 < len(re.findall(rb"/Type\s*/Page\b", path.read_bytes())) < 40
    if (pdftotext := shutil.which("pdftotext")) is not None:
        done = subprocess.run([pdftotext, "-raw", path, "-"], capture_output=True, text=True, check=True)
        assert letters(cells) - letters([done.stdout]) == Counter()


def paper_of(name: str) -> tuple[int, int]:
    """Return what CSS pixels A4 has within its margins; the leaderboard lies across."""
    return (1047, 718) if name.startswith("leaderboard") else (702, 1032)


def letters(texts: list[Any]) -> Counter[str]:
    """Count letters and digits; lines break anywhere."""
    folded = unicodedata.normalize("NFKC", "".join(texts))
    return Counter(one for one in folded if one.isalnum())
