"""Exceptions where nobody expects one, on the engine's many threads: each is kept and shown."""

import os
import signal
from pathlib import Path

import click
import numpy as np
import pytest
from fake_device import RATE_HZ, fake_sounddevice
from waiting import wait_until

from stemlive import cli
from stemlive.errors import DeviceError, StemliveError
from stemlive.guarded_thread import GuardedThread
from stemlive.realtime.devices import callback_device, open_devices, portaudio
from stemlive.realtime.devices.catalogue import AudioDevice
from stemlive.realtime.dsp import key_change
from stemlive.realtime.engine import run
from stemlive.realtime.engine.engine import Engine
from stemlive.realtime.engine.microphone import MicrophoneStrip
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import State
from stemlive.terminal.stopping import StopRequest

CARDS = {
    "interface": AudioDevice(0, "interface", "ALSA", 4, 2, RATE_HZ, (0, 0), (0, 0), True, True, False),
    "headset": AudioDevice(1, "headset", "ALSA", 1, 2, RATE_HZ, (0, 0), (0, 0), False, False, False),
}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, model: Path) -> EngineSettings:
    """Of an engine on an interface that is a thread, whose callback also mixes a microphone in."""
    fake = fake_sounddevice()
    for module in (portaudio, callback_device):
        monkeypatch.setattr(module, "portaudio", lambda: fake)
    monkeypatch.setattr(open_devices, "find_device", lambda name, _: CARDS[name])
    ends = ("device:interface", "device:interface")
    return EngineSettings(*ends, model=model, mode="callback", input_channels=(1, 2), microphone_channels=(3,))


class Failing:
    """Raises in some calls, and lets the others pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls: set[int]) -> None:
        self.calls = 0
        whole = MicrophoneStrip.add_to

        def add_to(strip: MicrophoneStrip, block: np.ndarray, out: np.ndarray) -> None:
            self.calls += 1
            if self.calls in calls:
                raise RuntimeError(f"call {self.calls}")
            whole(strip, block, out)

        monkeypatch.setattr(MicrophoneStrip, "add_to", add_to)


def test_a_microphone_whose_thread_fails_is_said_to_and_the_music_goes_on(settings, monkeypatch):
    Failing(monkeypatch, {5})
    ends = ("device:interface", "device:interface")
    apart = EngineSettings(*ends, model=settings.model, mode="callback", microphone="device:headset")
    with Engine(apart) as engine:
        wait_until(lambda: engine.snapshot().trouble, "the trouble to be told")
        assert engine.snapshot().trouble == "the microphone is not heard any more: RuntimeError: call 5"
        hops = engine.snapshot().hops
        wait_until(lambda: engine.snapshot().hops > hops + 10, "hops")
        assert engine.snapshot().state == State.RUNNING


def test_one_exception_in_a_callback_is_shown_and_the_sound_goes_on(settings, monkeypatch):
    calls = Failing(monkeypatch, {5, 50})
    with Engine(settings) as engine:
        wait_until(lambda: engine.snapshot().trouble, "the trouble to be told")
        assert engine.snapshot().trouble == "the audio callback failed: RuntimeError: call 5"
        wait_until(lambda: engine.snapshot().trouble.endswith("call 50"), "the next one")
        wait_until(lambda: calls.calls > 100, "more blocks")
        assert engine.snapshot().state == State.RUNNING


def test_three_within_a_minute_end_it_for_good(settings, monkeypatch):
    Failing(monkeypatch, {5, 10, 15})
    engine = Engine(settings)
    engine.start()
    wait_until(lambda: engine.snapshot().state.ended, "the end")
    message = "the audio callback failed 3 times within a minute: RuntimeError: call 15"
    # Neither "device lost" nor "reconnecting", so nobody begins anew.
    assert (engine.snapshot().state, engine.snapshot().message) == (State.FAILED, message)
    with pytest.raises(StemliveError, match=message) as error:
        engine.stop()
    assert not isinstance(error.value, DeviceError)


def test_a_failed_callback_plays_silence_and_both_rings_stay_in_step(settings):
    request = portaudio.StreamRequest(
        CARDS["interface"], CARDS["interface"], sample_rate_hz=RATE_HZ, input_channels=(1,), output_channels=2
    )
    device = callback_device.CallbackDevice(request)
    callback = device._stream._callback
    sound, out = np.ones((64, 1), np.float32), np.ones((64, 2), np.float32)
    callback(sound, out, 64, None, None)
    out[:] = 1
    callback(sound, out[:, :1], 64, None, None)  # one channel where two are expected
    assert not out[:, 0].any()
    assert device.faults.exception.startswith("ValueError")
    callback(sound, out, 64, None, None)
    assert device.input.written == device.output.read == 192


def test_a_key_that_cannot_be_changed_is_said(settings, monkeypatch):
    class Broken:
        def __init__(self, *_: object) -> None:
            raise StemliveError("Rubber Band is broken")

    with Engine(settings) as engine:
        monkeypatch.setattr(key_change, "Stretcher", Broken)
        engine.controls.set_semitones(2)
        wait_until(lambda: engine.snapshot().trouble, "the trouble to be told")
        assert engine.snapshot().trouble == "the key cannot be changed: Rubber Band is broken"


def test_a_guarded_thread_keeps_what_it_raised_and_tells_once():
    told = []

    def fail() -> None:
        raise ValueError("3 is too many")

    thread = GuardedThread("test", fail, told.append)
    assert thread.end(0.1), "one that has not started counts as ended"
    thread.start()
    assert thread.end(20)
    assert isinstance(thread.error, ValueError)
    assert told == [thread.problem] == ["ValueError: 3 is too many"]


def test_a_signal_is_obeyed_while_a_device_does_not_open(settings, monkeypatch, capsys):
    def hangs(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise DeviceError("the sound system has not answered")

    monkeypatch.setattr(run, "open_ends", hangs)
    ends = ("-i", settings.source, "-o", settings.target, "--model", str(settings.model))
    with pytest.raises(SystemExit) as end:
        cli.main(["stream", *ends, "--in-process"])
    assert end.value.code == 143
    assert capsys.readouterr().err == (
        "stemlive: warning: the sound system has not answered\nstemlive: stopped after 0.00 s\n"
    )


def test_a_second_signal_ends_the_program_with_its_own_code(capsys):
    with pytest.raises(click.exceptions.Exit) as end, StopRequest():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert end.value.exit_code == 143
    assert capsys.readouterr().err == "stemlive: interrupted\n"
