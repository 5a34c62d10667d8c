"""`stemlive demo`: write a short synthetic song to try the program with."""

import os
from pathlib import Path

import click

from stemlive.options import output_options


@click.command("demo")
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=Path("demo.wav"),
    show_default=True,
    help="A .wav, .flac or .ogg file.",
)
@output_options
def command(path: Path, force: bool, quiet: bool) -> None:
    """Make a synthetic demo song.

    Drums, bass and chords, and a sung melody on top: 28 seconds.
    """
    from stemlive.demo_song import RATE_HZ, song
    from stemlive.realtime.audio_files.files import AudioWriter, check_output

    check_output(path, force=force)
    with AudioWriter(path, RATE_HZ, 2, force=force) as writer:
        writer.write(song())
    if not quiet:
        click.echo(os.fsencode(path))
