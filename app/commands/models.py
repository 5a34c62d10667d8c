"""`stemlive models`: list the bundled models and their cards."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from stemlive import model_card
from stemlive.model_card import text


@dataclass(frozen=True)
class ModelCard:
    """One model file, as `stemlive models --json` prints it."""

    name: str
    file: str
    default: bool
    description: str
    stems: list[str]
    latency_ms: float
    sample_rate_hz: int
    preset: str
    size_bytes: int
    parameters: int
    licence: str
    training_data: list[Any]
    hours: Any
    speed: dict[str, Any]
    scores: dict[str, Any]

    def lines(self) -> list[str]:
        """Return the card as lines of text."""
        rows = [
            *([("", self.description)] if self.description else []),
            ("stems", ", ".join(self.stems)),
            ("latency", f"{self.latency_ms:.1f} ms at {self.sample_rate_hz} Hz (preset {self.preset})"),
            ("size", f"{self.size_bytes / 1e6:.1f} MB, {self.parameters:,} parameters"),
            ("licence", self.licence),
            ("hours", text(self.hours)),
            ("trained on", text(self.training_data) or "not stated"),
            ("uSDR, dB", text(_average(self.scores)) or "not measured"),
        ]
        title = self.name + (" (default)" if self.default else "")
        return [title, *(f"  {label:<12}{text}" if label else f"  {text}" for label, text in rows)]


@click.command("models")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(model: str | None, as_json: bool) -> None:
    """List the bundled models, or print the card of one in Markdown.

    Each with its stems, latency, size, licence, training data and scores. MODEL is a name from this list or an .onnx
    file.
    """
    from stemlive.realtime.model_file.bundled import bundled_models, resolve_model

    if model is not None:
        path = resolve_model(model)
        if as_json:
            click.echo(json.dumps(asdict(read_card(path)), indent=2))
        else:
            click.echo(markdown(path), nl=False)
        return
    cards = [read_card(path) for path in bundled_models()]
    if as_json:
        click.echo(json.dumps([asdict(card) for card in cards], indent=2))
    elif cards:
        click.echo("\n\n".join("\n".join(card.lines()) for card in cards))
    else:
        click.echo("no model comes with this installation: make one with `stemlive export`", err=True)


def markdown(path: Path) -> str:
    """Return the card of a model file in Markdown. ModelError as in Session."""
    from stemlive.realtime.model_file.session import Session

    return model_card.markdown(Session(path).info, path.stat().st_size)


def read_card(path: Path) -> ModelCard:
    """Read the card of a model file. ModelError as in Session."""
    from stemlive.realtime.model_file.bundled import DEFAULT_MODEL
    from stemlive.realtime.model_file.session import Session

    info = Session(path).info
    return ModelCard(
        name=path.stem,
        file=str(path),
        default=path.stem == DEFAULT_MODEL,
        description=info.card["description"],
        stems=list(info.stems),
        latency_ms=1000 * info.framing.latency_samples / info.sample_rate_hz,
        sample_rate_hz=info.sample_rate_hz,
        preset=info.preset,
        size_bytes=path.stat().st_size,
        parameters=info.parameters,
        licence=info.licence,
        training_data=info.card["training_data"],
        hours=info.card["hours"],
        speed=info.card.get("speed", {}),
        scores=info.card["scores"],
    )


def _average(scores: dict[str, Any]) -> dict[str, str]:
    """Return each stem's mean score and that of the mixture as text, from a report of `stemlive evaluate`."""
    cells = scores.get("average", {})
    return {
        stem: f"{cell['usdr_db']:.2f} (mixture {cell['mixture_db']:.2f})"
        for stem, cell in cells.items()
        if "usdr_db" in cell  # a stem that no song has is scored by its leakage alone
    }
