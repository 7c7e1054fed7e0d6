"""Images for training and validation, and the AP of a detector on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sshbench.contamination import BENCHMARKS
from sshbench.datasets import Dataset
from sshbench.detectors.contract import Detector, detect
from sshbench.errors import UsageError
from sshbench.evaluation.benchmarks import headline_of
from sshbench.evaluation.core import evaluate_set
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluation.record import EvaluationRecord
from sshbench.protocols import Protocol, load_protocol
from sshbench.records import DetectionSet
from sshbench.training.recipe import Data


def training_set(data: Data, root: Path) -> Dataset:
    """Load the training images.

    Args:
        data: The recipe's part on data.
        root: Folder that contains them.

    Raises:
        SshbenchError: The dataset is missing or unreadable.
    """
    return load_dataset(_protocol(data, data.annotation, data.split), root).with_images()


def validation_set(data: Data, root: Path) -> tuple[Dataset, Protocol] | None:
    """Load the validation images and the protocol for their AP; None if the recipe names none.

    Args:
        data: The recipe's part on data.
        root: Folder that contains them.

    Raises:
        SshbenchError: The dataset is missing or unreadable.
    """
    if not data.validation:
        return None
    protocol = _protocol(data, data.validation, "val")
    return load_dataset(protocol, root).with_images(), protocol


def benchmarks_in(data: Data) -> tuple[str, ...]:
    """Return the benchmarks whose images are in the training set: `data.contains`, or the dataset itself.

    Raises:
        UsageError: `data.contains` has an unknown name.

    >>> benchmarks_in(Data()), benchmarks_in(Data(annotation=("faces.txt",)))
    (('wider',), ())
    """
    if data.contains is not None:
        if unknown := sorted(set(data.contains) - set(BENCHMARKS)):
            raise UsageError(
                f"unknown benchmark '{unknown[0]}' in data.contains", remedy=f"Use {', '.join(BENCHMARKS)}"
            )
        return data.contains
    return () if data.annotation or data.dataset not in BENCHMARKS else (data.dataset,)


def average_precision(detector: Detector, dataset: Dataset, protocol: Protocol) -> tuple[str, float, EvaluationRecord]:
    """Run a detector on a dataset and evaluate it.

    Returns:
        Name of the headline metric, its value as a fraction (0 where it is undefined), and the whole record.
    """
    found = [(image.key, detect(detector, image.read())) for image in dataset]
    record = evaluate_set(DetectionSet.from_images(found), dataset, protocol, detector=detector.info.name).record
    metric = headline_of(list(record.metrics), protocol)[0]
    return metric, record.metrics[metric] or 0.0, record


def _protocol(data: Data, annotation: Sequence[str], split: str) -> Protocol:
    content = load_protocol(data.dataset).model_dump(mode="json", exclude_unset=True)
    layout = {**content.get("layout", {})}
    if annotation:
        layout["annotation"] = list(annotation)
    if data.images:
        layout["images"] = list(data.images)
    if data.dataset == "wider":
        # The official lists of easy, medium and hard faces exist for the official validation set only.
        content["subsets"] = [{"name": "all", "attributes": {"invalid": [0]}}]
        content.pop("expected", None)
    return Protocol.model_validate({**content, "layout": layout, "split": split})
