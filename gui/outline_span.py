"""Which part of the song its outline shows: all of it, or a zoomed part that follows the position."""

_CLOSEST_S = 4.0
_AHEAD_SHARE = 0.9
"""Where on the outline the position may be before the part moves on, and how much of it lies ahead then."""


class Span:
    """A part from `first_s` to `last_s` of a song of `length_s` seconds."""

    def __init__(self) -> None:
        self.length_s = self.first_s = self.last_s = 0.0
        self._before_s = 0.0

    @property
    def whole(self) -> bool:
        """Whether it is all of the song."""
        return self.last_s - self.first_s >= self.length_s

    def set_length(self, length_s: float) -> None:
        """Show all of a song, or keep the part if the length has changed a little."""
        if self.whole or not length_s:
            self.first_s, self.last_s = 0.0, length_s
        self.length_s = length_s
        self._move(self.first_s, self.last_s - self.first_s)

    def zoom(self, factor: float, about_s: float) -> bool:
        """Show a part `factor` times as short, with `about_s` where it was; return whether that changed anything."""
        before = (self.first_s, self.last_s)
        width = self.last_s - self.first_s
        closer = min(self.length_s, max(min(_CLOSEST_S, self.length_s), width / factor))
        share = (about_s - self.first_s) / width if width else 0.0
        self._move(about_s - share * closer, closer)
        return (self.first_s, self.last_s) != before

    def scroll(self, share: float) -> bool:
        """Move on by a share of the part, back if it is negative; return whether that changed anything."""
        before, width = self.first_s, self.last_s - self.first_s
        self._move(self.first_s + share * width, width)
        return self.first_s != before

    def follow(self, position_s: float) -> bool:
        """Turn the page when the position leaves the part; return whether it was turned."""
        width, before_s = self.last_s - self.first_s, self._before_s
        self._before_s = position_s
        was_inside = self.first_s <= before_s <= self.last_s
        edge_s = self.last_s if self.last_s >= self.length_s else self.first_s + _AHEAD_SHARE * width
        if self.whole or not was_inside or self.first_s <= position_s <= edge_s:
            return False
        before = self.first_s
        self._move(position_s - (1 - _AHEAD_SHARE) * width, width)
        return self.first_s != before

    def place(self, position_s: float) -> float:
        """Return where a position lies, from 0 at the left to 1 at the right of the part."""
        width = self.last_s - self.first_s
        return (position_s - self.first_s) / width if width else 0.0

    def position(self, place: float) -> float:
        """Return the position at a place from 0 to 1."""
        return self.first_s + min(1.0, max(0.0, place)) * (self.last_s - self.first_s)

    def _move(self, first_s: float, width: float) -> None:
        width = min(width, self.length_s)
        self.first_s = min(max(0.0, first_s), self.length_s - width)
        self.last_s = self.first_s + width
