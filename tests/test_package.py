"""What a release is made of: version, ranges, links, workflows, forms; building it is `make package`."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

import sshbench
from scripts.lowest import lowest
from scripts.release_check import problems

ROOT = Path(__file__).parents[1]
TOML: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = TOML["project"]
GITHUB = ROOT / ".github"
PYTHONS = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)]


def loaded(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


WORKFLOWS = {path.stem: loaded(path) for path in (GITHUB / "workflows").glob("*.yml")}


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def test_the_version_is_that_of_the_installed_package() -> None:
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version", "readme"]
    assert sshbench.__version__ == version("sshbench")
    assert "__version__" in dir(sshbench)


def test_a_checkout_that_was_never_installed_has_no_version(tmp_path: Path) -> None:
    code = f"import sys; sys.path = [{str(ROOT)!r}, *(p for p in sys.path if 'site-packages' not in p)]\n"
    code += "import sshbench; print(sshbench.__version__)"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "0+unknown\n"


@pytest.mark.parametrize("constraint", lowest(PROJECT["dependencies"]))
def test_lower_bounds_are_whole_and_under_what_is_tested(constraint: str) -> None:
    name, _, bound = constraint.partition("==")
    assert re.fullmatch(r"\d+(\.\d+)+", bound)
    assert numbers(bound) <= numbers(version(name))


def test_a_dependency_without_a_lower_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="'numpy<3' has no lower bound"):
        lowest(["numpy<3"])


def test_the_extra_all_has_every_extra_of_a_user() -> None:
    extras = PROJECT["optional-dependencies"]
    (text,) = extras["all"]
    named = text.partition("[")[2].rstrip("]").split(",")
    assert set(named) == set(extras) - {"all", "dev", "notebook", "docs"}


def test_links_of_the_readme_lead_somewhere_on_the_package_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    relative = set(re.findall(r"\]\((?!https?:|#)([^)#]+)", text))
    assert len(relative) > 10
    for rule in TOML["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    assert re.findall(r"\]\((?!https?:|#)[^)]+\)", text) == []
    for link in relative:
        assert (ROOT / link).exists()
        assert re.search(rf"\]\(https://\S+/OWNER/sshbench/(blob/)?main/{re.escape(link)}[)#]", text), link


def test_a_release_that_is_not_ready_is_refused(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md", "docs/ci.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert problems(tmp_path) == ["dist: 0 wheels. Run make package"]
    (tmp_path / "dist").mkdir()
    wheel = tmp_path / "dist" / "sshbench-9.9.0.dev3-py3-none-any.whl"
    wheel.touch()
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n", encoding="utf-8")
    found = "\n".join(problems(tmp_path))
    assert "version 9.9.0.dev3 is not that of a tag" in found
    assert "CHANGELOG.md: no section '## 9.9.0.dev3'" in found
    assert "CITATION.cff: the version is not 9.9.0.dev3" in found
    assert "pyproject.toml:" in found
    wheel.rename(wheel.with_name("sshbench-9.9.0-py3-none-any.whl"))
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 9.9.0\n", encoding="utf-8")
    for path in [path for path in tmp_path.rglob("*") if path.suffix in {".toml", ".cff", ".md"}]:
        text = path.read_text(encoding="utf-8").replace("OWNER/sshbench", "somebody/sshbench")
        path.write_text(re.sub(r"(?m)^version: .*", "version: 9.9.0", text), encoding="utf-8")
    assert problems(tmp_path) == []


def steps(workflow: dict[str, Any]) -> list[str]:
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def test_workflows_call_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"\.PHONY: (.*)", makefile)[1].split())  # type: ignore[index]
    called = [re.match(r"make (\S+)", run) for workflow in WORKFLOWS.values() for run in steps(workflow)]
    assert all(called), "a workflow runs nothing but make targets"
    assert {one[1] for one in called if one} - targets <= {"docs"}
    ours = set(re.findall(r"^make (\S+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert ours <= {run.split()[1] for run in steps(WORKFLOWS["tests"])}


def test_workflows_test_what_the_package_names() -> None:
    matrix = WORKFLOWS["tests"]["jobs"]["systems"]["strategy"]["matrix"]
    assert matrix["python"] == PYTHONS
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    assert {one.partition("-")[0] for one in matrix["os"]} == {"ubuntu", "macos", "windows"}
    (torch,) = PROJECT["optional-dependencies"]["ssh"]
    bound, limit = re.fullmatch(r"torch>=([\d.]+),(<\d+)", torch).groups()  # type: ignore[union-attr]
    tested = WORKFLOWS["tests"]["jobs"]["torch"]["strategy"]["matrix"]["torch"]
    assert tested == [f"torch=={bound}.0", f"torch{limit}"]


def test_a_release_has_no_password_and_is_checked_before() -> None:
    jobs = WORKFLOWS["release"]["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in (GITHUB / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert any(run.startswith("make release-check") for run in steps(WORKFLOWS["release"]))


@pytest.mark.parametrize("path", sorted((GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda path: path.stem)
def test_issue_forms_are_whole(path: Path) -> None:
    form = loaded(path)
    assert form["name"]
    assert form["description"]
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in asked}) == len(asked)
    assert any(field.get("validations", {}).get("required") for field in asked)
    for field in asked:
        assert field["attributes"]["label"]
        for word in re.findall(r"`sshbench (\w+)", str(field)):
            from sshbench.cli import app

            assert word in {command.name for command in app.registered_commands}


def test_the_dockerfile_gets_what_it_copies() -> None:
    shown = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert shown[0] == "*"
    for line in shown[1:]:
        assert line.startswith("!")
        assert (ROOT / line[1:]).exists(), line
    included = TOML["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for source in included:
        assert any(source == line[1:] or source.startswith(f"{line[1:]}/") for line in shown[1:]), source
