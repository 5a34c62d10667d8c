"""What `stemlive separate` writes of a song: stems, and mixes of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from stemlive.errors import UsageError, did_you_mean
from stemlive.mix_options import Mix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Track(NamedTuple):
    """One output: its name in file names, the gains of the stems, float32 [S] or for each channel [S, 2], its key."""

    name: str
    gains: "NDArray[np.float32]"
    semitones: int = 0


class TrackSound:
    """Makes one output of the stems, block by block: gains, key, fades. `total` is its length in samples.

    `fades` are the lengths of the fade in and of the fade out, in samples. StemliveError as in `KeyOfFile`.
    """

    def __init__(
        self, track: Track, sample_rate_hz: int, channels: int, total: int, fades: tuple[int, int] = (0, 0)
    ) -> None:
        from stemlive.realtime.dsp.key_change import KeyOfFile

        sided = track.gains.ndim == 2 and channels == 2
        self._gains = track.gains if sided or track.gains.ndim == 1 else track.gains.max(axis=1)
        self._key = KeyOfFile(track.semitones, sample_rate_hz, channels) if track.semitones else None
        self._total, self._fades = total, fades
        self._done = 0

    def process(self, stems: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Take the next block of stems [S, n, C]; return what is complete of the output [m, C]."""
        import numpy as np

        mixed = np.tensordot(self._gains, stems, axes=1) if self._gains.ndim == 1 else _sided(self._gains, stems)
        return self._faded(mixed if self._key is None else self._key.process(mixed))

    def flush(self) -> "NDArray[np.float32]":
        """Return the rest [m, C]."""
        import numpy as np

        return np.zeros((0, 0), np.float32) if self._key is None else self._faded(self._key.flush())

    def _faded(self, block: "NDArray[np.float32]") -> "NDArray[np.float32]":
        import numpy as np

        place = self._done + np.arange(len(block))
        self._done += len(block)
        for length, left in ((self._fades[0], place + 0.5), (self._fades[1], self._total - place - 0.5)):
            if length and len(block) and left.min() < length:
                # The square of a sine: it begins and ends softly.
                block = block * np.sin(np.pi / 2 * np.clip(left / length, 0, 1)).astype(np.float32)[:, None] ** 2
        return block


def _sided(gains: "NDArray[np.float32]", stems: "NDArray[np.float32]") -> "NDArray[np.float32]":
    import numpy as np

    mixed: NDArray[np.float32] = np.einsum("sc,snc->nc", gains, stems)
    return mixed


def tracks(known: tuple[str, ...], stems: str | None, mixes: Sequence[Mix]) -> list[Track]:
    """Return the outputs: the stems named in `stems`, all without mixes, and the mixes. UsageError as in Mixer."""
    import numpy as np

    from stemlive.realtime.separation.mixer import Mixer

    wanted = known if not mixes else ()
    if stems is not None:
        wanted = tuple(dict.fromkeys(name.strip() for name in stems.split(",")))
    for name in wanted:
        if name not in known:
            raise UsageError(f"unknown stem '{name}': {did_you_mean(name, known)}known are {', '.join(known)}")
    one_hot = np.eye(len(known), dtype=np.float32)
    found = [Track(name, one_hot[known.index(name)]) for name in wanted]
    for mix in mixes:
        mixer = Mixer(known)
        mix.set_up(mixer)
        taken = {track.name for track in found}
        names = (mix.name if n == 1 else f"{mix.name}-{n}" for n in range(1, len(mixes) + 2))
        found.append(Track(next(free for free in names if free not in taken), mixer.gains()))
    return found
