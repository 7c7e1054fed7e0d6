"""Run a detector over a dataset resumably, evaluate it, and keep the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from sshbench.datasets.base import Dataset
from sshbench.detectors.augmented import explaining_part
from sshbench.detectors.contract import Detector, DetectorInfo, FollowsImages, SettingValue
from sshbench.detectors.function import DetectorLike
from sshbench.detectors.graphs.no_guess import kept_skeleton
from sshbench.detectors.registry import detector_info, load_detector, targets
from sshbench.detectors.source import source_of
from sshbench.detectors.weights import weights_files
from sshbench.errors import CheckFailedError, UsageError
from sshbench.evaluation.failures import kept_traceback, store_failures
from sshbench.evaluation.loading import load_benchmark
from sshbench.evaluation.origin import check_images, check_unchanged
from sshbench.evaluation.result import Evaluation
from sshbench.evaluation.storing import evaluate_run, identity_of, store_evaluation
from sshbench.files import safe_name
from sshbench.inference.fill import Helpers, fill_run
from sshbench.inference.shards import parse_shard
from sshbench.inference.spec import DetectorSpec
from sshbench.inference.work import work_left
from sshbench.progress import progress_bar
from sshbench.protocols import Protocol
from sshbench.records import Finding
from sshbench.runs import OnError, Run, StoredImage, create_or_resume


def run(
    detector: DetectorLike,
    dataset: str | Path | Protocol | Dataset,
    *,
    data: str | Path | None = None,
    protocol: str | Path | Protocol | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, SettingValue | Path | None] | None = None,
    limit: int | None = None,
    trained_on: tuple[str, ...] | None = None,
    overwrite: bool = False,
    strict: bool = False,
    on_error: OnError | None = None,
    image_timeout: float | None = 600,
    workers: int | Literal["auto"] | None = None,
    batch: int = 1,
    cluster: str | None = None,
    shard: str | None = None,
    progress: bool = True,
    on_image: Callable[[StoredImage], None] | None = None,
) -> Evaluation:
    """Run a detector over a dataset's images, evaluate it, and keep everything in a run folder.

    Every image is stored as soon as it is done: killed at any moment, the same call resumes the run.

    Args:
        detector: Name of a detector, or another spelling (`path/to/model.py:NAME`); a loaded detector; a class; or a
            function. A function gets each image as uint8 (height, width, 3) with channels in R, G, B order and returns
            boxes, numbers (n, 4), corners x1, y1, x2, y2 in pixels of that image with x2 = x1 + w, and scores (n,). Its
            other parameters with a number or a text as default are settings. Use `FunctionDetector` for another channel
            order or a name. Source text is part of the run's identity; docs/own-models.md says what of it.
        dataset: Name of a dataset, path of a protocol file, protocol, or loaded dataset.
        data: The dataset's folder, where it is not loaded and not bundled.
        protocol: The rules; default: the dataset's own.
        out: The run's folder; default: `runs/<dataset>-<detector>-<key>`.
        settings: Settings instead of the detector's own ones, but for a loaded detector; `weights` names its file.
        limit: Only the first images.
        trained_on: Benchmarks whose training images the model saw; default: what detector or weights file say.
        overwrite: Discard what the run's folder holds, instead of resuming.
        strict: Raise an error where an image is damaged or failed; what was computed is stored.
        on_error: `stop` at the first image on which the detector fails, or `record` failures and go on; default: record
            up to three, or 1 % of the images if that is more, then stop.
        image_timeout: Seconds after which the detector counts as failed on an image; None for no limit.
        workers: Processes that detect and share the cores, or `auto`, which tries what is fastest; None: this process.
            The detector must then be given as text, or be picklable and of a module.
        batch: Maximum number of images of one size that the detector gets at once; more than one needs a detector
            with `forward_batch` and pays on accelerators. Results are equal to the bit or within the bounds that
            docs/clusters.md states, so that it is no part of a run's identity.
        cluster: Address of a Dask scheduler whose workers detect, for example `tcp://host:8786`.
        shard: The part `K/N` of the images, or `auto`: K and N from torchrun's or SLURM's variables. The run's folder
            is then `shard-K-of-N` in `out`, where that is given; `sshbench.merge` joins them.
        progress: Draw a progress bar where standard error is a terminal.
        on_image: Called after each image is stored.

    Returns:
        The result; its `folder` is the run's.

    Raises:
        UsageError: Detector, dataset or settings are unknown, or do not fit each other.
        MissingDataError: Images, annotations or weights are missing; the text says where to get them.
        IdentityError: The folder holds a run with other settings.
        DetectorError: The detector failed on more images than `on_error` allows; finished images are stored.
        CheckFailedError: No image could be used, or `strict` and one was not intact.

    >>> import tempfile
    >>> import sshbench
    >>> def whole_image(image):
    ...     height, width, _ = image.shape
    ...     return [[0, 0, width, height]], [0.5]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sshbench.run(whole_image, "sample", out=f"{folder}/run", limit=2).record.images
    2
    """
    started = time.perf_counter()
    images, rules = load_benchmark(dataset, data, protocol)
    images = images.with_images()
    if limit is not None:
        images = images.limited(limit)
    if shard is not None:
        part = parse_shard(shard)
        images = part.of(images)
        out = None if out is None else Path(out).expanduser() / part.folder
    helpers = Helpers(workers=workers, batch=batch, cluster=cluster, on_error=on_error, image_timeout=image_timeout)
    stored_run = finished_run(
        detector,
        images,
        rules,
        helpers=helpers,
        settings=settings,
        out=out,
        trained_on=trained_on,
        overwrite=overwrite,
        progress=progress,
        on_image=on_image,
    )
    with stored_run as (stored, findings):
        with progress_bar("evaluation", len(images), "images", enabled=progress) as bar:
            evaluation = evaluate_run(
                stored,
                images,
                rules,
                findings=findings,
                trained_on=trained_on,
                started=started,
                progress=bar.update,
            )
        evaluation = store_evaluation(stored, evaluation)
    wrong = [finding for finding in evaluation.record.warnings if finding.code in _NOT_STRICT]
    if strict and wrong:
        raise CheckFailedError(
            f"strict mode: {wrong[0].message}", remedy=f"The result is stored in {evaluation.folder}"
        )
    return evaluation


_NOT_STRICT = ("damaged-image", "failed-image", "other-size")


def load_for(
    detector: DetectorLike,
    images: Dataset,
    rules: Protocol,
    settings: Mapping[str, SettingValue | Path | None] | None,
) -> tuple[Detector, list[Finding]]:
    """Load a detector with the settings that it runs with on a dataset.

    The user's settings go before the protocol's policy, and that before the detector's own ones.

    Args:
        detector: As for `run`.
        images: The images that it will get.
        rules: The protocol.
        settings: As for `run`.

    Returns:
        The detector, and what attaching it to the images found.

    Raises:
        UsageError: Detector or settings are unknown, do not fit each other, or the detector is for timing only.
        MissingDataError: Its weights are missing.
    """
    if isinstance(detector, str) and detector in targets():
        _refuse_timing_only(detector_info(detector))  # before much is loaded for nothing
    weights, chosen = _chosen(detector, rules, settings)
    tta, spec = (None if value is None else str(value) for value in (chosen.pop("tta", None), chosen.pop("spec", None)))
    loaded = load_detector(detector, weights=weights, tta=tta, spec=spec, **chosen)
    _refuse_timing_only(loaded.info)
    if isinstance(loaded, FollowsImages):
        loaded.attach(images)
        return loaded, loaded.findings
    explaining = explaining_part(loaded)
    return loaded, [] if explaining is None else explaining.findings


def _refuse_timing_only(info: DetectorInfo) -> None:
    if info.timing_only:
        raise UsageError(
            f"detector '{info.name}' cannot be evaluated: {info.timing_only}",
            remedy=f"Time it: sshbench timing --detector {info.name}",
        )


@contextmanager
def finished_run(
    detector: DetectorLike,
    images: Dataset,
    rules: Protocol,
    *,
    helpers: Helpers,
    settings: Mapping[str, SettingValue | Path | None] | None = None,
    out: str | Path | None = None,
    trained_on: tuple[str, ...] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    on_image: Callable[[StoredImage], None] | None = None,
) -> Iterator[tuple[Run, list[Finding]]]:
    """Run a detector over images, resumably.

    Args:
        detector: As for `run`.
        images: Images that are all there.
        rules: The protocol; its hash is part of the run's identity.
        helpers: Who detects, and what happens when that fails.
        settings: As for `run`.
        out: As for `run`.
        trained_on: As for `run`.
        overwrite: As for `run`.
        progress: As for `run`.
        on_image: As for `run`.

    Yields:
        The finished run, open for writing, and what attaching the detector to the images found.

    Raises:
        UsageError: Detector or settings are unknown, do not fit each other, or cannot do what `helpers` asks for.
        MissingDataError: The detector's weights are missing.
        IdentityError: The folder holds a run with other settings.
        DetectorError: The detector failed on more images than `helpers` allows; finished images are stored.
    """
    short = detector.rpartition(":")[2] if isinstance(detector, str) else getattr(detector, "__name__", "detector")
    beside = Path("runs") / f"{images.name}-spec.toml" if out is None else Path(f"{Path(out).expanduser()}-spec.toml")
    with kept_traceback(short, images.name, out), kept_skeleton(beside):
        source = source_of(detector)
        loaded, findings = load_for(detector, images, rules, settings)
    helpers.check(loaded)
    name = loaded.info.name
    identity = identity_of(
        images,
        rules,
        detector=name,
        settings=loaded.settings.as_dict(),
        weights_sha256=loaded.weights_sha256,
        trained_on=training_data_of(loaded, trained_on, own_weights="weights" in (settings or {})),
        spelling=source.spelling,
        code=source.code,
    )
    folder = (
        Path("runs") / f"{safe_name(f'{images.name}-{name}')}-{identity.key[:8]}"
        if out is None
        else Path(out).expanduser()
    )
    with create_or_resume(folder, identity, overwrite=overwrite) as stored:
        check_unchanged(stored)
        check_images(stored, images)
        if (explaining := explaining_part(loaded)) is not None:
            explaining.explain(folder, (image.path for image in images if image.path is not None))
        work = work_left(images, stored)
        whole = len(images.keys)
        done = whole - len(work.records)
        with progress_bar(f"{name} on {images.name}", whole, "images", done=done, enabled=progress) as bar:

            def report(image: StoredImage) -> None:
                bar.update(1)
                if on_image is not None:
                    on_image(image)

            try:
                spec = partial(spec_for, detector, rules, settings)
                fill_run(stored, work, loaded, helpers, spec=spec, on_image=report)
            finally:
                store_failures(stored)
        yield stored, findings


def spec_for(
    detector: DetectorLike,
    rules: Protocol,
    settings: Mapping[str, SettingValue | Path | None] | None,
) -> DetectorSpec:
    """Return what another process makes a detector from; the arguments are those of `load_for`.

    Raises:
        UsageError: The detector is an object that cannot be sent to another process.
    """
    weights, chosen = _chosen(detector, rules, settings)
    return DetectorSpec.of(detector, weights, chosen)


def _chosen(
    detector: DetectorLike, rules: Protocol, settings: Mapping[str, SettingValue | Path | None] | None
) -> tuple[str | None, dict[str, SettingValue | None]]:
    """Return the weights file and the settings that a detector is made with."""
    made_already = isinstance(detector, Detector) and not isinstance(detector, type)
    policy = {} if made_already else rules.inference.overrides()
    given = {**policy, **(settings or {})}  # the user's word goes before the protocol's policy
    chosen = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
    weights = chosen.pop("weights", None)
    return None if weights is None else str(weights), chosen


def training_data_of(detector: Detector, said: tuple[str, ...] | None, *, own_weights: bool) -> tuple[str, ...] | None:
    """Return the benchmarks whose training images a detector saw; None where that is not known.

    Args:
        detector: A loaded detector.
        said: What the user says; it goes before the weights file, and that before the registry.
        own_weights: Whether the user named the weights file, which may then be of any data.
    """
    if said is not None:
        return said
    stated: tuple[str, ...] | None = getattr(detector, "trained_on", None)
    if stated is not None:
        return stated
    known = {entry.sha256 for entry in weights_files() if entry.sha256}
    return detector.info.trained_on if not own_weights or detector.weights_sha256 in known else None
