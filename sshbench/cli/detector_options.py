"""Options that set a detector's settings, shared by `eval`, `detect` and `timing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the detector (repeatable)."),
]
ResizeOption = Annotated[str | None, typer.Option(help="Input size: original, MxN (shorter x longer side), fit=WxH.")]


def one_detector(names: Sequence[str] | None) -> str | None:
    """Return the only detector that was named; None if none was.

    Raises:
        UsageError: Several were named.
    """
    from sshbench.errors import UsageError

    if names and len(names) > 1:
        raise UsageError(f"several detectors: {', '.join(names)}", remedy="Run the command once for each of them")
    return names[0] if names else None


def given_settings(assignments: Sequence[str] | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Join the texts of --set with the options that have a value.

    Args:
        assignments: `key=value` texts.
        options: By setting, the value of its own option, None if the option was not given.

    Raises:
        UsageError: A text is malformed, or a setting is given by --set and by its own option.
    """
    from sshbench.detectors.overrides import parse_assignments
    from sshbench.errors import UsageError

    given = {name: value for name, value in options.items() if value is not None}
    assigned = parse_assignments(assignments or [])
    for name, value in assigned.items():
        if name == "weights":
            raise UsageError(f"--set weights={value}: weights are not a setting", remedy="Use --weights FILE")
        if name in given:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{name} is given twice: {option} {given[name]} and --set {name}={value}")
    return {**given, **assigned}
