"""The separation driven for the lowest latency: each sample as soon as it is complete, late hops passed through."""

import numpy as np
from numpy.typing import NDArray

from stemlive.realtime.dsp.meters import SpectrumMeter
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.chain import Chain
from stemlive.realtime.separation.patch import Patch
from stemlive.realtime.separation.stem_spectra import mix
from stemlive.realtime.separation.synthesis_path import OutputPath
from stemlive.realtime.shared.outputs import AS_USUAL, Outputs

FloatArray = NDArray[np.float32]

_WARM_UP_HOPS = 4


class LivePath:
    """Turns blocks into the mix without delay of its own: output sample k is input sample k, separated.

    `Separator` returns as many samples as it is given; this returns each sample once the hop that completes
    it has run, up to one hop earlier. After the constructor nothing as long as a hop is allocated, except inside ONNX
    Runtime, the Fourier transform and, at other rates than the model's, the resampler. One thread at a time.
    """

    def __init__(
        self,
        session: Session,
        *,
        sample_rate_hz: int,
        channels: int,
        block_samples: int,
        with_stems: bool = False,
        outputs: Outputs = AS_USUAL,
    ) -> None:
        """`block_samples` is the longest block. With `with_stems`, the stems are synthesised as well as the mix.

        With `outputs` that are given, so is what goes to each channel of the device. UsageError for an unknown stem.
        """
        self._chain = chain = Chain(session, sample_rate_hz, channels)
        self._frames = chain.most_frames(block_samples)
        self.behind_samples = chain.behind_samples
        """Output sample k needs the input up to sample k + `behind_samples` - 1."""
        self.channels = channels
        self.hop_samples = chain.hop_samples
        self._input = chain.input(self._frames)
        self._spectra = chain.spectra(1)
        self._with_stems = with_stems
        longest = block_samples + self._frames * self.hop_samples
        self.patch: Patch | None = None
        """Weights of what goes to the device, if outputs are given; set them before each `run`."""
        if outputs.given:
            self.patch = Patch(outputs, self.stems, channels, max(longest, chain.framing.bins))
        self._make_outputs(0)
        self._mixed = np.zeros((1, 1, chain.framing.bins, channels), np.complex64)
        self._weighted = np.zeros_like(self._mixed)
        routed = 0 if self.patch is None else self.patch.outputs
        self._routed = np.zeros((1, 1, chain.framing.bins, routed), np.complex64)
        self._routed_audio = np.zeros((1, longest if routed else 0, routed), np.float32)
        self._audio = np.zeros((1, longest, channels), np.float32)
        self._stems_audio = np.zeros((len(self.stems), longest if with_stems else 0, channels), np.float32)
        self.meter = SpectrumMeter(chain.framing, chain.model_rate_hz, lanes=len(self.stems) + 2)
        self._waiting: NDArray[np.complex64] | None = None
        self._next = 0
        self.heard = self._audio[0, :0]
        """What `read` has got for the device: the mix [n, C] or, with outputs that are given, its channels [n, D]."""
        self.reset()

    @property
    def heard_channels(self) -> int:
        """Channels of `heard`."""
        return self.channels if self.patch is None else self.patch.outputs

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems, in the order of the gains."""
        return self._spectra.stems

    @property
    def bad_frames(self) -> int:
        """Frames since the reset for which the model gave NaN or infinity."""
        return self._spectra.bad_frames

    def delay(self, samples: int) -> None:
        """Reset, and delay all further output by `samples`, padded with silence."""
        self._make_outputs(samples)
        self.reset()

    def warm_up(self) -> None:
        """Run a few hops of silence, so that the first real ones find everything in memory; then reset."""
        for _ in range(_WARM_UP_HOPS):
            for _ in range(self.write(np.zeros((self.hop_samples, self.channels), np.float32))):
                self.run(np.ones(len(self.stems), np.float32))
            self.read()
        self.reset()

    def reset(self) -> None:
        """Return to the state before sample 0, preceded by silence."""
        self._input.reset()
        self._spectra.reset()
        self._output.restart(0)
        for output in (self._stems_output, self._routed_output):
            if output is not None:
                output.restart(0)
        self._waiting = None

    def write(self, block: FloatArray) -> int:
        """Take a block [n, C]; return how many hops it completes: call `run` for each before the next `write`."""
        self._waiting = self._input.write(block)
        self._next = 0
        return len(self._waiting)

    def forget(self) -> None:
        """Clear the model's recurrent state. There is no gap in the output: overlap-add cross-fades."""
        self._spectra.forget()

    def run(self, gains: FloatArray, *, separated: bool = True) -> None:
        """Process the next hop with linear gains [S], or [S, 2C] for each channel's real and imaginary part.

        With `separated` false, pass the mixture through without the model and without gains, at almost no cost; each
        stem is then an equal share of it.
        """
        assert self._waiting is not None
        frame = self._waiting[self._next : self._next + 1]  # [1, C, F]
        self._next += 1
        if separated:
            stems = self._spectra.run(frame)
            if not stems.shape[1]:  # a model with look-ahead holds the first frames back
                return
            mix(stems, gains, self._mixed, self._weighted)
            self.meter.write(stems, frame, self._mixed)
        else:
            mixture = self._spectra.skip(frame)
            if not len(mixture):
                return
            self._mixed[0] = mixture
            stems = np.broadcast_to(
                self._mixed / np.float32(len(self.stems)), (len(self.stems), *self._mixed.shape[1:])
            )
        self._output.write(self._mixed)
        if self._routed_output is not None and self.patch is not None:
            if separated:
                self.patch.mix(stems[:, 0], self._routed[0, 0])
            else:
                self.patch.share(self._mixed[0, 0], self._routed[0, 0])
            self._routed_output.write(self._routed)
        if self._stems_output is not None:
            self._stems_output.write(stems)

    def read(self, count: int | None = None) -> tuple[FloatArray, FloatArray | None]:
        """Return the next `count` samples of the mix [n, C] and, with `with_stems`, of the stems [S, n, C].

        Without `count`, all complete samples. The arrays are valid until the next call.
        """
        if count is None:
            count = min(self._output.pending(), self._audio.shape[1])
        audio = self._audio[:, :count]
        self._output.read(audio)
        self.heard = audio[0]
        if self._routed_output is not None:
            routed = self._routed_audio[:, :count]
            self._routed_output.read(routed)
            self.heard = routed[0]
        stems = None
        if self._stems_output is not None:
            stems = self._stems_audio[:, :count]
            self._stems_output.read(stems)
        return audio[0], stems

    def _make_outputs(self, delay_samples: int) -> None:
        self._output = self._chain.output(delay_samples, stems=1, max_frames=self._frames)
        self._stems_output: OutputPath | None = None
        if self._with_stems:
            self._stems_output = self._chain.output(delay_samples, stems=len(self.stems), max_frames=self._frames)
        self._routed_output: OutputPath | None = None
        if self.patch is not None:
            self._routed_output = self._chain.output(
                delay_samples, stems=1, max_frames=self._frames, channels=self.patch.outputs
            )
