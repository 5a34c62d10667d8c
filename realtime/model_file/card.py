"""The card of a model file, as plain values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemlive.realtime.model_file.bundled import DEFAULT_MODEL, SONG_MODEL, bundled_models
from stemlive.realtime.model_file.session import Session


@dataclass(frozen=True)
class ModelCard:
    """One model file; what `stemlive models --json` prints."""

    name: str
    """The name that `model` arguments accept, for a bundled model."""
    file: str
    default: bool
    """Whether it is the default for devices and pipes."""
    song_default: bool
    """Whether it is the default for songs that are files."""
    description: str
    stems: list[str]
    latency_ms: float
    """Delay of the separation at the model's sample rate."""
    sample_rate_hz: int
    preset: str
    size_bytes: int
    parameters: int
    licence: str
    terms: str
    """Conditions on using the model, such as that it is not for commercial use; empty if there are none."""
    training_data: list[Any]
    hours: Any
    speed: dict[str, Any]
    scores: dict[str, Any]


def list_models() -> list[ModelCard]:
    """Return the cards of the bundled models, by name. Loads each, which takes about a second."""
    return [read_card(name) for name in bundled_models()]


def read_card(model: str | Path) -> ModelCard:
    """Read the card of a bundled model or a file. ModelError as in Session."""
    return card_of(Session(model))


def card_of(session: Session) -> ModelCard:
    """Return the card of a model that is loaded."""
    info = session.info
    return ModelCard(
        name=session.name,
        file=str(session.path),
        default=session.name == DEFAULT_MODEL,
        song_default=session.name == SONG_MODEL,
        description=info.card["description"],
        stems=list(info.stems),
        latency_ms=1000 * info.latency_samples / info.sample_rate_hz,
        sample_rate_hz=info.sample_rate_hz,
        preset=info.preset,
        size_bytes=session.path.stat().st_size,
        parameters=info.parameters,
        licence=info.licence,
        terms=info.card.get("terms", ""),
        training_data=info.card["training_data"],
        hours=info.card["hours"],
        speed=info.card.get("speed", {}),
        scores=info.card["scores"],
    )
