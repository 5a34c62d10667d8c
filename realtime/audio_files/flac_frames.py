"""Find the length of a FLAC file from its last frame, for headers written before the recording ended."""

import re
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from stemlive.realtime.audio_files.contents import Contents

_MARKS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
"""The start of a file: its mark, and the header of the STREAMINFO block."""
_INFO_AT, _TOTAL_AT, _INFO_END = 8, 18, 26
_TOTAL = (1 << 36) - 1
_TAIL_BYTES = 1 << 20
"""Longer than any frame."""
_BLOCK = 1 << 20
_TAGS_BYTES = 1 << 16
_MASK = re.compile(rb"(?i)WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x([0-9a-f]{1,8})")
_BLOCK_SAMPLES = {1: 192, **{k: 576 << k - 2 for k in range(2, 6)}, **{k: 256 << k - 8 for k in range(8, 16)}}


class _Frame(NamedTuple):
    """Position of a frame in the file, and the samples that it holds."""

    at: int
    samples: range


def whole_flac(file: BinaryIO, stretch: range) -> Contents:
    """Find the end of a FLAC file, or of each of several joined ones, so that libsndfile decodes all of it."""
    announced, last = _announced(file, stretch), _last_frame(file, stretch)
    mask = _mask(file, stretch)
    if last is None or last.samples.stop == announced:
        return Contents(((stretch,),), mask=mask)
    starts = [stretch.start, *_marks(file, range(stretch.start + 1, stretch.stop)), stretch.stop]
    parts, there, told = [], 0, 0
    for start, stop in pairwise(starts):
        part = range(start, stop)
        said, last = _announced(file, part), _last_frame(file, part)
        if last is None:
            continue
        if last.samples.stop != said and not _is_whole(file, last, stop):
            last = _Frame(last.at, range(last.samples.start))
            part = range(start, last.at)
        there += last.samples.stop
        told += said or last.samples.stop
        file.seek(start)
        head = bytearray(file.read(_INFO_END))
        word = int.from_bytes(head[_TOTAL_AT:], "big") & ~_TOTAL | last.samples.stop
        head[_TOTAL_AT:] = word.to_bytes(8, "big")
        parts.append((bytes(head), range(start + _INFO_END, part.stop)))
    if not there:
        return Contents(((stretch,),))
    return Contents(tuple(parts), announced=told / there, mask=mask)


def _mask(file: BinaryIO, stretch: range) -> int:
    """Return the channel mask from the tags; 0 if there is none."""
    file.seek(stretch.start)
    found = _MASK.search(file.read(_TAGS_BYTES))
    return int(found[1], 16) if found else 0


def _announced(file: BinaryIO, stretch: range) -> int:
    """Return the number of samples in the header; 0 if it is unknown."""
    file.seek(stretch.start + _TOTAL_AT)
    return int.from_bytes(file.read(_INFO_END - _TOTAL_AT), "big") & _TOTAL


def _marks(file: BinaryIO, stretch: range) -> list[int]:
    """Return the positions where further FLAC files begin within this one."""
    found, overlap = [], len(_MARKS[0]) - 1
    for start in range(stretch.start, stretch.stop, _BLOCK):
        file.seek(start)
        block = file.read(min(_BLOCK + overlap, stretch.stop - start))
        for mark in _MARKS:
            at = block.find(mark)
            while at >= 0:
                found.append(start + at)
                at = block.find(mark, at + 1)
    return sorted(found)


def _last_frame(file: BinaryIO, stretch: range) -> _Frame | None:
    """Find the last frame with a complete header, by its sync code, its agreement with the file, and its checksum."""
    file.seek(stretch.start + _INFO_AT)
    longest_block = int.from_bytes(file.read(4)[2:], "big")
    start = max(stretch.start + _INFO_END, stretch.stop - _TAIL_BYTES)
    file.seek(start)
    tail = file.read(max(0, stretch.stop - start))
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        samples = _samples(tail[at : at + 16], longest_block)
        if samples is not None:
            return _Frame(start + at, samples)
    return None


def _samples(head: bytes, longest_block: int) -> range | None:
    """Return the samples of a frame that begins with these bytes; None if no frame does."""
    if len(head) < 16 or head[1] & 0xFE != 0xF8 or head[3] & 1 or head[3] >> 4 > 10:
        return None
    block, rate = head[2] >> 4, head[2] & 15
    if not block or rate == 15:
        return None
    length = max(1, 8 - (head[4] ^ 0xFF).bit_length())  # of a number coded as in UTF-8
    if length == 8 or (head[4] >= 0x80 and length == 1):
        return None
    number = head[4] & (0x7F if head[4] < 0x80 else (1 << max(0, 7 - length)) - 1)
    for byte in head[5 : 4 + length]:
        number = number << 6 | byte & 0x3F
    at = 4 + length
    extra = {6: 1, 7: 2}.get(block, 0)
    count = int.from_bytes(head[at : at + extra], "big") + 1 if extra else _BLOCK_SAMPLES[block]
    at += extra + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if at >= len(head) or count > longest_block or _checksum(head[:at], 8, 0x07) != head[at]:
        return None
    first = number if head[1] & 1 else number * longest_block
    return range(first, first + count)


def _is_whole(file: BinaryIO, frame: _Frame, stop: int) -> bool:
    """Whether the file's last frame is complete, by its checksum."""
    file.seek(frame.at)
    return _checksum(file.read(stop - frame.at), 16, 0x8005) == 0


def _checksum(data: bytes, bits: int, polynomial: int) -> int:
    """Return FLAC's CRC with so many bits: initial value 0, most significant bit first."""
    top, mask, value = 1 << bits - 1, (1 << bits) - 1, 0
    for byte in data:
        value ^= byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value
