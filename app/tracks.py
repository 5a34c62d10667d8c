"""What `stemlive separate` writes of a song: stems, and mixes of them."""

from typing import TYPE_CHECKING, NamedTuple

from stemlive.errors import UsageError
from stemlive.options import split_gain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Track(NamedTuple):
    """One output: its name in file names, and the gains of the stems, float32 [S]."""

    name: str
    gains: "NDArray[np.float32]"


def tracks(known: tuple[str, ...], stems: str | None, mixes: tuple[str, ...]) -> list[Track]:
    """Return the outputs: the stems named in `stems`, all without mixes, and the mixes. UsageError as in Mixer."""
    import numpy as np

    wanted = known if not mixes else ()
    if stems is not None:
        wanted = tuple(dict.fromkeys(name.strip() for name in stems.split(",")))
    for name in wanted:
        if name not in known:
            raise UsageError(f"unknown stem '{name}': known are {', '.join(known)}")
    one_hot = np.eye(len(known), dtype=np.float32)
    found = [Track(name, one_hot[known.index(name)]) for name in wanted]
    for text in mixes:
        name, gains = _mix(known, text)
        taken = {track.name for track in found}
        names = (name if n == 1 else f"{name}-{n}" for n in range(1, len(mixes) + 2))
        found.append(Track(next(free for free in names if free not in taken), gains))
    return found


def _mix(known: tuple[str, ...], text: str) -> tuple[str, "NDArray[np.float32]"]:
    """Parse `karaoke`, or `vocals=-inf,drums=-6`, or a preset followed by gains, to a file name and gains [S]."""
    from stemlive.realtime.separation.mixer import Mixer

    mixer = Mixer(known)
    first, *rest = (part.strip() for part in text.split(","))
    if "=" not in first:
        mixer.apply_preset(first)
    for part in rest if "=" not in first else [first, *rest]:
        stem, gain_db = split_gain(part)
        mixer.set_gain_db(stem, gain_db)
        mixer.mute(stem, False)
    return "mix" if "=" in text else first, mixer.gains()
