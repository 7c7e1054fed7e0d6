"""The structure of the package: which of its rooms (top-level modules and packages) import each other in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import sshbench

PACKAGE = Path(sshbench.__file__).parent


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> Iterator[str]:
    """Modules of sshbench that a file imports, lazily or not; imports for type checkers alone are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("sshbench."))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "sshbench":
                yield from (f"sshbench.{name.name}" for name in node.names)
            elif node.module.startswith("sshbench."):
                yield node.module


def graph() -> dict[str, set[str]]:
    """By room, the rooms that it imports; the public API in `__init__` loads its names by text and is left out."""
    rooms: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        found = {room_of(module) for module in imports(path)} - {room, ""}
        rooms.setdefault(room, set()).update(found)
    return {room: {other for other in found if other in rooms} for room, found in rooms.items() if room != "__init__"}


def reachable(rooms: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in rooms.get(waiting.pop(), set()) - seen:
            seen.add(other)
            waiting.append(other)
    return seen


def circles(rooms: dict[str, set[str]]) -> set[frozenset[str]]:
    """Groups of rooms that can all reach each other."""
    far = {room: reachable(rooms, room) for room in rooms}
    groups = {frozenset(other for other in rooms if other in far[room] and room in far[other]) for room in rooms}
    return {group for group in groups if len(group) > 1}


def test_a_circle_is_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {frozenset("abc")}


def test_rooms_form_no_circle() -> None:
    rooms = graph()
    assert {"cli", "datasets", "evaluators", "formats", "training"} <= rooms.keys()
    assert circles(rooms) == set()
