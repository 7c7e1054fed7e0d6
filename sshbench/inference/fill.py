"""Fill a run: choose who detects, note it in the run, and do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sshbench.detectors.batches import check_batch
from sshbench.detectors.contract import Detector, FollowsImages
from sshbench.errors import UsageError
from sshbench.inference.loop import run_detector
from sshbench.inference.parallel import Plan, plan_for, run_parallel
from sshbench.inference.spec import DetectorSpec
from sshbench.inference.work import Work
from sshbench.inference.workers import Workers
from sshbench.provenance import machine, now, usable_cores, versions
from sshbench.runs import OnError, Run, StoredImage


@dataclass(frozen=True, slots=True)
class Helpers:
    """Who detects, and what happens when that fails.

    Attributes:
        workers: Processes, `auto`, or None for the calling process alone.
        cluster: Address of a Dask scheduler.
        on_error: As for `run_detector`.
        image_timeout: As for `run_detector`.
        batch: As for `run_detector`.
    """

    workers: int | Literal["auto"] | None = None
    cluster: str | None = None
    on_error: OnError | None = None
    image_timeout: float | None = None
    batch: int = 1

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers != "auto" and self.workers < 1:
            raise UsageError(f"--workers must be at least 1, not {self.workers}")
        if self.workers is not None and self.cluster is not None:
            raise UsageError("--workers and --cluster exclude each other", remedy="Leave one of them out")

    def check(self, detector: Detector) -> None:
        """Check that a detector can work in the batches that are asked for.

        Raises:
            UsageError: It cannot.
        """
        check_batch(detector, detector.info.name, self.batch)


def fill_run(
    run: Run,
    work: Work,
    detector: Detector,
    helpers: Helpers,
    *,
    spec: Callable[[], DetectorSpec],
    on_image: Callable[[StoredImage], None],
) -> None:
    """Detect faces in the images that a run does not hold yet.

    Args:
        run: Open for writing.
        work: These images, from `work_left`.
        detector: The detector, loaded.
        helpers: Who detects.
        spec: Returns what another process makes the detector from.
        on_image: Called after each image is stored.

    Raises:
        SshbenchError: As `run_detector` and `run_parallel`.
    """
    if not work.records:
        return
    options: dict[str, Any] = {"image_timeout": helpers.image_timeout, "batch": helpers.batch}
    if helpers.cluster is not None and not isinstance(detector, FollowsImages):
        from sshbench.inference.cluster import Cluster

        with Cluster(helpers.cluster, spec(), **options) as cluster:
            run.add_session(versions(), machine(), now(), cluster.plan.model_dump_json())
            run_parallel(cluster.detect, work.records, run, on_error=helpers.on_error, on_image=on_image)
        return
    plan = None
    if helpers.workers is not None and not isinstance(detector, FollowsImages):
        made = spec()
        plan = plan_for(made, helpers.workers, work.records, helpers.batch)
    elif helpers.batch > 1:
        plan = Plan(workers=1, threads=usable_cores(), batch=helpers.batch)
    run.add_session(versions(), machine(), now(), None if plan is None else plan.model_dump_json())
    if plan is not None and plan.workers > 1:
        with Workers(made, plan.workers, threads=plan.threads, **options) as workers:
            run_parallel(workers.detect, work.records, run, on_error=helpers.on_error, on_image=on_image)
        return
    run_detector(detector, work, run, on_error=helpers.on_error, on_image=on_image, **options)
