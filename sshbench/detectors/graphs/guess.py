"""Guess the specification of a graph from its shapes, names and metadata, and from what a trial shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from sshbench.detectors.graphs.declared import class_names, image_size, input_of, noise
from sshbench.detectors.graphs.facts import GraphFacts, TensorFacts
from sshbench.detectors.graphs.inputs import InputArray
from sshbench.detectors.graphs.no_guess import NoGuessError
from sshbench.detectors.graphs.recognise import recognise
from sshbench.detectors.graphs.recognised import Recognised
from sshbench.detectors.graphs.seen import Array, Seen
from sshbench.detectors.graphs.spec import GraphSpec, InputSpec, family_names
from sshbench.detectors.graphs.toml_text import toml_text
from sshbench.detectors.graphs.usual import USUAL, Usual
from sshbench.errors import InputError, SshbenchError

Try = Callable[[InputArray, bool], Mapping[str, Array]]
"""Function that runs the network on an input, and whether to free the size that the file declares; returns all
outputs for one image by name. It raises an `SshbenchError` where the network cannot run."""

TRIAL = (320, 256)
"""Width and height of a trial where the graph leaves them free."""
_OTHER = (416, 352)
_ODD = (317, 251)
_MULTIPLE = 32  # of sides, for networks that need one
_SIZES = (TRIAL, (640, 640), (320, 320))
_OWN_ARITHMETIC = frozenset(("Sub", "Div", "Mul", "Cast"))


@dataclass(frozen=True, slots=True)
class Guess:
    """A specification that was guessed.

    Attributes:
        spec: The specification.
        reasons: By dotted name of a field or table, why it has its value.
    """

    spec: GraphSpec
    reasons: Mapping[str, str]

    @property
    def text(self) -> str:
        """The TOML file, with the reasons as comments."""
        head = "Guessed by sshbench. Check it on a picture, change what is wrong, and pass it with --spec."
        return toml_text(self.spec, head=head, reasons=self.reasons)

    @property
    def summary(self) -> str:
        """What was guessed, in one line."""
        spec, given = self.spec, self.spec.input
        size = "of any size" if given.fixed_size is None else f"of {given.fixed_size[0]} x {given.fixed_size[1]}"
        values = f"mean {_short(given.mean)}, scale {_short(given.scale)}"
        return (
            f"family {spec.output.family} ({self.reasons['output']}); input {size}, {given.fit}, {given.channels}, "
            f"{values} ({self.reasons['input']})"
        )


def guess_spec(facts: GraphFacts, attempt: Try) -> Guess:
    """Guess the specification of a graph.

    Args:
        facts: What the graph says of itself.
        attempt: Runs the network.

    Raises:
        NoGuessError: The outputs look like no family; the text lists them and the families.
        InputError: The graph does not take one image.
    """
    given, reasons = input_of(facts)
    seen, freed = _first_trial(facts, given, attempt)
    found = recognise(seen)
    if found is None:
        raise _no_guess(facts, seen)
    usual = USUAL[found.usual]
    spec = _spec(facts, given, found, usual)
    reasons |= {
        "input": _about_input(facts, spec.input, usual),
        "output": found.why,
        **{f"output.{name}": text for name, text in found.reasons.items()},
        "settings": f"{usual.whose} usual values" if not found.nms_inside else "NMS is inside the graph",
    }
    other = _OTHER if spec.input.fixed_size == TRIAL else TRIAL
    if spec.input.fixed_size is not None and usual.any_size and (freed or _works_at(other, spec, attempt, free=True)):
        spec = _changed(spec, size="dynamic")
        declared = facts.inputs[0].shape
        reasons["input.size"] = (
            f"the file declares {declared}, but a trial at {other[0]} x {other[1]} gave right shapes"
        )
    if spec.input.fixed_size is None and spec.input.multiple < _MULTIPLE:
        if _works_at(_ODD, spec, attempt, free=given.fixed_size is not None):
            reasons["input.multiple"] = f"a trial at {_ODD} gave right shapes"
        else:
            spec = _changed(spec, multiple=_MULTIPLE)
    return Guess(spec, {name: text for name, text in reasons.items() if text})


def _first_trial(facts: GraphFacts, given: InputSpec, attempt: Try) -> tuple[Seen, bool]:
    """Run the network once; return what was seen, and whether the declared size had to be freed for that."""
    fixed = given.fixed_size
    if fixed is not None:
        try:
            return _seen(given, *fixed, attempt, free=False), False
        except SshbenchError:  # a fixed batch, perhaps, which freeing removes
            batch = facts.inputs[0].shape
            if batch is None or batch[0] in (None, 1):
                raise
            return _seen(given, *TRIAL, attempt, free=True), True
    sizes = [*image_size(facts), *_SIZES]
    for size in sizes[:-1]:
        try:
            return _seen(given, *size, attempt, free=False), False
        except SshbenchError:
            continue
    return _seen(given, *sizes[-1], attempt, free=False), False


def _seen(given: InputSpec, width: int, height: int, attempt: Try, *, free: bool) -> Seen:
    return Seen(attempt(noise(given, width, height), free), width, height)


def _works_at(size: tuple[int, int], spec: GraphSpec, attempt: Try, *, free: bool) -> bool:
    """Return whether a network gives outputs of the family at a size, width before height."""
    try:
        spec.output.decode(attempt(noise(spec.input, *size), free), size[1], size[0], 0.0)
    except (SshbenchError, ValueError):
        return False
    return True


def _spec(facts: GraphFacts, given: InputSpec, found: Recognised, usual: Usual) -> GraphSpec:
    names = class_names(facts)
    face = next((number for number, name in names.items() if "face" in name.lower()), None)
    output = dict(found.output)
    if face is not None and found.usual in ("yolov5", "yolov8", "yolox", "boxes+scores"):
        output["face_class"] = face
    taken = dict(usual.input)
    if given.dtype == "uint8" or _OWN_ARITHMETIC & set(facts.first_operators):
        taken = {name: value for name, value in taken.items() if name not in ("mean", "scale")}
    settings = dict(usual.settings)
    if found.nms_inside:
        settings.pop("nms_iou")
    sizes = image_size(facts)
    if given.fixed_size is None and sizes:
        settings["resize"] = f"fit={sizes[0][0]}x{sizes[0][1]}"
    content = {
        "licence": facts.metadata.get("license", "")[:200],
        "input": {**given.model_dump(), **taken},
        "output": output,
        "settings": settings,
    }
    try:
        return GraphSpec.model_validate(content)
    except ValidationError as error:
        raise InputError(f"what was guessed is invalid ({error})", file=facts.path, remedy="Write a --spec") from error


def _changed(spec: GraphSpec, **fields: Any) -> GraphSpec:
    return spec.model_copy(update={"input": spec.input.model_copy(update=fields)})


def _about_input(facts: GraphFacts, given: InputSpec, usual: Usual) -> str:
    text = f"size, layout and dtype as the graph says; the rest is not visible in it: {usual.whose} usual values"
    own = sorted(_OWN_ARITHMETIC & set(facts.first_operators))
    if given.dtype == "uint8":
        return f"{text}; no mean and scale for uint8"
    return f"{text}; the graph begins with {', '.join(own)}, so that it takes pixels as they are" if own else text


def _short(values: tuple[float, ...]) -> str:
    numbers = [f"{value:.5g}" for value in values]
    return numbers[0] if len(set(numbers)) == 1 else " ".join(numbers)


def _no_guess(facts: GraphFacts, seen: Seen) -> NoGuessError:
    shapes = tuple(TensorFacts(name, one.shape, one.dtype.name) for name, one in seen.outputs.items())
    text = replace(facts, outputs=shapes).listed()
    error = NoGuessError(
        f"no family of outputs fits this graph. At {seen.width} x {seen.height}, {text}. "
        f"Families: {', '.join(family_names())}",
        file=facts.path,
        remedy="Say what they mean with --spec FILE",
    )
    error.skeleton = skeleton(replace(facts, outputs=shapes))
    return error


def skeleton(facts: GraphFacts) -> str:
    """Return a specification to fill in, where none can be guessed."""
    given, _ = input_of(facts)
    comments = ["What goes into the graph and what comes out; docs/own-graphs.md describes the fields.", facts.listed()]
    spec = GraphSpec.model_validate(
        {"input": given.model_dump(), "output": {"family": "boxes+scores", "boxes": facts.outputs[0].name}}
    )
    reasons = {"output": f"CHANGE THIS. Families: {', '.join(family_names())}"}
    return toml_text(spec, head="\n".join(comments), reasons=reasons)
