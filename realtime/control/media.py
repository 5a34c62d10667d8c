"""What a player shows to the desktop, and what the desktop may want of it."""

from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, Protocol

Act = Literal["play", "pause", "play-pause", "stop", "next", "previous", "raise", "quit", "seek", "go-to"]


@dataclass(frozen=True)
class Request:
    """What somebody wants: `value_s` is how far to seek, or where to go, in seconds."""

    act: Act
    value_s: float = 0.0


@dataclass(frozen=True)
class Playing:
    """What is shown to others. `number` is another one for each song; 0 while none is open."""

    number: int = 0
    plays: bool = False
    title: str = ""
    artists: tuple[str, ...] = ()
    path: Path | None = None
    length_s: float = 0.0
    has_next: bool = False


class Media(Protocol):
    """A player, as the objects on the bus see it from their thread."""

    now: Playing
    raises: bool
    requests: SimpleQueue[Request]

    @property
    def position_s(self) -> float:
        """Where the song is now."""
        ...
