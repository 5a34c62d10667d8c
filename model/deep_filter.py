"""Deep filter: a bin of a stem is a sum over frames of the mixture, each times a complex coefficient.

A mask is the first of these coefficients, the taps, and its product with the present frame the first term of the sum;
here are the others. Sources: Mack and Habets, arXiv 1904.08369; Schröter et al. (DeepFilterNet), arXiv 2110.05588, who
filter the lower frequencies only.
"""

import torch
from torch import Tensor, nn

from stemlive.model.config import ModelConfig
from stemlive.model.state import Memory


class DeepFilter(nn.Module):
    """Adds to the stems what the taps beyond the mask give: the sum over k of M_k(t, f) X(t - k, f).

    k goes from 1 to K - 1, the frames before, and then, in a model with look-ahead, from -1 to -A, the frames to come.
    It has no parameters; the mask head computes the taps. If the masks of all stems sum to one, the taps sum to zero,
    so that the stems still sum to the mixture. Its memory is the filtered bins of the last K - 1 frames, silent before
    the first one.
    """

    def __init__(self, config: ModelConfig, channels: int) -> None:
        super().__init__()
        self.past, self.coming = config.filter_taps - 1, config.filter_ahead
        self.unheard = config.lookahead_frames - config.filter_ahead
        self.bins, self.consistent = sum(config.filtered_widths), config.consistent
        self.above = config.num_bins - self.bins
        self.memory_sizes = {"spectra": (self.past, self.bins, channels, 2)} if config.causal else {}

    def forward(self, stems: Tensor, memory: Memory, taps: Tensor, x: Tensor) -> tuple[Tensor, Memory]:
        """Masked spectra `[S, B', T, F, C, 2]` and the memory (empty if not causal) to the same.

        Taps `[K - 1 + A, S, B' * T, F' * C * 2]` for the lowest F' bins. x is the mixture, `[B', T, F, C, 2]`, and in
        a model with look-ahead all that it holds behind these T frames.
        """
        low = x[:, : -self.unheard or None, : self.bins]
        batch, *of_frame = int(low.shape[0]), *map(int, low.shape[2:])
        past = memory[0].squeeze(0) if memory else low.new_zeros(batch, self.past, *of_frame)
        known = torch.cat([past, low], dim=1)  # [B', K - 1 + T + A, F', C, 2]
        taps = taps.float().reshape(self.past + self.coming, len(stems), batch, -1, *of_frame)
        if self.consistent:
            taps = taps - taps.mean(1, keepdim=True)
        delays = (*range(1, self.past + 1), *range(-1, -self.coming - 1, -1))
        heard = torch.stack([known[:, self.past - delay : -self.coming - delay or None] for delay in delays])
        further = complex_product(taps, heard.unsqueeze(1)).sum(0)
        filtered, masked = stems.split([self.bins, self.above], dim=3)  # quicker backwards than slices
        new = (known[:, -self.past - self.coming : -self.coming or None].unsqueeze(0),) if memory else ()
        return torch.cat([filtered + further, masked], dim=3), new


def complex_product(a: Tensor, b: Tensor) -> Tensor:
    """Product of complex numbers with real and imaginary part on the last axis; ONNX has no complex type.

    Nor has the compiler of `train.compile`, which makes one pass of the real form; eagerly the complex one is quicker.
    """
    if not (torch.onnx.is_in_onnx_export() or torch.compiler.is_compiling()):
        return torch.view_as_real(torch.view_as_complex(a) * torch.view_as_complex(b))
    a_real, a_imag = a.unbind(-1)
    b_real, b_imag = b.unbind(-1)
    return torch.stack([a_real * b_real - a_imag * b_imag, a_real * b_imag + a_imag * b_real], dim=-1)
