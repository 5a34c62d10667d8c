"""What `stemlive separate` writes of a song: stems, and mixes of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from stemlive.errors import UsageError, did_you_mean
from stemlive.mix_options import Mix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Track(NamedTuple):
    """One output: its name in file names, and the gains of the stems, float32 [S]."""

    name: str
    gains: "NDArray[np.float32]"


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
