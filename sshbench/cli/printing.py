"""Print results for machines; apart from `outputs`, so that a command loads no models but its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel


def print_json(content: BaseModel) -> None:
    """Print one JSON object on one line."""
    typer.echo(content.model_dump_json())
