"""What a live engine is asked to do, in one value that can be sent to another process."""

from dataclasses import dataclass
from pathlib import Path

from stemlive.errors import UsageError
from stemlive.realtime.audio_files.pcm import PcmFormat
from stemlive.realtime.model_file.provider import PROVIDERS

MODES = ("auto", "rtmixer", "callback", "inline")
"""Where the model runs: in a worker behind a C callback (rtmixer), in a worker behind a Python callback, or
inside the Python callback. `auto` is rtmixer where it is installed, else the Python callback."""

LATENCIES = ("low", "high")
DEVICE_PREFIX = "device:"


@dataclass(frozen=True)
class EngineSettings:
    """Where the sound comes from and goes to, and what happens on the way.

    `source` and `target` are `device:NAME`, the path of a file, or `-` for a pipe; at least one is a device.
    `input_channels` are numbers from 1 on. `block_samples` None is what suits the host interface. `latency` is
    `low`, `high`, or the milliseconds from input to output that are aimed at. With `reconnect`, a device that
    went away is waited for; without, the engine stops.

    UsageError for values that no engine can have.
    """

    source: str
    target: str
    model: str | Path | None = None
    threads: int = 1
    provider: str = "cpu"
    input_channels: tuple[int, ...] | None = None
    block_samples: int | None = None
    latency: str | float = "low"
    mode: str = "auto"
    reconnect: bool = False
    song: bool = False
    """The source is a file that is played under control of `Controls.song`, and never ends by itself."""
    stem_levels: bool = False
    """Measure the peaks of the stems, too: an inverse transform for each."""
    force: bool = False
    microphone: str | None = None
    """`device:NAME` of a microphone, or another input, that is mixed in after the separation."""
    microphone_channels: tuple[int, ...] | None = None
    """Its channels; without `microphone`, those of the device that plays or records the rest."""
    raw: PcmFormat | None = None
    """What a pipe at the input carries, where it is not WAV."""
    raw_output: str | None = None
    """What a pipe at the output carries, where it is not WAV: f32le or s16le."""

    def __post_init__(self) -> None:
        if self.reconnect and not self.between_devices:
            raise UsageError("only with a device at both ends can a device be waited for: leave --reconnect out")
        if self.mode not in MODES:
            raise UsageError(f"unknown mode '{self.mode}': known are {', '.join(MODES)}")
        if self.provider not in PROVIDERS:
            raise UsageError(f"unknown provider '{self.provider}': known are {', '.join(PROVIDERS)}")
        if isinstance(self.latency, str) and self.latency not in LATENCIES:
            raise UsageError(f"latency is low, high or a number of milliseconds, not '{self.latency}'")
        if not isinstance(self.latency, str) and not 0 < self.latency <= 2000:
            raise UsageError(f"latency must be from 0 to 2000 ms, not {self.latency:g}")
        if self.block_samples is not None and not 16 <= self.block_samples <= 8192:
            raise UsageError(f"a block has 16 to 8192 samples, not {self.block_samples}")
        for channels in (self.input_channels, self.microphone_channels):
            if channels is not None and (len(channels) not in (1, 2) or min(channels) < 1):
                raise UsageError("input channels are one or two numbers from 1 on, for example 3,4")
        if self.microphone is not None and device_of(self.microphone) is None:
            raise UsageError(f"the microphone is a device: write device:{self.microphone}")
        if self.has_microphone and device_of(self.target) is None:
            raise UsageError("the microphone is heard at once, which needs a device as output: device:NAME")

    @property
    def has_microphone(self) -> bool:
        """Whether there is a microphone."""
        return self.microphone is not None or self.microphone_channels is not None

    @property
    def between_devices(self) -> bool:
        """Whether neither end is a file or a pipe, which could not be begun again; a song can."""
        return (self.song or device_of(self.source) is not None) and device_of(self.target) is not None


def device_of(end: str) -> str | None:
    """Return the name in `device:NAME` (`default` if there is none), or None for a file or a pipe."""
    return (end[len(DEVICE_PREFIX) :] or "default") if end.startswith(DEVICE_PREFIX) else None
