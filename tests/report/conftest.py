"""One browser, and the pages that several modules look at, for all tests of this folder in a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from sshbench.report.build import build_report
from tests.report import pages
from tests.report.browser import Browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with Browser() as started:
        yield started


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser. After the test no script of a page has failed, and nothing was loaded but files of the page."""
    chromium.forget()
    yield chromium
    assert chromium.problems == []
    assert [one for one in chromium.requests if not one.startswith(("file:", "data:", "about:"))] == []


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A page by its name (`pages.PAGES`), built when it is first asked for."""

    @cache
    def build(group: str) -> Path:
        folder = tmp_path_factory.mktemp(group)
        pages.BUILDERS[group](folder)
        return folder

    return lambda name: build(pages.PAGES[name].group) / pages.PAGES[name].file


@pytest.fixture(scope="session")
def report_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of the sample: one without a false detection, and one with two in each image."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        pages.make_run(folder, "good", pages.perfect()),
        pages.make_run(folder, pages.NASTY, pages.perfect(noise=2)),
    ]


@pytest.fixture(scope="session")
def report_page(report_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of these runs."""
    return build_report(report_runs, tmp_path_factory.mktemp("report"), images_per_run=5).page
