"""The pages of Ogg: find all links of chained files (libsndfile reads only the first), and truncated files."""

from typing import BinaryIO

from stemlive.realtime.audio_files.contents import Contents

_HEAD_BYTES = 27
_BEGINS, _ENDS = 2, 4
_BLOCK = 1 << 16


def whole_ogg(file: BinaryIO, stretch: range) -> Contents:
    """Find every link of the chain, up to its last complete page."""
    links: list[range] = []
    at, begun, ended = stretch.start, False, False
    while at + _HEAD_BYTES <= stretch.stop:
        file.seek(at)
        head = file.read(_HEAD_BYTES)
        if head[:4] != b"OggS":
            at = _next_page(file, at + 1, stretch.stop)
            continue
        size = _HEAD_BYTES + head[26] + sum(file.read(head[26]))
        if at + size > stretch.stop:
            ended = False
            break
        begins = bool(head[5] & _BEGINS)
        if not links or (begins and not begun):
            links.append(range(at, at))
        begun, ended = begins, bool(head[5] & _ENDS)
        at += size
        links[-1] = range(links[-1].start, at)
    return Contents(tuple((link,) for link in links) or ((stretch,),), unended=not ended)


def _next_page(file: BinaryIO, at: int, stop: int) -> int:
    """Return the position of the next page, or `stop`."""
    while at < stop:
        file.seek(at)
        block = file.read(min(_BLOCK, stop - at))
        found = block.find(b"OggS")
        if found >= 0:
            return at + found
        at += max(1, len(block) - 3)
    return stop
