"""A device that is a thread with a clock, here or, through a tap, in the engine's own process."""

import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from stemlive.errors import AudioFileError, DeviceError
from stemlive.realtime.devices.device import DeviceFaults
from stemlive.realtime.devices.open_devices import Ends
from stemlive.realtime.devices.ring import PlainInputRing, PlainOutputRing

RATE_HZ = 44100
HOP = 512


class FakeDevice:
    """A duplex device with a thread for its clock, faster than life."""

    def __init__(self, *, block: int = HOP, speed: float = 8.0, dies_after: int | None = None) -> None:
        self.sample_rate_hz = RATE_HZ
        self.faults = DeviceFaults()
        self.block_samples = block
        self.latency_samples = (100, 200)
        self.error = None
        self.problem = ""
        self.gone: Callable[[], bool] = lambda: False
        self.samples = 0
        self.handed = 0.0
        self._given = np.full((block, 2), 0.25, np.float32)
        self._taken = np.zeros_like(self._given)
        self.input = PlainInputRing(1 << 17, 2)
        self.output = PlainOutputRing(1 << 15, 2)
        self.closed = False
        self._period_s = block / RATE_HZ / speed
        self._dies_after = dies_after
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def refresh(self) -> None:
        if self.gone() or (self._dies_after is not None and self.samples > self._dies_after):
            self.problem = "the cable was pulled"

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.closed = True

    def turn(self) -> None:
        """Hand over a block and take one."""
        self.input.write(self._given)
        self.output.take(self._taken)
        self.handed = float(self._taken[-1, 0])
        self.samples += self.block_samples

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            self.turn()


class NoSuchDeviceError(DeviceError):
    """It takes its time on the way to the parent process, which sees meanwhile what the child has written."""

    def __reduce__(self) -> tuple[type[DeviceError], tuple[str]]:
        time.sleep(0.3)
        return DeviceError, ("no such device",)


class FakeDevices:
    """A tap that puts a fake device into the process that it is sent to, and troubles there as it is told.

    `trouble` names files; one that exists is a trouble: `birth` hangs before the engine is made, `open` and `end`
    raise when a device is opened or the tap ends, `abort` ends the process when a device is opened, `gone` makes the
    device lose its cable, `hang` lets the end last for ever.
    """

    wants_stems = False

    def __init__(self, trouble: Path) -> None:
        self.trouble = trouble

    def __setstate__(self, state: dict) -> None:
        from stemlive.realtime.engine import run

        self.__dict__ = state
        run.open_ends = self._open
        while self.has("birth"):
            time.sleep(0.01)

    def has(self, name: str) -> bool:
        return (self.trouble / name).exists()

    def make(self, name: str) -> None:
        (self.trouble / name).touch()

    def clear(self) -> None:
        """End all troubles."""
        for each in self.trouble.iterdir():
            each.unlink()

    def _open(self, *_: object) -> Ends:
        if self.has("open"):
            raise NoSuchDeviceError
        if self.has("abort"):
            os.abort()
        device = FakeDevice(speed=1.0)
        device.gone = lambda: self.has("gone")
        return Ends(device, device, "callback", RATE_HZ)

    def begin(self, *_: object) -> None:
        self.make("begun")

    def heard(self, block: np.ndarray) -> None:
        """Write down, once, how Python is set in the engine's process."""
        if not self.has("python"):
            (self.trouble / "python").write_text(f"{sys.getswitchinterval()} {gc.get_freeze_count()}\n")

    def played(self, *_: object) -> None:
        pass

    def lost(self) -> None:
        pass

    def end(self) -> None:
        while self.has("hang"):
            time.sleep(0.01)
        if self.has("end"):
            raise AudioFileError("the disk is full")
        self.make("ended")


class FakeStream:
    """A stream of sounddevice's whose callback is called by a thread, as often as sound needs it."""

    active = True
    latency = (0.01, 0.02)

    def __init__(self, *, callback, channels, samplerate: int, **_: object) -> None:
        into, out = channels if isinstance(channels, tuple) else (channels, channels)
        self._blocks = {"": (into, out), "Input": (into,), "Output": (out,)}[self.kind]
        self._callback, self._period_s = callback, HOP / samplerate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        blocks = [np.zeros((HOP, channels), np.float32) for channels in self._blocks]
        while not self._stop.wait(self._period_s):
            self._callback(*blocks, HOP, None, None)


def fake_sounddevice() -> SimpleNamespace:
    """What of the module `sounddevice` opens streams."""
    return SimpleNamespace(
        **{f"{kind}Stream": type(f"{kind}Stream", (FakeStream,), {"kind": kind}) for kind in ("", "Input", "Output")},
        PortAudioError=OSError,
        check_input_settings=lambda **_: None,
        check_output_settings=lambda **_: None,
        _exit_handler=lambda: None,
    )
