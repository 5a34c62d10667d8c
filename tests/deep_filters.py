"""Deep filters whose taps are set by hand."""

import torch


def let_only_a_tap_through(mask, tap, coefficient):
    """Make all masks and taps zero but this tap of the first stem, which is `(real, imaginary)` for every bin."""
    with torch.no_grad():
        for name, values in mask.named_parameters():
            if "out" in name or "tap" in name:
                values.zero_()
        for bias in mask.tap_biases:  # [S, K', 1, value and gate * tap * width * channel * 2]
            value, gate = bias[:1].unflatten(-1, (2, mask.taps, -1, 2)).unbind(3)
            gate[:] = 20.0  # open
            value[..., tap, :, :] = torch.tensor(coefficient)
