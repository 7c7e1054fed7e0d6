"""The same figures from every kind of predictions, and results that keep what they were told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sshbench
from sshbench.errors import UsageError
from sshbench.formats.wider import write_wider
from sshbench.runs import open_run


def perfect() -> dict[str, sshbench.Detections]:
    sample = sshbench.load_dataset("sample")
    return {
        key: sshbench.Detections(faces.boxes, np.linspace(0.9, 0.5, len(faces)))
        for key, faces in zip(sample.keys, sample.faces, strict=True)
    }


def test_every_kind_of_predictions_gives_the_same_figures(tmp_path: Path) -> None:
    found = perfect()
    write_wider(tmp_path / "found.zip", found.items())
    evaluator = sshbench.Evaluator("sample")
    evaluator.update(found)
    results = [
        sshbench.evaluate("sample", found),
        sshbench.evaluate("sample", {key: (one.boxes, one.scores) for key, one in found.items()}),
        sshbench.evaluate("sample", sshbench.DetectionSet.from_images(found.items())),
        sshbench.evaluate("sample", tmp_path / "found.zip", out=tmp_path / "run"),
        sshbench.evaluate("sample", tmp_path / "run"),
        evaluator.compute(),
    ]
    assert [result.record.metrics for result in results] == [results[0].record.metrics] * len(results)
    assert [result.record.detector for result in results] == [*["detections"] * 3, "found", "found", "model"]
    assert results[0].log_dict("val/") == {f"val/AP/{name}": value for name, value in results[0].ap.items()}


@pytest.mark.parametrize("trained_on", [None, (), ("afw", "wider")])
def test_a_saved_result_keeps_what_its_model_was_trained_on(tmp_path: Path, trained_on: tuple[str, ...] | None) -> None:
    saved = sshbench.evaluate("sample", perfect(), trained_on=trained_on).save(tmp_path / "saved")
    again = sshbench.evaluate("sample", tmp_path / "saved", out=tmp_path / "again")
    for folder in (saved.folder, again.folder):
        assert folder is not None
        with open_run(folder) as run:
            assert run.identity.trained_on == trained_on
    assert again.record.domain == saved.record.domain


def test_a_dataset_and_a_protocol_that_do_not_belong_together() -> None:
    sample = sshbench.load_dataset("sample")
    for dataset in ("sample", sample):
        with pytest.raises(UsageError, match="protocol 'afw' is for dataset 'afw', not 'sample'"):
            sshbench.evaluate(dataset, {}, protocol="afw")
    with pytest.raises(UsageError, match="already loaded"):
        sshbench.evaluate(sample, {}, data="/folder")


def test_what_is_no_detector_is_refused() -> None:
    for call in (lambda: sshbench.run(3, "sample"), lambda: sshbench.time_detector(3)):  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="'int' is of type int, not a detector"):
            call()
