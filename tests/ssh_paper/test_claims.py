"""`sshbench claims`: what is timed and how, resuming, fairness, and the files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sshbench.cli import app
from sshbench.detectors.overrides import changed_settings
from sshbench.detectors.registry import detector_info
from sshbench.errors import CheckFailedError, InputError, MissingDataError, UsageError
from sshbench.ssh_paper import measuring
from sshbench.ssh_paper.check import FAIRNESS, SIZES, ClaimOptions, check_claims, options_of
from sshbench.ssh_paper.plan import SUBJECTS, Cell, cells, seconds
from sshbench.ssh_paper.record import ClaimsRecord
from tests.ssh_paper.fakes import PARAMETERS, Fake, cell_of

NAMES = [one.name for one in SUBJECTS]
TWO: ClaimOptions = {"sizes": "400x800,800x1200"}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake({"ssh": 100.0, "hr-resnet101": 60.0, "faster-rcnn-vgg16": 150.0, "cms-rcnn-shape": 250.0, "s3fd": 98.0})
    monkeypatch.setattr(measuring, "run_interleaved", made)
    return made


def planned(**options: Any) -> list[Cell]:
    return cells(options_of(**options))


# ---- What is timed.


def test_two_tables_of_seven_detectors() -> None:
    found = planned(sizes="400x800,800x1200")
    assert [(cell.table, cell.subject.name) for cell in found] == [
        *(("same input", name) for _ in range(2) for name in NAMES),
        *(("protocol", name) for name in NAMES),
    ]
    assert len({cell.file for cell in found}) == len(found)
    assert len(planned()) == 7 * (len(SIZES) + 1)


def test_inputs_of_a_size_are_filled_and_protocols_see_the_same_images() -> None:
    for cell in planned(sizes="400x800", image_size="640x480"):
        same = cell.table == "same input"
        assert cell.job.image_size == ("800x400" if same else "640x480")
        assert cell.job.scope == "paper"
        if same:
            assert cell.job.sizes == ("400x800",)


def test_every_setting_is_one_that_the_detector_has() -> None:
    for cell in planned(sizes="640x640", device="cpu"):
        options = {name: value for name, value in cell.job.options.items() if name not in ("weights", "tta")}
        settings = changed_settings(detector_info(cell.subject.name), options)
        assert settings.extra["precision"] == "fp32"
        assert settings.extra.get("backend", "torch") == "torch"
        if cell.subject.name.startswith("hr-"):
            assert settings.extra["protocol"] == ("single" if cell.table == "same input" else "wider")
    assert cell_of(planned(tables=["protocol"]), "s3fd").job.options["tta"] == "s3fd-wider"


def counted(name: str, height: int, width: int) -> float:
    """Operations in 1e9, counted layer by layer."""
    from sshbench.rivals.hr_architectures import architecture as hr
    from sshbench.rivals.s3fd_layers import Variant
    from sshbench.rivals.two_stage_layers import CmsRcnnShape, FasterRcnn
    from sshbench.ssh.architecture import architecture
    from sshbench.ssh.work import work_of

    if name == "ssh":
        return work_of(architecture("ssh-vgg16"), height, width, "fp32")[0] / 1e9
    if name == "s3fd":
        return Variant().gflop(height, width)
    if name.startswith("hr-"):
        return hr(name).operations(height, width) / 1e9
    shape = CmsRcnnShape() if name == "cms-rcnn-shape" else FasterRcnn()
    return shape.first_gflop(height, width) + shape.head_gflop(300)


@pytest.mark.parametrize("name", NAMES)
def test_the_estimate_is_of_the_counted_work(name: str) -> None:
    for size in ("400x800", "640x640", "800x1200"):
        (cell,) = planned(sizes=size, tables=["same input"], detectors=[name])
        height, width = map(int, size.split("x"))
        assert cell.gflop == pytest.approx(counted(name, height, width), rel=0.01)


def test_protocols_cost_what_the_arithmetic_says() -> None:
    work = {cell.subject.name: cell.gflop for cell in planned(tables=["protocol"], image_size="1024x768")}
    assert work["ssh"] == pytest.approx(1250, rel=0.01)
    assert work["hr-resnet101"] == pytest.approx(1151, rel=0.01)
    assert work["s3fd"] == pytest.approx(5470, rel=0.01)
    found = planned(tables=["protocol"], count=2, min_count=5)
    assert seconds(found, 100.0) == pytest.approx(8 * sum(work.values()) / 100)


# ---- Measuring, resuming, fairness.


def test_each_timing_has_a_process_of_its_own(fake: Fake, tmp_path: Path) -> None:
    check_claims(tmp_path, **TWO)
    assert fake.groups == [[name] for name in 3 * NAMES]


def test_a_stopped_measurement_is_resumed(fake: Fake, tmp_path: Path) -> None:
    fake.fails = "hr-resnet50"
    with pytest.raises(KeyboardInterrupt):
        check_claims(tmp_path, tables=["protocol"])
    kept = sorted(path.name for path in (tmp_path / "timings").iterdir())
    assert len(kept) == NAMES.index("hr-resnet50")
    fake.fails, fake.groups = "", []
    found = check_claims(tmp_path, tables=["protocol"])
    assert fake.groups == [["hr-resnet50"], ["hr-vgg16"]]
    assert len(found.record.rows) == 7
    (tmp_path / "timings" / "protocol-ssh.json").unlink()
    fake.groups = []
    check_claims(tmp_path, tables=["protocol"])
    assert fake.groups == [["ssh"]]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"min_count": 6}, "min_count is 5, not 6"),
        ({"min_time": 3.0}, "min_time is 1.0, not 3.0"),
        ({"device": "cuda"}, "device is 'cpu', not 'cuda'"),
        ({"image_size": "640x480"}, "images is '1024x768', not '640x480'"),
    ],
)
def test_timings_of_other_options_are_refused(fake: Fake, tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    check_claims(tmp_path, tables=["protocol"], detectors=["ssh"])
    with pytest.raises(InputError, match=what):
        check_claims(tmp_path, **{"tables": ["protocol"], "detectors": ["ssh"], **changes})


def test_random_weights_need_a_fixed_number_of_candidates(fake: Fake, tmp_path: Path) -> None:
    fake.changes["s3fd"] = {"settings": {"extra": {"backend": "torch", "precision": "fp32", "device": "cpu"}}}
    with pytest.raises(CheckFailedError, match="'s3fd' has random weights without a fixed number"):
        check_claims(tmp_path, sizes="400x800", tables=["same input"])
    assert not list(tmp_path.rglob("*s3fd.json"))


@pytest.mark.parametrize("field", ["backend", "precision", "device"])
def test_unlike_ways_to_run_are_not_compared(fake: Fake, tmp_path: Path, field: str) -> None:
    extra = {"backend": "torch", "precision": "fp32", "device": "cpu", "parameters": "random, seed 0, 1000 candidates"}
    fake.changes["ssh"] = {"settings": {"extra": extra | {field: "other"}}}
    with pytest.raises(CheckFailedError, match=f"timings differ in {field}"):
        check_claims(tmp_path, sizes="400x800", tables=["same input"])


def test_threads_must_be_the_same(fake: Fake, tmp_path: Path) -> None:
    fake.changes["ssh"] = {"threads": 1}
    with pytest.raises(CheckFailedError, match="timings differ in threads"):
        check_claims(tmp_path, sizes="400x800", tables=["same input"])


def test_images_of_one_table_must_be_the_same(fake: Fake, tmp_path: Path) -> None:
    check_claims(tmp_path, tables=["protocol"], detectors=["ssh"], count=1)
    with pytest.raises(CheckFailedError, match="timings differ in images: 1 of bundled sample at 1024x768, 2 of"):
        check_claims(tmp_path, tables=["protocol"], detectors=["ssh", "s3fd"])


def test_a_series_that_ended_early_is_not_kept(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(jobs: Any) -> Any:
        (record,) = fake(jobs)
        return [record.model_copy(update={"sizes": (record.sizes[0].model_copy(update={"error": "no memory"}),)})]

    monkeypatch.setattr(measuring, "run_interleaved", ended)
    with pytest.raises(CheckFailedError, match="'ssh' ended early: no memory"):
        check_claims(tmp_path, sizes="400x800", tables=["same input"], detectors=["ssh"])
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"detectors": ["yunet"]}, "'yunet' is not a detector of the claims"),
        ({"sizes": "original"}, "invalid size 'original'"),
        ({"sizes": "fit=800x400"}, "invalid size 'fit=800x400'"),
        ({"tables": []}, "nothing to measure"),
        ({"tables": ["others"]}, "unknown table 'others'"),
    ],
)
def test_wrong_use(options: Any, what: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=what):
        check_claims(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_weights_are_checked_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no weights file of 'ssh'"):
        check_claims(tmp_path, weights={"ssh": tmp_path / "none"})
    (tmp_path / "w").touch()
    with pytest.raises(UsageError, match="weights for 'ssh', which is not measured"):
        check_claims(tmp_path, detectors=["s3fd"], weights={"ssh": tmp_path / "w"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        check_claims(tmp_path, size="400x800")  # type: ignore[call-arg]


# ---- What is written.


def test_verdicts_and_files(fake: Fake, tmp_path: Path) -> None:
    found = check_claims(tmp_path, **TWO)
    record = ClaimsRecord.read(tmp_path / "claims.json", remedy="")
    assert record == found.record
    rulings = {verdict.claim.id: verdict.ruling for verdict in record.verdicts}
    assert rulings["lighter-parameters"] == rulings["faster-than-two-stage"] == rulings["head-time"] == "holds"
    assert rulings["second-head-memory"] == rulings["sibling-same-input"] == "holds"
    assert rulings["faster-than-hr-same-input"] == rulings["faster-than-hr-protocol"] == "not supported here"
    assert record.conditions == ("backend torch, precision fp32, device cpu, 2 threads", *FAIRNESS)
    assert set(record.missing) == {"size 640x640", "size 600x1000", "size 1200x1600"}
    for row in record.rows:
        assert (row.parameters, row.weights_bytes) == (PARAMETERS[row.detector], 4 * PARAMETERS[row.detector])
        assert (tmp_path / row.file).is_file()
    text = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert text.count("(random weights)") == 21
    assert "| ssh (random weights) | 400x800 | 19 766 372 |" in text
    assert "182 ms against 1010 ms" in text
    lines = list(csv.DictReader((tmp_path / "claims.csv").read_text(encoding="utf-8").splitlines()))
    assert len(lines) == 21
    ours = next(line for line in lines if line["detector"] == "faster-rcnn-vgg16")
    assert float(ours["forward: head_ms"]) == pytest.approx(0.3 * float(ours["ms"]), rel=0.01)
    assert float(ours["ms"]) < float(ours["ms"]) + float(ours["nms_ms"])


def test_the_total_leaves_out_reading_and_nms(fake: Fake, tmp_path: Path) -> None:
    found = check_claims(tmp_path, sizes="400x800", tables=["same input"])
    ssh = next(row for row in found.record.rows if row.detector == "ssh")
    assert ssh.total.value == pytest.approx(101.0)
    assert {"read", "nms"} <= ssh.stages.keys()


def test_the_command(fake: Fake, tmp_path: Path) -> None:
    arguments = ["claims", "-o", str(tmp_path), "--sizes", "400x800", "--table", "same-input"]
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "not supported here: SSH is faster than HR (ResNet-101) for the same input." in shown.output
    assert "  400x800: 0.6 (" in shown.output
    printed = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert json.loads(printed.output)["format"] == 1
    assert len(fake.groups) == 7, "the second command found all timings"
    wrong = CliRunner().invoke(app, [*arguments, "--weights", "ssh"])
    assert isinstance(wrong.exception, UsageError)


def test_an_estimate_measures_nothing(fake: Fake, tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["claims", "-o", str(tmp_path / "c"), "--estimate"], catch_exceptions=False)
    assert shown.output.startswith("42 timings, about ")
    assert fake.groups == []
    assert not (tmp_path / "c").exists()


@pytest.mark.thorough
def test_a_real_trial_in_processes_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = check_claims(tmp_path, quick=True, detectors=["ssh", "hr-resnet50"])
    assert [(row.detector, row.size, row.passes) for row in found.record.rows] == [
        ("ssh", "320x480", 5),
        ("hr-resnet50", "320x480", 5),
    ]
    for row in found.record.rows:
        assert row.parameters == PARAMETERS[row.detector]
        assert row.gflop == pytest.approx(counted(row.detector, 320, 480), rel=1e-6)
        assert row.weights == "random, seed 0, 1000 candidates"
        assert row.peak_memory_mib
