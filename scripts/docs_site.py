"""A hook of mkdocs: makes the pages of reference/, takes in parts of the README, copies what lies outside docs/.

- `reference/commands` and `reference/api` in the navigation stand for all pages of that folder.
- `<!-- include -->[text](../README.md#heading)` alone on a line becomes that section of the README.
- A link to a file outside docs/ leads to a copy of it under `repository/`.
"""

from __future__ import annotations

import posixpath
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
INCLUDE = re.compile(r"^<!-- include -->\[[^\]]*\]\(\.\./README\.md#([^)]+)\)$", re.MULTILINE)
DOCTEST = re.compile(r"^>>> .*(?:\n(?!```).+)*", re.MULTILINE)
EMBED = re.compile(r"^<!-- embed -->\[([^\]]*)\]\(([^)]+)\)$", re.MULTILINE)

sys.path[:0] = [str(ROOT)]  # mkdocs loads this file by its path
from scripts.docs_reference import reference_pages, slug  # noqa: E402


def on_config(config: Any) -> Any:
    """Put the generated pages into the navigation, and let examples in docstrings be blocks of code."""
    config["markdown_extensions"].append(_doctests())
    config["nav"] = _filled(config["nav"], sorted(reference_pages()))
    return config


def _doctests() -> Any:
    """Return the extension of Markdown that takes a paragraph of `>>>` for code, and not for quotations."""
    base = import_module("markdown.preprocessors").Preprocessor

    def fenced(_: object, lines: list[str]) -> list[str]:
        return DOCTEST.sub(r"```pycon\n\g<0>\n```", "\n".join(lines)).split("\n")

    def extend(_: object, md: Any) -> None:
        md.preprocessors.register(type("Doctests", (base,), {"run": fenced})(md), "doctests", 100)  # before fences

    return type("Extension", (import_module("markdown").Extension,), {"extendMarkdown": extend})()


def _filled(nav: Any, pages: list[str]) -> Any:
    if isinstance(nav, list):
        return [_filled(one, pages) for one in nav]
    if isinstance(nav, dict):
        return {title: _filled(one, pages) for title, one in nav.items()}
    return nav if nav.endswith(".md") else [page for page in pages if page.startswith(f"{nav}/")]


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages, and the files outside docs/ that pages link to."""
    file = import_module("mkdocs.structure.files").File
    for uri, text in reference_pages().items():
        files.append(file.generated(config, uri, content=text))
    for path in sorted({path for page in DOCS.glob("*.md") for path in outside(page)}):
        files.append(file.generated(config, copy_of(path), abs_src_path=str(path)))
    return files


def outside(page: Path) -> list[Path]:
    """Return the files outside docs/ that a page links to; of a folder its README.md."""
    found = []
    for link in LINK.findall(included(page.read_text(encoding="utf-8"))):
        path = (page.parent / link[1].partition("#")[0]).resolve()
        if link[1].startswith(("http", "#")) or path.is_relative_to(DOCS) or path == ROOT / "README.md":
            continue
        found.append(path / "README.md" if path.is_dir() else path)
    return found


def copy_of(path: Path) -> str:
    """Return where a file of the repository lies in the site."""
    return f"repository/{path.relative_to(ROOT).as_posix()}"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Take in the README's sections, and change the links that lead out of docs/."""
    uri = page.file.src_uri
    if uri.startswith("repository/"):
        return LINK.sub(lambda found: found[1] + _back(found[2], uri) + found[3], markdown)
    text = LINK.sub(lambda found: found[1] + _moved(found[2], uri) + found[3], included(markdown))
    return EMBED.sub(
        r'<iframe class="whole-page" title="\1" src="\2"></iframe>\n\n[\1, on a page of its own](\2)', text
    )


def _moved(link: str, uri: str) -> str:
    if link.startswith(("http", "#", "mailto:")):
        return link
    target, _, anchor = link.partition("#")
    path = (DOCS / posixpath.dirname(uri) / target).resolve()
    if path.is_relative_to(DOCS):
        return link
    copy = "index.md" if path == ROOT / "README.md" else copy_of(path / "README.md" if path.is_dir() else path)
    anchor = "" if copy == "index.md" else anchor
    return posixpath.relpath(copy, posixpath.dirname(uri) or ".") + (f"#{anchor}" if anchor else "")


def _back(link: str, uri: str) -> str:
    """Return a link of a copied page: into docs/ it leads to the site's page."""
    target, _, anchor = link.partition("#")
    path = (ROOT / posixpath.dirname(uri.removeprefix("repository/")) / target).resolve()
    if link.startswith(("http", "#")) or not path.is_relative_to(DOCS):
        return link
    return posixpath.relpath(path.relative_to(DOCS), posixpath.dirname(uri)) + (f"#{anchor}" if anchor else "")


def included(text: str) -> str:
    """Replace the marked links to sections of the README by those sections, as a page of docs/ says them."""
    return INCLUDE.sub(lambda found: section(found[1]), text)


def section(anchor: str) -> str:
    """Return the text under a heading of the README, with links as from docs/.

    Raises:
        KeyError: The README has no such heading.
    """
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.*)\n", readme, flags=re.MULTILINE)
    sections = dict(zip(map(slug, parts[1::2]), parts[2::2], strict=True))
    return LINK.sub(lambda found: found[1] + _from_docs(found[2]) + found[3], sections[anchor]).strip()


def _from_docs(link: str) -> str:
    if link.startswith(("http", "#")):
        return link
    return link.removeprefix("docs/") if link.startswith("docs/") else f"../{link}"
