"""Names of runs that tell runs of one detector apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sshbench.detectors.recipe import RECIPE, RECIPE_HASH
from sshbench.evaluation.figures import labels_of
from sshbench.runs import Identity


def run_labels(identities: Sequence[Identity]) -> list[str]:
    """Return a name for each run: the detector, and the settings in which runs of this detector differ.

    Runs that differ in nothing are numbered.
    """
    names = []
    for identity in identities:
        alike = [_settings(other) for other in identities if other.detector == identity.detector]
        own = _settings(identity)
        differing = [name for name in own if any(other.get(name) != own[name] for other in alike)]
        if RECIPE in differing:  # the hash tells recipes of one name apart
            differing.remove(RECIPE_HASH)
        names.append(" ".join([identity.detector, *(f"{name}={_shown(own[name])}" for name in differing)]))
    return labels_of(names)


def _settings(identity: Identity) -> dict[str, object]:
    settings = dict(identity.settings)
    extra = settings.pop("extra", {})
    weights = (identity.weights_sha256 or "")[:8]
    return {**settings, **(extra if isinstance(extra, Mapping) else {}), "weights": weights or "own"}


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
