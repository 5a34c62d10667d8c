"""The settings of a live engine, as one value that can be sent to another process."""

from dataclasses import dataclass
from pathlib import Path

from stemlive.errors import UsageError
from stemlive.realtime.audio_files.pcm import PcmFormat
from stemlive.realtime.audio_files.pipes import is_pipe
from stemlive.realtime.model_file.bundled import model_for
from stemlive.realtime.model_file.provider import PROVIDERS
from stemlive.realtime.shared.outputs import AS_USUAL, Outputs

MODES = ("auto", "rtmixer", "callback", "inline")
"""Where the model runs: in a worker behind a C callback (rtmixer), in a worker behind a Python callback, or
inside the Python callback. `auto` is rtmixer if it is installed, else the Python callback."""

LATENCIES = ("low", "high")
DEVICE_PREFIX = "device:"


@dataclass(frozen=True)
class EngineSettings:
    """Source, target, and how to process in between.

    `source` and `target` are `device:NAME`, the path of a file, or `-` for a pipe; at least one is a device.
    `input_channels` count from 1. `block_samples` None lets the host interface choose. `latency` is `low`, `high`, or
    a target in milliseconds from input to output. With `reconnect`, the engine waits for a lost device; without, it
    stops.

    `model` None is the default: one for songs that are files, one for devices and pipes (`used_model`).

    UsageError for invalid values and combinations.
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
    """The source is a file that `Controls.song` plays, pauses and seeks."""
    ends_with_song: bool = False
    """The run ends when a song has been heard to its end; otherwise it may be played again."""
    stem_levels: bool = False
    """Measure the stems' peaks as well, at an inverse transform for each."""
    force: bool = False
    microphone: str | None = None
    """`device:NAME` of a microphone or other input, mixed in after the separation."""
    microphone_channels: tuple[int, ...] | None = None
    """Channels of the microphone; without `microphone`, of the source device, or else the target's."""
    outputs: Outputs = AS_USUAL
    """Which channels of the output the mix, single stems and the cue mix go to."""
    raw: PcmFormat | None = None
    """Format of an input pipe without a WAV header."""
    raw_output: str | None = None
    """Encoding of an output pipe without a WAV header: f32le or s16le."""

    def __post_init__(self) -> None:
        if self.reconnect and not self.between_devices:
            raise UsageError("only with a device at both ends can a device be waited for: leave `reconnect` out")
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
    def used_model(self) -> str | Path:
        """The name or file of the model: the one that is set, or the default for this source."""
        return model_for(self.model, song=device_of(self.source) is None and not is_pipe(self.source))

    @property
    def between_devices(self) -> bool:
        """Whether the engine can be restarted: both ends are devices or a song, not a file or pipe."""
        return (self.song or device_of(self.source) is not None) and device_of(self.target) is not None


def device_of(end: str) -> str | None:
    """Return the name in `device:NAME` (`default` if there is none), or None for a file or a pipe."""
    return (end[len(DEVICE_PREFIX) :] or "default") if end.startswith(DEVICE_PREFIX) else None
