"""`stemlive export`: write a checkpoint as an ONNX model that streams."""

import json
from pathlib import Path
from typing import Any

import click

from stemlive.errors import UsageError, check_exists


@click.command()
@click.argument("checkpoint", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The .onnx file to write.",
)
@click.option(
    "--scores",
    "scores_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file of `stemlive evaluate` to put on the model's card.",
)
@click.option(
    "--speed",
    "speed_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file of `stemlive bench --json`, for the card too.",
)
@click.option(
    "--framing",
    metavar="PRESET",
    help="Run the weights in another framing than that of their training, one with an equal analysis window: `live` "
    "ones in `low` answer in half the time, for twice the work and some of the quality.",
)
@click.option(
    "--turns",
    type=int,
    metavar="N",
    help="Hear the mixture N times, its phases turned by equal parts of a circle, and take the mean of the answers: 2 "
    "(as it is, and inverted) is what is bundled. Better without training; takes longer.",
)
@click.option(
    "--card",
    "card_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Take name, description, licence and training data from the [card] of this recipe, not of the one trained by.",
)
@click.option(
    "--bits",
    type=click.Choice(["5", "8", "16", "32"]),
    help="Bits in which weights are stored, by default 16; they are computed with in 32. 8 are a whole number times a "
    "scale, and half the size. 5 (with --int8) are smaller numbers, three in 16 bits: what is bundled has them.",
)
@click.option(
    "--int8",
    is_flag=True,
    help="Compute in 8 bits, too, which reads a quarter of the memory: what is bundled does.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def command(
    checkpoint: Path,
    output: Path,
    scores_file: Path | None,
    speed_file: Path | None,
    framing: str | None,
    turns: int | None,
    card_file: Path | None,
    bits: str | None,
    int8: bool,
    force: bool,
) -> None:
    """Write CHECKPOINT as an ONNX model with all that the runtime needs to know, and prove that it says the same.

    CHECKPOINT is weights.pt of a run, or an exported model (.onnx). Weights are stored in more bits than asked for
    where the audio would change by more than -25 dB (5 bits), -35 dB (8) or -60 dB (16). Nothing is written unless
    PyTorch on the whole signal, PyTorch frame by frame and ONNX Runtime frame by frame agree.
    """
    if int8 and bits in ("16", "32"):
        raise UsageError(f"--int8 computes in 8 bits, and --bits {bits} stores more: give one")
    if bits == "5" and not int8:
        raise UsageError("--bits 5 is for models that compute in 8 bits: give --int8, too")
    from stemlive.export.exporter import ROUNDING_LIMITS_DB, export_onnx
    from stemlive.training.recipe import read_recipe

    scores, speed = (_read_json(path) for path in (scores_file, speed_file))
    wanted = int(bits or (8 if int8 else 16))
    parity = export_onnx(
        checkpoint,
        output,
        scores=scores,
        speed=speed,
        card=read_recipe(card_file).card if card_file else None,
        framing=framing,
        turns=turns,
        bits=wanted,
        int8=int8,
        force=force,
    )
    if parity.bits > wanted:
        computed = " nor computed in" if int8 and parity.bits > 8 else ""
        limit_db = ROUNDING_LIMITS_DB[wanted]
        click.echo(
            f"not stored in{computed} {wanted} bits: that changes the audio by more than {limit_db:.0f} dB", err=True
        )
    change = "" if parity.rounding_db is None else f" (rounding changes the audio by {parity.rounding_db:.0f} dB)"
    click.echo(
        f"{output}: {output.stat().st_size / 1e6:.1f} MB, weights in {parity.bits} bits{change}; audio differs from "
        f"whole-file PyTorch by at most {parity.frame_by_frame:.1e} frame by frame, {parity.onnx:.1e} in ONNX Runtime"
    )


def _read_json(path: Path | None) -> dict[str, Any] | None:
    """Read the JSON object that another command has written; None for no file. UsageError for anything else."""
    if path is None:
        return None
    check_exists(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} holds no JSON object: give the file that `stemlive evaluate` or `bench` wrote")
    return value
