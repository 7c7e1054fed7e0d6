"""A detector made of a graph and its specification."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

import numpy as np

from sshbench.detectors.adapter import check_fixed_size, select
from sshbench.detectors.contract import DetectorInfo, Prepared, Settings, SettingValue
from sshbench.detectors.graphs import PICTURE, SPEC_FILE
from sshbench.detectors.graphs.declared import dtype_of, layout_of, noise
from sshbench.detectors.graphs.facts import GraphFacts
from sshbench.detectors.graphs.guess import TRIAL, Guess, guess_spec
from sshbench.detectors.graphs.inputs import InputArray, input_array
from sshbench.detectors.graphs.placing import Place, place
from sshbench.detectors.graphs.seen import Array
from sshbench.detectors.graphs.spec import GraphSpec
from sshbench.detectors.graphs.toml_text import toml_text
from sshbench.errors import DetectorError, InputError
from sshbench.files import safe_name, write_atomic
from sshbench.records import Detections, Finding, Image

Network = Callable[[InputArray], Mapping[str, Array]]
"""Function from an input to the outputs by name, for one image."""

_Input = tuple[InputArray, Place]
SPEC = "spec"
"""Name of the setting that holds the hash of the specification."""


class GraphDetector:
    """Base of detectors made of a file with a graph.

    Args:
        path: The file.
        spec: What goes in and what comes out: a specification, or the path of its TOML file; None: guess it.
        settings: Settings; default: those of the specification.

    Attributes:
        path: The file.
        facts: What the graph says of itself.
        spec: The specification in effect.
        guess: What was guessed; None where the user gave a specification.

    Raises:
        MissingDataError: A file is not there.
        InputError: The file is no graph, the specification is invalid or contradicts it, or none can be guessed.
    """

    prefix: ClassVar[str]
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}

    def __init__(
        self, path: str | Path, *, spec: GraphSpec | str | Path | None = None, settings: Settings | None = None
    ) -> None:
        self.path = Path(path).expanduser()
        self.facts = self._read_facts()
        self.weights_sha256: str | None = self.facts.sha256
        self._network: Network | None = None
        self.guess: Guess | None = None
        self._spec_file = self.path
        if spec is None:
            self.guess = guess_spec(self.facts, self._attempt)
            self.spec = self.guess.spec
        elif isinstance(spec, GraphSpec):
            self.spec = spec
        else:
            self._spec_file = Path(spec).expanduser()
            self.spec = GraphSpec.read(self._spec_file)
        self._check_against_graph()
        self.info = self._make_info()
        self.settings = self._with_hash(settings or self.info.defaults)

    def _read_facts(self) -> GraphFacts:
        """Read what the graph says of itself."""
        raise NotImplementedError

    def _open(self, names: tuple[str, ...], *, free: bool) -> Network:
        """Open the network.

        Args:
            names: The outputs that are wanted; empty for all.
            free: Free the size of the input that the file declares.

        Raises:
            InputError: It cannot be opened.
        """
        raise NotImplementedError

    def _make_info(self) -> DetectorInfo:
        from sshbench.detectors.registry import names

        spec = self.spec
        name = safe_name(spec.name or self.path.stem)
        name = f"{name}-{self.prefix}" if name in names() else name
        return DetectorInfo(
            name=name,
            title=spec.name or self.path.name,
            source=spec.source or "a model of the user",
            licence=spec.licence or "not stated",
            training_data=", ".join(spec.trained_on) if spec.trained_on else "not stated",
            trained_on=spec.trained_on,
            defaults=replace(spec.settings.settings(), extra=self._default_extra()),
            defaults_source="guessed" if self.guess else "the specification",
            ranges=self.ranges,
            fixed_size=spec.input.fixed_size,
        )

    def _default_extra(self) -> Mapping[str, SettingValue]:
        """Return the settings that say how the network runs, with their defaults."""
        return {}

    def _with_hash(self, settings: Settings) -> Settings:
        return replace(settings, extra={**settings.extra, SPEC: self.spec.hash})

    def with_settings(self, settings: Settings | None) -> Self:
        """Return the same detector with other settings; None: with those of the specification."""
        made = copy.copy(self)
        made.settings = self._with_hash(settings or self.info.defaults)
        return made

    @property
    def findings(self) -> list[Finding]:
        """What a result must say of the specification."""
        if self.guess is None:
            return []
        return [Finding("guessed-spec", f"how to use {self.path.name} was guessed: {self.guess.summary}")]

    @property
    def spec_text(self) -> str:
        """The specification as TOML, with the reasons where it was guessed."""
        return toml_text(self.spec) if self.guess is None else self.guess.text

    def explain(self, folder: Path, images: Iterable[Path]) -> None:
        """Write the specification into a folder, and a picture to check it by where it was guessed.

        Args:
            folder: The folder; files that are there stay as they are.
            images: Images, of which one is drawn.
        """
        from sshbench.detectors.graphs.picture import draw_check

        if not (folder / SPEC_FILE).exists():
            write_atomic(folder / SPEC_FILE, self.spec_text)
        if self.guess is not None and not (folder / PICTURE).exists():
            draw_check(self, images, folder / PICTURE)

    def load(self) -> None:
        """Open the network, and run it once to see that its outputs fit the specification.

        Raises:
            InputError: It cannot be opened or run, or the outputs are of other shapes than the family's.
        """
        self._network = self._open(self.spec.output.names(), free=self._must_be_freed())
        given = self.spec.input
        width, height = given.fixed_size or (-(-side // given.multiple) * given.multiple for side in TRIAL)
        self._decode(self._run(noise(given, width, height)), height, width)

    def preprocess(self, image: Image) -> Prepared[_Input]:
        """Bring the image to the size, order of channels and range of the network's input."""
        check_fixed_size(self.info, self.settings)
        where = place(image.shape[1], image.shape[0], self.spec.input, self.settings)
        return Prepared((input_array(image, where, self.spec.input), where), where.scale_x)

    def forward(self, prepared: Prepared[_Input]) -> Mapping[str, Array]:
        """Run the network; return its outputs by name."""
        return self._run(prepared.data[0])

    def postprocess(self, outputs: Mapping[str, Array], prepared: Prepared[_Input]) -> Detections:
        """Decode the outputs, bring the boxes back into the image, apply threshold, NMS and top_k."""
        self._check_finite(outputs)
        where = prepared.data[1]
        boxes, scores = self._decode(outputs, where.height, where.width)
        return select(where.back(boxes), scores, self.settings)

    def input_pixels(self, settings: Settings, width: int, height: int) -> int:
        """Return how many pixels the network gets for an image of this width and height, padding not counted."""
        where = place(width, height, self.spec.input, settings)
        return where.inner_width * where.inner_height

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open network out, which another process opens for itself."""
        kept = {name: value for name, value in self.__dict__.items() if name != "_model"}
        return {**kept, "_network": None}

    def _run(self, data: InputArray) -> Mapping[str, Array]:
        if self._network is None:
            self.load()
            assert self._network is not None
        return self._network(data)

    def _attempt(self, data: InputArray, free: bool) -> Mapping[str, Array]:
        return self._open((), free=free)(data)

    def _check_finite(self, outputs: Mapping[str, Array]) -> None:
        """Refuse outputs with numbers that are not finite, which no threshold would keep.

        Raises:
            DetectorError: There is one.
        """
        for name in self.spec.output.names():
            values = outputs[name]
            if not np.isfinite(values).all():
                wrong = values[~np.isfinite(values)][0]
                raise DetectorError(
                    f"output '{name}' of {self.path.name} holds numbers that are not finite ({wrong})",
                    remedy="Check mean and scale of the input, and the model",
                )

    def _decode(self, outputs: Mapping[str, Array], height: int, width: int) -> tuple[Any, Any]:
        output = self.spec.output
        for name in output.names():
            if name not in outputs:
                self._contradiction("output", name, f"the graph has no such output, but {', '.join(outputs)}")
            values = outputs[name]
            if name not in output.integer_names() and not np.issubdtype(values.dtype, np.floating):
                text = f"output '{name}' has numbers of type {values.dtype}, where floating-point numbers are expected"
                raise InputError(text, file=self.path, remedy=self._remedy)
        try:
            with np.errstate(over="ignore"):  # boxes that are not finite are refused as such
                return output.decode(outputs, height, width, self.settings.score_threshold)
        except ValueError as error:
            text = f"the graph does not fit family '{output.family}' for an input of {width} x {height}: {error}"
            raise InputError(text, file=self.path, remedy=self._remedy) from error

    @property
    def _remedy(self) -> str:
        return "Change the specification (--spec); docs/own-graphs.md describes the families"

    def _must_be_freed(self) -> bool:
        """Return whether the file declares another size, or number of images, than the specification."""
        declared = self.facts.inputs[0].shape
        if declared is None:
            return False
        height, width = declared[2:] if self.spec.input.layout == "NCHW" else declared[1:3]
        fixed = self.spec.input.fixed_size or (0, 0)
        return declared[0] not in (None, 1) or width not in (None, fixed[0]) or height not in (None, fixed[1])

    def _check_against_graph(self) -> None:
        """Check what a specification says against what the graph declares.

        Raises:
            InputError: They contradict each other; the text names the field.
        """
        given, facts = self.spec.input, self.facts
        if len(facts.inputs) != 1 or given.name not in ("", facts.inputs[0].name):
            self._contradiction("input.name", given.name, facts.listed())
        tensor = facts.inputs[0]
        if tensor.shape is not None:
            layout = layout_of(facts, tensor)
            if layout != given.layout and not (tensor.shape[1] is None and tensor.shape[3] is None):
                self._contradiction("input.layout", given.layout, f"the input is {tensor}")
        if tensor.dtype and dtype_of(facts, tensor) != given.dtype:
            self._contradiction("input.dtype", given.dtype, f"the input is {tensor}")
        known = [one.name for one in facts.outputs]
        for name in self.spec.output.names():
            if known and name not in known:
                self._contradiction("output", name, f"the graph has no such output; {facts.listed()}")

    def _contradiction(self, field: str, value: object, why: str) -> NoReturn:
        raise InputError(
            f"the specification contradicts the graph {self.path.name} ({why})",
            file=self._spec_file,
            field=field,
            value=value,
            remedy="Change it",
        )
