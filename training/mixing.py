"""Training segments: stems drawn, augmented and mixed, each segment a pure function of (seed, index)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stemlive.model.config import STEMS
from stemlive.training.augment import (
    Audio,
    change_speed,
    db_to_gain,
    equalise_and_reverberate,
    low_pass,
    pan,
    swap_and_flip,
)
from stemlive.training.sources import Recording, Sources

REFERENCE_RMS = 0.1  # -20 dBFS: every stem is brought here before its random gain
GROUPS = len(STEMS)
Item = TypeVar("Item")
LOW_BAND = "lowband"  # in the name of a recording: nothing in it above LOW_BAND_HZ, so its mixtures end there too
LOW_BAND_HZ = 5300.0


@dataclass(frozen=True)
class MixConfig:
    """How segments are made. Shares are weights of the three kinds of segment; probabilities are per stem.

    share_accompaniment: a voice over real music whose stems are unknown (loss on the voice and on the rest).
    share_random: stems from anywhere, mixed without regard to each other.
    share_song: stems that belong together; a song without a voice may be given one.
    source_weights: how often a source is drawn: a pool's folder, or `song/` and a song's name up to its first hyphen;
    1 where not named.
    """

    segment_s: float = 4.0
    share_accompaniment: float = 0.45
    share_random: float = 0.3
    share_song: float = 0.25
    min_gain_db: float = -8.0
    max_gain_db: float = 8.0
    drop_stem_p: float = 0.15
    drop_vocals_p: float = 0.2
    speed_p: float = 0.5
    effect_p: float = 0.4
    second_voice_p: float = 0.15
    low_pass_p: float = 0.04
    source_weights: dict[str, float] = field(default_factory=dict)


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
        self._cut_hz = np.inf  # set while a segment is made
        self._songs: dict[str, list[str]] = {}  # by what stands before the first hyphen: `composed-000-00017`
        for song in sorted(sources.songs):
            self._songs.setdefault(f"song/{song.split('-')[0]}", []).append(song)
        self._song_draw = self._weighted(self._songs)
        self._draws = {kind: self._weighted(self._recordings(kind)) for kind in sources.pools}

    def _recordings(self, kind: str) -> dict[str, list[Recording]]:
        """Recordings of one kind by source; songs with that stem are sources too."""
        named = dict(self.sources.pools[kind])
        for source, names in self._songs.items():
            songs = [self.sources.songs[name] for name in names]
            stems = [song[kind] for song in songs if kind in song and (kind != "other" or "bass" in song)]
            if stems:
                named[source] = stems
        return named

    def _weighted(self, named: Mapping[str, list[Item]]) -> tuple[list[list[Item]], npt.NDArray[np.float64]]:
        """Sources and their probabilities: weight times the square root of how much they hold."""
        weights = np.array([self.config.source_weights.get(n, 1.0) * len(items) ** 0.5 for n, items in named.items()])
        return list(named.values()), weights / weights.sum() if len(weights) else weights

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        c = self.config
        self._cut_hz = np.inf
        shares = np.array([c.share_accompaniment, c.share_random, c.share_song])
        kind = rng.choice(3, p=shares / shares.sum())
        if kind == 0 and self._draws["accompaniment"][0]:
            stems, groups = self._over_accompaniment(rng)
        elif kind == 2 and self._songs:
            stems, groups = self._from_song(rng)
        else:
            stems = {stem: self._loose(stem, rng) for stem in STEMS}
            groups = np.eye(GROUPS, dtype=np.float32)
        targets = np.zeros((GROUPS, self.count, 2), np.float32)
        for row, members in enumerate(groups):
            for stem, audio in stems.items():
                if stem in STEMS and members[STEMS.index(stem)]:
                    targets[row] += audio
        if "accompaniment" in stems:
            targets[1] += stems["accompaniment"]
        return {
            "targets": torch.from_numpy(np.ascontiguousarray(self._finish(targets, rng).transpose(0, 2, 1))),
            "groups": torch.from_numpy(groups),
        }

    def _over_accompaniment(self, rng: np.random.Generator) -> tuple[dict[str, Audio], npt.NDArray[np.float32]]:
        stems = {
            "vocals": self._loose("vocals", rng),
            "accompaniment": self._loose("accompaniment", rng, drop_p=0.03),
        }
        groups = np.zeros((GROUPS, GROUPS), np.float32)
        groups[0, STEMS.index("vocals")] = 1
        groups[1] = 1 - groups[0]
        return stems, groups

    def _from_song(self, rng: np.random.Generator) -> tuple[dict[str, Audio], npt.NDArray[np.float32]]:
        """One passage of a song at one speed, stems within +-4 dB of their balance; a loose voice if it has none."""
        sources, weights = self._song_draw
        names = sources[rng.choice(len(sources), p=weights)]
        song = self.sources.songs[names[rng.integers(len(names))]]
        groups = np.eye(GROUPS, dtype=np.float32)
        if "bass" not in song:
            groups[STEMS.index("other"), STEMS.index("bass")] = 1
            groups[STEMS.index("bass")] = 0
        speed = rng.uniform(0.88, 1.14) if rng.random() < self.config.speed_p / 2 else 1.0
        count = int(np.ceil(self.count * speed)) + 2
        longest = max(recording.num_samples for recording in song.values())
        start = int(rng.integers(max(1, longest - count)))
        level = REFERENCE_RMS / max(recording.rms for recording in song.values())
        stems = {}
        for stem, recording in song.items():
            audio = recording.read(start, count) * np.float32(level * db_to_gain(rng.uniform(-4, 4)))
            if rng.random() < self.config.drop_stem_p / 2:
                audio = np.zeros_like(audio)
            stems[stem] = self._fit(change_speed(audio, speed) if speed != 1.0 else audio)
        if "vocals" not in song:
            stems["vocals"] = self._loose("vocals", rng)
        return stems, groups

    def _loose(self, kind: str, rng: np.random.Generator, drop_p: float | None = None) -> Audio:
        """A passage of one loose recording (twice that for some voices), at a random level and place."""
        c = self.config
        if drop_p is None:
            drop_p = c.drop_vocals_p if kind == "vocals" else c.drop_stem_p
        if rng.random() < drop_p or not self._draws[kind][0]:
            return np.zeros((self.count, 2), np.float32)
        audio = self._passage(kind, rng)
        if kind == "vocals" and rng.random() < c.second_voice_p:
            audio = audio + self._passage(kind, rng) * np.float32(db_to_gain(rng.uniform(-12, 0)))
        return audio * np.float32(db_to_gain(rng.uniform(c.min_gain_db, c.max_gain_db)))

    def _passage(self, kind: str, rng: np.random.Generator) -> Audio:
        c = self.config
        sources, weights = self._draws[kind]
        recordings = sources[rng.choice(len(sources), p=weights)]
        recording = recordings[rng.integers(len(recordings))]
        spread = 0.2 if kind == "vocals" else 0.1
        speed = float(np.exp(rng.uniform(-spread, spread))) if rng.random() < c.speed_p else 1.0
        count = int(np.ceil(self.count * speed)) + 2
        for _ in range(3):  # a passage that is nearly silent is drawn again
            audio = recording.read(int(rng.integers(max(1, recording.num_samples - count))), count)
            if np.sqrt(np.mean(np.square(audio))) > 0.1 * recording.rms:
                break
        audio = audio * np.float32(REFERENCE_RMS / recording.rms)
        if LOW_BAND in recording.name:
            self._cut_hz = LOW_BAND_HZ
        if speed != 1.0:
            audio = change_speed(audio, speed)
        audio = pan(swap_and_flip(self._fit(audio), rng), rng, 0.3)
        if rng.random() < c.effect_p:
            wet_db = rng.uniform(-20, -2) if rng.random() < 0.7 else None
            audio = equalise_and_reverberate(audio, rng, self.sample_rate_hz, wet_db)
        return audio

    def _fit(self, audio: Audio) -> Audio:
        out = np.zeros((self.count, 2), np.float32)
        out[: min(self.count, len(audio))] = audio[: self.count]
        return out

    def _finish(self, targets: Audio, rng: np.random.Generator) -> Audio:
        """One level for the whole mixture: -32 to -10 dBFS RMS, its peak at most 1; a share loses its treble."""
        if rng.random() < self.config.low_pass_p:
            self._cut_hz = min(self._cut_hz, rng.uniform(4000, 16000))
        if self._cut_hz < np.inf:
            targets = np.stack([low_pass(target, self._cut_hz, self.sample_rate_hz) for target in targets])
        mixture = targets.sum(0)
        rms, peak = float(np.sqrt(np.mean(np.square(mixture)))), float(np.abs(mixture).max())
        if peak > 0:
            targets = targets * np.float32(min(db_to_gain(rng.uniform(-32, -10)) / rms, 1.0 / peak))
        return targets


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
