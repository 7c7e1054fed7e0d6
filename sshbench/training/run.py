"""A whole training: the loop with checkpoints, validation, tables and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sshbench.detectors.registry import load_detector
from sshbench.errors import UsageError
from sshbench.ssh.weights import Weights, load_weights, save_weights
from sshbench.training.files import WEIGHTS, write_tables
from sshbench.training.loop import Trainer
from sshbench.training.processes import Processes, joined
from sshbench.training.recipe import Recipe, load_recipe
from sshbench.training.sets import average_precision, benchmarks_in, training_set, validation_set
from sshbench.training.state import Progress, Validation


@dataclass(frozen=True, slots=True)
class Status:
    """State of a running training, passed to its progress callback.

    Attributes:
        iteration: Number of finished steps.
        first: Number of steps that were finished when this call of `train` began.
        last: Iteration at which this call ends.
        loss: Loss of the last step; at a checkpoint, the last row of the table of losses; None if there is none yet.
        saved: Whether a checkpoint was just written at this iteration.
        validation: Result of the validation at this iteration; None without one.
    """

    iteration: int
    first: int
    last: int
    loss: float | None
    saved: bool = False
    validation: Validation | None = None


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Result of a call of `train`.

    Attributes:
        iterations: Number of finished steps, those of earlier calls included.
        loss: Mean loss in the last row of `losses`; None if there is none yet.
        losses: Table of losses: per row, `iteration`, `lr`, `total` and the parts by name.
        validation: Results of all validations.
        files: Files written by this process, first the weights; empty in other processes than the first.
        rank: Number of the process, 0 without `torchrun`.
    """

    iterations: int
    loss: float | None
    losses: list[dict[str, float]] = field(repr=False)
    validation: list[Validation] = field(repr=False)
    files: list[Path]
    rank: int = 0


def train(
    recipe: Recipe | str | Path,
    data: Path | str,
    out: Path | str,
    *,
    start: Weights | Path | str | None = None,
    device: str = "cpu",
    stop_after: int | None = None,
    half: bool = False,
    progress: Callable[[Status], None] | None = None,
) -> TrainingResult:
    """Train SSH, or resume a training from its last checkpoint.

    Under `torchrun`, every process makes the same call; the first one validates and writes the files.

    Args:
        recipe: A recipe, the name of a shipped one, or the path of a TOML file.
        data: Folder of the dataset that the recipe names.
        out: Folder for checkpoint, weights, tables and curves. An existing checkpoint is resumed.
        start: Initial weights, or their file; for example a VGG-16 trunk.
        device: `cpu`, `cuda` or `cuda:N`; under `torchrun`, each process uses the GPU of its local rank.
        stop_after: Stop after this iteration; default: the recipe's last.
        half: Write the weights as float16.
        progress: Called once before the first step, after each step and after each checkpoint, in the first process.

    Raises:
        UsageError: The device does not exist, or the initial weights do not fit the recipe.
        MissingDataError: The recipe, the dataset or a weights file is missing.
        InputError: The recipe, the dataset or the checkpoint is invalid.
        IdentityError: `out` has the checkpoint of another recipe.
        CheckFailedError: The loss is not finite, or the processes differ.
    """
    import cv2

    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    weights = start if start is None or isinstance(start, Weights) else load_weights(Path(start))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # our own threads prepare the images
    try:
        with joined(device) as processes, _alone(Path(out), processes):
            training = _Training(recipe, Path(data), Path(out), weights, processes, half=half)
            return training.run(stop_after, progress)
    finally:
        cv2.setNumThreads(threads)


@contextmanager
def _alone(out: Path, processes: Processes) -> Iterator[None]:
    """Keep other trainings out of a folder; the first process holds the lock for all."""
    from filelock import FileLock, Timeout

    if not processes.first:
        yield
        return
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", remedy="Name a folder with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        text = f"another process trains in {out}"
        raise UsageError(text, remedy="Wait for it, or name another folder with --out") from error
    except OSError as error:
        text = f"the training in {out} cannot be written ({error.strerror})"
        raise UsageError(text, remedy="Name another folder with --out") from error
    try:
        yield
    finally:
        lock.release()


class _Training:
    """A trainer with its validation set and its files."""

    def __init__(
        self, recipe: Recipe, data: Path, out: Path, start: Weights | None, processes: Processes, *, half: bool
    ) -> None:
        self._recipe, self._out, self._processes, self._half = recipe, out, processes, half
        dataset = training_set(recipe.data, data)
        self._validation = validation_set(recipe.data, data)
        self._trained_on = ",".join(benchmarks_in(recipe.data)) or "none"
        self._trainer = Trainer(recipe, dataset, out, start=start, processes=processes)

    def run(self, stop_after: int | None, report: Callable[[Status], None] | None) -> TrainingResult:
        trainer, done, first = self._trainer, self._trainer.progress, self._processes.first
        begin, whole = done.iteration, self._recipe.optimiser.iterations
        last = whole if stop_after is None else min(stop_after, whole)

        def tell(loss: float | None, *, saved: bool = False) -> None:
            if first and report is not None:
                report(Status(done.iteration, begin, last, loss, saved, _validation_at(done) if saved else None))

        if begin >= last:
            self._write_weights()  # a finished training may be wanted with another --half
        tell(_last_loss(done))
        while True:
            self._validate_if_due()
            tables = write_tables(self._out, done) if first else []
            if done.iteration > begin:
                tell(_last_loss(done), saved=True)
            if done.iteration >= last:
                break
            trainer.run(min(last, self._next_stop()), lambda _, loss: tell(loss))
            self._write_weights()
            trainer.save()
        files = [self._out / WEIGHTS, *tables] if first else []
        return TrainingResult(
            done.iteration, _last_loss(done), done.losses, done.validation, files, self._processes.rank
        )

    def _next_stop(self) -> int:
        done, recipe = self._trainer.progress.iteration, self._recipe
        return min((done // every + 1) * every for every in (recipe.checkpoint_every, recipe.validate_every) if every)

    def _write_weights(self) -> None:
        if self._processes.first:
            made = self._trainer.weights(trained_on=self._trained_on)
            save_weights(self._out / WEIGHTS, made, half=self._half)

    def _validate_if_due(self) -> None:
        """Validate the stored weights. The steps are saved already, so an interrupted validation is repeated later."""
        done, every = self._trainer.progress, self._recipe.validate_every
        regular = bool(done.iteration and every) and done.iteration % every == 0
        wanted = regular or done.iteration == self._recipe.optimiser.iterations
        if self._validation is None or not wanted or _validation_at(done) is not None:
            return
        found = self._processes.everyone(self._validate() if self._processes.first else None)[0]
        assert found is not None
        done.validation.append(Validation(*found))
        self._trainer.save()

    def _validate(self) -> Validation:
        assert self._validation is not None
        device = self._processes.device
        detector = load_detector(
            "ssh",
            weights=self._out / WEIGHTS,
            backend="onnxruntime" if device == "cpu" else "torch",
            device=device,
            resize=self._recipe.validate_resize,
        )
        metric, value, _ = average_precision(detector, *self._validation)
        return Validation(self._trainer.progress.iteration, metric, value)


def _validation_at(progress: Progress) -> Validation | None:
    return next((row for row in progress.validation if row.iteration == progress.iteration), None)


def _last_loss(progress: Progress) -> float | None:
    return progress.losses[-1]["total"] if progress.losses else None
