"""Presets: the built-in ones, and the user's own in a JSON file."""

import json
from pathlib import Path

from stemlive.errors import StemliveError, UsageError
from stemlive.gui.mix import Mix
from stemlive.whole_file import whole_file

BUILT_IN = {
    "original": "Original",
    "karaoke": "Karaoke",
    "acapella": "A cappella",
    "no-drums": "No drums",
    "no-bass": "No bass",
    "drums-and-bass": "Drums + bass",
}
"""Name in `mixer.PRESETS` to its title in the window."""


def is_possible(mix: Mix, preset: str) -> bool:
    """Whether a preset can be made from the mix's stems."""
    try:
        mix.preset(preset)
    except UsageError:
        return False
    return True


class OwnPresets:
    """The user's mixes by name, in one file that is replaced atomically, or without a file in memory only."""

    def __init__(self, path: Path | None) -> None:
        """Read the file, if there is one. StemliveError when it is not a file of presets; it is left alone then."""
        self._path = path
        self._mixes: dict[str, Mix] = {}
        if path is not None and path.exists():
            try:
                self._mixes = {name: Mix.from_json(mix) for name, mix in json.loads(path.read_text("utf-8")).items()}
            except (OSError, ValueError, AttributeError, UsageError) as error:
                raise StemliveError(f"the presets in {path} cannot be read: repair the file, or remove it") from error

    @property
    def names(self) -> list[str]:
        """All names, sorted without regard to case."""
        return sorted(self._mixes, key=str.casefold)

    def mix(self, name: str) -> Mix:
        """Return the mix of this name. KeyError if there is none."""
        return self._mixes[name]

    def save(self, name: str, mix: Mix) -> None:
        """Save a mix under a name, replacing any other. UsageError for an empty or built-in name."""
        name = name.strip()
        if not name or name.casefold() in (title.casefold() for title in BUILT_IN.values()):
            raise UsageError("a preset of yours needs a name of its own")
        self._write(self._mixes | {name: mix})

    def delete(self, name: str) -> None:
        """Delete a mix. KeyError if there is none of this name."""
        mixes = dict(self._mixes)
        del mixes[name]
        self._write(mixes)

    def _write(self, mixes: dict[str, Mix]) -> None:
        if self._path is None:
            self._mixes = mixes
            return
        text = json.dumps({name: mix.to_json() for name, mix in mixes.items()}, indent=2, ensure_ascii=False)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self._path) as part:
                part.write_text(text + "\n", "utf-8")
        except OSError as error:
            raise StemliveError(f"cannot save presets in {self._path}: {error.strerror}") from error
        self._mixes = mixes
