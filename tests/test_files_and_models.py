"""Files are written whole or not at all, and say what format they are of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sshbench.datasets.fetch import FetchRecord
from sshbench.errors import InputError
from sshbench.evaluation.record import EvaluationRecord
from sshbench.evaluation.storing import StoredProtocol, read_protocol
from sshbench.files import atomic_file, write_arrays, write_atomic
from sshbench.protocols import load_protocol, protocol_names
from sshbench.report.measured import ArchivedIdentity

MEASURED = Path(__file__).parents[1] / "results" / "measured"


def test_a_file_is_replaced_only_when_it_is_whole(tmp_path: Path) -> None:
    path = write_atomic(tmp_path / "new" / "file.txt", "é\n")
    with pytest.raises(TypeError), atomic_file(path) as file:
        file.writelines([b"half of it", None])  # type: ignore[list-item]
    assert path.read_text(encoding="utf-8") == "é\n"
    assert list(path.parent.iterdir()) == [path]


def test_arrays_read_back_as_the_same_bits(tmp_path: Path) -> None:
    values = np.array([0.1, np.nan, -0.0])
    for compressed in (False, True):
        path = write_arrays(tmp_path / "a.npz", {"values": values}, compressed=compressed)
        with np.load(path, allow_pickle=False) as arrays:
            assert arrays["values"].tobytes() == values.tobytes()


def test_a_newer_format_is_refused_and_an_older_one_read(tmp_path: Path) -> None:
    source = next(MEASURED.rglob("metrics.json"))
    content = json.loads(source.read_text())
    content.pop("format", None)
    path = write_atomic(tmp_path / "metrics.json", json.dumps(content))
    assert EvaluationRecord.read(path, remedy="").format == 1
    write_atomic(path, json.dumps({**content, "format": 7}))
    with pytest.raises(InputError, match=r"metrics\.json.*format 7.*formats up to 1.*Update sshbench"):
        EvaluationRecord.read(path, remedy="Evaluate again")
    write_atomic(path, json.dumps({**content, "images": "many"}))
    with pytest.raises(InputError, match=r"images.*many.*Evaluate again"):
        EvaluationRecord.read(path, remedy="Evaluate again")
    write_atomic(path, "{")
    with pytest.raises(InputError, match="cannot be read"):
        EvaluationRecord.read(path, remedy="Evaluate again")


@pytest.mark.parametrize("name", protocol_names())
def test_a_stored_protocol_keeps_its_hash(name: str, tmp_path: Path) -> None:
    protocol = load_protocol(name)
    path = StoredProtocol(protocol=protocol).write(tmp_path / "protocol.json")
    assert json.loads(path.read_text())["format"] == 2
    assert read_protocol(path).hash == protocol.hash
    write_atomic(path, json.dumps(protocol.model_dump(mode="json", exclude_unset=True)))  # format 1
    assert read_protocol(path).hash == protocol.hash


def test_every_measured_result_can_be_read() -> None:
    folders = [path.parent for path in MEASURED.rglob("identity.json")]
    assert folders
    for folder in folders:
        kept = ArchivedIdentity.read(folder / "identity.json", remedy="")
        assert kept.run_key == kept.run_identity().key, folder
        EvaluationRecord.read(folder / "metrics.json", remedy="")
        read_protocol(folder / "protocol.json")


def test_a_record_of_fetched_archives_in_the_old_format(tmp_path: Path) -> None:
    entry = {"url": None, "bytes": 3, "sha256": "0", "checked_by": None, "published_by": ""}
    old = write_atomic(tmp_path / "old.json", json.dumps({"a.zip": entry}))
    assert FetchRecord.read(old, remedy="").files["a.zip"].bytes == 3
