"""From the features of the bands to the masks of the bins: one small network per stem and band."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemlive.model.bands import equal_width_groups
from stemlive.model.config import ModelConfig

TAP_SCALE = 0.1  # of new weights behind the taps of a deep filter, over those behind the mask: it begins near a mask


class MaskHead(nn.Module):
    """Per stem and band: normalisation, MLP N - M - M (tanh), GLU (or not), mask of the band's bins, complex or real.

    The normalisation has no gain and shift of its own: the linear layer behind it holds them. The further taps of a
    deep filter come from the same MLP by a GLU of their own.
    """

    def __init__(self, config: ModelConfig, channels: int) -> None:
        super().__init__()
        self.num_stems = len(config.stems) - config.residual_stem
        self.feature_dim = config.feature_dim
        self.groups = equal_width_groups(config.mask_widths, config.band_widths)
        bands, wide = len(config.band_widths), config.mask_dim
        self.weight_in, self.bias_in = self._linear(bands, config.feature_dim, wide)
        self.weight_mid, self.bias_mid = self._linear(bands, wide, wide)
        self.weights_out = nn.ParameterList()
        self.biases_out = nn.ParameterList()
        self.channels, self.per_bin = channels, channels * config.mask_parts
        self.gated = config.mask_gate
        for count, masks, _ in self.groups:
            weight, bias = self._linear(count, wide, (1 + self.gated) * masks * self.per_bin)
            self.weights_out.append(weight)
            self.biases_out.append(bias)
        self.taps = config.filter_taps - 1 + config.filter_ahead
        self.tap_groups = equal_width_groups(config.filtered_widths)
        self.tap_weights, self.tap_biases = nn.ParameterList(), nn.ParameterList()
        for count, width in self.tap_groups:
            weight, bias = self._linear(count, wide, self.taps * width * channels * 4)
            self.tap_weights.append(weight.detach() * TAP_SCALE)
            self.tap_biases.append(bias.detach() * TAP_SCALE)

    def _linear(self, bands: int, inputs: int, outputs: int) -> tuple[nn.Parameter, nn.Parameter]:
        bound = inputs**-0.5
        weight = torch.empty(self.num_stems, bands, inputs, outputs).uniform_(-bound, bound)
        bias = torch.empty(self.num_stems, bands, 1, outputs).uniform_(-bound, bound)
        return nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """`[K, B * T, N]` to masks `[S, B * T, F * C * 2]`, real and imaginary part neighbours; real ones half as many.

        And to the further taps of a deep filter, `[taps, S, B * T, F' * C * 2]` for its lowest F' bins.
        """
        x = functional.layer_norm(features, (self.feature_dim,))
        x = torch.tanh(batched_linear(x, self.weight_in, self.bias_in))  # [S, K, B*T, M]
        x = torch.tanh(batched_linear(x, self.weight_mid, self.bias_mid))
        masks = []
        parts = x.split([count for count, *_ in self.groups], dim=1)  # slices would each cost a pass over x backwards
        for part, weight, bias, (bands, single, width) in zip(
            parts, self.weights_out, self.biases_out, self.groups, strict=True
        ):
            linear = gated_linear if self.gated else batched_linear
            mask = linear(part, weight, bias)  # [S, K', B*T, masks * C * 2 or 1]
            if single < width:
                of_one = mask.reshape(self.num_stems, bands, -1, single, self.per_bin)
                of_bins = torch.cat([of_one, of_one], dim=-1).reshape(
                    self.num_stems, bands, -1, 2 * single * self.per_bin
                )
                mask = of_bins[..., : width * self.per_bin]
            masks.append(mask.transpose(1, 2).reshape(self.num_stems, -1, bands * width * self.per_bin))
        return torch.cat(masks, dim=-1), self._taps(x) if self.taps else None

    def _taps(self, x: Tensor) -> Tensor:
        """What is behind the MLP, `[S, K, B * T, M]`, to the further taps."""
        counts = [bands for bands, _ in self.tap_groups]
        taps = []
        parts = x[:, : sum(counts)].split(counts, dim=1)
        for part, weight, bias, (bands, width) in zip(
            parts, self.tap_weights, self.tap_biases, self.tap_groups, strict=True
        ):
            each = gated_linear(part, weight, bias)
            each = each.reshape(
                self.num_stems, bands, -1, self.taps, width * self.channels * 2
            )  # [S, K', B*T, taps, ..]
            each = each.permute(3, 0, 2, 1, 4)
            taps.append(each.reshape(self.taps, self.num_stems, -1, bands * width * self.channels * 2))
        return torch.cat(taps, dim=-1)


def batched_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One linear layer per leading index, in whatever precision autocast gives the product."""
    y = torch.matmul(x, weight)
    return y + bias.to(y.dtype)


def gated_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """GLU: the first half of what `batched_linear` gives, as far as the second half lets it through."""
    value, gate = batched_linear(x, weight, bias).split([weight.shape[-1] // 2] * 2, dim=-1)
    gated: Tensor = value * torch.sigmoid(gate)
    return gated
