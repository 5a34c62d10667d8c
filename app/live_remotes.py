"""The remote controls of a live run: OSC, MIDI and the page for a phone, as far as the options ask for them."""

import io
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stemlive.live_options import LiveOptions

if TYPE_CHECKING:
    from stemlive.realtime.control.conductor import Conductor
    from stemlive.realtime.control.controls import Controls
    from stemlive.realtime.control.midi import MidiControl
    from stemlive.realtime.control.remote import Remote
    from stemlive.realtime.engine.engine import LiveEngine


@dataclass(frozen=True)
class Remotes:
    """What listens; None for what was not asked for."""

    midi: "MidiControl | None" = None
    page: "Remote | None" = None


def open_remotes(
    stack: ExitStack,
    engine: "LiveEngine",
    options: LiveOptions,
    complain: Callable[[str], None],
    conductor: "Conductor | None" = None,
) -> Remotes:
    """Listen until the stack is closed; `complain` gets what goes wrong meanwhile. StemliveError as of each."""
    controls = engine.controls
    if options.osc is not None:
        from stemlive.realtime.control.osc import OscControl

        osc = OscControl(controls, *options.osc, complain=complain)
        stack.callback(osc.close)
    page = None
    if options.remote is not None:
        from stemlive.realtime.control.remote import Remote
        from stemlive.realtime.control.remote_desk import RemoteDesk

        settings = engine.settings
        title = Path(settings.source).stem if settings.song else None
        microphone = settings.has_microphone
        desk = RemoteDesk(controls, engine.snapshot, title=title, conductor=conductor, microphone=microphone)
        page = Remote(desk, *options.remote, complain=complain)
        stack.callback(page.close)
    return Remotes(_open_midi(stack, controls, options), page)


def invitation(page: "Remote", *, unicode: bool) -> str:
    """Return what to open on the phone, with a QR code where the terminal can show one."""
    if page.local:
        return f"remote: {page.url} code {page.code}, from this machine; --remote 0.0.0.0:{page.port} lets phones in"
    text = f"remote: on the phone, open {page.url} and enter {page.code}"
    try:
        import segno
    except ImportError:
        return text
    if not unicode:
        return text
    drawn = io.StringIO()
    segno.make(page.link, error="l").terminal(out=drawn, compact=True, border=2)
    return f"{text}\n{drawn.getvalue()}"


def _open_midi(stack: ExitStack, controls: "Controls", options: LiveOptions) -> "MidiControl | None":
    if options.midi is None:
        return None
    from stemlive.realtime.control.midi import MidiControl, MidiMap

    midi = MidiControl(controls, MidiMap(options.midi_map, controls.stems))
    midi.open(options.midi)
    stack.callback(midi.close)
    return midi
