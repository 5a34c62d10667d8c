"""Run the model inside the device's callback: no queue and no second thread, but no spare time either."""

from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.dsp.key_change import KeyChange
from stemlive.realtime.engine.path import LivePath
from stemlive.realtime.engine.telemetry import Report
from stemlive.realtime.engine.worker import for_device
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.separation.analysis_path import clean

FloatArray = NDArray[np.float32]


class InlineWorker:
    """Does `LiveWorker`'s work inside the device callback. There is no dry signal to fall back on.

    When a call takes longer than its block lasts, its hops count as late; only the host knows of an audible gap.
    """

    def __init__(
        self,
        path: LivePath,
        report: Report,
        key: KeyChange,
        *,
        inside_samples: int,
        sample_rate_hz: int,
        taps: tuple[Tap, ...],
    ) -> None:
        self._path, self._report, self._key = path, report, key
        self._before_first = inside_samples
        self._rate_hz = sample_rate_hz
        self._taps = taps
        self._played = 0

    def process(self, indata: FloatArray, outdata: FloatArray) -> None:
        """Process a block [n, C] into `outdata` [n, D]. Runs on the device's thread."""
        began = perf_counter()
        report = self._report
        report.bad_samples += clean(indata)
        for tap in self._taps:
            tap.heard(indata)
        report.input_level.write(indata)
        hops = self._path.write(indata)
        for _ in range(hops):
            self._path.run(report.gains())
        mixed, stems = self._path.read(len(outdata))
        for_device(self._key.process(self._path.heard, report.semitones), outdata)
        report.key_samples = self._key.delay_samples
        report.mix_level.write(outdata if self._path.patch is None else mixed)
        if stems is not None:
            report.measure_stems(stems)
        # Taps start with the first input sample, after the silence of the delay.
        silent = min(self._before_first, len(mixed))
        self._before_first -= silent
        for tap in self._taps:
            tap.played(mixed[silent:], None if stems is None else stems[:, silent:])
        self._played += len(outdata)
        took = perf_counter() - began
        for _ in range(hops):
            report.count_hop(took / hops, late=took > len(outdata) / self._rate_hz, separated=True)
        report.tell(self._played, 0)
