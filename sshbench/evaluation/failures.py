"""The file `failures.txt` of a run: every image without a result, with the reason and the traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sshbench.errors import SshbenchError
from sshbench.files import safe_name, write_atomic
from sshbench.runs import FAILURES, IDENTITY, LOCK, Run


def failures_text(run: Run) -> str:
    """Return each image without a result, with the reason and the traceback; empty if there is none."""
    return "\n".join(f"{image.key}: {image.error}\n{image.details or ''}" for image in run.failed_images())


def store_failures(run: Run) -> None:
    """Write the file, or remove it where every image has a result."""
    if text := failures_text(run):
        write_atomic(run.folder / FAILURES, text)
    else:
        (run.folder / FAILURES).unlink(missing_ok=True)


@contextmanager
def kept_traceback(name: str, dataset: str, out: str | Path | None) -> Iterator[None]:
    """Keep the traceback of a detector that cannot be loaded in the run's folder, and say where.

    Args:
        name: Name of the detector.
        dataset: Name of the dataset.
        out: The run's folder; None for `runs/<dataset>-<detector>`.
    """
    try:
        yield
    except SshbenchError as error:
        if not error.details:
            raise
        folder = Path("runs") / safe_name(f"{dataset}-{name}") if out is None else Path(out).expanduser()
        if folder.is_dir() and not (folder / IDENTITY).exists() and _holds_other_things(folder):
            raise
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            file = write_atomic(folder / FAILURES, f"{error}\n{error.details}")
            error.args = (f"{error.args[0]}. Its traceback is in {file}",)
        raise


def _holds_other_things(folder: Path) -> bool:
    return any(path.name not in (LOCK, FAILURES) for path in folder.iterdir())
