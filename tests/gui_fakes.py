"""An engine without sound or process, for tests of the window."""

from dataclasses import replace

import numpy as np

from stemlive.errors import DeviceError, StemliveError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.dsp.meters import COLUMN_BINS
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Latency, Snapshot, State

STEMS = ("vocals", "drums", "bass", "other")


class FakeEngine:
    """Real controls over real memory, and telemetry that the test writes. `missing` devices cannot be opened."""

    made: list["FakeEngine"]
    missing: set[str]

    def __init__(self, settings: EngineSettings, *, taps: tuple[Tap, ...] = ()) -> None:
        self.settings, self.taps = settings, taps
        self.memory = EngineMemory.local()
        self.memory.set_stems(STEMS)
        self.memory.set_latency(Latency(44100, 100, 1024, 900, 181))
        self.memory.set_mode("fake")
        self.memory.publish()
        self.controls = Controls(STEMS, self.memory)
        self.running = False
        self.stopped = False
        self.made.append(self)

    def start(self) -> None:
        for end in (self.settings.source, self.settings.target):
            if end in self.missing:
                raise DeviceError(f"no device '{end}': connect one")
            if end.endswith("broken"):
                raise StemliveError("the model is broken")
        for tap in self.taps:
            tap.begin(44100, 2, STEMS)
        self.running = True
        self.memory.set_state(State.RUNNING)

    def stop(self) -> None:
        if self.running:
            for tap in self.taps:
                tap.end()
        self.running, self.stopped = False, True

    def snapshot(self) -> Snapshot:
        return replace(self.memory.snapshot(), load=0.25)

    def columns(self, since: int) -> tuple[int, np.ndarray]:
        return self.memory.columns_since(since)

    def tell(self, **values: object) -> None:
        for name, value in values.items():
            self.memory.telemetry[name] = value
        self.memory.publish()

    def add_columns(self, levels: tuple[int, ...], count: int = 1) -> None:
        """Append columns whose lanes have one level each."""
        for _ in range(count):
            self.memory.add_column(np.repeat(np.array(levels, np.uint8)[:, None], COLUMN_BINS, axis=1))


def fake_engines() -> type[FakeEngine]:
    """A kind of engine that counts its own."""
    return type("CountedEngine", (FakeEngine,), {"made": [], "missing": set()})
