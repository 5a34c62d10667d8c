"""Separate a whole song in one call: a file, or samples that are in memory."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import UsageError
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.model_file.bundled import model_for
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.passes import SPEEDS, Passes

_HOPS_PER_CALL = 64
_BLOCK_SAMPLES = 1 << 16


class Stems(dict[str, NDArray[np.float32]]):
    """Stem name to its samples, float32 [n, C], in the model's order; they line up with the song and add up to it.

    At another rate than the model's, they add up to what the song has below 20 kHz.
    """

    def __init__(self, stems: dict[str, NDArray[np.float32]], sample_rate_hz: int, notes: tuple[str, ...]) -> None:
        super().__init__(stems)
        self.sample_rate_hz = sample_rate_hz
        self.notes = notes
        """Remarks for the user: a file that ends early, samples that were NaN. Empty if there are none."""


class HasCounts(Protocol):
    """Anything that counts faults of audio and model as `Separator` does."""

    @property
    def bad_samples(self) -> int:
        """Input samples that were NaN, infinite or far too loud."""
        ...

    @property
    def bad_frames(self) -> int:
        """Frames that passed through unseparated."""
        ...


def separate(
    song: str | Path | NDArray[Any],
    *,
    sample_rate_hz: int | None = None,
    model: str | Path | None = None,
    threads: int = 1,
    passes: int = 1,
) -> Stems:
    """Separate a song: an audio file, or samples float [n, C] with 1 or 2 channels and their `sample_rate_hz`.

    Files with more channels are mixed down to stereo, which the notes say.

    `model` is the name of a bundled model, a file, or None for the default of songs, `quality`; `threads` is what it
    may take. With `passes`, 2 to 4, the song is separated so many times, at speeds a little apart, and the mean is
    taken: fewer errors. The whole song is held in memory, once for each stem: a longer one is for `Separator`, block by
    block.

    AudioFileError when the file cannot be read, ModelError when the model cannot be used; UsageError for samples
    of other shapes, a rate outside 4 to 384 kHz, samples without a rate, and other numbers of passes.
    """
    if passes not in range(1, len(SPEEDS) + 1):
        raise UsageError(f"passes must be 1 to {len(SPEEDS)}, not {passes}")
    if isinstance(song, (str, Path)):
        if sample_rate_hz is not None:
            raise UsageError("a file knows its sample rate: give sample_rate_hz with samples only")
        with AudioReader(song) as reader:
            separator = _separator(model, reader.sample_rate_hz, reader.channels, threads, passes)
            stems = _separated(separator, _blocks(reader))
            notes = [reader.note] if reader.note else []
    else:
        if sample_rate_hz is None or song.ndim != 2:
            raise UsageError(f"samples must be [n, C] with their sample_rate_hz, not {list(song.shape)}")
        separator = _separator(model, sample_rate_hz, song.shape[1], threads, passes)
        stems = _separated(separator, [song])
        notes = []
    names = dict(zip(separator.stems, stems, strict=True))
    return Stems(names, separator.sample_rate_hz, (*notes, *faults(separator)))


def faults(counts: HasCounts) -> list[str]:
    """Return a sentence for each kind of fault that has occurred; empty if there was none."""
    found = []
    if counts.bad_samples:
        found.append(f"{counts.bad_samples} input samples were NaN, infinite or far too loud: replaced")
    if counts.bad_frames:
        found.append(f"the model failed on {counts.bad_frames} frames, which were passed on unseparated")
    return found


def _separator(model: str | Path | None, sample_rate_hz: int, channels: int, threads: int, passes: int) -> Passes:
    path = model_for(model, song=True)
    sessions = [Session(path, threads=threads, frame_by_frame=False) for _ in range(passes)]
    return Passes(sessions, sample_rate_hz=sample_rate_hz, channels=channels, max_frames=_HOPS_PER_CALL)


def _separated(separator: Passes, blocks: Iterable[NDArray[Any]]) -> NDArray[np.float32]:
    nothing = np.zeros((len(separator.stems), 0, separator.channels), np.float32)
    return np.concatenate([nothing, *separator.separate(blocks)], axis=1)


def _blocks(reader: AudioReader) -> Iterator[NDArray[np.float32]]:
    while len(block := reader.read(_BLOCK_SAMPLES)):
        yield block
