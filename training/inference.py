"""Whole songs through a torch model, without latency: by streaming, by segments with a cross-fade, by overlap-add."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from stemlive.errors import UsageError
from stemlive.model.bsrnn import BSRNN
from stemlive.model.framing import Framing

CHUNK_FRAMES = 256

Separate = Callable[[Tensor], Tensor]
"""Mixture `[C, n]` to stems `[S, C, n]`."""


@dataclass(frozen=True)
class Pieces:
    """How a song is cut into pieces that are separated one by one: lengths in seconds.

    Neighbours share `segment_s - hop_s`; there each piece rises and falls linearly over `fade_s`, and the weights are
    made to sum to one.
    """

    segment_s: float
    hop_s: float
    fade_s: float


SEGMENTS = Pieces(segment_s=10, hop_s=9, fade_s=1)
METHODS = ("stream", "segments", "overlap-add")


def overlap_add(hop_s: float = 1.0) -> Pieces:
    """Pieces of 3 s in short hops, each weighted by a triangle."""
    return Pieces(segment_s=3, hop_s=hop_s, fade_s=1.5)


def separator(model: BSRNN, framing: Framing, method: str | None = None, hop_s: float = 1.0) -> Separate:
    """Return the function that separates whole songs by one of METHODS, by default `stream` for causal models.

    `hop_s` is the hop of `overlap-add`. Raises UsageError for an unknown method, and for `stream` if not causal.
    """
    rate_hz = model.config.sample_rate_hz

    def whole(mixture: Tensor) -> Tensor:
        return separate_whole(model, framing, mixture)

    match method or default_method(model):
        case "stream":
            if not model.config.causal:
                raise UsageError(
                    'this model is not causal and cannot stream: take `method="segments"` or `method="overlap-add"`'
                )
            return whole
        case "segments":
            return lambda mixture: separate_pieces(whole, mixture, SEGMENTS, rate_hz)
        case "overlap-add":
            return lambda mixture: separate_pieces(whole, mixture, overlap_add(hop_s), rate_hz)
        case unknown:
            raise UsageError(f"unknown inference '{unknown}': choose one of {', '.join(METHODS)}")


def default_method(model: BSRNN) -> str:
    """`stream` for a causal model, `segments` for another."""
    return "stream" if model.config.causal else "segments"


def separate_whole(model: BSRNN, framing: Framing, mixture: Tensor) -> Tensor:
    """Stems `[S, C, n]` of a mixture `[C, n]` in one piece; a causal model goes through it in chunks of frames."""
    return separate_batch(model, framing, mixture.unsqueeze(0))[0]


@torch.no_grad()
def separate_batch(model: BSRNN, framing: Framing, mixtures: Tensor) -> Tensor:
    """The same of several mixtures `[B, C, n]` at once: stems `[B, S, C, n]`."""
    preset = framing.preset
    count = mixtures.shape[-1]
    late = model.config.lookahead_samples
    padded = functional.pad(mixtures, (0, late + preset.synthesis_samples + -count % preset.hop_samples))
    if model.config.causal:
        return torch.cat(list(_stream(model, framing, padded)), dim=-1)[..., late : late + count]
    frames = framing(padded)
    return framing.inverse(model(frames, model.initial_state(len(mixtures), mixtures.device))[0])[..., :count]


def _stream(model: BSRNN, framing: Framing, audio: Tensor) -> Iterator[Tensor]:
    """Complete samples `[B, S, C, m]` of the stems of `[B, C, n]`, chunk by chunk, so that memory does not grow."""
    hop = framing.preset.hop_samples
    before = framing.preset.analysis_samples // hop - 1  # frames whose audio reaches into a chunk's first frame
    unfinished = framing.preset.unfinished_hops
    state = model.initial_state(len(audio), audio.device)
    last: Tensor | None = None
    for first in range(0, audio.shape[-1] // hop, CHUNK_FRAMES):
        context = min(first, before)
        frames = framing(audio[..., (first - context) * hop : (first + CHUNK_FRAMES) * hop])[:, context:]
        stems, state = model(frames, state)
        joined = stems if last is None else torch.cat([last, stems], dim=2)
        last = joined[:, :, joined.shape[2] - unfinished :]
        yield framing.inverse(joined)[..., : (joined.shape[2] - unfinished) * hop]


@torch.no_grad()
def separate_pieces(separate: Separate, mixture: Tensor, pieces: Pieces, sample_rate_hz: int) -> Tensor:
    """Stems `[S, C, n]` of a mixture `[C, n]`, separated piece by piece; the last piece is filled up with silence."""
    length, hop, fade = (round(s * sample_rate_hz) for s in (pieces.segment_s, pieces.hop_s, pieces.fade_s))
    count = mixture.shape[-1]
    rise = (torch.arange(length) + 0.5) / fade
    weight = torch.minimum(rise, rise.flip(0)).clamp(max=1)
    starts = range(0, max(1, count - (length - hop)), hop)
    padded = functional.pad(mixture, (0, max(0, starts[-1] + length - count)))
    total: Tensor | None = None
    weights = torch.zeros(padded.shape[-1])
    for start in starts:
        part = slice(start, start + length)
        stems = separate(padded[:, part])
        if total is None:
            total = stems.new_zeros((*stems.shape[:-1], padded.shape[-1]))
        total[..., part] += stems * weight
        weights[part] += weight
    assert total is not None
    return (total / weights)[..., :count]
