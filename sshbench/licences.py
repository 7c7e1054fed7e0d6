"""What a licence allows, as far as its text says."""

from __future__ import annotations

import re
from typing import Literal

LicenceKind = Literal["permissive", "restricted", "not stated"]

_PERMISSIVE = r"\b(MIT|Apache|BSD|Boost|ISC|Zlib|Unlicense|CC0|Intel License Agreement)\b"
_RESTRICTED = r"non-?commercial|research (use )?only|academic|\b[AL]?GPL|\bCC[ -]BY[ -](NC|SA|ND)|propriet"
_UNKNOWN = r"not stated|none stated|no licen[cs]e|\bthe file's\b|those of the file|unknown"


def licence_kind(text: str) -> LicenceKind:
    """Return what the text of a licence allows; of several licences, the strictest counts.

    Args:
        text: Licence of code and weights, `DetectorInfo.licence` for example.

    Returns:
        `restricted` for licences that forbid some uses or oblige the user's own code (GPL), `permissive` for MIT,
        Apache, BSD and their like, `not stated` where code or weights come without a licence: nothing is allowed then.
        A hint, not advice: read the licence itself.

    >>> licence_kind("Apache-2.0, code and weights"), licence_kind("AGPL-3.0"), licence_kind("none stated in a/b")
    ('permissive', 'restricted', 'not stated')
    >>> licence_kind("own code, Apache-2.0; weights: those of the file you import")
    'not stated'
    """
    if re.search(_RESTRICTED, text, re.IGNORECASE):
        return "restricted"
    if re.search(_UNKNOWN, text, re.IGNORECASE) or not re.search(_PERMISSIVE, text, re.IGNORECASE):
        return "not stated"
    return "permissive"
