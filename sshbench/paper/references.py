"""What to cite for published figures: citation keys, and their entries as BibTeX."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, ValidationError

from sshbench.errors import InputError
from sshbench.files import published_dir
from sshbench.models import StrictModel, invalid_field

_FILE = "references.toml"
_REMEDY = "Fix results/published/references.toml"


class Reference(StrictModel):
    """One entry of a bibliography.

    Attributes:
        key: Citation key.
        type: Of the entry, as BibTeX calls it: `inproceedings`, `misc`, ...
        starts: Sources that start so belong to this entry.
        fields: Of the entry, as BibTeX text.
    """

    key: str = Field(pattern=r"^[A-Za-z0-9:_-]+$")
    type: str
    starts: tuple[str, ...]
    fields: dict[str, str]


class _References(StrictModel):
    reference: tuple[Reference, ...]


def references(folder: Path | None = None) -> tuple[Reference, ...]:
    """Return the entries of `results/published/references.toml`.

    Raises:
        InputError: The file is no TOML, or a field is invalid; the text names it.

    >>> references()[0].key
    'najibi2017ssh'
    """
    path = (folder or published_dir()) / _FILE
    try:
        return _References.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).reference
    except ValidationError as error:
        raise invalid_field(error, path, _REMEDY) from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy=_REMEDY) from error


def reference_of(source: str, known: Iterable[Reference]) -> Reference | None:
    """Return the entry that a source belongs to; None where there is none.

    >>> reference_of("Najibi et al., SSH, ICCV 2017 (arXiv 1708.03979), Table 1", references()).key
    'najibi2017ssh'
    """
    fitting = [(len(start), one) for one in known for start in one.starts if source.startswith(start)]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def to_bibtex(entries: Iterable[Reference]) -> str:
    """Return entries as BibTeX, each once, in the order given.

    >>> print(to_bibtex([Reference(key="a", type="misc", starts=(), fields={"title": "T", "year": "2017"})]), end="")
    @misc{a,
      title = {T},
      year = {2017},
    }
    """
    unique = {one.key: one for one in entries}
    return "\n".join(
        "\n".join(
            [f"@{one.type}{{{one.key},", *(f"  {name} = {{{text}}}," for name, text in one.fields.items()), "}", ""]
        )
        for one in unique.values()
    )
