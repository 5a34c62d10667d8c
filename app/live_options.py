"""The options of `stemlive stream` and `play` that need a device, and their checked values."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stemlive.errors import UsageError
from stemlive.grouped_help import GroupedOption, grouped
from stemlive.mix_options import split_gain
from stemlive.output_options import read_channels
from stemlive.remote_options import remote_options

if TYPE_CHECKING:
    from stemlive.realtime.shared.settings import EngineSettings

_option = partial(click.option, cls=GroupedOption)
_GROUPS = ("Devices", "Recording", "Microphone on top", "Remote control", "While it plays")
ENGINE_OPTIONS = (
    "input_channels",
    "block_samples",
    "latency",
    "mode",
    "reconnect",
    "microphone",
    "microphone_channels",
)
"""Of `live_options`, those that are the engine's settings; the others are for `read_options`."""


@dataclass(frozen=True)
class LiveOptions:
    """The options of a live run beside the engine's settings."""

    record: Path | None
    record_stems: tuple[str, ...]
    record_format: str
    microphone_gain_db: float
    microphone_reverb: float
    guide_db: float
    sync_ms: float
    howling_guard: bool
    osc: tuple[str, int] | None
    remote: tuple[str, int] | None
    midi: str | None
    midi_map: Path
    midi_learn: bool
    as_json: bool
    levels_ms: int
    in_process: bool
    words: Path | None
    no_words: bool


def current_name(name: str) -> str:
    """Return the current name of an option: `--monitor...` still works for `--microphone...`, but is not listed."""
    return "microphone" + name.removeprefix("monitor") if name.startswith("monitor") else name


def device_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for opening devices."""
    add = grouped(
        _GROUPS[0],
        _option(
            "--input-channels",
            metavar="N[,N]",
            callback=_channels,
            help="Channels of the input device, for example 3,4; one is mono.",
        ),
        _option(
            "--block",
            "block_samples",
            metavar="N",
            type=click.IntRange(16, 8192),
            help="Samples a device hands over at once.  [default: a hop of the model; JACK's own period]",
        ),
        _option(
            "--latency",
            metavar="low|high|MS",
            callback=_latency,
            default="low",
            show_default=True,
            help="How long devices and model may take; more is safer.",
        ),
        _option(
            "--mode",
            type=click.Choice(["auto", "rtmixer", "callback", "inline"]),
            default="auto",
            show_default=True,
            help="Model in a worker behind a C callback (rtmixer) or a Python callback, or inside the latter.",
        ),
    )
    added: Callable[..., Any] = add(function)
    return added


def in_process_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --in-process."""
    option = _option(
        "--in-process", is_flag=True, help="Run the engine in this process: quicker to start, easier to disturb."
    )
    added: Callable[..., Any] = grouped(_GROUPS[0], option)(function)
    return added


def live_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that need a device; the command takes them as `**live` and passes them to `read_options`."""
    devices, recording, microphone, remote, playing = (partial(grouped, name) for name in _GROUPS)
    for group in reversed(
        (
            devices(
                _option("--reconnect", is_flag=True, help="Wait for a device that goes away, and go on."),
                _option(
                    "--sync",
                    metavar="MS",
                    type=click.FloatRange(-1000, 1000),
                    default=0.0,
                    help="The output sounds so much later than it says, as by Bluetooth: words and place follow.",
                ),
            ),
            recording(
                _option(
                    "--record",
                    metavar="DIR",
                    type=click.Path(path_type=Path, file_okay=False),
                    help="Record input, mix and stems into a new folder DIR/take-001, -002 ...; files line up.",
                ),
                _option(
                    "--record-stems",
                    metavar="NAME,NAME|all|none",
                    default="all",
                    show_default=True,
                    help="Stems to record, as they are before their gains.",
                ),
                _option(
                    "--record-format",
                    type=click.Choice(["flac", "wav"]),
                    default="flac",
                    show_default=True,
                    help="FLAC of 24 bits, or WAV of 32-bit float, which never clips.",
                ),
            ),
            microphone(
                _option(
                    "--microphone",
                    metavar="device:NAME",
                    help="Mix this input in after the separation, with the delay of the devices alone.",
                ),
                _option(
                    "--microphone-channels",
                    metavar="N[,N]",
                    callback=_channels,
                    help="Channels of the microphone; without --microphone, of the device that plays the rest.  "
                    "[default: 1]",
                ),
                _option("--microphone-gain", metavar="DB", default="0", show_default=True, help="-inf to +12 dB."),
                _option(
                    "--microphone-reverb",
                    metavar="AMOUNT",
                    type=click.FloatRange(0, 1),
                    default=0.0,
                    show_default=True,
                    help="Reverberation, 0 (dry) to 1.",
                ),
                _option("--no-howling-guard", is_flag=True, help="Do not turn the microphone down when it howls."),
                _option(
                    "--guide",
                    metavar="DB",
                    default="-inf",
                    help="The voice of the song at this gain at least, such as -12; it steps back while you sing.",
                ),
            ),
            remote(*remote_options()),
            playing(
                _option(
                    "--words",
                    metavar="FILE",
                    type=click.Path(path_type=Path, dir_okay=False),
                    help="Words of the song: LRC, or a text.  [default: SONG.lrc, SONG.txt, the song's tags]",
                ),
                _option("--no-words", is_flag=True, help="Do not show the words."),
                _option(
                    "--json",
                    "as_json",
                    is_flag=True,
                    help="Events, one JSON object per line, on standard output; on standard error with -o -.",
                ),
                _option(
                    "--levels-ms",
                    metavar="MS",
                    type=click.IntRange(20, 60000),
                    default=200,
                    show_default=True,
                    help="How often --json tells levels.",
                ),
            ),
        )
    ):
        function = group(function)
    return device_options(in_process_option(function))


def read_options(
    *,
    record: Path | None,
    record_stems: str,
    record_format: str,
    microphone_gain: str,
    microphone_reverb: float,
    guide: str,
    sync: float,
    no_howling_guard: bool,
    osc: str | None,
    remote: str | None,
    midi: str | None,
    midi_map: Path | None,
    midi_learn: bool,
    as_json: bool,
    levels_ms: int,
    in_process: bool,
    words: Path | None,
    no_words: bool,
    settings: "EngineSettings",
) -> LiveOptions:
    """Check the combination of options. UsageError for those that do not go together."""
    from stemlive.realtime.control.osc import parse_address
    from stemlive.realtime.shared.settings import device_of

    if midi is None and (midi_map is not None or midi_learn):
        raise UsageError("--midi-map and --midi-learn need --midi PORT")
    if words is not None and no_words:
        raise UsageError("--words names words to show, and --no-words shows none: leave one of them out")
    if sync and device_of(settings.target) is None:
        raise UsageError("--sync is of a device that plays, and --output is none: leave it out")
    if not settings.has_microphone and (microphone_gain != "0" or microphone_reverb):
        raise UsageError("--microphone-gain and --microphone-reverb need --microphone or --microphone-channels")
    if record is None and (record_stems != "all" or record_format != "flac"):
        raise UsageError("--record-stems and --record-format need --record DIR")
    stems = {"none": ()}.get(record_stems, tuple(name.strip() for name in record_stems.split(",")))
    return LiveOptions(
        record=record,
        record_stems=stems,
        record_format=record_format,
        microphone_gain_db=split_gain(f"microphone={microphone_gain}")[1],
        microphone_reverb=microphone_reverb,
        guide_db=_guide_db(guide),
        sync_ms=sync,
        howling_guard=not no_howling_guard,
        osc=None if osc is None else parse_address(osc, "an OSC address"),
        remote=None if remote is None else parse_address(remote, "an address for the remote"),
        midi=midi,
        midi_map=midi_map or Path(click.get_app_dir("stemlive")) / "midi.json",
        midi_learn=midi_learn,
        as_json=as_json,
        levels_ms=levels_ms,
        in_process=in_process,
        words=words,
        no_words=no_words,
    )


def refuse_without_device(ctx: click.Context) -> None:
    """Raise UsageError, naming them, if options were given that need a device."""
    given = [
        parameter.opts[-1] if parameter.opts[-1].startswith("--") else parameter.opts[0]
        for parameter in ctx.command.params
        if getattr(parameter, "group", None) in _GROUPS
        and ctx.get_parameter_source(str(parameter.name)) == click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise UsageError(
            f"{', '.join(given)}: options that are for devices, and neither --input nor --output is one: write "
            "device:NAME, or leave them out"
        )


def _guide_db(text: str) -> float:
    gain_db = split_gain(f"guide={text}")[1]
    if gain_db > 0:
        raise UsageError(f"--guide is a gain up to 0 dB, such as -12, not {text}")
    return gain_db


def _channels(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    return None if value is None else read_channels(value)


def _latency(_: click.Context, __: click.Parameter, value: str) -> str | float:
    if value in ("low", "high"):
        return value
    try:
        return float(value)
    except ValueError as error:
        raise UsageError(f"'{value}' is not a latency: write low, high or milliseconds") from error
