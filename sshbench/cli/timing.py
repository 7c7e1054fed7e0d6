"""`sshbench timing`: latencies by input size, with everything a reader needs to trust them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from sshbench.cli.detector_options import (
    CalibrationOption,
    DeviceOption,
    SetOption,
    SpecOption,
    TtaOption,
    WeightsOption,
    given_settings,
)
from sshbench.cli.panels import App
from sshbench.errors import UsageError

timing_app = App(help="Measure the latency of detectors, with intervals.", invoke_without_command=True)


@timing_app.callback(
    epilog="""Examples:

  sshbench timing --detector yunet --detector haar -o timings

  sshbench timing --run runs/yunet -o timings
"""
)
def timing_command(
    context: typer.Context,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help="Detector by name, or path/to/model.py:NAME (repeatable: several are timed in turn, each in its own "
            "process)."
        ),
    ] = None,
    sizes: Annotated[str, typer.Option(help="Input sizes with commas: original, MxN (short x long), fit=WxH.")] = (
        "400x800,600x1000,800x1200,1200x1600"
    ),
    scope: Annotated[
        Literal["paper", "detect", "end-to-end", "forward"],
        typer.Option(
            help="What counts: the paper's stages (no reading, no NMS), all but reading, everything, or the network."
        ),
    ] = "paper",
    device: DeviceOption = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32, bf16, fp16, int8 or auto; several with commas, or all.")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help="onnxruntime, openvino or auto; SSH also torch ...; several with commas, or all."),
    ] = None,
    calibration: CalibrationOption = None,
    weights: WeightsOption = None,
    spec: SpecOption = None,
    assignments: SetOption = None,
    tta: TtaOption = None,
    batch: Annotated[str, typer.Option(help="Images per pass; several with commas.")] = "1",
    threads: Annotated[str | None, typer.Option(help="CPU threads, several with commas; default: all.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of images; default: the bundled sample.")] = None,
    count: Annotated[int | None, typer.Option(help="How many images, in turn. Default: 6; with --run 24.")] = None,
    image_size: Annotated[
        str, typer.Option(help="Cut and resize the images to WxH before, so that every detector gets the same pixels.")
    ] = "",
    min_time: Annotated[float, typer.Option(help="Seconds to measure at each size, at least.")] = 5.0,
    min_count: Annotated[int, typer.Option(help="Passes to measure at each size, at least.")] = 12,
    floor: Annotated[bool, typer.Option("--floor", help="SSH: compare with this machine's measured limit.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="JSON file to keep; a folder for several.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Folder for figures: against size, against faces.")] = None,
    compare: Annotated[Path | None, typer.Option(help="Older timing to compare with.")] = None,
    fail_if_slower: Annotated[
        str | None, typer.Option(help="With --compare: exit code 1 where certainly slower by more, for example 5%.")
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--run",
            help="Run whose detector to time, with the run's settings on a sample of its images (repeatable); --out is "
            "a folder then.",
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="With --run: the dataset's folder, where it has moved.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Compare although machine or settings differ.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Time detectors at several input sizes, stage by stage.

    Examples:

      sshbench timing --detector yunet --sizes 400x800,800x1200 -o yunet.json

      sshbench timing --detector haar --detector yunet --images photos/

      sshbench timing --detector ssh --weights ssh-vgg16.safetensors --precision auto --floor

      sshbench timing --detector yunet --compare yunet.json --fail-if-slower 5%

      sshbench timing --run runs/wider/yunet --run runs/wider/haar -o timings

      sshbench timing --detector yunet --threads 1,2 --batch 1,4 --backend all --precision all -o sweep
    """
    if context.invoked_subcommand is not None:
        return
    from sshbench.cli import timing_tables
    from sshbench.timing import TimingRecord, check_not_slower, compare_timings, plot_timings, time_detectors
    from sshbench.timing.public import paths_of

    if runs:
        _time_runs(context, as_json=as_json)
        return
    if data is not None:
        raise UsageError("--data belongs to --run", remedy="Name the images with --images")
    names = detector or []
    counts, batches = numbers(threads, "--threads"), numbers(batch, "--batch") or [1]
    if "all" in (backend, precision) or "," in f"{threads}{batch}{backend}{precision}":
        _sweep(context, counts or [None], batches, as_json=as_json)
        return
    limit = None if fail_if_slower is None else timing_tables.percent(fail_if_slower)
    if compare is None and limit is not None:
        raise UsageError("--fail-if-slower needs --compare OLD.json")
    if compare is not None and len(names) > 1:
        raise UsageError("--compare takes one detector", remedy="Time one at a time")
    old = None if compare is None else TimingRecord.load(compare)
    records = time_detectors(
        names,
        sizes=sizes,
        scope=scope,
        settings=given_settings(
            assignments,
            {
                "device": device,
                "precision": precision,
                "backend": backend,
                "calibration": calibration,
                "tta": tta,
                "spec": spec,
            },
        ),
        weights=weights,
        images=images,
        count=6 if count is None else count,
        image_size=image_size,
        batch=batches[0],
        threads=counts[0] if counts else None,
        min_time=min_time,
        min_count=min_count,
        floor=floor,
        out=out,
        progress=not as_json,
    )
    files = paths_of(records, out)
    if plot is not None:
        files += plot_timings(records, plot)
    ratios = [] if old is None else compare_timings(records[0], old, force=force)
    if as_json:
        from sshbench.cli.outputs import TimingsOutput
        from sshbench.cli.printing import print_json

        print_json(records[0] if len(records) == 1 else TimingsOutput(records=tuple(records)))
    else:
        timing_tables.show(records, ratios, files)
    if limit is not None:
        check_not_slower(ratios, limit)


_OF_RUNS = frozenset(
    {"runs", "data", "weights", "count", "scope", "threads", "min_time", "min_count", "out", "as_json"}
)


def _time_runs(context: typer.Context, *, as_json: bool) -> None:
    """Time the detectors of runs, and show the timings."""
    from sshbench.cli import timing_tables
    from sshbench.timing import time_runs

    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if other := sorted(set(given) - _OF_RUNS):
        raise UsageError(
            f"--{other[0].replace('_', '-')} does not go with --run: the run says it", remedy="Leave it out"
        )
    options = {name: context.params[name] for name in given if name not in ("runs", "as_json")}
    if "threads" in options:
        (options["threads"],) = numbers(options["threads"], "--threads")[:1]
    records = time_runs(context.params["runs"], progress=not as_json, **options)
    if as_json:
        from sshbench.cli.outputs import TimingsOutput
        from sshbench.cli.printing import print_json

        print_json(records[0] if len(records) == 1 else TimingsOutput(records=tuple(records)))
    else:
        for record in records:  # not taken in turn: no ratios
            timing_tables.show([record], [], [])


_OF_SWEEPS = (
    "scope",
    "weights",
    "images",
    "image_size",
    "min_time",
    "min_count",
    "sizes",
    "out",
)


def _sweep(context: typer.Context, threads: Sequence[int | None], batches: Sequence[int], *, as_json: bool) -> None:
    """Time all combinations, and show what is worth deploying."""
    from sshbench.cli import timing_tables
    from sshbench.timing import sweep_detectors

    given = context.params
    for name in ("plot", "compare", "fail_if_slower", "floor"):
        if given[name]:
            raise UsageError(
                f"--{name.replace('_', '-')} takes one combination", remedy="Leave out the lists and `all`, or this"
            )
    found = sweep_detectors(
        given["detector"] or [],
        backends=_words(given["backend"]),
        precisions=_words(given["precision"]),
        thread_counts=threads,
        batch_sizes=batches,
        settings=given_settings(given["assignments"], {name: given[name] for name in ("device", "calibration", "tta")}),
        count=6 if given["count"] is None else given["count"],
        progress=not as_json,
        **{name: given[name] for name in _OF_SWEEPS},
    )
    if as_json:
        from sshbench.cli.outputs import LeftOutCombination, SweepOutput
        from sshbench.cli.printing import print_json

        left_out = tuple(LeftOutCombination(combination=str(one), reason=why) for one, why in found.left_out.items())
        print_json(SweepOutput(records=tuple(found.records.values()), left_out=left_out))
    else:
        timing_tables.show_sweep(found)


def numbers(text: str | None, option: str) -> list[int]:
    """Return the positive numbers of a list with commas.

    Raises:
        UsageError: One is something else.

    >>> numbers("1,4,8", "--batch")
    [1, 4, 8]
    """
    words = _words(text)
    for word in words:
        if not word.isdecimal() or int(word) < 1:
            raise UsageError(f"invalid {option} '{word}'", remedy="Write numbers of at least 1, with commas")
    return [int(word) for word in words]


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


@timing_app.command("plot")
def plot_command(
    records: Annotated[list[Path], typer.Argument(help="Timings that were kept by --out.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for PNG, SVG and CSV.")],
) -> None:
    """Draw timings: against input size, and against faces. Speed against accuracy: `sshbench leaderboard`.

    Example:

      sshbench timing plot yunet.json haar.json -o figures
    """
    from sshbench.timing import plot_timings

    for file in plot_timings(records, out):
        typer.echo(str(file))
