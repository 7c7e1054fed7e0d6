from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from typer.testing import CliRunner

from sshbench.cli.curves import curves_app
from sshbench.errors import MissingDataError


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_CACHE", str(tmp_path / "cache"))


def call(*arguments: object) -> str:
    result = CliRunner().invoke(curves_app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "baselines" / "Val" / "setting_int" / "cms-rcnn"
    folder.mkdir(parents=True)
    curve = np.array([[0.9, 0.5], [0.8, 0.7]])
    savemat(folder / "wider_pr_info_cms-rcnn_hard_val.mat", {"pr_curve": curve})
    return tmp_path / "baselines"


def test_import_says_what_disagrees(tree: Path) -> None:
    output = call("import", tree)
    assert "imported 1 curves of 1 methods" in output
    assert "note: cms-rcnn: the curve is in the variable 'pr_curve'" in output
    assert "compared 2 published figures: 2 disagree" in output
    assert "CMS-RCNN hard (val): 0.629 printed, 0.61000 by the curve [Najibi et al." in output


def test_import_and_list_as_json(tree: Path) -> None:
    content = json.loads(call("import", tree, "--json"))
    assert content["benchmark"] == "wider"
    assert content["compared"] == 2
    assert [d["printed"] for d in content["disagreements"]] == ["0.629", "0.6244350904469611"]
    assert content["findings"][0]["code"] == "misnamed-variable"
    (row,) = json.loads(call("list", "--json"))["curves"]
    assert (row["benchmark"], row["method"], row["split"], row["subset"]) == ("wider", "CMS-RCNN", "val", "hard")
    assert row["figure"] == pytest.approx(0.61)


def test_list_of_nothing_says_how_to_begin() -> None:
    assert "sshbench curves import FOLDER" in call("list")
    assert json.loads(call("list", "--json")) == {"format": 1, "curves": []}


def test_fddb_import_and_list(tmp_path: Path) -> None:
    folder = tmp_path / "rocs"
    folder.mkdir()
    (folder / "MineDiscROC.txt").write_text("0.9 5 0.1\n0.8 2 0.2\n")
    (folder / "MineContROC.txt").write_text("0.7 5\n0.6 2\n")
    assert "imported 2 curves of 1 methods" in call("import", folder, "--benchmark", "fddb")
    assert call("list") == "fddb all  Mine: continuous 0.7000  discrete 0.9000\n"


def test_missing_folder_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no folder"):
        call("import", tmp_path / "none")


def test_help_has_examples() -> None:
    assert "sshbench curves import eval_tools/plot/baselines" in call("import", "--help")
    assert "sshbench curves list" in call("list", "--help")
