"""`stemlive separate`: separate songs into one file per stem."""

from pathlib import Path

import click

from stemlive.batch import Batch, Report
from stemlive.errors import UsageError
from stemlive.mix_options import Mix, mix_options, read_mix
from stemlive.options import (
    Time,
    inference_options,
    model_option,
    output_options,
    passes_option,
    tell_terms,
    threads_option,
)
from stemlive.output_names import DEFAULT
from stemlive.separators import Separators
from stemlive.song_job import SongJob
from stemlive.song_list import is_many
from stemlive.targets import read_target
from stemlive.terminal.bars import Bars
from stemlive.terminal.stopping import StopRequest
from stemlive.tracks import tracks


@click.command("separate")
@click.argument("names", metavar="SONG...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="DIR|FILE",
    type=click.Path(path_type=Path),
    default=Path("separated"),
    show_default=True,
    help="Where the folders with the songs' names are made; or the one file to write.",
)
@click.option(
    "--name",
    "template",
    metavar="TEMPLATE",
    default=DEFAULT,
    show_default=True,
    help="Names below DIR, of {song} and {folder} as they are called here, {title}, {artist}, {album} and {track} of "
    "the tags, and {stem}.",
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
    type=click.Choice(["wav", "flac", "ogg", "opus", "mp3", "m4a"]),
    help="WAV, FLAC, Ogg Vorbis, Opus, MP3 of 320 kbit/s, or M4A by ffmpeg.  [default: what FILE says, else wav]",
)
@click.option(
    "--bits",
    type=click.Choice(["16", "24", "32"]),
    help="Bits of WAV (default 32: floating point, which never clips) and FLAC (default 24).",
)
@click.option("--skip-existing", is_flag=True, help="Leave out files that exist, and songs whose files all exist.")
@click.option("--jobs", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True, help="Songs at a time.")
@click.option("--offset", metavar="TIME", type=Time(), default=0.0, help="Start here: seconds, or 1:30.")
@click.option("--duration", metavar="TIME", type=Time(), help="Take so much: seconds, or 1:30.")
@model_option
@click.option(
    "--checkpoint",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Take weights that `train` wrote instead of an exported model: for those that cannot stream.",
)
@passes_option
@inference_options
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print progress and paths as one JSON object a line.")
@output_options
def command(
    *,
    names: tuple[Path, ...],
    output: Path,
    template: str,
    stems: str | None,
    mixes: tuple[str, ...],
    mix: Mix,
    extension: str | None,
    bits: str | None,
    skip_existing: bool,
    jobs: int,
    offset: float,
    duration: float | None,
    model: str | None,
    checkpoint: Path | None,
    passes: int,
    method: str | None,
    hop_s: float,
    threads: int,
    as_json: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Separate songs into one file per stem.

    SONG is an audio file or a video, a folder with all below it, a list of songs (.m3u), or - for a pipe. All but WAV,
    FLAC, Ogg, MP3 and AIFF is decoded by ffmpeg, where that is installed.

    Writes DIR/<song>/vocals.wav, drums.wav, bass.wav and other.wav. With --preset, --gain, --mute or --solo, or with
    --mix, only mixes are written, unless --stems asks for stems too: karaoke.wav for a preset, mix.wav (then mix-2.wav
    and so on) for anything else. For example: stemlive separate SONG --preset karaoke -o karaoke.wav

    The files have the song's sample rate, channels (two, if it has more) and length and line up with it to the
    sample, or with the part that --offset and --duration choose. They have its tags and cover. Their paths go to
    standard output. A song that fails does not end the rest: exit code 1, and a list at the end.
    """
    if force and skip_existing:
        raise UsageError("name one of --force and --skip-existing")
    job = SongJob(offset, duration, force, None if bits is None else int(bits))
    target = read_target(output, template, extension, job.bits)
    separators = Separators(model, threads, checkpoint=checkpoint, method=method, hop_s=hop_s, passes=passes)
    tell_terms(separators.terms)
    chosen = [*([mix] if mix.given else []), *map(read_mix, mixes)]
    songs = target.assign(names, tracks(separators.stems, stems, chosen), separators.stems)
    many = is_many(names)
    with StopRequest() as stop, Bars(len(songs), quiet=quiet or as_json) as bars:
        report = Report(len(songs), many, as_json, quiet, bars)
        Batch(songs, job, separators, skip_existing).run(jobs, report, stop)
    report.last(stop)
