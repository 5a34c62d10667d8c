"""The reference for scoring: what can be scored in a song depends on the files that it has.

* A song without a bass file has its bass inside `other`: the two are judged together, as `bass+other`.
* With an `accompaniment` file only the voice and the accompaniment are judged, whatever other files there are.
* Any other stem without a file, or with a silent one, is silent: only what leaks into it is judged.
* So is a stem that stays below SILENCE_DBFS over the song, though it is part of the mixture: an error too quiet to be
  heard would be as loud as it is.
* The mixture is the song's `mixture` file, or else the sum of its stems.
* `accompaniment` is everything but the voice; it is judged where there is a voice to be taken out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from stemlive.errors import TrainingError
from stemlive.model.config import STEMS
from stemlive.training.layout import MIXTURE
from stemlive.training.recordings import Recording
from stemlive.training.scores import is_silent

REST = tuple(stem for stem in STEMS if stem != "vocals")


@dataclass(frozen=True)
class Reference:
    """One song. `tracks` `[C, n]` by target add up to `mixture`; `silent` names the stems known to be silent.

    `mixed` `[C, n]` is the song's own mixture, which may differ from that sum by a little (MUSDB18's `test`).
    """

    name: str
    sample_rate_hz: int
    tracks: dict[str, Tensor]
    silent: tuple[str, ...]
    mixed: Tensor | None = None

    @property
    def mixture(self) -> Tensor:
        """What is to be separated, `[C, n]`."""
        return torch.stack(list(self.tracks.values())).sum(0) if self.mixed is None else self.mixed

    @cached_property
    def quiet(self) -> tuple[str, ...]:
        """The tracks that are as good as silent, and not judged."""
        return tuple(name for name, track in self.tracks.items() if is_silent(track))

    @cached_property
    def targets(self) -> dict[str, Tensor]:
        """True signal of everything that is judged: the tracks, and the accompaniment if it is not one of them."""
        judged = {name: track for name, track in self.tracks.items() if name not in self.quiet}
        rest = [track for name, track in self.tracks.items() if name != "vocals"]
        if "vocals" not in judged or "accompaniment" in self.tracks or not rest:
            return judged
        accompaniment = torch.stack(rest).sum(0)
        return judged if is_silent(accompaniment) else {**judged, "accompaniment": accompaniment}

    def outputs(self, estimates: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of a model's or program's stems, the signal to judge for each target; targets that it lacks are left out.

        A target that the estimates do not name is the sum of its parts, if they have all of them; without those, the
        accompaniment is the mixture minus the voice, as a karaoke player would make it.
        """
        outputs: dict[str, Tensor] = {}
        for target in self.targets:
            parts: list[tuple[str, ...]] = [(target,), tuple(target.split("+"))]
            if target == "accompaniment":
                parts += [REST, tuple(name for name in self.tracks if name not in ("vocals", target))]
            for names in parts:
                if names and all(name in estimates for name in names):
                    outputs[target] = torch.stack([estimates[name] for name in names]).sum(0)
                    break
        if "accompaniment" in self.targets and "accompaniment" not in outputs and "vocals" in estimates:
            outputs["accompaniment"] = self.mixture - estimates["vocals"]
        return outputs

    def left_out(self, files: Collection[str]) -> tuple[str, ...]:
        """Those of a song's files that are as good as silent and so count in no average."""
        return tuple(stem for stem in (*self.silent, *self.quiet) if stem in files or stem in self.quiet)

    def with_late_voice(self, samples: int) -> "Reference":
        """The same song with the right side of its voice so many samples late, in the mixture too.

        Raises KeyError for a song without a voice.
        """
        voice = self.tracks["vocals"]
        wide = torch.stack([voice[0], functional.pad(voice[1], (samples, 0))[: voice.shape[-1]]])
        mixed = None if self.mixed is None else self.mixed + wide - voice
        return replace(self, tracks={**self.tracks, "vocals": wide}, mixed=mixed)

    def in_mono(self) -> "Reference":
        """The same song with the mean of its two sides on both of them, each track and the mixture."""
        tracks = {name: _mono(track) for name, track in self.tracks.items()}
        return replace(self, tracks=tracks, mixed=None if self.mixed is None else _mono(self.mixed))


def _mono(stereo: Tensor) -> Tensor:
    return stereo.mean(0, keepdim=True).expand_as(stereo)


def judged_files(song: Mapping[str, Recording]) -> dict[str, Recording]:
    """Those files of a song whose sum is the mixture."""
    kinds = ("vocals", "accompaniment") if "accompaniment" in song else STEMS
    return {kind: song[kind] for kind in kinds if kind in song}


def song_samples(song: Mapping[str, Recording], sample_rate_hz: int, seconds: float | None = None) -> int:
    """How many samples of a song are judged; `seconds` limits it to its beginning."""
    longest = max((recording.num_samples for recording in judged_files(song).values()), default=0)
    return longest if seconds is None else min(longest, int(seconds * sample_rate_hz))


def load_reference(
    song: Mapping[str, Recording], name: str, sample_rate_hz: int, seconds: float | None = None
) -> Reference:
    """Read a song; `seconds` limits it to its beginning. Raises TrainingError for a song without any stem."""
    files = judged_files(song)
    if not any(not recording.silent for recording in files.values()):
        raise TrainingError(f"song {name} has no stem: check the data")
    count = song_samples(files, sample_rate_hz, seconds)
    hidden_bass = "other" in files and "bass" not in files
    tracks = {
        "bass+other" if stem == "other" and hidden_bass else stem: torch.from_numpy(recording.read(0, count).T.copy())
        for stem, recording in files.items()
        if not recording.silent
    }
    possible = ("vocals",) if "accompaniment" in files else STEMS
    judged = {stem for track in tracks for stem in track.split("+")}
    silent = tuple(stem for stem in possible if stem not in judged)
    mixed = torch.from_numpy(song[MIXTURE].read(0, count).T.copy()) if MIXTURE in song else None
    return Reference(name, sample_rate_hz, tracks, silent, mixed)
