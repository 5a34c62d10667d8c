"""`stemlive separate`: separate a song into one file per stem."""

import json
import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemlive.errors import AudioFileError, UsageError
from stemlive.options import (
    check_seconds,
    inference_options,
    model_option,
    output_options,
    progress,
    split_gain,
    tell_terms,
    threads_option,
    warn_of_clipping,
    warn_of_input,
)
from stemlive.terminal.stopping import StopRequest
from stemlive.whole_song import WholeSong

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stemlive.realtime.audio_files.files import AudioWriter
    from stemlive.realtime.audio_files.reader import AudioReader
    from stemlive.realtime.separation.separator import Separator

_HOPS_PER_BLOCK = 64


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
@click.option("--stems", metavar="NAME,NAME", help="Write these stems.  [default: all; none with --mix]")
@click.option(
    "--mix",
    "mixes",
    metavar="MIX",
    multiple=True,
    help="Write a mix: a preset (karaoke, acapella, no-drums, no-bass, drums-and-bass, original), or gains in "
    "dB such as vocals=-inf,drums=-6. May be repeated.",
)
@click.option(
    "--format",
    "extension",
    type=click.Choice(["wav", "flac", "ogg"]),
    default="wav",
    show_default=True,
    help="32-bit float WAV, 24-bit FLAC or Ogg Vorbis.",
)
@click.option("--offset", metavar="S", type=float, default=0.0, callback=check_seconds, help="Start at this second.")
@click.option("--duration", metavar="S", type=float, callback=check_seconds, help="Take this many seconds.")
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

    Writes DIR/<song>/vocals.wav, drums.wav, bass.wav and other.wav. With --mix only mixes are written, unless
    --stems asks for stems too: karaoke.wav for a preset, mix.wav (then mix-2.wav and so on) for gains.

    The files have the song's sample rate, channels (two, if it has more) and length and line up with it to the
    sample, or with the part that --offset and --duration choose. Their paths go to standard output.
    """
    import numpy as np

    from stemlive.realtime.audio_files.reader import AudioReader

    if checkpoint is not None and model is not None:
        raise UsageError("name one of --model and --checkpoint")
    if checkpoint is None and method is not None:
        raise UsageError("--inference is for --checkpoint: an exported model streams")
    with AudioReader(song) as reader:
        rate = reader.sample_rate_hz
        total = _part(reader, offset, duration)
        separator: Separator | WholeSong
        if checkpoint is not None:
            separator = WholeSong(checkpoint, method, hop_s, sample_rate_hz=rate, channels=reader.channels)
            block_frames = rate
        else:
            separator, block_frames = _streaming(model, threads, reader)
        tracks = _tracks(separator.stems, stems, mixes)
        weights = np.stack([gains for _, gains in tracks])  # [outputs, S]
        paths = [folder / song.stem / f"{name}.{extension}" for name, _ in tracks]

        with StopRequest() as stop, ExitStack() as stack:
            writers = _open_writers(stack, paths, reader, total, force=force)
            blocks = stop.read_blocks(reader, block_frames, total if duration is not None else None)
            with progress(song.name, total, quiet=quiet or as_json) as advance:
                done = 0
                for separated in _separated(separator, blocks, stop):
                    outputs = np.tensordot(weights, separated, axes=1)  # [outputs, n, C]
                    for writer, output in zip(writers, outputs, strict=True):
                        writer.write(output)
                    advance(outputs.shape[1])
                    done += outputs.shape[1]
                    if as_json:
                        click.echo(json.dumps({"done": done, "total": total}))
            if stop.requested:
                click.echo("stemlive: interrupted, nothing was written", err=True)
                raise click.exceptions.Exit(stop.exit_code)
            for writer in writers:
                writer.finish()
        warn_of_input(reader.note, separator)
    for writer in writers:
        warn_of_clipping(writer.name, writer.clipped_samples)
        if as_json:
            click.echo(json.dumps({"written": str(writer.path)}))
        elif not quiet:
            click.echo(os.fsencode(writer.path))


def _streaming(model: str | None, threads: int, reader: "AudioReader") -> "tuple[Separator, int]":
    """Return a separator for this song with an exported model, and a suitable block length in samples."""
    from stemlive.realtime.model_file.session import Session
    from stemlive.realtime.separation.separator import Separator

    session = Session(model, threads=threads)
    tell_terms(session.info.terms_line)
    rate = reader.sample_rate_hz
    separator = Separator(session, sample_rate_hz=rate, channels=reader.channels, max_frames=_HOPS_PER_BLOCK)
    return separator, _HOPS_PER_BLOCK * session.info.hop_samples * rate // session.info.sample_rate_hz


def _separated(
    separator: "Separator | WholeSong", blocks: "Iterable[NDArray[np.float32]]", stop: StopRequest
) -> "Iterable[NDArray[np.float32]]":
    """Yield the stems [S, n, C] of the blocks [n, C], piece by piece or all at once; none after a stop request."""
    from stemlive.realtime.separation.offline import separate_blocks

    if not isinstance(separator, WholeSong):
        return separate_blocks(separator, blocks)
    song = list(blocks)
    stems = stop.wait_for(lambda: separator.separate(song))
    return [] if stems is None else [stems]


def _part(reader: "AudioReader", offset: float, duration: float | None) -> int:
    """Move to the start of the requested part and return its length in samples."""
    rate = reader.sample_rate_hz
    start = round(offset * rate)
    if start >= reader.frames:
        length = reader.frames / rate
        raise UsageError(f"--offset {offset:g} is beyond the end of {reader.name}, which has {length:.2f} s")
    left = reader.frames - start
    total = left if duration is None else min(left, round(duration * rate))
    if not total:
        raise UsageError(f"--duration {duration:g} is less than one sample")
    if start:
        reader.seek(start)
    return total


def _tracks(
    known: tuple[str, ...], stems: str | None, mixes: tuple[str, ...]
) -> list[tuple[str, "NDArray[np.float32]"]]:
    """Return file name and gains, float32 [S], of every output. UsageError as in Mixer."""
    import numpy as np

    wanted = known if not mixes else ()
    if stems is not None:
        wanted = tuple(dict.fromkeys(name.strip() for name in stems.split(",")))
    for name in wanted:
        if name not in known:
            raise UsageError(f"unknown stem '{name}': known are {', '.join(known)}")
    one_hot = np.eye(len(known), dtype=np.float32)
    tracks = [(name, one_hot[known.index(name)]) for name in wanted]
    for text in mixes:
        name, gains = _mix(known, text)
        taken = {track for track, _ in tracks}
        names = (name if n == 1 else f"{name}-{n}" for n in range(1, len(mixes) + 2))
        tracks.append((next(free for free in names if free not in taken), gains))
    return tracks


def _mix(known: tuple[str, ...], text: str) -> tuple[str, "NDArray[np.float32]"]:
    """Parse `karaoke`, or `vocals=-inf,drums=-6`, or a preset followed by gains, to a file name and gains [S]."""
    from stemlive.realtime.separation.mixer import Mixer

    mixer = Mixer(known)
    first, *rest = (part.strip() for part in text.split(","))
    if "=" not in first:
        mixer.apply_preset(first)
    for part in rest if "=" not in first else [first, *rest]:
        stem, gain_db = split_gain(part)
        mixer.set_gain_db(stem, gain_db)
        mixer.mute(stem, False)
    return "mix" if "=" in text else first, mixer.gains()


def _open_writers(
    stack: ExitStack, paths: Iterable[Path], reader: "AudioReader", total: int, *, force: bool
) -> "list[AudioWriter]":
    """Create the folder and a writer for each path; the stack publishes the files, or removes everything."""
    from stemlive.realtime.audio_files.files import AudioWriter

    writers = []
    for path in paths:
        if path.exists() and path.samefile(reader.path):
            raise UsageError(f"{path} is the song itself: choose another folder with -o")
        for folder in [folder for folder in path.parents if not folder.exists()][::-1]:
            stack.callback(_remove_if_empty, folder)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AudioFileError(f"cannot write in {path.parent}: {error.strerror}") from error
        writer = AudioWriter(path, reader.sample_rate_hz, reader.channels, force=force, total_frames=total)
        writers.append(stack.enter_context(writer))
    return writers


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
