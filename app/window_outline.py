"""Separate a song once for the outline of the window: its child process, which goes after everything else.

Arguments: the song, quoted; the number of bars; the model, quoted, or nothing for the default. The first line is a JSON
list of the stems; then each line is a list of bars, and a bar the peak of each stem, from 0 to 255.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from stemlive.errors import StemliveError
from stemlive.separators import Separators

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stemlive.realtime.audio_files.reader import AudioReader

_NICE = 15
_BARS_A_LINE = 32


def main(song: str, bars: int, model: str | None) -> None:
    """Write the peaks to standard output as they become known."""
    import numpy as np

    from stemlive.realtime.audio_files.reader import AudioReader
    from stemlive.realtime.separation.passes import Passes

    separators = Separators(model, 1, checkpoint=None, method=None, hop_s=1.0)
    _say(separators.stems)
    with AudioReader(song) as reader:
        reader.settle()
        edges = np.linspace(0, reader.frames, bars + 1).astype(int)
        with separators.open(reader.sample_rate_hz, reader.channels) as (separator, block_frames):
            assert isinstance(separator, Passes)
            found: list[list[int]] = []
            peaks, bar, done = np.zeros(len(separators.stems)), 0, 0
            for stems in separator.separate(_blocks(reader, block_frames)):
                levels = np.abs(stems).max(axis=2)  # [S, n]
                start, end = 0, levels.shape[1]
                while start < end and bar < bars:
                    stop = min(end, int(edges[bar + 1]) - done)
                    if stop > start:
                        peaks = np.maximum(peaks, levels[:, start:stop].max(axis=1))
                    if done + stop >= edges[bar + 1]:
                        found.append([round(255 * min(1.0, float(peak))) for peak in np.nan_to_num(peaks)])
                        peaks, bar = np.zeros(len(separators.stems)), bar + 1
                    start = max(start, stop)
                done += end
                if len(found) >= _BARS_A_LINE:
                    _say(found)
                    found = []
            _say(found)


def run() -> None:
    """Take the arguments from the command line; end with an error in one line."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    song, bars, *model = sys.argv[1:]
    try:
        main(_unquoted(song), int(bars), _unquoted(model[0]) if model else None)
    except StemliveError as error:
        sys.exit(f"stemlive: error: {error}")


def _blocks(reader: "AudioReader", frames: int) -> "Iterator[NDArray[np.float32]]":
    while len(block := reader.read(frames)):
        yield block


def _unquoted(text: str) -> str:
    return os.fsdecode(unquote_to_bytes(text))


def _say(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run()
