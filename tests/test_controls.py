"""Who steers a live engine and what it tells: keys, status line, events, terminal, OSC, MIDI."""

import dataclasses
import io
import json
import math
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage
from pythonosc.udp_client import SimpleUDPClient
from terminals import Terminal
from waiting import wait_until

from stemlive.errors import StemliveError, UsageError
from stemlive.extras import how_to_add
from stemlive.live_events import EventWriter, Moment, changes, levels, started
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.control.midi import MidiControl, MidiMap, fader_db
from stemlive.realtime.control.osc import OscControl, parse_address
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.snapshot import Latency, Snapshot, State
from stemlive.terminal.desk import Desk
from stemlive.terminal.keys import KEYS, help_text, press
from stemlive.terminal.status_line import bar, status_line

STEMS = ("vocals", "drums", "bass", "other")
NOW = Snapshot(
    state=State.RUNNING,
    message="",
    mode="rtmixer",
    stems=STEMS,
    stream_s=83.4,
    input_peak=0.5,
    input_rms=0.1,
    mix_peak=0.25,
    mix_rms=0.01,
    stem_rms=(0.0, 0.1, 0.01, 1.0),
    load=0.174,
    worst_hop_ms=3.0,
    latency=Latency(44100, 441, 1024, 600, 882),
    hops=1000,
    late_hops=2,
    input_overflows=1,
    output_underflows=0,
    bad_samples=0,
    bad_frames=0,
    worst_callback_ms=math.nan,
    lead_samples=600,
    lowest_lead_samples=100,
    drift_ppm=0.0,
    reconnects=0,
    restarts=0,
)


@pytest.fixture
def memory() -> EngineMemory:
    return EngineMemory.local()


@pytest.fixture
def controls(memory: EngineMemory) -> Controls:
    return Controls(STEMS, memory)


class FakeRecorder:
    """A recorder that is only switched."""

    def __init__(self) -> None:
        self.on = False

    def start(self) -> None:
        self.on = True

    def stop(self) -> None:
        self.on = False

    def status(self) -> "FakeRecorder":
        return self


class TestKeys:
    def test_no_key_does_two_things_and_every_key_is_in_the_help(self, controls):
        for song_at in (None, lambda: 0.0):
            desk = Desk(controls, FakeRecorder(), microphone=True, song_at=song_at)
            entries = [entry for entry in KEYS if entry.applies(desk)]
            names = [key for entry in entries for key in entry.keys]
            assert len(names) == len(set(names))
            assert [line.split()[0].rstrip(",") for line in help_text(desk).splitlines()] == [
                entry.shown.split()[0].rstrip(",") for entry in entries
            ]

    def test_a_song_is_paused_and_sought(self, controls, memory):
        at = 60.0
        desk = Desk(controls, song_at=lambda: at)
        controls.song.play()
        press(desk, " ")
        assert not controls.song.playing
        press(desk, " ")
        assert controls.song.playing
        for _ in range(3):  # before the first is carried out
            press(desk, "right")
        assert memory.parameters["seek_s"] == 75
        assert memory.parameters["seeks"] == 3
        assert desk.notes == ["to 1:05", "to 1:10", "to 1:15"]
        press(desk, "left")
        assert memory.parameters["seek_s"] == 70
        press(desk, "home")
        press(desk, "left")
        assert memory.parameters["seek_s"] == 0
        press(desk, "\t")
        assert desk.stem == "drums"

    def test_what_they_do(self, controls, memory):
        desk = Desk(controls)
        for key in "2++++-m3s":
            press(desk, key)
        assert controls.gains_db == {"vocals": 0, "drums": 3, "bass": 0, "other": 0}
        assert (controls.muted, controls.soloed, desk.stem) == ({"drums"}, {"bass"}, "bass")
        for key in ("m", "s", "left", "left", "left", "down", "b"):
            press(desk, key)
        assert (desk.stem, controls.gains_db["other"], controls.bypass) == ("other", -1, True)
        assert (controls.muted, controls.soloed) == ({"drums", "bass"}, set())
        assert list(memory.parameters["gains"][:4]) == pytest.approx([1, 0, 0, 10 ** (-1 / 20)])
        press(desk, "k")
        assert controls.muted == {"vocals"}
        press(desk, "o")
        assert controls.muted == set()
        press(desk, "q")
        assert desk.quitting

    def test_faders_stop_at_twelve_and_switch_off_below_sixty(self, controls):
        desk = Desk(controls)
        for _ in range(20):
            press(desk, "+")
        assert controls.gains_db["vocals"] == 12
        for _ in range(73):
            press(desk, "-")
        assert controls.gains_db["vocals"] == -math.inf
        press(desk, "-")
        assert controls.gains_db["vocals"] == -math.inf
        press(desk, "+")
        assert controls.gains_db["vocals"] == -60
        press(desk, "0")
        assert controls.gains_db["vocals"] == 0

    def test_presets_come_around_without_those_that_the_model_cannot_make(self, memory):
        controls = Controls(("vocals", "rest"), memory)
        desk = Desk(controls)
        for _ in range(4):
            press(desk, "p")
        assert desk.notes == ["preset original", "preset karaoke", "preset acapella", "preset original"]

    def test_what_is_not_there_has_no_key(self, controls):
        desk, recorder = Desk(controls), FakeRecorder()
        for key in "rr]9x\x00":
            press(desk, key)
        assert "record" not in help_text(desk)
        assert controls.microphone_gain_db == 0
        desk = Desk(controls, recorder, microphone=True)
        for key in "r]]}}}{":
            press(desk, key)
        assert recorder.on
        assert (controls.microphone_gain_db, controls.microphone_reverb) == (2, 0.2)
        press(desk, "r")
        assert not recorder.on


class TestTrouble:
    def test_it_is_in_the_line_and_among_the_events(self, controls):
        trouble = dataclasses.replace(NOW, trouble="the microphone is not heard any more: " + 100 * "x")
        line = status_line(trouble, controls)
        assert "FAULT: the microphone is not heard any more: xx  " in line
        before, after = (Moment.of(now, controls, None) for now in (NOW, trouble))
        (event,) = changes(before, after)
        assert (event.name, event.values, event.text) == ("trouble", {"message": trouble.trouble}, trouble.trouble)
        assert event.urgent
        assert not list(changes(after, after))


class TestStatusLine:
    def test_it_holds_what_matters_at_every_width(self, controls):
        controls.mute("vocals")
        controls.set_gain_db("drums", -6)
        for width in range(20, 220):
            line = status_line(NOW, controls, selected=1, width=width)
            assert len(line) <= width
            if width >= 70:
                assert "dropouts" in line and "load 17%" in line and "67 ms" in line and ">2" in line
        rich = status_line(NOW, controls, selected=1)
        assert rich.startswith("1:23   1 vocals[M]")
        assert ">2 drums[-6] ████▋    -20" in rich
        assert "67 ms (in 10+23+14+20 out)  3 dropouts" in rich
        assert "in -20 out -40 dB" in rich

    def test_a_song_has_meters_its_place_and_its_length_within_80_columns(self, controls):
        controls.song.play()
        controls.mute("vocals")
        smooth = dataclasses.replace(NOW, late_hops=0, input_overflows=0, output_underflows=0)
        song = dataclasses.replace(smooth, song_s=83.4, song_length_s=245.0)
        line = status_line(song, controls, selected=1, width=79)
        assert line.startswith("1:23/4:05 1 voca[M] ")
        assert ">2 drum ██▍" in line
        assert line.endswith("load 17% 67 ms")
        controls.song.set_count_in(4)
        counted = dataclasses.replace(song, song_beat=3)
        assert status_line(counted, controls, width=79).startswith("1:23/4:05 COUNT-IN 3 of 4 ")
        hours = dataclasses.replace(song, song_s=3723.0, song_length_s=7200.0)
        assert status_line(hours, controls).startswith("1:02:03/2:00:00  ")
        controls.song.play(False)
        assert status_line(song, controls, width=79).startswith("1:23/4:05 PAUSED 1 ")

    def test_without_block_characters_it_is_ascii(self, controls):
        assert status_line(NOW, controls, unicode=False).isascii()
        assert bar(-24, 8, unicode=False) == "####...."

    def test_a_device_that_is_gone_is_what_it_says(self, controls):
        gone = dataclasses.replace(NOW, state=State.RECONNECTING, message="the card is gone")
        assert status_line(gone, controls) == "1:23  reconnecting: the card is gone"


class TestEvents:
    def moment(self, controls: Controls, **changed: object) -> Moment:
        return Moment.of(dataclasses.replace(NOW, **changed), controls, None)

    def test_what_changed_and_only_that(self, controls):
        before = self.moment(controls)
        assert list(changes(before, self.moment(controls, stream_s=99.0, load=0.5))) == []
        controls.mute("bass")
        controls.set_gain_db("drums", -math.inf)
        (event,) = changes(before, self.moment(controls))
        gains = {"vocals": 0, "drums": None, "bass": 0, "other": 0}
        assert (event.name, event.values) == ("control changed", {"muted": ["bass"], "gains_db": gains})

    def test_the_microphone_is_told_under_its_older_name_too(self, controls):
        before = self.moment(controls)
        controls.set_microphone_gain_db(-6)
        (changed,) = (event.values for event in changes(before, self.moment(controls)))
        assert changed == {"microphone_gain_db": -6, "monitor_gain_db": -6}
        (late,) = (event.values for event in changes(self.moment(controls), self.moment(controls, microphone_late=2)))
        assert (late["microphone_late"], late["monitor_late"]) == (2, 2)
        heard = dataclasses.replace(NOW, microphone_peak=0.1, microphone_samples=441)
        assert (levels(heard)["microphone_db"], levels(heard)["monitor_db"]) == (-20, -20)
        assert (started(heard)["microphone_latency_ms"], started(heard)["monitor_latency_ms"]) == (10, 10)

    def test_devices_and_dropouts(self, controls):
        running = self.moment(controls)
        lost = self.moment(controls, state=State.RECONNECTING, message="unplugged", late_hops=5)
        events = list(changes(running, lost))
        assert [event.name for event in events] == ["device lost", "dropout"]
        died = self.moment(controls, state=State.RECONNECTING, message="it died", restarts=1)
        assert [event.name for event in changes(running, died)] == ["engine lost"]
        assert events[0].text == "reconnecting: unplugged"
        assert events[1].values["late_hops"] == 5
        again = self.moment(controls, state=State.STARTING, late_hops=5).after(lost)
        assert list(changes(lost, again)) == []
        assert [event.name for event in changes(again, self.moment(controls, late_hops=5))] == ["running again"]

    def test_one_object_per_line_that_any_parser_takes(self, controls):
        stream = io.StringIO()
        writer = EventWriter(stream)
        writer.write("started", 0, started(NOW))
        writer.write("levels", 83.4, levels(NOW))
        first, second = (json.loads(line) for line in stream.getvalue().splitlines())
        assert first["latency_ms"] == {
            "device_in": 10,
            "framing": 23.22,
            "key": 0,
            "queue": 13.605,
            "device_out": 20,
            "sync": 0,
            "total": 66.825,
        }
        assert second["stems_db"] == {"vocals": None, "drums": -20, "bass": -40, "other": 0}
        assert (second["event"], second["stream_s"], second["dropouts"]) == ("levels", 83.4, 3)


CHILD = """
import os, sys, time
from stemlive.terminal.stopping import StopRequest
from stemlive.terminal.keyboard import Keyboard, Screen
with StopRequest() as stop, Keyboard() as keyboard:
    screen = Screen()
    keys = []
    print("ready", flush=True)
    while not stop.requested and "q" not in keys:
        new = keyboard.read()
        keys += new
        for key in new:
            print("key", key, flush=True)
        if "x" in new:
            raise RuntimeError("crash")
        screen.draw("line")
        time.sleep(0.01)
    screen.leave()
"""


class TestTerminal:
    @pytest.mark.parametrize(
        ("keys", "expected"),
        [("q", "ended 0 cooked"), ("\x03", "ended 0 cooked"), ("x", "ended 1 cooked")],
        ids=["quit", "Ctrl-C", "crash"],
    )
    def test_it_is_given_back_however_the_program_ends(self, keys, expected):
        terminal = Terminal(sys.executable, "-c", CHILD)
        terminal.see("ready")
        assert terminal.is_raw
        terminal.send("a")
        terminal.see("key a")
        terminal.send("\x1b[A\t")
        terminal.see("key up")
        terminal.send(keys)
        terminal.see(expected)
        terminal.close()

    def test_stop_and_go_on(self):
        terminal = Terminal(sys.executable, "-c", CHILD)
        terminal.see("ready")
        terminal.send("\x1a")
        terminal.see("stopped cooked")
        terminal.send("\n")
        wait_until(lambda: terminal.is_raw, "the terminal")
        terminal.send("b")
        terminal.see("key b")
        terminal.send("q")
        terminal.see("ended 0 cooked")
        terminal.close()

    def test_no_escape_codes_and_no_keys_where_there_is_none(self):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.communicate(b"abc", timeout=60) == (b"", None)


@pytest.fixture
def osc(controls):
    complaints: list[str] = []
    server = OscControl(controls, "127.0.0.1", 0, complain=complaints.append)
    client = SimpleUDPClient("127.0.0.1", server.port)
    yield server, client, complaints
    server.close()
    client._sock.close()


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    """A packet that is OSC, nearly OSC, or nothing of the kind."""

    def padded(data: bytes) -> bytes:
        return data + bytes(4 - len(data) % 4)

    def message() -> bytes:
        known = ["/stemlive/ping", "/stemlive/state", "/stemlive/vocals/gain", "/stemlive/*/mute", "/stemlive/preset"]
        address = draw(st.sampled_from(known) | st.text("/*?[]{}!-,abc", max_size=12))
        types = draw(st.text("tifsbhdTFNIrmcS[]x", max_size=4))
        return padded(address.encode()) + padded(b"," + types.encode()) + draw(st.binary(min_size=32, max_size=48))

    packet = message()
    if draw(st.booleans()):
        parts = [message() for _ in range(draw(st.integers(0, 3)))]
        packet = b"#bundle\0" + draw(st.binary(min_size=8, max_size=8))
        packet += b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    if not draw(st.integers(0, 3)):
        packet = packet[: draw(st.integers(0, len(packet)))]
    if not draw(st.integers(0, 3)) and packet:
        at = draw(st.integers(0, len(packet) - 1))
        packet = packet[:at] + draw(st.binary(max_size=4)) + packet[at + 1 :]
    return packet if draw(st.integers(0, 5)) else draw(st.binary(max_size=64))


class TestOsc:
    def settle(self, client: SimpleUDPClient, ask: str = "/stemlive/ping", expected: int = 1) -> list[tuple]:
        """Ask, and return the answers: all that was sent before has been obeyed then."""
        client.send_message(ask, 7)
        client._sock.setblocking(True)
        client._sock.settimeout(20)
        return [(m.address, *m.params) for m in (OscMessage(client._sock.recv(4096)) for _ in range(expected))]

    def test_every_address_moves_what_it_says(self, osc, controls, memory):
        _, client, complaints = osc
        client.send_message("/stemlive/preset", "karaoke")
        client.send_message("/stemlive/drums/gain", -6.0)
        client.send_message("/stemlive/bass/gain", "-inf")
        client.send_message("/stemlive/other/solo", 1)
        client.send_message("/stemlive/vocals/mute", False)
        client.send_message("/stemlive/bypass", 1)
        client.send_message("/microphone/gain", -3)
        client.send_message("/stemlive/microphone/reverb", 0.25)
        client.send_message("/stemlive/sync", -80)
        client.send_message("/stemlive/howling-guard", 0)
        assert self.settle(client) == [("/stemlive/pong", 7)]
        assert complaints == []
        assert controls.gains_db == {"vocals": 0, "drums": -6, "bass": -math.inf, "other": 0}
        assert (controls.muted, controls.soloed, controls.bypass) == (set(), {"other"}, True)
        assert (controls.microphone_gain_db, controls.microphone_reverb) == (-3, 0.25)
        assert (controls.sync_ms, controls.howling_guard) == (-80, False)
        assert memory.parameters["microphone_gain"] == pytest.approx(10 ** (-3 / 20))

    def test_the_microphone_has_its_older_name_too(self, osc, controls):
        _, client, complaints = osc
        client.send_message("/monitor/gain", -4)
        client.send_message("/stemlive/monitor/reverb", 0.5)
        answers = dict(self.settle(client, "/stemlive/state", 5 * len(STEMS) + 10))
        assert complaints == []
        assert (controls.microphone_gain_db, controls.microphone_reverb) == (-4, 0.5)
        for name in ("microphone", "monitor"):
            assert (answers[f"/stemlive/{name}/gain"], answers[f"/stemlive/{name}/reverb"]) == (-4, 0.5)

    def test_state_answers_with_every_address(self, osc, controls):
        server, client, _ = osc
        controls.mute("bass")
        controls.set_gain_db("bass", -math.inf)
        answers = dict(self.settle(client, "/stemlive/state", len(server.state())))
        assert len(answers) == 5 * len(STEMS) + 10
        assert (answers["/stemlive/bass/mute"], answers["/stemlive/bass/gain"]) == (1, -math.inf)

    def test_patterns(self, osc, controls):
        _, client, _ = osc
        client.send_message("/stemlive/*/mute", 1)
        client.send_message("/stemlive/{drums,bass}/gain", 2)
        self.settle(client)
        assert controls.muted == set(STEMS)
        assert controls.gains_db == {"vocals": 0, "drums": 2, "bass": 2, "other": 0}

    def test_nonsense_is_counted_and_named_once(self, osc, controls):
        server, client, complaints = osc
        for _ in range(2):
            client._sock.sendto(b"nonsense", ("127.0.0.1", server.port))
            client._sock.sendto(b"", ("127.0.0.1", server.port))
            client._sock.sendto(b"#bundle\0" + b"\xff" * 40, ("127.0.0.1", server.port))
            client.send_message("/stemlive/tuba/gain", 1.0)
            client.send_message("/stemlive/drums/gain", 99.0)
            client.send_message("/stemlive/bass/gain", "loud")
            client.send_message("/stemlive/bass/gain", math.nan)
            client.send_message("/stemlive/bass/mute", [])
            client.send_message("/stemlive/preset", "polka")
        assert self.settle(client) == [("/stemlive/pong", 7)]
        assert server.bad_messages == 18
        assert len(complaints) == 6
        assert complaints[1] == "OSC: /stemlive/tuba/gain: there is no such address"
        assert complaints[2] == "OSC: /stemlive/drums/gain: gain of drums must be from -inf to +12 dB, not 99"
        assert set(controls.gains_db.values()) == {0.0}

    def test_whatever_a_ping_holds_comes_back(self, osc):
        """A time tag ended the thread once."""
        server, client, _ = osc
        arguments = b",tmrb[if]NT\0" + bytes(range(8)) + b"\x01\x90\x40\x7f" + b"\xff\0\0\xff"
        arguments += b"\0\0\0\x03abc\0" + b"\0\0\0\x07" + b"\x3f\x80\0\0"
        client._sock.sendto(b"/stemlive/ping\0\0" + arguments, ("127.0.0.1", server.port))
        client._sock.settimeout(20)
        assert client._sock.recv(4096) == b"/stemlive/pong\0\0" + arguments

    def test_a_pattern_that_would_take_for_ever_is_refused(self, osc):
        _, client, complaints = osc
        client.send_message("/" + "*a" * 10 + "x", 1)
        assert self.settle(client) == [("/stemlive/pong", 7)]
        assert complaints == [f"OSC: /{'*a' * 10}x: too many wildcards"]

    def test_no_packet_ends_it(self, controls):
        """Random bytes, and messages and bundles with random types, cut off and damaged anywhere."""
        complaints = []
        server = OscControl(controls, "127.0.0.1", 0, complain=complaints.append)
        address = ("127.0.0.1", server.port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(20)

            @settings(max_examples=400, deadline=None)
            @given(packets())
            def send(packet: bytes) -> None:
                sender.sendto(packet, address)
                sender.sendto(b"/stemlive/ping\0\0,s\0\0end\0", address)
                while sender.recv(65536) != b"/stemlive/pong\0\0,s\0\0end\0":
                    pass  # an answer to the packet itself

            send()
        assert server._thread.is_alive()
        server.close()
        assert server.bad_messages > 10
        assert not [text for text in complaints if "ended" in text]

    def test_where_it_listens(self, osc, controls):
        server, _, _ = osc
        assert parse_address("9000", "") == ("127.0.0.1", 9000)
        assert parse_address("0.0.0.0:9000", "") == ("0.0.0.0", 9000)
        assert parse_address("[::1]:9000", "") == ("::1", 9000)
        for wrong in ("", "x", "host:", "70000", "-1"):
            with pytest.raises(UsageError, match="is not an OSC address"):
                parse_address(wrong, "an OSC address")
        with pytest.raises(StemliveError, match=f"cannot listen for OSC on 127.0.0.1:{server.port}"):
            OscControl(controls, "127.0.0.1", server.port, complain=print)

    def test_without_the_package(self, controls, monkeypatch):
        monkeypatch.setitem(sys.modules, "pythonosc.dispatcher", None)
        with pytest.raises(StemliveError, match=re.escape(how_to_add("live"))):
            OscControl(controls, "127.0.0.1", 0, complain=print)


def moved(control: int, value: int, channel: int = 0) -> mido.Message:
    return mido.Message("control_change", channel=channel, control=control, value=value)


class TestMidi:
    def test_a_fader_is_off_at_its_end_and_at_unity_three_fifths_up(self):
        assert (fader_db(0), fader_db(80), fader_db(127)) == (-math.inf, 0, 12)
        assert fader_db(40) == pytest.approx(-18.06, abs=0.01)
        assert all(fader_db(value) < fader_db(value + 1) for value in range(126))

    def test_learnt_saved_and_found_again(self, controls, tmp_path):
        path = tmp_path / "new" / "midi.json"
        midi = MidiControl(controls, MidiMap(path, STEMS))
        desk = Desk(controls, midi=midi, learning=True)
        press(desk, "2")  # nothing was moved: the key does what it always does
        assert (desk.stem, path.exists()) == ("drums", False)
        midi.receive(moved(21, 5))
        assert midi.moved() == "MIDI control 21 on channel 1"
        press(desk, "1")
        assert (desk.stem, controls.gains_db["vocals"]) == ("drums", 0)
        assert desk.notes == [f"MIDI control 21 on channel 1 is gain vocals, saved in {path}"]
        midi.receive(moved(22, 127, channel=15))
        press(desk, "m")
        midi.receive(moved(21, 60))
        midi.receive(moved(23, 1))
        press(desk, "1")  # the fader of the vocals is another one now
        assert json.loads(path.read_text()) == {
            "mute drums": {"channel": 16, "control": 22},
            "gain vocals": {"channel": 1, "control": 23},
        }
        assert [each.name for each in path.parent.iterdir()] == ["midi.json"]
        again = MidiControl(controls, MidiMap(path, STEMS))
        again.receive(moved(21, 127))
        assert controls.gains_db["vocals"] == pytest.approx(fader_db(60))
        again.receive(moved(23, 0))
        assert controls.gains_db["vocals"] == -math.inf

    def test_a_map_of_an_older_version_is_read_and_saved_with_the_names_of_today(self, controls, tmp_path):
        path = tmp_path / "midi.json"
        places = {"monitor gain": {"channel": 1, "control": 7}, "monitor reverb": {"channel": 1, "control": 8}}
        path.write_text(json.dumps(places))
        midi_map = MidiMap(path, STEMS)
        midi = MidiControl(controls, midi_map)
        midi.receive(moved(7, 127))
        midi.receive(moved(8, 127))
        assert (controls.microphone_gain_db, controls.microphone_reverb) == (12, 1)
        midi_map.bind((1, 9), "microphone gain")
        assert sorted(json.loads(path.read_text())) == ["microphone gain", "microphone reverb"]

    def test_buttons_switch_when_pressed(self, controls, tmp_path):
        midi_map = MidiMap(tmp_path / "midi.json", STEMS)
        for number, target in enumerate(("mute bass", "solo other", "bypass", "preset karaoke", "microphone gain")):
            midi_map.bind((1, number), target)
        midi = MidiControl(controls, midi_map)
        for number in range(4):
            midi.receive(moved(number, 127))
            midi.receive(moved(number, 0))
        midi.receive(moved(4, 80))
        assert (controls.muted, controls.soloed, controls.bypass) == ({"vocals"}, set(), True)
        midi.receive(moved(0, 127))
        assert controls.muted == {"vocals", "bass"}
        midi.receive(moved(0, 127))  # still held
        assert controls.muted == {"vocals", "bass"}
        midi.receive(moved(0, 0))
        midi.receive(moved(0, 64))
        assert controls.muted == {"vocals"}
        midi.receive(mido.Message("note_on", note=60))
        midi.receive(moved(0, 127, channel=3))
        assert controls.muted == {"vocals"}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "is not a MIDI map"),
            ("[1]", "is not a MIDI map"),
            ('{"gain vocals": 7}', "is not a MIDI map"),
            ('{"gain tuba": {"channel": 1, "control": 7}}', "'gain tuba' is nothing that MIDI can move"),
            ('{"bypass now": {"channel": 1, "control": 7}}', "'bypass now' is nothing that MIDI can move"),
            ('{"bypass": {"channel": 17, "control": 7}}', "channel 17, control 7"),
        ],
    )
    def test_a_map_that_is_none(self, tmp_path, text, message):
        path = tmp_path / "midi.json"
        path.write_text(text)
        with pytest.raises(UsageError, match=message):
            MidiMap(path, STEMS)

    def test_ports(self, controls, tmp_path, monkeypatch):
        opened = []

        class Port:
            def __init__(self, name: str, callback: Callable) -> None:
                opened.append((name, callback))

            def close(self) -> None:
                opened.append("closed")

        monkeypatch.setattr(mido, "get_input_names", lambda: ["nanoKONTROL2 MIDI 1", "Keystation", "Keystation 2"])
        monkeypatch.setattr(mido, "open_input", Port)
        jack = SimpleNamespace(get_input_names=lambda: ["Keystation", "softstep:out"], open_input=Port)
        monkeypatch.setattr(mido, "Backend", lambda name: jack)
        monkeypatch.setattr(sys, "platform", "linux")
        midi = MidiControl(controls, MidiMap(tmp_path / "midi.json", STEMS))
        assert midi.open("nanokontrol") == "nanoKONTROL2 MIDI 1"
        midi.close()
        assert midi.open("Keystation") == "Keystation"
        assert opened == [("nanoKONTROL2 MIDI 1", midi.receive), "closed", ("Keystation", midi.receive)]
        assert midi.open("softstep") == "softstep:out"
        midi.close()
        with pytest.raises(StemliveError, match="MIDI input 'key' is ambiguous: there are nanoKONTROL2 MIDI 1, Key"):
            midi.open("key")
        with pytest.raises(StemliveError, match="MIDI input 'launchpad' is not there"):
            midi.open("launchpad")

        def no_sequencer() -> list[str]:
            raise SystemError("no ALSA sequencer")

        monkeypatch.setattr(mido, "get_input_names", no_sequencer)
        jack.get_input_names = no_sequencer
        with pytest.raises(StemliveError, match=r"no MIDI system that python-rtmidi can use \(no ALSA sequencer\)"):
            midi.open("x")
        monkeypatch.setitem(sys.modules, "mido", None)
        with pytest.raises(StemliveError, match=re.escape(how_to_add("live"))):
            midi.open("x")
