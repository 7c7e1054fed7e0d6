"""Slices: parts add up to the whole, figures agree with evaluations of the part alone, intervals with recounting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.analysis.axes import MAX_JOINT, axes_of
from sshbench.analysis.image_tables import read_groups, read_slices
from sshbench.analysis.pvalues import max_t_p, two_sided_p
from sshbench.analysis.record import Slice
from sshbench.analysis.resample import Resampling
from sshbench.analysis.slices import slices
from sshbench.analysis.subject import Subject
from sshbench.datasets.base import Dataset
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.evaluation.api import evaluate
from sshbench.evaluation.benchmarks import evaluator_of
from sshbench.evaluation.loading import load_dataset
from sshbench.formats import read_predictions
from sshbench.protocols import load_protocol
from sshbench.records import DetectionSet, FaceSet, offsets_of

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = {
    "wider": ("wider", "wider", "predictions/ordinary.zip"),
    "pascal": ("pascal", "pascal", "detections/shifted.txt.gz"),
    "afw": ("afw", "afw", "detections/tied.txt.gz"),
    "fddb": ("fddb", "fddb", "detections/ordinary.txt.gz"),
}
WIDER_AXES = ["height", "blur", "occlusion", "pose", "illumination", "expression", "event", "crowd"]


def golden(case: str) -> tuple[DetectionSet, Dataset]:
    name, folder, file = CASES[case]
    protocol = load_protocol(name)
    dataset = load_dataset(protocol, GOLDEN / folder)
    detections, _ = read_predictions(GOLDEN / folder / file, dataset, protocol.evaluation.kind)
    return detections, dataset


def subject_of(
    case: str, detections: DetectionSet, faces: FaceSet, subset: str | None = None, replicates: int = 100
) -> Subject:
    protocol = load_protocol(case)
    outcome = evaluator_of(protocol)(detections, faces, protocol)
    resampling = Resampling(len(faces), replicates)
    return Subject.of(outcome, detections, faces, protocol, subset=subset, resampling=resampling)


@pytest.fixture(scope="module")
def subjects() -> dict[str, Subject]:
    made = {case: subject_of(case, detections, data.faces) for case, (detections, data) in by_case().items()}
    detections, dataset = golden("wider")
    areas = np.random.default_rng(0).uniform(100, 20000, dataset.faces.total)
    faces = replace(dataset.faces, ignore={"all": dataset.faces.ignore["hard"]}, areas=areas)
    return made | {"coco": subject_of("coco", detections, faces)}


def by_case() -> dict[str, tuple[DetectionSet, Dataset]]:
    return {case: golden(case) for case in CASES}


def middle(subject: Subject) -> float:
    return subject.outcome.best_f1_score(subject.curve)


def by_axis(listed: Sequence[Slice]) -> dict[str, list[Slice]]:
    axes: dict[str, list[Slice]] = {}
    for one in listed:
        axes.setdefault(one.axis, []).append(one)
    return axes


def part(listed: Sequence[Slice], axis: str, name: str) -> Slice:
    return next(one for one in listed if (one.axis, one.part) == (axis, name))


@pytest.mark.parametrize("case", [*CASES, "coco"])
@pytest.mark.parametrize("lowest", [True, False])
def test_parts_add_up_to_the_whole(subjects: dict[str, Subject], case: str, lowest: bool) -> None:
    subject = subjects[case]
    threshold = -np.inf if lowest else middle(subject)
    fates = subject.fates(threshold)
    axes = by_axis(slices(subject, threshold))
    assert {"height", "crowd"} <= axes.keys()
    for parts in axes.values():
        assert sum(one.faces for one in parts) == np.count_nonzero(fates.found | fates.missed)
        assert sum(one.found for one in parts) == np.count_nonzero(fates.found)
        for one in parts:
            assert one.recall.value == (one.found / one.faces if one.faces else None)
        if parts[0].of == "images":
            assert sum(one.images for one in parts) == len(subject.faces)
            known = fates.false & (subject.detections.image_rows < len(subject.faces))
            false = sum((one.fppi or 0) * one.images for one in parts)
            assert false == pytest.approx(np.count_nonzero(known), abs=1e-9)


def test_axes_are_those_of_the_dataset(subjects: dict[str, Subject]) -> None:
    names = {case: list(by_axis(slices(subject, np.inf))) for case, subject in subjects.items()}
    assert names["wider"] == WIDER_AXES
    assert names["coco"] == ["height", "area", *WIDER_AXES[1:]]
    assert names["pascal"] == names["afw"] == ["height", "crowd"]
    assert names["fddb"] == ["height", "event", "crowd"]


def test_the_part_that_is_everything_has_the_figures_of_the_whole(subjects: dict[str, Subject]) -> None:
    for case, subject in subjects.items():
        threshold, fates = middle(subject), subject.fates(middle(subject))
        own = {"all": dict.fromkeys(subject.faces.keys, "every")}
        one = part(slices(subject, threshold, own=own), "all", "every")
        right, false = np.count_nonzero(fates.right), np.count_nonzero(fates.false)
        assert one.recall.value == np.count_nonzero(fates.found) / np.count_nonzero(fates.found | fates.missed)
        assert (one.difference, one.p_adjusted) == (None, None)
        assert one.standardised == pytest.approx(one.recall.value, abs=0.05)
        if case in ("wider", "coco", "fddb"):  # others have detections of images without ground truth
            assert (one.precision, one.fppi) == (right / (right + false), false / len(subject.faces))
        if case == "fddb":
            assert (one.ap, one.normalised_ap, one.ap_own) == (None, None, None)
        else:
            figure = subject.outcome.metrics[subject.metric]
            assert one.normalised_ap == figure
            if case in ("wider", "coco"):
                assert one.ap == figure


def test_the_only_part_of_an_axis_of_faces_has_the_figures_of_the_whole(subjects: dict[str, Subject]) -> None:
    for case in ("wider", "pascal", "afw"):
        subject = subjects[case]
        faces = replace(subject.faces, attributes={"side": np.full(subject.faces.total, -3, dtype=np.int8)})
        one = part(slices(replace(subject, faces=faces), np.inf), "side", "-3")
        assert one.ap == one.normalised_ap == subject.outcome.metrics[subject.metric]
        assert (one.precision, one.found, one.recall.value) == (None, 0, 0.0)


@pytest.mark.parametrize("axis", ["height", "blur", "illumination"])
def test_raw_ap_is_that_of_the_evaluator_with_all_other_faces_ignored(axis: str) -> None:
    detections, dataset = golden("wider")
    faces = dataset.faces
    subject = subject_of("wider", detections, faces)
    axes = {one.name: one for one in axes_of(faces, subject.counted)}
    listed = by_axis(slices(subject, 0.5))[axis]
    total = sum(one.faces for one in listed)
    for number, one in enumerate(listed):
        others = faces.ignore["hard"] | (axes[axis].face_class != number)
        alone = subject_of("wider", detections, replace(faces, ignore={**faces.ignore, "hard": others}))
        assert one.ap == (alone.outcome.metrics["AP/hard"] if one.faces else None)
        if one.faces:
            rows = alone.ledger.totals
            kept = rows.right + (rows.kept - rows.right) * one.faces / total
            figure = alone.outcome.measures["AP/hard"].rule.exact([replace(rows, kept=kept)])
            assert one.normalised_ap == pytest.approx(figure, abs=1e-12)


def test_ap_of_images_is_that_of_their_ledger_alone(subjects: dict[str, Subject]) -> None:
    subject = subjects["wider"]
    ledger = subject.ledger
    for one in by_axis(slices(subject, 0.5))["event"]:
        inside = np.array([key.startswith(f"{one.part}/") for key in subject.faces.keys])
        rows = inside[ledger.image]
        kept = replace(
            ledger,
            image=ledger.image[rows],
            step=ledger.step[rows],
            kept=ledger.kept[rows],
            true=ledger.true[rows],
            right=ledger.right[rows],
            faces=np.where(inside, ledger.faces, 0),
        )
        assert one.ap == subject.outcome.measures[subject.metric].rule.exact([kept.totals])


def test_own_ap_leaves_out_false_detections_of_other_heights(subjects: dict[str, Subject]) -> None:
    subject = subjects["wider"]
    fates, heights = subject.fates(), subject.detections.boxes[:, 3] - subject.detections.boxes[:, 1]
    tall = subject.faces.boxes[:, 3] - subject.faces.boxes[:, 1]
    for one in by_axis(slices(subject, 0.5))["height"]:
        if not one.faces:
            assert one.ap_own is None
            continue
        low, high = (float(edge) for edge in one.part.strip("[)").split(","))
        mine = np.append((tall >= low) & (tall < high), False)[fates.faces]
        kept = (fates.right & mine) | (
            fates.false & np.where(fates.faces >= 0, mine, (heights >= low) & (heights < high))
        )
        steps = np.arange(subject.ledger.steps)[:, None]
        counts = [(subject.ledger.detection_step[chosen] <= steps).sum(axis=1) for chosen in (kept, kept & fates.right)]
        totals = replace(subject.ledger.totals, kept=counts[0], true=counts[1].astype(float), faces=float(one.faces))
        assert one.ap_own == subject.outcome.measures[subject.metric].rule.exact([totals])


@pytest.mark.parametrize("case", ["wider", "fddb"])
def test_intervals_are_those_of_counting_drawn_images_again(subjects: dict[str, Subject], case: str) -> None:
    subject = subjects[case]
    threshold = float(np.quantile(subject.outcome.scores, 0.3))
    fates = subject.fates(threshold)
    rows, n = subject.faces.image_rows, len(subject.faces)
    axis = next(one for one in axes_of(subject.faces, fates.found | fates.missed) if one.name == "height")
    weights = np.hstack([weights for _, weights in subject.resampling.batches()]).astype(int)
    for number, one in enumerate(by_axis(slices(subject, threshold))["height"]):
        recalls, differences = [], []
        for column in weights.T:
            drawn = np.repeat(np.arange(n), column)  # each image as often as it was drawn
            of_drawn = np.concatenate([np.flatnonzero(rows == image) for image in drawn])
            counted, found = (flags[of_drawn] for flags in (fates.found | fates.missed, fates.found))
            mine = axis.face_class[of_drawn] == number
            with np.errstate(invalid="ignore"):
                recalls.append(np.float64((found & mine).sum()) / (counted & mine).sum())
                differences.append(recalls[-1] - np.float64((found & ~mine).sum()) / (counted & ~mine).sum())
        if one.recall.low is not None:
            expected = np.nanquantile(recalls, [0.025, 0.975])
            assert [one.recall.low, one.recall.high] == pytest.approx(expected.tolist(), abs=1e-12)
        if one.p_adjusted is not None:
            assert one.difference is not None
            expected = np.nanquantile(differences, [0.025, 0.975])
            assert [one.difference.low, one.difference.high] == pytest.approx(expected.tolist(), abs=1e-12)
    assert any(one.recall.low is not None for one in slices(subject, threshold))


def test_replicates_are_evaluations_of_drawn_images() -> None:
    detections, dataset = golden("wider")
    faces = dataset.faces
    subject = subject_of("wider", detections, faces)
    _, weights = next(subject.resampling.batches())
    fates = subject.fates(0.5)
    parts = next(one for one in axes_of(faces, subject.counted) if one.name == "blur").face_class
    for column in weights.T[:3].astype(int):
        drawn = np.repeat(np.arange(len(faces)), column)
        keys = tuple(f"{faces.keys[image]}_{number}" for number, image in enumerate(drawn))
        found = detections.aligned(faces.keys)
        copies = DetectionSet.from_images((key, found[int(image)]) for key, image in zip(keys, drawn, strict=True))
        rows = np.concatenate([np.arange(faces.offsets[image], faces.offsets[image + 1]) for image in drawn])
        copied = FaceSet(
            keys,
            offsets_of(np.diff(faces.offsets)[drawn]),
            faces.boxes[rows],
            {name: flags[rows] for name, flags in faces.ignore.items()},
            {name: codes[rows] for name, codes in faces.attributes.items()},
        )
        for number, one in enumerate(by_axis(slices(subject_of("wider", copies, copied), 0.5))["blur"]):
            sums = [flags & (parts == number) for flags in (fates.found, fates.found | fates.missed)]
            right, counted = (int(column @ faces.per_image(chosen)) for chosen in sums)
            assert (one.found, one.faces) == (right, counted)


def test_standardised_recall_is_that_of_equal_heights(subjects: dict[str, Subject]) -> None:
    subject = subjects["wider"]
    listed = slices(subject, 0.5, cross=("height", "blur"))
    axes = by_axis(listed)
    total = sum(one.faces for one in axes["height"])
    for one in axes["blur"]:
        covered = summed = 0.0
        for height in axes["height"]:
            joint = part(listed, "height x blur", f"{height.part} x {one.part}")
            if joint.faces >= 30:
                covered += height.faces / total
                summed += height.faces / total * joint.found / joint.faces
        assert one.covered == pytest.approx(covered)
        assert one.standardised == (pytest.approx(summed / covered) if covered else None)
    for one in (*axes["height"], *axes["height x blur"]):
        assert (one.standardised, one.covered) == (None, None)


def test_empty_parts_are_listed(subjects: dict[str, Subject]) -> None:
    for case, subject in subjects.items():
        axes = by_axis(slices(subject, middle(subject)))
        assert len(axes["height"]) == 7
        assert [one.part for one in axes["crowd"]] == ["0", "1", "2-5", "6-20", "21-50", "51+"]
        empty = [one for parts in axes.values() for one in parts if not one.faces]
        assert empty, case
        for one in empty:
            assert one.recall.value is one.recall.low is one.ap is one.normalised_ap is one.median_height is None
            assert (one.found, one.difference, one.p_adjusted, one.standardised) == (0, None, None, None)


def test_median_heights_and_images(subjects: dict[str, Subject]) -> None:
    subject = subjects["wider"]
    heights = subject.faces.boxes[:, 3] - subject.faces.boxes[:, 1]
    heavy = part(slices(subject, 0.5), "blur", "heavy")
    chosen = subject.counted & (subject.faces.attributes["blur"] == 2)
    assert heavy.median_height == np.median(heights[chosen])
    assert heavy.images == len(np.unique(subject.faces.image_rows[chosen]))


def test_two_parts_mirror_each_other(subjects: dict[str, Subject]) -> None:
    one, other = by_axis(slices(subjects["wider"], 0.4))["illumination"]
    assert one.difference is not None
    assert other.difference is not None
    assert one.difference.value == -other.difference.value  # type: ignore[operator]
    assert one.difference.low == pytest.approx(-other.difference.high)  # type: ignore[operator]
    assert one.p_adjusted == other.p_adjusted


def test_own_divisions(subjects: dict[str, Subject]) -> None:
    subject = subjects["pascal"]
    first, second = subject.faces.keys[:2]
    axes = by_axis(slices(subject, 0.0, own={"light": {second: "night", first: "day"}}))
    assert [(one.part, one.images, one.of) for one in axes["light"]] == [
        ("night", 1, "images"),
        ("day", 1, "images"),
        ("unassigned", len(subject.faces) - 2, "images"),
    ]
    with pytest.raises(UsageError, match=r"axis 'light' names 2 images .*'x', 'y'"):
        slices(subject, 0.0, own={"light": {first: "day", "x": "day", "y": "day"}})
    with pytest.raises(UsageError, match="already an axis 'crowd'"):
        slices(subject, 0.0, own={"crowd": {first: "day"}})


def test_joint_parts_agree_with_their_axes(subjects: dict[str, Subject]) -> None:
    subject = subjects["wider"]
    own = {"half": {key: str(number % 2) for number, key in enumerate(subject.faces.keys)}}
    for names, of in ((("crowd", "blur"), "faces"), (("blur", "pose"), "faces"), (("half", "crowd"), "images")):
        listed = slices(subject, 0.5, own=own, cross=names)
        axes = by_axis(listed)
        joint = axes[f"{names[0]} x {names[1]}"]
        assert len(joint) == len(axes[names[0]]) * len(axes[names[1]])
        assert len({one.part for one in joint}) == len(joint)
        assert {one.of for one in joint} == {of}
        for side, name in enumerate(names):
            for one in axes[name]:
                mine = [pair for pair in joint if pair.part.split(" x ")[side] == one.part]
                assert sum(pair.faces for pair in mine) == one.faces
                assert sum(pair.found for pair in mine) == one.found


def test_joint_parts_are_refused_where_they_say_nothing(subjects: dict[str, Subject]) -> None:
    subject = subjects["wider"]
    with pytest.raises(UsageError, match=r"no axis 'blurr'.*'blur'"):
        slices(subject, 0.5, cross=("blurr", "pose"))
    with pytest.raises(UsageError, match="itself"):
        slices(subject, 0.5, cross=("pose", "pose"))
    with pytest.raises(UsageError, match=rf"61 \* 7 = 427 joint parts. Cross axes with at most {MAX_JOINT}"):
        slices(subject, 0.5, cross=("event", "height"))


def test_attributes_with_many_codes_are_no_axis() -> None:
    codes = np.arange(13, dtype=np.int8)
    boxes = np.tile([0.0, 0.0, 10.0, 10.0], (13, 1))
    attributes = {"shot": codes, "side": codes % 12, "blur": codes % 4, "invalid": codes % 2}
    faces = FaceSet(("a",), np.array([0, 13]), boxes, {}, attributes)
    axes = {one.name: one.parts for one in axes_of(faces, np.ones(13, dtype=np.bool_))}
    assert list(axes) == ["height", "blur", "side", "crowd"]
    assert axes["blur"] == ("clear", "normal", "heavy", "3")
    assert axes["side"] == tuple(str(code) for code in range(12))


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=60))
def test_p_values(values: list[float]) -> None:
    replicates = np.array(values)
    p = two_sided_p(replicates)
    assert 0 < p <= 1
    assert two_sided_p(-replicates) == p
    assert two_sided_p(np.append(replicates, np.nan)) == p
    assert max_t_p(np.array([0.1]), replicates[None]) == [p]
    family = np.vstack([replicates, replicates, np.zeros(len(replicates))])
    adjusted = max_t_p(np.array([0.1, 0.1, 0.0]), family)
    assert adjusted[0] == adjusted[1]
    assert adjusted[2] == 1.0


def test_max_t_counts_the_largest_of_the_family() -> None:
    noise = np.random.default_rng(1).normal(size=(3, 999))
    differences = np.array([0.0, 2.5, 0.3])
    replicates = noise + differences[:, None]
    largest = (np.abs(noise) / replicates.std(axis=1, ddof=1)[:, None]).max(axis=0)
    for d, row, p in zip(differences, replicates, max_t_p(differences, replicates), strict=True):
        assert p == (1 + np.count_nonzero(largest >= abs(d) / row.std(ddof=1))) / 1000
        assert p >= two_sided_p(row) / 2


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_slices_are_read(tmp_path: Path) -> None:
    text = '\ufeffimage,axis,value\r\ne/a,light,day\n\ne/b, light ,"dawn, early"\ne/a,place,street\n'
    expected = {"light": {"e/a": "day", "e/b": "dawn, early"}, "place": {"e/a": "street"}}
    assert read_slices(written(tmp_path, text)) == read_slices(tmp_path / "table.csv", ["e/a", "e/b"]) == expected
    assert read_slices(written(tmp_path, "image,axis,value\n")) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty. The first line is 'image,axis,value'"),
        ("e/a,light,day\n", "table.csv:1: expected the header: 'e/a,light,day'"),
        ("image,axis,value\ne/a,light\n", "table.csv:2: expected 3 fields.*'e/a,light'"),
        ("image,axis,value\n\ne/a,,day\n", "table.csv:3: expected 3 fields, none of them empty: 'e/a,,day'"),
        ("image,axis,value\ne/a,l,day\ne/a,l,night\n", "table.csv:3: image 'e/a' has a value.*'day'.*'night'. Keep"),
        ("image,axis,value\ne/a,l,day\ne/x,l,day\ne/y,l,day\n", "table.csv:3: 2 images .'e/x', 'e/y'. not in.*Write"),
        ('image,axis,value\ne/a,l,"day\n', "table.csv:2: invalid CSV"),
    ],
)
def test_errors_of_slice_files_name_the_line_and_a_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_slices(written(tmp_path, text), ["e/a", "e/b"])
    assert caught.value.remedy


def test_groups_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "image,group\ne/c,two\ne/a,one\ne/b,two\ne/z,three\n")
    assert read_groups(path, ["e/a", "e/b", "e/c"]).tolist() == [0, 1, 1]
    with pytest.raises(InputError, match=r"2 images .'e/d', 'e/e'. of the dataset without a group. Add"):
        read_groups(path, ["e/a", "e/d", "e/e"])
    with pytest.raises(InputError, match=r"table.csv:3: image 'e/a' has a group already \('one'\)"):
        read_groups(written(tmp_path, "image,group\ne/a,one\ne/a,one\n"), ["e/a"])
    with pytest.raises(MissingDataError):
        read_groups(tmp_path / "missing.csv", ["e/a"])


def test_groups_are_drawn_whole(subjects: dict[str, Subject]) -> None:
    subject = subjects["wider"]
    groups = np.arange(len(subject.faces)) // 2
    drawn = replace(subject, resampling=Resampling(len(subject.faces), 100, groups=groups))
    images, whole = (by_axis(slices(one, 0.4))["blur"] for one in (subject, drawn))
    assert [one.recall.value for one in images] == [one.recall.value for one in whole]
    assert [one.recall.low for one in images] != [one.recall.low for one in whole]


@pytest.mark.parametrize("case", ["wider", "pascal", "coco"])
def test_nothing_found_or_nothing_to_find(case: str) -> None:
    _, dataset = golden("wider")
    faces = replace(dataset.faces, ignore={**dataset.faces.ignore, "all": dataset.faces.ignore["hard"]})
    nothing = DetectionSet.from_images([]).aligned(faces.keys)
    for one in slices(subject_of(case, nothing, faces), np.inf, cross=("crowd", "height")):
        assert (one.recall.value, one.ap, one.normalised_ap) == ((0.0, 0.0, 0.0) if one.faces else (None, None, None))
        assert one.precision is None
        assert one.p_adjusted in (None, 1.0)
    ignored = {name: np.ones(faces.total, dtype=np.bool_) for name in faces.ignore}
    one_image = replace(faces, ignore=ignored)[:1]
    for one in slices(subject_of(case, golden("wider")[0].aligned(one_image.keys), one_image), 0.0):
        assert (one.faces, one.found, one.recall.value, one.ap) == (0, 0, None, None)


@pytest.mark.thorough
def test_whole_wider_val_has_the_figures_that_the_specification_measured(shared: Path) -> None:
    data = shared / "data" / "wider"
    result = evaluate("wider", data / "predictions" / "retinaface-jit.zip", data=data)
    subject = Subject.of(result.outcome, result.detections, result.dataset.faces, result.protocol)
    listed = slices(subject, middle(subject))
    extreme, normal = (part(listed, "illumination", name) for name in ("extreme", "normal"))
    figures = [[one.recall.value, one.ap, one.normalised_ap] for one in (extreme, normal)]
    assert np.allclose(np.array(figures, dtype=float), [[0.795, 0.688, 0.854], [0.732, 0.810, 0.813]], atol=5e-4)
    assert [one.median_height for one in by_axis(listed)["blur"]] == [83.0, 36.0, 17.0]
    axes = by_axis(listed)
    assert (len(axes["event"]), sum(one.faces for one in axes["event"])) == (61, 31958)
