"""A Dask cluster: lost workers lose no image, and the figures are those of one process."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import sshbench
from sshbench.errors import MissingDataError
from sshbench.runs import open_run

distributed: Any = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Dask leaves sockets to the collector
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SMALL = {"resize": "144x192"}


def digest(out: Path, **options: Any) -> str:
    return sshbench.run("haar", "sample", out=out, settings=SMALL, progress=False, **options).detections.digest


def test_lost_workers_lose_no_image(tmp_path: Path) -> None:
    alone = digest(tmp_path / "alone")
    chance = random.Random(1)
    with distributed.LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster:
        for i in range(3):
            processes = [worker.process.process._process for worker in cluster.workers.values()]
            victim = chance.choice(processes)
            killer = threading.Timer(chance.uniform(0.1, 1.5), lambda pid=victim.pid: psutil.Process(pid).kill())
            killer.start()
            assert digest(tmp_path / str(i), cluster=cluster.scheduler_address) == alone
            killer.join()


def test_no_scheduler_and_no_workers(tmp_path: Path) -> None:
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster,
        pytest.raises(MissingDataError, match="has no workers"),
    ):
        digest(tmp_path / "run", cluster=cluster.scheduler_address)


def test_batches_on_a_cluster(tmp_path: Path) -> None:
    alone = sshbench.run("ssh-tiny", "sample", out=tmp_path / "alone", settings=SMALL, progress=False)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        together = sshbench.run(
            "ssh-tiny", "sample", out=tmp_path / "run", settings=SMALL, cluster=address, batch=4, progress=False
        )
    for one, other in zip(alone.detections, together.detections, strict=True):
        assert len(one) == len(other)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
    with open_run(tmp_path / "run") as run:
        assert [plan["batch"] for plan in run.plans()] == [4]
