"""Sweeps over backends, precisions, threads and batches, and the energy of a measurement."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sshbench.errors import UsageError
from sshbench.timing import sweep_detectors
from sshbench.timing.energy import EnergyMeter
from sshbench.timing.sweep import combinations

Call = Callable[..., tuple[int, str, str]]
QUICK = {"sizes": "60x80", "count": 1, "min_time": 0.0, "min_count": 2}


def zone(folder: Path, name: str, energy: int, limit: int = 1000) -> Path:
    """Write a RAPL counter."""
    (folder / name).mkdir(parents=True)
    (folder / name / "max_energy_range_uj").write_text(str(limit))
    (folder / name / "energy_uj").write_text(str(energy))
    return folder / name / "energy_uj"


def test_energy_adds_up_packages_and_survives_a_full_counter(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", 900), zone(tmp_path, "intel-rapl:1", 0)
    zone(tmp_path, "intel-rapl:0:0", 5)  # a part of a package is in its package
    meter = EnergyMeter.open("cpu", tmp_path)
    assert meter.source == "RAPL, 2 packages"
    assert meter.joules() == 0
    first.write_text("100")  # 101 to the end of the counter, then 100
    second.write_text("300")
    assert meter.joules() == pytest.approx((201 + 300) / 1e6)
    second.write_text("400")
    assert meter.joules() == pytest.approx((201 + 400) / 1e6)


def test_absent_energy_counters_are_said(tmp_path: Path) -> None:
    meter = EnergyMeter.open("cpu", tmp_path)
    assert meter.joules() is None
    assert meter.source == f"not readable: there is no RAPL counter in {tmp_path}"
    (tmp_path / "intel-rapl:0").mkdir()
    assert "energy_uj" in EnergyMeter.open("cpu", tmp_path).source
    assert EnergyMeter.open("cuda:0", tmp_path).source.startswith("not readable: NVML")


def test_a_record_says_its_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sshbench.timing import job, time_detector

    counter = zone(tmp_path, "intel-rapl:0", 0, 10**9)

    def opened(device: str) -> EnergyMeter:
        meter = EnergyMeter.open(device, tmp_path)
        real = meter._zones[0].joules

        class Rising:
            """A counter that rises by 2 J at each reading."""

            def joules(self) -> float:
                counter.write_text(str(int(counter.read_text()) + 2_000_000))
                return real()

        return EnergyMeter(meter.source, [Rising()])  # type: ignore[list-item]

    monkeypatch.setattr(job, "EnergyMeter", type("Opened", (), {"open": staticmethod(opened)}))
    record = time_detector("haar", sizes="60x80", count=1, min_time=0, min_count=3)
    assert record.energy == "RAPL, 1 packages"
    assert record.sizes[0].joules_per_image == pytest.approx(2.0)


def test_combinations_of_a_detector_without_a_choice_are_threads_and_batches() -> None:
    found = combinations(["haar"], ["all"], ["all"], (1, 2), (1, 4))
    assert [(one.backend, one.precision, one.threads, one.batch) for one in found] == [
        ("", "", 1, 1),
        ("", "", 1, 4),
        ("", "", 2, 1),
        ("", "", 2, 4),
    ]


def test_a_sweep_keeps_what_runs_and_says_what_does_not(tmp_path: Path) -> None:
    found = sweep_detectors(["haar"], thread_counts=(1, 2), batch_sizes=(1, 4), out=tmp_path, **QUICK)  # type: ignore[arg-type]
    assert [(record.threads, record.batch) for record in found.records.values()] == [(1, 1), (2, 1)]
    assert [one.batch for one in found.left_out] == [4, 4]
    assert all("batch" in why for why in found.left_out.values())
    table = found.to_pandas()
    assert table["worth"].any()
    assert set(table["size"]) == {"60x80"}
    assert (tmp_path / "sweep.csv").read_text().count("haar") == 2
    assert (tmp_path / "sweep.svg").stat().st_size > 1000


def test_a_sweep_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sweep_detectors(["haar"], thread_counts=(1,), out=tmp_path, **QUICK)  # type: ignore[arg-type]
    (record,) = first.records.values()
    again = sweep_detectors(["haar"], thread_counts=(1, 2), out=tmp_path, **QUICK)  # type: ignore[arg-type]
    assert next(iter(again.records.values())).created == record.created
    assert [one.threads for one in again.records.values()] == [1, 2]


def test_worth_means_that_nothing_is_better_in_everything() -> None:
    import pandas as pd

    from sshbench.timing.sweep import _worth

    rows = [(10, 100, 50), (20, 200, 50), (20, 150, 50), (30, 100, 20), (10, 100, 60)]
    table = pd.DataFrame(rows, columns=["pass_ms", "images_per_second", "peak_memory_mib"])
    table["detector"], table["size"] = "a", "60x80"
    assert _worth(table) == [True, True, False, True, False]


def test_wrong_use_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown backend 'openvin'.*openvino"):
        sweep_detectors(["haar"], backends=["openvin"])
    with pytest.raises(UsageError, match="no combination can run here"):
        sweep_detectors(["haar"], batch_sizes=(4,), **QUICK)  # type: ignore[arg-type]


def test_command_prints_one_table(sshbench: Call, tmp_path: Path) -> None:
    quick = ("--sizes", "60x80", "--count", "1", "--min-time", "0", "--min-count", "2")
    code, out, _ = sshbench("timing", "--detector", "haar", "--threads", "1,2", *quick, "-o", tmp_path)
    assert code == 0
    assert out.startswith("haar, 60x80, batch 1, scope paper")
    assert "no other row is better" in out
    assert "sweep.csv" in out
    code, out, _ = sshbench("timing", "--detector", "haar", "--threads", "1,2", *quick, "-o", tmp_path, "--json")
    assert [record["threads"] for record in json.loads(out)["records"]] == [1, 2]
    assert sshbench("timing", "--detector", "haar", "--threads", "1,two")[0] == 2
    assert sshbench("timing", "--detector", "haar", "--batch", "1,2", "--floor")[0] == 2
