"""`stemlive play`: songs one after another on a JACK server, without a gap, in one engine; and what is no song."""

import json
import subprocess
import sys

import jack_server
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from terminals import Terminal

from stemlive.cli import main

RATE_HZ = jack_server.RATE_HZ


def write(path, level, seconds, rate_hz=RATE_HZ):
    soundfile.write(path, np.full((round(seconds * rate_hz), 2), level), rate_hz, subtype="FLOAT")
    return path


def command(model, *arguments):
    return [sys.executable, "-m", "stemlive", "play", "--model", model, *map(str, arguments)]


@pytest.mark.alone
def test_songs_of_a_folder_and_a_list_follow_each_other_without_a_gap(server, model, tmp_path):
    """What the engine has read is recorded: all samples of all songs, in order, and none between the first two."""
    folder = tmp_path / "music"
    folder.mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal((4, 2 * RATE_HZ, 2)).astype(np.float32)
    for name, sound in zip(("a.wav", "b.wav", "c.flac"), noise, strict=False):
        soundfile.write(folder / name, sound, RATE_HZ, subtype="FLOAT" if name.endswith("wav") else "PCM_24")
    (folder / "bad.mp3").write_text("no sound")
    soundfile.write(tmp_path / "last.wav", noise[3], RATE_HZ, subtype="FLOAT")
    (tmp_path / "list.m3u").write_text("music/a.wav\nlast.wav\n")
    takes = tmp_path / "takes"
    recording = ["--record", takes, "--record-format", "wav", "--record-stems", "none"]
    arguments = command(model, folder, tmp_path / "list.m3u", "-o", "device:system", "--json", *recording)
    result = subprocess.run(arguments, env=server.environment, capture_output=True, text=True, check=True, timeout=120)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    songs = [(event["place"], event["count"], event["title"]) for event in events if event["event"] == "song"]
    assert songs == [(1, 5, "a"), (2, 5, "b"), (4, 5, "c"), (5, 5, "last")]
    (warning,) = [event["message"] for event in events if event["event"] == "warning"]
    assert "bad.mp3 is not audio" in warning
    assert events[-1]["state"] == "stopped"
    heard, _ = soundfile.read(takes / "take-001" / "input.wav", dtype="float32")
    begins = []
    for sound in noise:
        # Not where the first one fades in, nor at the end, which may be cut when all has been heard.
        (first,) = np.flatnonzero((np.abs(heard - sound[1000]) < 1e-6).all(axis=1)) - 1000
        begins.append(int(first))
        there = heard[first + 1000 : first + len(sound)]
        np.testing.assert_allclose(there, sound[1000 : 1000 + len(there)], atol=1e-6)
        assert len(there) > len(sound) - 3000
    gaps = np.diff(begins) - 2 * RATE_HZ
    assert gaps[0] == 0
    assert gaps.min() == 0


def test_keys_lead_to_the_next_song_and_back(server, model, tmp_path):
    for name, seconds in (("one", 300), ("two", 301), ("three", 1)):  # more than a busy machine takes
        write(tmp_path / f"{name}.wav", 0.1, seconds, 11025 if name == "two" else 8000)
    songs = [tmp_path / f"{name}.wav" for name in ("one", "two", "three")]
    terminal = Terminal(*command(model, *songs, "-o", "device:system"), environment=server.environment)
    terminal.see("1 of 3: one")
    terminal.see("/5:00 ")
    terminal.send("n")
    terminal.see("2 of 3: two")
    terminal.see("/5:01 ")
    terminal.send("N")
    terminal.see("1 of 3: one")
    terminal.see("/5:00 ")
    terminal.send("nn")
    terminal.see("3 of 3: three")
    terminal.see("ended 0")
    terminal.close()


@pytest.mark.alone
def test_songs_are_practised_as_with_stream(server, model, tmp_path):
    song = write(tmp_path / "one.wav", 0.1, 60)
    practice = ("--tempo", "80", "--loop", "0:10-0:20", "--loop-faster", "5", "--count-in", "2", "--bpm", "90")
    terminal = Terminal(*command(model, song, "-o", "device:system", *practice), environment=server.environment)
    terminal.see("0:1")  # it begins at the loop
    terminal.see("tempo 80%")
    terminal.send("q")
    terminal.see("ended 0")
    terminal.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.mp3"], "gone.mp3 does not exist: check the path"),
        (["-"], "a pipe is played by `stemlive stream --input -`"),
        (["https://x.org/a.mp3"], "is an address, and stemlive downloads nothing"),
        (["a.txt", "b.txt"], "none of the songs can be played"),
        (["empty"], "empty holds no songs"),
        (["a.wav", "-o", "b.wav"], "'b.wav' is no device: write device:NAME"),
        ([], "Missing argument 'SONGS...'"),
    ],
)
def test_what_cannot_be_played_is_said_in_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.wav", 0.1, 0.1)
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(main, ["play", *arguments])
    assert result.exit_code in (1, 2)
    assert message in result.stderr.splitlines()[-1]
    assert all(line.startswith("stemlive: ") for line in result.stderr.splitlines())
