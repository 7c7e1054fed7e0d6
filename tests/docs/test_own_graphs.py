"""docs/own-graphs.md: its tables are those of the code and its specification is valid."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from sshbench.detectors.graphs.spec import GraphSpec
from tests.detectors.graphs.reference import tables

PAGE = Path(__file__).parents[2] / "docs" / "own-graphs.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("heading", tables())
def test_a_table_of_fields_is_up_to_date(heading: str) -> None:
    text = f"### {heading}\n\n{tables()[heading]}\n"
    assert text in TEXT, "copy what `python -m tests.detectors.graphs.reference` prints"


def test_the_specification_of_the_page_is_valid() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    assert GraphSpec.model_validate(tomllib.loads(text)).name == "my-faces"
