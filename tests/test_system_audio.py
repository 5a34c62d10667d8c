"""What the computer plays, on PulseAudio and on PipeWire: players are taken, separated, heard once, and put back."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import onnx_models
import pytest
from PyQt6.QtCore import QSettings
from sound_servers import RATE_HZ, SoundServer
from waiting import wait_until

from stemlive.errors import DeviceError
from stemlive.gui.device_list import DeviceList
from stemlive.gui.program import build_window
from stemlive.realtime.devices.system_audio import SystemAudio

PROGRAM = (sys.executable, "-m", "stemlive")
SILENCE = np.zeros((60 * RATE_HZ, 2), np.float32)
QUIET = np.zeros((300 * RATE_HZ, 2), np.float32)
TAKER = """
import sys, time
from stemlive.realtime.devices.system_audio import SystemAudio
if __name__ == "__main__":
    system = SystemAudio()
    system.begin()
    print(system._process.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["PulseAudio", "PipeWire"])
def server(request, tmp_path, monkeypatch) -> Iterator[SoundServer]:
    """A server with the sinks `out`, the default, and `other`, which this process sees, too."""
    server = SoundServer(tmp_path / "server", request.param)
    for name in [name for name in os.environ if name.startswith("PULSE_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    try:
        server.start("out", "other")
        yield server
    finally:
        server.stop()


@contextmanager
def player(server: SoundServer, sound: np.ndarray = SILENCE, *options: str, name: str = "pacat") -> Iterator[str]:
    """A program that plays while the block runs; the number of its stream."""
    before = set(server.places())
    process = server.play(sound, *options, name=name)
    try:
        wait_until(lambda: set(server.places()) - before, "the player")
        yield next(iter(set(server.places()) - before))
    finally:
        process.kill()
        process.wait()


def as_it_was(server: SoundServer) -> bool:
    return (sorted(server.names("sinks")), server.default_sink()) == (["other", "out"], "out")


def news_of(system: SystemAudio) -> list[tuple[bool, str]]:
    found: list[tuple[bool, str]] = []
    wait_until(lambda: found.extend(system.news()) or found or system.problem, "news")
    return found


def test_players_are_taken_and_put_back_where_they_were(server):
    with player(server, name="one") as one, player(server, SILENCE, "--device=other", name="two") as two:
        with SystemAudio() as system:
            assert (system.source, system.target) == ("device:stemlive.monitor", "device:out")
            assert server.places() == {one: "out", two: "other"}
            system.begin()
            wait_until(lambda: server.places() == {one: "stemlive", two: "stemlive"}, "both to be taken")
            with player(server, name="late") as late:
                wait_until(lambda: server.places().get(late) == "stemlive", "the third to be taken")
            server.move(one, "other")
            with player(server, name="later") as later:
                wait_until(lambda: server.places().get(later) == "stemlive", "the fourth to be taken")
                assert server.places()[one] == "other", "where a user moves it, it stays"
            assert {text for _, text in news_of(system)} >= {"one is heard through stemlive"}
        assert server.places() == {one: "other", two: "other"}
        assert as_it_was(server)
    with player(server, name="late") as late:
        assert server.places() == {late: "out"}, "the server does not remember our sink"


def test_one_program_is_taken_and_the_sink_where_it_plays_is_used(server):
    with player(server, name="Browser") as browser, player(server, SILENCE, "--device=other", name="Music") as music:
        with SystemAudio("musi") as system:
            assert system.target == "device:other"
            system.begin()
            assert news_of(system) == [(False, "Music is heard through stemlive")]
            assert server.places() == {browser: "out", music: "stemlive"}
        assert server.places() == {browser: "out", music: "other"}


def start_taker(server, folder):
    """A program of its own that takes what plays, and writes the number of its keeper's process."""
    script = folder / "taker.py"
    script.write_text(TAKER)
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=server.environment)


def kill(taker):
    taker.kill()
    taker.wait()
    taker.stdout.close()


def test_a_killed_program_leaves_all_as_it_was(server, tmp_path):
    with player(server, SILENCE, "--device=other") as other:
        taker = start_taker(server, tmp_path)
        wait_until(lambda: server.places() == {other: "stemlive"}, "the player to be taken")
        kill(taker)
        wait_until(lambda: as_it_was(server) and server.places() == {other: "other"}, "all to be put back")


def test_what_a_crash_of_both_processes_leaves_is_undone_at_the_next_start(server, tmp_path):
    with player(server, SILENCE, "--device=other") as other:
        taker = start_taker(server, tmp_path)
        wait_until(lambda: server.places() == {other: "stemlive"}, "the player to be taken")
        os.kill(int(taker.stdout.readline()), signal.SIGKILL)
        kill(taker)
        assert server.places() == {other: "stemlive"}
        with SystemAudio() as system:
            assert server.places() == {other: "other"}
            assert system.target == "device:other"
            assert server.names("sinks").count("stemlive") == 1
        assert as_it_was(server)


def test_a_keeper_that_dies_is_told_and_undone(server):
    with player(server) as one, SystemAudio() as system:
        system.begin()
        wait_until(lambda: server.places() == {one: "stemlive"}, "the player to be taken")
        os.kill(system._process.pid, signal.SIGKILL)
        wait_until(lambda: not system.news() and system.problem, "the problem")
        assert system.problem == "the process that moves players has ended by itself: what it had moved was put back"
        assert server.places() == {one: "out"}
        assert as_it_was(server)


def test_a_player_that_cannot_be_moved_is_told(server):
    stubborn = Path(__file__).with_name("stubborn_player.py")
    process = subprocess.Popen([sys.executable, str(stubborn), "other"])
    try:
        wait_until(lambda: list(server.places().values()) == ["other"], "the player")
        with SystemAudio() as system:
            system.begin()
            assert news_of(system) == [(True, "stubborn cannot be moved: it is heard as it is, on other")]
        assert list(server.places().values()) == ["other"]
        assert as_it_was(server)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("waits", [False, True])
def test_a_sink_that_another_program_removes_is_told(server, waits):
    with player(server) as one:
        with SystemAudio(waits=waits) as system:
            system.begin()
            wait_until(lambda: server.places() == {one: "stemlive"}, "the player to be taken")
            module = next(line.split("\t")[0] for line in server._short("modules") if "sink_name=stemlive " in line)
            server.pactl("unload-module", module)
            text = "another program has removed the sink `stemlive`, through which players are heard"
            if waits:
                wait_until(lambda: (True, f"{text}: waiting for it") in system.news(), "the trouble")
                wait_until(lambda: server.places() == {one: "stemlive"}, "the player to be taken again")
            else:
                wait_until(lambda: not system.news() and system.problem, "the problem")
                assert system.problem == text
        wait_until(lambda: server.places() == {one: "out"}, "the player to be put back")
        assert as_it_was(server)


@pytest.mark.parametrize("waits", [False, True])
def test_a_server_that_goes_is_told(server, waits):
    with SystemAudio(waits=waits) as system:
        system.begin()
        server.kill()
        if not waits:
            wait_until(lambda: not system.news() and system.problem, "the problem")
            assert system.problem == "the sound server has gone"
            return
        wait_until(lambda: (True, "the sound server has gone: waiting for it") in system.news(), "the trouble")
        server.start("out", "other")
        with player(server) as one:
            wait_until(lambda: server.places() == {one: "stemlive"}, "the player to be taken again")
    assert as_it_was(server)


def test_the_engines_own_sound_never_goes_into_our_sink(server, monkeypatch):
    with SystemAudio() as system:
        system.begin()
        monkeypatch.setitem(server.environment, "PULSE_PROP_stemlive.engine", "1")
        with player(server, SILENCE, "--device=stemlive") as ours:
            wait_until(lambda: server.places() == {ours: "out"}, "it to be moved out")
            assert news_of(system) == [(True, "the output had gone: now played to out")]


def test_two_do_not_take_the_same_players(server):
    with SystemAudio(), pytest.raises(DeviceError, match="another stemlive takes what the computer plays already"):
        SystemAudio()
    assert as_it_was(server)


def bursts(low_hz: float, high_hz: float, seconds: int) -> np.ndarray:
    """Each second, a quarter of a second of a low and a high tone."""
    t = np.arange(seconds * RATE_HZ) / RATE_HZ
    tone = 0.2 * (np.sin(2 * np.pi * low_hz * t) + np.sin(2 * np.pi * high_hz * t)) * (t % 1 < 0.25)
    return np.stack([tone, tone], axis=1).astype(np.float32)


def last_seconds(server: SoundServer, source: str, raw: Path) -> np.ndarray:
    """Record 5.5 seconds of a source and return the last 4: at first what was played before may still be heard."""
    ear = server.record(source, raw)
    wait_until(lambda: raw.stat().st_size > 5.5 * RATE_HZ * 8, "the recording", pause_s=0.05)
    ear.terminate()
    ear.wait()
    return np.fromfile(raw, "<f4")[-4 * RATE_HZ * 2 :].reshape(-1, 2)


def levels(sound: np.ndarray, hz: float) -> np.ndarray:
    """Amplitude of a tone in each 20 ms."""
    windows = sound[: len(sound) // 882 * 882, 0].reshape(-1, 882)
    wave = np.exp(-2j * np.pi * hz * np.arange(882) / RATE_HZ) * np.hanning(882)
    return 2 * np.abs(windows @ wave) / np.hanning(882).sum()


def test_a_player_is_heard_as_karaoke_once_and_all_is_as_before(server, tmp_path):
    model = onnx_models.write_split_model(tmp_path / "split.onnx", 2000)
    options = ("--preset", "karaoke", "--latency", "high", "--model", str(model))
    raw = tmp_path / "heard.raw"
    with player(server, bursts(500, 4000, 60)) as one:
        command = [*PROGRAM, "stream", "--system", *options]
        with subprocess.Popen(command, env=server.environment, stdout=subprocess.PIPE, text=True) as stream:
            try:
                wait_until(lambda: server.places().get(one) == "stemlive", "the player to be taken", patience_s=60)
                heard = last_seconds(server, "out.monitor", raw)
                stream.send_signal(signal.SIGTERM)
                assert stream.wait(60) == 143
            finally:
                stream.kill()
        assert server.places() == {one: "out"}
        assert as_it_was(server)
    low, high = levels(heard, 500), levels(heard, 4000)
    loud = low > 0.02
    assert np.median(low[loud]) == pytest.approx(0.2, abs=0.02)
    assert 0.15 < loud.mean() < 0.35, "each burst once, and nothing after it"
    assert np.median(high[loud]) < 0.01, "and no voice"


@pytest.mark.alone
def test_the_window_takes_a_player_and_gives_it_back(server, tmp_path, qtbot):
    """Chosen in the list of inputs; another input, and the end of the window, give it back."""
    model = onnx_models.write_split_model(tmp_path / "split.onnx", 2000)
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    settings.setValue("engine/latency", "high")
    wait = partial(qtbot.waitUntil, timeout=60_000)
    raw = tmp_path / "heard.raw"
    with player(server, bursts(500, 4000, 300), name="Music") as one, player(server, QUIET, name="Other") as other:
        window = build_window(settings, tmp_path / "presets.json", model=str(model))
        inputs = window.source.input

        def choose(text: str) -> None:
            wait(lambda: inputs.findText(text) > 0)
            inputs.setCurrentIndex(inputs.findText(text))
            inputs.activated.emit(inputs.currentIndex())

        try:
            window.start()
            choose("What Music plays")
            window.rig.listen()
            window.model.preset("karaoke")
            wait(lambda: server.places().get(one) == "stemlive")
            wait(lambda: "Music is heard through stemlive" in window.notices.state()[0])
            wait(lambda: window.rig.player.now.mix_rms > 0.02)
            ear = server.record("out.monitor", raw)
            qtbot.wait(5000)
            ear.terminate()
            ear.wait()
            assert server.places()[other] == "out", "another program stays where it is"
            choose(f"Monitor of other, {server.kind}")
            wait(lambda: server.places()[one] == "out")
            wait(lambda: as_it_was(server))
            choose("What the computer plays")
            wait(lambda: server.places()[one] == server.places()[other] == "stemlive")
        finally:
            window.close()
            window.finish()
        assert server.places() == {one: "out", other: "out"}
        assert as_it_was(server)
    heard = np.fromfile(raw, "<f4").reshape(-1, 2)
    low, high = levels(heard, 500), levels(heard, 4000)
    loud = low > 0.02
    assert np.median(low[loud]) == pytest.approx(0.2, abs=0.02)
    assert 0.15 < loud.mean() < 0.35, "each burst once, and nothing after it"
    assert np.median(high[loud]) < 0.01, "and no voice"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--system", "-i", "x.wav"), "--system is an input: leave --input out"),
        (("--system", "-o", "x.wav"), "--system plays to a device: --output device:NAME, and --record DIR for files"),
        (("--app", "x", "-i", "device:a", "-o", "device:b"), "--app chooses among the programs that --system takes"),
        (("--system", "x.wav"), "--system is an input: leave SONG out"),
    ],
)
def test_wrong_use_is_one_line(options, message):
    ended = subprocess.run([*PROGRAM, "stream", *options], capture_output=True, text=True, check=False)
    assert (ended.returncode, message in ended.stderr, ended.stderr.count("\n")) == (2, True, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "no PulseAudio or PipeWire answers: start `pipewire-pulse` or `pulseaudio`"),
        ({"XDG_RUNTIME_DIR": None}, "XDG_RUNTIME_DIR is not set"),
        ({"PULSE_SERVER": "unix:/nowhere"}, "no sound server answers at PULSE_SERVER=unix:/nowhere"),
    ],
)
def test_no_server_is_one_line(tmp_path, changes, message):
    environment = os.environ | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)} | changes
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [*PROGRAM, "stream", "--system"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, message in ended.stderr, ended.stderr.count("\n")) == (1, True, 1)


def devices(server: SoundServer) -> dict[str, dict]:
    """What a new process lists, by name."""
    command = [*PROGRAM, "devices", "--json"]
    listed = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=True).stdout
    return {device["name"]: device for device in json.loads(listed) if device["server_name"]}


def test_sources_monitors_and_sinks_are_listed_by_their_descriptions(server):
    module = server.add_sink("usb", rate_hz=16000, channels=1, description="Köpfhörer-日本-🎧")
    found = devices(server)
    assert {"out", "other", "Monitor of out", "Monitor of other", "Köpfhörer-日本-🎧"} <= found.keys()
    headset, monitor = found["Köpfhörer-日本-🎧"], found["Monitor of Köpfhörer-日本-🎧"]
    assert (headset["inputs"], headset["outputs"], headset["sample_rate_hz"]) == (0, 1, 16000)
    assert (monitor["inputs"], monitor["outputs"], monitor["captures_system_sound"]) == (1, 0, True)
    assert (headset["host_interface"], headset["plays_to"]) == (server.kind, "usb")
    assert (monitor["server_name"], monitor["monitor_of"]) == ("usb.monitor", "usb")
    server.pactl("unload-module", str(module))
    server.add_sink("twin", description="out")
    found = devices(server)
    assert headset["name"] not in found, "what was unplugged is not listed"
    assert {"out (out)", "out (twin)"} <= found.keys(), "what is called alike is told apart"


def test_a_name_in_any_encoding_is_one_line_and_can_be_named(server):
    """PulseAudio leaves a description out that is not UTF-8, PipeWire passes it on."""
    for name, described in ((b"lines", b"two\nlines\tof it"), (b"latin", b"K\xf6pfe")):
        properties = b"sink_properties='device.description=\"" + described + b"\"'"
        command = [b"pactl", b"load-module", b"module-null-sink", b"sink_name=" + name, properties]
        subprocess.run(command, env=server.environment, check=False, capture_output=True)
    found = devices(server)
    assert {"two lines of it", "Monitor of two lines of it"} <= found.keys()
    printed = subprocess.run([*PROGRAM, "devices"], env=server.environment, capture_output=True, check=True).stdout
    assert len([line for line in printed.splitlines() if line.startswith(b"  ") and b" in, " in line]) > len(found)
    if server.kind == "PipeWire":
        assert "K\N{REPLACEMENT CHARACTER}pfe" in found


def test_the_windows_lists_follow_what_is_plugged_in(server, qtbot):
    devices = DeviceList()
    try:
        with qtbot.waitSignal(devices.changed, timeout=60_000):
            devices.watch()
        module = server.add_sink("usb", description="Headset")
        label = f"Headset, {server.kind}"
        qtbot.waitUntil(lambda: label in [device.label for device in devices.outputs], timeout=60_000)
        server.pactl("unload-module", str(module))
        qtbot.waitUntil(lambda: label not in [device.label for device in devices.outputs], timeout=60_000)
    finally:
        devices.close()


@pytest.mark.parametrize(
    ("source", "target"),
    [("monitor of out", "out"), ("default", "default"), ("out.monitor", "pulse")],
)
def test_an_input_that_hears_the_output_is_refused(server, source, target):
    server.set_default_source("out.monitor")
    command = [*PROGRAM, "stream", "-i", f"device:{source}", "-o", f"device:{target}"]
    ended = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert "so it would hear itself and ring for ever: take another output, or with --system the" in ended.stderr


def test_a_headset_that_becomes_a_telephone_goes_on(server, tmp_path):
    """It turns into another sink, of one channel at 8 kHz, to which the server moves what was played to it."""
    music = server.add_sink("headset.music", description="Headset")
    model = onnx_models.write_split_model(tmp_path / "split.onnx", 2000)
    ends = ("-i", "device:Monitor of other", "-o", "device:headset", "--latency", "high", "--model", str(model))
    command = [*PROGRAM, "stream", *ends]
    raw = tmp_path / "heard.raw"
    with (
        player(server, bursts(500, 1500, 60), "--device=other"),
        subprocess.Popen(command, env=server.environment, stderr=subprocess.PIPE, text=True) as stream,
    ):
        try:
            wait_until(lambda: "headset.music" in server.places().values(), "the stream", patience_s=60)
            server.add_sink("headset.telephone", rate_hz=8000, channels=1, description="Headset")
            server.set_default_sink("headset.telephone")
            server.pactl("unload-module", str(music))
            wait_until(lambda: "headset.telephone" in server.places().values(), "the stream to follow")
            heard = last_seconds(server, "headset.telephone.monitor", raw)
            assert stream.poll() is None, stream.stderr.read()
            stream.send_signal(signal.SIGTERM)
            assert stream.wait(60) == 143
        finally:
            stream.kill()
    low = levels(heard, 500)
    # PulseAudio halves the sum of two channels, PipeWire takes it by the root of two.
    assert 0.17 < np.median(low[low > 0.02]) < 0.31
    assert 0.15 < np.mean(low > 0.02) < 0.35
