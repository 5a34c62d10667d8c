"""`stemlive export`: write a checkpoint as an ONNX model that streams."""

import json
from pathlib import Path

import click

from stemlive.errors import UsageError


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
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def command(checkpoint: Path, output: Path, scores_file: Path | None, force: bool) -> None:
    """Write CHECKPOINT as an ONNX model with all that the runtime needs to know, and prove that it says the same.

    Nothing is written unless PyTorch on the whole signal, PyTorch frame by frame and ONNX Runtime frame by frame agree.
    """
    from stemlive.export.exporter import export_onnx

    scores = None
    if scores_file is not None:
        try:
            scores = json.loads(scores_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read the scores in {scores_file}: {error}") from error
    parity = export_onnx(checkpoint, output, scores=scores, force=force)
    click.echo(
        f"{output}: {output.stat().st_size / 1e6:.1f} MB; audio differs from whole-file PyTorch by at most "
        f"{parity.frame_by_frame:.1e} frame by frame, {parity.onnx:.1e} in ONNX Runtime"
    )
