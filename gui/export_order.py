"""What is exported of a song, as a value that goes to the process that does it."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from stemlive.child import quoted
from stemlive.gui.file_names import unquoted
from stemlive.gui.mix import Mix
from stemlive.gui.presets import BUILT_IN, is_possible

FORMATS: dict[str, tuple[str, int | None]] = {
    "WAV, 16 bit": ("wav", 16),
    "WAV, 24 bit": ("wav", 24),
    "WAV, 32 bit float": ("wav", 32),
    "FLAC, 24 bit": ("flac", 24),
    "Ogg Vorbis": ("ogg", None),
    "Opus": ("opus", None),
    "MP3": ("mp3", None),
    "M4A (AAC, needs ffmpeg)": ("m4a", None),
}
"""Title to the extension of the files and the bits of a sample."""
FORMAT = "WAV, 24 bit"


@dataclass(frozen=True)
class Output:
    """One file: its name beside the song's, and each stem's gain on the left and on the right."""

    name: str
    gains: tuple[tuple[str, float, float], ...]
    semitones: int = 0


@dataclass(frozen=True)
class Order:
    """The outputs of a song, or of a `part` of it in seconds, with fades in and out in seconds, into a new folder."""

    song: Path
    outputs: tuple[Output, ...]
    title: str = FORMAT
    part: tuple[float, float] | None = None
    fades_s: tuple[float, float] = (0.0, 0.0)
    model: str | None = None
    folder: Path = Path()

    @property
    def bits(self) -> int | None:
        """Bits of a sample; None where there is nothing to choose."""
        return FORMATS[self.title][1]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that will be written, one for each output."""
        extension, _ = FORMATS[self.title]
        return tuple(self.folder / f"{self.song.stem} - {output.name}.{extension}" for output in self.outputs)

    def into(self, root: Path) -> "Order":
        """Return the order for a folder below `root` with the song's name, or another one where a file exists."""
        for number in range(1, 10_000):
            order = replace(self, folder=root / (self.song.stem if number == 1 else f"{self.song.stem} {number}"))
            if not any(path.exists() for path in order.paths):
                break
        return order

    def to_text(self) -> str:
        """Return the order as one argument in ASCII."""
        return json.dumps(asdict(self) | {"song": quoted(self.song), "folder": quoted(self.folder)})

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the order that `to_text` has written."""
        values: dict[str, Any] = json.loads(text)
        outputs = tuple(
            Output(each["name"], tuple((stem, left, right) for stem, left, right in each["gains"]), each["semitones"])
            for each in values.pop("outputs")
        )
        song, folder = (Path(unquoted(values.pop(name))) for name in ("song", "folder"))
        part, fades_s = values.pop("part"), values.pop("fades_s")
        return cls(
            song, outputs, folder=folder, part=part and (part[0], part[1]), fades_s=(fades_s[0], fades_s[1]), **values
        )


def heard(mix: Mix, semitones: int, *, bypass: bool) -> Output:
    """Return what is heard: faders, pans, mutes, solos and key, or in bypass the song as it is."""
    master = 10 ** (mix.master_db / 20)
    if bypass:
        return Output("original", tuple((stem, master, master) for stem in mix.stems))
    gains = []
    for stem, channel in mix.channels:
        gain = master * 10 ** (channel.gain_db / 20) if mix.heard(stem) else 0.0
        gains.append((stem, gain * min(1.0, 1.0 - channel.pan), gain * min(1.0, 1.0 + channel.pan)))
    return Output(_name(mix, semitones), tuple(gains), semitones)


def alone(mix: Mix, stem: str) -> Output:
    """Return one stem, before its fader and in the song's own key."""
    return Output(stem, tuple((other, float(other == stem), float(other == stem)) for other in mix.stems))


def _name(mix: Mix, semitones: int) -> str:
    """Return a name for a mix: the preset's if it is one, and the key."""
    name = next((name for name in BUILT_IN if is_possible(mix, name) and mix.preset(name) == mix), "mix")
    return f"{name} {semitones:+d}" if semitones else name
