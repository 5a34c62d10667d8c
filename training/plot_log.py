"""A picture of a run's log: the yardstick, uSDR per target and the loss over the hours of audio heard.

python -m stemlive.training.plot_log runs/live/log.csv live.png
"""

import csv
from pathlib import Path

import click

from stemlive.errors import TrainingError
from stemlive.whole_file import whole_file

PROGRESS = (
    "step",
    "audio_s",
    "wall_s",
    "processor_s",
    "best_db",  # as runs called it before there was a yardstick
    "best_yardstick_db",
    "unimproved",
    "before_audio_s",
    "before_wall_s",
    "loss",
    "rate",
)
"""Columns of the log that are no scores."""


def read_log(path: Path) -> tuple[list[float], dict[str, list[float]]]:
    """Hours of audio heard at each validation, and per column its values there (nan where it has none).

    The hours are all that the weights have heard, those included that the run began with.

    Raises TrainingError for what is no log of a run.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        hours = [(float(row["audio_s"]) + float(row.get("before_audio_s") or 0)) / 3600 for row in rows]
        columns = [name for name in (rows[0] if rows else ()) if name == "loss" or name not in PROGRESS]
        return hours, {name: [float(row[name] or "nan") for row in rows] for name in columns}
    except (OSError, KeyError, ValueError) as error:
        raise TrainingError(f"{path} is not the log.csv of a run: {error}") from error


def draw(path: Path, picture: Path) -> None:
    """Draw the log into a PNG, which is whole or not there. Raises TrainingError for a log without a validation."""
    from matplotlib.figure import Figure

    hours, columns = read_log(path)
    if not hours:
        raise TrainingError(f"{path} has no validation yet: train on, with songs to validate by")
    figure = Figure(figsize=(11, 5), layout="constrained")
    scores, losses = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for name in (name for name in columns if name != "loss"):
        scores.plot(hours, columns[name], "o-", label=f"{name} {columns[name][-1]:.2f} dB")
    scores.set_ylabel("yardstick and uSDR, dB")
    scores.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    losses.plot(hours, columns["loss"], "o-", color="black")
    losses.set_ylabel("loss")
    losses.set_xlabel("hours of audio heard")
    for axes in (scores, losses):
        axes.grid(alpha=0.3)
    with whole_file(picture) as part:
        figure.savefig(part, dpi=100, format="png")


@click.command()
@click.argument("log", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
def main(log: Path, picture: Path) -> None:
    """Draw the log.csv of a run into PICTURE (PNG); a picture that is there is replaced."""
    try:
        draw(log, picture)
    except TrainingError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
