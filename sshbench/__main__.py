"""`sshbench` and `python -m sshbench`: the command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Import and run the command line; an interrupt during the import is one line, too."""
    try:
        from sshbench.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("sshbench: interrupted\n")
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
