"""The state of a running engine as one frozen value, for readers in any process."""

from dataclasses import dataclass
from enum import IntEnum

_LONGEST_S = 0.25
"""So long after the engine told where a song is, it is taken to go on."""


class State(IntEnum):
    """What the engine is doing."""

    STARTING = 0
    RUNNING = 1
    RECONNECTING = 2
    """Waiting for a device that is gone."""
    FINISHED = 3
    """The source has ended and was played to its end."""
    STOPPED = 4
    """By request."""
    DEVICE_LOST = 5
    FAILED = 6

    @property
    def ended(self) -> bool:
        """Whether nothing more will be played."""
        return self >= State.FINISHED

    @property
    def label(self) -> str:
        """The name in lower case, with spaces."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class Latency:
    """The delay from input to output, in samples at `sample_rate_hz`. This is the only place where it is added up.

    `device_in` and `device_out` are reported by the host interface; what a sound server adds behind the output is
    measured while it plays. `framing` is the delay of the separation, including
    resampling. `queue` is computing time for the model plus the cost of the block size; it is negative when the model
    runs inside the callback, which saves up to a hop of the framing. `key` is the delay of an active key change, `sync`
    what the user says that the output's device adds to what it reports.
    """

    sample_rate_hz: int
    device_in: int
    framing: int
    queue: int
    device_out: int
    key: int = 0
    sync: int = 0

    @property
    def inside(self) -> int:
        """Samples from the device's input to its output, without the device's own latency."""
        return self.framing + self.queue

    @property
    def total(self) -> int:
        """Samples from input to output, all parts together."""
        return self.device_in + self.inside + self.key + self.device_out + self.sync

    def ms(self, samples: int) -> float:
        """Convert samples to milliseconds."""
        return 1000 * samples / self.sample_rate_hz


@dataclass(frozen=True)
class Snapshot:
    """One moment of an engine. Counts are since its start; levels are linear, full scale 1."""

    state: State
    message: str
    """The reason for the state, if it needs one; else empty."""
    mode: str
    stems: tuple[str, ...]
    stream_s: float
    """Stream time: seconds that the device has played."""
    input_peak: float
    input_rms: float
    mix_peak: float
    mix_rms: float
    stem_rms: tuple[float, ...]
    """After the gains, in the order of `stems`; measured from the spectra, over one analysis window."""
    load: float
    """Computing time of a hop as a fraction of its duration, averaged over about a second."""
    worst_hop_ms: float
    latency: Latency
    hops: int
    late_hops: int
    """Hops that were late, so that the dry signal was heard for at least a part of them."""
    input_overflows: int
    """Losses of input: overflows that the host interface reports, and overruns of the input ring."""
    output_underflows: int
    """Gaps in the output: underflows that the host interface reports, and silence because the engine stalled."""
    bad_samples: int
    bad_frames: int
    worst_callback_ms: float
    """How late a Python callback came at worst; NaN where there is none (rtmixer)."""
    lead_samples: int
    """How far the dry signal was ahead of the device at the engine's last step."""
    lowest_lead_samples: int
    drift_ppm: float
    """How much faster the input's clock runs than the output's, relative to nominal; 0 for one device."""
    reconnects: int
    restarts: int
    """How often the engine's process died and was replaced."""
    microphone_peak: float = 0.0
    microphone_rms: float = 0.0
    """Level of the microphone after its gain, without reverberation."""
    microphone_samples: int = 0
    """Latency from the microphone to the output, by the devices' reports and the sync; 0 without a microphone."""
    microphone_late: int = 0
    """Blocks of the microphone that came too late to be heard in full."""
    microphone_howls: int = 0
    """How often it has howled, and was turned down."""
    microphone_guard_db: float = 0.0
    """What the guard against howling does to its gain."""
    microphone_howl_hz: float = 0.0
    """Frequency of the last howl."""
    stem_peak: tuple[float, ...] = ()
    """After the gains, in the order of `stems`; 0 unless `EngineSettings.stem_levels` asks for it."""
    hop_s: float = 0.0
    """Duration of a hop, which is one spectrogram column."""
    song_s: float = 0.0
    """Position in the song of what is heard at `song_at_s`; 0 unless the source is a song."""
    song_at_s: float = 0.0
    """When that was, by time.monotonic()."""
    song_speed: float = 0.0
    """Seconds of the song in a second; 0 while it stands."""
    song_tempo_percent: float = 100.0
    """Tempo of what is heard, of the song's own."""
    song_length_s: float = 0.0
    song_ended: bool = False
    """Whether the song has reached its end, and none follows."""
    song_beat: int = 0
    """Beat of the count-in that is heard, from 1 on; 0 while none is counted."""
    song_number: int = 0
    """Number of the request for the song that is heard; see `Transport.play_now`. 0 for the one of the settings."""
    song_failed: int = 0
    """Number of the request for a song that could not be opened, or not be read to its end; 0 while there is none."""
    song_problem: str = ""
    """Why it could not."""
    trouble: str = ""
    """What has failed while the sound goes on, such as the microphone; empty while nothing has."""
    terms: str = ""
    """Conditions on using the model, and the model without any, in one line; empty if there are none."""
    note: str = ""
    """A remark for the user about the source, such as that part of the file is missing; empty if there is none."""

    def heard_s(self, now_s: float) -> float:
        """Return the position in the song of what is heard now (time.monotonic()), also between two snapshots."""
        since_s = min(max(0.0, now_s - self.song_at_s), _LONGEST_S)
        return min(self.song_s + self.song_speed * since_s, self.song_length_s)

    @property
    def dropouts(self) -> int:
        """Everything that could be audible: lost input, gaps in the output and late hops."""
        return self.input_overflows + self.output_underflows + self.late_hops
