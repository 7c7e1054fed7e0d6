"""The file `suite.toml`: which detectors, with which settings, on which datasets."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from sshbench.contamination import BENCHMARKS
from sshbench.detectors.contract import SettingValue
from sshbench.errors import InputError
from sshbench.files import safe_name
from sshbench.models import StrictModel, invalid_field

_REMEDY = "Fix the file; docs/ci.md shows one"


class SuiteDetector(StrictModel):
    """One detector of a suite.

    Attributes:
        name: Of `sshbench detectors list`, `replay:FILE`, or a model of your own, `models/model.py:NAME`; files are
            relative to the suite's.
        settings: One run for each table of settings; default: one with the published ones. `weights` and `spec`
            are files, relative to the suite's.
        trained_on: Benchmarks whose training images the model saw; default: what detector or weights say.
    """

    name: str = Field(min_length=1)
    settings: tuple[dict[str, SettingValue], ...] = Field(default=({},), min_length=1)
    trained_on: tuple[str, ...] | None = None

    @field_validator("trained_on")
    @classmethod
    def _known(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if unknown := sorted(set(names or ()) - set(BENCHMARKS)):
            raise ValueError(f"unknown benchmark '{unknown[0]}', known are {', '.join(BENCHMARKS)}")
        return names


class SuiteDataset(StrictModel):
    """One dataset of a suite.

    Attributes:
        name: `wider`, `fddb`, ...; or the path of a protocol file, relative to the suite's.
        data: Its folder, relative to the suite's file; not needed for the sample.
        limit: Only the first images.
    """

    name: str = Field(min_length=1)
    data: str | None = None
    limit: int | None = Field(default=None, ge=1)


class Suite(StrictModel):
    """What a suite runs.

    Attributes:
        workers: Processes for each run, or `auto`; None: one.
        images: Pictures of each run in the reports.
        detectors: Each with all of its settings on each dataset.
        datasets: Each has a report of its own.
    """

    workers: int | Literal["auto"] | None = None
    images: int = Field(default=12, ge=0)
    detectors: tuple[SuiteDetector, ...] = Field(min_length=1)
    datasets: tuple[SuiteDataset, ...] = Field(min_length=1)

    def runs(self) -> list[SuiteRun]:
        """Return all runs, dataset by dataset."""
        return [
            SuiteRun(dataset=dataset, detector=detector, settings=settings)
            for dataset in self.datasets
            for detector in self.detectors
            for settings in detector.settings
        ]


class SuiteRun(StrictModel):
    """One run of a suite."""

    dataset: SuiteDataset
    detector: SuiteDetector
    settings: dict[str, SettingValue]

    @property
    def folder(self) -> str:
        """Its folder in the suite's, by dataset, detector and settings."""
        words = [self.detector.name, *(f"{name}={value}" for name, value in self.settings.items())]
        return f"runs/{self.group}/{safe_name(' '.join(words))}"

    @property
    def group(self) -> str:
        """Name of the dataset's folder."""
        limited = "" if self.dataset.limit is None else f"-{self.dataset.limit}"
        return safe_name(f"{Path(self.dataset.name).stem}{limited}")


def read_suite(path: Path) -> Suite:
    """Read a suite; paths in it become absolute.

    Raises:
        InputError: The file is not TOML, a field is invalid, or two runs are the same; the text names file and field.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not valid TOML ({error})", file=path, remedy="Fix the syntax") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy="Check the path and its content") from error
    try:
        suite = Suite.model_validate(_with_places(content, path.resolve().parent))
    except ValidationError as error:
        raise invalid_field(error, path, _REMEDY) from error
    folders = [run.folder for run in suite.runs()]
    if twice := next((folder for folder in folders if folders.count(folder) > 1), ""):
        raise InputError("two runs are the same", file=path, value=twice, remedy="Leave one out")
    return suite


def _with_places(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the paths of datasets and weights absolute; what is no text is left to the validation."""
    for dataset in _tables(content.get("datasets")):
        _make_absolute(dataset, "data", folder)
        if str(dataset.get("name")).endswith(".toml"):
            _make_absolute(dataset, "name", folder)
    for detector in _tables(content.get("detectors")):
        for settings in _tables(detector.get("settings")):
            _make_absolute(settings, "weights", folder)
            _make_absolute(settings, "spec", folder)
    return content


def _tables(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _make_absolute(table: dict[str, Any], name: str, folder: Path) -> None:
    if isinstance(table.get(name), str):
        table[name] = str(folder / Path(table[name]).expanduser())
