"""Source activity detection: the passages of a recording in which its source sounds.

As the open replication of BSRNN prepares MUSDB18 (arXiv 2209.15174, section III-D; arXiv 2603.09187): windows of 6 s,
half overlapping, of 10 chunks each. A chunk is active when its RMS is above the 15 % quantile of its window's chunks
and above 1e-3; a window is kept when more than half of its chunks are active, in each channel.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from stemlive.training.recordings import Numbers, Recording, write_whole

Passages = npt.NDArray[np.int64]
"""First sample and end `[passages, 2]` of what is kept, in order, apart from each other."""


@dataclass(frozen=True)
class ActivityConfig:
    """The detector's numbers: lengths in seconds, the threshold as RMS (1 = full scale)."""

    window_s: float = 6.0
    hop_s: float = 3.0
    chunks: int = 10
    quantile: float = 0.15
    least_rms: float = 1e-3
    active_share: float = 0.5


DEFAULT = ActivityConfig()


def active_passages(recording: Recording, sample_rate_hz: int, config: ActivityConfig = DEFAULT) -> Passages:
    """Return the active passages of a recording, from the file beside its decoded audio, or detected and saved there.

    The file names the configuration of its detector; with another one, the passages are detected again.
    """
    file = recording.cache_file.with_suffix(".sad")
    made_by = {**asdict(config), "sample_rate_hz": sample_rate_hz}
    with suppress(OSError, ValueError, KeyError, TypeError):  # not there yet, or damaged
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["made_by"] == made_by:
            return np.array(kept["passages"], np.int64).reshape(-1, 2)
    passages = detect(recording.numbers(), recording.step, sample_rate_hz, config)
    write_whole(file, json.dumps({"made_by": made_by, "passages": passages.tolist()}))
    return passages


def detect(samples: Numbers, step: float, sample_rate_hz: int, config: ActivityConfig = DEFAULT) -> Passages:
    """The active passages of audio `[n, C]` in numbers of `step`: windows that are kept, joined where they touch.

    Windows begin at whole multiples of the hop; an incomplete one at the end is left out. Audio shorter than a window
    is one window.
    """
    window = min(round(config.window_s * sample_rate_hz), len(samples))
    hop = round(config.hop_s * sample_rate_hz)
    passages: list[list[int]] = []
    for start in range(0, len(samples) - window + 1, hop):
        if not _is_active(samples[start : start + window], step, config):
            continue
        if passages and start <= passages[-1][1]:
            passages[-1][1] = start + window
        else:
            passages.append([start, start + window])
    return np.array(passages, np.int64).reshape(-1, 2)


def _is_active(window: Numbers, step: float, config: ActivityConfig) -> bool:
    size = -(-len(window) // config.chunks)  # the last chunk may be shorter
    chunks = [window[start : start + size].astype(np.float32) for start in range(0, len(window), size)]
    rms = np.stack([np.sqrt(np.mean(np.square(chunk), axis=0)) for chunk in chunks]) * step  # [chunks, C]
    threshold = np.maximum(np.quantile(rms, config.quantile, axis=0), config.least_rms)
    return bool(((rms > threshold).mean(0) > config.active_share).all())


def draw_start(passages: Passages, count: int, rng: np.random.Generator) -> int:
    """Draw a first sample, uniformly, such that `count` samples lie within one passage.

    If no passage is that long, it is the beginning of one of them. There must be at least one passage.
    """
    room = np.maximum(passages[:, 1] - passages[:, 0] - count + 1, 0)
    if not room.any():
        return int(passages[rng.integers(len(passages)), 0])
    place = int(rng.integers(room.sum()))
    index = int(np.searchsorted(np.cumsum(room), place, side="right"))
    return int(passages[index, 0] + place - (np.cumsum(room)[index] - room[index]))
