"""Names of files that are no text: bytes that are not UTF-8, and any letters where the system knows ASCII only."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.snapshot import State
from stemlive.realtime.shared.texts import pack, unpack

RATE_HZ = 8000
STRICT = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""A system that knows ASCII only, and a Python that believes it."""


@pytest.fixture(params=["bytes", "strict"])
def odd(request, tmp_path):
    """A folder, the name of a song in it, and a function that runs stemlive there."""
    name = b"s\xffng" if request.param == "bytes" else "sång".encode()
    folder = os.fsencode(tmp_path) + b"/" + name
    os.mkdir(folder)  # noqa: PTH102 Path would hold it as text
    samples = 0.1 * np.random.default_rng(1).standard_normal((RATE_HZ, 2))
    with open(folder + b"/" + name + b".wav", "wb") as file:  # noqa: PTH123
        soundfile.write(file, samples, RATE_HZ, format="WAV")

    def run(*arguments: str | bytes | Path) -> subprocess.CompletedProcess[bytes]:
        result = subprocess.run(
            [sys.executable, "-m", "stemlive", *(os.fsencode(argument) for argument in arguments)],
            env=os.environ | (STRICT if request.param == "strict" else {}),
            cwd=folder,
            capture_output=True,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, b"")
        return result

    return folder, name, run


def test_songs_models_and_outputs_may_have_any_name(odd, model):
    folder, name, run = odd
    shutil.copy(model, folder + b"/" + name + b".onnx")
    with_model = ("--model", name + b".onnx")
    written = run("separate", name + b".wav", "-o", name, "--stems", "bass", *with_model).stdout
    assert written == name + b"/" + name + b"/bass.wav\n"
    told = run("separate", name + b".wav", "-o", name, "--stems", "bass", *with_model, "--force", "--json").stdout
    assert os.fsencode(json.loads(told.splitlines()[-1])["written"].encode(errors="surrogateescape")) == written[:-1]
    for kind in (b".wav", b".flac", b".ogg"):
        run("stream", "-i", name + b".wav", "-o", b"out-" + name + kind, *with_model)
    assert run("demo", "-o", b"demo-" + name + b".wav").stdout == b"demo-" + name + b".wav\n"
    left = set(os.listdir(folder))  # noqa: PTH208
    assert left == {
        name,
        *(name + kind for kind in (b".wav", b".onnx")),
        *(b"out-" + name + kind for kind in (b".wav", b".flac", b".ogg")),
        b"demo-" + name + b".wav",
    }


def test_training_data_may_have_any_name(odd):
    folder, name, run = odd
    os.makedirs(folder + b"/data/train/" + name)  # noqa: PTH103
    os.rename(folder + b"/" + name + b".wav", folder + b"/data/train/" + name + b"/vocals.wav")  # noqa: PTH104
    report = json.loads(run("prepare", "--data", "data", "--cache", name, "--json").stdout)
    assert report["splits"]["train"]["songs"] == 1
    assert report["skipped"] == {}


def test_what_the_engine_says_of_a_file_is_whole():
    memory = EngineMemory.local()
    path = os.fsdecode(b"/music/s\xff/") + "ł" * 300
    memory.set_note(f"{path} is damaged")
    memory.set_state(State.FAILED, "é" * 300)
    now = memory.snapshot()
    assert now.note.encode(errors="surrogateescape").startswith(b"/music/s\xff/\xc5\x82")
    assert now.message == "é" * 256
    assert pack("aéł", 3) == "aé".encode()
    assert unpack(pack(path, 2000)) == path
