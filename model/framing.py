"""Framing presets and their windows: a long analysis window, a short synthesis window, perfect reconstruction.

Frame t holds the last A samples that end at sample (t+1)R. Its inverse transform, windowed by the synthesis window,
adds to the last W of them. The delay a listener hears is W; the frequency resolution is that of A.
Sources: Mauler and Martin 2007; Wood and Rouat 2019; Wang et al. 2021 (arXiv 2106.11794).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class FramingPreset:
    """Lengths in samples: analysis window A, synthesis window W, hop R (R divides W/2, W <= A).

    A streaming preset has asymmetric windows (for A = W too); the other is the symmetric Hann framing of the paper.
    """

    analysis_samples: int
    synthesis_samples: int
    hop_samples: int
    streaming: bool = True

    @property
    def unfinished_hops(self) -> int:
        """W / R - 1: so many hops at the end of a signal later frames would add to."""
        return self.synthesis_samples // self.hop_samples - 1

    def windows(self) -> tuple[Tensor, Tensor]:
        """Analysis and synthesis window, float32 `[A]` each; their product sums to one at hop R."""
        length, short, hop = self.analysis_samples, self.synthesis_samples, self.hop_samples
        hann = 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(short, dtype=torch.float64) / short)
        if not self.streaming:  # Hann squared sums to 3/8 W/R
            return hann.float(), (hann * 8 * hop / (3 * short)).float()
        rise = length - short // 2
        analysis = torch.cat(
            [
                torch.sin(math.pi / 2 * (torch.arange(rise, dtype=torch.float64) + 0.5) / rise),
                hann[short // 2 :].sqrt(),
            ]
        )
        synthesis = torch.zeros(length, dtype=torch.float64)
        synthesis[length - short :] = (2 * hop / short) * hann / analysis[length - short :]
        return analysis.float(), synthesis.float()


PRESETS = {
    "offline": FramingPreset(2048, 2048, 512, streaming=False),
    "quality": FramingPreset(4096, 4096, 1024),
    "balanced": FramingPreset(4096, 2048, 1024),
    "live": FramingPreset(2048, 1024, 512),
    "fine": FramingPreset(4096, 1024, 512),
    "low": FramingPreset(2048, 512, 256),
}


class Framing(torch.nn.Module):
    """Waveform to frames and back, differentiable; the windows are buffers of the module."""

    analysis: Tensor
    synthesis: Tensor

    def __init__(self, preset: FramingPreset) -> None:
        super().__init__()
        self.preset = preset
        analysis, synthesis = preset.windows()
        self.register_buffer("analysis", analysis, persistent=False)
        self.register_buffer("synthesis", synthesis[-preset.synthesis_samples :], persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Spectra of every whole hop: `[B, C, n]` to `[B, T, F, C, 2]` with T = n // R, silence before the start."""
        length, hop = self.preset.analysis_samples, self.preset.hop_samples
        frames = functional.pad(audio, (length - hop, 0)).unfold(-1, length, hop)  # [B, C, T, A]
        spectra = torch.view_as_real(torch.fft.rfft(frames * self.analysis))  # [B, C, T, F, 2]
        return spectra.permute(0, 2, 3, 1, 4)

    def inverse(self, spectra: Tensor) -> Tensor:
        """Overlap-add of `[..., T, F, C, 2]` to `[..., C, T * R]`.

        Sample k of the result belongs to sample k of the audio that was framed. The last W - R samples are not
        complete: frames to come would add to them. Pad the audio by W - R zeros to get them all.
        """
        length, short, hop = (
            self.preset.analysis_samples,
            self.preset.synthesis_samples,
            self.preset.hop_samples,
        )
        folds = short // hop
        frames = torch.fft.irfft(torch.view_as_complex(spectra.movedim(-2, -4).contiguous()), n=length)
        parts = (frames[..., length - short :] * self.synthesis).unflatten(-1, (folds, hop))  # [..., C, T, W/R, R]
        total = functional.pad(parts[..., 0, :], (0, 0, 0, folds - 1))  # [..., C, T + W/R - 1, R]
        for fold in range(1, folds):
            total[..., fold : fold + parts.shape[-3], :] += parts[..., fold, :]
        return total[..., folds - 1 :, :].flatten(-2)

    def complete_samples(self, num_samples: int) -> int:
        """How many samples of `inverse(forward(audio))` are complete when the audio has `num_samples`."""
        hop = self.preset.hop_samples
        return max(0, num_samples // hop * hop - (self.preset.synthesis_samples - hop))
