"""Fill a run: choose who detects, note it in the run, and do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sshbench.datasets.base import Dataset
from sshbench.detectors.contract import Detector, FollowsImages
from sshbench.errors import UsageError
from sshbench.inference.loop import run_detector
from sshbench.inference.parallel import plan_for, remaining, run_parallel
from sshbench.inference.spec import DetectorSpec
from sshbench.inference.workers import Workers
from sshbench.provenance import machine, now, versions
from sshbench.runs import OnError, Run, StoredImage


@dataclass(frozen=True, slots=True)
class Helpers:
    """Who detects, and what happens when that fails.

    Attributes:
        spec: Returns what another process makes the detector from.
        workers: Processes, `auto`, or None for the calling process alone.
        cluster: Address of a Dask scheduler.
        on_error: As for `run_detector`.
        image_timeout: As for `run_detector`.
    """

    spec: Callable[[], DetectorSpec]
    workers: int | Literal["auto"] | None = None
    cluster: str | None = None
    on_error: OnError | None = None
    image_timeout: float | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers != "auto" and self.workers < 1:
            raise UsageError(f"--workers must be at least 1, not {self.workers}")
        if self.workers is not None and self.cluster is not None:
            raise UsageError("--workers and --cluster exclude each other", remedy="Leave one of them out")


def fill_run(
    run: Run, dataset: Dataset, detector: Detector, helpers: Helpers, *, on_image: Callable[[StoredImage], None]
) -> None:
    """Detect faces in every image of a dataset that the run does not hold yet.

    Args:
        run: Open for writing.
        dataset: Images that are all there.
        detector: The detector, loaded.
        helpers: Who detects.
        on_image: Called after each image is stored.

    Raises:
        SshbenchError: As `run_detector` and `run_parallel`.
    """
    left = remaining(dataset, run)
    if not left:
        return
    if helpers.cluster is not None and not isinstance(detector, FollowsImages):
        from sshbench.inference.cluster import Cluster

        with Cluster(helpers.cluster, helpers.spec(), image_timeout=helpers.image_timeout) as cluster:
            run.add_session(versions(), machine(), now(), cluster.plan.model_dump_json())
            run_parallel(cluster.detect, dataset, run, on_error=helpers.on_error, on_image=on_image)
        return
    plan = None
    if helpers.workers is not None and not isinstance(detector, FollowsImages):
        spec = helpers.spec()
        plan = plan_for(spec, helpers.workers, left)
    run.add_session(versions(), machine(), now(), None if plan is None else plan.model_dump_json())
    if plan is not None and plan.workers > 1:
        with Workers(spec, plan.workers, threads=plan.threads, image_timeout=helpers.image_timeout) as workers:
            run_parallel(workers.detect, dataset, run, on_error=helpers.on_error, on_image=on_image)
        return
    run_detector(
        detector, dataset, run, on_error=helpers.on_error, image_timeout=helpers.image_timeout, on_image=on_image
    )
