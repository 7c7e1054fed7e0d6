"""What is known of a finished run: read from its folder, or from what `sshbench archive` kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, Field

from sshbench.analysis.record import ANALYSIS, AnalysisRecord, Interval
from sshbench.detectors.contract import DetectorClass, Settings
from sshbench.detectors.graphs import SPEC_FILE
from sshbench.detectors.pixels import Pixels, mean_pixels
from sshbench.detectors.registry import detector_class
from sshbench.errors import InputError, MissingDataError, SshbenchError
from sshbench.evaluation.record import EvaluationRecord
from sshbench.evaluation.storing import read_protocol
from sshbench.protocols import Protocol
from sshbench.run_files import check_detections, check_seal
from sshbench.runs import IDENTITY, METRICS, PROTOCOL, Identity, Run, is_run, open_run


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a run.

    Attributes:
        identity: Who made it.
        record: Its figures.
        protocol: The rules they were made by.
        pixels: How many pixels images had, and the network got.
        folder: Where it lies, as a user would name it.
        intervals: By metric, where an `analysis.json` lies beside the figures.
        detections: Hash of its detections; None where it was not asked for.
    """

    identity: Identity
    record: EvaluationRecord
    protocol: Protocol
    pixels: Pixels
    folder: str = ""
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    detections: str | None = None


def read_measured(folder: Path, *, with_digest: bool = False) -> Measured:
    """Read identity, record, protocol and mean pixels of a run.

    Args:
        folder: The run's, or that of its archive.
        with_digest: Take the hash of the detections too, for which those of a run are read.

    Raises:
        MissingDataError: There is no evaluated run in the folder.
        InputError: A file is damaged; the text names it.
    """
    if not (folder / IDENTITY).is_file():
        raise MissingDataError(f"there is no run in {folder}", remedy="A run's folder holds identity.json")
    if not (folder / METRICS).is_file():
        raise MissingDataError(f"the run in {folder} was never evaluated", remedy="Run `sshbench eval` on it")
    check_seal(folder, IDENTITY, METRICS, PROTOCOL)
    kept = ArchivedIdentity.read(folder / IDENTITY, remedy="Archive the run again")
    identity = kept.run_identity()
    record = EvaluationRecord.read(folder / METRICS, remedy="Evaluate the run again")
    protocol = read_protocol(folder / PROTOCOL)
    intervals = _intervals(folder, record)
    # Archives of older versions kept no pixels; a fixed input size gives them.
    pixels, digest = kept.pixels or _pixels(identity, None, folder), kept.detections_sha256
    if is_run(folder):
        with open_run(folder) as run:
            check_detections(folder, run.digest)
            pixels, digest = pixels_of_run(run), run.detections().digest if with_digest else None
    return Measured(identity, record, protocol, pixels, _shown(folder), intervals, digest)


def _intervals(folder: Path, record: EvaluationRecord) -> Mapping[str, Interval]:
    """Read the intervals of a run's figures, where it was analysed.

    Raises:
        InputError: The analysis is of other figures.
    """
    path = folder / ANALYSIS
    if not path.is_file():
        return {}
    analysis = AnalysisRecord.read(path, remedy="Run `sshbench analyze` on the run again")
    for name, one in analysis.metrics.items():
        if one.value != record.metrics.get(name) or analysis.protocol_hash != record.protocol_hash:
            text = f"it is of another evaluation: {name} is {one.value} there, {record.metrics.get(name)} in {METRICS}"
            raise InputError(text, file=path, remedy="Run `sshbench analyze` on the run again")
    return analysis.metrics


def _shown(folder: Path) -> str:
    """Return a folder as a user would name it: relative where it is below the current one."""
    whole, here = folder.resolve(), Path.cwd()
    return (whole.relative_to(here) if whole.is_relative_to(here) else folder).as_posix()


def pixels_of_run(run: Run) -> Pixels:
    """Return the mean pixels of the images of a run, and of what its network got; unknown for imported detections."""
    return _pixels(run.identity, run.image_sizes(), run.folder)


def _pixels(identity: Identity, sizes: list[tuple[int, int]] | None, folder: Path) -> Pixels:
    if identity.predictions_sha256 is not None:
        return Pixels()
    return mean_pixels(_made(identity, folder), Settings(**identity.settings), sizes)


def _made(identity: Identity, folder: Path) -> str | DetectorClass:
    """Return the class of a model of the user's own, where its file is still there; else the detector's name."""
    if identity.spelling is None:
        return identity.detector
    spec = folder / SPEC_FILE
    try:
        return detector_class(identity.spelling, spec=str(spec) if spec.is_file() else None)
    except SshbenchError:
        return identity.detector


class ArchivedIdentity(Identity):
    """The file `identity.json` of an archived run: the identity, and what the archive adds to it.

    Attributes:
        run_key: The run's key; `key` in the file.
        detections_sha256: Hash of the detections that the figures are of.
        pixels: Mean pixels of images and network input; None in archives of older versions.
    """

    model_config = ConfigDict(populate_by_name=True)

    run_key: str | None = Field(default=None, alias="key")
    detections_sha256: str | None = None
    pixels: Pixels | None = None

    def run_identity(self) -> Identity:
        """Return the identity without what the archive added."""
        return Identity(**{name: getattr(self, name) for name in Identity.model_fields})
