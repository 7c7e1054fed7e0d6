"""Datasets and predictions of a benchmark, by name or protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sshbench import formats
from sshbench.datasets.base import Dataset
from sshbench.datasets.pictures import in_folder, with_files
from sshbench.datasets.rules import apply_rules, with_all
from sshbench.errors import UsageError
from sshbench.evaluation.benchmarks import Benchmark, benchmark_named, resolve
from sshbench.evaluation.plausibility import suspicions
from sshbench.formats.base import read_size_list
from sshbench.formats.box_formats import BoxFormat
from sshbench.protocols import Protocol, load_protocol
from sshbench.records import DetectionSet, Finding


def load_dataset(name: str | Path | Protocol, root: str | Path | None = None) -> Dataset:
    """Load a dataset with the subsets of its protocol.

    Args:
        name: A dataset (`wider`, `fddb`, `pascal`, `afw`, `coco`, `yolo`, `own`, `sample`), the path of a protocol
            file, or a protocol; `Protocol.with_data` names another folder of images, split or class.
        root: The dataset's folder; default: the protocol's own `[layout] root`. The bundled sample needs none.

    Raises:
        UsageError: There is no such dataset, or it needs a folder and none was given.
        MissingDataError: Files are missing; the text says where to get them.
        InputError: An annotation file is damaged; the text names the line or field.

    >>> load_dataset("sample").name
    'sample'
    """
    protocol = name if isinstance(name, Protocol) else load_protocol(name)
    load = resolve(benchmark_named(protocol.dataset).load)
    layout = protocol.layout
    if layout.image_root is None:
        dataset = with_files(load(protocol, dataset_root(protocol, root)))
    else:
        only = layout.model_copy(update={"images": (layout.image_root,)})
        dataset = load(protocol.model_copy(update={"layout": only}), dataset_root(protocol, root))
        dataset = with_files(in_folder(dataset, Path(layout.image_root)), deep=True)
    upright = dataset.upright or layout.orientation == "upright"
    dataset = apply_rules(replace(dataset, upright=upright), protocol.subsets)
    return dataset if protocol.evaluation.subsets == "required" else with_all(dataset)


def load_benchmark(
    dataset: str | Path | Protocol | Dataset,
    data: str | Path | None = None,
    protocol: str | Path | Protocol | None = None,
) -> tuple[Dataset, Protocol]:
    """Load a dataset, or take a loaded one, with the protocol to evaluate by.

    Args:
        dataset: Name of a dataset, path of a protocol file, protocol, or loaded dataset.
        data: The dataset's folder, for one that is not loaded.
        protocol: The rules; default: those that `dataset` names, or the ones that are the loaded dataset's own.

    Raises:
        UsageError: Dataset and protocol do not belong together, or `data` is given for a loaded dataset.
    """
    named = protocol if protocol is not None else dataset.name if isinstance(dataset, Dataset) else dataset
    rules = named if isinstance(named, Protocol) else load_protocol(named)
    if isinstance(dataset, Dataset):
        if data is not None:
            raise UsageError("the dataset is already loaded", remedy="Leave out data, or name the dataset")
        _check_fits(rules, dataset.name)
        return dataset, rules
    if isinstance(dataset, str) and protocol is not None:
        _check_fits(rules, dataset)
    return load_dataset(rules, data), rules


def _check_fits(rules: Protocol, dataset: str) -> None:
    if rules.dataset != dataset:
        raise UsageError(f"protocol '{rules.name}' is for dataset '{rules.dataset}', not '{dataset}'")


def dataset_root(protocol: Protocol, root: str | Path | None) -> Path:
    """Return the folder of a protocol's dataset: the one given, else the bundled one, else the protocol's own.

    Raises:
        UsageError: None of the three is there.
    """
    bundled = benchmark_named(protocol.dataset).bundled
    chosen = root if root is not None else bundled() if bundled is not None else protocol.layout.root
    if chosen is None:
        raise UsageError(f"{protocol.dataset} needs its folder", remedy="Name it with --data DIR")
    return Path(chosen).expanduser()


def read_predictions(
    path: str | Path,
    dataset: Dataset,
    *,
    strict: bool = False,
    box_format: BoxFormat | None = None,
    category: int | None = None,
    sizes: str | Path | None = None,
) -> tuple[DetectionSet, list[Finding]]:
    """Read prediction files in the format of the dataset's benchmark, or COCO results.

    Args:
        path: The file or folder.
        dataset: The images that the detections are of.
        strict: Raise an error instead of reporting what was found.
        box_format: What the four numbers of a box are: `xywh`, `xyxy` or `cxcywh` (centre); None: what the format says.
        category: For COCO results: the `category_id` of faces; None: that of the dataset.
        sizes: For YOLO's files: list of image sizes, `name width height` per line; default: from the images.

    Returns:
        Detections of the dataset's images (and of unknown ones, where they count), in pixels; and the findings.

    Raises:
        MissingDataError: There is no such file, or none in it belongs to the dataset.
        InputError: A line or an entry is invalid; the text names it.
        CheckFailedError: `strict`, and there was something to report.

    >>> import sshbench
    >>> sample = sshbench.load_dataset("sample")
    >>> sshbench.read_predictions("missing.zip", sample)
    Traceback (most recent call last):
    sshbench.errors.MissingDataError: missing.zip does not exist. Give a folder or a .zip of detection files
    """
    return load_predictions(
        Path(path).expanduser(),
        dataset,
        benchmark_named(dataset.name),
        strict=strict,
        box_format=box_format,
        category=category,
        sizes=None if sizes is None else Path(sizes).expanduser(),
    )


def load_predictions(
    path: Path,
    dataset: Dataset,
    benchmark: Benchmark,
    *,
    strict: bool = False,
    box_format: BoxFormat | None = None,
    category: int | None = None,
    sizes: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[DetectionSet, list[Finding]]:
    """Read a prediction set in whatever format its benchmark has.

    Args:
        path: The file or folder.
        dataset: The images that the detections are of.
        benchmark: Says what format they are in; see `benchmark_of`.
        strict: Raise an error instead of reporting what was found.
        box_format: As for `read_predictions`.
        category: As for `read_predictions`.
        sizes: As for `read_predictions`.
        progress: Called with the number of files read since the last call, where there is one file per image.

    Raises:
        MissingDataError: There is no such file, or none in it belongs to the dataset.
        InputError: A line or an entry is invalid; the text names it.
        CheckFailedError: `strict`, and there was something to report.
    """
    if benchmark.read is not None:
        return resolve(benchmark.read)(path, dataset, strict)
    detections, findings = formats.read_predictions(
        path,
        dataset,
        benchmark.text_format,
        strict=strict,
        box_format=box_format,
        category=category,
        sizes=lambda keys: _sizes_of(dataset, keys, sizes),
        progress=progress,
    )
    more = suspicions(detections, dataset.faces, {finding.code for finding in findings})
    if strict:
        # A high threshold is a choice, not a fault.
        formats.refuse_findings(path, [finding for finding in more if finding.code != "high-threshold"])
    return detections, findings + more


def _sizes_of(dataset: Dataset, keys: Sequence[str], listed: Path | None) -> dict[str, tuple[int, int]]:
    """Return width and height of images, as far as they are known: from a list, the annotation, or the files."""
    known = {} if listed is None else read_size_list(listed)
    if dataset.faces.sizes is not None:
        known = {key: (int(w), int(h)) for key, (w, h) in zip(dataset.keys, dataset.faces.sizes, strict=True)} | known
    for key in keys:
        if key not in known and key in dataset and (path := dataset[key].path) is not None and path.is_file():
            height, width = dataset[key].read().shape[:2]
            known[key] = width, height
    return known
