"""Names of our JACK ports, after what comes out there: PortAudio numbers them, and has no call to name them."""

import re
from contextlib import suppress
from typing import Any

from stemlive.errors import DeviceError
from stemlive.realtime.devices.catalogue import CALLS, jack_client
from stemlive.realtime.shared.outputs import Outputs

_SIDES = ("left", "right")


def port_names(outputs: Outputs) -> list[str]:
    """Return a name for each output: `vocals_left`, or `mix_left+drums_left` where several meet."""
    ends = [*outputs.routes, ("mix", outputs.of_mix), ("cue", outputs.cue)]
    met: list[list[str]] = [[] for _ in range(outputs.highest)]
    for name, channels in ends:
        for number, channel in enumerate(channels):
            met[channel - 1].append(f"{name}_{_SIDES[number]}" if len(channels) == 2 else name)
    return ["+".join(names) or f"unused_{number}" for number, names in enumerate(met, 1)]


def name_ports(outputs: Outputs) -> None:
    """Name the output ports of the stream that was just opened. Where that cannot be done, they keep their numbers."""
    with suppress(DeviceError):
        CALLS.call(lambda: _rename(port_names(outputs)))


def _rename(names: list[str]) -> None:
    try:
        import jack
    except (ImportError, OSError):  # the package, or the system's library
        return
    with suppress(jack.JackError), jack.Client("stemlive-names", no_start_server=True) as client:
        ours = client.get_ports(f"^{re.escape(jack_client())}:out_", is_audio=True, is_output=True)
        for port, name in zip(sorted(ours, key=_number), names, strict=False):
            try:
                port.shortname = name
            except jack.JackError:  # PipeWire lets nobody rename the ports of others, but label them
                client.set_property(port, jack.METADATA_PRETTY_NAME, name, "text/plain")


def _number(port: Any) -> int:
    return int(port.shortname.removeprefix("out_"))
