"""What the processes of a training tell each other; that they learn alike is in test_train.py."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed import HashStore

from sshbench.errors import UsageError
from sshbench.ssh.processes import Processes, joined


def test_alone() -> None:
    with joined("cpu") as processes:
        assert processes.everyone({"loss": 0.1}) == [{"loss": 0.1}]
        assert (processes.first, processes.world, processes.device) == (True, 1, "cpu")


@given(said=st.lists(st.tuples(*[st.floats(allow_nan=False)] * 3), min_size=1, max_size=4))
def test_everyone_hears_the_same_by_rank_and_to_the_bit(said: list[tuple[float, ...]]) -> None:
    store = HashStore()

    def speak(rank: int) -> list[list[float]]:
        processes = Processes("cpu", rank, 3, store)
        assert processes.first == (rank == 0)
        return [processes.everyone(values[rank]) for values in said]

    with ThreadPoolExecutor(3) as pool:
        heard = list(pool.map(speak, range(3)))
    assert heard == [[list(values) for values in said]] * 3


@pytest.mark.parametrize("device", ["cuda:99", "tpu"])
def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(UsageError, match=f"there is no device '{device}'"), joined(device):
        pass
