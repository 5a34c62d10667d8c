"""Settings of the window that are kept between sessions."""

import json
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QByteArray, QSettings

from stemlive.errors import UsageError
from stemlive.gui.file_names import chosen, shown
from stemlive.gui.karaoke import Karaoke
from stemlive.gui.mix import Mix
from stemlive.gui.practice import Practice
from stemlive.realtime.control.controls import MOST_SYNC_MS
from stemlive.realtime.model_file.provider import existing_providers
from stemlive.realtime.shared.outputs import Outputs
from stemlive.realtime.shared.settings import MODES, EngineSettings

_MOST_RECENT = 10
_MOST_WORDS = 500
_MOST_DEVICES = 100


class _Text:
    """A setting that is a text."""

    def __init__(self, key: str, default: str = "") -> None:
        self._key, self._default = key, default

    def __get__(self, owner: "Remembered", kind: type) -> str:
        return owner.text(self._key, self._default)

    def __set__(self, owner: "Remembered", text: str) -> None:
        owner.keep(self._key, text)


class _Switch:
    """A setting that is on or off."""

    def __init__(self, key: str, *, on: bool = False) -> None:
        self._key, self._default = key, on

    def __get__(self, owner: "Remembered", kind: type) -> bool:
        return owner.text(self._key, "on" if self._default else "off") == "on"

    def __set__(self, owner: "Remembered", on: bool) -> None:
        owner.keep(self._key, "on" if on else "off")


class Remembered:
    """Typed access to Qt's settings; damaged values read as missing."""

    appearance = _Text("window/appearance", "system")
    """`system`, `light` or `dark`."""
    input = _Text("devices/input", "default")
    """Name of the input device."""
    output = _Text("devices/output", "default")
    """Name of the output device."""
    export_format = _Text("files/format")
    """The title of the format of exports; empty until it is chosen."""
    stem_outline = _Switch("window/stems", on=True)
    """Whether the outline shows the stems."""
    words = _Switch("window/words", on=True)
    """Whether the words of a song are shown when it has some."""
    autoplay = _Switch("window/autoplay", on=True)
    """Whether the next song of the queue begins by itself."""
    match_loudness = _Switch("window/loudness")
    """Whether the songs of the queue are made equally loud."""

    def __init__(self, settings: QSettings) -> None:
        self._settings = settings

    @property
    def geometry(self) -> QByteArray:
        """Position and size of the window."""
        value = self._settings.value("window/geometry")
        return value if isinstance(value, QByteArray) else QByteArray()

    @geometry.setter
    def geometry(self, geometry: QByteArray) -> None:
        self._settings.setValue("window/geometry", geometry)

    def sync_ms(self, output: str) -> int:
        """Return how much later an output device sounds than it says."""
        try:
            later_ms = int(self._syncs()[output])
        except (KeyError, ValueError, TypeError):
            return 0
        return later_ms if abs(later_ms) <= MOST_SYNC_MS else 0

    def keep_sync(self, output: str, later_ms: int) -> None:
        """Remember that for an output device."""
        syncs = self._syncs()
        syncs.pop(output, None)
        if later_ms:
            syncs[output] = later_ms
        self._settings.setValue("devices/sync", json.dumps(dict(list(syncs.items())[-_MOST_DEVICES:])))

    def _syncs(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.text("devices/sync", "{}")))
        except (ValueError, TypeError):
            return {}

    @property
    def record_folder(self) -> Path | None:
        """The folder for recordings; None until it is chosen."""
        folder = self.text("files/record", "")
        return chosen(folder) if folder else None

    @record_folder.setter
    def record_folder(self, folder: Path) -> None:
        self._settings.setValue("files/record", shown(folder))

    @property
    def export_folder(self) -> Path | None:
        """The folder for exports; None until it is chosen."""
        folder = self.text("files/export", "")
        return chosen(folder) if folder else None

    @export_folder.setter
    def export_folder(self, folder: Path) -> None:
        self._settings.setValue("files/export", shown(folder))

    @property
    def practice(self) -> Practice:
        """Rounds that get faster, and the count-in."""
        try:
            return Practice.from_json(json.loads(self.text("practice", "")))
        except (ValueError, TypeError):
            return Practice()

    @practice.setter
    def practice(self, practice: Practice) -> None:
        self._settings.setValue("practice", json.dumps(practice.to_json()))

    @property
    def unrecorded(self) -> tuple[str, ...]:
        """Stems that are left out of recordings."""
        try:
            return tuple(str(stem) for stem in json.loads(self.text("files/unrecorded", "[]")))
        except (ValueError, TypeError):
            return ()

    @unrecorded.setter
    def unrecorded(self, stems: tuple[str, ...]) -> None:
        self._settings.setValue("files/unrecorded", json.dumps(list(stems)))

    @property
    def recent(self) -> list[Path]:
        """Recently opened songs, the newest first."""
        try:
            return [chosen(str(path)) for path in json.loads(self.text("files/recent", "[]"))]
        except (ValueError, TypeError):
            return []

    def add_recent(self, path: Path) -> None:
        """Put a song at the front of the recent ones."""
        songs = [path, *(other for other in self.recent if other != path)][:_MOST_RECENT]
        self._settings.setValue("files/recent", json.dumps([shown(song) for song in songs]))

    @property
    def words_share(self) -> float:
        """The share of the width that the words take."""
        try:
            return min(0.9, max(0.1, float(self.text("window/wordsshare", "0.4"))))
        except ValueError:
            return 0.4

    @words_share.setter
    def words_share(self, share: float) -> None:
        self._settings.setValue("window/wordsshare", f"{share:.3f}")

    def words_of(self, song: Path) -> tuple[float, Path | None]:
        """Return how many seconds later a song's words come than their file says, and the file if it was chosen."""
        try:
            later_s, file = self._words()[shown(song)]
            return float(later_s), chosen(file) if file else None
        except (KeyError, ValueError, TypeError):
            return 0.0, None

    def keep_words(self, song: Path, later_s: float, file: Path | None) -> None:
        """Remember both for a song."""
        songs = self._words()
        songs.pop(shown(song), None)
        if later_s or file:
            songs[shown(song)] = [later_s, shown(file) if file else ""]
        self._settings.setValue("words/songs", json.dumps(dict(list(songs.items())[-_MOST_WORDS:])))

    def _words(self) -> dict[str, list[Any]]:
        try:
            return dict(json.loads(self.text("words/songs", "{}")))
        except (ValueError, TypeError):
            return {}

    @property
    def mix(self) -> Mix | None:
        """The last mix."""
        return self._mix("mix")

    @mix.setter
    def mix(self, mix: Mix) -> None:
        self._settings.setValue("mix", json.dumps(mix.to_json()))

    @property
    def cue(self) -> Mix | None:
        """The last cue."""
        return self._mix("cue")

    @cue.setter
    def cue(self, cue: Mix) -> None:
        self._settings.setValue("cue", json.dumps(cue.to_json()))

    @property
    def outputs(self) -> Outputs:
        """Where stems and the cue are wished to go."""
        try:
            routes, cue = json.loads(self.text("devices/routes", ""))
            ends = tuple((str(stem), tuple(map(int, channels))) for stem, channels in routes)
            return Outputs(routes=ends, cue=tuple(map(int, cue)))
        except (ValueError, TypeError, UsageError):
            return Outputs()

    @outputs.setter
    def outputs(self, outputs: Outputs) -> None:
        self._settings.setValue("devices/routes", json.dumps([outputs.routes, outputs.cue]))

    @property
    def karaoke(self) -> Karaoke:
        """The settings of the karaoke corner."""
        try:
            return Karaoke.from_json(json.loads(self.text("microphone", "")))
        except (ValueError, TypeError):
            return Karaoke()

    @karaoke.setter
    def karaoke(self, karaoke: Karaoke) -> None:
        self._settings.setValue("microphone", json.dumps(karaoke.to_json()))

    @property
    def session(self) -> tuple[list[Path], int, float]:
        """The songs of the queue of the last time, the place of the one that was on, and where it was, in seconds."""
        try:
            songs, place, position_s = json.loads(self.text("queue", ""))
            found = [chosen(str(song)) for song in songs]
            return (found, int(place), max(0.0, float(position_s))) if 0 <= int(place) < len(found) else ([], 0, 0.0)
        except (ValueError, TypeError):
            return [], 0, 0.0

    def keep_session(self, songs: list[Path], place: int, position_s: float) -> None:
        """Remember the queue."""
        self._settings.setValue("queue", json.dumps([[shown(song) for song in songs], place, round(position_s, 3)]))

    def _mix(self, key: str) -> Mix | None:
        try:
            return Mix.from_json(json.loads(self.text(key, "null")))
        except (ValueError, UsageError):
            return None

    def engine(self) -> dict[str, Any]:
        """Return the arguments of `EngineSettings` that the settings dialog has set; invalid ones are left out."""
        block, mode = self.text("engine/block", ""), self.text("engine/mode", "auto")
        latency, threads = self.text("engine/latency", "low"), self.text("engine/threads", "1")
        provider = self.text("engine/provider", "cpu")
        values: dict[str, Any] = {
            "block_samples": int(block) if block.isdecimal() else None,
            "latency": float(latency) if latency.isdecimal() else latency,
            "mode": mode if mode in MODES else "auto",
            "threads": int(threads) if threads.isdecimal() else 1,
            "provider": provider if provider in existing_providers() else "cpu",
        }
        try:
            EngineSettings("device:default", "device:default", **values)
        except UsageError:
            return {}
        return values

    def set_engine(self, *, block_samples: int | None, latency: str, mode: str, threads: int, provider: str) -> None:
        """Save the engine's settings."""
        self._settings.setValue("engine/block", "" if block_samples is None else str(block_samples))
        self._settings.setValue("engine/latency", latency)
        self._settings.setValue("engine/mode", mode)
        self._settings.setValue("engine/threads", str(threads))
        self._settings.setValue("engine/provider", provider)

    def flush(self) -> None:
        """Write all settings to the disk now."""
        self._settings.sync()

    def keep(self, key: str, text: str) -> None:
        """Save a setting."""
        self._settings.setValue(key, text)

    def text(self, key: str, default: str) -> str:
        """Return a setting as it was saved."""
        value = self._settings.value(key, default)
        return value if isinstance(value, str) else default
