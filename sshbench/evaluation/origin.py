"""Where a stored run comes from: load its dataset, check that its files are unchanged and that it was made on it."""

from __future__ import annotations

from pathlib import Path

from sshbench.datasets.base import Dataset
from sshbench.errors import IdentityError, MissingDataError, SshbenchError
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluation.result import Evaluation
from sshbench.evaluation.storing import evaluate_run, stored_protocol
from sshbench.flat import counted
from sshbench.images import file_part, image_content
from sshbench.protocols import Protocol
from sshbench.run_files import check_detections, check_seal
from sshbench.runs import IDENTITY, METRICS, PROTOCOL, Run


def dataset_of(run: Run, protocol: Protocol, data: Path | None = None) -> Dataset:
    """Load the whole dataset that a run was made on.

    Args:
        run: Open for reading.
        protocol: The run's protocol.
        data: The dataset's folder, where it is no longer where the run says.

    Raises:
        MissingDataError: The dataset is not there.
    """
    root = data or (None if run.identity.data is None else Path(run.identity.data))
    try:
        return load_dataset(protocol, root)
    except MissingDataError as error:
        raise MissingDataError(
            f"the dataset of the run in {run.folder} has moved: {error.message}",
            remedy="Pass its new location with --data",
        ) from error


def evaluate_again(run: Run, data: Path | None = None) -> Evaluation:
    """Evaluate a stored run, finished or not, from its detections by its own protocol.

    Args:
        run: Open for reading.
        data: The dataset's folder, where it is no longer where the run says.

    Raises:
        MissingDataError: The run was never evaluated, or its dataset is gone.
        IdentityError: The dataset is another one.
    """
    protocol = stored_protocol(run)
    dataset = dataset_of(run, protocol, data).restricted(run.stored_keys())
    check_origin(run, dataset, protocol)
    return evaluate_run(run, dataset, protocol, allow_unfinished=True).kept_in(run.folder)


def check_origin(run: Run, dataset: Dataset, protocol: Protocol) -> None:
    """Check a run before its detections are used with a dataset.

    Args:
        run: Open for reading.
        dataset: The dataset that it is to be evaluated on, whole or in part.
        protocol: The rules that it is to be evaluated by. Another protocol may read other annotation files, so only
            the images are compared then.

    Raises:
        InputError: A file of the run, or its detections, changed after the evaluation.
        IdentityError: The run was made with other annotations, or with images of other content.
    """
    check_unchanged(run)
    if run.finished and protocol.name == run.identity.protocol and run.stored_keys() <= set(dataset.keys):
        made_on = dataset.restricted(run.stored_keys())
        if made_on.fingerprint != run.identity.dataset_fingerprint:
            raise IdentityError(
                f"the run in {run.folder} was made with other annotations or images (dataset fingerprint "
                f"{run.identity.dataset_fingerprint} there, {made_on.fingerprint} now)",
                remedy="Pass the dataset of the run with --data, or run the detector again",
            )
    check_images(run, dataset)


def check_unchanged(run: Run) -> None:
    """Check that the files and detections of a run are those of its last evaluation.

    Raises:
        InputError: One changed; the text names it.
    """
    check_seal(run.folder, IDENTITY, METRICS, PROTOCOL)
    check_detections(run.folder, run.digest)


def check_images(run: Run, dataset: Dataset) -> None:
    """Check that the image files that exist are those that the detector got.

    Raises:
        IdentityError: Some have another content; the text names the first.
    """
    changed = []
    if dataset.image_root is None:
        return
    for key, content in run.contents().items():
        if key in dataset and (path := dataset[key].path) is not None and path.is_file():
            try:
                if image_content(path) != file_part(content):
                    changed.append(key)
            except SshbenchError:
                changed.append(key)
    if changed:
        raise IdentityError(
            f"{counted(len(changed), 'image')} changed since the run in {run.folder} was made ({changed[0]})",
            remedy="Restore the images, or run the detector again into another folder with --out",
        )
