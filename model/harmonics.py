"""Harmonics: which pitches a frame has, and a mask that lets through the harmonics of one pitch per stem.

A mask head makes every bin of a band anew in every frame, so that it learns long before it tells the harmonics of a
voice from what sounds between them. Here the pitch is one choice, and the teeth that follow from it are given. The
pitches are one band more to the network, which hears how strong each is and gets context from the layers over time and
bands like any other. Sources: the pattern matching of Camacho and Harris (SWIPE, J. Acoust. Soc. Am. 124, 2008), whose
templates have valleys half way between the harmonics; comb filtering by an estimated pitch as in PercepNet (Valin et
al., arXiv 2008.04259).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemlive.model.bands import equal_width_groups
from stemlive.model.config import ModelConfig

LOWEST_HZ = 80.0
PITCHES_PER_OCTAVE = 36
PITCHES = 132  # up to 997 Hz
HEARD_HZ = 6000.0  # where the harmonics that tell a pitch end
TEETH_HZ = 10000.0  # above it no band begins that the mask lets harmonics through in
LEAST_WIDTH_BINS = 1.1  # standard deviation of a tooth: the main lobe of the window
WIDTH = 0.012  # of a tooth, over its frequency, where that is more
WHITENED_BINS = 47  # a spectrum is measured against its mean over so many
FLOOR = 1e-8  # power of a bin that counts as silence
HIDDEN = 96  # of what turns pitches into features


class Pitches(nn.Module):
    """How well each of P pitches explains a frame, and that as features of one band more.

    Spectra in the middle become square roots of magnitudes over their local mean, so that neither level nor colour
    matters, and are compared with a template per pitch: teeth at its harmonics, weighted by their number to the power
    of -1/2, minus teeth half way between; of mean 0 and norm 1.
    """

    templates: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.one_channel = config.folded or config.mid_side
        self.register_buffer("templates", _templates(config), persistent=False)
        self.embed = nn.Sequential(nn.Linear(PITCHES, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, config.feature_dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Spectra `[B', T, F, C', 2]` to the strength of every pitch `[B' * T, P]` and features `[1, B' * T, N]`."""
        middle = x[:, :, :, 0] if self.one_channel else x.sum(3) * 0.5**0.5
        roots = middle.flatten(0, 1).square().sum(-1).add(FLOOR).sqrt().sqrt()  # [B' * T, F]
        local = functional.avg_pool1d(
            roots.unsqueeze(1), WHITENED_BINS, 1, WHITENED_BINS // 2, count_include_pad=False
        ).squeeze(1)
        heard = (roots / local - 1)[:, : self.templates.shape[0]]
        strengths = heard @ self.templates
        return strengths, self.embed(strengths).unsqueeze(0)


class Combs(nn.Module):
    """Per stem the probability of every pitch, or of none, and from it a mask of its harmonics.

    How far each band of each channel lets them through, or keeps them out, follows from the band's features; in new
    weights not at all. That is so in the K' bands that begin below TEETH_HZ and their F' bins.
    """

    teeth: Tensor

    def __init__(self, config: ModelConfig, channels: int) -> None:
        super().__init__()
        self.num_stems = len(config.stems) - config.residual_stem
        widths = config.widths_from_below(TEETH_HZ)
        self.bands, self.groups = len(widths), equal_width_groups(widths)
        self.choose = nn.Linear(config.feature_dim, self.num_stems * (2 * PITCHES + 1))
        self.gain = nn.Parameter(torch.zeros(self.num_stems, self.bands, config.feature_dim, channels))
        self.register_buffer("teeth", _teeth(config, sum(widths)), persistent=False)

    def forward(self, features: Tensor, strengths: Tensor) -> Tensor:
        """Features `[1 + K, B' * T, N]`, those of the pitches first, and their strengths, to `[S, B' * T, F', C']`."""
        normed = functional.layer_norm(features[: 1 + self.bands], (self.choose.in_features,))
        harmonics = self.probabilities(normed[0], strengths) @ self.teeth  # [S, B' * T, F']
        gains = torch.matmul(normed[1:], self.gain)  # [S, K', B' * T, C']
        parts = gains.split([bands for bands, _ in self.groups], dim=1)
        spread = [
            part.permute(0, 2, 1, 3).unsqueeze(3).expand(-1, -1, -1, width, -1).flatten(2, 3)
            for part, (_, width) in zip(parts, self.groups, strict=True)
        ]
        return harmonics.unsqueeze(-1) * torch.cat(spread, dim=2)

    def probabilities(self, normed: Tensor, strengths: Tensor) -> Tensor:
        """Of each pitch for each stem, `[S, B' * T, P]`; what is missing to 1 is that of none.

        `normed` are the normalised features of the pitches, `[B' * T, N]`. They weight what was heard, and add to it.
        """
        chosen = self.choose(normed).unflatten(-1, (self.num_stems, -1)).transpose(0, 1)
        weight, shift, none = chosen.split([PITCHES, PITCHES, 1], dim=-1)
        logits = torch.cat([strengths * (2 + 2 * weight) + 4 * shift, 4 * none + 4], dim=-1)
        return logits.float().softmax(-1)[..., :PITCHES]


def pitches_hz() -> Tensor:
    """The pitches, `[P]`, lowest first."""
    return LOWEST_HZ * 2 ** (torch.arange(PITCHES) / PITCHES_PER_OCTAVE)


def _templates(config: ModelConfig) -> Tensor:
    """The template of each pitch, `[F', P]`."""
    bins = min(config.num_bins, int(HEARD_HZ / _bin_hz(config)) + 1)
    harmonics = torch.arange(1, int(HEARD_HZ / LOWEST_HZ) + 2)
    at = _lobes(config, bins, harmonics) * harmonics**-0.5
    between = _lobes(config, bins, harmonics - 0.5) * (harmonics - 0.5) ** -0.5
    template = at.sum(-1) - between.sum(-1)
    return functional.normalize(template - template.mean(0), dim=0)


def _teeth(config: ModelConfig, bins: int) -> Tensor:
    """Masks of the harmonics of each pitch, `[P, F']`: 1 on a harmonic, near 0 between those that can be told apart."""
    harmonics = torch.arange(1, int(bins * _bin_hz(config) / LOWEST_HZ) + 2)
    return _lobes(config, bins, harmonics).amax(-1).T.contiguous()


def _lobes(config: ModelConfig, bins: int, multiples: Tensor) -> Tensor:
    """A lobe of height 1 around each multiple of each pitch, in the lowest F' bins: `[F', P, multiples]`."""
    bins_hz = torch.arange(bins) * _bin_hz(config)
    centres_hz = pitches_hz().unsqueeze(1) * multiples
    widths_hz = (WIDTH * centres_hz).clamp(min=LEAST_WIDTH_BINS * _bin_hz(config))
    lobes: Tensor = torch.exp(-0.5 * ((bins_hz[:, None, None] - centres_hz) / widths_hz).square())
    return lobes


def _bin_hz(config: ModelConfig) -> float:
    return config.sample_rate_hz / config.framing.analysis_samples
