"""`stemlive play`: one song after another, to a device."""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stemlive.errors import AudioFileError, StemliveError, UsageError, check_exists
from stemlive.grouped_help import GroupedCommand, GroupedOption, grouped
from stemlive.live import play
from stemlive.live_options import ENGINE_OPTIONS, current_name, live_options, read_options
from stemlive.mix_options import Mix, key_option, mix_options
from stemlive.options import complete_end, model_option, threads_option, warn
from stemlive.output_options import output_channel_options
from stemlive.practice_options import Practice, practice_options
from stemlive.song_list import STANDARD, is_many, songs_of

if TYPE_CHECKING:
    from stemlive.realtime.control.controls import Controls
    from stemlive.realtime.control.song_queue import SongQueue
    from stemlive.realtime.shared.outputs import Outputs

_option = partial(click.option, cls=GroupedOption)
_FIRST_S = 10.0
"""How long the first song may be measured before it begins; then it is matched while it plays."""


@click.command("play", cls=GroupedCommand, context_settings={"token_normalize_func": current_name})
@click.argument("songs", metavar="SONGS...", nargs=-1, required=True, type=click.Path(path_type=Path))
@grouped(
    "Output",
    _option(
        "-o",
        "--output",
        "target",
        metavar="device:NAME",
        default="device:default",
        show_default=True,
        shell_complete=partial(complete_end, direction="output"),
        help="Device to play to.",
    ),
)
@mix_options
@key_option
@output_channel_options
@practice_options
@grouped(
    "Mix",
    _option(
        "--match-loudness",
        is_flag=True,
        help="Bring each song to -18 LUFS (EBU R128), or as near as it does not clip; needs ffmpeg.",
    ),
)
@live_options
@model_option
@threads_option
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
def command(
    *,
    songs: tuple[Path, ...],
    target: str,
    mix: Mix,
    semitones: int,
    model: str | None,
    threads: int,
    outputs: "Outputs",
    cue: Mix,
    practice: Practice,
    match_loudness: bool,
    quiet: bool,
    **live: Any,
) -> None:
    """Play songs, folders and lists (.m3u), one song after another without a gap, and mix their stems.

    \b
    stemlive play a.mp3 b.flac --preset karaoke
    stemlive play MUSIC party.m3u --preset karaoke --key -2
    stemlive play song.mp3 --tempo 70 --loop 1:05-1:20 --loop-faster 5 --count-in 4

    n is the next song, N the one before; all else is as in `stemlive stream`: space pauses, the arrows seek, ? shows
    the keys. A song that cannot be played is named and passed over. It ends after the last one.
    """  # noqa: D301 - the \b is click's mark of lines to be left as they are
    from stemlive.media_session import MediaSession
    from stemlive.realtime.control.conductor import Conductor
    from stemlive.realtime.control.loudness import LoudnessMeter, check_loudness
    from stemlive.realtime.shared.settings import EngineSettings, device_of

    if device_of(target) is None:
        raise UsageError(f"'{target}' is no device: write device:NAME; files are written by `stemlive separate`")
    queue = _queue(songs)
    assert queue.song is not None

    if live["words"] is not None and len(queue.songs) > 1:
        raise UsageError("--words are those of one song: lay those of several beside them, as SONG.lrc")
    practice.check_songs(len(queue.songs))
    conductor = Conductor(queue)
    meter = LoudnessMeter()
    if match_loudness:
        check_loudness()
        meter.wait_for(queue.song.path, _FIRST_S)  # those after it are measured while others play
        conductor.gain = meter.gain

    def set_up(controls: "Controls") -> None:
        mix.set_up(controls)
        controls.set_semitones(semitones)
        outputs.check(controls.stems)
        cue.set_up(controls.cue)
        conductor.attach(controls.song)
        practice.set_up_all(controls.song)
        conductor.begin()
        practice.set_up(controls.song)
        controls.song.play()

    settings = {name: live.pop(name) for name in ENGINE_OPTIONS} | {
        "model": model,
        "threads": threads,
        "outputs": outputs,
    }
    engine = EngineSettings(str(queue.song.path), target, song=True, **settings)
    options = read_options(**live, settings=engine)
    with closing(meter), MediaSession() as media:
        play(engine, set_up, options, quiet=quiet, conductor=conductor, media=media)


def _queue(names: tuple[Path, ...]) -> "SongQueue":
    """Return the songs, the first one that can be played being on. StemliveError when none can."""
    from stemlive.realtime.audio_files.reader import AudioReader, refuse_address
    from stemlive.realtime.control.song_queue import SongQueue

    if STANDARD in names:
        raise UsageError("a pipe is played by `stemlive stream --input -`")
    if not is_many(names) and not names[0].exists():
        refuse_address(str(names[0]), "stream -i -")
        check_exists(names[0])
    found = songs_of(names)
    queue = SongQueue(song.path for song in found)
    problems = {place: song.problem for place, song in enumerate(found)}
    while queue.song is not None:
        try:
            if problems[queue.index]:
                raise AudioFileError(problems[queue.index])
            AudioReader(queue.song.path).close()
            return queue
        except StemliveError as error:
            if len(found) == 1:
                raise
            warn(str(error))
            queue.spoil(queue.song, str(error))
            if not queue.next():
                raise AudioFileError("none of the songs can be played") from error
    raise AudioFileError("there is no song to play")
