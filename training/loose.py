"""Passages of single recordings, from pools and songs: drawn, levelled and augmented one stem at a time."""

import math
import re
from dataclasses import dataclass, field, fields

import numpy as np

from stemlive.errors import UsageError
from stemlive.model.choices import check_types
from stemlive.training.activity import Passages, active_passages, draw_start
from stemlive.training.augment import (
    Audio,
    chance,
    change_pitch_and_tempo,
    change_speed,
    db_to_gain,
    double,
    echo,
    equalise_and_reverberate,
    lossy_codec,
    low_pass,
    overdrive,
    pan,
    swap_and_flip,
)
from stemlive.training.drawing import WeightedDraw, song_sources
from stemlive.training.layout import KINDS
from stemlive.training.produce import produce_music, produce_voice
from stemlive.training.recordings import Recording
from stemlive.training.sources import Sources

REFERENCE_RMS = 0.1  # -20 dBFS: every stem is brought here before its random gain
BAND_LIMIT = re.compile(r"-(?:lowband|band(\d+))\b")  # in a name: nothing above LOW_BAND_HZ, or above so many Hz
LOW_BAND_HZ = 5300.0
GAIN_SCALES = ("db", "linear")


@dataclass(frozen=True)
class LooseConfig:
    """How single recordings are drawn and augmented. Names that end in `_p` are probabilities per stem.

    source_weights: how often a source is drawn: a pool's folder, or `song/` and a song's name or series
        (`drawing.song_sources`); 1 where not named.
    sad: only passages in which the source sounds (`activity`) are drawn.
    tries: so often a passage is drawn until it is not nearly silent.
    level_stems: recordings are brought to one level before their gain.
    gain_scale: `db`: gains are even in dB from min_gain_db to max_gain_db; `linear`: even from min_gain to max_gain.
    drop_stem_p, drop_vocals_p, drop_accompaniment_p: silence instead.
    speed_p, speed_spread, vocals_speed_spread: pitch, tempo and formants together, by a factor whose natural logarithm
        is at most the spread (0.2: 0.82 to 1.22).
    speed_centre: what that factor is around, and what is not changed otherwise has; songs of known stems, too. Below 1,
        recordings that are higher than those of songs come down.
    pitch_p, max_pitch_semitones: pitch alone. tempo_p, tempo_spread: tempo alone. Dear: see `change_pitch_and_tempo`.
    swap_p, flip_p, max_pan: channels swapped, polarity inverted, balance moved by at most so much.
    effect_p, bend_db, room_p: equalised, by so many dB either way; and, of those, so many with a room.
    drive_p, double_p, echo_p: what songs do to voices, to voices only: distorted, sung again on both sides, repeated.
    produce_p: so many voices are produced as on a record (produce.py), in the place of all that `effect_p` to `echo_p`
        say; dry_p: of those, so many with the same on both sides. produce_music_p: so many of the other stems.
    narrow_p: other stems without what differs between the sides: so that neither tells a voice.
    band_limit_p: nothing left above a random 4 to 16 kHz. codec_p: through Vorbis at a random quality.
    second_voice_p: a voice gets another beside it.
    """

    source_weights: dict[str, float] = field(default_factory=dict)
    sad: bool = False
    tries: int = 3
    level_stems: bool = True
    gain_scale: str = "db"
    min_gain_db: float = -8.0
    max_gain_db: float = 8.0
    min_gain: float = 0.25
    max_gain: float = 1.25
    drop_stem_p: float = 0.15
    drop_vocals_p: float = 0.2
    drop_accompaniment_p: float = 0.03
    speed_p: float = 0.5
    speed_spread: float = 0.1
    vocals_speed_spread: float = 0.2
    speed_centre: float = 1.0
    pitch_p: float = 0.0
    max_pitch_semitones: float = 2.0
    tempo_p: float = 0.0
    tempo_spread: float = 0.1
    swap_p: float = 0.5
    flip_p: float = 0.5
    max_pan: float = 0.3
    effect_p: float = 0.4
    bend_db: float = 6.0
    room_p: float = 0.7
    drive_p: float = 0.0
    double_p: float = 0.0
    echo_p: float = 0.0
    produce_p: float = 0.0
    dry_p: float = 0.08
    produce_music_p: float = 0.0
    narrow_p: float = 0.0
    band_limit_p: float = 0.0
    codec_p: float = 0.0
    second_voice_p: float = 0.15

    def __post_init__(self) -> None:
        check_types(self)
        for choice in fields(self):
            value = getattr(self, choice.name)
            if choice.name.endswith("_p") and not 0 <= value <= 1:
                raise UsageError(f"{choice.name} must be a probability from 0 to 1, not {value}")
        if self.gain_scale not in GAIN_SCALES:
            raise UsageError(f"unknown gain_scale '{self.gain_scale}': choose one of {', '.join(GAIN_SCALES)}")
        if self.tries < 1:
            raise UsageError(f"tries must be at least 1, not {self.tries}")
        if self.min_gain_db > self.max_gain_db or not 0 <= self.min_gain <= self.max_gain:
            raise UsageError("the smallest gain is above the largest or below 0: mend min_gain and max_gain (_db)")
        if not 0.5 <= self.speed_centre <= 2:
            raise UsageError(f"speed_centre must be from 0.5 to 2, not {self.speed_centre}")
        if self.bend_db < 0:
            raise UsageError(f"bend_db must be 0 or more, not {self.bend_db}")
        for source, weight in self.source_weights.items():
            if type(weight) not in (int, float) or not 0 <= weight < math.inf:
                raise UsageError(f"source_weights: {source} must be a finite number of 0 or more, not {weight!r}")


class LooseStems:
    """Draws passages of `count` samples, which depend only on the generator."""

    def __init__(self, sources: Sources, config: LooseConfig, sample_rate_hz: int, count: int) -> None:
        self.config, self.sample_rate_hz, self.count = config, sample_rate_hz, count
        self.read: list[str] = []
        """Names of the recordings that were read, until the mixer clears it."""
        self._passages: dict[Recording, Passages] = {}
        self._draws = {kind: WeightedDraw(self._recordings(kind, sources), config.source_weights) for kind in KINDS}

    def has(self, kind: str) -> bool:
        """Whether there are recordings of this kind."""
        return bool(self._draws[kind])

    def draw(self, kind: str, rng: np.random.Generator) -> tuple[Audio, float]:
        """A passage of one recording (of two for some voices), `[count, 2]`, or silence; and its highest frequency.

        That is infinite but for recordings that are marked as BAND_LIMIT says.
        """
        c = self.config
        drop_p = {"vocals": c.drop_vocals_p, "accompaniment": c.drop_accompaniment_p}.get(kind, c.drop_stem_p)
        if rng.random() < drop_p or not self.has(kind):
            return np.zeros((self.count, 2), np.float32), np.inf
        audio, cut_hz = self._passage(kind, rng)
        if kind == "vocals" and rng.random() < c.second_voice_p:
            second, second_cut_hz = self._passage(kind, rng)
            audio = audio + second * np.float32(db_to_gain(rng.uniform(-12, 0)))
            cut_hz = min(cut_hz, second_cut_hz)
        return audio * np.float32(self._gain(rng)), cut_hz

    def _recordings(self, kind: str, sources: Sources) -> dict[str, list[Recording]]:
        """Recordings of one kind by source; songs with that stem are sources too, if nothing else is in the stem."""
        named = dict(sources.pools[kind])
        for source, names in song_sources(sources.songs).items():
            songs = [sources.songs[name] for name in names]
            named[source] = [song[kind] for song in songs if kind in song and (kind != "other" or "bass" in song)]
        audible = {source: [r for r in recordings if self._sounds(r)] for source, recordings in named.items()}
        return {source: recordings for source, recordings in audible.items() if recordings}

    def _sounds(self, recording: Recording) -> bool:
        if self.config.sad and not recording.silent:
            self._passages[recording] = active_passages(recording, self.sample_rate_hz)
            return len(self._passages[recording]) > 0
        return not recording.silent

    def _gain(self, rng: np.random.Generator) -> float:
        c = self.config
        if c.gain_scale == "linear":
            return float(rng.uniform(c.min_gain, c.max_gain))
        return db_to_gain(rng.uniform(c.min_gain_db, c.max_gain_db))

    def _passage(self, kind: str, rng: np.random.Generator) -> tuple[Audio, float]:
        c = self.config
        recording = self._draws[kind].draw(rng)
        spread = c.vocals_speed_spread if kind == "vocals" else c.speed_spread
        speed = c.speed_centre * float(np.exp(rng.uniform(-spread, spread)) if rng.random() < c.speed_p else 1.0)
        pitch = float(rng.uniform(-c.max_pitch_semitones, c.max_pitch_semitones)) if chance(c.pitch_p, rng) else 0.0
        tempo = float(np.exp(rng.uniform(-c.tempo_spread, c.tempo_spread))) if chance(c.tempo_p, rng) else 1.0
        audio = self._read(recording, int(np.ceil(self.count * speed * tempo)) + 2, rng)
        if c.level_stems:
            audio = audio * np.float32(REFERENCE_RMS / recording.rms)
        if pitch != 0.0 or tempo != 1.0:
            audio = change_pitch_and_tempo(audio, pitch, tempo, self.sample_rate_hz)
        if speed != 1.0:
            audio = change_speed(audio, speed)
        audio = swap_and_flip(fit(audio, self.count), rng, c.swap_p, c.flip_p)
        produced = chance(c.produce_p if kind == "vocals" else c.produce_music_p, rng)
        if produced and kind == "vocals":
            audio = produce_voice(audio, rng, self.sample_rate_hz, c.dry_p)  # which pans it
        else:
            audio = pan(audio, rng, c.max_pan)
            audio = produce_music(audio, rng, self.sample_rate_hz, kind) if produced else self._treat(audio, kind, rng)
        if chance(c.band_limit_p, rng):
            audio = low_pass(audio, rng.uniform(4000, 16000), self.sample_rate_hz)
        if chance(c.codec_p, rng):
            audio = lossy_codec(audio, rng, self.sample_rate_hz)
        return audio, band_limit_hz(recording.name)

    def _treat(self, audio: Audio, kind: str, rng: np.random.Generator) -> Audio:
        """Each transform of the recipe with its own probability."""
        c = self.config
        if kind == "vocals":
            if chance(c.drive_p, rng):
                audio = overdrive(audio, rng)
            if chance(c.double_p, rng):
                audio = double(audio, rng, self.sample_rate_hz)
        elif chance(c.narrow_p, rng):
            audio = np.repeat(audio.mean(1, keepdims=True), 2, axis=1)
        if rng.random() < c.effect_p:
            wet_db = rng.uniform(-20, -2) if rng.random() < c.room_p else None
            audio = equalise_and_reverberate(audio, rng, self.sample_rate_hz, wet_db, c.bend_db)
        if kind == "vocals" and chance(c.echo_p, rng):
            audio = echo(audio, rng, self.sample_rate_hz)
        return audio

    def _read(self, recording: Recording, count: int, rng: np.random.Generator) -> Audio:
        """A random passage; one that is nearly silent is drawn again."""
        self.read.append(recording.name)
        for _ in range(self.config.tries):
            if self.config.sad:
                start = draw_start(self._passages[recording], count, rng)
            else:
                start = int(rng.integers(max(1, recording.num_samples - count)))
            audio = recording.read(start, count)
            if np.sqrt(np.mean(np.square(audio))) > 0.1 * recording.rms:
                break
        return audio


def band_limit_hz(name: str) -> float:
    """Highest frequency in a recording, by its name (`BAND_LIMIT`), so that its mixtures can end there; or infinite."""
    found = BAND_LIMIT.search(name)
    return float(found[1] or LOW_BAND_HZ) if found else np.inf


def fit(audio: Audio, count: int) -> Audio:
    """Cut `[n, 2]`, or pad it with silence, to `[count, 2]`."""
    out = np.zeros((count, 2), np.float32)
    out[: min(count, len(audio))] = audio[:count]
    return out
