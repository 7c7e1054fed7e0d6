"""Help in groups: commands and options under the title of their `rich_help_panel`, as plain text.

Typer draws panels with rich only, which takes longer to import than the rest of `sshbench --help`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

EVALUATE, LOOK, MODELS, DATA, MORE = "Evaluate", "Look", "Models", "Data", "More"
"""Panels of `sshbench --help`."""

WHAT, FILES, RULES = "What to evaluate", "Prediction files", "Rules"
DETECTOR, WORK, RESULT = "Detector", "Work", "Result"
"""Panels of options, most of which commands share."""

_ARGUMENTS, _OPTIONS, _COMMANDS = "Arguments", "Options", "Commands"
_ORDER = (
    *(_ARGUMENTS, WHAT, FILES, RULES, DETECTOR, WORK, RESULT, _OPTIONS),
    *(EVALUATE, LOOK, MODELS, DATA, MORE, _COMMANDS),
)
_WIDTH = 100


class PanelCommand(TyperCommand):
    """A command whose help lists its options by panel."""

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the arguments, then the options of each panel."""
        _write(formatter, _parameters(self, ctx))


class PanelGroup(TyperGroup):
    """A group of commands whose help lists the commands by panel."""

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the options of the group, then the commands of each panel."""
        _write(formatter, _parameters(self, ctx))
        _write(formatter, _commands(self, ctx))


class App(typer.Typer):
    """A group of commands, and of groups, with help by panels."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("cls", PanelGroup)
        super().__init__(**settings)

    def command(  # type: ignore[override]  # all other settings are typer's own
        self, name: str | None = None, *, cls: type[TyperCommand] | None = None, **settings: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a command as typer does, by default one with panels."""
        return super().command(name, cls=cls or PanelCommand, **settings)


_Row = tuple[str, tuple[str, str]]


def _parameters(command: TyperCommand | TyperGroup, ctx: typer.Context) -> Iterator[_Row]:
    """Yield panel, name and help of each argument and option that is not hidden."""
    for param in command.get_params(ctx):
        if (record := param.get_help_record(ctx)) is not None:
            usual = _ARGUMENTS if param.param_type_name == "argument" else _OPTIONS
            yield getattr(param, "rich_help_panel", None) or usual, record


def _commands(group: TyperGroup, ctx: typer.Context) -> Iterator[_Row]:
    """Yield panel, name and line of help of each command that is not hidden."""
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is not None and not command.hidden:
            panel = getattr(command, "rich_help_panel", None) or _COMMANDS
            yield panel, (name, command.get_short_help_str(_WIDTH))


def _write(formatter: Any, rows: Iterator[_Row]) -> None:
    """Write the panels in their order, each with its rows as they come; unknown panels are last."""
    panels: dict[str, list[tuple[str, str]]] = {}
    for panel, row in rows:
        panels.setdefault(panel, []).append(row)
    for panel in sorted(panels, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER)):
        with formatter.section(panel):
            formatter.write_dl(panels[panel])
