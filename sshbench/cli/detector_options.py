"""Options that set a detector's settings, shared by `eval`, `detect` and `timing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import typer

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the detector (repeatable)."),
]
TtaOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Test-time augmentation: flip, multi-scale, s3fd-wider, fit-640x480 ..., or a .toml file.",
    ),
]
ResizeOption = Annotated[str | None, typer.Option(help="Input size: original, MxN (shorter x longer side), fit=WxH.")]

WorkersOption = Annotated[
    str | None,
    typer.Option(metavar="N|auto", help="Processes that share the cores; auto tries what is fastest. Default: 1."),
]
ClusterOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers detect: tcp://host:8786.")
]


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


def workers_of(text: str | None) -> int | Literal["auto"] | None:
    """Return a number of workers, `auto`, or None where nothing was said.

    Raises:
        UsageError: It is something else.

    >>> workers_of("2"), workers_of("auto")
    (2, 'auto')
    """
    from sshbench.errors import UsageError

    if text is None or text == "auto":
        return "auto" if text else None
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise UsageError(f"invalid --workers '{text}'", remedy="Write a number from 1 to 1024, or auto")
    return int(text)
