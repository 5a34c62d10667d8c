"""`stemlive gui`: the window."""

from pathlib import Path

import click

from stemlive.display import no_window
from stemlive.errors import StemliveError, UsageError, check_exists
from stemlive.options import model_option


@click.command("gui")
@click.argument("songs", metavar="[SONGS...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("-i", "--input", "source", metavar="device:NAME", help="Begin with this input device, live.")
@click.option("-o", "--output", "target", metavar="device:NAME", help="Play through this output device.")
@model_option
def command(*, songs: tuple[Path, ...], source: str | None, target: str | None, model: str | None) -> None:
    """Open the window: play songs, or a device, and mix the stems by hand and eye.

    Several songs, folders and lists (.m3u) make a queue. Devices and the mix are those of the last time, unless they
    are named. F1 shows all keys.
    """
    for song in songs:
        check_exists(song)
    if reason := no_window():
        raise StemliveError(reason)
    if songs and source is not None:
        raise UsageError("name either SONGS or --input")
    from stemlive.gui.program import run

    raise click.exceptions.Exit(run(songs, model=model, source=_device(source), target=_device(target)))


def _device(end: str | None) -> str | None:
    """Return the name in `device:NAME`, or None. UsageError for anything else."""
    from stemlive.realtime.shared.settings import device_of

    if end is None:
        return None
    name = device_of(end)
    if name is None:
        raise UsageError(f"'{end}' is no device: write device:NAME (see `stemlive devices`)")
    return name
