"""Draw the next song or recording: a source by its weight, then an item of the source."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")

_SERIES = re.compile(r"([^-]*[^\s-])-[^\s-]")


class WeightedDraw(Generic[Item]):
    """Draws a source, with probability proportional to weight times the square root of its size, then one of its items.

    The square root keeps a folder of a thousand clips from dominating ten songs. A source of weight 0 is never drawn.
    """

    def __init__(self, sources: Mapping[str, Sequence[Item]], weights: Mapping[str, float]) -> None:
        """`weights` are by the name of a source; 1 for sources not named."""
        share = {name: weights.get(name, 1.0) * len(items) ** 0.5 for name, items in sources.items()}
        self._items = [items for name, items in sources.items() if share[name] > 0]
        probabilities = np.array([value for value in share.values() if value > 0])
        self._probabilities = probabilities / probabilities.sum() if len(probabilities) else probabilities

    def __bool__(self) -> bool:
        """Whether there is an item to draw."""
        return bool(self._items)

    def draw(self, rng: np.random.Generator) -> Item:
        """Draw the next item; there must be one."""
        items = self._items[int(rng.choice(len(self._items), p=self._probabilities))]
        return items[int(rng.integers(len(items)))]


def song_sources(songs: Iterable[str]) -> dict[str, list[str]]:
    """Songs by source: `song/` and the name, so that all songs are drawn alike; the songs of a series are one source.

    A series is what stands before a hyphen without blanks around it: `composed-000-00017` and `composed-000-00018` are
    both `song/composed`, while `Artist - Title`, as MUSDB18 names its songs, is a source of its own.
    """
    sources: dict[str, list[str]] = {}
    for song in sorted(songs):
        series = _SERIES.match(song)
        sources.setdefault(f"song/{series[1] if series else song}", []).append(song)
    return sources
