"""Write a pydantic model as TOML that a user can edit: every value with what it means, and why it was chosen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

_WIDTH = 44  # where comments begin


def toml_text(model: BaseModel, *, head: str = "", reasons: Mapping[str, str] | None = None) -> str:
    r"""Return a model as TOML, each field with its description as a comment.

    Fields that are None are left out, and nested models become tables.

    Args:
        model: The model.
        head: Comment at the beginning, without `#`.
        reasons: By dotted name of a field or table, why it has its value; in lines of their own above it.

    >>> from pydantic import Field
    >>> class Point(BaseModel):
    ...     x: float = Field(default=0.5, description="to the right")
    >>> toml_text(Point(), reasons={"x": "in the middle"})
    '# in the middle\nx = 0.5                                     # to the right\n'
    """
    begin = [f"# {line}".rstrip() for line in head.splitlines()]
    return "\n".join([*begin, *([""] if begin else []), *_lines(model, "", reasons or {})]) + "\n"


def _lines(model: BaseModel, prefix: str, reasons: Mapping[str, str]) -> Iterator[str]:
    tables: list[tuple[str, BaseModel]] = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            tables.append((name, value))
            continue
        yield from (f"# {line}" for line in reasons.get(f"{prefix}{name}", "").splitlines())
        if value is not None:
            text = f"{name} = {toml_value(value)}"
            yield f"{text:{_WIDTH - 1}} # {field.description}" if field.description else text
        elif field.description:
            yield f"# {name} = ..., {field.description}"
    for name, table in tables:
        yield ""
        yield from (f"# {line}" for line in reasons.get(f"{prefix}{name}", "").splitlines())
        yield f"[{prefix}{name}]"
        yield from _lines(table, f"{prefix}{name}.", reasons)


def toml_value(value: object) -> str:
    r"""Return a value as TOML.

    >>> toml_value([1, 0.5, "a\"b", True, {"x": 1}])
    '[1, 0.5, "a\\"b", true, { x = 1 }]'
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(one) for one in value) + "]"
    return repr(value)
