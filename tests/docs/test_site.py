"""The documentation site, without building it: navigation, links and anchors, and that nothing public is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import sshbench
from scripts.check_site import problems
from scripts.docs_reference import NEEDS, attributes, commands, reference_pages, slug
from scripts.docs_site import INCLUDE, included
from sshbench.protocols import Expected, Inference, Layout, Protocol, Source, Subset
from sshbench.rules import RULES
from tests.docs.blocks import FENCE, ROOT

DOCS = ROOT / "docs"
GENERATED = reference_pages()
WRITTEN = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}
LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def in_navigation(entry: object) -> list[str]:
    """Return the pages and folders below an entry of the navigation."""
    if isinstance(entry, str):
        return [entry]
    return [page for one in (entry.values() if isinstance(entry, dict) else entry) for page in in_navigation(one)]  # type: ignore[attr-defined]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, and those that the API page gives its names."""
    plain = FENCE.sub("", text)
    headings = {
        slug(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", one)) for one in re.findall(r"^#+ (.*)$", plain, re.MULTILINE)
    }
    return headings | set(re.findall(r"^::: ([\w.]+)$", text, flags=re.MULTILINE))


def test_the_navigation_has_every_page_once() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    entries = in_navigation(config["nav"])
    folders = [entry for entry in entries if not entry.endswith(".md")]
    pages = [entry for entry in entries if entry not in folders]
    pages += [page for page in GENERATED if page.startswith(tuple(f"{folder}/" for folder in folders))]
    assert sorted(pages) == sorted({*WRITTEN, *GENERATED})


@pytest.mark.parametrize("page", [*WRITTEN, "../README.md", *GENERATED])
def test_links_and_anchors_lead_somewhere(page: str) -> None:
    text = GENERATED.get(page) or (DOCS / page).read_text(encoding="utf-8")
    texts = {(DOCS / name).resolve(): content for name, content in GENERATED.items()}
    for link in LINK.findall(FENCE.sub("", text)):
        if re.match(r"https?:|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (DOCS / page).parent.joinpath(name).resolve() if name else (DOCS / page).resolve()
        assert target in texts or target.exists(), f"{page}: {link}"
        if anchor and target.suffix == ".md":
            there = texts.get(target) or target.read_text(encoding="utf-8")
            assert anchor in anchors(included(there)), f"{page}: {link}"


def test_every_command_is_in_the_reference_and_has_an_example() -> None:
    for name, _ in commands():
        page = GENERATED[f"reference/commands/{name.partition(' ')[0]}.md"]
        assert re.search(rf"^#+ sshbench {name}$", page, flags=re.MULTILINE)
        assert f"\nsshbench {name}" in page, f"{name} has no example"
        assert f"[{name}](" in GENERATED["reference/commands/index.md"]
    assert set(NEEDS) <= {name for name, _ in commands()}


def test_every_public_name_is_in_the_api_pages_once() -> None:
    text = "\n".join(content for name, content in GENERATED.items() if name.startswith("reference/api/"))
    found = re.findall(r"^::: sshbench\.(\w+)$", text, flags=re.MULTILINE)
    assert sorted(found) == sorted([*sshbench.__all__, "errors"])


@pytest.mark.parametrize("model", [Protocol, Layout, Subset, Expected, Inference, Source, *RULES.values()])
def test_every_key_of_a_protocol_has_a_meaning(model: type[Protocol]) -> None:
    assert set(model.model_fields) == {name for name, text in attributes(model).items() if text}


def test_every_variable_of_ours_is_on_the_page_of_variables() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "sshbench").rglob("*.py"))
    read = set(re.findall(r"environ\.get\(\"(\w+)\"", code)) - {"NNCF_CI"}  # set and put back for a library
    page = (DOCS / "environment.md").read_text(encoding="utf-8")
    assert read == {name for name in read if f"`{name}`" in page}
    assert "SSHBENCH_CACHE" in read


def test_sections_of_the_readme_are_taken_in_with_their_links() -> None:
    assert len(INCLUDE.findall(WRITTEN["results.md"])) == 2
    text = included(WRITTEN["results.md"])
    assert "| centerface, WIDER val easy medium hard |" in text
    assert "](leaderboard.md)" in text
    assert "](../results/measured/reproduction.csv)" in text


def test_the_check_of_a_built_site_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "b.html").write_text('<h2 id="there">x</h2>')
    (tmp_path / "good.html").write_text('<a href="b.html#there">x</a><a href="https://example.org">y</a>')
    assert problems(tmp_path) == []
    (tmp_path / "bad.html").write_text(
        '<a href="c.html">x</a><a href="b.html#gone">x</a><script src="https://example.org/a.js"></script>'
        '<style>@import "//example.org/a.css";</style>'
    )
    (tmp_path / "bad.css").write_text("a { background: url(https://example.org/a.png) }")
    assert problems(tmp_path) == [
        "bad.html: loads https://example.org/a.js",
        "bad.html: loads //example.org/a.css",
        "bad.html: c.html leads nowhere",
        "bad.html: b.html#gone: no such anchor",
        "bad.css: loads https://example.org/a.png",
    ]
