"""Where audio lies in a folder of training data, and which songs belong to which split.

Layout of a root: `<split>/<song>/<stem>.<wav|flac|ogg>` as in MUSDB18-HQ, and for training `pool/<stem>/<source>/**`,
loose recordings of one stem. Beside the model's four stems there is `accompaniment`: everything but the voice, its
stems unknown. `mixture` is read where songs are scored and left alone in training, where mixtures are made.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from stemlive.errors import TrainingError
from stemlive.model.config import STEMS

SUFFIXES = (".wav", ".flac", ".ogg")
OTHER_SUFFIXES = (".mp3", ".m4a", ".mp4", ".aac", ".opus", ".wma", ".aif", ".aiff", ".au", ".w64", ".caf")
"""Audio formats that are not read; such files are reported as skipped."""
KINDS = (*STEMS, "accompaniment")
MIXTURE = "mixture"
SPLITS = ("train", "valid", "test")

MUSDB18_VALIDATION = frozenset(
    {
        "ANiMAL - Rockshow",
        "Actions - One Minute Smile",
        "Alexander Ross - Goodbye Bolero",
        "Clara Berry And Wooldog - Waltz For My Victims",
        "Fergessen - Nos Palpitants",
        "James May - On The Line",
        "Johnny Lokke - Promises & Lies",
        "Leaf - Summerghost",
        "Meaxic - Take A Step",
        "Patrick Talbot - A Reason To Leave",
        "Skelpolu - Human Mistakes",
        "Traffic Experiment - Sirens",
        "Triviul - Angelsaint",
        "Young Griffo - Pennies",
    }
)
"""The songs of MUSDB18's `train` that its authors hold out (`validation_tracks` of the package musdb)."""

VALIDATION_PACKAGES = frozenset(
    {
        "colobot-common-sounds",
        "enigma-data",
        "freedroidrpg-data",
        "openclonk-data",
        "redeclipse-data",
        "zaz-data",
    }
)
"""Debian packages whose music accompanies singers of `valid`: never fetched and, in older corpora, never trained on."""


@dataclass
class Layout:
    """The audio files of one split: by song and kind, and by pool (kind, then source folder).

    `skipped` names files that look like audio but are not read, and why.
    """

    songs: dict[str, dict[str, Path]] = field(default_factory=dict)
    pools: dict[str, dict[str, list[Path]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    skipped: dict[Path, str] = field(default_factory=dict)

    def files(self) -> list[Path]:
        """All files that are to be read."""
        paths = [path for files in self.songs.values() for path in files.values()]
        return paths + [path for sources in self.pools.values() for files in sources.values() for path in files]

    def without_pools(self, kinds: Collection[str]) -> "Layout":
        """Return the same, without the loose recordings of these kinds."""
        return replace(self, pools={kind: {} if kind in kinds else pool for kind, pool in self.pools.items()})


def find_audio(roots: list[Path], split: str = "train", *, scoring: bool = False) -> Layout:
    """List the audio of a split. `scoring`: songs with their mixtures; otherwise, for `train`, pools and no mixtures.

    The songs of MUSDB18's official validation set are never in `train`; where a root has no `valid` folder they are
    its `valid` split. Songs of one name in several roots are different songs. Raises TrainingError for a root without
    any audio of the split.
    """
    layout = Layout()
    for root in dict.fromkeys(roots):
        before = len(layout.files())
        for folder in song_folders(root, split):
            name = folder.name if folder.name not in layout.songs else f"{folder.name} ({root})"
            files = {path.stem: path for path in _song_files(folder, layout.skipped, scoring)}
            if files:
                layout.songs[name] = files
        if split == "train" and not scoring:
            _find_pools(root, layout)
        if len(layout.files()) == before:
            pools = " and no pool/<stem>" if split == "train" and not scoring else ""
            others = [other for other in SPLITS if other != split and song_folders(root, other)] if scoring else []
            known = f'it has {" and ".join(others)}: give `split="{others[-1]}"`' if others else "check `roots`"
            raise TrainingError(f"{root} has no {split}/<song>/<stem>{pools} audio files: {known}")
    return layout


def song_folders(root: Path, split: str) -> list[Path]:
    """Return the folders of the songs of a split, in the order of their names. Only this function decides on splits."""
    folder = root / split
    held_out = split == "valid" and not folder.exists()
    songs = sorted(path for path in (root / "train" if held_out else folder).glob("*") if path.is_dir())
    if held_out:
        return [path for path in songs if path.name in MUSDB18_VALIDATION]
    return [path for path in songs if split != "train" or path.name not in MUSDB18_VALIDATION]


def _song_files(folder: Path, skipped: dict[Path, str], scoring: bool) -> Iterator[Path]:
    """Return the files of a song to read; files that are no stem, or the same stem again, are added to `skipped`."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not _is_audio(path, skipped) or (path.stem == MIXTURE and not scoring):
            continue
        if path.stem not in (*KINDS, MIXTURE):
            skipped[path] = f"no stem of that name: {', '.join(KINDS)}"
        elif path.stem in found:
            skipped[path] = f"{found[path.stem].name} is there too"
        else:
            found[path.stem] = path
            yield path


def _find_pools(root: Path, layout: Layout) -> None:
    for folder in sorted(path for path in (root / "pool").glob("*") if path.is_dir()):
        if folder.name not in KINDS:
            layout.skipped[folder] = f"no stem of that name: {', '.join(KINDS)}"
            continue
        for path in sorted(folder.rglob("*")):
            source = path.parent.relative_to(folder).as_posix()
            if source in VALIDATION_PACKAGES:
                layout.skipped[path.parent] = "kept for validation"
            elif _is_audio(path, layout.skipped):
                layout.pools[folder.name].setdefault(root.name if source == "." else source, []).append(path)


def _is_audio(path: Path, skipped: dict[Path, str]) -> bool:
    if path.name.startswith(".") or path.is_dir():
        return False
    if path.suffix.lower() in OTHER_SUFFIXES:
        skipped[path] = "neither WAV, FLAC nor OGG: convert it first"
    return path.suffix.lower() in SUFFIXES
