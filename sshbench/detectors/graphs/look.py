"""Look at a graph: what `sshbench detectors spec` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshbench.detectors.graphs.entry import of_export, of_onnx
from sshbench.detectors.graphs.facts import GraphFacts
from sshbench.detectors.graphs.guess import Guess
from sshbench.detectors.graphs.no_guess import NoGuessError
from sshbench.errors import UsageError
from sshbench.files import write_atomic

_EXPORTED = (".pt2", ".pt", ".pth", ".ts", ".torchscript")


@dataclass(frozen=True, slots=True)
class Looked:
    """What a graph says of itself, and what is guessed from it.

    Attributes:
        facts: What the graph says of itself.
        guess: The specification, with reasons.
    """

    facts: GraphFacts
    guess: Guess


def look_at(model: str | Path, *, out: str | Path | None = None) -> Looked:
    """Look at a graph, and guess its specification.

    Args:
        model: Its file; `onnx:FILE` and `export:FILE` say what it is, else its suffix does.
        out: TOML file to write; where nothing can be guessed, one to fill in.

    Raises:
        UsageError: `out` exists, or the file is of an exported program and PyTorch is not installed.
        MissingDataError: There is no such file.
        InputError: It is no graph.
        NoGuessError: Nothing can be guessed.
    """
    path = None if out is None else Path(out).expanduser()
    if path is not None and path.exists():
        raise UsageError(f"{path} exists", remedy="Name a new file with --out")
    prefix, colon, file = str(model).partition(":")
    if not colon or prefix not in ("onnx", "export"):
        file = str(model)
        prefix = "export" if file.lower().endswith(_EXPORTED) else "onnx"
    try:
        graph = (of_export if prefix == "export" else of_onnx)(file).graph
    except NoGuessError as error:
        if path is not None:
            write_atomic(path, error.skeleton)
            error.args = (f"{error.args[0]}. One to fill in is {path}",)
        raise
    assert graph.guess is not None
    if path is not None:
        write_atomic(path, graph.guess.text)
    return Looked(graph.facts, graph.guess)
