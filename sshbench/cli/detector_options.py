"""Options of a detector and of its work, shared by `eval`, `submit`, `detect` and `timing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sshbench.cli.panels import DETECTOR, WORK

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a setting of the detector (repeatable).", rich_help_panel=DETECTOR
    ),
]
TtaOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Test-time augmentation: flip, multi-scale, s3fd-wider, fit-640x480 ..., or a .toml file.",
        rich_help_panel=DETECTOR,
    ),
]
ResizeOption = Annotated[
    str | None,
    typer.Option(help="Input size: original, MxN (shorter x longer side), fit=WxH.", rich_help_panel=DETECTOR),
]
ScoreThresholdOption = Annotated[float | None, typer.Option(help="Detector's lowest score.", rich_help_panel=DETECTOR)]
NmsIouOption = Annotated[float | None, typer.Option(help="Detector's NMS threshold.", rich_help_panel=DETECTOR)]
WeightsOption = Annotated[Path | None, typer.Option(help="Weights file of the detector.", rich_help_panel=DETECTOR)]
SpecOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="onnx:FILE, export:FILE: TOML file of its input and outputs; default: guess.",
        rich_help_panel=DETECTOR,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        help="Device: cpu, cuda, cuda:N, mps, tensorrt, coreml, directml, gpu, npu.", rich_help_panel=DETECTOR
    ),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(help="Precision of the network: fp32, bf16, fp16, int8 or auto.", rich_help_panel=DETECTOR),
]
BackendOption = Annotated[
    str | None,
    typer.Option(help="onnxruntime, openvino or auto; SSH also torch, compile, cudagraphs.", rich_help_panel=DETECTOR),
]
CalibrationOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Images to calibrate int8 with; not those of a benchmark.",
        rich_help_panel=DETECTOR,
    ),
]

OnErrorOption = Annotated[
    Literal["stop", "record"] | None,
    typer.Option(
        help="Images on which the detector fails: stop at the first, or record all and go on. "
        "Default: record up to 3, or 1 % of the images, then stop.",
        rich_help_panel=WORK,
    ),
]
ImageTimeoutOption = Annotated[
    float,
    typer.Option(
        min=0, help="Seconds after which the detector counts as failed on an image; 0: no limit.", rich_help_panel=WORK
    ),
]
WorkersOption = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto",
        help="Processes that share the cores; auto tries what is fastest. Default: 1.",
        rich_help_panel=WORK,
    ),
]
BatchOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Images of one size that the detector gets at once, on an accelerator. Default: 1.",
        rich_help_panel=WORK,
    ),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers detect: tcp://host:8786.", rich_help_panel=WORK),
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
