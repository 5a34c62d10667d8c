"""`stemlive stream`: separate hop by hop, from a device, file or pipe to a device, file or pipe."""

import os
import shlex
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from stemlive.errors import UsageError, check_exists
from stemlive.grouped_help import GroupedCommand, GroupedOption, grouped
from stemlive.live import is_live, play
from stemlive.live_options import complete_end, current_name, live_options, read_options, refuse_without_device
from stemlive.mix_options import Mix, mix_options
from stemlive.options import (
    model_option,
    output_options,
    progress,
    tell_terms,
    threads_option,
    warn_of_clipping,
    warn_of_input,
)
from stemlive.terminal.stopping import StopRequest

if TYPE_CHECKING:
    from stemlive.realtime.audio_files.files import AudioWriter
    from stemlive.realtime.audio_files.pipes import PipeReader, PipeWriter
    from stemlive.realtime.audio_files.reader import AudioReader
    from stemlive.realtime.control.controls import Controls
    from stemlive.realtime.devices.system_audio import SystemAudio
    from stemlive.realtime.shared.settings import EngineSettings


_ENGINE_OPTIONS = (
    "input_channels",
    "block_samples",
    "latency",
    "mode",
    "reconnect",
    "microphone",
    "microphone_channels",
)
_option = partial(click.option, cls=GroupedOption)


@click.command("stream", cls=GroupedCommand, context_settings={"token_normalize_func": current_name})
@click.argument("song", metavar="[SONG]", required=False, type=click.Path())
@grouped(
    "Input and output",
    _option(
        "-i",
        "--input",
        "source",
        metavar="device:NAME|FILE|-",
        shell_complete=partial(complete_end, direction="input"),
        help="Device, audio file, or - for a pipe: in place of SONG.",
    ),
    _option(
        "-o",
        "--output",
        "target",
        metavar="device:NAME|FILE|-",
        default="device:default",
        show_default=True,
        shell_complete=partial(complete_end, direction="output"),
        help="Device, a file (.wav, .flac, .ogg, .opus, .mp3, .m4a), or - for a pipe.",
    ),
    _option(
        "--system",
        is_flag=True,
        help="In place of -i: what other programs play, on PulseAudio and PipeWire; -o is where they played.",
    ),
    _option("--app", metavar="NAME", help="With --system: only programs with this in their name."),
    _option(
        "--raw",
        type=click.Choice(["f32le", "s16le"]),
        help="What goes through pipes is headerless PCM of this kind, not WAV.",
    ),
    _option("--rate", metavar="HZ", type=click.IntRange(1), help="Sample rate of headerless input."),
    _option("--channels", metavar="N", type=click.IntRange(1), help="Channels of headerless input."),
)
@mix_options
@grouped(
    "Mix",
    _option(
        "--key",
        "semitones",
        metavar="SEMITONES",
        type=click.IntRange(-6, 6),
        default=0,
        show_default=True,
        help="Key of what is heard, -6 to 6; not of the microphone, nor of a recording.",
    ),
)
@live_options
@model_option
@threads_option
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    song: str | None,
    source: str | None,
    target: str,
    system: bool,
    app: str | None,
    mix: Mix,
    semitones: int,
    raw: str | None,
    rate: int | None,
    channels: int | None,
    model: str | None,
    threads: int,
    force: bool,
    quiet: bool,
    **live: Any,
) -> None:
    """Play a song and mix its stems, or separate live between devices, files and pipes.

    \b
    stemlive stream SONG.mp3 --preset karaoke
    stemlive stream -i device:default --preset karaoke
    stemlive stream --system --preset karaoke
    DECODER | stemlive stream -i - -o - --preset karaoke | PLAYER

    A song that is played can be paused by the space bar and sought by the arrows; ? shows all keys.

    `stemlive devices` lists devices; device:NAME takes a number, a name, a unique part of one, or `default`.

    With a device, each hop is heard as early as possible, and one that the model does not finish in time is heard
    as it came in. Between files and pipes, the delay of the separation is taken out: what comes out lines up with
    what went in and has its length, sample rate and channels (two, if it has more).

    Pipes (-, and named ones) carry WAV, any PCM in and 32-bit float out, or headerless PCM with --raw. What else comes
    in is decoded by ffmpeg, where that is installed.

    End of input, Ctrl-C (exit code 130) and SIGTERM (143) leave a valid output file with what was read so far.
    """  # noqa: D301 - the \b is click's mark of lines to be left as they are
    source, target, taken = _ends(ctx, song, source, target, system=system, app=app, waits=live["reconnect"])
    _check_ends(source, target, raw, rate, channels)
    if is_live(source, target):

        def set_up(controls: "Controls") -> None:
            mix.set_up(controls)
            controls.set_semitones(semitones)
            controls.song.play()

        settings = {name: live.pop(name) for name in _ENGINE_OPTIONS} | {"model": model, "threads": threads}
        engine = _settings(source, target, raw=raw, rate=rate, channels=channels, force=force, **settings)
        play(engine, set_up, read_options(**live, has_microphone=engine.has_microphone), quiet=quiet, system=taken)
        return
    refuse_without_device(ctx)

    from stemlive.realtime.dsp.key_change import in_key
    from stemlive.realtime.model_file.session import Session
    from stemlive.realtime.separation.mixer import Mixer
    from stemlive.realtime.separation.offline import separate_blocks
    from stemlive.realtime.separation.separator import Separator

    with ExitStack() as stack:
        reader = _open_source(source, raw, rate, channels)
        stack.enter_context(reader)
        rate = reader.sample_rate_hz
        session = Session(model, threads=threads)
        tell_terms(session.info.terms_line)
        separator = Separator(session, sample_rate_hz=rate, channels=reader.channels)
        mixer = Mixer(separator.stems)
        mix.set_up(mixer)
        hop = max(1, session.info.hop_samples * rate // session.info.sample_rate_hz)

        stop = stack.enter_context(StopRequest())
        written = 0
        with (
            _open_target(target, raw, reader, force=force) as writer,
            progress(Path(reader.name).name, reader.frames, rate=rate, quiet=quiet or target == "-") as advance,
        ):
            to_pipe = _is_pipe(target)
            mixes = separate_blocks(separator, stop.read_blocks(reader, hop), gains=mixer.gains())
            if semitones:
                mixes = in_key(mixes, semitones, sample_rate_hz=rate, channels=separator.channels)
            for block in mixes:
                # A signal may interrupt a write to a pipe that nobody reads, but not one to a file.
                write = partial(writer.write, block)
                stop.wait_for(write) if to_pipe else write()
                written += len(block)
                advance(len(block))
        warn_of_input(reader.note, separator)
        warn_of_clipping(writer.name, writer.clipped_samples)
        if stop.requested:
            click.echo(f"stemlive: stopped after {written / rate:.2f} s", err=True)
            raise click.exceptions.Exit(stop.exit_code)


def _settings(
    source: str, target: str, *, raw: str | None, rate: int | None, channels: int | None, **others: Any
) -> "EngineSettings":
    """Return the settings of a live engine; a file that is heard is a song. MissingFileError if it does not exist."""
    from stemlive.realtime.audio_files.pcm import PcmFormat
    from stemlive.realtime.shared.settings import EngineSettings, device_of

    song = not _is_pipe(source) and device_of(source) is None
    if song and "://" not in source:
        check_exists(Path(source))
    pcm = PcmFormat(raw, rate, channels) if raw and rate and channels else None
    return EngineSettings(source, target, song=song, ends_with_song=song, raw=pcm, raw_output=raw, **others)


def _ends(
    ctx: click.Context, song: str | None, source: str | None, target: str, *, system: bool, app: str | None, waits: bool
) -> "tuple[str, str, SystemAudio | None]":
    """Return input, output, and what takes the streams of other programs. UsageError for what does not go together."""
    if system:
        from stemlive.realtime.devices.system_audio import SystemAudio

        named = ctx.get_parameter_source("target") != ParameterSource.DEFAULT
        if song or source:
            raise UsageError(f"--system is an input: leave {'SONG' if song else '--input'} out")
        if not target.startswith("device:"):
            raise UsageError("--system plays to a device: --output device:NAME, and --record DIR for files")
        taken = ctx.with_resource(SystemAudio(app or "", waits=waits))
        return taken.source, target if named else taken.target, taken
    if app is not None:
        raise UsageError("--app chooses among the programs that --system takes: add --system")
    if (song is None) == (source is None):
        raise UsageError(
            "name one of SONG and --input" if song else "name a SONG, or an --input such as device:default"
        )
    return song or source or "", target, None


def _is_pipe(path: str) -> bool:
    from stemlive.realtime.audio_files.pipes import is_pipe

    return is_pipe(path)


def _check_ends(source: str, target: str, raw: str | None, rate: int | None, channels: int | None) -> None:
    """Raise UsageError for impossible combinations of input, output and format, MissingFileError for an address."""
    if not source.startswith("device:") and not Path(source).exists():
        from stemlive.realtime.audio_files.reader import refuse_address

        refuse_address(source, f"stream -i - -o {shlex.quote(target)}")
    if source == "-" and os.isatty(0):
        raise UsageError("--input - reads a pipe: name a file, or write DECODER | stemlive stream ...")
    if target == "-" and os.isatty(1):
        raise UsageError("--output - would write audio to the terminal: name a file, or add | PLAYER")
    raw_input = raw is not None and _is_pipe(source)
    if raw and not raw_input and not _is_pipe(target):
        raise UsageError("--raw is for pipes, and neither --input nor --output is one: leave it out")
    if raw_input and (rate is None or channels is None):
        raise UsageError("headerless input needs --rate and --channels, for example --rate 44100 --channels 2")
    if (rate or channels) and not raw_input:
        raise UsageError("--rate and --channels describe headerless input: they need --raw and a pipe as --input")
    both_exist = Path(source).exists() and Path(target).exists()
    if not _is_pipe(target) and both_exist and Path(target).samefile(source):
        raise UsageError(f"--input and --output are the same file: {target}")


def _open_source(source: str, raw: str | None, rate: int | None, channels: int | None) -> "AudioReader | PipeReader":
    from stemlive.realtime.audio_files.pcm import PcmFormat
    from stemlive.realtime.audio_files.pipes import PipeReader
    from stemlive.realtime.audio_files.reader import AudioReader

    if _is_pipe(source):
        return PipeReader(source, PcmFormat(raw, rate, channels) if raw and rate and channels else None)
    return AudioReader(source)


def _open_target(
    target: str, raw: str | None, reader: "AudioReader | PipeReader", *, force: bool
) -> "AudioWriter | PipeWriter":
    from stemlive.realtime.audio_files.files import AudioWriter
    from stemlive.realtime.audio_files.pipes import PipeWriter

    if _is_pipe(target):
        return PipeWriter(target, reader.sample_rate_hz, reader.channels, raw=raw)
    return AudioWriter(target, reader.sample_rate_hz, reader.channels, force=force, total_frames=reader.frames)
