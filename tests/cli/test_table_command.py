"""`sshbench table`: formats, escaping, bold only what is told apart, published rows and their references."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import sshbench
from sshbench.errors import UsageError
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluation.result import Evaluation
from sshbench.files import published_dir
from sshbench.paper.references import reference_of, references, to_bibtex
from sshbench.paper.table import paper_table
from sshbench.published.tables import published_methods

Call = Callable[..., tuple[int, str, str]]
QUICK = ("--replicates", "200")
HOSTILE = "<script>a_b & 50% $x$ {c} #1 ~^\\cite{d}|e\x00\u200f\n"


def made(name: str, step: int, seed: int = 0) -> Evaluation:
    """A result that finds every `step`-th face."""
    sample = load_dataset("sample")
    rng = np.random.default_rng(seed)
    found = {
        key: (faces.boxes[::step], rng.uniform(0.1, 1, len(faces.boxes[::step])))
        for key, faces in zip(sample.keys, sample.faces, strict=True)
    }
    return sshbench.evaluate("sample", found, detector=name)


@pytest.fixture(scope="module")
def results() -> list[Evaluation]:
    return [made("half", 2), made("all", 1)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, results: list[Evaluation]) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [Path(str(one.save(folder / one.record.detector).folder)) for one in results]


def whole(one: Evaluation) -> Evaluation:
    """The same result as if it were one on all of WIDER FACE."""
    return replace(one, record=one.record.model_copy(update={"smoke_test": False, "protocol": "wider"}))


def test_bold_is_the_best_that_is_told_apart(results: list[Evaluation]) -> None:
    table = paper_table(results, replicates=200)
    assert [row.name for row in table.rows] == ["all", "half"]
    assert [row.cells["AP/hard"].best for row in table.rows] == [True, False]
    cell = table.rows[1].cells["AP/hard"]
    assert cell.low is not None
    assert cell.value is not None
    assert cell.low < cell.value


def test_nothing_is_bold_where_the_first_place_is_open(results: list[Evaluation]) -> None:
    alike = [made("a", 2, seed=1), made("b", 2, seed=2), made("c", 7)]
    table = paper_table(alike, replicates=200)
    found = sshbench.compare(*alike, names=["a", "b", "c"], replicates=200).record.ranks["AP/hard"]
    assert {rank.run: (rank.best, rank.worst) for rank in found}["a"] == (1, 2)
    assert not any(cell.best for row in table.rows for cell in row.cells.values())
    assert r"\textbf" not in table.text("latex")
    alone = paper_table(results[:1], replicates=200)
    assert not any(cell.best for row in alone.rows for cell in row.cells.values())


def test_latex(results: list[Evaluation]) -> None:
    text = sshbench.table([made(HOSTILE, 3), results[1]], format="latex", replicates=200)
    for line in (r"\toprule", r"\midrule", r"\bottomrule", r"method & easy & medium & hard & data \\"):
        assert line in text.splitlines()
    assert re.search(r"^all & \\textbf\{\d+\.\d\d\} \$\\pm\$ \d+\.\d\d &", text, re.MULTILINE)
    row = next(line for line in text.splitlines() if "script" in line and not line.startswith("%"))
    assert r"a\_b \& 50\% \$x\$ \{c\} \#1 \textasciitilde \textasciicircum \textbackslash cite\{d\}|e" in row
    assert all(character.isprintable() or character == "\n" for character in text)


def test_markdown_and_html_escape_names(results: list[Evaluation]) -> None:
    several = [made(HOSTILE, 3), results[1]]
    markdown = sshbench.table(several, replicates=200)
    assert markdown.splitlines()[:2] == [
        "| method | easy | medium | hard | data |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    assert re.search(r"^\| all \| \*\*\d+\.\d\d\*\* ± \d+\.\d\d \|", markdown, re.MULTILINE)
    assert r"\<script>a\_b" in markdown
    html = sshbench.table(several, format="html", replicates=200)
    tags: set[str] = set()

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)

    Tags().feed(html)
    assert tags == {"table", "thead", "tbody", "tr", "th", "td", "b", "p"}
    assert "&lt;script&gt;" in html


def test_csv_holds_numbers_and_no_formula(results: list[Evaluation]) -> None:
    text = sshbench.table([made("=1+1", 3), results[1]], format="csv", replicates=200)
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["method"] for row in rows] == ["all", "'=1+1"]
    assert float(rows[0]["AP/hard"]) > float(rows[1]["AP/hard"])
    assert float(rows[1]["AP/hard ±"]) > 0
    assert (rows[0]["AP/hard best"], rows[1]["AP/hard best"]) == ("True", "False")


def test_published_rows_are_cited(results: list[Evaluation], tmp_path: Path) -> None:
    several = [whole(one) for one in results]
    table = paper_table(several, published=True, replicates=200)
    names = [one.method for one in published_methods("wider")]
    assert [row.name for row in table.rows] == ["all", "half", *names]
    assert {row.data for row in table.rows[2:]} == {"published"}
    assert not any(cell.best for row in table.rows[2:] for cell in row.cells.values())
    text = table.text("latex")
    body = text.splitlines()
    assert body.count(r"\midrule") == 2
    assert r"SSH (VGG-16) + pyramid~\cite{najibi2017ssh} & 93.10 & 92.10 & 84.50 & published \\" in body
    assert "SSH (VGG-16) + pyramid [@najibi2017ssh]" in table.text("markdown")
    assert "[najibi2017ssh]</cite>" in table.text("html")
    sshbench.table(several, format="latex", published=True, bib=tmp_path / "refs.bib", replicates=200)
    bib = (tmp_path / "refs.bib").read_text()
    cited = set(re.findall(r"\\cite\{([^}]+)\}", text))
    assert set(re.findall(r"^@\w+\{([^,]+),", bib, re.MULTILINE)) == cited
    assert bib.count("{") == bib.count("}")


def test_published_rows_need_a_whole_benchmark(results: list[Evaluation]) -> None:
    with pytest.raises(UsageError, match="compare only with finished runs on a whole benchmark"):
        paper_table(results, published=True)
    own = results[0].record.model_copy(update={"smoke_test": False})
    with pytest.raises(UsageError, match="nothing published compares with protocol 'sample'"):
        paper_table([replace(results[0], record=own)], published=True, replicates=200)


def test_every_published_source_has_a_reference() -> None:
    known = references()
    assert len({one.key for one in known}) == len(known)
    sources = set()
    for name in ("wider_val", "wider_test", "fddb", "pascal", "afw"):
        with (published_dir() / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            sources |= {row["source"] for row in csv.DictReader(file)}
    assert [source for source in sources if reference_of(source, known) is None] == []
    assert to_bibtex([*known, *known]) == to_bibtex(known)


def test_command(sshbench: Call, runs: list[Path], tmp_path: Path) -> None:
    code, out, err = sshbench("table", *runs, *QUICK, "--name", "ours", "--name", "theirs")
    assert (code, err) == (0, "")
    assert out.index("theirs") < out.index("ours")
    code, out, err = sshbench("table", *runs, *QUICK, "-f", "latex", "-o", tmp_path / "t.tex", "--json")
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert content["text"] == (tmp_path / "t.tex").read_text()
    assert [row["name"] for row in content["rows"]] == ["all", "half"]
    for wrong in (
        ("table", *runs, "--name", "one"),
        ("table", *runs, "--format", "word"),
        ("table", *runs, "--bib", tmp_path / "x.bib", *QUICK),
        ("table", runs[0], "--published"),
        ("table", tmp_path),
        ("table", runs[0], "--metric", "AP/none"),
    ):
        assert sshbench(*wrong)[0] == 2, wrong
    assert not (tmp_path / "x.bib").exists()


@pytest.mark.slow
def test_latex_compiles(results: list[Evaluation], tmp_path: Path) -> None:
    pdflatex = shutil.which("pdflatex")
    if pdflatex is None:
        pytest.skip("pdflatex is missing: apt-get install texlive-latex-recommended")
    several = [whole(made(HOSTILE, 3)), whole(results[1])]
    table = sshbench.table(several, format="latex", published=True, bib=tmp_path / "refs.bib", replicates=200)
    head = "\\documentclass{article}\n\\usepackage{booktabs,url}\n\\begin{document}\n"
    end = "\\bibliographystyle{plain}\n\\bibliography{refs}\n\\end{document}\n"
    (tmp_path / "paper.tex").write_text(f"{head}{table}{end}")
    bibtex = str(Path(pdflatex).with_name("bibtex"))
    for command in ([pdflatex, "-interaction=nonstopmode", "-halt-on-error", "paper"], [bibtex, "paper"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert "Warning--" not in done.stdout or command[0] == pdflatex
    assert (tmp_path / "paper.pdf").read_bytes()[:4] == b"%PDF"
