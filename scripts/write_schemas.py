"""Write docs/schemas/: `python scripts/write_schemas.py`. A test fails if the folder does not match the code."""

from __future__ import annotations

import json
from pathlib import Path

from sshbench.schemas import index, schemas

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "schemas"


def contents() -> dict[str, str]:
    """Return the text of each file of the folder, by name."""
    files = {f"{name}.json": json.dumps(schema, indent=1) + "\n" for name, schema in schemas().items()}
    return {"README.md": index(), **files}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, text in contents().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
