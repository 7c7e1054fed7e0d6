"""Refuse a release that is not ready: `make release-check`, before anything is uploaded."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WITH_LINKS = ("pyproject.toml", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md", "docs/ci.md")


def problems(root: Path) -> list[str]:
    """Return what keeps the files in `root/dist` from being released; empty if nothing does."""
    wheels = sorted(path.name for path in (root / "dist").glob("*.whl"))
    if len(wheels) != 1:
        return [f"dist: {len(wheels)} wheels. Run make package"]
    version = wheels[0].split("-")[1]
    found = []
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        found.append(f"dist/{wheels[0]}: version {version} is not that of a tag. Check out a tag such as v0.2.0")
    if f"\n## {version}" not in (root / "CHANGELOG.md").read_text(encoding="utf-8"):
        found.append(f"CHANGELOG.md: no section '## {version}'. Give the section 'Unreleased' this title")
    if f"\nversion: {version}\n" not in (root / "CITATION.cff").read_text(encoding="utf-8"):
        found.append(f"CITATION.cff: the version is not {version}. Write version: {version}")
    for name in WITH_LINKS:
        lines = (root / name).read_text(encoding="utf-8").splitlines()
        found += [
            f"{name}:{number}: OWNER/sshbench is a placeholder. Write the account of the repository"
            for number, line in enumerate(lines, 1)
            if "OWNER/sshbench" in line
        ]
    return found


if __name__ == "__main__":
    found = problems(ROOT)
    print("\n".join(found) or "ready")
    sys.exit(1 if found else 0)
