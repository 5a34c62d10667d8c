"""The metadata of a model file: written by the exporter, read and checked on load."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from stemlive.errors import ModelError
from stemlive.realtime.dsp.framing import Framing
from stemlive.realtime.model_file.bundled import FREE_MODEL

FORMAT_VERSION = "1"
FORMAT_KEY = "stemlive_format"
INFO_KEY = "stemlive"
MODEL_CHANNELS = 2
CARD_KEYS = ("name", "description", "training_data", "hours", "scores")

T = TypeVar("T")


@dataclass(frozen=True)
class StateSpec:
    """Name and shape of one state tensor, float32; the graph's output for it has the prefix `new_`."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelInfo:
    """The metadata of a model file: lengths in samples at its rate, `stems` in the order of the output.

    integers: products are computed in integers of 8 bits. What they are rounded by depends on all frames of a call.
    """

    sample_rate_hz: int
    preset: str
    analysis_samples: int
    synthesis_samples: int
    hop_samples: int
    channels: int
    stems: tuple[str, ...]
    state: tuple[StateSpec, ...]
    parameters: int
    config: dict[str, Any]
    provenance: dict[str, Any]
    licence: str
    card: dict[str, Any]
    integers: bool = False

    @cached_property
    def framing(self) -> Framing:
        """The window and hop lengths."""
        return Framing(self.analysis_samples, self.synthesis_samples, self.hop_samples)

    @property
    def lookahead_hops(self) -> int:
        """So many hops late are the stems that the model returns, for what it hears in between."""
        return int(self.config.get("lookahead_frames", 0))

    @property
    def latency_samples(self) -> int:
        """Delay of a streaming separation in samples: the synthesis window and the look-ahead."""
        return self.framing.synthesis_samples + self.lookahead_hops * self.hop_samples

    @property
    def terms_line(self) -> str:
        """Return the conditions on using the model and the model without any, in one line; empty if there are none."""
        terms = self.card.get("terms", "")
        return f"model {self.card['name']} is {terms}; model {FREE_MODEL} is not" if terms else ""

    def in_low(self, name: str) -> "ModelInfo":
        """Return the metadata for running the same weights in the framing `low`, under another name.

        The graph computes the same of each frame, however often frames come.
        """
        about = f"The weights of `{self.card['name']}` at half its delay, for twice the work and some of the quality."
        card = self.card | {"name": name, "description": about, "scores": {}, "speed": {}}
        config = self.config | {"preset": "low"}
        return replace(self, preset="low", synthesis_samples=512, hop_samples=256, config=config, card=card)

    @classmethod
    def read(cls, onnx: Any, source: str) -> "ModelInfo":
        """Read and check the metadata of an `onnxruntime.InferenceSession`, and check the graph against it.

        `source` names the file in messages. ModelError names the first fault.
        """
        info = cls.from_metadata(onnx.get_modelmeta().custom_metadata_map, source)
        info.check_graph(_shapes(onnx.get_inputs()), _shapes(onnx.get_outputs()), source)
        return info

    @classmethod
    def from_metadata(cls, properties: Mapping[str, str], source: str) -> "ModelInfo":
        """Read and check the properties of an ONNX file (text by key). ModelError names the first fault."""
        if FORMAT_KEY not in properties or INFO_KEY not in properties:
            raise ModelError(f"{source}: not made for stemlive (no metadata): use one from `stemlive export`")
        version = properties[FORMAT_KEY]
        if version != FORMAT_VERSION:
            raise ModelError(
                f"{source}: made for model format {version}, this stemlive reads format {FORMAT_VERSION}: "
                "use the stemlive it was made with, or export it again"
            )
        try:
            data = json.loads(properties[INFO_KEY])
        except ValueError as error:
            raise ModelError(f"{source}: the metadata is not JSON ({error})") from error
        if not isinstance(data, dict):
            raise ModelError(f"{source}: the metadata is not a JSON object")
        stems = tuple(_field(data, "stems", list, source))
        info = cls(
            sample_rate_hz=_positive(data, "sample_rate_hz", source),
            preset=_field(data, "preset", str, source),
            analysis_samples=_positive(data, "analysis_samples", source),
            synthesis_samples=_positive(data, "synthesis_samples", source),
            hop_samples=_positive(data, "hop_samples", source),
            channels=_positive(data, "channels", source),
            stems=stems,
            state=tuple(_state(entry, source) for entry in _field(data, "state", list, source)),
            parameters=_positive(data, "parameters", source),
            config=_field(data, "config", dict, source),
            provenance=_field(data, "provenance", dict, source),
            licence=_field(data, "licence", str, source),
            card=_field(data, "card", dict, source),
            integers=data.get("integers") is True,
        )
        info._check(source)
        return info

    def to_metadata(self) -> dict[str, str]:
        """Return the properties to write into an ONNX file; `from_metadata` reads them back."""
        return {FORMAT_KEY: FORMAT_VERSION, INFO_KEY: json.dumps(asdict(self))}

    def check_graph(self, inputs: Mapping[str, list[Any]], outputs: Mapping[str, list[Any]], source: str) -> None:
        """Compare the shapes of the graph's inputs and outputs, by name, with the metadata.

        A dimension is a number, or anything else if it is open. ModelError names the first fault.
        """
        spectra = [None, self.framing.bins, self.channels, 2]
        wanted_inputs: dict[str, list[int | None]] = {"frames": [1, *spectra]}
        wanted_outputs: dict[str, list[int | None]] = {"stems": [1, len(self.stems), *spectra]}
        for state in self.state:
            wanted_inputs[state.name] = wanted_outputs[f"new_{state.name}"] = list(state.shape)
        for kind, found, wanted in (("input", inputs, wanted_inputs), ("output", outputs, wanted_outputs)):
            if set(found) != set(wanted):
                raise ModelError(f"{source}: {kind}s are {sorted(found)}, not {sorted(wanted)}")
            for name, shape in wanted.items():
                # An exporter may not know the output shapes; the session checks them by running the model.
                if not _fits(found[name], shape, may_be_open=kind == "output"):
                    expected = ["T" if length is None else length for length in shape]
                    raise ModelError(f"{source}: {kind} '{name}' is {found[name]}, not float32 {expected}")

    def _check(self, source: str) -> None:
        try:
            _ = self.framing
        except ValueError as error:
            raise ModelError(f"{source}: impossible framing: {error}") from error
        if self.preset == "offline":
            raise ModelError(f"{source}: an offline model looks ahead and cannot stream: take another preset")
        if self.channels != MODEL_CHANNELS:
            raise ModelError(f"{source}: a model must have {MODEL_CHANNELS} channels, not {self.channels}")
        for what, names in (("stems", self.stems), ("state", [state.name for state in self.state])):
            if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names):
                raise ModelError(f"{source}: '{what}' must be different names, not {list(names)}")
        if not self.stems or "rest" in self.stems:
            raise ModelError(f"{source}: 'stems' must name at least one stem and none 'rest'")
        missing = [key for key in CARD_KEYS if key not in self.card]
        if missing:
            raise ModelError(f"{source}: the model card has no {', '.join(missing)}")


def _field(data: dict[str, Any], key: str, kind: type[T], source: str) -> T:
    if key not in data:
        raise ModelError(f"{source}: the metadata has no '{key}'")
    value = data[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ModelError(f"{source}: '{key}' in the metadata is not of type {kind.__name__}: {value!r}")
    return value


def _positive(data: dict[str, Any], key: str, source: str) -> int:
    value = _field(data, key, int, source)
    if value < 1:
        raise ModelError(f"{source}: '{key}' in the metadata must be positive, not {value}")
    return value


def _state(entry: object, source: str) -> StateSpec:
    if not isinstance(entry, dict):
        raise ModelError(f"{source}: an entry of 'state' is no object: {entry!r}")
    shape = _field(entry, "shape", list, source)
    if not all(isinstance(length, int) and length > 0 for length in shape):
        raise ModelError(f"{source}: a state's shape must be positive integers, not {shape}")
    return StateSpec(_field(entry, "name", str, source), tuple(shape))


def _shapes(values: list[Any]) -> dict[str, list[Any]]:
    """Return shapes by name of a graph's inputs or outputs; for types other than float32, the type instead."""
    return {value.name: value.shape if value.type == "tensor(float)" else [value.type] for value in values}


def _fits(found: list[Any], wanted: list[int | None], may_be_open: bool) -> bool:
    """Whether a shape is the wanted one; None in `wanted` requires an open dimension, which is not a number."""
    return len(found) == len(wanted) and all(
        have == want if isinstance(have, int) else want is None or may_be_open
        for have, want in zip(found, wanted, strict=True)
    )
