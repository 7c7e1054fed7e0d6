"""`sshbench protocols`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from sshbench.protocols import load_protocol, protocol_names


def test_list(sshbench: Any) -> None:
    code, out, _ = sshbench("protocols", "list", "--json")
    assert code == 0
    rows = json.loads(out)["protocols"]
    assert (
        [row["name"] for row in rows]
        == protocol_names()
        == ["afw", "coco", "fddb", "own", "pascal", "sample", "wider", "yolo"]
    )
    assert all(row["hash"] == load_protocol(row["name"]).hash for row in rows)
    assert "FDDB" in sshbench("protocols", "list")[1]


def test_show_is_a_file_to_start_from(sshbench: Any, tmp_path: Path) -> None:
    for name in protocol_names():
        text = sshbench("protocols", "show", name)[1]
        (tmp_path / "own.toml").write_text(text)
        assert load_protocol(tmp_path / "own.toml").hash == load_protocol(name).hash
        shown = json.loads(sshbench("protocols", "show", name, "--json")[1])
        assert shown["protocol"]["evaluation"]["kind"] == tomllib.loads(text)["evaluation"]["kind"]


def test_validate(sshbench: Any, tmp_path: Path) -> None:
    assert sshbench("protocols", "validate", "fddb")[0] == 0
    path = tmp_path / "own.toml"
    path.write_text(sshbench("protocols", "show", "fddb")[1].replace('"official"', '"guessed"'))
    code, _, err = sshbench("protocols", "validate", path)
    assert code == 2
    assert "evaluation.matching" in err
    assert "guessed" in err
    assert sshbench("protocols", "validate", "nothing")[0] == 2


def test_every_number_of_a_shipped_protocol_has_a_source() -> None:
    assert all(load_protocol(name).sources for name in protocol_names())
