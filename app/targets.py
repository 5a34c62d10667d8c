"""Where `stemlive separate` writes: names below a folder, or one file."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stemlive.errors import UsageError
from stemlive.output_names import Template, name_songs
from stemlive.song_list import Song, songs_of
from stemlive.tracks import Track

Outputs = list[tuple[Track, Path]]


@dataclass(frozen=True)
class Target:
    """A folder, and the names below it; or one `file`."""

    folder: Path
    template: Template
    extension: str
    file: Path | None = None

    def assign(
        self, names: Sequence[Path], tracks: Sequence[Track], stems: Sequence[str]
    ) -> list[tuple[Song, Outputs]]:
        """Return the songs that are meant by `names`, and where each track of them goes.

        In folders, what this command has written of their songs is no song. UsageError when one file is to hold several
        tracks, and errors as in `songs_of` and `name_songs`.
        """
        if self.file is not None:
            songs = songs_of(names)
            if len(songs) * len(tracks) != 1:
                what = f"{len(songs)} songs" if len(songs) > 1 else f"{len(tracks)} tracks"
                raise UsageError(f"{self.file} is one file, and {what} are to be written: name a folder, or one mix")
            return [(songs[0], [(tracks[0], self.file)])]
        outputs = [track.name for track in tracks]
        songs = self._without_own(songs_of(names, without=self.folder), outputs, stems)
        if not songs:
            raise UsageError(f"all in {names[0]} has been written by stemlive: there are no songs")
        named = name_songs(songs, self.template, outputs)
        paths = [[self.folder / f"{name}.{self.extension}" for name in names] for names in named]
        return [(song, list(zip(tracks, ours, strict=True))) for song, ours in zip(songs, paths, strict=True)]

    def _without_own(self, songs: list[Song], outputs: list[str], stems: Sequence[str]) -> list[Song]:
        """Leave out what earlier calls have written of the other songs, in any format, into the same folder."""
        from stemlive.realtime.separation.mixer import PRESETS

        if "stem" in self.template.fields:
            outputs = list(dict.fromkeys([*outputs, *stems, *PRESETS, "mix"]))
        own = {
            os.path.realpath(self.folder / name)
            for names in name_songs(songs, self.template, outputs)
            for name in names
        }
        return [song for song in songs if not song.folder.parts or str(Path(song.key).with_suffix("")) not in own]


def read_target(output: Path, template: str, extension: str | None, bits: int | None) -> Target:
    """Return the target that the options mean. UsageError when they do not agree."""
    from stemlive.realtime.audio_files.encoders import FORMATS, encoding_of

    named = output.suffix[1:].lower()
    file = output if named in FORMATS and not output.is_dir() else None
    if str(output) == "-":
        raise UsageError("separate writes files: for a pipe, stemlive stream -i SONG -o - does the same with a mix")
    if file is not None and extension not in (None, named):
        raise UsageError(f"--format {extension} and {output} do not agree: leave --format out")
    kind = named if file is not None else extension or "wav"
    encoding_of(kind, bits)
    return Target(output, Template(template), kind, file)
