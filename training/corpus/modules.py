"""Tracker music from Debian packages in stems, which nobody has to guess: a module holds its instruments apart.

``ROOT/train/module-<package>-<song>/{drums,bass,other}.ogg``: each instrument played by itself (libopenmpt), those of
one stem summed; all stems of a song sum to the song. Which stem an instrument belongs to is told by its name, or by
what it plays and how that sounds (`stem_of`). A song without a bass has its bass line inside `other`.
"""

from __future__ import annotations

import ctypes
import functools
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemlive.errors import StemliveError
from stemlive.training.corpus.debian_audio import PackageResult, extract_members, is_copyright, licence_names
from stemlive.training.corpus.files import place_song
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ, Audio
from stemlive.training.corpus.taught import plain
from stemlive.whole_file import publish, whole_file

TRACKS = Path(__file__).with_name("modules.tsv")
PREFIX, RECORDS = "module-", "modules"
"""What all is named with that is made of them, and where it stands what was left out."""
LONGEST_S, SHORTEST_S = 400, 20
AMIGA_WIDTH = 40  # per cent of a .mod's own width: its channels lie wholly on one side, as those of records do not
PEAK = 0.9
SUM_ERROR_DB = -20.0  # where the stems differ by more from the song, instruments change each other: not taken
SILENT = 1e-4
NAMES = (
    ("vocals", r"voice|vocal|vox|speech|\bsay|sing|scream|(?<!brass)(?<!brass-)choir"),
    (
        "drums",
        r"kick|snare|hi-?hat|\bhat|drum|cymb|\b[bs]d\b|\bhh|perc|clap|\btom|ride|crash|shaker|tamb|conga|bongo|rim|cowbell",
    ),
    ("bass", r"bass"),
)
_SEPARATION_PERCENT, _NOTE, _INSTRUMENT = 2, 0, 1  # as libopenmpt numbers them
_MUTE_INSTRUMENT = 12  # of the functions of its interface `interactive`
_BLOCK_SAMPLES, _WINDOW = 4096, 4096


@dataclass(frozen=True)
class Sound:
    """What an instrument plays by itself, and how it sounds.

    notes: different ones; most_played: share of the notes that the most frequent has.
    low: share of the energy below 250 Hz; flat: spectral flatness from 60 Hz to 8 kHz, 1 for white noise.
    length_s: how long it sounds without a pause, on average.
    """

    notes: int
    most_played: float
    low: float
    flat: float
    length_s: float


def stem_of(name: str, sound: Sound) -> str:
    """The stem of an instrument: `drums`, `bass`, `other`, or `vocals` where its name says so.

    What is played on one note, and is short or noisy, is a drum; what is played on several and lies low, a bass.
    """
    one_note, short = sound.notes <= 3 or sound.most_played > 0.8, sound.length_s < 0.35
    for stem, pattern in NAMES:
        if re.search(pattern, name, re.IGNORECASE) and not (stem == "bass" and sound.most_played > 0.9 and short):
            return stem
    if (one_note and (short or sound.flat > 0.01)) or (sound.notes <= 4 and sound.flat > 0.03):
        return "drums"
    return "bass" if sound.low > 0.75 and sound.notes > 1 else "other"


def require_player() -> None:
    """Raise StemliveError where libopenmpt is missing."""
    _library()


def fetch_modules(root: Path, package: str, names: Iterable[str]) -> PackageResult:
    """Bring a package's modules to ``root/train`` in stems, and its copyright file to ``root/licences``.

    What is there, or was left out, is not fetched again. Raises StemliveError as `extract_members` does.
    """
    result, left_out = PackageResult(package), root / RECORDS / f"{package}.txt"
    known = set(left_out.read_text(encoding="utf-8").splitlines()) if left_out.exists() else set()
    result.skipped += sorted(known)
    gone = {line.partition("\t")[0] for line in known}
    missing = {name for name in names if name not in gone and not _folder(root, package, name).exists()}
    copyright_file = root / "licences" / f"{package}.txt"
    if missing:
        copyright_file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".fetch-") as scratch:
            found = extract_members(package, lambda p: p.name in missing or is_copyright(p, package), Path(scratch))
            for path, source in found.items():
                if is_copyright(path, package):
                    publish(source, copyright_file)
                    continue
                try:
                    render_module(root, package, path.name, source.read_bytes())
                except StemliveError as error:
                    result.skipped.append(f"{path.name}\t{error}")
        left_out.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(left_out) as part:
            part.write_text("".join(f"{line}\n" for line in sorted(result.skipped)), encoding="utf-8")
    result.licences = licence_names(copyright_file)
    result.files += [name for name in sorted(names) if _folder(root, package, name).exists()]
    result.made = len(missing.intersection(result.files))
    return result


def _folder(root: Path, package: str, name: str) -> Path:
    return root / "train" / f"{PREFIX}{package}-{plain(Path(name).stem)}"


def render_module(root: Path, package: str, name: str, content: bytes) -> None:
    """Put the stems of a module into ``root/train``, unless they are there. Raises StemliveError as `split_module`."""
    stems, lines = split_module(content, wide=not name.lower().endswith(".mod"))
    loudest = max(float(np.abs(audio).max()) for audio in (sum(stems.values()), *stems.values()))
    lower = {stem: audio * np.float32(PEAK / loudest) for stem, audio in stems.items()}
    place_song(root, _folder(root, package, name), lower, "".join(f"{line}\n" for line in lines), ".ogg")


def split_module(content: bytes, *, wide: bool = True) -> tuple[dict[str, Audio], list[str]]:
    """Stems ``[n, 2]`` of a module, those that sound, and which instrument went where; `wide` False for a .mod.

    Raises StemliveError, saying why: it is no module, too short, has a voice, or is not the sum of its instruments.
    """
    with _Module(content, wide) as module:
        if module.seconds < SHORTEST_S:
            raise StemliveError(f"it lasts {module.seconds:.0f} s, and {SHORTEST_S} s at least are taken")
        names, played = module.instruments(), module.notes()
        song = module.play()
    stems: dict[str, Audio] = {}
    lines = []
    for number, name in enumerate(names):
        if not played[number]:
            continue
        with _Module(content, wide) as module:
            audio = module.play(number)
        if _rms(audio) < SILENT:
            continue
        stem = stem_of(name, describe(audio, played[number]))
        if stem == "vocals":
            raise StemliveError(f"it has a voice ({name})")
        stems[stem] = stems[stem] + audio if stem in stems else audio
        lines.append(f"{stem}: {number + 1} {name}".rstrip())
    if not stems or _rms(song - sum(stems.values())) > 10 ** (SUM_ERROR_DB / 20) * _rms(song):
        raise StemliveError("it is not the sum of what its instruments play")
    return stems, lines


def describe(audio: Audio, played: Counter[int]) -> Sound:
    """What is heard of an instrument alone, ``[n, 2]`` and not silent, and of the notes that it plays."""
    sides = audio.T
    mono = max((sides.mean(0), *sides), key=_rms)  # a sound whose sides cancel is heard by one of them
    blocks = mono[: len(mono) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    power = np.abs(np.fft.rfft(blocks * np.hanning(_WINDOW))) ** 2
    power = power[power.sum(1) > power.sum(1).max() * 1e-3]
    bins_hz = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE_HZ)
    middle = power[:, (bins_hz > 60) & (bins_hz < 8000)] + 1e-9
    short = np.square(mono[: len(mono) // 1024 * 1024].reshape(-1, 1024)).mean(1)
    on = short > short.max() * 3e-3
    begun = np.count_nonzero(np.diff(np.concatenate([[False], on]).astype(int)) == 1)
    return Sound(
        notes=len(played),
        most_played=max(played.values()) / played.total(),
        low=float(power[:, bins_hz < 250].sum() / power.sum()),
        flat=float(np.median(np.exp(np.log(middle).mean(1)) / middle.mean(1))),
        length_s=float(np.count_nonzero(on) / begun * 1024 / SAMPLE_RATE_HZ),
    )


class _Module:
    """A module being played by libopenmpt, from its beginning to its end, once."""

    def __init__(self, content: bytes, wide: bool) -> None:
        self._library = _library()
        size = ctypes.c_size_t(len(content))
        self._ext = self._library.openmpt_module_ext_create_from_memory(content, size, *(None,) * 7)
        if not self._ext:
            raise StemliveError("libopenmpt does not read it")
        self._module = self._library.openmpt_module_ext_get_module(self._ext)
        if not wide:
            self._library.openmpt_module_set_render_param(self._module, _SEPARATION_PERCENT, AMIGA_WIDTH)
        functions = (ctypes.c_void_p * 16)()
        found = self._library.openmpt_module_ext_get_interface(
            self._ext, b"interactive", functions, ctypes.sizeof(functions)
        )
        if not found:
            raise StemliveError("libopenmpt plays no instruments apart: install a newer one")
        prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int)
        self._mute = prototype(functions[_MUTE_INSTRUMENT] or 0)
        self._kind = "instrument" if self._get("num_instruments") else "sample"
        self._count = self._get(f"num_{self._kind}s")
        self.seconds = min(self._library.openmpt_module_get_duration_seconds(self._module), LONGEST_S)

    def __enter__(self) -> _Module:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.openmpt_module_ext_destroy(self._ext)

    def _get(self, what: str) -> int:
        return int(getattr(self._library, f"openmpt_module_get_{what}")(self._module))

    def instruments(self) -> list[str]:
        """Their names; in a module without instruments those of its samples."""
        name = getattr(self._library, f"openmpt_module_get_{self._kind}_name")
        names = []
        for number in range(self._count):
            text = name(self._module, number)
            names.append((ctypes.string_at(text) if text else b"").decode("utf-8", "replace"))
            self._library.openmpt_free_string(text)
        return names

    def notes(self) -> list[Counter[int]]:
        """How often each instrument is written to play each note."""
        library, module = self._library, self._module
        command, channels = library.openmpt_module_get_pattern_row_channel_command, self._get("num_channels")
        played: list[Counter[int]] = [Counter() for _ in range(self._count)]
        last = [0] * channels
        for pattern in range(self._get("num_patterns")):
            for row in range(library.openmpt_module_get_pattern_num_rows(module, pattern)):
                for channel in range(channels):
                    note = command(module, pattern, row, channel, _NOTE)
                    last[channel] = command(module, pattern, row, channel, _INSTRUMENT) or last[channel]
                    if 0 < note <= 120 and 0 < last[channel] <= len(played):
                        played[last[channel] - 1][note] += 1
        return played

    def play(self, alone: int | None = None) -> Audio:
        """All of it ``[n, 2]``, or what one instrument plays."""
        for number in range(self._count):
            self._mute(self._ext, number, int(alone not in (None, number)))
        audio = np.zeros((int(self.seconds * SAMPLE_RATE_HZ), 2), np.float32)
        done = 0
        while done < len(audio):
            wanted = min(_BLOCK_SAMPLES, len(audio) - done)
            read = self._library.openmpt_module_read_interleaved_float_stereo(
                self._module, SAMPLE_RATE_HZ, wanted, audio[done:].ctypes.data
            )
            if not read:
                break
            done += read
        return audio


@functools.cache
def _library() -> Any:
    """The player, with the types of what is used of it (libopenmpt_ext.h)."""
    name = find_library("openmpt")
    if name is None:
        raise StemliveError("libopenmpt not found: apt-get install libopenmpt0, or leave the modules out")
    library = ctypes.CDLL(name)
    handle, number, size = ctypes.c_void_p, ctypes.c_int32, ctypes.c_size_t
    for function, result, arguments in (
        ("ext_create_from_memory", handle, [ctypes.c_char_p, size, *(handle,) * 7]),
        ("ext_get_module", handle, [handle]),
        ("ext_get_interface", ctypes.c_int, [handle, ctypes.c_char_p, handle, size]),
        ("ext_destroy", None, [handle]),
        ("set_render_param", ctypes.c_int, [handle, ctypes.c_int, number]),
        ("get_duration_seconds", ctypes.c_double, [handle]),
        ("get_pattern_num_rows", number, [handle, number]),
        ("get_pattern_row_channel_command", ctypes.c_uint8, [handle, number, number, number, ctypes.c_int]),
        ("read_interleaved_float_stereo", size, [handle, number, size, handle]),
        *((f"get_num_{what}", number, [handle]) for what in ("instruments", "samples", "patterns", "channels")),
        *((f"get_{what}_name", handle, [handle, number]) for what in ("instrument", "sample")),
    ):
        declared = getattr(library, f"openmpt_module_{function}")
        declared.restype, declared.argtypes = result, arguments
    library.openmpt_free_string.restype, library.openmpt_free_string.argtypes = None, [handle]
    return library


def _rms(audio: Audio) -> float:
    return float(np.sqrt(np.square(audio, dtype=np.float64).mean()))
