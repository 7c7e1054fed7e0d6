"""Training of SSH, resumable after a kill at any moment. It needs torch: `pip install 'sshbench[ssh]'`.

`train` does everything that the command `sshbench train` does:

```python
from sshbench.training import train

result = train("ssh-tiny", data="faces/", out="runs/tiny", progress=lambda status: print(status.iteration, status.loss))
result.files[0]  # the weights: pass them to sshbench.load_detector("ssh", weights=...)
```

`recipe` describes a training, `sets` finds its images, `data` and `crops` make samples of them, `targets` and `loss`
define what the network learns, `network` creates it, `loop` trains it, `processes` connects several processes, `state`
and `files` write to disk, and `run` combines all this.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sshbench.training.loop import Trainer
    from sshbench.training.recipe import Recipe, load_recipe
    from sshbench.training.run import Status, TrainingResult, train
    from sshbench.training.state import Validation

__all__ = ["Recipe", "Status", "Trainer", "TrainingResult", "Validation", "load_recipe", "train"]

_MODULES = {
    "Recipe": "recipe",
    "Status": "run",
    "Trainer": "loop",
    "TrainingResult": "run",
    "Validation": "state",
    "load_recipe": "recipe",
    "train": "run",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    try:
        found: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from sshbench.errors import UsageError

        raise UsageError("training needs torch", remedy="Install it: pip install 'sshbench[ssh]'") from None
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
