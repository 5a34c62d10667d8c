"""The live engine on a real audio server: JACK with its dummy driver, whose clock is exact.

A machine that is busy for a moment costs a dropout. What is heard has to agree with the dropouts that were counted;
their number is reported (conftest.py).
"""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jack_server
import numpy as np
import pytest
import soundfile
from jack_neighbour import Neighbour, beside
from jack_server import CLICK_EVERY, PATIENCE_S, RATE_HZ, Server, check_right, clicks, wait_until

from stemlive import demo_song
from stemlive.demo_song import BEAT_S, VOICE_BARS
from stemlive.realtime.engine.playout import FADE_SAMPLES
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.mixer import Mixer
from stemlive.realtime.separation.separator import Separator

PROGRAM = (sys.executable, "-m", "stemlive")

ENGINE = """
import itertools, json, sys
from dataclasses import asdict
from stemlive.realtime.engine.engine import Engine
from stemlive.realtime.engine.child_process import EngineProcess
from stemlive.realtime.shared.outputs import Outputs
from stemlive.realtime.shared.settings import EngineSettings

if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    kind = {"here": Engine, "apart": EngineProcess}[wanted.pop("where", "here")]
    preset = wanted.pop("preset", "original")
    if "input_channels" in wanted:
        wanted["input_channels"] = tuple(wanted["input_channels"])
    if "routes" in wanted:
        routes = tuple((stem, tuple(to)) for stem, to in wanted.pop("routes").items())
        wanted["outputs"] = Outputs(routes=routes, cue=tuple(wanted.pop("cue")))
    engine = kind(EngineSettings("device:system", "device:system", **wanted))
    engine.controls.apply_preset(preset)
    engine.start()
    for line in itertools.chain([""], sys.stdin):
        now = engine.snapshot()
        more = {"inside": now.latency.inside, "total": now.latency.total, "dropouts": now.dropouts}
        print(json.dumps(asdict(now) | more | {"pid": getattr(engine, "pid", 0)}), flush=True)
    engine.stop()
"""

LATIN_CLIENT = """
import ctypes, sys
from ctypes.util import find_library
jack = ctypes.CDLL(find_library("jack"))
jack.jack_client_open.restype = ctypes.c_void_p
client = ctypes.c_void_p(jack.jack_client_open(b"caf\\xe9", 1, None))
jack.jack_port_register(client, b"out", b"32 bit float mono audio", ctypes.c_ulong(2), ctypes.c_ulong(0))
jack.jack_activate(client)
print("there", flush=True)
sys.stdin.read()
"""


class Live:
    """An engine in a process that sees the server; `snapshot` asks it for one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.first = self._read()

    def snapshot(self) -> dict:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict:
        assert select.select([self._process.stdout], [], [], PATIENCE_S)[0], f"no answer in {PATIENCE_S} s"
        line = self._process.stdout.readline()
        assert line, "the engine ended"
        return json.loads(line)


@contextmanager
def live(server: Server, tmp_path: Path, **settings: object) -> Iterator[Live]:
    script = tmp_path / "engine.py"  # a file, for a process that is spawned imports it again
    script.write_text(ENGINE)
    with subprocess.Popen(
        [sys.executable, str(script), json.dumps(settings)],
        env=server.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Live(process)
        finally:
            process.stdin.close()
            process.wait(60)


@contextmanager
def neighbour(server: Server, *, outputs: int = 2) -> Iterator[Neighbour]:
    with beside(Neighbour, server.name, outputs) as other:
        other.connect()
        yield other


def song(seconds: float) -> np.ndarray:
    """Some of the demo song where its voice is."""
    first = round(VOICE_BARS[0] * 4 * BEAT_S * RATE_HZ)
    return demo_song.song()[first : first + round(seconds * RATE_HZ)]


def karaoke(model: str, sound: np.ndarray) -> np.ndarray:
    """The file mode's result, as late as the separator is."""
    separator = Separator(Session(model))
    mixer = Mixer(separator.stems)
    mixer.apply_preset("karaoke")
    return separator.process_mix(sound, mixer.gains())


def test_devices_are_listed(server):
    def run(*arguments: str) -> str:
        return subprocess.run(
            [*PROGRAM, "devices", *arguments], env=server.environment, capture_output=True, text=True, check=True
        ).stdout

    system = next(d for d in json.loads(run("--json")) if d["host_interface"].startswith("JACK"))
    assert (system["name"], system["inputs"], system["outputs"]) == ("system", 2, 2)
    assert system["sample_rate_hz"] == RATE_HZ
    assert system["captures_system_sound"]
    assert "system: 2 in, 2 out, 44100 Hz" in run()


def test_a_program_whose_name_is_not_utf8_is_listed(server):
    command = [sys.executable, "-c", LATIN_CLIENT]
    with subprocess.Popen(command, env=server.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"there\n"
        listed = subprocess.run(
            [*PROGRAM, "devices", "--json"],
            env=server.environment | {"LC_ALL": "C"},  # in others, PortAudio cuts such a name short
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        other.stdin.close()
    assert {"caf\N{REPLACEMENT CHARACTER}", "system"} <= {device["name"] for device in json.loads(listed)}


@pytest.mark.alone
@pytest.mark.parametrize("mode", ["rtmixer", "callback"])
def test_stems_come_out_of_ports_of_their_names(tmp_path, model, mode, record_property):
    """The voice on a pair of its own, the bass as mono, the rest on the first two, and all of it on the last two."""
    sound = song(2.5)
    separator = Separator(Session(model))
    vocals, drums, bass, other = separator.process(sound)
    routes = {"vocals": [3, 4], "bass": [5]}
    mono = bass.mean(axis=1, keepdims=True)
    expected = np.concatenate([drums + other, vocals, mono, vocals + drums + bass + other], axis=1)
    wide = Server(tmp_path, outputs=8)
    wide.start()
    settings = {"model": model, "mode": mode, "latency": 300.0, "where": "apart", "routes": routes, "cue": [6, 7]}
    try:
        with live(wide, tmp_path, **settings) as engine, neighbour(wide, outputs=7) as other_program:
            names = [name.split(":")[1] for name in ports(wide) if name.startswith("stemlive:")]
            before = engine.snapshot()
            recorded, missed = other_program.play(sound, tail=16384)
            now = engine.snapshot()
    finally:
        wide.stop()
    assert [name for name in names if not name.startswith("in_")] == [
        *("mix_left", "mix_right", "vocals_left", "vocals_right", "bass", "cue_left", "cue_right")
    ]
    late = now["inside"] - 1024
    off = np.abs(recorded[late : late + len(expected)] - expected).max(axis=1)
    hops = off[: len(off) // 512 * 512].reshape(-1, 512).max(axis=1)
    check_right(hops < 1e-3, missed + now["dropouts"] - before["dropouts"], 40, record_property)


@pytest.mark.alone
@pytest.mark.parametrize("mode", ["rtmixer", "callback"])
def test_a_song_from_another_program_comes_back_as_in_file_mode(server, tmp_path, model, mode, record_property):
    sound = song(2.5)
    expected = karaoke(model, sound)
    assert np.abs(expected).max() > 0.1
    settings = {"model": model, "mode": mode, "preset": "karaoke", "latency": 300.0, "where": "apart"}
    with live(server, tmp_path, **settings) as engine, neighbour(server) as other:
        before = engine.snapshot()
        recorded, missed = other.play(sound, tail=16384)
        now = engine.snapshot()
    late = now["inside"] - 1024
    off = np.abs(recorded[late : late + len(expected)] - expected).max(axis=1)
    hops = off[: len(off) // 512 * 512].reshape(-1, 512).max(axis=1)
    # After a hop that it did not hear, the model's memory is wrong by 0.75 to the power of the hops since.
    check_right(hops < 1e-3, missed + now["dropouts"] - before["dropouts"], 40, record_property)


@pytest.mark.alone
@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "rtmixer"},
        {"mode": "callback"},
        {"mode": "inline"},
        {"mode": "rtmixer", "latency": 80},
        {"mode": "rtmixer", "where": "apart"},
    ],
    ids=lambda settings: "-".join(str(value) for value in settings.values()),
)
def test_the_delay_is_the_one_that_is_said_to_the_sample(server, tmp_path, model, settings, record_property):
    sound = clicks()
    with live(server, tmp_path, model=model, **settings) as engine, neighbour(server) as other:
        before = engine.snapshot()
        recorded, missed = other.play(sound)
        now = engine.snapshot()
    assert now["total"] == now["latency"]["device_in"] + now["inside"] + now["latency"]["device_out"]
    if settings.get("latency"):
        assert now["total"] == round(0.08 * RATE_HZ)
    off = np.abs(recorded[now["inside"] : now["inside"] + len(sound)] - sound).max(axis=1)
    # A late hop is no excuse: a dry hop is as late as a separated one.
    lost = sum(now[name] - before[name] for name in ("input_overflows", "output_underflows"))
    check_right(off.reshape(-1, CLICK_EVERY).max(axis=1) < 1e-4, missed + lost, 2, record_property)


@pytest.mark.alone
def test_another_rate_and_one_channel(tmp_path, model):
    server = Server(tmp_path, rate_hz=48000)
    server.start()
    sound = np.zeros((RATE_HZ, 2), np.float32)
    sound[5000:5064, 0] = 0.5 * np.hanning(64)
    sound[9000:9065, 1] = -0.25 * np.hanning(65)
    try:
        with live(server, tmp_path, model=model, input_channels=[2]) as engine, neighbour(server) as other:
            recorded, _ = other.play(sound)
            now = engine.snapshot()
    finally:
        server.stop()
    assert now["latency"]["sample_rate_hz"] == 48000
    # What comes on the second channel is played on both sides; nothing of the first is.
    for side in range(2):
        assert np.argmin(recorded[:, side]) == 9032 + now["inside"]
        assert recorded[:, side].min() == pytest.approx(-0.25, abs=1e-3)
        assert np.abs(recorded[: 8900 + now["inside"], side]).max() < 1e-3


@pytest.mark.alone
@pytest.mark.parametrize("mode", ["rtmixer", "callback"])
def test_a_long_period_is_seen_through_the_blocks_that_it_is_cut_into(tmp_path, model, mode):
    """PortAudio calls back for 4 blocks of 1024 at once; the queue has to hold all of them but the first hop."""
    server = Server(tmp_path, period=4096)
    server.start()
    try:
        with live(server, tmp_path, model=model, mode=mode) as engine:
            assert engine.first["latency"]["queue"] == FADE_SAMPLES + 4096 - 512
    finally:
        server.stop()


@pytest.mark.parametrize(("runs", "stays"), [("jackd", True), ("python3", False)])
def test_a_list_of_killed_servers_is_forgotten_where_none_runs(tmp_path, monkeypatch, runs, stays):
    monkeypatch.setattr(jack_server, "_program", lambda process: runs)
    names = ("jack-shm-registry", "jack_sem.0_stemlive-01234567_listener", "jack_sem.0_default_listener")
    for name in names:
        (tmp_path / name).touch()
    jack_server.forget_killed_servers(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == (set(names) if stays else {names[2]})


def ports(server: Server) -> list[str]:
    """Names of all ports of the server; none while it does not run."""
    command = ["jack_lsp", "--server", server.name]
    return subprocess.run(command, env=server.environment, capture_output=True, text=True, check=False).stdout.split()


@contextmanager
def streaming(server: Server, *options: object) -> Iterator[subprocess.Popen[str]]:
    """Run `stemlive stream` where it sees the server; it does not outlive the block."""
    command = [*PROGRAM, "stream", *map(str, options)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=server.environment, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_sound(*processes: subprocess.Popen[str]) -> None:
    """Wait until sound runs in these, which were started with --json."""
    for process in processes:
        assert json.loads(process.stdout.readline())["event"] == "started"


@pytest.mark.alone
def test_a_file_to_a_device_and_a_device_to_a_file(server, tmp_path, model, record_property):
    rng = np.random.default_rng(3)
    sound = (0.1 * rng.standard_normal((2 * RATE_HZ, 2))).astype(np.float32)
    # Time to connect them before, and to hear all of it after.
    pauses = np.zeros((2 * RATE_HZ, 2), np.float32), np.zeros((RATE_HZ // 2, 2), np.float32)
    soundfile.write(tmp_path / "in.wav", np.concatenate([pauses[0], sound, pauses[1]]), RATE_HZ, "FLOAT")
    more = ("--model", model, "--latency", "high", "--force")
    with streaming(server, "-i", "device:system", "-o", tmp_path / "out.wav", *more) as listener:
        into = sides(server, "in")
        with streaming(server, "-i", tmp_path / "in.wav", "-o", "device:system", *more) as player:
            for ends in zip(sides(server, "out"), into, strict=True):
                subprocess.run(["jack_connect", "--server", server.name, *ends], env=server.environment, check=True)
            assert player.wait(60) == 0
            said = player.stderr.read()
        listener.send_signal(signal.SIGTERM)
        assert listener.wait(60) == 143
        said += listener.stderr.read()
    heard = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    dropouts = sum(map(int, re.findall("([0-9]+) times", said)))
    pieces = sound.reshape(-1, 630, 2)
    found = [place_of(piece, heard) for piece in pieces]
    check_right(np.array([at is not None for at in found]), dropouts, 8, record_property)
    places = np.array([at - 630 * number for number, at in enumerate(found) if at is not None])
    assert np.count_nonzero(np.diff(places)) <= dropouts, "a dropout moves what follows it; nothing else does"
    assert found[-1] is None or np.abs(heard[found[-1] + 630 :]).max() < 1e-4


def sides(server: Server, kind: str) -> list[str]:
    """The ports `in_0` and `in_1`, or `out_0` and `out_1`, of the one program that has such, once they are there."""
    found: list[str] = []

    def both() -> bool:
        found[:] = sorted(port for port in ports(server) if re.fullmatch(f"stemlive.*:{kind}_[01]", port))
        return len(found) == 2

    wait_until(both, f"a program that has {kind}_0 and {kind}_1")
    return found


def place_of(piece: np.ndarray, heard: np.ndarray) -> int | None:
    """Where a piece of noise is in a recording; None where it is not whole."""
    likely = np.flatnonzero(np.abs(heard[: 1 - len(piece), 0] - piece[0, 0]) < 1e-4)
    return next((int(at) for at in likely if np.abs(heard[at : at + len(piece)] - piece).max() < 1e-4), None)


def test_unplugged_and_plugged_in_again(tmp_path, model):
    server = Server(tmp_path)
    server.start()
    ends = ("-i", "device:system", "-o", "device:system", "--model", model, "--json")
    try:
        with streaming(server, *ends) as gives_up, streaming(server, *ends, "--reconnect") as waits:
            wait_for_sound(gives_up, waits)
            server.stop()
            assert gives_up.wait(60) == 1
            message = gives_up.stderr.read()
            assert "device lost: system, JACK" in message
            assert message.strip().endswith("plug it in again, or let --reconnect wait for it")
            assert waits.poll() is None
            server.start()
            wait_until(lambda: "stemlive:out_0" in ports(server), "the ports to come back")
            waits.send_signal(signal.SIGINT)
            assert waits.wait(60) == 130
            assert "reconnecting: " in waits.stderr.read()
    finally:
        server.stop()


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
@pytest.mark.alone
def test_an_engine_that_dies_is_noticed_and_goes_on_with_its_settings(server, tmp_path, model, deadly, record_property):
    with live(server, tmp_path, model=model, where="apart", preset="acapella") as engine:
        pid = engine.first["pid"]
        os.kill(pid, deadly)
        wait_until(lambda: engine.snapshot()["restarts"] == 1, "the death to be noticed")
        wait_until(
            lambda: (now := engine.snapshot())["state"] == 1 and now["pid"] != pid, "another process to make sound"
        )
        sound = (0.1 * np.random.default_rng(0).standard_normal((RATE_HZ, 2))).astype(np.float32)
        voice = Separator(Session(model)).process(sound)[0, RATE_HZ // 2 :]

        with neighbour(server) as other:
            before = engine.snapshot()
            recorded, missed = other.play(sound)
            now = engine.snapshot()
    heard = recorded[now["inside"] - 1024 :][RATE_HZ // 2 : RATE_HZ]
    right = np.abs(heard - voice).reshape(-1, 441, 2).max(axis=(1, 2)) < 1e-3
    check_right(right, missed + now["dropouts"] - before["dropouts"], 50, record_property)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("-i", "device:nix", "-o", "device:system"), 1, "no input device 'nix': there are "),
        (("-i", "device:system", "-o", "device:system", "--input-channels", "3"), 1, "has 2 input channels"),
        (("-i", "device:system", "-o", "device:system", "--latency", "soon"), 2, "'soon' is not a latency"),
        (("-i", "device:system", "-o", "x.wav", "--mode", "inline"), 2, "mode inline needs one device"),
        (("-i", "device:system", "-o", "x.mp4"), 2, "the name of an output file ends in one of"),
        (("-i", "none.wav", "-o", "device:system"), 2, "none.wav does not exist: check the path"),
        (("-i", "none.wav", "-o", "x.wav", "--reconnect"), 2, "are for devices"),
    ],
)
def test_what_cannot_be_is_one_line(server, tmp_path, model, options, code, message):
    command = [*PROGRAM, "stream", "--model", model, *options]
    process = subprocess.run(
        command, env=server.environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert process.returncode == code
    assert message in process.stderr
    assert process.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == []


def test_without_portaudio_it_says_how_to_get_it():
    code = """
import ctypes.util, sys
ctypes.util.find_library = lambda name: None
from stemlive.cli import main
main(["devices"])
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr == (
        "stemlive: error: audio devices need the system library PortAudio, which is not here: "
        "sudo apt-get install libportaudio2\n"
    )


def test_a_sound_server_that_hangs_is_not_waited_for(tmp_path, model):
    """Stopped, it answers nobody: listing devices hung for ever then, and the end of a stream for a minute."""
    server = Server(tmp_path)
    server.start()
    ends = ("-i", "device:system", "-o", "device:system")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    said = "stemlive: error: the sound system has not answered for 3 s: restart it, or plug the device in again\n"
    try:
        with streaming(server, *ends, "--model", model, "--reconnect", "--json") as stream:
            wait_for_sound(stream)
            with server.hanging():
                commands = (["devices"], ["stream", *ends, "--model", model], ["stream", *ends, "--midi", "x"])
                asking = [subprocess.Popen([*PROGRAM, *each], env=server.environment, **pipes) for each in commands]
                *told, (nothing, midi) = [process.communicate(timeout=PATIENCE_S) for process in asking]
                assert [process.returncode for process in asking] == [1, 1, 1]
                assert (told, nothing) == ([("", said)] * 2, "")
                line = midi.splitlines()[-1]  # ALSA says something before
                assert line.startswith("stemlive: error: ")
                assert "the JACK server has not answered for 3 s" in line
                assert stream.poll() is None, stream.stderr.read()
                stream.send_signal(signal.SIGTERM)
                assert stream.wait(60) == 143
                assert "reconnecting: " in stream.stderr.read()
    finally:
        server.stop()


@pytest.fixture
def pulse_environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A PulseAudio server of the test's own, with two null sinks, which ALSA's plugin makes the default devices."""
    if shutil.which("pulseaudio") is None or shutil.which("parec") is None:
        pytest.skip("PulseAudio is not installed (Debian: apt-get install pulseaudio pulseaudio-utils)")
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    (tmp_path / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    environment = os.environ | {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(runtime),
        "PULSE_SOURCE": "src.monitor",
        "PULSE_SINK": "out",
        "JACK_NO_START_SERVER": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
    for module in ("native-protocol-unix", "null-sink sink_name=src rate=44100", "null-sink sink_name=out rate=44100"):
        command += ["-L", f"module-{module}"]
    with (tmp_path / "pulse.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        listing = ["pactl", "list", "short", "sources"]
        wait_until(
            lambda: b"out.monitor" in subprocess.run(listing, env=environment, capture_output=True, check=False).stdout,
            "PulseAudio",
        )
        yield environment
    finally:
        process.terminate()
        process.wait(60)


def test_what_hears_a_monitor_is_marked(pulse_environment):
    command = [*PROGRAM, "devices", "--json"]
    for source, heard in (("src.monitor", True), ("microphone", False)):
        environment = pulse_environment | {"PULSE_SOURCE": source}
        listed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        marks = {device["name"]: device["captures_system_sound"] for device in json.loads(listed)}
        assert (marks["pulse"], marks["default"]) == (heard, heard)


def test_a_song_through_pulseaudio(pulse_environment, tmp_path, model):
    tone = 0.3 * np.sin(2 * np.pi * 441 * np.arange(RATE_HZ) / RATE_HZ)
    soundfile.write(tmp_path / "tone.wav", np.stack([tone, tone], axis=1), RATE_HZ)
    ends = ("-i", "device:default", "-o", "device:pulse", "--latency", "high", "--model", model, "--reconnect")
    environment = pulse_environment
    listen = ["parec", "--device=out.monitor", "--format=float32le", "--rate=44100", "--channels=2", "--raw"]
    clients = ["pactl", "list", "short", "source-outputs"]
    raw = tmp_path / "heard.raw"

    def tone_heard() -> bool:
        """Most of the tone comes through, as loud as it was: ALSA's plugin may drop some of it on a busy machine."""
        with raw.open("wb") as file, subprocess.Popen(listen, env=environment, stdout=file) as ear:
            subprocess.run(["paplay", "--device=src", str(tmp_path / "tone.wav")], env=environment, check=True)
            time.sleep(1)
            ear.terminate()
        heard = np.abs(np.fromfile(raw, "<f4"))
        return np.count_nonzero(heard > 0.01) > RATE_HZ and abs(np.percentile(heard, 99) - 0.3) < 0.01

    with subprocess.Popen([*PROGRAM, "stream", *ends], env=environment, stderr=subprocess.PIPE, text=True) as stream:
        try:
            wait_until(
                lambda: subprocess.run(clients, env=environment, capture_output=True, check=True).stdout, "the stream"
            )
            # The plugin goes silent now and then on a busy machine, and the engine opens its devices again.
            wait_until(tone_heard, "the tone", patience_s=60)
            stream.send_signal(signal.SIGINT)
            assert stream.wait(60) == 130
        finally:
            stream.kill()
