"""The processing chain from a listener's samples to the model and back: its parts, its rates and its delay."""

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

    Sample counts are at the listener's rate, `sample_rate_hz`. `input`, `spectra` and `output` each create a new part;
    a driver moves audio and spectra between the parts.
    """

    session: Session
    sample_rate_hz: int
    channels: int

    @property
    def framing(self) -> Framing:
        """The model's framing; lengths at the model's rate."""
        return self.session.info.framing

    @property
    def model_rate_hz(self) -> int:
        """The sample rate that the model was trained at."""
        return self.session.info.sample_rate_hz

    @cached_property
    def behind_samples(self) -> int:
        """Output sample k is complete once input sample k + `behind_samples` - 1 is in.

        This includes the look-ahead of both resampling filters. Output k lies at input k exactly, so this is a whole
        number at any rate.
        """
        if self._incoming is None or self._outgoing is None:
            return self.session.info.latency_samples
        model_samples = self.session.info.latency_samples + self._outgoing.ahead_samples
        return -(-model_samples * self.sample_rate_hz // self.model_rate_hz) + self._incoming.ahead_samples

    @property
    def latency_samples(self) -> int:
        """Delay at which every block of input yields as much output.

        At the model's rate, the synthesis window and the look-ahead.
        """
        return self.behind_samples - (self._incoming is not None)

    @property
    def hop_samples(self) -> int:
        """Length of a hop, rounded up."""
        return -(-self.framing.hop_samples * self.sample_rate_hz // self.model_rate_hz)

    def longest_block(self, max_frames: int) -> int:
        """Return the longest block that completes at most `max_frames` hops."""
        return max_frames * self.framing.hop_samples * self.sample_rate_hz // self.model_rate_hz

    def most_frames(self, block_samples: int) -> int:
        """Return the most hops that a block of this length can complete, with what is left of earlier blocks."""
        return -(-block_samples * self.model_rate_hz // (self.sample_rate_hz * self.framing.hop_samples)) + 2

    def input(self, max_frames: int) -> InputPath:
        """Create the input side: blocks to spectra, at most `max_frames` at a time."""
        model_channels = self.session.info.channels
        return InputPath(
            self.framing, self._incoming, channels=self.channels, model_channels=model_channels, max_frames=max_frames
        )

    def spectra(self, history_hops: int) -> StemSpectra:
        """Create the model's part: spectra of the mixture to those of the stems; it keeps the last `history_hops`."""
        return StemSpectra(self.session, channels=self.channels, history_hops=history_hops)

    def output(self, delay_samples: int, *, stems: int, max_frames: int, channels: int | None = None) -> OutputPath:
        """Create the output side for so many stems: output sample k is input sample k - `delay_samples`."""
        channels = self.channels if channels is None else channels
        return OutputPath(
            self.framing, self._outgoing, delay_samples, stems=stems, channels=channels, max_frames=max_frames
        )

    @cached_property
    def _incoming(self) -> Resampling | None:
        same = self.sample_rate_hz == self.model_rate_hz
        return None if same else Resampling(self.sample_rate_hz, self.model_rate_hz)

    @cached_property
    def _outgoing(self) -> Resampling | None:
        same = self.sample_rate_hz == self.model_rate_hz
        return None if same else Resampling(self.model_rate_hz, self.sample_rate_hz)
