"""`stemlive devices`: list the audio devices."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from stemlive.capture_help import how_to_capture

if TYPE_CHECKING:
    from stemlive.realtime.devices.catalogue import AudioDevice


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List audio devices: inputs, outputs, rates, latencies, and which of them hear what the system plays.

    The last line says how that is captured on this system: monitors of PulseAudio and PipeWire, ports of JACK,
    BlackHole on macOS, Stereo Mix or VB-CABLE on Windows.

    Names, unique parts of names, numbers and `default` are what `stemlive stream --input device:NAME` takes.
    """
    from stemlive.realtime.devices.catalogue import list_devices

    devices = list_devices()
    if as_json:
        click.echo(json.dumps([asdict(device) for device in devices], indent=2))
        return
    if not devices:
        click.echo("PortAudio finds no audio device: connect one, or start the sound server")
    for host in dict.fromkeys(device.host_interface for device in devices):
        click.echo(host)
        for device in devices:
            if device.host_interface == host:
                click.echo(_line(device))
    click.echo(f"\nTo separate what other programs play:\n{how_to_capture()}")


def _line(device: "AudioDevice") -> str:
    marks = [
        mark
        for mark, true in (
            ("default input", device.default_input),
            ("default output", device.default_output),
            ("hears what the system plays", device.captures_system_sound),
        )
        if true
    ]
    latencies = [
        f"{direction} {low:.0f} to {high:.0f} ms"
        for direction, channels, (low, high) in (
            ("in", device.inputs, device.input_latency_ms),
            ("out", device.outputs, device.output_latency_ms),
        )
        if channels
    ]
    facts = f"{device.inputs} in, {device.outputs} out, {device.sample_rate_hz} Hz, {', '.join(latencies)}"
    return f"  {device.index:2} {device.name}: {facts}" + (f" ({', '.join(marks)})" if marks else "")
