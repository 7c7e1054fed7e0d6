"""Print results for machines; apart from `outputs`, so that a command loads no models but its own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel


def print_json(content: BaseModel) -> None:
    """Print one JSON object on one line, in ASCII, so that a name is whole in every console and redirected file."""
    typer.echo(escaped(content.model_dump_json()))


def escaped(text: str) -> str:
    r"""Return JSON whose letters outside of ASCII are written as `\uXXXX`.

    >>> print(escaped('{"file": "ü.zip"}'))
    {"file": "\u00fc.zip"}
    """
    return re.sub(r"[^\x00-\x7f]", lambda letter: json.dumps(letter[0])[1:-1], text)
