"""`sshbench archive --with-detections` and `sshbench verify`: what was changed is named, and what was not agrees."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sshbench
from sshbench.archive import archive_runs
from sshbench.archived_detections import DETECTIONS, read_detections, write_detections
from sshbench.errors import InputError, MissingDataError, SshbenchError
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluation.storing import read_protocol
from sshbench.files import sample_dir
from sshbench.records import Detections, DetectionSet
from sshbench.report.measured import ArchivedIdentity
from sshbench.verification import verify_archive

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, sample, rng = tmp_path_factory.mktemp("runs"), load_dataset("sample"), np.random.default_rng(7)
    for name, step in (("all", 1), ("half", 2)):
        found = {}
        for key, faces in zip(sample.keys, sample.faces, strict=True):
            boxes = np.vstack((faces.boxes[::step], [[700.0, 500.0, 720.0, 520.0]]))  # and a false one
            found[key] = (boxes + rng.normal(size=boxes.shape), rng.uniform(0.1, 1, len(boxes)))
        sshbench.evaluate("sample", found, detector=name, out=folder / name, trained_on=["wider"])
    return [folder / "all", folder / "half"]


@pytest.fixture(scope="module")
def made(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("archive")
    archive_runs(runs, out, with_detections=True)
    return out


@pytest.fixture
def archive(made: Path, tmp_path: Path) -> Path:
    """A copy of one archived run that a test may change."""
    return Path(shutil.copytree(made / "half", tmp_path / "half"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def differing(archive: Path, **options: Any) -> list[str]:
    return [item.what for item in verify_archive(archive, **options).items if not item.agrees]


def test_an_unchanged_archive_agrees(sshbench: Call, made: Path) -> None:
    code, out, err = sshbench("verify", made)
    assert (code, err) == (0, "")
    assert "DIFFERS" not in out
    assert out.count("AP/hard") == 2
    content = json.loads(sshbench("verify", made / "half", "--json")[1])
    assert content["ok"]
    assert {item["run"] for item in content["items"]} == {(made / "half").as_posix()}


def test_it_is_made_by_the_command_and_the_same_every_time(
    sshbench: Call, runs: list[Path], made: Path, tmp_path: Path
) -> None:
    code, out, err = sshbench("archive", *runs, "-o", tmp_path / "a", "--with-detections", "--json")
    assert (code, err) == (0, "")
    assert sum(name.endswith(DETECTIONS) for name in json.loads(out)["files"]) == 2
    assert (tmp_path / "a" / "all" / DETECTIONS).read_bytes() == (made / "all" / DETECTIONS).read_bytes()
    assert (made / "all" / DETECTIONS).stat().st_size < (runs[0] / "detections.sqlite").stat().st_size


def test_tampered_figures(sshbench: Call, archive: Path) -> None:
    def better(content: dict[str, Any]) -> None:
        content["metrics"]["AP/hard"] = float(np.nextafter(content["metrics"]["AP/hard"], 1))
        content["counted"]["easy"] -= 1

    edit(archive / "metrics.json", better)
    assert differing(archive) == ["counted", "AP/hard"]
    code, out, err = sshbench("verify", archive)
    assert code == 1
    assert "2 of" in err
    assert sum("DIFFERS" in line for line in out.splitlines()) == 2
    code, out, _ = sshbench("verify", archive, "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)


def test_figures_that_were_added_or_removed(archive: Path) -> None:
    edit(archive / "metrics.json", lambda content: content["metrics"].update({"AP/best": 1.0}))
    edit(archive / "metrics.json", lambda content: content["metrics"].pop("AP/easy"))
    assert differing(archive) == ["AP/best", "AP/easy"]


def test_tampered_detections(archive: Path) -> None:
    kept = read_detections(archive / DETECTIONS)
    moved = DetectionSet(kept.keys, kept.offsets, kept.boxes, kept.scores[::-1].copy())
    write_detections(archive / DETECTIONS, moved)
    assert {"detections", "AP/hard"} <= set(differing(archive))
    # Whoever changes the hash too is found by the figures.
    edit(archive / "identity.json", lambda content: content.update(detections_sha256=moved.digest))
    assert "detections" not in differing(archive)
    assert "AP/hard" in differing(archive)


def test_detections_of_other_images(archive: Path) -> None:
    kept = read_detections(archive / DETECTIONS)
    write_detections(archive / DETECTIONS, DetectionSet(kept.keys[::-1], kept.offsets, kept.boxes, kept.scores))
    assert "AP/hard" in differing(archive)
    keys = tuple(f"e/{i}" for i in range(len(kept.keys)))
    write_detections(archive / DETECTIONS, DetectionSet(keys, kept.offsets, kept.boxes, kept.scores))
    assert "images with detections" in differing(archive)
    write_detections(archive / DETECTIONS, kept[:10])
    assert {"images with detections", "images", "complete", "detections"} <= set(differing(archive))


def test_another_protocol(archive: Path, tmp_path: Path) -> None:
    edit(archive / "protocol.json", lambda content: content["protocol"]["evaluation"].update(iou_threshold=0.3))
    assert differing(archive) == ["protocol hash, identity.json", "protocol hash, metrics.json", "rules"]
    other = read_protocol(archive / "protocol.json")
    for name in ("identity", "metrics"):
        edit(archive / f"{name}.json", lambda content: content.update(protocol_hash=other.hash))
    kept = ArchivedIdentity.read(archive / "identity.json", remedy="")
    edit(archive / "identity.json", lambda content: content.update(key=kept.run_identity().key))
    assert differing(archive) == ["rules"]  # consistent, and not what the benchmark's name promises
    assert differing(archive, protocol=other) == []


def test_a_tampered_identity(archive: Path) -> None:
    edit(archive / "identity.json", lambda content: content.update(detector="better", trained_on=[]))
    assert differing(archive) == ["identity key", "detector of metrics.json"]
    edit(archive / "identity.json", lambda content: content.update(trained_on=None))
    assert "domain" in differing(archive)


def test_another_dataset(archive: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(sample_dir(), tmp_path / "data"))
    assert differing(archive, data=data) == []
    (easy,), (hard,) = data.rglob("wider_easy_val.mat"), data.rglob("wider_hard_val.mat")
    easy.write_bytes(hard.read_bytes())
    found = differing(archive, data=data)
    assert {"dataset fingerprint, identity.json", "dataset fingerprint, metrics.json"} <= set(found)


def test_what_cannot_be_verified(sshbench: Call, runs: list[Path], archive: Path, tmp_path: Path) -> None:
    archive_runs(runs[:1], tmp_path / "small")
    with pytest.raises(MissingDataError, match=r"no detections\.npz"):
        verify_archive(tmp_path / "small" / "all")
    with pytest.raises(MissingDataError, match="no archived run"):
        verify_archive(tmp_path / "nowhere")
    assert sshbench("verify", archive, "--protocol", "none")[0] == 2
    assert sshbench("verify", archive, "--protocol", "wider")[0] == 1
    whole = (archive / DETECTIONS).read_bytes()
    for damage in (b"", whole[:200], whole[:-30], b"PK" + bytes(100)):
        (archive / DETECTIONS).write_bytes(damage)
        assert sshbench("verify", archive)[0] == 2
    for wrong in ({"format": np.array(2)}, {"keys": np.array([255], np.uint8)}, {"scores": np.zeros(3)}):
        (tmp_path / "whole.npz").write_bytes(whole)
        with np.load(tmp_path / "whole.npz") as arrays:
            np.savez(archive / DETECTIONS, **{**arrays, **wrong})
        with pytest.raises(InputError):
            read_detections(archive / DETECTIONS)


def test_archived_runs_with_detections_are_read_like_runs(
    sshbench: Call, runs: list[Path], made: Path, tmp_path: Path
) -> None:
    quick = ("--replicates", 200, "--json")
    of_runs = json.loads(sshbench("compare", *runs, *quick)[1])
    of_archives = json.loads(sshbench("compare", made / "all", made / "half", *quick)[1])
    assert of_archives["pairs"] == of_runs["pairs"]
    assert sshbench("analyze", made / "half", *quick)[0] == 0
    assert sshbench("report", made / "half", "-o", tmp_path / "r")[0] == 0
    before = sorted(path.name for path in (made / "half").iterdir())
    assert before == [DETECTIONS, "identity.json", "metrics.json", "protocol.json"]


def test_other_detections_are_not_read(sshbench: Call, archive: Path) -> None:
    kept = read_detections(archive / DETECTIONS)
    write_detections(archive / DETECTIONS, DetectionSet(kept.keys, kept.offsets, kept.boxes + 1, kept.scores))
    code, _, err = sshbench("analyze", archive, "--replicates", 200)
    assert code == 2
    assert "not the detections that identity.json names" in err


@given(st.integers(0, 2**32), st.lists(st.integers(0, 5), max_size=6), st.booleans(), st.booleans())
def test_detections_come_back_to_the_bit(seed: int, counts: list[int], ellipses: bool, positions: bool) -> None:
    import tempfile

    rng = np.random.default_rng(seed)
    kept = DetectionSet.from_images(
        (
            f"é/{i}",
            Detections(
                rng.normal(size=(n, 4)) * 10.0 ** rng.integers(-300, 300),
                rng.choice([0.1, -0.0, np.inf, 5e-324], n),
                rng.normal(size=(n, 5)) if ellipses else None,
                rng.integers(-9, 2**60, n) if positions else None,
            ),
        )
        for i, n in enumerate(counts)
    )
    with tempfile.TemporaryDirectory() as folder:
        back = read_detections(write_detections(Path(folder) / DETECTIONS, kept))
    assert (back.keys, back.digest) == (kept.keys, kept.digest)
    assert (back.ellipses is None, back.positions is None) == (kept.ellipses is None, kept.positions is None)
    if kept.positions is not None:
        assert back.positions is not None
        assert back.positions.tolist() == kept.positions.tolist()


def test_a_key_with_a_line_break_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SshbenchError, match="line break"):
        write_detections(tmp_path / DETECTIONS, DetectionSet.from_images([("a\nb", Detections.empty())]))
