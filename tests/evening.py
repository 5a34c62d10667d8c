"""An evening: ten songs with words in a queue, on JACK, on a busy core, with something else wished every few seconds.

python tests/evening.py [--minutes 60] [--latency low] [--model MODEL] [--idle]

It seeks, and changes tempo, key, preset and song, as somebody does who cannot leave it alone, and holds the words
against what is really heard: each word of the songs begins with a stroke, and a program beside stemlive listens for
the strokes. It tells the dropouts, the memory and how far the words were off, once a minute and at its end. Unless
`--idle`, each core that it may use is kept busy by another process (`taskset -c 0 python tests/evening.py` for one
core, the model's too). Needs jackd, and the right to real-time priorities, as users of JACK have it.
"""

import argparse
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from jack_neighbour import Listener, beside
from jack_server import PERIOD, RATE_HZ, Server

if TYPE_CHECKING:
    from stemlive.realtime.audio_files.words import Words
    from stemlive.realtime.engine.child_process import EngineProcess

FORMATS = ("wav", "flac", "mp3", "ogg")
RATES_HZ = (44100, 48000, 44100, 32000)
STROKES_PER_S = 4.0
BIN = 64
"""Samples in which the strokes are looked for: 1.5 ms."""
FARTHEST_S, STEP_S = 0.5, 0.001
SETTLED_S, SHORTEST_S, LONGEST_S = 0.3, 1.5, 8.0
"""After a jump, so long is faded; of what is between two jumps, so much is held against the words at once."""
REFRESH_S = 0.05
"""As often a terminal shows the words."""
REPORT_S = 60.0
ALLOWED_S = 0.05


def write_song(folder: Path, number: int) -> Path:
    """Strokes at times that nothing repeats, over chords; beside it words of which each begins with a stroke."""
    rng = np.random.default_rng(number)
    rate_hz, kind = RATES_HZ[number % len(RATES_HZ)], FORMATS[number % len(FORMATS)]
    length_s = float(rng.uniform(45, 150))
    times_s = np.cumsum(0.12 + rng.exponential(1 / STROKES_PER_S - 0.12, round(length_s * STROKES_PER_S)))
    times_s = np.round(times_s[times_s < length_s - 1], 3)
    second = 2 * np.pi * np.arange(rate_hz) / rate_hz
    sound = np.resize(0.02 * sum(np.sin(hz * second) for hz in (110, 165, 220, 277, 330)), round(length_s * rate_hz))
    stroke_s = np.arange(round(0.1 * rate_hz)) / rate_hz
    for at_s in times_s:
        tone = np.sin(2 * np.pi * rng.uniform(200, 1200) * stroke_s) * np.exp(-stroke_s / 0.03)
        noise = rng.standard_normal(len(stroke_s)) * np.exp(-stroke_s / 0.01)
        first = round(at_s * rate_hz)
        sound[first : first + len(stroke_s)] += 0.3 * tone + 0.2 * noise
    path = folder / f"song {number:02}.{kind}"
    with soundfile.SoundFile(path, "w", rate_hz, 2) as file:
        for first in range(0, len(sound), rate_hz):  # libsndfile's Vorbis crashes with all of it at once
            file.write(np.repeat(sound[first : first + rate_hz, None], 2, axis=1).clip(-1, 1))
    words = "".join(f"[{at_s // 60:02.0f}:{at_s % 60:06.3f}]word {n}\n" for n, at_s in enumerate(times_s))
    path.with_suffix(".lrc").write_text(words)
    return path


@dataclass
class Heard:
    """What was heard, as strength of strokes in each bin, and when."""

    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    times_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    energies: np.ndarray = field(default_factory=lambda: np.zeros((0, PERIOD // BIN)))
    lost: int = 0

    def add(self, numbers: np.ndarray, times_s: np.ndarray, sound: np.ndarray) -> None:
        """Add blocks [b, n, 1] as `Listener.take` gives them."""
        if not len(numbers):
            return
        bins = np.diff(sound[:, :, 0], axis=1, prepend=sound[:, :1, 0]).reshape(len(sound), -1, BIN)
        self.numbers = np.append(self.numbers, numbers)
        self.times_s = np.append(self.times_s, times_s)
        self.energies = np.concatenate([self.energies, np.sqrt(np.square(bins).mean(axis=2))])

    def strokes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return times in s [n], in order, and how much louder it was from then on than before [n]."""
        # The listener is late at times, and never early.
        begins_s = self.times_s - self.numbers / RATE_HZ
        near = np.lib.stride_tricks.sliding_window_view(np.pad(begins_s, 86, mode="edge"), 173)
        begins_s = near.min(axis=1) + self.numbers / RATE_HZ
        times_s = (begins_s[:, None] + np.arange(PERIOD // BIN) * BIN / RATE_HZ).ravel()
        level = np.pad(self.energies.ravel(), (8, 1), mode="edge")
        before = np.lib.stride_tricks.sliding_window_view(level[:-2], 8).max(axis=1)
        return times_s, np.maximum(0, np.maximum(level[8:-1], level[9:]) - before)

    def forget(self, before_s: float) -> None:
        """Drop what is older."""
        kept = self.times_s >= before_s
        self.lost += int(np.count_nonzero(np.diff(self.numbers[~kept]) != PERIOD))
        self.numbers, self.times_s, self.energies = self.numbers[kept], self.times_s[kept], self.energies[kept]


@dataclass
class Told:
    """What the front end was told, each time that it looked."""

    times_s: list[float] = field(default_factory=list)
    places_s: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    songs: list[int] = field(default_factory=list)
    """Place in the queue of the song whose words are shown; -1 while another one is still heard."""

    def stretches(self) -> "list[slice]":
        """Return the parts in which one song went on without a jump, as it settled."""
        times_s, places_s = np.array(self.times_s), np.array(self.places_s)
        speeds, songs = np.array(self.speeds), np.array(self.songs)
        off_s = np.abs(np.diff(places_s) - speeds[:-1] * np.diff(times_s))
        breaks = (off_s > 0.1) | (np.diff(songs) != 0) | (np.diff(speeds) != 0)
        ends = [0, *(np.flatnonzero(breaks) + 1), len(times_s)]
        found = []
        for first, last in itertools.pairwise(ends):
            if last - first < 2 or songs[first] < 0 or speeds[first] == 0:
                continue
            begin_s = times_s[first] + SETTLED_S
            while times_s[last - 1] - begin_s >= SHORTEST_S:
                end_s = begin_s + LONGEST_S if times_s[last - 1] - begin_s >= LONGEST_S + SHORTEST_S else np.inf
                cut = np.searchsorted(times_s[:last], [begin_s, end_s])
                found.append(slice(int(cut[0]), int(cut[1])))
                begin_s = end_s
        return found

    def forget(self, before_s: float) -> None:
        """Drop what is older."""
        first = int(np.searchsorted(self.times_s, before_s))
        for each in (self.times_s, self.places_s, self.speeds, self.songs):
            del each[:first]


def late_s(told: Told, part: slice, words: "Words", times_s: np.ndarray, strokes: np.ndarray) -> float | None:
    """Return how much later than its words a part of a song was heard; None if too little of it was."""
    shown_s, places_s = np.array(told.times_s[part]), np.array(told.places_s[part])
    begins_s = np.array([line.time_s for line in words.lines])
    begins_s = begins_s[(begins_s > places_s[0]) & (begins_s < places_s[-1])]
    if len(begins_s) < 4:
        return None
    at_s = np.interp(begins_s, places_s, shown_s)
    offsets_s = np.arange(-FARTHEST_S, FARTHEST_S, STEP_S)
    score = np.minimum(np.interp(at_s[:, None] + offsets_s, times_s, strokes), 0.05).sum(axis=0)
    best = int(np.argmax(score))
    elsewhere = np.abs(offsets_s - offsets_s[best]) > 0.03
    return float(offsets_s[best]) if score[best] > 1.3 * score[elsewhere].max() else None


class Evening:
    """The engine, its queue, and somebody at it."""

    def __init__(self, engine: "EngineProcess", songs: list[Path], listener: Listener) -> None:
        from stemlive.realtime.audio_files.words_file import find_words
        from stemlive.realtime.control.conductor import Conductor
        from stemlive.realtime.control.song_queue import SongQueue

        self.engine, self.listener = engine, listener
        self.queue = SongQueue(songs)
        self.conductor = Conductor(self.queue)
        self.words = [find_words(song) for song in songs]
        self.told, self.heard = Told(), Heard()
        self.late_s: list[float] = []
        self.unread = 0
        self.acts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._rng = np.random.default_rng(0)

    def run(self, seconds: float) -> None:
        """Play for so long, and report once a minute."""
        controls = self.engine.controls
        self.conductor.attach(controls.song)
        self.conductor.begin()
        controls.song.play()
        self.engine.start()
        self.listener.connect()
        began_s = time.monotonic()
        act_s = report_s = began_s
        print(" minute  hops late  gaps  words off: median   most  engine  this (MB)", flush=True)
        while (now_s := time.monotonic()) < began_s + seconds:
            time.sleep(REFRESH_S)
            self._look()
            if now_s >= act_s:
                act_s = now_s + self._rng.uniform(2, 6)
                self._act()
                self.heard.add(*self.listener.take())  # little at once, so that it misses no period
            if now_s >= report_s:
                report_s += REPORT_S
                self._report((now_s - began_s) / 60)
        self._report(seconds / 60)

    def _look(self) -> None:
        now = self.engine.snapshot()
        self.problems += self.conductor.attend(now)
        if now.state.ended or self.conductor.ended(now):
            self.acts["begun anew"] += 1
            self.conductor.go(0)
        now_s = time.monotonic()
        told = self.told
        told.times_s.append(now_s)
        told.places_s.append(now.heard_s(now_s))
        told.speeds.append(now.song_speed)
        told.songs.append(self.queue.index if now.song_number == self.conductor.number else -1)

    def _act(self) -> None:
        from stemlive.realtime.separation.mixer import PRESETS

        rng, controls, place_s = self._rng, self.engine.controls, self.told.places_s[-1]
        song = controls.song
        act = str(rng.choice(["seek", "seek", "back", "tempo", "tempo", "key", "key", "preset", "song", "pause"]))
        self.acts[act] += 1
        if act == "seek":
            song.seek(float(rng.uniform(0, self.engine.snapshot().song_length_s - 5)))
        elif act == "back":
            song.seek(max(0.0, place_s - 5.0))
        elif act == "tempo":
            song.set_tempo_percent(float(rng.choice([50, 70, 85, 95, 100, 100, 110, 125, 150])))
        elif act == "key":
            controls.set_semitones(int(rng.integers(-5, 6)))
        elif act == "preset":
            controls.apply_preset(str(rng.choice(sorted(PRESETS))))
        elif act == "song":
            self.conductor.go(int(rng.integers(len(self.queue.songs))))
        song.play(act != "pause" or not song.playing)

    def _report(self, minute: float) -> None:
        """Hold what was heard since the last time against the words."""
        self.heard.add(*self.listener.take())
        new = []
        if len(self.heard.numbers):
            times_s, strokes = self.heard.strokes()
            later_s = self.engine.snapshot().latency.device_out / RATE_HZ
            for part in self.told.stretches():
                off_s = late_s(self.told, part, self.words[self.told.songs[part.start]], times_s + later_s, strokes)
                if off_s is None:
                    self.unread += 1
                    continue
                new.append(off_s)
                if abs(off_s) > ALLOWED_S:
                    told, at = self.told, part.start
                    where = f"song {told.songs[at]:02} from {told.places_s[at]:.1f} s, speed {told.speeds[at]:.2f}"
                    print(f"  {1000 * off_s:+.0f} ms: {where}", flush=True)
            self.heard.forget(np.inf)
            self.told.forget(np.inf)
        self.late_s += new
        now = self.engine.snapshot()
        off = f"{1000 * np.median(new):+6.1f} {1000 * np.abs(new).max():6.1f} ms" if new else "                "
        engine_mb, own_mb = self.memory_mb()
        gaps = now.output_underflows + now.input_overflows
        print(f"{minute:7.1f} {now.late_hops:10d} {gaps:5d} {off:>26} {engine_mb:7.1f} {own_mb:6.1f}", flush=True)

    def memory_mb(self) -> tuple[float, float]:
        """Resident memory of the engine's process, and of this one, with all that it measures."""
        from stemlive.machine import resident_bytes

        return resident_bytes(self.engine.pid) / 1e6, resident_bytes() / 1e6


def play(folder: Path, minutes: float, latency: str, model: str | None) -> None:
    """Play the songs of a folder on the server that this process sees, and tell how it was."""
    from stemlive.realtime.engine.child_process import EngineProcess
    from stemlive.realtime.shared.settings import EngineSettings

    songs = sorted(song for song in folder.iterdir() if song.suffix[1:] in FORMATS)
    settings = EngineSettings(str(songs[0]), "device:system", model=model, latency=latency, song=True)
    engine = EngineProcess(settings)
    with beside(Listener, os.environ["JACK_DEFAULT_SERVER"], 1) as listener:
        evening = Evening(engine, songs, listener)
        try:
            evening.run(60 * minutes)
            now = engine.snapshot()
        finally:
            engine.stop()
    off_ms = 1000 * np.array(evening.late_s)
    print("\n" + ", ".join(f"{count} {act}" for act, count in evening.acts.most_common()))
    print(f"hops            {now.hops}, {now.late_hops} late; longest {now.worst_hop_ms:.1f} ms, load {now.load:.0%}")
    print(f"gaps reported   output {now.output_underflows}, input {now.input_overflows}; restarts {now.restarts}")
    print(f"blocks unheard  {evening.heard.lost} times (by the listener)")
    print(f"parts measured  {len(off_ms)}, {evening.unread} not readable")
    if len(off_ms):
        least, low, median, high, most = np.percentile(off_ms, [0, 1, 50, 99, 100])
        print(f"sound is late   {median:.1f} ms (1 % {low:.1f}, 99 % {high:.1f}), {least:.1f} to {most:.1f}")
        print(f"beyond 50 ms    {np.count_nonzero(np.abs(off_ms) > 1000 * ALLOWED_S)} of {len(off_ms)} parts")
    print("\n".join(["problems:", *evening.problems] if evening.problems else ["no problems"]))


def main() -> None:
    """Start the server, what keeps the cores busy, and this program anew: PortAudio looks for servers only once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--latency", default="low")
    parser.add_argument("--model")
    parser.add_argument("--idle", action="store_true", help="keep no core busy")
    wanted = parser.parse_args()
    if "STEMLIVE_EVENING" in os.environ:
        play(Path(os.environ["STEMLIVE_EVENING"]), wanted.minutes, wanted.latency, wanted.model)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(10):
            write_song(folder, number)
        server = Server(folder)
        started: list[subprocess.Popen[bytes]] = []
        try:
            server.start()
            cores = [] if wanted.idle else sorted(os.sched_getaffinity(0))
            spin = [sys.executable, "-c", "while True: pass"]
            started += [subprocess.Popen(["taskset", "-c", str(core), *spin]) for core in cores]
            environment = server.environment | {"STEMLIVE_EVENING": name}
            started.append(subprocess.Popen([sys.executable, *sys.argv], env=environment))
            sys.exit(started[-1].wait())
        finally:
            for process in started:
                process.terminate()
            server.stop()


if __name__ == "__main__":
    main()
