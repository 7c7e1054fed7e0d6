"""Join runs of one detector on parts of a dataset, such as the shards of a job array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from sshbench.datasets.base import Dataset
from sshbench.errors import CheckFailedError, IdentityError, UsageError
from sshbench.evaluation.origin import check_origin, dataset_of
from sshbench.evaluation.result import Evaluation
from sshbench.evaluation.storing import evaluate_run, store_evaluation, stored_protocol
from sshbench.flat import counted
from sshbench.records import DetectionSet
from sshbench.runs import Identity, Run, StoredImage, create_or_resume, open_run

_PART = frozenset({"dataset_fingerprint", "images"})  # fields of an identity in which parts differ


def merge(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    data: str | Path | None = None,
    limit: int | None = None,
    overwrite: bool = False,
) -> Evaluation:
    """Join runs of one detector on parts of a dataset into one run, and evaluate it.

    Args:
        runs: Folders of evaluated runs with the same detector, settings, weights and protocol. An image may be in
            several of them if it has the same detections in all.
        out: Folder of the joined run.
        data: The dataset's folder, where it is no longer where the runs say.
        limit: The `--limit` that the parts were made with.
        overwrite: Discard what `out` holds.

    Returns:
        The result on all images, as if one process had made the run.

    Raises:
        UsageError: No run is given, or `out` is one of them.
        IdentityError: The runs differ in more than their images, or in the detections of an image.
        CheckFailedError: Images are missing; those that are there are kept in `out`, which `sshbench eval` completes.

    >>> import tempfile, sshbench
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     settings = {"resize": "144x192"}
    ...     for part in ("1/2", "2/2"):
    ...         _ = sshbench.run("haar", "sample", out=folder, settings=settings, shard=part, limit=4)
    ...     parts = [f"{folder}/shard-{i}-of-2" for i in (1, 2)]
    ...     sshbench.merge(parts, f"{folder}/all", limit=4).record.images
    4
    """
    folders, target = [Path(run) for run in runs], Path(out)
    if not folders:
        raise UsageError("no run was named", remedy="Name the folders of the parts")
    if target.resolve() in {folder.resolve() for folder in folders}:
        raise UsageError(f"{target} is one of the parts", remedy="Name another folder with --out")
    with ExitStack() as opened:
        parts = [opened.enter_context(open_run(folder)) for folder in folders]
        _check_alike(parts)
        protocol = stored_protocol(parts[0])
        dataset = dataset_of(parts[0], protocol, None if data is None else Path(data)).with_images()
        dataset = dataset if limit is None else dataset.limited(limit)
        for part in parts:
            check_origin(part, dataset, protocol)
        with create_or_resume(target, _whole(parts[0].identity, dataset), overwrite=overwrite) as run:
            for part in parts:
                run.add_sessions_of(part)
            run.add_many(list(_images(parts, dataset)))
            _check_complete(run, dataset)
            evaluation = store_evaluation(run, evaluate_run(run, dataset, protocol))
    return evaluation


def _whole(part: Identity, dataset: Dataset) -> Identity:
    return part.model_copy(update={"dataset_fingerprint": dataset.fingerprint, "images": len(dataset)})


def _check_alike(parts: Sequence[Run]) -> None:
    first = parts[0].identity.key_fields()
    for part in parts[1:]:
        fields = part.identity.key_fields()
        for name in sorted(set(first) - _PART):
            if fields[name] != first[name]:
                raise IdentityError(
                    f"these runs are not parts of one: {name} is {first[name]!r} in {parts[0].folder}, "
                    f"{fields[name]!r} in {part.folder}",
                    remedy="Merge runs of one detector with one set of settings",
                )


def _images(parts: Sequence[Run], dataset: Dataset) -> Iterator[StoredImage]:
    """Yield the images of all parts, each once, a result before a failure."""
    found: dict[str, tuple[StoredImage, Path]] = {}
    for part in parts:
        for image in part.images():
            if image.key not in dataset:
                raise IdentityError(f"{image.key}, of the run in {part.folder}, is not among the images of the dataset")
            before, where = found.get(image.key, (None, part.folder))
            if before is None or before.error is not None:
                found[image.key] = (image, part.folder)
            elif image.error is None and _digest(before) != _digest(image):
                raise IdentityError(
                    f"{image.key} has other detections in {part.folder} than in {where}",
                    remedy="Leave one of the runs out",
                )
    for image, _ in found.values():
        yield image


def _digest(image: StoredImage) -> str:
    return DetectionSet.from_images([(image.key, image.detections)]).digest


def _check_complete(run: Run, dataset: Dataset) -> None:
    stored = run.stored_keys()
    missing = [key for key in dataset.keys if key not in stored]
    if missing:
        raise CheckFailedError(
            f"{counted(len(missing), 'image')} of {len(dataset)} are in none of the runs, for example {missing[0]}",
            remedy=f"Merge the other parts too, or complete {run.folder} with the command that made the parts, without "
            "--shard",
        )
