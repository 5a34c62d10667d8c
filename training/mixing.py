"""Training segments: stems drawn and mixed, each segment a pure function of (seed, index)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stemlive.errors import UsageError
from stemlive.model.config import STEMS
from stemlive.training.augment import Audio, chance, change_speed, db_to_gain, low_pass, swap_and_flip, widen
from stemlive.training.drawing import WeightedDraw, song_sources
from stemlive.training.loose import REFERENCE_RMS, LooseConfig, LooseStems, fit
from stemlive.training.produce import limit
from stemlive.training.sources import Sources

GROUPS = len(STEMS)
Stems = dict[str, Audio]
Groups = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MixConfig(LooseConfig):
    """How segments are mixed from what `LooseConfig` draws. Shares are weights of the three kinds of segment.

    share_accompaniment: a voice over real music whose stems are unknown (loss on the voice and on the rest).
    share_random: stems from anywhere, mixed without regard to each other.
    share_song: stems that belong together; a song without a voice may be given one.
    song_gain_db: a song's stems keep their balance to within so many dB.
    level_mixture: the whole is brought to a random -32 to -10 dBFS RMS, peaks to at most full scale.
    low_pass_p: share of segments without anything above a random 4 to 16 kHz.
    limit_p: share of segments through a limiter, up to 9 dB of it, as a mastered mixture is: all stems by one gain.
    widen_p: share of segments whose voice is out of phase between the sides (`widen`), in songs too.
    mono_p: share of segments with the same on both sides: nothing but its sound tells a voice from the music.
    """

    segment_s: float = 4.0
    share_accompaniment: float = 0.45
    share_random: float = 0.3
    share_song: float = 0.25
    song_gain_db: float = 4.0
    level_mixture: bool = True
    low_pass_p: float = 0.04
    limit_p: float = 0.0
    widen_p: float = 0.0
    mono_p: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = (self.share_accompaniment, self.share_random, self.share_song)
        if min(shares) < 0 or not sum(shares) > 0:
            raise UsageError(f"share_accompaniment, share_random and share_song must be weights of 0 or more: {shares}")
        if not self.segment_s > 0:
            raise UsageError(f"segment_s must be above 0, not {self.segment_s}")

    @property
    def undrawn(self) -> tuple[str, ...]:
        """Kinds of loose recordings that no segment is made of."""
        return () if self.share_accompaniment else ("accompaniment",)


class SegmentMixer(Dataset[dict[str, Tensor]]):
    """Segment `index` of an endless, seeded stream.

    Each item: `targets` float32 `[G, 2, n]` and `groups` float32 `[G, S]`: target g is the sum of the stems that row g
    names. Where all stems are known the groups are the stems; a row of zeros has a target of zeros and counts for
    nothing. The mixture is the sum of the targets.
    """

    def __init__(self, sources: Sources, config: MixConfig, sample_rate_hz: int, hop_samples: int, seed: int) -> None:
        self.sources = sources
        self.config = config
        self.sample_rate_hz = sample_rate_hz
        self.count = round(config.segment_s * sample_rate_hz) // hop_samples * hop_samples
        self.seed = seed
        self._songs = WeightedDraw(song_sources(sources.songs), config.source_weights)
        self._loose = LooseStems(sources, config, sample_rate_hz, self.count)
        self._read: list[str] = []  # names of what the songs gave to the last segment

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        self._read.clear()
        self._loose.read.clear()
        c = self.config
        shares = np.array([c.share_accompaniment, c.share_random, c.share_song])
        kind = rng.choice(3, p=shares / shares.sum())
        if kind == 0 and self._loose.has("accompaniment"):
            (stems, cut_hz), groups = self._draw_loose(("vocals", "accompaniment"), rng), _two_groups()
        elif kind == 2 and self._songs:
            stems, groups, cut_hz = self._from_song(rng)
        else:
            (stems, cut_hz), groups = self._draw_loose(STEMS, rng), np.eye(GROUPS, dtype=np.float32)
        if chance(c.widen_p, rng):
            stems["vocals"] = widen(stems["vocals"], rng, self.sample_rate_hz)
        targets = np.zeros((GROUPS, self.count, 2), np.float32)
        for row, members in enumerate(groups):
            for stem, audio in stems.items():
                if stem in STEMS and members[STEMS.index(stem)]:
                    targets[row] += audio
        if "accompaniment" in stems:
            targets[1] += stems["accompaniment"]
        return {
            "targets": torch.from_numpy(np.ascontiguousarray(self._finish(targets, cut_hz, rng).transpose(0, 2, 1))),
            "groups": torch.from_numpy(groups),
        }

    def files(self, index: int) -> list[str]:
        """Names of the recordings that segment `index` is made of; it is mixed once more for this."""
        self[index]
        return list(dict.fromkeys([*self._read, *self._loose.read]))

    def _draw_loose(self, kinds: tuple[str, ...], rng: np.random.Generator) -> tuple[Stems, float]:
        """A passage of each kind, and the frequency above which one of them has nothing."""
        drawn = {kind: self._loose.draw(kind, rng) for kind in kinds}
        return {kind: audio for kind, (audio, _) in drawn.items()}, min(cut_hz for _, cut_hz in drawn.values())

    def _from_song(self, rng: np.random.Generator) -> tuple[Stems, Groups, float]:
        """One passage of a song at one speed, stems in about their balance, sides and polarity of each at random.

        A song without a voice gets a loose one.
        """
        c = self.config
        song = self.sources.songs[self._songs.draw(rng)]
        groups = np.eye(GROUPS, dtype=np.float32)
        if "accompaniment" in song:
            song = {kind: song[kind] for kind in ("vocals", "accompaniment") if kind in song}
            groups = _two_groups()
        elif "bass" not in song:
            groups[STEMS.index("other"), STEMS.index("bass")] = 1
            groups[STEMS.index("bass")] = 0
        speed = c.speed_centre * (rng.uniform(0.88, 1.14) if rng.random() < c.speed_p / 2 else 1.0)
        count = int(np.ceil(self.count * speed)) + 2
        song = {stem: recording for stem, recording in song.items() if not recording.silent}
        longest = max((recording.num_samples for recording in song.values()), default=0)
        start = int(rng.integers(max(1, longest - count)))
        loudest = max((recording.rms for recording in song.values()), default=1.0)
        level = REFERENCE_RMS / loudest if c.level_stems else 1.0
        stems = {}
        for stem, recording in song.items():
            gain = level * db_to_gain(rng.uniform(-c.song_gain_db, c.song_gain_db))
            self._read.append(recording.name)
            audio = recording.read(start, count) * np.float32(gain)
            if rng.random() < c.drop_stem_p / 2:
                audio = np.zeros_like(audio)
            audio = fit(change_speed(audio, speed) if speed != 1.0 else audio, self.count)
            stems[stem] = swap_and_flip(audio, rng, c.swap_p, c.flip_p)
        cut_hz = np.inf
        if "vocals" not in song:
            stems["vocals"], cut_hz = self._loose.draw("vocals", rng)
        return stems, groups, cut_hz

    def _finish(self, targets: Audio, cut_hz: float, rng: np.random.Generator) -> Audio:
        """Treble, width and level of the whole mixture."""
        if rng.random() < self.config.low_pass_p:
            cut_hz = min(cut_hz, rng.uniform(4000, 16000))
        if cut_hz < np.inf:
            targets = np.stack([low_pass(target, cut_hz, self.sample_rate_hz) for target in targets])
        if chance(self.config.mono_p, rng):
            targets = np.repeat(targets.mean(-1, keepdims=True), 2, axis=-1)
        mixture = targets.sum(0)
        if chance(self.config.limit_p, rng):
            gain = limit(mixture, float(np.abs(mixture).max()) * db_to_gain(-rng.uniform(1, 9)))
            targets, mixture = targets * gain, mixture * gain
        rms, peak = float(np.sqrt(np.mean(np.square(mixture)))), float(np.abs(mixture).max())
        if self.config.level_mixture and peak > 0:
            targets = targets * np.float32(min(db_to_gain(rng.uniform(-32, -10)) / rms, 1.0 / peak))
        return targets


def _two_groups() -> Groups:
    """The voice, and all other stems as one: `[G, S]`."""
    groups = np.zeros((GROUPS, GROUPS), np.float32)
    groups[0, STEMS.index("vocals")] = 1
    groups[1] = 1 - groups[0]
    return groups


def restrict_groups(targets: Tensor, groups: Tensor, stems: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Targets `[B, G, C, n]` and groups `[B, G, 4]` to those that a model with these stems can be asked for.

    Returns targets, with the others set to zero, and groups `[B, G, S]`.
    """
    index = [STEMS.index(stem) for stem in stems]
    others = [i for i in range(GROUPS) if i not in index]
    askable = (groups[..., others].sum(-1) == 0) & (groups[..., index].sum(-1) > 0)
    return targets * askable[..., None, None], groups[..., index] * askable[..., None]


def describe(sources: Sources, sample_rate_hz: int) -> dict[str, Any]:
    """Hours per kind and the number of songs: for the log and the provenance."""
    hours = {kind: round(seconds / 3600, 2) for kind, seconds in sources.seconds(sample_rate_hz).items()}
    return {"songs": len(sources.songs), "hours": hours}
