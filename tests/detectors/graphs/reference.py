"""The tables of docs/own-graphs.md, made from the models: `python -m tests.detectors.graphs.reference` prints them."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic_core import PydanticUndefined

from sshbench.detectors.graphs.spec import FAMILIES, DefaultSettings, GraphSpec, InputSpec
from sshbench.detectors.graphs.toml_text import toml_value


def row(name: str, field: Any) -> str:
    if field.default is PydanticUndefined:
        default = "needed"
    elif field.default is None:
        default = "absent"
    else:
        default = "as RetinaFace" if name == "levels" and field.default else f"`{toml_value(field.default)}`"
    return f"| `{name}` | {default} | {field.description} |"


def table(model: Any, *, without: tuple[str, ...] = ()) -> str:
    rows = [row(name, field) for name, field in model.model_fields.items() if name not in without]
    return "\n".join(["| field | default | meaning |", "|---|---|---|", *rows])


def tables() -> dict[str, str]:
    """Return the tables by heading."""
    found = {
        "The file": table(GraphSpec, without=("input", "output", "settings")),
        "`[input]`": table(InputSpec),
        "`[settings]`": table(DefaultSettings),
    }
    for family in FAMILIES:
        name = family.model_fields["family"].default
        said = (inspect.getdoc(family) or "").splitlines()[0]
        found[f'`family = "{name}"`'] = f"{said}\n\n{table(family, without=('family',))}"
    return found


if __name__ == "__main__":
    for heading, text in tables().items():
        print(f"### {heading}\n\n{text}\n")
