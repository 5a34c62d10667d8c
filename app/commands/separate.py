"""`stemlive separate`: separate a song into one file per stem."""

import json
import os
from contextlib import suppress
from pathlib import Path

import click

from stemlive.mix_options import Mix, mix_options, read_mix
from stemlive.options import (
    Time,
    inference_options,
    model_option,
    output_options,
    tell_terms,
    threads_option,
    warn,
)
from stemlive.separators import Separators
from stemlive.song_job import SongJob
from stemlive.terminal.bars import Bars
from stemlive.terminal.stopping import Stopped, StopRequest
from stemlive.tracks import tracks


@click.command("separate")
@click.argument("song", metavar="SONG", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("separated"),
    show_default=True,
    help="Where the folder with the song's name is made.",
)
@click.option("--stems", metavar="NAME,NAME", help="Write these stems.  [default: all; none with a mix]")
@click.option(
    "--mix",
    "mixes",
    metavar="MIX",
    multiple=True,
    help="Write a mix: a preset, or gains in dB such as vocals=-inf,drums=-6. May be repeated, for several mixes.",
)
@mix_options
@click.option(
    "--format",
    "extension",
    type=click.Choice(["wav", "flac", "ogg"]),
    default="wav",
    show_default=True,
    help="32-bit float WAV, 24-bit FLAC or Ogg Vorbis.",
)
@click.option("--offset", metavar="TIME", type=Time(), default=0.0, help="Start here: seconds, or 1:30.")
@click.option("--duration", metavar="TIME", type=Time(), help="Take so much: seconds, or 1:30.")
@model_option
@click.option(
    "--checkpoint",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Take weights that `train` wrote instead of an exported model: for those that cannot stream.",
)
@inference_options
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print progress and paths as one JSON object a line.")
@output_options
def command(
    *,
    song: Path,
    folder: Path,
    stems: str | None,
    mixes: tuple[str, ...],
    mix: Mix,
    extension: str,
    offset: float,
    duration: float | None,
    model: str | None,
    checkpoint: Path | None,
    method: str | None,
    hop_s: float,
    threads: int,
    as_json: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Separate a song into one file per stem.

    Writes DIR/<song>/vocals.wav, drums.wav, bass.wav and other.wav. With --preset, --gain, --mute or --solo, or with
    --mix, only mixes are written, unless --stems asks for stems too: karaoke.wav for a preset, mix.wav (then mix-2.wav
    and so on) for anything else.

    The files have the song's sample rate, channels (two, if it has more) and length and line up with it to the
    sample, or with the part that --offset and --duration choose. Their paths go to standard output.
    """
    separators = Separators(model, threads, checkpoint=checkpoint, method=method, hop_s=hop_s)
    tell_terms(separators.terms)
    chosen = [*([mix] if mix.given else []), *map(read_mix, mixes)]
    job = SongJob(tracks(separators.stems, stems, chosen), offset, duration, force)
    paths = [folder / song.stem / f"{track.name}.{extension}" for track in job.tracks]
    notes: list[str] | None = None
    with StopRequest() as stop, Bars(quiet=quiet or as_json) as bars, bars.song(song.name) as bar:

        def advance(done: int, total: int) -> None:
            bar.show(done, total)
            if as_json:
                click.echo(json.dumps({"done": done, "total": total}))

        with suppress(Stopped):
            notes = job.run(song, paths, separators, stop, advance)
    if notes is None:
        click.echo("stemlive: interrupted, nothing was written", err=True)
        raise click.exceptions.Exit(stop.exit_code)
    for note in notes:
        warn(note)
    for path in paths:
        if as_json:
            click.echo(json.dumps({"written": str(path)}))
        elif not quiet:
            click.echo(os.fsencode(path))
