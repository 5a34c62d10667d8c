"""The keys of a live run, in one table that serves for dispatch and help text."""

from collections.abc import Callable
from dataclasses import dataclass

from stemlive.errors import StemliveError, UsageError
from stemlive.terminal.desk import Desk
from stemlive.terminal.practice_keys import TEMPO_STEP, move_tempo, step_loop

_STEP_DB = 1.0
_LOWEST_DB = -60.0
_HIGHEST_DB = 12.0
_REVERB_STEP = 0.1
_SEEK_S = 5.0


@dataclass(frozen=True)
class Key:
    """Keys with one function. In learn mode, `learns` names the target that the key binds a MIDI control to."""

    keys: tuple[str, ...]
    shown: str
    text: str
    act: Callable[[Desk, str], None]
    applies: Callable[[Desk], bool] = lambda desk: True
    learns: Callable[[Desk, str], str] | None = None


def _select_number(desk: Desk, key: str) -> None:
    if int(key) <= len(desk.controls.stems):
        desk.select(int(key) - 1)


def _stem_of(desk: Desk, key: str) -> str:
    stems = desk.controls.stems
    return f"gain {stems[int(key) - 1]}" if int(key) <= len(stems) else ""


def _moved(gain_db: float, step_db: float) -> float:
    """Return a gain one step away, from -60 to +12 dB; below -60 dB is off, and a step up from off is -60 dB."""
    moved = max(gain_db, _LOWEST_DB - _STEP_DB) + step_db
    return min(moved, _HIGHEST_DB) if moved >= _LOWEST_DB else float("-inf")


def _move_gain(desk: Desk, step_db: float) -> None:
    desk.controls.set_gain_db(desk.stem, _moved(desk.controls.gains_db[desk.stem], step_db))


def _move_microphone(desk: Desk, step_db: float) -> None:
    controls = desk.controls
    controls.set_microphone_gain_db(_moved(controls.microphone_gain_db, step_db))
    desk.notes.append(f"microphone {controls.microphone_gain_db:+.0f} dB")


def _move_reverb(desk: Desk, step: float) -> None:
    controls = desk.controls
    controls.set_microphone_reverb(min(1.0, max(0.0, round(controls.microphone_reverb + step, 2))))
    desk.notes.append(f"reverberation {controls.microphone_reverb:.1f}")


def _move_key(desk: Desk, step: int) -> None:
    semitones = desk.controls.semitones + step
    try:
        desk.controls.set_semitones(semitones)
    except UsageError:
        return  # the end of the range
    except StemliveError as error:
        desk.notes.append(str(error))
        return
    desk.notes.append(f"key {semitones:+d}" if semitones else "original key")


def _record(desk: Desk, _: str) -> None:
    assert desk.recorder is not None
    if desk.recorder.status().on:
        desk.recorder.stop()
    else:
        desk.recorder.start()


def _pause(desk: Desk, _: str) -> None:
    desk.controls.song.play(not desk.controls.song.playing)


def _has_song(desk: Desk) -> bool:
    return desk.song_at is not None


def _has_no_song(desk: Desk) -> bool:
    return desk.song_at is None


def _has_queue(desk: Desk) -> bool:
    return desk.conductor is not None


def _has_words(desk: Desk) -> bool:
    return desk.words is not None


def _has_timed_words(desk: Desk) -> bool:
    return desk.words is not None and desk.words.words.timed


def _switch_words(desk: Desk, _: str) -> None:
    assert desk.words is not None
    desk.words.switch()


def _move_words(desk: Desk, steps: int) -> None:
    assert desk.words is not None
    desk.notes.append(desk.words.move(steps))


def _has_microphone(desk: Desk) -> bool:
    return desk.microphone


KEYS: tuple[Key, ...] = (
    Key(tuple("123456789"), "1..9", "select a stem", _select_number, learns=_stem_of),
    Key((" ",), "space", "pause, or go on", _pause, applies=_has_song),
    Key(("left",), "left", "5 seconds back", lambda desk, _: desk.seek(-_SEEK_S), applies=_has_song),
    Key(("right",), "right", "5 seconds on", lambda desk, _: desk.seek(_SEEK_S), applies=_has_song),
    Key(("home",), "Home", "back to the start", lambda desk, _: desk.seek(float("-inf")), applies=_has_song),
    Key(("n",), "n", "next song", lambda desk, _: desk.skip(1), applies=_has_queue),
    Key(("N",), "N", "song before, or back to the start", lambda desk, _: desk.skip(-1), applies=_has_queue),
    Key(("w",), "w", "show the words, or hide them", _switch_words, applies=_has_words),
    Key(("(",), "(", "words 0.1 s earlier", lambda desk, _: _move_words(desk, -1), applies=_has_timed_words),
    Key((")",), ")", "words 0.1 s later", lambda desk, _: _move_words(desk, 1), applies=_has_timed_words),
    Key(("\t",), "Tab", "select the next stem", lambda desk, _: desk.select(desk.selected + 1)),
    Key(("right",), "right", "the same", lambda desk, _: desk.select(desk.selected + 1), applies=_has_no_song),
    Key(("left",), "left", "the one before", lambda desk, _: desk.select(desk.selected - 1), applies=_has_no_song),
    Key(("up", "+", "="), "up, +", "selected stem 1 dB louder", lambda desk, _: _move_gain(desk, _STEP_DB)),
    Key(("down", "-"), "down, -", "selected stem 1 dB softer", lambda desk, _: _move_gain(desk, -_STEP_DB)),
    Key(("0",), "0", "selected stem to 0 dB", lambda desk, _: desk.controls.set_gain_db(desk.stem, 0.0)),
    Key(
        ("m",),
        "m",
        "mute the selected stem, or not",
        lambda desk, _: desk.controls.mute(desk.stem, desk.stem not in desk.controls.muted),
        learns=lambda desk, _: f"mute {desk.stem}",
    ),
    Key(
        ("s",),
        "s",
        "solo the selected stem, or not",
        lambda desk, _: desk.controls.solo(desk.stem, desk.stem not in desk.controls.soloed),
        learns=lambda desk, _: f"solo {desk.stem}",
    ),
    Key(
        ("k",),
        "k",
        "preset karaoke",
        lambda desk, _: desk.apply_preset("karaoke"),
        applies=lambda desk: "vocals" in desk.controls.stems,
        learns=lambda desk, _: "preset karaoke",
    ),
    Key(
        ("o",),
        "o",
        "preset original",
        lambda desk, _: desk.apply_preset("original"),
        learns=lambda desk, _: "preset original",
    ),
    Key(("p",), "p", "next preset", lambda desk, _: desk.next_preset()),
    Key(
        ("b",),
        "b",
        "bypass, or not",
        lambda desk, _: desk.controls.set_bypass(not desk.controls.bypass),
        learns=lambda desk, _: "bypass",
    ),
    Key((">", "."), ">", "key a semitone higher", lambda desk, _: _move_key(desk, 1)),
    Key(("<", ","), "<", "key a semitone lower", lambda desk, _: _move_key(desk, -1)),
    Key(("f",), "f", "5 % faster", lambda desk, _: move_tempo(desk, TEMPO_STEP), applies=_has_song),
    Key(("d",), "d", "5 % slower", lambda desk, _: move_tempo(desk, -TEMPO_STEP), applies=_has_song),
    Key(("t",), "t", "the song's own tempo", lambda desk, _: move_tempo(desk, None), applies=_has_song),
    Key(("l",), "l", "loop: from here, to here, none", lambda desk, _: step_loop(desk), applies=_has_song),
    Key(("r",), "r", "record, or end the take", _record, applies=lambda desk: desk.recorder is not None),
    Key(
        ("]",),
        "]",
        "microphone 1 dB louder",
        lambda desk, _: _move_microphone(desk, _STEP_DB),
        applies=_has_microphone,
        learns=lambda desk, _: "microphone gain",
    ),
    Key(
        ("[",),
        "[",
        "microphone 1 dB softer",
        lambda desk, _: _move_microphone(desk, -_STEP_DB),
        applies=_has_microphone,
    ),
    Key(
        ("}",),
        "}",
        "more reverberation",
        lambda desk, _: _move_reverb(desk, _REVERB_STEP),
        applies=_has_microphone,
        learns=lambda desk, _: "microphone reverb",
    ),
    Key(("{",), "{", "less reverberation", lambda desk, _: _move_reverb(desk, -_REVERB_STEP), applies=_has_microphone),
    Key(("?", "h"), "?", "this help", lambda desk, _: setattr(desk, "helping", True)),
    Key(("q",), "q", "quit", lambda desk, _: setattr(desk, "quitting", True)),
)


def press(desk: Desk, key: str) -> None:
    """Act on a key by the table; unknown keys do nothing."""
    for entry in KEYS:
        if key in entry.keys and entry.applies(desk):
            if not (entry.learns and desk.learn(entry.learns(desk, key))):
                entry.act(desk, key)
            return


def help_text(desk: Desk) -> str:
    """Return the table as lines, without keys that do not apply."""
    lines = [f"  {entry.shown:<10} {entry.text}" for entry in KEYS if entry.applies(desk)]
    if desk.learning:
        targets = ", ".join(entry.shown for entry in KEYS if entry.learns and entry.applies(desk))
        lines.append(f"  MIDI learn: move a control, then press the key of what it shall do: {targets}")
    return "\n".join(lines)
