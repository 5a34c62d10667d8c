"""`stemlive models`: list the bundled models and their cards."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from stemlive import model_card
from stemlive.model_card import text

if TYPE_CHECKING:
    from stemlive.realtime.model_file.card import ModelCard


@click.command("models")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(model: str | None, as_json: bool) -> None:
    """List the bundled models, or print the card of one in Markdown.

    Each with its stems, latency, size, licence, training data and scores. MODEL is a name from this list or an .onnx
    file.
    """
    from stemlive.realtime.model_file.card import list_models, read_card

    if model is not None:
        if as_json:
            click.echo(json.dumps(asdict(read_card(model)), indent=2))
        else:
            click.echo(markdown(model), nl=False)
        return
    cards = list_models()
    if as_json:
        click.echo(json.dumps([asdict(card) for card in cards], indent=2))
    elif cards:
        click.echo("\n\n".join("\n".join(_lines(card)) for card in cards))
    else:
        click.echo("no model comes with this installation: make one with `stemlive export`", err=True)


def markdown(model: str) -> str:
    """Return the card of a bundled model or a file in Markdown. ModelError as in Session."""
    from stemlive.realtime.model_file.session import Session

    session = Session(model)
    return model_card.markdown(session.info, session.path.stat().st_size)


def _lines(card: "ModelCard") -> list[str]:
    """Return a card as lines of text."""
    rows = [
        *([("", card.description)] if card.description else []),
        ("stems", ", ".join(card.stems)),
        ("latency", f"{card.latency_ms:.1f} ms at {card.sample_rate_hz} Hz (preset {card.preset})"),
        ("size", f"{card.size_bytes / 1e6:.1f} MB, {card.parameters:,} parameters"),
        ("licence", card.licence),
        *([("terms", card.terms)] if card.terms else []),
        ("hours", text(card.hours)),
        ("trained on", text(card.training_data) or "not stated"),
        ("uSDR, dB", text(_average(card.scores)) or "not measured"),
    ]
    title = card.name + (" (default)" if card.default else "")
    return [title, *(f"  {label:<12}{text}" if label else f"  {text}" for label, text in rows)]


def _average(scores: dict[str, Any]) -> dict[str, str]:
    """Return each stem's mean score and that of the mixture as text, from a report of `stemlive evaluate`."""
    cells = scores.get("average", {})
    return {
        stem: f"{cell['usdr_db']:.2f} (mixture {cell['mixture_db']:.2f})"
        for stem, cell in cells.items()
        if "usdr_db" in cell  # a stem that no song has is scored by its leakage alone
    }
