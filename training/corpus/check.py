"""Measure training audio: level, clipping, silence, bandwidth, and whether a stem sounds like its label.

The last is a model's judgement: the share of a recording's energy that a separator puts into the stem that the folder
names. It says nothing certain about one recording, but a source far below the others of its kind is worth a listen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from stemlive.model.bsrnn import BSRNN
from stemlive.model.config import STEMS
from stemlive.model.framing import Framing
from stemlive.training.inference import separate_whole
from stemlive.training.recordings import Numbers, Recording
from stemlive.training.sources import Sources

FULL_SCALE = 32767
CLIPPED_RUN = 3  # consecutive samples at full scale; fewer may be a genuine peak
SILENT_DB = -60.0
BLOCK_S = 0.1
BANDWIDTH_SHARE = 0.9999  # of the energy lies below the frequency that is called the bandwidth


@dataclass(frozen=True)
class RecordingCheck:
    """What was measured in one recording.

    level_db: RMS of its louder parts, dBFS.
    clipped: share of samples that are clipped.
    silent: share of blocks of 0.1 s below -60 dBFS.
    bandwidth_hz: frequency below which 99.99 % of the energy of its loudest second lies.
    heard: share of the energy that the model puts where the label says; None where no model listened.
    """

    kind: str
    source: str
    name: str
    seconds: float
    level_db: float
    clipped: float
    silent: float
    bandwidth_hz: float
    heard: float | None


@dataclass(frozen=True)
class SourceCheck:
    """All recordings of one kind from one source: hours, medians of level and bandwidth, means of the shares."""

    kind: str
    source: str
    recordings: int
    hours: float
    level_db: float
    clipped: float
    silent: float
    bandwidth_hz: float
    heard: float | None


def check_sources(
    sources: Sources, sample_rate_hz: int, model: BSRNN | None = None, listen_s: float = 6.0
) -> Iterator[RecordingCheck]:
    """Measure every recording; the model, if there is one, listens to `listen_s` seconds around its loudest part."""
    framing = Framing(model.config.framing) if model else None
    for kind, source, recording in every_recording(sources):
        data = recording.numbers()
        block_db = _block_levels_db(data, recording.step, round(BLOCK_S * sample_rate_hz))
        heard = None
        if model and framing:
            start = max(0, int(block_db.argmax() * BLOCK_S * sample_rate_hz - listen_s * sample_rate_hz / 2))
            passage = recording.read(start, min(len(data) - start, round(listen_s * sample_rate_hz)))
            heard = _heard(model, framing, kind, passage)
        yield RecordingCheck(
            kind,
            source,
            recording.name,
            len(data) / sample_rate_hz,
            float(20 * np.log10(recording.rms)),
            _clipped_share(data),
            float((block_db < SILENT_DB).mean()),
            _bandwidth_hz(data, sample_rate_hz, int(block_db.argmax())),
            heard,
        )


def every_recording(sources: Sources) -> Iterator[tuple[str, str, Recording]]:
    """Kind, source and recording; songs are of the source `song/` and their name up to the first hyphen."""
    for kind, pools in sources.pools.items():
        for source, recordings in sorted(pools.items()):
            for recording in recordings:
                yield kind, source, recording
    for song, stems in sorted(sources.songs.items()):
        for kind, recording in stems.items():
            hidden_bass = kind == "other" and "bass" not in stems
            yield "bass+other" if hidden_bass else kind, f"song/{song.split('-')[0]}", recording


def summarise(checks: list[RecordingCheck]) -> list[SourceCheck]:
    """One line per kind and source, in that order."""
    grouped: dict[tuple[str, str], list[RecordingCheck]] = {}
    for check in checks:
        grouped.setdefault((check.kind, check.source), []).append(check)
    return [
        SourceCheck(
            kind,
            source,
            len(group),
            sum(check.seconds for check in group) / 3600,
            float(np.median([check.level_db for check in group])),
            float(np.mean([check.clipped for check in group])),
            float(np.mean([check.silent for check in group])),
            float(np.median([check.bandwidth_hz for check in group])),
            float(np.mean(shares)) if (shares := [c.heard for c in group if c.heard is not None]) else None,
        )
        for (kind, source), group in sorted(grouped.items())
    ]


def _block_levels_db(data: Numbers, step: float, block: int) -> npt.NDArray[np.float64]:
    """Level of each block in dBFS; a recording shorter than one is one block."""
    count = max(1, len(data) // block)
    power = [np.square(part.astype(np.float32) * step).mean() for part in np.array_split(data, count)]
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))


def _clipped_share(data: Numbers) -> float:
    """Share of the samples that stand at full scale in a run of CLIPPED_RUN or more, over all channels."""
    full = np.abs(data.astype(np.int32)) >= FULL_SCALE
    inside = full.copy()
    for shift in range(1, CLIPPED_RUN):
        inside[:-shift] &= full[shift:]
        inside[len(inside) - shift :] = False
    run = inside.copy()
    for shift in range(1, CLIPPED_RUN):
        run[shift:] |= inside[:-shift]
    return float(run.mean())


def _bandwidth_hz(data: Numbers, sample_rate_hz: int, loudest: int) -> float:
    """Bandwidth of the second around block `loudest`."""
    start = max(0, int((loudest * BLOCK_S - 0.5) * sample_rate_hz))
    part = data[start : start + sample_rate_hz].astype(np.float32)
    spectrum = np.square(np.abs(np.fft.rfft(part * np.hanning(len(part))[:, None], axis=0))).sum(-1).cumsum()
    if spectrum[-1] == 0:
        return 0.0
    return float(np.searchsorted(spectrum, BANDWIDTH_SHARE * spectrum[-1]) * sample_rate_hz / len(part))


def _heard(model: BSRNN, framing: Framing, kind: str, passage: npt.NDArray[np.float32]) -> float | None:
    """Share of the separated energy in the stems that `kind` names; for accompaniment, in all but the voice."""
    wanted = [stem for stem in STEMS if stem != "vocals"] if kind == "accompaniment" else kind.split("+")
    stems = separate_whole(model, framing, torch.from_numpy(passage.T.copy()))
    energy = dict(zip(model.config.stems, stems.square().sum((1, 2)).tolist(), strict=True))
    total = sum(energy.values())
    return sum(energy.get(stem, 0.0) for stem in wanted) / total if total > 0 else None
