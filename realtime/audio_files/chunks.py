"""The chunks of WAV, AIFF and similar formats: how much sound a file holds, even if its header does not know."""

import string
from dataclasses import replace
from typing import BinaryIO

from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files.contents import Contents
from stemlive.realtime.audio_files.mp3_frames import whole_mp3
from stemlive.realtime.audio_files.pcm import WAV_MARKS, WavHeader, read_wav_header

_OPEN = b"\xff\xff\xff\xff"
_LEFT_OPEN = 1 << 62
_MPEG = (0x50, 0x55)
_LETTERS = frozenset((string.ascii_letters + string.digits + " _-").encode())


def whole_wav(file: BinaryIO, stretch: range) -> Contents:
    """Find the sound in a WAV file, or in each of several joined ones, so that libsndfile reads all of it."""
    file.seek(stretch.start)
    head = file.read(12)
    end = stretch.start + 8 + int.from_bytes(head[4:8], "little")
    file.seek(end)
    after = file.read(12) if end < stretch.stop else b""
    joined = after[:4] in WAV_MARKS and after[8:] == b"WAVE"
    first = _one_wav(file, range(stretch.start, end) if joined else stretch)
    if not joined:
        return first
    rest = whole_wav(file, range(end, stretch.stop))
    return replace(rest, parts=first.parts + rest.parts)


def _one_wav(file: BinaryIO, stretch: range) -> Contents:
    file.seek(stretch.start)
    try:
        header = read_wav_header(file.read, "")
    except AudioFileError:
        return Contents(((stretch,),))
    sound, announced = _sound(file, header, stretch)
    if header.tag in _MPEG:
        mp3 = whole_mp3(file, sound)
        if mp3 is not None:
            return replace(mp3, announced=announced)
    if header.data_bytes is not None and (announced or len(sound) == header.data_bytes):
        return Contents(((stretch,),), announced, mask=header.mask)
    file.seek(stretch.start)
    head = file.read(header.data_start)
    return Contents(((b"RIFF" + _OPEN + head[8:-4] + _OPEN, sound),), mask=header.mask)


def _sound(file: BinaryIO, header: WavHeader, stretch: range) -> tuple[range, float]:
    """Return the range of the samples, and the announced length relative to it (0 if it agrees or is unknown)."""
    start, said = stretch.start + header.data_start, header.data_bytes
    there = range(start, stretch.stop)
    if said is None or not there:
        return there, 0.0
    if said > len(there):
        return there, said / len(there)
    file.seek(start + said)
    after = file.read(5)
    # Next comes the name of a chunk or a tag, perhaps after a padding byte; anything else is more samples.
    named = after[:3] == b"TAG" or any(_LETTERS.issuperset(after[shift : shift + 4]) for shift in (0, 1))
    return (range(start, start + said) if named or len(after) < 5 else there), 0.0


def whole_aiff(file: BinaryIO, stretch: range) -> Contents:
    """Compare the samples of an AIFF file with the number that it announces."""
    at = stretch.start + 12
    while at + 8 <= stretch.stop:
        file.seek(at)
        chunk = file.read(8)
        size = int.from_bytes(chunk[4:], "big")
        if chunk[:4] == b"SSND":
            return Contents(((stretch,),), size / max(1, stretch.stop - at - 8))
        at += 8 + size + size % 2
    return Contents(((stretch,),))


def whole_w64(file: BinaryIO, stretch: range) -> Contents:
    """Compare the length of a W64 file with the one that it announces."""
    file.seek(stretch.start + 16)
    size = int.from_bytes(file.read(8), "little")
    return Contents(((stretch,),), 0.0 if size >= _LEFT_OPEN else size / len(stretch))


def whole_au(file: BinaryIO, stretch: range) -> Contents:
    """Compare the length of an AU file with the one that it announces."""
    file.seek(stretch.start + 4)
    start, size = (int.from_bytes(file.read(4), "big") for _ in range(2))
    return Contents(((stretch,),), 0.0 if size == 0xFFFFFFFF else size / max(1, len(stretch) - start))
