"""What a running engine tells about itself: one frozen value, whoever asks, from whatever process."""

from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """What the engine is doing."""

    STARTING = 0
    RUNNING = 1
    RECONNECTING = 2
    """The device is gone and waited for."""
    FINISHED = 3
    """The source has ended, and all of it was played."""
    STOPPED = 4
    """As asked."""
    DEVICE_LOST = 5
    FAILED = 6

    @property
    def ended(self) -> bool:
        """Whether nothing more will be played."""
        return self >= State.FINISHED

    @property
    def label(self) -> str:
        """The name as people write it."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class Latency:
    """The delay from input to output, in samples at `sample_rate_hz`: the only place where it is added up.

    `device_in` and `device_out` are what the host interface reports. `framing` is the delay of the separation,
    resampling included; `queue` is the time that the model has for its work, and what the blocks' size costs. It
    is negative where the model runs inside the callback: one hop of the framing is over before it is needed. `key` is
    what a key change adds while there is one.
    """

    sample_rate_hz: int
    device_in: int
    framing: int
    queue: int
    device_out: int
    key: int = 0

    @property
    def inside(self) -> int:
        """Samples between what the device hands over and what it is given."""
        return self.framing + self.queue

    @property
    def total(self) -> int:
        """Samples from input to output."""
        return self.device_in + self.inside + self.key + self.device_out

    def ms(self, samples: int) -> float:
        """Samples as milliseconds."""
        return 1000 * samples / self.sample_rate_hz


@dataclass(frozen=True)
class Snapshot:
    """One moment of an engine. Counts are since its start; levels are linear, full scale 1."""

    state: State
    message: str
    """Why, where the state needs a reason; else empty."""
    mode: str
    stems: tuple[str, ...]
    stream_s: float
    """Time of the sound: seconds that the device has played."""
    input_peak: float
    input_rms: float
    mix_peak: float
    mix_rms: float
    stem_rms: tuple[float, ...]
    """After the gains, in the order of `stems`; measured on the spectra, over one analysis window."""
    load: float
    """Share of the time of a hop that its computation takes, averaged over about a second."""
    worst_hop_ms: float
    latency: Latency
    hops: int
    late_hops: int
    """Hops for which the dry signal was heard, at least in part."""
    input_overflows: int
    """Losses of input: what the host interface reports, and blocks for which the ring had no room."""
    output_underflows: int
    """Gaps in the output: what the host interface reports, and silence where the program did not run in time."""
    bad_samples: int
    bad_frames: int
    worst_callback_ms: float
    """The longest delay of a Python callback beyond its period; NaN where there is none (rtmixer)."""
    lead_samples: int
    """How far the dry signal was ahead of the device when the engine looked last."""
    lowest_lead_samples: int
    drift_ppm: float
    """How much faster than nominal the input's clock runs than the output's; 0 for one device."""
    reconnects: int
    restarts: int
    """Times that the engine's process died and was started again."""
    microphone_peak: float = 0.0
    microphone_rms: float = 0.0
    """Of the microphone, after its gain, without its reverberation."""
    microphone_samples: int = 0
    """Delay of the microphone to the output, as far as the devices tell; 0 without one."""
    microphone_late: int = 0
    """Blocks of the microphone that came too late to be heard whole."""
    stem_peak: tuple[float, ...] = ()
    """After the gains, in the order of `stems`; 0 unless `EngineSettings.stem_levels` asks for it."""
    hop_s: float = 0.0
    """Seconds of sound in a hop, and in a column of the spectrograms."""
    song_s: float = 0.0
    """Position in the song of what is heard now; 0 unless it is a song."""
    song_length_s: float = 0.0
    song_ended: bool = False
    """Whether the song stands at its end."""

    @property
    def dropouts(self) -> int:
        """Whatever could be heard: gaps, losses and late hops."""
        return self.input_overflows + self.output_underflows + self.late_hops
