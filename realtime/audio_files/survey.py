"""Examine a file before libsndfile reads it, because that trusts headers."""

from typing import BinaryIO

from stemlive.realtime.audio_files.chunks import whole_aiff, whole_au, whole_w64, whole_wav
from stemlive.realtime.audio_files.contents import Contents
from stemlive.realtime.audio_files.flac_frames import whole_flac
from stemlive.realtime.audio_files.mp3_frames import id3_bytes, whole_mp3
from stemlive.realtime.audio_files.ogg_pages import whole_ogg

_KINDS = {
    b"RIFF": whole_wav,
    b"RF64": whole_wav,
    b"BW64": whole_wav,
    b"FORM": whole_aiff,
    b"riff": whole_w64,
    b".snd": whole_au,
    b"fLaC": whole_flac,
    b"OggS": whole_ogg,
}


def survey(file: BinaryIO, size: int) -> Contents:
    """Return the contents of an open file of `size` bytes; for formats unknown here, the whole file."""
    start = 0
    while tag := id3_bytes(file, start):
        start += tag
    file.seek(start)
    mark = file.read(4)
    stretch = range(start, size)
    if mark in _KINDS:
        return _KINDS[mark](file, stretch)
    found = whole_mp3(file, stretch) if start or mark[:1] == b"\xff" else None
    return found or Contents(((range(size),),))
