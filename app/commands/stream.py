"""`stemlive stream`: separate hop by hop, from a device, file or pipe to a device, file or pipe."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from stemlive.errors import UsageError, check_exists
from stemlive.grouped_help import GroupedCommand, GroupedOption, grouped
from stemlive.live import is_live, play
from stemlive.live_options import (
    ENGINE_OPTIONS,
    current_name,
    live_options,
    read_options,
    refuse_without_device,
)
from stemlive.mix_options import Mix, key_option, mix_options
from stemlive.options import (
    complete_end,
    model_option,
    output_options,
    threads_option,
)
from stemlive.output_options import output_channel_options
from stemlive.practice_options import Practice, practice_options
from stemlive.stream_files import between_files, check_ends, is_pipe

if TYPE_CHECKING:
    from stemlive.realtime.control.controls import Controls
    from stemlive.realtime.devices.system_audio import SystemAudio
    from stemlive.realtime.shared.outputs import Outputs
    from stemlive.realtime.shared.settings import EngineSettings


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
@key_option
@output_channel_options
@practice_options
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
    outputs: "Outputs",
    cue: Mix,
    semitones: int,
    practice: Practice,
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
    stemlive stream SONG.mp3 --tempo 70 --loop 1:05-1:20 --loop-faster 5 --count-in 4
    stemlive stream -i device:default --preset karaoke
    stemlive stream --system --preset karaoke
    stemlive stream SONG.mp3 --preset karaoke --cue 3,4 --cue-preset original
    DECODER | stemlive stream -i - -o - --preset karaoke | PLAYER

    A song that is played can be paused by the space bar and sought by the arrows; ? shows all keys.

    `stemlive devices` lists devices; device:NAME takes a number, a name, a unique part of one, or `default`.

    With a device, each hop is heard as early as possible, and one that the model does not finish in time is heard
    as it came in. Between files and pipes, the delay of the separation is taken out: what comes out lines up with
    what went in and has its length, sample rate and channels (two, if it has more; as many as the outputs that are
    chosen need).

    Pipes (-, and named ones) carry WAV, any PCM in and 32-bit float out, or headerless PCM with --raw. What else comes
    in is decoded by ffmpeg, where that is installed.

    End of input, Ctrl-C (exit code 130) and SIGTERM (143) leave a valid output file with what was read so far.
    """  # noqa: D301 - the \b is click's mark of lines to be left as they are
    source, target, taken = _ends(ctx, song, source, target, system=system, app=app, waits=live["reconnect"])
    check_ends(source, target, raw, rate, channels)
    if is_live(source, target):

        def set_up(controls: "Controls") -> None:
            outputs.check(controls.stems)
            mix.set_up(controls)
            cue.set_up(controls.cue)
            controls.set_semitones(semitones)
            practice.set_up(controls.song)
            controls.song.play()

        settings = {name: live.pop(name) for name in ENGINE_OPTIONS} | {
            "model": model,
            "threads": threads,
            "outputs": outputs,
        }
        engine = _settings(source, target, raw=raw, rate=rate, channels=channels, force=force, **settings)
        practice.check_input(song=engine.song)
        play(engine, set_up, read_options(**live, settings=engine), quiet=quiet, system=taken)
        return
    refuse_without_device(ctx)
    practice.check_input(song=not is_pipe(source), heard=False)
    between_files(
        source,
        target,
        mix,
        outputs,
        cue,
        semitones=semitones,
        practice=practice,
        raw=raw,
        rate=rate,
        channels=channels,
        model=model,
        threads=threads,
        force=force,
        quiet=quiet,
    )


def _settings(
    source: str, target: str, *, raw: str | None, rate: int | None, channels: int | None, **others: Any
) -> "EngineSettings":
    """Return the settings of a live engine; a file that is heard is a song. MissingFileError if it does not exist."""
    from stemlive.realtime.audio_files.pcm import PcmFormat
    from stemlive.realtime.shared.settings import EngineSettings, device_of

    song = not is_pipe(source) and device_of(source) is None
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
