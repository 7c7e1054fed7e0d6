"""Names of images in files, matched to the images of a dataset; once for all formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cached_property

from sshbench.flat import counted
from sshbench.formats.base import key_of
from sshbench.records import Finding

_SIGNS = ("__MACOSX", "._", ".DS_", ".ds_", ".db", ".DB", ".ini", ".INI")
_LITTER = frozenset({"thumbs.db", ".ds_store", "desktop.ini"})


def is_litter(path: str) -> bool:
    """Return whether a file of a folder or zip was left there by an operating system.

    >>> is_litter("__MACOSX/a/._b.txt"), is_litter("a/Thumbs.db"), is_litter("a/b.txt")
    (True, True, False)
    """
    if not any(sign in path for sign in _SIGNS):  # as for nearly all of thousands of files
        return False
    *folders, name = path.replace("\\", "/").split("/")
    return "__MACOSX" in folders or name.startswith("._") or name.lower() in _LITTER


class NameMatcher:
    r"""Finds the image that a name stands for, where it is written in another way than the dataset's.

    Tried in turn: the name itself; with `/` for a backslash; without the suffix of an image; without leading folders;
    in any case, with or without suffixes on either side; and by the last part alone. A name that fits several images
    fits none.

    Args:
        keys: Image keys of the dataset.

    Attributes:
        matched: The image key of each name that is not a key itself, by name.

    >>> matcher = NameMatcher(["0--Parade/a_1", "1--Handshaking/b_2"])
    >>> [matcher.match(name) for name in ("0--Parade/a_1", "val\\0--Parade\\A_1.JPG", "b_2", "c")]
    ['0--Parade/a_1', '0--Parade/a_1', '1--Handshaking/b_2', None]
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(keys)
        self.matched: dict[str, str] = {}

    def match(self, name: str) -> str | None:
        """Return the key of the image that the name stands for; None if there is none."""
        if name in self._keys:
            return name
        if name not in self.matched:
            key = self._find(name)
            if key is None:
                return None
            self.matched[name] = key
        return self.matched[name]

    def finding(self, *, suffixes: bool = True) -> Finding | None:
        """Return a finding on the names that are written in another way; None if there are none.

        Args:
            suffixes: Whether a name that only has an image's suffix counts; it does not in formats that write it.
        """
        other = {name: key for name, key in self.matched.items() if suffixes or key_of(name, self._keys) != key}
        if not other:
            return None
        name, key = next(iter(other.items()))
        text = f"{counted(len(other), 'name')} written in another way were matched, for example '{name}' as '{key}'"
        return Finding("matched-name", text, tuple(other))

    def _find(self, name: str) -> str | None:
        parts = name.replace("\\", "/").split("/")
        tails = ["/".join(parts[i:]) for i in range(len(parts))]
        for tail in tails:
            if (key := key_of(tail, self._keys)) in self._keys:
                return key
        for tail in tails:
            for candidate in (tail, key_of(tail, ())):
                if key := self._by_lower.get(candidate.lower(), ""):
                    return key
        for candidate in (parts[-1], key_of(parts[-1], ())):
            if key := self._by_base.get(candidate.lower(), ""):
                return key
        return None

    @cached_property
    def _by_lower(self) -> dict[str, str]:
        return _names({key: key for key in self._keys})

    @cached_property
    def _by_base(self) -> dict[str, str]:
        return _names({key: key.rpartition("/")[2] for key in self._keys})


def _names(names: dict[str, str]) -> dict[str, str]:
    """Return keys by their names in lower case; also without the suffixes that some datasets' keys keep."""
    without = _unique({key: key_of(name, ()).lower() for key, name in names.items()})
    return without | _unique({key: name.lower() for key, name in names.items()})


def _unique(names: dict[str, str]) -> dict[str, str]:
    """Invert a mapping from keys to names, without the names of several keys."""
    counts = Counter(names.values())
    return {name: key for key, name in names.items() if counts[name] == 1}
