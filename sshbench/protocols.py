"""Protocols as data: one TOML file fixes every number of a benchmark, and its hash is part of every result.

The hash is taken over the parsed content, not over the file, so that a comment or a blank line does not change it and
any number does.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from sshbench.errors import InputError, UsageError, did_you_mean
from sshbench.files import protocols_dir
from sshbench.models import StrictModel
from sshbench.rules import PROTOCOL_FILES as PROTOCOL_FILES
from sshbench.rules import RULES as RULES
from sshbench.rules import CocoEvaluation as CocoEvaluation
from sshbench.rules import FddbEvaluation as FddbEvaluation
from sshbench.rules import PascalEvaluation as PascalEvaluation
from sshbench.rules import Rules as Rules
from sshbench.rules import WiderEvaluation as WiderEvaluation
from sshbench.rules import load_plugins as load_plugins


class Subset(StrictModel):
    """Faces that count under one name: those that a file lists, and that the rule allows.

    Attributes:
        name: As it stands in metrics, for example `easy`.
        ground_truth: File of the official tool that lists the faces that count.
        counted: How many faces count in the whole dataset, where the benchmark fixes it.
        min_height: Pixels; lower faces are ignored.
        max_height: Pixels; higher faces are ignored.
        attributes: By attribute name (blur, occlusion, pose, ...), the codes that count; others are ignored.
    """

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^/\\\s\x00-\x1f]+$")
    ground_truth: str | None = None
    counted: int | None = None
    min_height: float | None = None
    max_height: float | None = None
    attributes: dict[str, tuple[int, ...]] = Field(default_factory=dict)

    @property
    def has_rule(self) -> bool:
        """Whether height or attributes decide."""
        return self.min_height is not None or self.max_height is not None or bool(self.attributes)


class Layout(StrictModel):
    """Where a dataset's files lie below its folder; each list is tried in order.

    Attributes:
        root: The dataset's folder, where `--data` does not name it; relative to the protocol file.
        annotation: Annotation files, or patterns of them.
        images: Folders of the images.
        image_root: The folder of the images, where they lie elsewhere; `--images` names another one.
        orientation: Of photographs with an EXIF orientation: whether boxes are those of the stored pixels or of the
            upright image. The annotated size decides where it can.
        sizes: Lists of image sizes, for datasets that are evaluated without images.
        category: Name of the category (COCO) or class (YOLO) that holds the faces, or its number; where there is only
            one, it need not have this name.
    """

    root: str | None = None
    annotation: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    image_root: str | None = None
    orientation: Literal["stored", "upright"] = "stored"
    sizes: tuple[str, ...] = ()
    category: str = "face"


_R = TypeVar("_R", bound=Rules)


class _AnyRules:
    """The JSON schema of rules: those of one of the known kinds; made only when a schema is asked for."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> dict[str, object]:
        return {"anyOf": [rules.model_json_schema() for rules in RULES.values()]}


def _rules_of(value: object) -> object:
    """Turn the table `[evaluation]` into the model of its kind."""
    if not isinstance(value, Mapping):
        return value
    kind = value.get("kind")
    if not isinstance(kind, str) or not _is_known(kind):
        raise PydanticCustomError("union_tag_invalid", "kind {kind} is unknown; known: {known}", _kinds(kind))
    return RULES[kind].model_validate(value)


def _is_known(kind: str) -> bool:
    if kind not in RULES:
        load_plugins()
    return kind in RULES


def _kinds(kind: object) -> dict[str, str]:
    return {"kind": repr(kind), "known": ", ".join(RULES)}


class Inference(StrictModel):
    """Resize, threshold and NMS policy; `detector` leaves it to the detector's own published settings.

    Attributes:
        resize: Input size, as `--resize` takes it.
        score_threshold: Lowest score of a detection.
        nms_iou: IoU over which non-maximum suppression drops a detection.
    """

    resize: str = "detector"
    score_threshold: float | Literal["detector"] = "detector"
    nms_iou: float | Literal["detector"] = "detector"

    def overrides(self) -> dict[str, str | float]:
        """Return the settings that this policy fixes for every detector, by name."""
        return {name: value for name, value in self.model_dump().items() if value != "detector"}


class Expected(StrictModel):
    """Counts of the whole dataset, which `sshbench data check` verifies.

    Attributes:
        images: Number of images.
        events: Number of events, where images come in events.
        faces: Number of annotated faces, those included that count nowhere.
    """

    images: int | None = None
    events: int | None = None
    faces: int | None = None


class Source(StrictModel):
    """Where a protocol's numbers come from.

    Attributes:
        what: What the source is about.
        title: Its title.
        url: Its address.
    """

    what: str
    title: str
    url: str


class Protocol(StrictModel):
    """A benchmark's rules: dataset, subsets, evaluation, inference policy and sources.

    Attributes:
        name: Name on the command line.
        title: Name for readers.
        version: Rises with every change of the rules.
        dataset: Name of the dataset that it is for.
        split: `train`, `val` or `test`.
        smoke_test: Whether its figures only show that everything runs.
        layout: Where the files of the dataset lie.
        subsets: The subsets of faces that are evaluated, such as `easy`.
        expected: Numbers of images and faces of the complete dataset.
        evaluation: The numbers of the evaluation.
        inference: How the benchmark's authors let a detector run.
        sources: Where the rules come from.
    """

    name: str
    title: str
    version: int
    dataset: str
    split: str
    smoke_test: bool = False
    layout: Layout = Layout()
    subsets: tuple[Subset, ...] = ()
    expected: Expected = Expected()
    evaluation: Annotated[SerializeAsAny[Rules], BeforeValidator(_rules_of), _AnyRules]
    inference: Inference = Inference()
    sources: tuple[Source, ...] = ()

    @model_validator(mode="after")
    def _subsets_where_they_belong(self) -> Protocol:
        rules = self.evaluation
        if rules.subsets == "required" and not self.subsets:
            raise ValueError(f"the evaluation '{rules.kind}' needs [[subsets]]")
        if rules.subsets == "none" and self.subsets:
            raise ValueError(f"the evaluation '{rules.kind}' has no [[subsets]]")
        if taken := {subset.name for subset in self.subsets} & set(rules.reserved_subsets):
            raise ValueError(f"the name '{min(taken)}' of [[subsets]] is one of the evaluation's own")
        if len({subset.name for subset in self.subsets}) < len(self.subsets):
            raise ValueError("two [[subsets]] have the same name")
        return self

    @property
    def hash(self) -> str:
        """First 16 hex digits of the sha256 of the content, in a canonical form.

        What is not set does not count, so that a field that a later version adds leaves older hashes as they are; nor
        does the place of the files, nor what changes no figure (`Rules.without_effect`).
        """
        left_out = {"layout": {"root", "image_root"}, "evaluation": set(self.evaluation.without_effect)}
        content = self.model_dump(mode="json", exclude_unset=True, exclude=left_out)
        if "image_root" in self.layout.model_fields_set and not content["layout"]:
            del content["layout"]  # there is a layout for this place alone
        return content_hash(content)

    def rules(self, kind: type[_R]) -> _R:
        """Return the numbers of the evaluation, checked to be of one kind.

        Raises:
            UsageError: The protocol is of another kind.
        """
        if not isinstance(self.evaluation, kind):
            wanted = next((name for name, model in RULES.items() if model is kind), kind.__name__)
            raise UsageError(f"protocol '{self.name}' is of kind '{self.evaluation.kind}', not '{wanted}'")
        return self.evaluation

    @classmethod
    def parse(cls, content: Mapping[str, object]) -> Protocol:
        """Validate the content of a protocol file; errors name fields as they stand in the file.

        Raises:
            ValidationError: A field is missing, unknown or out of range.
        """
        evaluation = content.get("evaluation")
        if isinstance(evaluation, Mapping) and _is_known(str(evaluation.get("kind"))):
            try:
                content = {**content, "evaluation": _rules_of(evaluation)}
            except ValidationError as error:
                raise _prefixed(error, "evaluation") from error
        return cls.model_validate(content)

    def with_evaluation(self, **changes: object) -> Protocol:
        """Return the protocol with other numbers in `[evaluation]`; its hash changes with them.

        Raises:
            UsageError: The evaluation has no such number, or the value is not one of its own.

        >>> load_protocol("wider").with_evaluation(iou_threshold=0.7).evaluation.iou_threshold
        0.7
        """
        data = self.model_dump(exclude_unset=True)
        data["evaluation"].update(changes)
        try:
            return Protocol.parse(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = _field_of(first["loc"], first["type"])
            raise UsageError(f"protocol '{self.name}', field '{where}': {first['msg']}") from error

    def with_data(
        self, *, images: str | Path | None = None, split: str | None = None, face_class: str | None = None
    ) -> Protocol:
        """Return the protocol for data that lie elsewhere, or of another split or class.

        Args:
            images: Folder of the images; no other one is looked at then. It does not count in the hash.
            split: Name of the split, for example `test`.
            face_class: Name or number of the category or class of faces.

        >>> load_protocol("yolo").with_data(split="test", images="photos").split
        'test'
        """
        data = self.model_dump(exclude_unset=True)
        layout = data.setdefault("layout", {})
        if images is not None:
            layout["image_root"] = str(Path(images).expanduser().absolute())
        if face_class is not None:
            layout["category"] = face_class
        if split is not None:
            data["split"] = split
        return Protocol.parse(data)


def protocol_path(name_or_path: str | Path) -> Path:
    """Return the file of a protocol.

    Raises:
        UsageError: No shipped protocol has this name.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return path
    shipped = protocols_dir() / f"{name_or_path}.toml"
    if not shipped.is_file():
        load_plugins()
        if str(name_or_path) in PROTOCOL_FILES:
            return PROTOCOL_FILES[str(name_or_path)]
        raise UsageError(
            f"there is no protocol named '{name_or_path}'",
            remedy=f"{did_you_mean(str(name_or_path), protocol_names())}; or give the path of a .toml file",
        )
    return shipped


def load_protocol(name_or_path: str | Path) -> Protocol:
    """Read a protocol.

    Args:
        name_or_path: Name of a shipped protocol (`wider`), or the path of a TOML file.

    Raises:
        UsageError: No shipped protocol has this name.
        InputError: The file is not TOML, or a field is missing, unknown or out of range.

    >>> wider = load_protocol("wider")
    >>> wider.dataset, wider.split, wider.evaluation.kind, [subset.name for subset in wider.subsets]
    ('wider', 'val', 'wider', ['easy', 'medium', 'hard'])
    """
    path = protocol_path(name_or_path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not valid TOML ({error})", file=path, remedy="Fix the syntax") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy="Check the path and its content") from error
    layout = content.get("layout")
    for name in ("root", "image_root"):
        if isinstance(layout, dict) and isinstance(layout.get(name), str):
            layout[name] = str((path.parent / layout[name]).resolve())
    try:
        return Protocol.parse(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            first["msg"],
            file=path,
            field=_field_of(first["loc"], first["type"]),
            value=first.get("input"),
            remedy=_remedy_of(first["loc"], first["type"]),
        ) from error
    except (RecursionError, OverflowError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy="Fix the value") from error


_TABLES: dict[str, type[StrictModel] | None] = {
    "subsets": Subset,
    "layout": Layout,
    "expected": Expected,
    "inference": Inference,
    "sources": Source,
    "evaluation": None,  # its numbers depend on the kind
}


def _remedy_of(location: tuple[int | str, ...], error_type: str) -> str:
    """Return what to do about an invalid field: for an unknown one, the fields that are allowed in its table."""
    model: type[StrictModel] | None = Protocol
    if error_type == "extra_forbidden":
        for part in location[:-1]:
            model = _TABLES.get(str(part), model) if isinstance(part, str) else model
        if model is not None:
            return did_you_mean(str(location[-1]), list(model.model_fields), listed="Allowed here")
    return "Compare with a shipped one: `sshbench protocols show wider`, or see docs/protocols.md"


def _field_of(location: tuple[int | str, ...], error_type: str) -> str | None:
    """Return a field's dotted name as it stands in the file."""
    parts = [str(part) for part in location]
    if error_type.startswith("union_tag"):
        parts.append("kind")
    return ".".join(parts) or None


def _prefixed(error: ValidationError, field: str) -> ValidationError:
    """Return the same errors with their places below a field."""
    details: list[InitErrorDetails] = [
        {
            "type": PydanticCustomError(one["type"], "{text}", {"text": one["msg"]}),
            "loc": (field, *one["loc"]),
            "input": one["input"],
        }
        for one in error.errors()
    ]
    return ValidationError.from_exception_data(error.title, details)


def protocol_names() -> list[str]:
    """Return the names of the shipped protocols and of those that other packages bring, sorted."""
    load_plugins()
    return sorted({*(path.stem for path in protocols_dir().glob("*.toml")), *PROTOCOL_FILES})


def content_hash(content: object) -> str:
    """Return the first 16 hex digits of the sha256 of JSON-ready content in a canonical form.

    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
