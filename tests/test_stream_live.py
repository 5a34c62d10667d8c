"""`stemlive stream` as a person and as a program use it, on a JACK server: keys, events, OSC, recording, microphone."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import aiohttp
import jack_server
import mido
import numpy as np
import pytest
import soundfile
from jack_neighbour import Neighbour, beside
from pythonosc.udp_client import SimpleUDPClient
from terminals import Terminal

RATE_HZ = jack_server.RATE_HZ


def stream(model: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "stemlive", "stream", "--model", str(model), *map(str, arguments)]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def steer_by_remote(url: str, code: str, command: dict) -> dict:
    """Pair with the page at `url`, send a command, and return the first state that shows it."""
    origin = {"Origin": url.rstrip("/")}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers=origin) as session:
        async with session.post(f"{url}pair", json=code) as answer:
            assert answer.status == 204
        async with session.ws_connect(f"{url}live") as phone:
            await phone.send_json(command)
            while True:
                state = await phone.receive_json(timeout=60)
                if state[command["do"]] == command["value"]:
                    return state


def test_a_song_is_played_paused_and_sought_in_the_terminal_and_ends_the_program(server, model, tmp_path):
    noise = np.random.default_rng(0).standard_normal((90 * RATE_HZ, 2)).astype(np.float32)
    soundfile.write(tmp_path / "song.wav", 0.05 * noise, RATE_HZ)
    environment = {name: value for name, value in server.environment.items() if "DISPLAY" not in name}
    environment["QT_QPA_PLATFORM"] = ""
    song = (sys.executable, "-m", "stemlive", str(tmp_path / "song.wav"), "--model", str(model), "-o", "device:system")
    terminal = Terminal(*song, environment=environment)
    terminal.see("Space pauses, arrows seek, k karaoke, o original. Press ? for the keys, q to quit.")
    terminal.see("0:01/1:30 ")
    terminal.send("\x1b[C\x1b[C")
    terminal.see("to 0:1")
    terminal.see("0:12/1:30 ")
    terminal.send(" ")
    terminal.see("/1:30 PAUSED ")
    terminal.send("k")
    terminal.see("[M]")
    terminal.send("\x1b[H")
    terminal.see("0:00/1:30 PAUSED ")
    terminal.send(" " + 18 * "\x1b[C")
    terminal.see("ended 0")
    terminal.close()
    longest = max(len(line.split("\x1b[K")[0]) for line in terminal.all_text.split("\r") if "/1:30" in line)
    assert longest < 80


def until(lines: Iterable[str], *fields: str) -> Iterator[dict]:
    """Events as they are told, until each of these fields was in one."""
    missing = set(fields)
    for line in lines:
        event = json.loads(line)
        yield event
        missing -= event.keys()
        if not missing:
            return
    raise AssertionError(f"it ended without {missing}")


@pytest.mark.alone
@pytest.mark.parametrize(("mode", "extra"), [("callback", 0), ("rtmixer", jack_server.PERIOD + 64)])
def test_the_microphone_waits_for_no_model_and_everything_is_told(
    server, model, tmp_path, mode, extra, record_property
):
    port = free_port()
    command = stream(model, "-i", "device:system", "-o", "device:system", "--mode", mode, "--json", "--levels-ms", 50)
    command += ["--input-channels", "1", "--microphone-channels", "2", "--microphone-gain", "-6", "--osc", str(port)]
    command += ["--remote", "0"]
    command += ["--record", str(tmp_path / "takes"), "--record-format", "wav", "--record-stems", "drums"]
    program = subprocess.Popen(command, env=server.environment, stdout=subprocess.PIPE, text=True)
    client = SimpleUDPClient("127.0.0.1", port)
    try:
        assert program.stdout is not None
        begun = json.loads(program.stdout.readline())
        assert (begun["event"], begun["mode"]) == ("started", mode)
        page = json.loads(program.stdout.readline())
        assert page["event"] == "remote"
        sound = jack_server.clicks()
        sound[:, 0] = 0
        # JACK's own part is a period, which is not part of what the neighbour sees.
        told = round(begun["microphone_latency_ms"] * RATE_HZ / 1000) - jack_server.PERIOD
        assert told == extra
        with beside(Neighbour, server.name) as neighbour:
            neighbour.connect()
            heard, missed = neighbour.play(sound)
        off = np.abs(heard[told : told + len(sound)] - 10 ** (-6 / 20) * sound[:, 1:]).max(axis=1)
        client.send_message("/stemlive/preset", "karaoke")
        client.send_message("/stemlive/nothing", 1)
        shown = asyncio.run(steer_by_remote(page["url"], page["code"], {"do": "bypass", "value": True}))
        assert [stem["name"] for stem in shown["stems"]] == begun["stems"] and shown["microphone"]["gain"] == -6
        events = list(until(program.stdout, "muted", "bypass", "message"))
    finally:
        client._sock.close()
        program.send_signal(signal.SIGTERM)
        with program.stdout:
            rest = program.stdout.read()
        assert program.wait(60) == 143
    events += [json.loads(line) for line in rest.splitlines()]
    names = [event["event"] for event in events]
    assert names[-2:] == ["recording stopped", "stopped"]
    counts = ("input_overflows", "output_underflows", "microphone_late")
    lost = max((sum(event[name] for name in counts) for event in events if event["event"] == "dropout"), default=0)
    right = off.reshape(-1, jack_server.CLICK_EVERY).max(axis=1) < 1e-4
    jack_server.check_right(right, missed + lost, 2, record_property)
    assert {"levels", "recording", "warning"} <= set(names)
    changed = {name: value for each in events if each["event"] == "control changed" for name, value in each.items()}
    assert (changed["muted"], changed["bypass"]) == (["vocals"], True)
    assert "/stemlive/nothing: there is no such address" in next(e["message"] for e in events if "message" in e)
    take = tmp_path / "takes" / "take-001"
    lengths = {path.name: soundfile.info(str(path)).frames for path in take.iterdir()}
    assert set(lengths) == {"input.wav", "mix.wav", "drums.wav"}
    assert len(set(lengths.values())) == 1
    assert min(lengths.values()) > RATE_HZ // 2


@pytest.mark.alone
def test_the_guide_steps_back_while_somebody_sings_into_the_microphone(server, model):
    command = stream(model, "-i", "device:system", "-o", "device:system", "--json", "--guide", -12)
    command += ["--input-channels", "1", "--microphone-channels", "2"]
    command += [word for stem in ("vocals", "drums", "bass", "other") for word in ("--mute", stem)]
    times_s = np.arange(7 * RATE_HZ) / RATE_HZ
    vowel = sum(np.sin(2 * np.pi * 200 * k * times_s) / k for k in range(1, 11))  # one tone alone would howl
    singer = 0.1 * vowel / np.std(vowel) * ((times_s > 1.5) & (times_s < 3))
    sound = np.stack([0.5 * np.sin(2 * np.pi * 880 * times_s), singer], 1).astype(np.float32)
    with subprocess.Popen(command, env=server.environment, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            assert json.loads(program.stdout.readline())["event"] == "started"
            with beside(Neighbour, server.name) as neighbour:
                neighbour.connect()
                heard, _ = neighbour.play(sound)
        finally:
            program.send_signal(signal.SIGTERM)

    def level_db(start_s: float) -> float:
        """Of the song, as the middle one of 14 pieces of 50 ms has it: a hop that was late counts in one."""
        pieces = heard[round(start_s * RATE_HZ) :, 0][: 14 * 2205].reshape(14, 2205)
        waves = np.exp(-2j * np.pi * 880 * np.arange(2205) / RATE_HZ)
        return float(20 * np.log10(np.median(2 * np.abs(pieces @ waves) / 2205) + 1e-9))

    assert level_db(2.2) - level_db(0.7) == pytest.approx(-24, abs=1)
    assert level_db(6.2) - level_db(0.7) == pytest.approx(-1, abs=1)  # it does not hurry back
    assert np.std(heard[round(2.2 * RATE_HZ) : round(2.9 * RATE_HZ), 0]) == pytest.approx(0.1, rel=0.05)


def test_a_file_is_played_to_its_real_end_and_what_is_missing_is_told(server, model, tmp_path):
    sound = 0.1 * np.random.default_rng(0).standard_normal((3 * RATE_HZ, 2))
    sound[RATE_HZ // 2 :] *= 1e-3  # the first frames are long: what a length is guessed from
    soundfile.write(tmp_path / "song.wav", sound, RATE_HZ)
    encode = ["ffmpeg", "-v", "error", "-i", tmp_path / "song.wav"]
    subprocess.run([*encode, "-q:a", "9", "-write_xing", "0", tmp_path / "vbr.mp3"], check=True)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "song.wav").read_bytes()[: 44 + 4 * RATE_HZ])
    for name, seconds, note in (("vbr.mp3", 3.0, None), ("cut.wav", 1.0, "cut.wav ends after 1.00 s of the 3.00 s")):
        command = stream(model, "-i", tmp_path / name, "-o", "device:system", "--mode", "callback")
        result = subprocess.run(
            [*command, "--json"], env=server.environment, capture_output=True, text=True, check=True
        )
        events = [json.loads(line) for line in result.stdout.splitlines()]
        assert events[-1]["event"] == "stopped"
        assert seconds <= events[-1]["stream_s"] < seconds + 1.5
        warnings = [event["message"] for event in events if event["event"] == "warning"]
        assert len(warnings) == bool(note)
        assert note is None or note in warnings[0]
        assert result.stderr.count("warning: ") - result.stderr.count("hops came late") == bool(note)


def test_songs_and_recordings_may_have_names_that_are_not_utf_8(server, model, tmp_path):
    sound = 0.1 * np.random.default_rng(0).standard_normal((RATE_HZ, 2))
    soundfile.write(tmp_path / "song.wav", sound, RATE_HZ)
    song, takes = (os.fsencode(tmp_path) + name for name in (b"/s\xffng.wav", b"/t\xff/takes"))
    with open(song, "wb") as file:  # noqa: PTH123 Path would hold the name as text
        file.write((tmp_path / "song.wav").read_bytes()[: 44 + 2 * RATE_HZ])
    command = stream(model, "-i", os.fsdecode(song), "-o", "device:system", "--mode", "callback", "--json")
    command += ["--record", os.fsdecode(takes)]
    result = subprocess.run(command, env=server.environment, capture_output=True, check=True)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    (warning,) = [event["message"] for event in events if event["event"] == "warning"]
    assert os.fsencode(warning).startswith(song + b" ends after 0.50 s of the 1.00 s")
    stopped = next(event for event in events if event["event"] == "recording stopped")
    assert os.fsencode(stopped["folder"]) == takes + b"/take-001"
    names = {f"{name}.flac".encode() for name in ("input", "mix", "vocals", "drums", "bass", "other")}
    assert set(os.listdir(takes + b"/take-001")) == names  # noqa: PTH208


def test_a_recording_that_fails_ends_in_a_failure(server, model, tmp_path):
    soundfile.write(tmp_path / "song.wav", np.zeros((RATE_HZ, 2)), RATE_HZ)
    # A folder for takes in it has a path that is too long, which no check beforehand sees.
    deep = (str(tmp_path) + ("/" + "x" * 99) * 50)[:4090]
    command = stream(model, "-i", tmp_path / "song.wav", "-o", "device:system", "--mode", "callback", "--record", deep)
    result = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert result.stderr.count("recording stopped: cannot record in") == 1


def test_keys_and_one_line_on_a_terminal(server, model, tmp_path):
    soundfile.write(tmp_path / "song.wav", np.zeros((30 * RATE_HZ, 2), np.float32), RATE_HZ)
    command = stream(model, "-i", tmp_path / "song.wav", "-o", "device:system", "--mode", "callback")
    terminal = Terminal(*command, environment=server.environment | {"PYTHONIOENCODING": "utf-8"})
    terminal.see("Press ? for the keys, q to quit.")
    terminal.see("\r0:0")
    terminal.send("m")
    terminal.see(">1 vo")
    terminal.see("[M]")
    terminal.send("2+b")
    terminal.see("BYPASS")
    terminal.see(">2 d")
    terminal.send("?")
    terminal.see("selected stem 1 dB louder")
    terminal.send("\x1a")
    terminal.see("stopped cooked")
    time.sleep(1.5)  # longer than a silent engine is borne with, but it was stopped, too
    terminal.send("\n")
    terminal.see(">2 d")
    terminal.send("m")
    terminal.see("[M]")
    terminal.send("q")
    terminal.see("ended 0 cooked")
    assert "does not answer" not in terminal.all_text
    terminal.close()


def test_a_fader_of_another_program_on_jack_is_learnt_and_heard(server, model, tmp_path, monkeypatch):
    """Through real MIDI ports: those of JACK, for ALSA's sequencer is not everywhere where tests run."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    fader = mido.Backend("mido.backends.rtmidi/UNIX_JACK").open_output("fader", client_name="desk", virtual=True)
    learnt = tmp_path / "midi.json"
    command = stream(model, "-i", "device:system", "-o", "device:system", "--solo", "vocals")
    command += ["--midi", "desk:fader", "--midi-map", learnt, "--midi-learn"]
    terminal = Terminal(*map(str, command), environment=server.environment | {"PYTHONIOENCODING": "utf-8"})
    try:
        terminal.see("\r0:0")
        fader.send(mido.Message("control_change", channel=1, control=21, value=100))
        terminal.see("MIDI control 21 on channel 2 moved: press the key of what it shall move")
        terminal.send("1")
        terminal.see("saved in")
        assert json.loads(learnt.read_text()) == {"gain vocals": {"channel": 2, "control": 21}}
        sound = (0.1 * np.random.default_rng(0).standard_normal((RATE_HZ, 2))).astype(np.float32)
        heard = {}
        with beside(Neighbour, server.name) as neighbour:
            neighbour.connect()
            for value in (80, 40, 0):  # 0 dB, a half to the third power, off
                fader.send(mido.Message("control_change", channel=1, control=21, value=value))
                time.sleep(0.2)
                played = neighbour.play(sound)[0][RATE_HZ // 2 : RATE_HZ]
                # A late hop is as loud as without the fader.
                heard[value] = np.median(played.reshape(-1, 882).std(axis=1))
        terminal.send("q")
        terminal.see("ended 0")
    finally:
        terminal.close()
        fader.close()
    assert heard[80] > 1e-3
    assert heard[0] < 1e-3 * heard[80]
    assert heard[40] == pytest.approx(heard[80] / 8, rel=0.1)
