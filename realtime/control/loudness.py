"""How loud songs are (EBU R128), measured by ffmpeg beside all sound, and the gain that makes them alike."""

import math
import re
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files.ffmpeg import INSTALL, Ffmpeg, program
from stemlive.realtime.shared.limited import JobThread

TARGET_LUFS = -18.0
_SILENCE_LUFS = -69.0
_LUFS = re.compile(r"^.*\bI: +(-?[\d.]+|-inf) LUFS\s*$", re.MULTILINE)
_PEAK = re.compile(r"^.*\bPeak: +(-?[\d.]+|-inf) dBFS\s*$", re.MULTILINE)


class Loudness(NamedTuple):
    """Integrated loudness, and the largest sample."""

    lufs: float
    peak_db: float

    @property
    def gain(self) -> float:
        """The linear gain to the target, or as much of it as does not clip; 1 for silence."""
        if self.lufs < _SILENCE_LUFS:
            return 1.0
        gain_db = TARGET_LUFS - self.lufs
        return float(10 ** ((min(gain_db, max(0.0, -self.peak_db)) if gain_db > 0 else gain_db) / 20))


def check_loudness() -> None:
    """Raise AudioFileError, with what to do, if loudness cannot be measured here."""
    if program() is None:
        raise AudioFileError(f"loudness is measured by ffmpeg: {INSTALL}")


class LoudnessMeter:
    """Measures songs, one after another, each once. For one thread, which `gain` never keeps waiting."""

    def __init__(self) -> None:
        self._thread = JobThread("stemlive loudness")
        self._jobs: dict[Path, Future[float]] = {}
        self._ffmpeg: Ffmpeg | None = None
        self._closed = False

    def gain(self, path: Path) -> float:
        """Return the linear gain of a song; 1 until it has been measured, which begins when it is first asked for."""
        job = self._jobs.get(path)
        if job is None:
            job = self._jobs[path] = self._thread.submit(partial(self._measure, path))
        return job.result() if job.done() else 1.0

    def wait_for(self, path: Path, limit_s: float) -> None:
        """Wait, with a limit, until a song has been measured."""
        self.gain(path)
        with suppress(TimeoutError):
            self._jobs[path].result(limit_s)

    def close(self) -> None:
        """Stop measuring."""
        self._closed = True
        if self._ffmpeg is not None:
            self._ffmpeg.kill()
        self._thread.close()

    def _measure(self, path: Path) -> float:
        """Return the gain; 1 for what cannot be measured, which is told when it cannot be played."""
        if self._closed:
            return 1.0
        try:
            sound = ("-map", "0:a:0", "-af", "ebur128=framelog=verbose:peak=sample:dualmono=true", "-f", "null", "-")
            self._ffmpeg = ffmpeg = Ffmpeg("-threads", "1", "-protocol_whitelist", "file", "-i", f"file:{path}", *sound)
            try:
                if self._closed:
                    ffmpeg.kill()
                while ffmpeg.output.read(1 << 12):
                    pass
                ffmpeg.wait()
                found = read_log(ffmpeg.log())
            finally:
                ffmpeg.end()
        except AudioFileError:
            return 1.0
        return 1.0 if found is None else found.gain


def read_log(log: str) -> Loudness | None:
    """Return what ffmpeg's filter ebur128 has said at its end; None if it did not come so far."""
    lufs, peak = (kind.findall(log)[-1:] for kind in (_LUFS, _PEAK))
    if not lufs or not peak:
        return None
    loudness = Loudness(float(lufs[0]), float(peak[0]))
    return None if math.isnan(loudness.lufs) else loudness
