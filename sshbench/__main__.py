"""`python -m sshbench`: the command line."""

from sshbench.cli import main

if __name__ == "__main__":
    main()
