"""The options of a live run that let something else steer it: OSC, MIDI, a phone."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from stemlive.grouped_help import GroupedOption

_option = partial(click.option, cls=GroupedOption)


def remote_options() -> tuple[Any, ...]:
    """Return the options, for `grouped`."""
    return (
        _option(
            "--osc",
            metavar="[HOST:]PORT",
            help="Listen for OSC, on the loopback address unless told otherwise: /stemlive/STEM/gain, mute "
            "and solo, /stemlive/preset, /stemlive/bypass, /microphone/gain; /stemlive/state answers with all.",
        ),
        _option(
            "--remote",
            metavar="[HOST:]PORT",
            help="Serve a page for a phone: faders, presets, key, song. On the loopback address unless told "
            "otherwise; 0.0.0.0:PORT is for the network. Asks for a code that is shown here.",
        ),
        _option(
            "--midi",
            metavar="PORT",
            help="Listen to this MIDI input, of ALSA or JACK on Linux; a unique part of its name will do.",
        ),
        _option(
            "--midi-map",
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            help="What its controls move, JSON.  [default: midi.json where programs keep their settings]",
        ),
        _option("--midi-learn", is_flag=True, help="Move a control, press the key of what it shall move: saved."),
    )
