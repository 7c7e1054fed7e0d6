"""The notebook of first steps runs from top to bottom, and shows what it says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs the extra `notebook`")
nbclient = pytest.importorskip("nbclient", reason="needs the extra `notebook`")

NOTEBOOK = Path(__file__).parents[1] / "examples" / "first-steps.ipynb"


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own packages
def test_first_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PYTHONPATH", str(NOTEBOOK.parents[1]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code"), "commit it without outputs"
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs}
    assert shown['result.ap["easy"], result.ap["hard"]'][0]["data"]["text/plain"] == "(1.0, 1.0)"
    assert "image/png" in shown["result.plot()"][0]["data"]
    assert "<table" in shown["result.to_pandas()"][0]["data"]["text/html"]
