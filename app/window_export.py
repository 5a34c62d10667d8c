"""Write the files of an export order: the main function of the window's export process.

It prints a line of JSON for each step: `done` of `total` samples, or a `note` for the user.
"""

import json
import sys
from typing import TYPE_CHECKING

from stemlive.errors import StemliveError, UsageError
from stemlive.separators import Separators
from stemlive.song_job import SongJob
from stemlive.song_list import Song
from stemlive.terminal.stopping import Stopped, StopRequest
from stemlive.tracks import Track

if TYPE_CHECKING:
    from stemlive.gui.export_order import Order, Output


def main(order: "Order") -> int:
    """Do what the order says; return the exit code."""
    separators = Separators(order.model, 1, checkpoint=None, method=None, hop_s=1.0)
    first, last = order.part or (0.0, None)
    job = SongJob(first, None if last is None else last - first, bits=order.bits, fades_s=order.fades_s)
    tracks = [_track(output, separators.stems) for output in order.outputs]
    outputs = list(zip(tracks, order.paths, strict=True))
    with StopRequest() as stop:
        try:
            notes = job.run(
                Song(order.song), outputs, separators, stop, lambda done, total: _say(done=done, total=total)
            )
        except Stopped:
            return stop.exit_code
    for note in notes:
        _say(note=note)
    return 0


def run() -> None:
    """Take the order from the command line, and end with an error in one line if it cannot be done."""
    from stemlive.gui.export_order import Order
    from stemlive.realtime.shared.priority import lower_priority

    lower_priority()  # what plays comes first
    try:
        code = main(Order.from_text(sys.argv[1]))
    except StemliveError as error:
        sys.exit(f"stemlive: error: {' '.join(str(error).split())}")
    sys.exit(code)


def _track(output: "Output", stems: tuple[str, ...]) -> Track:
    import numpy as np

    gains = {stem: (left, right) for stem, left, right in output.gains}
    if set(gains) != set(stems):
        raise UsageError(f"the model has the stems {', '.join(stems)}, not {', '.join(gains)}: open the song again")
    return Track(output.name, np.array([gains[stem] for stem in stems], np.float32), output.semitones)


def _say(**values: object) -> None:
    sys.stdout.write(f"{json.dumps(values)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run()
