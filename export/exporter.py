"""Export a checkpoint as an ONNX file that streams, written only if all three ways of running it agree."""

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from stemlive.errors import ModelError, UsageError
from stemlive.export.packed import pack_threes
from stemlive.export.quantise import compute_in_integers
from stemlive.export.recurrence import write_scans
from stemlive.export.stored import rounded, shorten_names, store
from stemlive.model.bsrnn import BSRNN, count_parameters, reconfigured
from stemlive.model.checkpoint import load_checkpoint
from stemlive.model.framing import PRESETS, Framing
from stemlive.model.onnx_weights import PREFIX
from stemlive.model.state import State
from stemlive.realtime.model_file.metadata import MODEL_CHANNELS, ModelInfo, StateSpec
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.offline import separate_blocks
from stemlive.realtime.separation.separator import Separator
from stemlive.whole_file import refuse_existing, whole_file

OPSET = 17  # the first with LayerNormalization
PARITY_LIMIT = 1e-4  # largest allowed difference of the audio between any two ways; full scale is 1
ROUNDING_LIMITS_DB = {5: -25.0, 8: -35.0, 16: -60.0}
"""Most that weights of so many bits may change the audio, relative to the stems; otherwise they are stored in more."""
INT8_LIMIT = 0.05
PARITY_S = 2.0


@dataclass(frozen=True)
class Parity:
    """Largest differences, on a test signal, of the audio from torch on the whole signal and of the state from zero.

    Torch runs with weights rounded as in the file. `rounding_db` is the change by rounding, in dB relative to the
    stems, None if that was not tried; `bits` is the size of a large weight in the file.
    """

    frame_by_frame: float
    onnx: float
    state_change: float
    rounding_db: float | None = None
    bits: int = 32


class _Graph(nn.Module):
    """The model, as `model` (see PREFIX), with its state as separate tensors."""

    def __init__(self, model: BSRNN) -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        stems, new = self.model(frames, State.unflatten(self.model.state_specs, state))
        return (stems, *new.flatten())


def export_onnx(
    checkpoint: Path,
    output: Path,
    *,
    scores: dict[str, Any] | None = None,
    speed: dict[str, Any] | None = None,
    card: dict[str, Any] | None = None,
    framing: str | None = None,
    turns: int | None = None,
    bits: int = 16,
    int8: bool = False,
    force: bool = False,
) -> Parity:
    """Write `checkpoint` to `output` as ONNX with all metadata, and verify that it gives the same audio.

    The card comes from the recipe of the checkpoint's training, or from `card`, plus `scores` and `speed`. Large
    weights are stored in `bits`, 5, 8, 16 or 32, or in more where that changes the audio by more than
    ROUNDING_LIMITS_DB. With `int8` and 8 bits or 5 products are computed in 8, too, and the audio may differ by
    INT8_LIMIT; 5 take less than 8 only then.
    `framing` names another framing preset (see `in_framing`), which also becomes the card's name. `turns` is another
    `phase_turns` (see ModelConfig).

    ModelError when torch on the whole signal, torch frame by frame and ONNX Runtime frame by frame differ. UsageError
    when the model is not causal, the framing does not fit, or the file exists without `force`. `output` is written only
    if everything succeeds.
    """
    model, provenance = load_checkpoint(checkpoint)
    if not model.config.causal:
        raise UsageError(f"{checkpoint} is not causal, so it cannot stream: train one with causal = true")
    refuse_existing(output, force)
    if card is not None:
        provenance = provenance | {"recipe": provenance.get("recipe", {}) | {"card": card}}
    if turns is not None:
        model = reconfigured(model, phase_turns=turns)
    if framing is not None:
        model = in_framing(model, framing)
    info = describe(model, provenance, scores or {}, speed or {})
    if framing is not None:
        info.card["name"] = framing
    rounding_db = None
    stored = 32
    for fewer, limit_db in ROUNDING_LIMITS_DB.items():
        if fewer < bits:
            continue
        smaller = rounded(model, fewer)
        rounding_db = _difference_db(smaller, model)
        if rounding_db < limit_db:
            model, stored = smaller, fewer
            break
    info = replace(info, integers=int8 and stored <= 8)
    try:
        with whole_file(output) as part:
            write_graph(model, part, info, bits=stored)
            parity = check_parity(model, part, INT8_LIMIT if info.integers else PARITY_LIMIT)
    except OSError as error:
        raise ModelError(f"cannot write {output}: {error.strerror or error}") from error
    return replace(parity, rounding_db=rounding_db, bits=stored)


def in_framing(model: BSRNN, preset: str) -> BSRNN:
    """Return the model with the same weights in another framing: frames are processed alike, at another hop.

    UsageError for a preset that does not stream or has an analysis window of another length, and so other bins.
    """
    samples = model.config.framing.analysis_samples
    alike = [name for name, each in PRESETS.items() if each.streaming and each.analysis_samples == samples]
    if preset not in alike:
        raise UsageError(f"framing '{preset}' does not fit these weights: choose one of {', '.join(alike)}")
    return reconfigured(model, preset=preset)


def describe(model: BSRNN, provenance: dict[str, Any], scores: dict[str, Any], speed: dict[str, Any]) -> ModelInfo:
    """Return the metadata of a model. Its card is the recipe's [card] table, the hours, `scores` and `speed`."""
    config, framing = model.config, model.config.framing
    card = dict(provenance.get("recipe", {}).get("card", {}))
    progress = provenance.get("progress", {})
    return ModelInfo(
        sample_rate_hz=config.sample_rate_hz,
        preset=config.preset,
        analysis_samples=framing.analysis_samples,
        synthesis_samples=framing.synthesis_samples,
        hop_samples=framing.hop_samples,
        channels=MODEL_CHANNELS,
        stems=config.stems,
        state=tuple(StateSpec(spec.name, spec.shape) for spec in model.state_specs),
        parameters=count_parameters(model),
        config=config.to_dict(),
        provenance=provenance,
        licence=card.pop("licence", "not stated"),
        card={
            "name": card.pop("name", config.preset),
            "description": card.pop("description", ""),
            "terms": card.pop("terms", ""),
            "training_data": card.pop("training_data", []),
            "hours": {
                "trained": _hours(progress, "wall_s"),
                "audio_heard": _hours(progress, "audio_s"),
            },
            "scores": scores,
            "speed": speed,
        },
    )


def _hours(progress: dict[str, Any], what: str) -> float:
    """Return the hours of a run, including those of the weights it started from."""
    return round(float(progress.get(what, 0.0) + progress.get(f"before_{what}", 0.0)) / 3600, 2)


def write_graph(model: BSRNN, path: Path, info: ModelInfo, *, bits: int = 32) -> None:
    """Trace the model with a dynamic number of frames, and write it with the metadata.

    Every weight keeps its name in the state dict, after PREFIX, so that `load_checkpoint` finds it. Large weights are
    stored in `bits`.
    """
    state = model.initial_state(1).flatten()
    names = [spec.name for spec in model.state_specs]
    frames = torch.randn(1, 3, model.config.num_bins, MODEL_CHANNELS, 2)
    traced = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter that torch prefers (2.13) fixes the number of frames inside the LSTM. This one does not, but
        # warns of deprecation and of every size that it takes for a constant; check_parity verifies the result.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Graph(model),
            (frames, *state),
            traced,  # type: ignore[arg-type] # the older exporter writes to it, too
            input_names=["frames", *names],
            output_names=["stems", *(f"new_{name}" for name in names)],
            dynamic_axes={"frames": {1: "T"}, "stems": {2: "T"}},
            opset_version=OPSET,
            custom_opsets={"stemlive": 1},
            do_constant_folding=False,
            dynamo=False,
        )
    graph = onnx.load_from_string(traced.getvalue())
    write_scans(graph)
    _add_missing(graph.graph, model)
    if bits < 32:
        store(graph.graph, bits)
    if info.integers:
        compute_in_integers(graph.graph, bits)
        if bits == 5:
            pack_threes(graph.graph)
    shorten_names(graph.graph)
    for key, text in info.to_metadata().items():
        graph.metadata_props.add(key=key, value=text)
    onnx.checker.check_model(graph)
    onnx.save(graph, str(path))


def _add_missing(graph: onnx.GraphProto, model: BSRNN) -> None:
    """Give every weight an initialiser: the tracer writes one for equal weights, and Identity nodes for the others."""
    weights = {PREFIX + name: values.numpy() for name, values in model.state_dict().items()}
    nodes = [node for node in graph.node if node.output[0] not in weights]
    del graph.node[:]
    graph.node.extend(nodes)
    there = {tensor.name for tensor in graph.initializer}
    graph.initializer.extend(numpy_helper.from_array(weights[name], name) for name in weights if name not in there)


def check_parity(model: BSRNN, path: Path, limit: float = PARITY_LIMIT) -> Parity:
    """Run a test signal in three ways. ModelError when they differ by more than `limit`, or the state stays zero."""
    framing = Framing(model.config.framing)
    mixture = _test_signal(model.config.sample_rate_hz, model.config.framing.hop_samples)
    count = mixture.shape[-1]
    whole = _stems(model, mixture)
    with torch.no_grad():
        frames = framing(_padded(model, mixture))
        state = model.initial_state(1)
        parts = []
        for frame in frames.split(1, dim=1):
            stems, state = model(frame, state)
            parts.append(stems)
        single = framing.inverse(torch.cat(parts, dim=2))[0, ..., model.config.lookahead_samples :][..., :count]
    session = Session(path)
    separator = Separator(session, max_frames=1)
    largest = dict.fromkeys(session.state, 0.0)  # of what is remembered while the signal plays: silence comes behind it

    def blocks() -> Iterator[NDArray[np.float32]]:
        for block in mixture.T.split(model.config.framing.hop_samples):
            yield block.numpy()
            for name, values in session.state.items():
                largest[name] = max(largest[name], float(np.abs(values).max()))

    streamed = np.concatenate(list(separate_blocks(separator, blocks())), axis=1)[: len(model.config.stems)]
    parity = Parity(
        frame_by_frame=float((whole - single).abs().max()),
        onnx=float(np.abs(whole.numpy().transpose(0, 2, 1) - streamed).max()),
        state_change=min(largest.values()),
    )
    worst = max(parity.frame_by_frame, parity.onnx)
    if not worst <= limit:
        raise ModelError(f"the exported model is {worst:.2e} off, more than {limit:.0e}: it was not written")
    if parity.state_change == 0:
        raise ModelError("the exported model does not carry its state on: it was not written")
    return parity


def _padded(model: BSRNN, mixture: Tensor) -> Tensor:
    return functional.pad(
        mixture, (0, model.config.lookahead_samples + model.config.framing.synthesis_samples)
    ).unsqueeze(0)


def _stems(model: BSRNN, mixture: Tensor) -> Tensor:
    """Stems `[S, 2, n]` of a mixture `[2, n]`, all frames at once."""
    framing = Framing(model.config.framing)
    with torch.no_grad():
        stems, _ = model(framing(_padded(model, mixture)), model.initial_state(1))
        return framing.inverse(stems)[0, ..., model.config.lookahead_samples :][..., : mixture.shape[-1]]


def _difference_db(model: BSRNN, other: BSRNN) -> float:
    """Energy of the difference between the stems of two models on the test signal, against those of the second."""
    signal = _test_signal(other.config.sample_rate_hz, other.config.framing.hop_samples)
    stems, wanted = _stems(model, signal), _stems(other, signal)
    return float(10 * torch.log10((stems - wanted).square().sum() / wanted.square().sum()))


def _test_signal(sample_rate_hz: int, hop_samples: int) -> Tensor:
    """Return noise with a tone and clicks, `[2, n]`, a whole number of hops long."""
    count = int(PARITY_S * sample_rate_hz) // hop_samples * hop_samples
    generator = torch.Generator().manual_seed(1)
    signal = 0.1 * torch.randn(2, count, generator=generator)
    signal += 0.3 * torch.sin(torch.arange(count) * (2 * torch.pi * 220 / sample_rate_hz))
    signal[:, :: sample_rate_hz // 4] += 0.5
    return signal
