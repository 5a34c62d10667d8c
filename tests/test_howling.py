"""The guard against howling: it catches a loop through the loudspeakers, and leaves what is sung or whistled."""

import numpy as np
import pytest

from stemlive.realtime.control.controls import Controls
from stemlive.realtime.engine.howling import HowlFinder
from stemlive.realtime.engine.microphone import MicrophoneStrip
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.terminal.status_line import status_line

RATE_HZ = 44100
BLOCK = 128


class Room:
    """A microphone whose sound comes back `delay_s` later, loudest at `hz`, where it is `loop_gain` as loud."""

    def __init__(self, hz, delay_s, loop_gain, *, guarded=True):
        self.memory = EngineMemory.local()
        self.controls = Controls(("vocals",), self.memory)
        self.controls.set_howling_guard(guarded)
        self.strip = MicrophoneStrip(self.memory, RATE_HZ, places=((1,),))
        self._delayed = np.zeros(round(delay_s * RATE_HZ))
        turn, pole = 2 * np.pi * hz / RATE_HZ, 0.99
        self._feedback = (2 * pole * np.cos(turn), -pole * pole)
        bend = 1 - self._feedback[0] * np.exp(-1j * turn) - self._feedback[1] * np.exp(-2j * turn)
        self._gain = loop_gain * abs(bend)
        self._before = [0.0, 0.0]
        self._rng = np.random.default_rng(0)

    def pass_time(self, seconds, sung=None):
        """Return what the loudspeaker plays."""
        played = []
        for number in range(round(seconds * RATE_HZ / BLOCK)):
            block = 1e-4 * self._rng.standard_normal(BLOCK)
            if sung is not None:
                block += sung[number * BLOCK : (number + 1) * BLOCK]
            for place in range(BLOCK):
                heard = self._gain * self._delayed[place]
                heard += self._feedback[0] * self._before[0] + self._feedback[1] * self._before[1]
                self._before = [heard, self._before[0]]
                block[place] += heard
            microphone = np.clip(block, -1, 1).astype(np.float32)[:, None]
            out = np.zeros((BLOCK, 1), np.float32)
            self.strip.add_to(microphone, out)
            self.strip.guard.step()
            self._delayed = np.concatenate([self._delayed[BLOCK:], np.clip(out[:, 0], -1, 1)])
            played.append(out[:, 0])
        self.memory.publish()
        return np.concatenate(played)

    @property
    def now(self):
        return self.memory.snapshot()


def level_db(sound):
    return 20 * np.log10(np.sqrt(np.mean(np.square(sound))) + 1e-12)


@pytest.mark.parametrize("hz", [500, 3000, 8000, 16000])
@pytest.mark.parametrize(("delay_s", "loop_gain"), [(0.008, 1.6), (0.03, 2.5)])
def test_a_howl_is_turned_down_within_a_second_of_being_heard(hz, delay_s, loop_gain):
    room = Room(hz, delay_s, loop_gain)
    played = room.pass_time(3.0)
    levels_db = np.array([level_db(part) for part in np.array_split(played, 60)])
    heard_s = 0.05 * np.flatnonzero(levels_db > -40)
    assert len(heard_s) > 0
    assert np.ptp(heard_s) < 1.5  # and it rang out by then
    assert np.all(levels_db[-10:] < -40)
    now = room.now
    assert now.microphone_howls >= 1
    assert now.microphone_howl_hz == pytest.approx(hz, abs=1 / delay_s)
    assert now.microphone_guard_db < -3


def test_without_the_guard_it_rings_at_full_scale():
    room = Room(3000, 0.008, 1.6, guarded=False)
    assert level_db(room.pass_time(1.5)[-RATE_HZ // 10 :]) > -6
    assert (room.now.microphone_howls, room.now.microphone_guard_db) == (0, 0)


def test_it_rises_again_to_where_it_does_not_howl_and_a_fader_that_is_moved_up_moves_that():
    room = Room(3000, 0.01, 1.5)
    room.pass_time(2.0)
    assert room.now.microphone_guard_db <= -6
    assert "howls at 3.0 kHz and is turned down" in room.strip.guard.trouble
    room.controls.set_microphone_gain_db(-6)
    assert level_db(room.pass_time(10.0)[-RATE_HZ:]) < -40
    assert (room.now.microphone_guard_db, room.now.microphone_howls) == (0, 1)
    assert room.strip.guard.trouble == ""
    room.controls.set_microphone_gain_db(0)
    room.pass_time(2.0)
    assert room.now.microphone_howls == 2
    assert room.now.microphone_guard_db <= -6


def test_the_gain_moves_without_a_step():
    room = Room(1000, 0.01, 0.0)
    room.strip.guard.gain = 0.25
    tone = np.float32(0.5) * np.ones((BLOCK, 1), np.float32)
    out = np.zeros((60, BLOCK, 1), np.float32)
    for block in out:
        room.strip.add_to(tone.copy(), block)
    steps = np.abs(np.diff(out.ravel()))
    assert out[0, 0] == pytest.approx(0.5, abs=0.01)
    assert out[-1, -1] == pytest.approx(0.125)
    assert steps.max() < 0.001


def sung(f0_hz, seconds, *, vibrato_cents=0.0, drift_cents=12.0, tilt_db=-12.0, formants=(700, 1200, 2600), seed=0):
    """A sung vowel: harmonics under formants, a voice's small wandering of pitch and level, and breath."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE_HZ)
    time_s = np.arange(count) / RATE_HZ
    knots = rng.standard_normal(round(seconds * 8) + 2)
    wander = np.interp(time_s * 8, np.arange(len(knots)), knots)
    cents = vibrato_cents * np.sin(2 * np.pi * 5.5 * time_s) + drift_cents * wander
    phase = 2 * np.pi * np.cumsum(f0_hz * 2 ** (cents / 1200)) / RATE_HZ
    sound = np.zeros(count)
    for number in range(1, 40):
        hz = number * f0_hz
        if hz > 15000:
            break
        bump = sum(1 / (1 + ((hz - formant) / 120) ** 2) for formant in formants) + 0.02
        sound += bump * 10 ** (tilt_db * np.log2(number) / 20) * np.sin(number * phase)
    sound *= 1 + 0.1 * np.interp(
        time_s * 6, np.arange(round(seconds * 6) + 2), rng.standard_normal(round(seconds * 6) + 2)
    )
    sound += 0.01 * rng.standard_normal(count) * np.abs(sound).max()
    return (0.8 * sound / np.abs(sound).max()).astype(np.float32)


SOUNDS = {
    "vowel": sung(220, 4),
    "vowel, no vibrato": sung(330, 4, drift_cents=8.0),
    "soprano with vibrato": sung(880, 4, vibrato_cents=50, formants=(900, 1300, 2900)),
    "soprano, straight, on oo": sung(700, 4, tilt_db=-24.0, formants=(700, 1000, 2500)),
    "whistle with vibrato": sung(1800, 4, vibrato_cents=20, tilt_db=-60.0, formants=(1800,)),
    "whistle": sung(1500, 4, drift_cents=15, tilt_db=-60.0, formants=(1500,)),
    "flute": sung(880, 4, drift_cents=6.0, tilt_db=-14.0, formants=(880, 1760)),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_what_is_sung_whistled_and_blown_is_left_alone(name):
    finder = HowlFinder(RATE_HZ)
    sound = SOUNDS[name]
    for first in range(0, len(sound) - finder.frame, finder.hop):
        finder.look(sound[first : first + finder.frame])
        assert finder.howl_hz == 0, f"at {first / RATE_HZ:.2f} s"


@pytest.mark.parametrize("rate_hz", [8000, 48000, 96000])
@pytest.mark.parametrize("level", [0.05, 1.0])
def test_a_tone_that_stays_is_a_howl_at_every_rate(rate_hz, level):
    finder, hz = HowlFinder(rate_hz), min(3210.0, 0.3 * rate_hz)
    tone = (level * np.sin(2 * np.pi * hz * np.arange(2 * rate_hz) / rate_hz)).astype(np.float32)
    found = []
    for first in range(0, len(tone) - finder.frame, finder.hop):
        finder.look(tone[first : first + finder.frame])
        found.append(finder.howl_hz)
    assert found[-1] == pytest.approx(hz, abs=1)
    assert 0 < next(number for number, each in enumerate(found) if each) * finder.hop_s < 0.9
    finder.forget()
    finder.look(tone[: finder.frame])
    assert finder.howl_hz == 0


def test_a_singer_over_a_beginning_howl_does_not_hide_it():
    room = Room(3000, 0.012, 2.0)
    room.pass_time(3.0, sung=0.1 * sung(220, 3.1))
    assert room.now.microphone_howls >= 1
    assert room.now.microphone_guard_db <= -6


def test_the_terminal_shows_how_far_it_is_turned_down():
    memory = EngineMemory.local()
    controls = Controls(("vocals",), memory)
    memory.telemetry["state"], memory.telemetry["microphone_samples"] = 1, 441
    memory.publish()
    assert "  microphone 10 ms  " in status_line(memory.snapshot(), controls)
    memory.telemetry["microphone_guard_db"] = -12
    memory.publish()
    assert "  microphone 10 ms -12 dB for howling  " in status_line(memory.snapshot(), controls)
