"""How the sound of other programs gets into this one, on each system: for `stemlive devices` and the window."""

import sys


def how_to_capture() -> str:
    """Return one line on how to capture what other programs play on this system."""
    if sys.platform == "win32":
        return (
            "Windows: enable `Stereo Mix` in the sound settings, or install VB-CABLE, play into `CABLE Input` and "
            "capture `CABLE Output`"
        )
    if sys.platform == "darwin":
        return "macOS: install BlackHole (`brew install blackhole-2ch`), play into it and capture `BlackHole 2ch`"
    return (
        "Linux: `stemlive stream --system --preset karaoke` on PulseAudio and PipeWire, or with `pw-jack stemlive ...` "
        "connect any program's ports (package pipewire-jack)"
    )
