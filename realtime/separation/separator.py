"""Separate a stream of audio blocks of any size, with a fixed and exactly known delay."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlive.errors import UsageError
from stemlive.realtime.dsp.resample import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.chain import Chain
from stemlive.realtime.separation.stem_spectra import mix
from stemlive.realtime.separation.synthesis_path import OutputPath

FloatArray = NDArray[np.float32]
_Route = tuple[OutputPath, FloatArray, FloatArray | None]
"""The output side, the audio [S, n, C] to fill, and for a mix the gains [S]."""


class Separator:
    """Turns audio blocks into stems or their mix: same rate, same number of samples, `latency_samples` later.

    The output does not depend on how the input is cut into blocks. Calls of `process`, `process_mix` and `process_both`
    may alternate: each returns what it would have returned if it alone had been called from the start (a mix: with the
    gains of this call). Switching between them costs an extra inverse transform of the last few hops. At the end of a
    stream, `flush` returns what is still inside; the next block begins another stream. Leaving a `with` block resets.

    One thread at a time; no locks, no threads of its own. Buffers are allocated in the constructor; a call allocates
    its result and, for at most `max_frames` hops, the outputs of ONNX Runtime, the Fourier transforms and the
    resampler.
    """

    def __init__(
        self,
        model: Session | str | Path | None = None,
        *,
        sample_rate_hz: int | None = None,
        channels: int = 2,
        threads: int = 1,
        max_frames: int = 64,
    ) -> None:
        """Load the model: the name of a bundled one, a file, or None for the default.

        A `Session` that serves no other separator is taken as it is, whatever `threads` says. `sample_rate_hz` None is
        the model's. ModelError when the model cannot be used; UsageError for a rate outside 4 to 384 kHz and for
        channel counts other than 1 and 2.
        """
        session = model if isinstance(model, Session) else Session(model, threads=threads)
        rate = _checked_rate(session.info.sample_rate_hz if sample_rate_hz is None else sample_rate_hz)
        if channels not in (1, 2):
            raise UsageError(f"audio must have 1 or 2 channels, not {channels}")
        if max_frames < 1:
            raise UsageError(f"max_frames must be at least 1, not {max_frames}")
        chain = Chain(session, rate, channels)
        self.sample_rate_hz = rate
        self.channels = channels
        self.latency_samples = chain.latency_samples
        """Output sample k + `latency_samples` is input sample k, separated."""
        self._max_frames = max_frames
        # Longer blocks are processed in pieces of this length.
        self._max_samples = chain.longest_block(max_frames)
        self._input = chain.input(max_frames)
        self._mix_output = chain.output(self.latency_samples, stems=1, max_frames=max_frames)
        self._spectra = chain.spectra(self._mix_output.history_hops)
        self._stems_output = chain.output(self.latency_samples, stems=len(self.stems), max_frames=max_frames)
        self._mixed = np.zeros((1, max_frames, chain.framing.bins, channels), np.complex64)
        self._weighted = np.zeros_like(self._mixed)
        self._position = 0
        self._ended = False
        self.reset()

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems: the model's, followed by `rest` if the model has fewer than four."""
        return self._spectra.stems

    @property
    def bad_samples(self) -> int:
        """Input samples since the reset that were NaN or infinite (replaced by 0) or beyond 1e6 (limited to it)."""
        return self._input.bad_samples

    @property
    def bad_frames(self) -> int:
        """Frames since the reset for which the model gave NaN or infinity; they passed through unseparated."""
        return self._spectra.bad_frames

    def reset(self) -> None:
        """Return to the state of a new instance."""
        self._spectra.reset()
        self._input.reset()
        self._stems_output.restart(0)
        self._mix_output.restart(0)
        self._position = 0
        self._ended = False

    def process(self, block: NDArray[Any]) -> FloatArray:
        """Process a block, float [n, C]; return the stems, float32 [S, n, C], in the order of `stems`.

        UsageError for a block of another shape or type.
        """
        stems = self._empty(len(self.stems), block)
        self._process(block, [(self._stems_output, stems, None)])
        return stems

    def process_mix(self, block: NDArray[Any], gains: ArrayLike) -> FloatArray:
        """Process a block, float [n, C], with linear gains [S]; return the mix, float32 [n, C].

        It takes one inverse transform per channel, whatever the number of stems. The gains apply to the hops that this
        block completes; overlap-add cross-fades from the previous gains. UsageError for a block or gains of another
        shape.
        """
        mixed = self._empty(1, block)
        self._process(block, [(self._mix_output, mixed, self._checked_gains(gains))])
        return mixed.reshape(block.shape)

    def process_both(self, block: NDArray[Any], gains: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Process a block, float [n, C], with gains [S]; return the mix [n, C] and the stems [S, n, C], float32."""
        mixed, stems = self._empty(1, block), self._empty(len(self.stems), block)
        mix_route = (self._mix_output, mixed, self._checked_gains(gains))
        self._process(block, [mix_route, (self._stems_output, stems, None)])
        return mixed.reshape(block.shape), stems

    def flush(self, gains: ArrayLike | None = None) -> FloatArray:
        """End the stream: return its last `latency_samples`, the stems [S, n, C] or, with gains [S], the mix [n, C].

        The counts of bad samples and frames stay until the next block, which begins a new stream.
        """
        silence = np.zeros((self.latency_samples, self.channels), np.float32)
        rest = self.process(silence) if gains is None else self.process_mix(silence, gains)
        self._ended = True
        return rest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.reset()

    def _process(self, block: NDArray[Any], routes: list[_Route]) -> None:
        if self._ended:
            self.reset()
        for first in range(0, len(block), self._max_samples):
            piece = slice(first, first + self._max_samples)
            for output, _, gains in routes:
                if output.position != self._position:
                    self._write(output, self._spectra.since(output.restart(self._position)), gains)
            mixture = self._input.write(block[piece])
            if len(mixture):
                stems = self._spectra.run(mixture)
                for output, _, gains in routes:
                    self._write(output, stems, gains)
            for output, audio, _ in routes:
                output.read(audio[:, piece])
            self._position += len(block[piece])

    def _write(self, output: OutputPath, stems: NDArray[np.complex64], gains: FloatArray | None) -> None:
        """Write the stems' spectra [S, T, F, C] to an output side, mixed first if there are gains."""
        for first in range(0, stems.shape[1], self._max_frames):
            part = stems[:, first : first + self._max_frames]
            if gains is not None:
                mixed = self._mixed[:, : part.shape[1]]
                mix(part, gains, mixed, self._weighted[:, : part.shape[1]])
                part = mixed
            output.write(part)

    def _empty(self, stems: int, block: NDArray[Any]) -> FloatArray:
        """Check a block, and return an array for its result [stems, n, C]."""
        if block.ndim != 2 or block.shape[1] != self.channels or not np.issubdtype(block.dtype, np.floating):
            raise UsageError(f"audio blocks must be float [n, {self.channels}], not {block.dtype} {list(block.shape)}")
        return np.empty((stems, len(block), self.channels), np.float32)

    def _checked_gains(self, gains: ArrayLike) -> FloatArray:
        checked = np.asarray(gains, np.float32)
        if checked.shape != (len(self.stems),) or not np.isfinite(checked).all():
            raise UsageError(f"gains must be {len(self.stems)} finite numbers, one for each of {', '.join(self.stems)}")
        return checked


def _checked_rate(sample_rate_hz: float) -> int:
    if not LOWEST_RATE_HZ <= sample_rate_hz <= HIGHEST_RATE_HZ or sample_rate_hz != int(sample_rate_hz):
        wanted = f"a whole number from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz"
        raise UsageError(f"sample rate must be {wanted}, not {sample_rate_hz}")
    return int(sample_rate_hz)
