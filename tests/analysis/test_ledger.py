"""Ledgers: every figure of every protocol comes out of them, to the bit, and weights act as copies of images do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.analysis.resample import CompiledLedger
from sshbench.evaluators.base import Outcome
from sshbench.protocols import Protocol, load_protocol
from sshbench.records import DetectionSet, FaceSet
from tests.analysis.sets import CASES, duplicated, golden, outcome_of, random_set

ALL_CASES = [*CASES, ("coco", "wider", "predictions/ordinary.zip")]


def outcome_of_case(case: tuple[str, str, str]) -> Outcome:
    if case[0] != "coco":
        return outcome_of(*golden(*case))
    detections, faces, _ = golden("wider", *case[1:])
    return outcome_of(detections, faces, load_protocol("coco"))


def weighted(outcome: Outcome, metric: str, weights: np.ndarray) -> float:
    measure = outcome.measures[metric]
    columns = weights.astype(np.float64)[:, None]
    figures = [measure.rule.many(CompiledLedger(outcome.ledgers[name]).sums(columns))[0] for name in measure.ledgers]
    return float(np.mean(figures))


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: "-".join(case))
def test_every_image_once_gives_the_evaluators_figures_to_the_bit(case: tuple[str, str, str]) -> None:
    outcome = outcome_of_case(case)
    assert outcome.measures
    for metric, measure in outcome.measures.items():
        exact = measure.rule.exact([outcome.ledgers[name].totals for name in measure.ledgers])
        figure = outcome.metrics[metric]
        assert exact == figure or (math.isnan(exact) and math.isnan(figure)), metric
        if not math.isnan(figure):
            images = outcome.ledgers[measure.ledgers[0]].images
            assert weighted(outcome, metric, np.ones(images)) == pytest.approx(figure, abs=1e-12), metric


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case))
def test_ledgers_and_fates_agree(case: tuple[str, str, str]) -> None:
    outcome = outcome_of(*golden(*case))
    for name in outcome.fates_at:
        ledger, fates = outcome.ledgers[name], outcome.fates(name)
        assert ledger.right.sum() == fates.right.sum()
        assert ledger.kept.sum() == (fates.right | fates.false).sum()
        assert ledger.faces.sum() == (fates.found | fates.missed).sum()
        assert (np.diff(ledger.step) >= 0).all()
        kept = ledger.detection_step < ledger.steps
        assert (fates.roles[~kept] == 0).all()


@pytest.mark.parametrize("name", ["wider", "pascal", "coco"])
@given(seed=st.integers(0, 1000))
def test_weights_act_as_copies_of_images(name: str, seed: int) -> None:
    detections, faces, protocol = _set_of(name, seed)
    weights = np.random.default_rng(seed).integers(0, 3, len(faces))
    if weights.sum() == 0:
        return
    outcome = outcome_of(detections, faces, protocol)
    copied = outcome_of(duplicated(detections, weights), duplicated(faces, weights), protocol)
    for metric in outcome.measures:
        if name == "pascal" and metric != "AP/iteration1":
            continue  # copies move the alignment of the boxes, which is held fixed
        expected, found = copied.metrics[metric], weighted(outcome, metric, weights)
        assert (math.isnan(expected) and math.isnan(found)) or found == pytest.approx(expected, abs=1e-9), metric


@given(seed=st.integers(0, 1000))
def test_weights_act_as_copies_in_fddb_where_they_sum_to_the_images(seed: int) -> None:
    detections, faces, protocol = golden("fddb", "fddb", "detections/ordinary.txt.gz")
    detections = detections.aligned(faces.keys)
    rng = np.random.default_rng(seed)
    weights = np.bincount(rng.integers(0, len(faces), len(faces)), minlength=len(faces))
    outcome = outcome_of(detections, faces, protocol)
    copied = outcome_of(duplicated(detections, weights), duplicated(faces, weights), protocol)
    for metric in outcome.measures:
        expected = copied.metrics[metric]
        assert weighted(outcome, metric, weights) == pytest.approx(0 if math.isnan(expected) else expected, abs=1e-12)


@given(seed=st.integers(0, 1000))
def test_order_of_images_changes_no_figure(seed: int) -> None:
    detections, faces, protocol = _set_of("wider", seed)
    order = np.random.default_rng(seed).permutation(len(faces))
    weights = np.random.default_rng(seed).integers(0, 4, len(faces))
    outcome = outcome_of(detections, faces, protocol)
    moved = outcome_of(detections.select(order), faces.select(order), protocol)
    for metric in outcome.measures:
        assert weighted(moved, metric, weights[order]) == pytest.approx(
            weighted(outcome, metric, weights), abs=1e-12, nan_ok=True
        )


def test_no_detection_and_no_face() -> None:
    detections, faces, protocol = _set_of("wider", 1)
    none = detections.select(np.arange(0)).aligned(faces.keys)
    outcome = outcome_of(none, faces, protocol)
    assert weighted(outcome, "AP/hard", np.ones(len(faces))) == 0
    empty = outcome_of(detections.select(np.arange(0)), faces.select(np.arange(0)), protocol)
    assert math.isnan(weighted(empty, "AP/hard", np.ones(0)))


def _set_of(name: str, seed: int) -> tuple[DetectionSet, FaceSet, Protocol]:
    if name == "fddb":
        detections, faces, protocol = golden("fddb", "fddb", "detections/ordinary.txt.gz")
        return detections.aligned(faces.keys), faces, protocol
    protocol = load_protocol(name)
    subsets = tuple(subset.name for subset in protocol.subsets) or ("all",)
    detections, faces = random_set(seed, subsets=subsets)
    return detections, faces, protocol
