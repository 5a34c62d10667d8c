"""Deep filter: a bin of a stem is a sum over the mixture's last frames, each times a complex coefficient.

A mask is the first of these coefficients, the taps, and its product with the present frame the first term of the sum;
here are the others. Sources: Mack and Habets, arXiv 1904.08369; Schröter et al. (DeepFilterNet), arXiv 2110.05588, who
filter the lower frequencies only.
"""

import torch
from torch import Tensor, nn

from stemlive.model.config import ModelConfig
from stemlive.model.state import Memory


class DeepFilter(nn.Module):
    """Adds to the stems what the K - 1 taps beyond the mask give: the sum over k from 1 of M_k(t, f) X(t - k, f).

    It has no parameters; the mask head computes the taps. If the masks of all stems sum to one, the taps sum to zero,
    so that the stems still sum to the mixture. Its memory is the filtered bins of the last K - 1 frames, silent before
    the first one.
    """

    def __init__(self, config: ModelConfig, channels: int) -> None:
        super().__init__()
        self.delays, self.bins, self.consistent = config.filter_taps - 1, sum(config.filtered_widths), config.consistent
        self.memory_sizes = {"spectra": (self.delays, self.bins, channels, 2)} if config.causal else {}

    def forward(self, stems: Tensor, memory: Memory, taps: Tensor, x: Tensor) -> tuple[Tensor, Memory]:
        """Masked spectra `[S, B', T, F, C, 2]` and the memory (empty if not causal) to the same.

        Taps `[K - 1, S, B' * T, F' * C * 2]` for the lowest F' bins; x is the mixture `[B', T, F, C, 2]`.
        """
        low = x[:, :, : self.bins]
        past = memory[0].squeeze(0) if memory else low.new_zeros(low.shape[0], self.delays, *low.shape[2:])
        known = torch.cat([past, low], dim=1)  # [B', K - 1 + T, F', C, 2]
        taps = taps.float().reshape(self.delays, -1, *low.shape)
        if self.consistent:
            taps = taps - taps.mean(1, keepdim=True)
        filtered, masked = stems.split([self.bins, x.shape[2] - self.bins], dim=3)  # quicker backwards than slices
        for delay, tap in enumerate(taps.unbind(), 1):
            filtered = filtered + complex_product(tap, known[:, self.delays - delay : -delay])
        new = (known[:, -self.delays :].unsqueeze(0),) if memory else ()
        return torch.cat([filtered, masked], dim=3), new


def complex_product(a: Tensor, b: Tensor) -> Tensor:
    """Product of complex numbers with real and imaginary part on the last axis; ONNX has no complex type.

    Nor has the compiler of `train.compile`, which makes one pass of the real form; eagerly the complex one is quicker.
    """
    if not (torch.onnx.is_in_onnx_export() or torch.compiler.is_compiling()):
        return torch.view_as_real(torch.view_as_complex(a) * torch.view_as_complex(b))
    a_real, a_imag = a.unbind(-1)
    b_real, b_imag = b.unbind(-1)
    return torch.stack([a_real * b_real - a_imag * b_imag, a_real * b_imag + a_imag * b_real], dim=-1)
