"""Run the command line on several processes as `torchrun` does, and kill the first attempt: see test_processes.py.

The processes are forks of this one, because importing torch takes longer than such a short training.
"""

from __future__ import annotations

import os
import signal
import sys

import cv2  # noqa: F401  # imported here, before the forks
import torch._dynamo  # noqa: F401  # imported by torch's optimisers
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from sshbench.cli import main
from sshbench.training import Status, train


def kill(status: Status) -> None:
    if status.iteration == 3:
        os.kill(os.getpid(), signal.SIGKILL)


def process(recipe: str, data: str, out: str) -> None:
    """The first attempt dies in the third step; the second one is the command."""
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        train(recipe, data, out, progress=kill)
    sys.argv = ["sshbench", "train", "--config", recipe, "--data", data, "--out", out, "--json"]
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            raise


if __name__ == "__main__":
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id="test",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method="fork",
        max_restarts=1,
    )
    elastic_launch(config, process)(*sys.argv[1:])
