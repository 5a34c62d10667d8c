"""What a file really holds, found out before libsndfile reads it, because that trusts headers."""

from dataclasses import dataclass

from stemlive.realtime.audio_files.byte_view import Piece


@dataclass(frozen=True)
class Contents:
    """The `parts` of a file in order of time; libsndfile reads the pieces of each part as one file.

    `announced`: the length in the header, relative to the real length (0: none).
    `left_out`: fraction of the file that cannot be read.
    `unended`: the file lacks the end mark of its format.
    `mask`: the speakers of the channels, as in WAV (0: not given).
    """

    parts: tuple[tuple[Piece, ...], ...]
    announced: float = 0.0
    left_out: float = 0.0
    unended: bool = False
    mask: int = 0
