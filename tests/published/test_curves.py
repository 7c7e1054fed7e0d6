from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from sshbench.curves import wider_ap
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.published import cached_curves, cached_rocs, import_fddb, import_wider, stored
from sshbench.published.compare import agrees
from sshbench.published.hdf5 import MAX_MEMBERS, UnreadableError, read_matrices
from sshbench.published.wider import read_pr_file

CURVE = np.column_stack([np.linspace(1, 0.5, 50), np.linspace(0.01, 0.9, 50)])


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_CACHE", str(tmp_path / "cache"))


def write_curve(
    folder: Path,
    method: str,
    subset: str = "easy",
    split: str = "_val",
    curve: np.ndarray = CURVE,
    variable: str = "pr_cruve",
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"wider_pr_info_{method}_{subset}{split}.mat"
    savemat(path, {variable: curve, "legend_name": method})
    return path


def cache_files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "curves").iterdir() if path.suffix != ".lock")


# The official collection


def test_official_files_of_both_versions_match_the_published_arrays(shared: Path) -> None:
    report = import_wider(shared / "data" / "wider" / "curves" / "plot" / "baselines")
    assert len(report.curves) == 18
    assert {c.method for c in report.curves} == {
        "acf",
        "CMS-RCNN",
        "EXTD",
        "HR-ResNet101+Pyramid",
        "RetinaFace",
        "SSH+Pyramid",
    }
    with np.load(shared / "data" / "wider" / "curves" / "pr_curves.npz") as arrays:
        known = [c for c in report.curves if f"val/{c.method}/{c.subset}" in arrays]
        assert len(known) == 15
        for curve in known:
            np.testing.assert_array_equal(
                curve.columns.astype(np.float32), arrays[f"val/{curve.method}/{curve.subset}"]
            )


def test_cms_rcnn_hard_is_the_only_disagreement(shared: Path) -> None:
    report = import_wider(shared / "data" / "wider" / "curves")
    assert report.compared == 24
    assert [str(d) for d in report.disagreements] == ["CMS-RCNN hard (val): 0.629 printed, 0.62444 by the curve"]
    assert report.disagreements[0].kind == "paper"
    assert report.disagreements[0].source


def test_misnamed_variable_is_read_and_reported(shared: Path) -> None:
    report = import_wider(shared / "data" / "wider" / "curves")
    assert [(f.code, len(f.files)) for f in report.findings] == [("misnamed-variable", 3)]
    assert "EXTD" in report.findings[0].message
    assert "'pr_curve'" in report.findings[0].message


# Files of any kind


def test_version_5_file_and_cached_curve_are_the_same_to_the_bit(tmp_path: Path) -> None:
    write_curve(tmp_path / "in", "mine")
    report = import_wider(tmp_path / "in")
    assert report.compared == 0
    curve = cached_curves("wider", "val")["mine"]["easy"]
    assert (curve.precision == CURVE[:, 0]).all()
    assert (curve.recall == CURVE[:, 1]).all()
    assert curve.ap == wider_ap(CURVE[:, 1], CURVE[:, 0])
    assert cached_curves("wider", "test") == {}
    assert cached_curves("coco", "val") == {}


def test_nan_precision_survives(tmp_path: Path) -> None:
    curve = CURVE.copy()
    curve[0] = np.nan, 0
    write_curve(tmp_path / "in", "mine", curve=curve)
    import_wider(tmp_path / "in")
    assert np.isnan(cached_curves()["mine"]["easy"].precision[0])


def test_splits_and_external_setting_are_told_apart(tmp_path: Path) -> None:
    write_curve(tmp_path / "in" / "Val" / "setting_int" / "acf", "acf")
    write_curve(tmp_path / "in" / "Test" / "setting_int" / "acf", "acf", split="")
    write_curve(tmp_path / "in" / "Test" / "setting_ext" / "acf", "acf", split="_test")
    report = import_wider(tmp_path / "in")
    assert [(c.method, c.split) for c in report.curves] == [("acf", "val"), ("acf", "test"), ("acf-ext", "test")]
    assert len(report.disagreements) == report.compared == 3


def test_second_import_adds_and_replaces_and_leaves_one_npz(tmp_path: Path) -> None:
    write_curve(tmp_path / "a", "one")
    write_curve(tmp_path / "b", "two")
    write_curve(tmp_path / "c", "one", curve=CURVE[:10])
    for name in "abc":
        import_wider(tmp_path / name)
    assert sorted(cached_curves()) == ["one", "two"]
    assert len(cached_curves()["one"]["easy"].recall) == 10
    files = cache_files(tmp_path)
    assert len(files) == 2
    assert files[1] == "wider.json"


def test_same_curve_twice_is_one_and_a_second_curve_of_one_name_is_left_out(tmp_path: Path) -> None:
    write_curve(tmp_path / "in" / "a", "one")
    write_curve(tmp_path / "in" / "b", "one")
    assert len(import_wider(tmp_path / "in").curves) == 1
    write_curve(tmp_path / "in" / "b", "one", curve=CURVE[:10])
    report = import_wider(tmp_path / "in")
    assert len(report.curves) == 1
    (finding,) = (finding for finding in report.findings if finding.code == "second-curve")
    assert finding.message == "left out: another curve of one val easy than a/wider_pr_info_one_easy_val.mat"
    assert finding.files == ("b/wider_pr_info_one_easy_val.mat",)


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"something": np.zeros((3, 3))}, "no matrix of precision and recall"),
        ({"a": CURVE, "b": CURVE}, "no matrix of precision and recall"),
        ({"pr_cruve": CURVE * 100}, "between 0 and 1"),
        ({"pr_cruve": np.full((4, 2), np.nan)}, "between 0 and 1"),
    ],
)
def test_file_without_a_curve_is_named_and_nothing_is_stored(
    tmp_path: Path, variables: dict[str, np.ndarray], text: str
) -> None:
    (tmp_path / "in").mkdir()
    savemat(tmp_path / "in" / "wider_pr_info_x_easy_val.mat", variables)
    with pytest.raises(InputError, match=text) as caught:
        import_wider(tmp_path / "in")
    assert "wider_pr_info_x_easy_val.mat" in str(caught.value)
    assert stored("wider") == []


def test_every_cut_of_a_file_is_an_input_error(tmp_path: Path) -> None:
    content = write_curve(tmp_path, "mine").read_bytes()
    path = tmp_path / "cut.mat"
    for size in (0, 5, 100, 128, 200, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(InputError):
            read_pr_file(path)


def test_damaged_hdf5_is_an_input_error(shared: Path, tmp_path: Path) -> None:
    name = "wider_pr_info_SSH_easy_val.mat"
    original = shared / "data/wider/curves/plot/baselines/Val/setting_int/SSH" / name
    path = tmp_path / name
    shutil.copy(original, path)
    content = bytearray(path.read_bytes())
    for size in (600, 1000, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"SSH_easy_val\.mat: .*-v7"):
            read_pr_file(path)
    random = np.random.default_rng(1)
    for _ in range(300):
        broken = bytearray(content)
        for at in random.integers(512, 4000, 3):
            broken[at] = random.integers(256)
        path.write_bytes(broken)
        try:
            read_pr_file(path)
        except InputError:
            continue


def hdf5(path: Path, fill: Callable[[h5py.File], object], **options: Any) -> bytes:
    with h5py.File(path, "w", **options) as file:
        fill(file)
    return path.read_bytes()


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_curve_in_hdf5_is_read_to_the_bit(tmp_path: Path, libver: str) -> None:
    """As MATLAB writes it, behind 512 bytes of its own, and as newer libraries do."""

    def fill(file: h5py.File) -> None:
        file.create_dataset("pr_cruve", data=CURVE.T, chunks=(2, 16), compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("legend_name", data=np.frombuffer(b"m\0i\0n\0e\0", dtype=np.uint16)[None].T)
        file.create_dataset("note", data="text")
        file.create_group("#refs#")

    path = tmp_path / "wider_pr_info_mine_easy_val.mat"
    hdf5(path, fill, libver=libver, userblock_size=512)
    name, columns = read_pr_file(path)
    assert name == "pr_cruve"
    assert columns.tolist() == CURVE.tolist()
    assert import_wider(tmp_path).curves[0].figure == wider_ap(CURVE[:, 1], CURVE[:, 0])


def test_hdf5_does_not_lead_out_of_the_file(tmp_path: Path) -> None:
    hdf5(tmp_path / "other", lambda file: file.create_dataset("x", data=CURVE))

    def links(file: h5py.File) -> None:
        file["a"] = CURVE
        file["soft"] = h5py.SoftLink("/a")
        file["outside"] = h5py.ExternalLink(str(tmp_path / "other"), "/x")

    assert list(read_matrices(hdf5(tmp_path / "links", links))) == ["a"]

    def external(file: h5py.File) -> None:
        file.create_dataset("x", (2, 2), "f8", external=[(str(tmp_path / "other"), 0, 32)])

    with pytest.raises(UnreadableError, match="another file"):
        read_matrices(hdf5(tmp_path / "external", external))

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(shape=CURVE.shape, dtype="f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other"), "x", shape=CURVE.shape)
        file.create_virtual_dataset("x", layout)

    with pytest.raises(UnreadableError, match="another file"):
        read_matrices(hdf5(tmp_path / "virtual", virtual, libver="latest"))


@pytest.mark.parametrize(
    ("fill", "says"),
    [
        (lambda file: file.create_dataset("x", (1 << 20, 1 << 20), "f8", chunks=(64, 64)), "larger than"),
        (lambda file: file.create_dataset("x", (1, 2), "f8", maxshape=(None, 2), chunks=(1 << 27, 2)), "larger than"),
        (lambda file: file.create_dataset("x", data=CURVE, compression="lzf"), "filter that is not read"),
        (lambda file: [file.create_dataset(f"x{i}", data=1.0) for i in range(MAX_MEMBERS + 1)], "members, more than"),
    ],
)
def test_hdf5_over_a_limit_is_refused(tmp_path: Path, fill: Callable[[h5py.File], object], says: str) -> None:
    with pytest.raises(UnreadableError, match=says):
        read_matrices(hdf5(tmp_path / "x", fill))


@pytest.mark.parametrize("content", [b"", b"MATLAB 7.3", bytes(512) + b"\x89HDF\r\n\x1a\n\x02" + bytes(100)])
def test_content_that_is_no_hdf5_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_matrices(content)


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "wider_pr_info_mine_easy_val.mat"
    hdf5(path, lambda file: file.create_dataset("pr_cruve", data=CURVE.T), userblock_size=512)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"pip install 'sshbench\[curves\]'"):
        import_wider(tmp_path)
    path.unlink()
    write_curve(tmp_path, "mine")
    assert len(import_wider(tmp_path).curves) == 1  # older files need no h5py


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    for read in (import_wider, import_fddb):
        with pytest.raises(MissingDataError, match="no folder"):
            read(tmp_path / "none")
        with pytest.raises(MissingDataError, match="no file"):
            read(tmp_path)


def test_damaged_cache_names_its_file(tmp_path: Path) -> None:
    write_curve(tmp_path / "in", "mine")
    import_wider(tmp_path / "in")
    cache = tmp_path / "cache" / "curves"
    next(cache.glob("*.npz")).write_bytes(b"PK not a zip")
    with pytest.raises(InputError, match=r"wider\.json.*import the curves again"):
        cached_curves()
    next(cache.glob("*.npz")).unlink()
    with pytest.raises(InputError, match=r"wider\.json"):
        cached_curves()
    (cache / "wider.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"wider\.json"):
        cached_curves()
    (cache / "wider.json").write_text("[]")
    with pytest.raises(InputError, match=r"wider\.json"):
        cached_curves()


@pytest.mark.parametrize(
    ("printed", "value", "slack", "expected"),
    [
        ("0.925", 0.92571, 0, True),
        ("0.926", 0.92571, 0, True),
        ("0.924", 0.92571, 0, False),
        ("0.910", 0.91048, 0, True),
        ("0.629", 0.62444, 0, False),
        ("0.6244350904469611", 0.624435090446961, 0, True),
        ("0.62443509", 0.62443709, 0, False),
        ("0.9", 0.91, 0.001, True),
        ("0.955908", 0.9561, 0.0004, True),
        ("0.955908", 0.9561, 0.0001, False),
        ("1", 0.99999, 0, True),
        ("0", 0.0, 0, True),
    ],
)
def test_rounded_or_cut_figures_agree(printed: str, value: float, slack: float, expected: bool) -> None:
    assert agrees(printed, value, slack) is expected


# FDDB


def test_fddb_names_of_all_spellings(tmp_path: Path) -> None:
    for name in (
        "AcfDiscROC.txt",
        "CasCNN-ContROC.txt",
        "DDFD_DiscROC.txt",
        "Linkface-DiscROC_v1.txt",
        "DeepIRContROC(2).txt",
        "Uni-Ubi_DiscROC-2.txt",
        "Jain et al.DiscROC.txt",
        "OursDiscROC.txt",
        "notes-about-ROC.txt",
    ):
        (tmp_path / name).write_text("0.9 1200 0.1\n0.5 1000 0.2\n\n0 0 1.79769e+308\n")
    (tmp_path / "mtcnn").mkdir()
    (tmp_path / "mtcnn" / "ContROC.txt").write_text("0.25 7\r\n")
    report = import_fddb(tmp_path)
    found = {(c.method, c.subset): c.figure for c in report.curves}
    assert found == {
        ("Acf", "discrete"): 0.5,
        ("CasCNN", "continuous"): 0.5,
        ("DDFD", "discrete"): 0.5,
        ("DeepIR", "continuous"): 0.5,
        ("Jain et al.", "discrete"): 0.5,
        ("Linkface", "discrete"): 0.5,
        ("SmallHardFace", "discrete"): 0.5,
        ("Uni-Ubi", "discrete"): 0.5,
        ("mtcnn", "continuous"): 0.25,
    }
    # The real curves lie elsewhere: every published figure is contradicted.
    assert len(report.disagreements) == report.compared == 8
    curve = cached_rocs()["Acf"]["discrete"]
    assert curve.false_positives.tolist() == [1200, 1000, 0]
    assert curve.rate_at(1000) == 0.5


@pytest.mark.parametrize("line", ["0.5", "a b", "1.5 10", "nan 3", "0.5 -1", "0.5 inf"])
def test_fddb_bad_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "XDiscROC.txt").write_text(f"0.5 1\n{line}\n")
    with pytest.raises(InputError, match=r"XDiscROC\.txt:2: "):
        import_fddb(tmp_path)
    (tmp_path / "XDiscROC.txt").write_text("\n")
    with pytest.raises(InputError, match="holds no curve"):
        import_fddb(tmp_path)


def test_fddb_published_curves_bear_their_table_out(shared: Path, tmp_path: Path) -> None:
    with np.load(shared / "data" / "fddb" / "published" / "curves.npz") as arrays:
        for key in arrays.files:
            method, kind = key.rsplit("/", 1)
            path = tmp_path / f"{method}{kind.capitalize()}ROC.txt"
            path.write_text("".join(f"{rate:.9g} {count:.9g}\n" for count, rate in arrays[key].tolist()))
        total = len(arrays.files)
    report = import_fddb(tmp_path)
    assert len(report.curves) == report.compared == total == 172
    assert report.disagreements == ()


def test_fddb_thinned_table_agrees_with_the_full_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 10000 points, 5 of them for each one of a thinned copy: the table may lag behind by as many.
    rates = np.arange(1, 10001) / 10001
    (tmp_path / "XDiscROC.txt").write_text("".join(f"{rate:.6f} {i / 5:.6f}\n" for i, rate in enumerate(rates)))
    curve = import_fddb(tmp_path).curves[0]
    assert curve.figure == pytest.approx(5001 / 10001, abs=1e-6)
    assert curve.slack == pytest.approx(5 / 10001, abs=2e-6)
