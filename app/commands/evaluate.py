"""`stemlive evaluate`: score a model, a checkpoint or another program's stems on songs whose stems are known."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stemlive.errors import MissingFileError, TrainingError, UsageError, check_exists
from stemlive.options import (
    Weights,
    beginning_option,
    cache_option,
    check_passes,
    echo_json,
    inference_options,
    json_option,
    model_option,
    passes_option,
    progress,
    songs_options,
    tell_terms,
    threads_option,
)
from stemlive.score_names import LONG_PLAY, SCORES, score_rows

if TYPE_CHECKING:
    from torch import Tensor

    from stemlive.realtime.model_file.metadata import ModelInfo
    from stemlive.training.estimates import Estimator

ESTIMATES_RATE_HZ = 44100
_NAME_WIDTH = 46


@click.command()
@click.argument("recipe", required=False, type=click.Path(dir_okay=False, path_type=Path))
@songs_options
@model_option
@click.option(
    "--checkpoint",
    type=Weights(),
    help="Weights that `train` wrote: a checkpoint, or the folder of a run, whose best ones are taken.",
)
@click.option(
    "--estimates",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with <song>/<stem>.wav (flac, ogg) that any program has written, `accompaniment` among the stems.",
)
@passes_option
@inference_options
@beginning_option
@click.option(
    "--long-play",
    "minutes",
    metavar="MINUTES",
    type=click.FloatRange(1, 1440),
    help="Then play the songs on for so long without a pause, and score the last minute, and the same begun afresh.",
)
@click.option(
    "--late-voice",
    "late_ms",
    metavar="MS",
    multiple=True,
    type=click.FloatRange(0.1, 100),
    help="Score the songs again with the right side of the voice so late, as widened voices are; may be given often.",
)
@click.option(
    "--mono",
    "in_mono",
    is_flag=True,
    help="Score the songs again mixed down to mono, where only its sound tells a voice.",
)
@click.option(
    "--backing-voices",
    "backing",
    is_flag=True,
    help="Give each song backing voices left and right, and tell how much of them and of the lead karaoke keeps.",
)
@click.option(
    "--by-frequency",
    "octaves",
    is_flag=True,
    help="Tell in which octaves the errors are: share of each target's error, and uSDR there.",
)
@cache_option
@json_option("Print the scores as JSON.")
@threads_option
def command(
    *,
    recipe: Path | None,
    roots: tuple[Path, ...],
    split: str,
    model: str | None,
    checkpoint: Path | None,
    estimates: Path | None,
    passes: int,
    method: str | None,
    hop_s: float,
    seconds: float | None,
    minutes: float | None,
    late_ms: tuple[float, ...],
    in_mono: bool,
    backing: bool,
    octaves: bool,
    cache: Path,
    as_json: bool,
    threads: int,
) -> None:
    """Score stems in dB, song by song and on average, next to the mixture and an ideal ratio mask.

    Scored are the bundled model, or the best weights of a RECIPE's run in the folder runs, or what one of --model,
    --checkpoint and --estimates names. Of a recipe that was not run here, the bundled model of that name is.

    The yardstick is the one number to choose by: the mean over songs of the mean uSDR of their stems, over the songs
    whose four stems are known or, where there are none, over all. A stem below -60 dBFS counts in no average.

    uSDR is the signal-to-distortion ratio of whole songs, its average the mean; cSDR is museval's: the median over
    seconds, then over songs. Leakage is the energy of an estimate where the true stem is silent, against the mixture
    there; vocal bleed that of the voice left in the accompaniment, against the voice, where it sings: lower is better.

    A song without a bass file has its bass inside `other`, and the two are scored as `bass+other`. `accompaniment` is
    everything but the voice, and the only other score of a song that has such a file. Separated is the `mixture` file,
    or the sum of the stems where there is none. A folder without `valid`, as MUSDB18-HQ is, has as its split `valid`
    the official validation songs of its `train`, and these never count as `train`.
    """
    if sum(choice is not None for choice in (recipe, model, checkpoint, estimates)) > 1:
        raise UsageError("name one of RECIPE, --model, --checkpoint and --estimates")
    model, checkpoint = weights_of(recipe) if recipe is not None else (model, checkpoint)
    options: dict[str, object] = {
        "--passes": passes > 1,
        "--inference": method,
        "--long-play": minutes,
        "--late-voice": late_ms,
    }
    options |= {"--mono": in_mono, "--backing-voices": backing, "--by-frequency": octaves}
    for option, value in options.items():
        if estimates is not None and value:
            raise UsageError(f"{option} is about running a model: leave it out with --estimates")
    check_passes(passes, checkpoint)
    check_exists(*roots, estimates)

    from stemlive.training.estimates import estimates_in
    from stemlive.training.evaluate import judge_songs, report, torch_estimator
    from stemlive.training.long_play import long_play
    from stemlive.training.probes import backing_voices, by_frequency, late_voice, mono
    from stemlive.training.sources import scan

    rate_hz, preset = ESTIMATES_RATE_HZ, "offline"
    about: dict[str, Any]
    if estimates is not None:
        estimator = estimates_in(estimates, rate_hz, seconds is None)
        about = {"estimates": str(estimates)}
    elif checkpoint is not None:
        estimator, network, taken = torch_estimator(checkpoint, method, hop_s)
        rate_hz, preset = network.config.sample_rate_hz, network.config.preset
        about = {"checkpoint": str(checkpoint), "inference": taken}
    else:
        estimator, info, name = onnx_estimator(model, threads, method or "stream", hop_s, passes)
        rate_hz, preset = info.sample_rate_hz, info.preset
        about = {"model": name, "inference": method or "stream", "passes": passes}
    if about.get("inference") == "overlap-add":
        about["hop_s"] = hop_s

    songs = scan(list(roots), cache, rate_hz, split, scoring=True).songs
    scored = []
    with progress("songs", len(songs)) as advance:
        for song in judge_songs(songs, estimator, rate_hz, preset=preset, seconds=seconds):
            scored.append(song)
            advance(1)
    if not scored:
        raise TrainingError(f"no song of {split} has estimates: check --estimates and --split")
    result = report(scored, split, seconds, **about, oracle_preset=preset)
    if minutes is not None:
        result["long_play"] = asdict(long_play(songs, estimator, rate_hz, minutes))
    result["late_voice"] = [asdict(late_voice(songs, estimator, rate_hz, ms, seconds)) for ms in late_ms]
    result["mono"] = mono(songs, estimator, rate_hz, seconds) if in_mono else None
    result["backing_voices"] = asdict(backing_voices(songs, estimator, rate_hz, seconds)) if backing else None
    rows = by_frequency(songs, estimator, rate_hz, seconds) if octaves else []
    result["by_frequency"] = [asdict(row) for row in rows]
    if as_json:
        echo_json(result)
        return
    for line in lines(result):
        click.echo(line)


def weights_of(recipe: Path) -> tuple[str | None, Path | None]:
    """Return the bundled model of a recipe's name, or the checkpoint of its run, where there is one."""
    from stemlive.realtime.model_file.bundled import bundled_models
    from stemlive.training.recipe import find_recipe, run_of

    recipe = find_recipe(recipe)
    run = Weights().convert(run_of(recipe), None, None)
    if run.is_file():
        return None, run
    if recipe.stem in bundled_models():
        return recipe.stem, None
    raise MissingFileError(f"no weights of {recipe.stem} yet: train them, or name their folder by --checkpoint")


def lines(result: dict[str, Any]) -> list[str]:
    """Return the report as text: a table of songs each for uSDR and cSDR, and averages for each kind of songs."""
    columns = list(result["average"])
    table: list[tuple[str, list[float | str | None]]] = []
    for score in ("usdr_db", "csdr_db"):
        table.append((f"{SCORES[score]}, dB", [*columns]))
        table += [(n, [cells.get(c, {}).get(score) for c in columns]) for n, cells in result["songs"].items()]
        table.append(("", []))
    kinds = list(result["kinds"].values())
    for kind, average in result["groups"].items():
        table.append((f"{kind} ({kinds.count(kind)}), dB", [*columns]))
        table += [(title, [*values]) for title, values in score_rows(average, columns)]
        table.append(("", []))
    table.pop()
    if played := result.get("long_play"):
        table.append(("", []))
        table.append((f"uSDR after {played['minutes']:g} minutes, dB", [*columns]))
        table += [(title, [played[key].get(c) for c in columns]) for key, title in LONG_PLAY.items()]
    if late := result.get("late_voice"):
        table.append(("", []))
        table.append(("voice's right side late, dB", [*columns]))
        table += [(f"uSDR at {row['late_ms']:g} ms", [row["usdr_db"].get(c) for c in columns]) for row in late]
    if in_mono := result.get("mono"):
        table.append(("", []))
        table.append(("mixed down to mono, dB", [*columns]))
        table.append(("uSDR", [in_mono.get(c) for c in columns]))
    if shares := result.get("backing_voices"):
        table.append(("", []))
        table.append(("left in the accompaniment, dB", ["lead", "backing"]))
        table.append(("of voices", [shares["lead_db"], shares["backing_db"]]))
    if octaves := result.get("by_frequency"):
        for key, title in (("error_share", "share of the error"), ("usdr_db", "uSDR, dB")):
            table.append(("", []))
            table.append((f"{title}, by frequency", [*columns]))
            table += [(f"below {row['top_hz']:.0f} Hz", [row[key].get(c) for c in columns]) for row in octaves]
    text = [f"{title:<{_NAME_WIDTH}}{''.join(f'{_text(value):>15}' for value in row)}".rstrip() for title, row in table]
    return [*text, "", *result["summary"]]


def _text(value: float | str | None) -> str:
    return "-" if value is None else value if isinstance(value, str) else f"{value:.2f}"


def onnx_estimator(
    model: str | None, threads: int, method: str, hop_s: float, passes: int = 1
) -> "tuple[Estimator, ModelInfo, str]":
    """Return an estimator that runs an ONNX model as in live use, its metadata and its name."""
    import numpy as np
    import torch

    from stemlive.realtime.model_file.session import Session
    from stemlive.realtime.separation.passes import Passes
    from stemlive.training.inference import SEGMENTS, overlap_add, separate_pieces

    sessions = [Session(model, threads=threads) for _ in range(passes)]
    info = sessions[0].info
    tell_terms(info.terms_line)
    separator = Passes(sessions)
    block = 64 * info.hop_samples

    def separate(mixture: "Tensor") -> "Tensor":
        audio = mixture.T.numpy()
        blocks = (audio[start : start + block] for start in range(0, len(audio), block))
        stems = np.concatenate(list(separator.separate(blocks)), axis=1)  # [S, n, C]
        return torch.from_numpy(stems).transpose(1, 2)

    def estimate(_: str, mixture: "Tensor") -> "dict[str, Tensor]":
        if method == "stream":
            stems = separate(mixture)
        else:
            pieces = SEGMENTS if method == "segments" else overlap_add(hop_s)
            stems = separate_pieces(separate, mixture, pieces, info.sample_rate_hz)
        return dict(zip(separator.stems, stems, strict=True))

    return estimate, info, sessions[0].name
