"""Benchmarks: one record each says how its data are loaded, its predictions read, and its figures computed and shown.

To add a benchmark, write one module with its loader, its evaluator and its `Benchmark` record, and one protocol file.
Then call `register`, or name the record in your package as an entry point of the group `sshbench.benchmarks`. The
shipped records are in `sshbench.evaluation.shipped`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, TypeVar

from sshbench.datasets.base import Dataset
from sshbench.datasets.check import CheckItem
from sshbench.errors import InputError, UsageError, did_you_mean
from sshbench.evaluators.base import EvaluatorFunction
from sshbench.protocols import PROTOCOL_FILES, RULES, Protocol, Rules, load_plugins
from sshbench.records import DetectionSet, Finding

Loader = Callable[[Protocol, Path], Dataset]
"""From a protocol and the dataset's folder to its images and ground truth."""
Reader = Callable[[Path, Dataset, bool], tuple[DetectionSet, list[Finding]]]
"""From a file or folder, the dataset and `strict` to detections and findings."""
FileCheck = Callable[[Protocol, Path], list[CheckItem]]
"""From a protocol and the dataset's folder to what is known of single files, for `sshbench data check`."""
LabelProblems = Callable[[Protocol, Path], list[InputError]]
"""From a protocol and the dataset's folder to all invalid rows of its annotation, where its loader names the first."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Everything that is particular to one benchmark.

    Functions are given themselves or as `module:name`, which is imported when it is needed.

    Attributes:
        name: Name of its dataset, as in a protocol's `dataset`.
        title: For people.
        kind: Name of its kind of evaluation, as in `[evaluation] kind`.
        rules: The numbers of that kind.
        load: Reads the dataset.
        evaluate: Computes the outcome.
        predictions: Its prediction format in words.
        protocol: Its protocol file, where it is not among the shipped ones.
        text_format: Format of its text files of predictions: `wider`, `fddb`, `pascal` or `coco`.
        read: Reads its predictions, where they are in none of these formats.
        headline: Metrics that people quote; empty for all.
        compared: Metric that detectors are ranked by; empty for the first of the headline.
        shown_rule: Number of the evaluation that stands beside every result, where there is one to choose.
        published: File of published figures, its path or its name in `results/published/`, where there is one.
        curves: Published curves that can be imported, where there are some.
        bundled: Folder of its data, where they travel with the package.
        check_files: What `sshbench data check` says of single files.
        label_problems: All invalid rows of an annotation that cannot be loaded, for `sshbench data check --labels`.
        unknown_images_count: Detections of images that the dataset does not have are false positives; otherwise they
            take no part.
    """

    name: str
    title: str
    kind: str
    rules: type[Rules]
    load: Loader | str
    evaluate: EvaluatorFunction | str
    predictions: str
    protocol: Path | None = None
    text_format: str = "wider"
    read: Reader | str | None = None
    headline: tuple[str, ...] = ()
    compared: str = ""
    shown_rule: str = ""
    published: str = ""
    curves: Literal["pr", "roc"] | None = None
    bundled: Callable[[], Path] | None = None
    check_files: FileCheck | str | None = None
    label_problems: LabelProblems | str | None = None
    unknown_images_count: bool = False


_BENCHMARKS: dict[str, Benchmark] = {}


def register(benchmark: Benchmark) -> None:
    """Add a benchmark; protocols with its `dataset` and `[evaluation] kind` can then be loaded.

    Raises:
        UsageError: Its name belongs to another benchmark, or its kind to other rules.
    """
    if _BENCHMARKS.get(benchmark.name, benchmark) is not benchmark:
        raise UsageError(f"there is already a benchmark named '{benchmark.name}'", remedy="Choose another name")
    if RULES.get(benchmark.kind, benchmark.rules) is not benchmark.rules:
        raise UsageError(f"the kind '{benchmark.kind}' already has other rules", remedy="Choose another kind")
    RULES[benchmark.kind] = benchmark.rules
    if benchmark.protocol is not None:
        PROTOCOL_FILES[benchmark.name] = benchmark.protocol
    _BENCHMARKS[benchmark.name] = benchmark


def unregister(name: str) -> None:
    """Remove a benchmark that was registered, and its kind where no other benchmark has it."""
    from sshbench.evaluation.shipped import SHIPPED

    removed = _BENCHMARKS.pop(name, None)
    PROTOCOL_FILES.pop(name, None)
    if removed is not None and removed.kind not in {one.kind for one in (*SHIPPED, *_BENCHMARKS.values())}:
        RULES.pop(removed.kind, None)


def benchmarks() -> list[Benchmark]:
    """Return all benchmarks: the shipped ones, then those of other packages and registered ones."""
    from sshbench.evaluation.shipped import SHIPPED

    for record in SHIPPED:
        if record.name not in _BENCHMARKS:
            register(record)
    for plugin in load_plugins():
        if isinstance(plugin, Benchmark) and plugin.name not in _BENCHMARKS:
            register(plugin)
    return list(_BENCHMARKS.values())


def benchmark_named(name: str) -> Benchmark:
    """Return the benchmark of a dataset.

    Raises:
        UsageError: There is none of this name.

    >>> benchmark_named("afw").predictions
    "a text file with one line per detection: 'image score x1 y1 x2 y2'"
    """
    known = {one.name: one for one in benchmarks()}
    if name not in known:
        raise UsageError(f"there is no dataset named '{name}'", remedy=did_you_mean(name, known))
    return known[name]


def own_benchmark(protocol: str) -> Benchmark | None:
    """Return the benchmark whose own protocol has this name: only its results compare with published ones."""
    return next((one for one in benchmarks() if one.name == protocol), None)


def benchmark_of(protocol: Protocol) -> Benchmark:
    """Return the benchmark whose evaluation a protocol asks for: its dataset's own, or the first of its kind.

    A protocol may evaluate a dataset in another benchmark's way, for example a COCO json as WIDER FACE does.
    """
    own = benchmark_named(protocol.dataset)
    if own.kind == protocol.evaluation.kind:
        return own
    return next(one for one in benchmarks() if one.kind == protocol.evaluation.kind)


def resolve(function: _T | str) -> _T:
    """Import a function that is named as `module:name`."""
    if not isinstance(function, str):
        return function
    module, _, name = function.partition(":")
    found: _T = getattr(import_module(module), name)
    return found


def evaluator_of(protocol: Protocol) -> EvaluatorFunction:
    """Return the evaluator that a protocol asks for."""
    return resolve(benchmark_of(protocol).evaluate)


def headline_of(metrics: Sequence[str], protocol: Protocol) -> list[str]:
    """Return the metrics that people quote, without those of single folds; all where none of them is there.

    >>> from sshbench.protocols import load_protocol
    >>> headline_of(["AP", "AP/iteration1", "AP/iteration2"], load_protocol("afw"))
    ['AP', 'AP/iteration1']
    """
    wanted = benchmark_of(protocol).headline
    listed = [name for name in metrics if not name.startswith("fold")]
    return [name for name in listed if name in wanted] or listed


def shown_rule(protocol: Protocol) -> str:
    """Return the rule that stands beside every result of a protocol, in words; empty where it has none.

    >>> from sshbench.protocols import load_protocol
    >>> shown_rule(load_protocol("wider"))
    'iou arithmetic: double'
    """
    name = benchmark_of(protocol).shown_rule
    return f"{name.replace('_', ' ')}: {getattr(protocol.evaluation, name)}" if name else ""


def compared_metric(metrics: Sequence[str], protocol: Protocol) -> str:
    """Return the metric that detectors are ranked by."""
    chosen = benchmark_of(protocol).compared
    return chosen if chosen in metrics else headline_of(metrics, protocol)[0]
