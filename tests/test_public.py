"""The public names: complete lists, an example in each docstring, paths as text."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

import sshbench
from sshbench.errors import MissingDataError

EXAMPLE_ELSEWHERE = {"Benchmark", "register_benchmark"}
"""A benchmark of one's own takes a page: tests/evaluation/test_toy_benchmark.py is the example."""


def names_for_type_checkers() -> list[str]:
    tree = ast.parse(Path(str(sshbench.__file__)).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return [name.asname or name.name for node in imports for name in node.names]


def has_example(thing: object) -> bool:
    methods = vars(thing).values() if inspect.isclass(thing) else ()
    return any(">>> " in (getattr(one, "__doc__", None) or "") for one in (thing, *methods))


def test_names_are_listed_alike_for_users_and_type_checkers() -> None:
    assert sorted(sshbench.__all__) == sorted(sshbench._WHERE) == sorted(names_for_type_checkers())


@pytest.mark.parametrize("name", sshbench.__all__)
def test_every_public_name_has_an_example(name: str) -> None:
    thing = getattr(sshbench, name)
    assert thing.__doc__
    assert has_example(thing) or name in EXAMPLE_ELSEWHERE


@pytest.mark.parametrize(
    "read",
    [
        lambda path: sshbench.read_wider(path, ["e/a"]),
        lambda path: sshbench.read_fddb(path, ["a"]),
        lambda path: sshbench.read_pascal(path, ["a"]),
        lambda path: sshbench.read_coco_results(path, ["a"]),
        lambda path: sshbench.from_coco(path),
        lambda path: sshbench.read_predictions(path, sshbench.load_dataset("sample")),
        lambda path: sshbench.convert(path, "~/other", source_format="coco", target_format="pascal"),
    ],
)
def test_readers_take_paths_as_text(
    read: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingDataError, match=str(tmp_path / "none")):
        read("~/none.json")
