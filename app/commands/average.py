"""`stemlive average`: average the weights of several checkpoints."""

from pathlib import Path

import click


@click.command()
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The checkpoint to write.",
)
@click.option("--half", is_flag=True, help="Store the weights in 16 bits; then one checkpoint will do.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def command(checkpoints: tuple[Path, ...], output: Path, half: bool, force: bool) -> None:
    """Write the mean of the weights of CHECKPOINTS that began with the same weights (`train --start-from`).

    Train from it in turn: as many runs as there are cores, with another seed each, need not wait for each other as the
    processes of one run do, and their mean is often better than each.
    """
    from stemlive.training.average import average_checkpoints

    average_checkpoints(list(checkpoints), output, half=half, force=force)
    click.echo(f"{output}: the mean of {len(checkpoints)} checkpoints" if len(checkpoints) > 1 else f"{output}")
