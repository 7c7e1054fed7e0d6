"""The reference pages of the site, made from the code: commands, Python, protocol keys, predictions, exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args, get_origin

import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import sshbench
from sshbench import errors, protocols, rules

GROUPS = {
    "predictions": ("Predictions", ("sshbench.evaluation", "sshbench.interop", "sshbench.formats", "sshbench.rules")),
    "models": ("Models", ("sshbench.benchmark", "sshbench.detectors", "sshbench.submission")),
    "answers": ("Answers", ("sshbench.answers", "sshbench.choosing", "sshbench.paper", "sshbench.suite")),
    "data": ("Data", ("sshbench.datasets", "sshbench.records", "sshbench.protocols")),
    "timing": ("Timing", ("sshbench.timing",)),
    "more": ("More", ("sshbench",)),
}
"""By name of a page of the API, its title and the modules whose public names it has; the first that fits wins."""

NEEDS = {
    "claims": "half an hour",
    "data fetch": "the network",
    "paper": "the curves of WIDER FACE's evaluation tool",
    "weights fetch": "the network",
    "weights import": "a file of weights in another form",
    "weights path": "fetched weights",
    "curves import": "the evaluation tool of WIDER FACE",
}
"""By command, what its examples need that the tests do not have; all others are run."""


@cache
def reference_pages() -> dict[str, str]:
    """Return the Markdown of all generated pages, by their path below docs/."""
    pages = {
        "reference/index.md": _index(),
        "reference/protocol-keys.md": protocol_keys(),
        "reference/prediction-formats.md": prediction_formats(),
        "reference/exit-codes.md": exit_codes(),
    }
    pages |= {f"reference/commands/{name}.md": text for name, text in command_pages().items()}
    return pages | {f"reference/api/{name}.md": text for name, text in api_pages().items()}


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and the site's Markdown make it.

    >>> slug("I have predictions: `eval`")
    'i-have-predictions-eval'
    """
    return re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())


def _index() -> str:
    return """# Reference

- [Every command](commands/index.md), with its options and examples
- [Python](api/index.md): every public name
- [Keys of a protocol](protocol-keys.md)
- [Forms of predictions](prediction-formats.md), and [what is read and reported](../inputs.md)
- [Files and `--json`: schemas](../schemas/README.md)
- [Exit codes and errors](exit-codes.md), [environment variables](../environment.md)
- [Where things are in the repository](../house.md)
"""


# Commands


def commands(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command that can be called, with its name of one or two words."""
    command = command or typer.main.get_command(_app())
    inner = getattr(command, "commands", {})
    if not inner or getattr(command, "invoke_without_command", False):
        yield name, command
    for word, one in sorted(inner.items()):
        yield from commands(one, f"{name} {word}".strip())


def _app() -> typer.Typer:
    from sshbench.cli import app

    return app


def command_pages() -> dict[str, str]:
    """Return a page per command of the first level, with the commands below it, and the page that lists all."""
    pages: dict[str, str] = {}
    rows = []
    for name, command in commands():
        top = name.partition(" ")[0]
        level = "#" if top not in pages else "##"
        if top not in pages and name != top:  # a group that is no command itself
            group = typer.main.get_command(_app()).commands[top]  # type: ignore[attr-defined]
            pages[top], level = f"# sshbench {top}\n\n{_text(group.help)}\n", "##"
        pages[top] = pages.get(top, "") + f"\n{level} sshbench {name}\n\n{_command(name, command)}\n"
        anchor = "" if level == "#" else f"#{slug(f'sshbench {name}')}"
        rows.append(f"| [{name}]({top}.md{anchor}) | {_cell(first_line(command))} |")
    listed = "\n".join(rows)
    text = (
        "# Every command\n\nOptions of every command: `-h` shows its help. Before the command, `-v` shows the "
        "traceback of an error, `--version` prints the version.\n\n"
        f"| `sshbench` | what it does |\n|---|---|\n{listed}\n\n"
        "The tests run the examples of these pages on the bundled sample, unless a page says what they need.\n"
    )
    return {"index": text, **pages}


def first_line(command: Any) -> str:
    """Return what a command does, in one line."""
    return str(command.help or "").partition("\n\n")[0].replace("\n", " ")


def _command(name: str, command: Any) -> str:
    context = command.context_class(command, info_name=f"sshbench {name}")
    parts = [_text(command.help), _text(command.epilog)]
    if name in NEEDS:
        parts.append(f"The example needs {NEEDS[name]}; the tests do not run it as it stands.")
    for kind, title in (("argument", "argument"), ("option", "option")):
        records = [p.get_help_record(context) for p in command.get_params(context) if p.param_type_name == kind]
        rows = [f"| `{names}` | {_cell(text)} |" for names, text in filter(None, records) if "--help" not in names]
        if rows:
            parts.append("\n".join([f"| {title} | |", "|---|---|", *rows]))
    if "commands" in vars(command):  # `timing` has commands below it, and its own help shows no example
        parts = [part for part in parts if part]
    return "\n\n".join(part for part in parts if part) + "\n"


def help_text(command: Any) -> str:
    """Return the whole text of a command's help, without its options."""
    return "\n\n".join(text for text in (command.help, command.epilog) if text)


def _text(text: str | None) -> str:
    """Turn the text of a help into Markdown: what is indented becomes a block of code."""
    parts: list[tuple[bool, list[str]]] = []
    for paragraph in (text or "").split("\n\n"):
        indented = paragraph.startswith("  ")
        lines = [line.removeprefix("  ") if indented else line for line in paragraph.splitlines()]
        if parts and indented and parts[-1][0]:
            parts[-1][1].extend(lines)
        elif paragraph.strip():
            parts.append((indented, lines))
    return "\n\n".join(
        f"```{'sh' if re.match(r'(sshbench|torchrun) ', lines[0]) else 'text'}\n" + "\n".join(lines) + "\n```"
        if indented
        else _cell("\n".join(lines))
        for indented, lines in parts
    )


def _cell(text: str) -> str:
    """Escape what Markdown takes for itself, outside of code."""
    outside = re.split(r"(`[^`]*`)", text)
    outside[::2] = [re.sub(r"([|<*\[\]_])", r"\\\1", part) for part in outside[::2]]
    return "".join(outside)


# Python


def api_pages() -> dict[str, str]:
    """Return the pages of the API: every public name, by its place in the code."""
    names: dict[str, list[str]] = {page: [] for page in GROUPS}
    for name in sshbench.__all__:
        where = sshbench._WHERE[name].partition(":")[0]
        names[next(page for page, (_, modules) in GROUPS.items() if where.startswith(modules))].append(name)
    pages = {}
    rows = []
    for page, found in names.items():
        ordered = sorted(found, key=lambda name: (name[0].isupper(), name))
        blocks = "\n\n".join(f"::: sshbench.{name}" for name in ordered)
        pages[page] = f"# Python: {GROUPS[page][0].lower()}\n\n{blocks}\n"
        rows += [f"| [`sshbench.{name}`]({page}.md#sshbench.{name}) | {_summary(name)} |" for name in ordered]
    pages["errors"] = "# Python: errors\n\n::: sshbench.errors\n"
    text = (
        "# Python\n\nEvery public name of `sshbench`; errors are in [errors](errors.md), and training has "
        "[a page of its own](../../reproduce-ssh.md). The tests run the examples.\n\n| name | |\n|---|---|\n"
    )
    return {"index": text + "\n".join(rows) + "\n", **pages}


def _summary(name: str) -> str:
    return _cell(str(getattr(sshbench, name).__doc__ or "").strip().partition("\n\n")[0].replace("\n", " "))


# Protocols


def protocol_keys() -> str:
    """Return the page of all keys of a protocol file, from the models that read it."""
    tables: dict[str, type[BaseModel]] = {
        "The file": protocols.Protocol,
        "`[layout]`": protocols.Layout,
        "`[[subsets]]`": protocols.Subset,
        "`[expected]`": protocols.Expected,
        "`[inference]`": protocols.Inference,
        "`[[sources]]`": protocols.Source,
    }
    kinds = {f'`[evaluation]`, `kind = "{kind}"`': model for kind, model in rules.RULES.items()}
    parts = [
        "# Keys of a protocol",
        "A protocol is a TOML file; [protocols of your own](../protocols.md) shows a whole one. `sshbench protocols "
        "show NAME` prints those that are shipped, with the source of each number.",
    ]
    for heading, model in (tables | kinds).items():
        rows = "\n".join(key_rows(model))
        parts.append(f"## {heading}\n\n| key | value | default | meaning |\n|---|---|---|---|\n{rows}")
    return "\n\n".join(parts) + "\n"


def key_rows(model: type[BaseModel]) -> list[str]:
    """Return a row of Markdown per field of a model: key, value, default and meaning."""
    meanings = attributes(model)
    return [
        f"| `{name}` | {_values(field)} | {_default(field)} | {_cell(meanings.get(name, ''))} |"
        for name, field in model.model_fields.items()
    ]


def attributes(model: type) -> dict[str, str]:
    """Return what a class's docstring says of its attributes, by name."""
    found: dict[str, str] = {}
    for base in (one for one in reversed(model.__mro__) if one.__module__.startswith("sshbench.")):
        block = re.search(r"^ *Attributes:\n((?: +.*\n?|\n)+)", base.__doc__ or "", flags=re.MULTILINE)
        for name, text in re.findall(r"^ {8}(\w+): (.*(?:\n {9,}.*)*)", block[1] if block else "", flags=re.MULTILINE):
            found[name] = re.sub(r"\s+", " ", text)
    return found


def _values(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) is not None and type(None) in get_args(annotation):
        annotation = next(one for one in get_args(annotation) if one is not type(None))
    return _type(annotation)


def _type(annotation: Any) -> str:
    options = get_args(annotation)
    origin = str(get_origin(annotation))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    if "Literal" in origin:
        return ", ".join(f'`"{one}"`' for one in options)
    if origin == "<class 'tuple'>":
        return f"list of {_type(options[0])}s"
    if origin == "<class 'dict'>":
        return "table of " + _type(options[1]).replace("list of", "lists of")
    if options:
        return " or ".join(_type(one) for one in options)
    return {"str": "text", "int": "whole number", "float": "number", "bool": "`true`, `false`"}[annotation.__name__]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or isinstance(value, BaseModel):
        return "absent"
    shown = str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
    return f"`{shown}`" if value not in ((), {}) else "empty"


# The rest


def prediction_formats() -> str:
    """Return the page of the forms of predictions, as `sshbench data formats` prints them."""
    from sshbench.cli.data import PREDICTION_FORMS

    return (
        f"# Forms of predictions\n\n`sshbench data formats` prints this:\n\n```text\n{PREDICTION_FORMS.strip()}\n```\n"
    )


def exit_codes() -> str:
    """Return the page of exit codes and errors."""
    tree = re.search(r"```\n(.*?)```", errors.__doc__ or "", flags=re.DOTALL)
    assert tree is not None
    rows = {0: "a result, and every check holds", 1: "", 2: "", 130: "interrupted by Ctrl-C; the same command resumes"}
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.SshbenchError)]
    for one in kinds[1:]:
        said = _cell(str(one.__doc__).partition("\n")[0].rstrip("."))
        rows[one.exit_code] += f"{'; ' if rows[one.exit_code] else ''}{said[0].lower()}{said[1:]}"
    listed = "\n".join(f"| {code} | {text} |" for code, text in rows.items())
    return (
        f"# Exit codes and errors\n\n| code | when |\n|---|---|\n{listed}\n\n`sshbench -v COMMAND` shows the traceback "
        "of an error. In Python the same errors are raised ([errors](api/errors.md)); the number in brackets is the "
        "exit code:\n\n"
        f"```text\n{tree[1]}```\n"
    )
