"""Where the song is that is heard now: what the words follow, held against every sample that leaves the engine."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from jack_neighbour import Listener, beside
from jack_server import PATIENCE_S, PERIOD, RATE_HZ

from stemlive.realtime.engine.heard_clock import HeardClock
from stemlive.realtime.shared.memory import EngineMemory

SONG_S = 20.0
NEAR_S = 0.05

ENGINE = """
import json, sys, time
from stemlive.realtime.engine.child_process import EngineProcess
from stemlive.realtime.shared.settings import EngineSettings

if __name__ == "__main__":
    song, model = sys.argv[1:]
    engine = EngineProcess(EngineSettings(song, "device:system", model=model, song=True))
    seen = []

    def follow(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before = time.monotonic()
            now = engine.snapshot()
            if time.monotonic() < before + 0.002:
                seen.append((before, now.heard_s(before), now.song_speed))
            time.sleep(0.003)

    engine.start()
    print("ready", flush=True)
    sys.stdin.readline()
    engine.controls.song.play()
    follow(1.5)
    engine.controls.song.seek(12.0)
    follow(1.5)
    engine.controls.song.set_loop((13.5, 14.0))
    follow(2.0)
    engine.controls.song.play(False)
    follow(0.5)
    now = engine.snapshot()
    engine.stop()
    print(json.dumps({"seen": seen, "out": now.latency.device_out, "dropouts": now.dropouts}), flush=True)
"""


class Recording:
    """What left the program under test, with the server's number of each sample, and when those numbers were."""

    def __init__(self, numbers, times_s, sound):
        self._begin = numbers.min()
        self._began_s = (times_s - numbers / RATE_HZ).min()
        self._track = np.full(numbers.max() + PERIOD - self._begin, np.nan)
        for first, block in zip(numbers - self._begin, sound[:, :, 0], strict=True):
            self._track[first : first + len(block)] = block

    def samples(self, times_s, later):
        """The samples that left at these times, `later` samples after the server took them; NaN where it has none."""
        numbers = np.rint((times_s - self._began_s) * RATE_HZ).astype(int) - later - self._begin
        there = (numbers >= 0) & (numbers < len(self._track))
        return np.where(there, self._track[np.clip(numbers, 0, len(self._track) - 1)], np.nan)


@pytest.mark.alone
def test_the_place_is_that_of_the_sample_that_leaves_now(server, tmp_path, model, record_property):
    """Every sample of the song says where it is, and the mix of all stems is the song."""
    song = tmp_path / "song.wav"
    ramp = np.arange(round(SONG_S * RATE_HZ)) / RATE_HZ / SONG_S
    soundfile.write(song, 0.25 + 0.5 * ramp, RATE_HZ, subtype="FLOAT")
    script = tmp_path / "engine.py"
    script.write_text(ENGINE)
    command = [sys.executable, str(script), str(song), model]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        beside(Listener, server.name, 1) as listener,
        subprocess.Popen(command, env=server.environment, **pipes) as process,
    ):
        try:
            assert process.stdout.readline() == "ready\n"
            listener.connect()
            answer, _ = process.communicate("\n", timeout=PATIENCE_S + 30)
        finally:
            process.kill()
        recording = Recording(*listener.take())
    told = json.loads(answer)
    times_s, places_s, speeds = np.array(told["seen"]).T
    heard = recording.samples(times_s, told["out"])
    true_s = SONG_S * (heard - 0.25) / 0.5
    record_property("dropouts", told["dropouts"])
    # Not where one place fades into the other, and where nothing or half a hop was heard.
    jumps_s = times_s[np.flatnonzero((np.abs(np.diff(places_s)) > 0.03) | (np.diff(speeds) != 0)) + 1]
    settled = np.abs(times_s[:, None] - jumps_s).min(axis=1) > 0.1
    counts = settled & (speeds > 0) & (true_s >= 0)
    assert np.count_nonzero(counts) > 100
    late_s = true_s[counts] - places_s[counts]
    print(f"the words are {np.round(1000 * np.percentile(late_s, [5, 50, 95]), 1)} ms late; {len(jumps_s)} jumps")
    assert np.mean(np.abs(late_s) < NEAR_S) > 0.9
    assert abs(np.median(late_s)) < NEAR_S / 2
    # The seek, twice around the loop at least, and the pause.
    assert np.any((places_s > 12.0) & (places_s < 12.5))
    assert np.count_nonzero(np.diff(places_s) < -0.4) >= 2
    assert np.percentile(places_s, 99) < 14.0 + NEAR_S
    assert speeds[-1] == 0
    assert places_s[-1] == places_s[-10]


@pytest.mark.parametrize("portion", [64, 512, 4096])
def test_what_a_device_has_played_lies_between_its_blocks(portion):
    """It takes a portion when it begins to play it, a little late at times; the engine looks now and then."""
    rng, clock = np.random.default_rng(portion), HeardClock(RATE_HZ)
    begin_s, end_s = 100.0, 103.0
    takes_s = begin_s + np.arange(0, (end_s - begin_s) * RATE_HZ, portion) / RATE_HZ
    takes_s += rng.exponential(0.0003, len(takes_s))
    off = []
    for now_s in np.arange(begin_s, end_s, 0.001) + rng.uniform(0, 0.001, 3000):
        clock.look(portion * np.count_nonzero(takes_s <= now_s), now_s)
        if now_s > begin_s + 1:
            off.append(clock.played(now_s) / RATE_HZ - (now_s - begin_s))
    assert -0.005 < min(off) <= max(off) < 0.0015


def test_after_a_gap_of_the_device_it_goes_on_from_there():
    clock, played = HeardClock(1000), []
    for now_ms in range(4000):
        taken = now_ms // 10 * 10 + 10 if now_ms < 2000 else max(2000, now_ms // 10 * 10 - 290)
        clock.look(taken, now_ms / 1000)
        played.append(clock.played(now_ms / 1000))
    assert played[1990] == pytest.approx(1990, abs=2)
    assert played[2500] == pytest.approx(2200, abs=2)
    assert played[-1] == pytest.approx(3699, abs=2)


def test_between_two_snapshots_the_song_goes_on_and_stands_when_the_engine_does():
    now = replace(EngineMemory.local().snapshot(), song_s=10.0, song_at_s=100.0, song_speed=1.0, song_length_s=60.0)
    assert [now.heard_s(at_s) for at_s in (99.0, 100.0, 100.125, 107.0)] == [10.0, 10.0, 10.125, 10.25]
    assert replace(now, song_speed=0.5).heard_s(100.125) == 10.0625
    assert replace(now, song_speed=0.0).heard_s(100.125) == 10.0
    assert replace(now, song_s=59.9).heard_s(100.25) == 60.0
