"""`stemlive evaluate`: score a checkpoint on songs whose stems are known."""

import json
from pathlib import Path

import click

from stemlive.errors import UsageError


@click.command()
@click.option(
    "--checkpoint",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Weights that `train` wrote.",
)
@click.option(
    "--data",
    "roots",
    multiple=True,
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with <split>/<song>/<stem> audio files; may be given several times.",
)
@click.option("--split", default="valid", show_default=True, help="Which part of the data.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Only the beginning of each song.")
@click.option(
    "--cache",
    default=Path("~/.cache/stemlive"),
    type=click.Path(file_okay=False, path_type=Path),
    show_default=True,
)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the scores here too.")
def command(
    checkpoint: Path,
    roots: tuple[Path, ...],
    split: str,
    seconds: float | None,
    cache: Path,
    json_file: Path | None,
) -> None:
    """Print the uSDR in dB of every stem and song, next to that of the unprocessed mixture.

    A song without a bass file has its bass inside `other`, and the two are scored as `bass+other`. `accompaniment` is
    everything but the voice.
    """
    from stemlive.training.evaluate import evaluate_checkpoint

    for path in roots:
        if not path.exists():
            raise UsageError(f"{path} does not exist: check --data")
    report = evaluate_checkpoint(checkpoint, list(roots), split, cache.expanduser(), seconds)
    columns = list(report["average"])
    click.echo(f"uSDR in dB, estimate (mixture){'':10}" + "".join(f"{name:>18}" for name in columns))
    for song, row in [*report["songs"].items(), ("average", report["average"])]:
        cells = [row.get(name) for name in columns]
        texts = [f"{cell['usdr_db']:.2f} ({cell['mixture_db']:.2f})" if cell else "-" for cell in cells]
        click.echo(f"{song:<40}" + "".join(f"{text:>18}" for text in texts))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
