"""The chain from a listener's samples to the model and back, whoever drives it: its parts, its rates, its delay."""

from dataclasses import dataclass
from functools import cached_property

from stemlive.realtime.dsp.framing import Framing
from stemlive.realtime.dsp.resample import Resampling
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.analysis_path import InputPath
from stemlive.realtime.separation.stem_spectra import StemSpectra
from stemlive.realtime.separation.synthesis_path import OutputPath


@dataclass(frozen=True)
class Chain:
    """Resampling to the model's rate, analysis, model, synthesis, resampling back; no resampling at the model's rate.

    Every number of samples is at the listener's rate, `sample_rate_hz`. Each call of `input`, `spectra` and `output`
    makes a new part; a driver moves audio and spectra between them.
    """

    session: Session
    sample_rate_hz: int
    channels: int

    @property
    def framing(self) -> Framing:
        """The model's frames; lengths at the model's rate."""
        return self.session.info.framing

    @property
    def model_rate_hz(self) -> int:
        """The sample rate that the model was trained at."""
        return self.session.info.sample_rate_hz

    @cached_property
    def behind_samples(self) -> int:
        """Output sample k is complete with input sample k + `behind_samples` - 1.

        Each resampling filter looks ahead: one in the input, one in the separated stream. Output k lies at input
        number k, so this is a whole number, whatever the rates.
        """
        if self._incoming is None or self._outgoing is None:
            return self.framing.latency_samples
        model_samples = self.framing.latency_samples + self._outgoing.ahead_samples
        return -(-model_samples * self.sample_rate_hz // self.model_rate_hz) + self._incoming.ahead_samples

    @property
    def latency_samples(self) -> int:
        """Delay with which each block of input gives as much output; at the model's own rate, the synthesis window."""
        return self.behind_samples - (self._incoming is not None)

    @property
    def hop_samples(self) -> int:
        """Length of a hop, rounded up."""
        return -(-self.framing.hop_samples * self.sample_rate_hz // self.model_rate_hz)

    def longest_block(self, max_frames: int) -> int:
        """Return how long a block may be that completes at most `max_frames` hops."""
        return max_frames * self.framing.hop_samples * self.sample_rate_hz // self.model_rate_hz

    def most_frames(self, block_samples: int) -> int:
        """Return how many hops a block of this length, and what waits from before, can complete at most."""
        return -(-block_samples * self.model_rate_hz // (self.sample_rate_hz * self.framing.hop_samples)) + 2

    def input(self, max_frames: int) -> InputPath:
        """Make the way in: blocks to spectra, `max_frames` at a time."""
        model_channels = self.session.info.channels
        return InputPath(
            self.framing, self._incoming, channels=self.channels, model_channels=model_channels, max_frames=max_frames
        )

    def spectra(self, history_hops: int) -> StemSpectra:
        """Make the model's part: spectra of the mixture to those of the stems; keeps the last ones."""
        return StemSpectra(self.session, channels=self.channels, history_hops=history_hops)

    def output(self, delay_samples: int, *, stems: int, max_frames: int) -> OutputPath:
        """Make the way out for so many stems: output sample k is input sample k - `delay_samples`."""
        return OutputPath(
            self.framing, self._outgoing, delay_samples, stems=stems, channels=self.channels, max_frames=max_frames
        )

    @cached_property
    def _incoming(self) -> Resampling | None:
        same = self.sample_rate_hz == self.model_rate_hz
        return None if same else Resampling(self.sample_rate_hz, self.model_rate_hz)

    @cached_property
    def _outgoing(self) -> Resampling | None:
        same = self.sample_rate_hz == self.model_rate_hz
        return None if same else Resampling(self.model_rate_hz, self.sample_rate_hz)
