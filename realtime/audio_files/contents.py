"""What a file really holds, whatever its header says: found before libsndfile is asked, which believes headers."""

from dataclasses import dataclass

from stemlive.realtime.audio_files.byte_view import Piece


@dataclass(frozen=True)
class Contents:
    """`parts` follow each other in the sound; the pieces of each are what libsndfile can read as one file.

    `announced`: what the header announces, in units of what is there (0: nothing is announced).
    `left_out`: the share of the file that nobody here can read.
    `unended`: the file lacks the mark that its kind has at the end.
    """

    parts: tuple[tuple[Piece, ...], ...]
    announced: float = 0.0
    left_out: float = 0.0
    unended: bool = False
