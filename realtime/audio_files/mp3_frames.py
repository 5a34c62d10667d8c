"""Count the frames of MP3, whose headers seldom give the number, and not always correctly.

libsndfile takes the length from a Xing header in the first frame, or estimates it from the size of the file and of the
first frame, and stops there. So it is given a correct Xing header.
"""

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from stemlive.realtime.audio_files.contents import Contents

_BITRATES = {  # kbit/s by MPEG 1 or not, and layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_ENOUGH = 9
"""Index of a bit rate whose frames have room for a Xing header."""
_SYNC = re.compile(rb"\xff[\xe2-\xff]|ID3")
_SYNC_BLOCK = 1 << 12
_LEAST_BYTES = 1 << 16
_ID3_BYTES = 10


class Header(NamedTuple):
    """A frame's four header bytes, decoded: its size, and the properties that all frames of a stream share."""

    size: int
    kind: tuple[int, int]
    layer: int
    mpeg1: bool
    mono: bool


@lru_cache(4096)
def frame_header(data: bytes) -> Header | None:
    """Decode the first four bytes of a frame; None if they are no frame header."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3)
    bitrate, rate, padding = data[2] >> 4, data[2] >> 2 & 3, data[2] >> 1 & 1
    if version == 1 or layer == 4 or not 1 <= bitrate <= 14 or rate == 3:
        return None
    mpeg1 = version == 3
    bits = 1000 * _BITRATES[mpeg1, layer][bitrate - 1]
    rate_hz = _RATES_HZ[version][rate]
    if layer == 1:
        size = (12 * bits // rate_hz + padding) * 4
    else:
        size = (144 if mpeg1 or layer == 2 else 72) * bits // rate_hz + padding
    return Header(size, (data[1] & 0xFE, data[2] & 0x0C), layer, mpeg1, data[3] >> 6 == 3)


def whole_mp3(file: BinaryIO, stretch: range) -> Contents | None:
    """Find the frames in a range of a file, so that libsndfile decodes all of them; None if there are none."""
    frames = _frames(file, stretch)
    first, header = next(frames, (0, None))
    if header is None:
        return None
    file.seek(first)
    opening = bytearray(file.read(header.size))
    at = 4 + ((32, 17) if header.mpeg1 else (17, 9))[header.mono]
    xing = bytes(opening[at : at + 4]) in (b"Xing", b"Info") and header.layer == 3
    announced = struct.unpack_from(">I", opening, at + 8)[0] if xing and opening[at + 7] & 1 else 0
    runs = [] if xing or opening[36:40] == b"VBRI" else [range(first, first + header.size)]
    count, size, end = len(runs), header.size, first + header.size
    for begin, frame in frames:
        count += 1
        size += frame.size
        if runs and begin == end:
            runs[-1] = range(runs[-1].start, begin + frame.size)
        else:
            runs.append(range(begin, begin + frame.size))
        end = begin + frame.size
    if not count:
        return None
    if header.layer == 3:
        if not xing:
            opening = _xing_frame(opening, at)
            size += len(opening)
        _set_counts(opening, at, count, size)
        if announced != count and xing:
            _keep_the_end(opening, at)
    return Contents(
        ((bytes(opening), *runs) if header.layer == 3 else tuple(runs),),
        announced=announced / count,
        left_out=_left_out(file, range(end, stretch.stop)) / len(stretch),
    )


def _xing_frame(opening: bytearray, at: int) -> bytearray:
    """Return a silent frame with a Xing header, of the same kind as the one that begins with `opening`."""
    frame = bytearray(opening[:4])
    frame[1] |= 1  # no checksum
    frame[2] = _ENOUGH << 4 | frame[2] & 0x0C
    header = frame_header(bytes(frame))
    assert header is not None
    frame += bytes(header.size - len(frame))
    frame[at : at + 4] = b"Xing"
    frame[at + 7] = 3  # the flags for both counts
    return frame


def _left_out(file: BinaryIO, rest: range) -> int:
    """Return the number of bytes after the last frame that may be sound rather than a tag."""
    file.seek(rest.start)
    tagged = file.read(8).startswith((b"TAG", b"APETAGEX", b"LYRICS"))
    return 0 if tagged or len(rest) < _LEAST_BYTES else len(rest)


def _set_counts(opening: bytearray, at: int, count: int, size: int) -> None:
    """Write the numbers of frames and bytes into a Xing header, if it has fields for them."""
    flags, field = opening[at + 7], at + 8
    for flag, value in ((1, count), (2, size)):
        if flags & flag:
            struct.pack_into(">I", opening, field, value)
            field += 4


def _keep_the_end(opening: bytearray, at: int) -> None:
    """Clear LAME's padding at the end, which belonged to another end."""
    flags = opening[at + 7]
    lame = at + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    if bytes(opening[lame : lame + 3]) in (b"LAM", b"Lav"):
        opening[lame + 22] &= 0xF0
        opening[lame + 23] = 0


def _frames(file: BinaryIO, stretch: range) -> Iterator[tuple[int, Header]]:
    """Yield position and header of every complete frame of one kind, skipping what lies between them."""
    at, kind = stretch.start, None
    sure = False  # a frame ended here, so the next one begins here
    while at + 4 <= stretch.stop:
        file.seek(at)
        data = file.read(4)
        frame = frame_header(data)
        if (
            frame is not None
            and at + frame.size <= stretch.stop
            and kind in (None, frame.kind)
            and (sure or _follows(file, at + frame.size, frame, stretch.stop))
        ):
            kind = frame.kind
            yield at, frame
            at, sure = at + frame.size, True
        elif data[:3] == b"ID3":
            at, sure = at + max(1, id3_bytes(file, at)), False
        else:
            at, sure = _next_sync(file, at + 1, stretch.stop), False


def _follows(file: BinaryIO, at: int, frame: Header, stop: int) -> bool:
    """Whether a frame of the same kind begins at a position, or the range ends there."""
    if at == stop:
        return True
    file.seek(at)
    after = frame_header(file.read(4))
    return after is not None and after.kind == frame.kind


def _next_sync(file: BinaryIO, at: int, stop: int) -> int:
    """Return the next position where a frame or a tag may begin, or `stop`."""
    while at < stop:
        file.seek(at)
        block = file.read(min(_SYNC_BLOCK, stop - at))
        found = _SYNC.search(block)
        if found is not None:
            return at + found.start()
        at += max(1, len(block) - 2)
    return stop


def id3_bytes(file: BinaryIO, at: int) -> int:
    """Return the size of the ID3v2 tag at a position; 0 if there is none."""
    file.seek(at)
    start = file.read(_ID3_BYTES)
    if len(start) < _ID3_BYTES or start[:3] != b"ID3":
        return 0
    size = 0
    for byte in start[6:]:
        size = size << 7 | byte & 0x7F
    return _ID3_BYTES + size + _ID3_BYTES * (start[5] >> 4 & 1)
