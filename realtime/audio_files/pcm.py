"""PCM on a stream that cannot seek: sample encodings, and WAV headers whose length may be unknown.

libsndfile also reads WAV from a pipe, but takes a length of 0 literally, stops at the 2 GB that sox announces for a
stream, cannot be interrupted while it waits, and cannot write WAV to a pipe.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files.ffmpeg import INSTALL

_WAVE_PCM, _WAVE_FLOAT, _WAVE_EXTENSIBLE = 1, 3, 0xFFFE
_ENCODINGS = {
    (_WAVE_PCM, 1): "u8",
    (_WAVE_PCM, 2): "s16le",
    (_WAVE_PCM, 3): "s24le",
    (_WAVE_PCM, 4): "s32le",
    (_WAVE_FLOAT, 4): "f32le",
    (_WAVE_FLOAT, 8): "f64le",
}
_SAMPLE_BYTES = {encoding: size for (_, size), encoding in _ENCODINGS.items()}
WAV_MARKS = (b"RIFF", b"RF64", b"BW64")
_UNKNOWN = 0xFFFFFFFF
_MAX_CHUNK_BYTES = 1 << 26


@dataclass(frozen=True)
class PcmFormat:
    """Interleaved samples: u8, s16le, s24le, s32le, f32le or f64le."""

    encoding: str
    sample_rate_hz: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """Bytes per frame: one sample of every channel."""
        return _SAMPLE_BYTES[self.encoding] * self.channels

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Decode whole frames to float32 [n, C], full scale 1."""
        size = _SAMPLE_BYTES[self.encoding]
        if self.encoding == "u8":
            samples = np.frombuffer(data, np.uint8).astype(np.float32) / np.float32(128) - np.float32(1)
        elif self.encoding == "s24le":
            padded = np.zeros((len(data) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            samples = padded.view("<i4").astype(np.float32) / np.float32(2**31)
        elif self.encoding.startswith("s"):
            samples = np.frombuffer(data, f"<i{size}").astype(np.float32) / np.float32(2 ** (8 * size - 1))
        else:
            samples = np.frombuffer(data, f"<f{size}").astype(np.float32)
        return samples.reshape(-1, self.channels)

    def encode(self, block: NDArray[np.float32]) -> bytes:
        """Encode float32 [n, C]; s16le is rounded and clipped. Only for s16le and f32le."""
        if self.encoding == "s16le":
            return np.clip(np.rint(block * 32768), -32768, 32767).astype("<i2").tobytes()
        assert self.encoding == "f32le", self.encoding
        return block.astype("<f4").tobytes()


@dataclass(frozen=True)
class WavHeader:
    """A WAV header: the body of its format chunk, and the position and length of the samples."""

    form: bytes
    data_start: int
    data_bytes: int | None
    """None if the length was unknown when the header was written."""

    @property
    def tag(self) -> int:
        """The code of the encoding; 0 if the format chunk is too short."""
        if len(self.form) < 16:
            return 0
        tag = int.from_bytes(self.form[:2], "little")
        extended = tag == _WAVE_EXTENSIBLE and len(self.form) >= 26
        return int.from_bytes(self.form[24:26], "little") if extended else tag

    @property
    def mask(self) -> int:
        """The channel mask, which assigns channels to speakers; 0 if there is none."""
        extended = self.form[:2] == _WAVE_EXTENSIBLE.to_bytes(2, "little") and len(self.form) >= 24
        return int.from_bytes(self.form[20:24], "little") if extended else 0

    def pcm(self, name: str) -> PcmFormat:
        """Return the format of the samples; `name` is for messages. AudioFileError when they are compressed."""
        if len(self.form) < 16:
            raise AudioFileError(f"{name} is damaged WAV: its format chunk has {len(self.form)} bytes, not 16 or more")
        _, channels, rate, _, frame_bytes, _ = struct.unpack_from("<HHIIHH", self.form)
        encoding = _ENCODINGS.get((self.tag, frame_bytes // channels if channels else 0))
        if encoding is None or not rate:
            raise AudioFileError(
                f"{name} is WAV of an unknown kind (code {self.tag}): send PCM, for example `ffmpeg ... -f wav -`"
            )
        return PcmFormat(encoding, rate, channels)


def read_wav_header(read: Callable[[int], bytes], name: str) -> WavHeader:
    """Read up to the first sample. AudioFileError, which mentions `name`, when it is not WAV.

    `read(n)` gives n bytes, fewer only at the end.
    """
    start = read(12)
    if not start:
        raise AudioFileError(f"{name} is empty: nothing was sent (did the decoder before it fail?)")
    if start[:4] not in WAV_MARKS or start[8:] != b"WAVE":
        raise AudioFileError(
            f"{name} is not WAV: {INSTALL}, which decodes all else, or say with `raw` what headerless audio it is"
        )
    form: bytes | None = None
    long_size: int | None = None
    at = len(start)
    while len(header := read(8)) == 8:
        at += 8
        chunk, size = header[:4], int.from_bytes(header[4:], "little")
        if chunk == b"data":
            if form is None:
                raise AudioFileError(f"{name} is damaged WAV: samples come before the description of their format")
            if size == _UNKNOWN and long_size is not None:
                return WavHeader(form, at, long_size)
            return WavHeader(form, at, None if _is_placeholder(size) else size)
        if size > _MAX_CHUNK_BYTES:
            break
        body = read(size + size % 2)
        at += len(body)
        if chunk == b"fmt ":
            form = body
        elif chunk == b"ds64" and len(body) >= 16:
            long_size = struct.unpack_from("<Q", body, 8)[0] or None
    raise AudioFileError(f"{name} is damaged WAV: no samples found")


def wav_header(audio: PcmFormat) -> bytes:
    """Return a WAV header for s16le or f32le of unknown length, given as 2^32 - 1 bytes, as ffmpeg does."""
    is_float = audio.encoding.startswith("f")
    form = struct.pack(
        "<HHIIHH",
        _WAVE_FLOAT if is_float else _WAVE_PCM,
        audio.channels,
        audio.sample_rate_hz,
        audio.sample_rate_hz * audio.frame_bytes,
        audio.frame_bytes,
        8 * _SAMPLE_BYTES[audio.encoding],
    )
    if is_float:
        form += b"\0\0"  # size of the extension, 0; sox requires these two bytes
    unknown = struct.pack("<I", _UNKNOWN)
    return b"RIFF" + unknown + b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + unknown


def _is_placeholder(data_bytes: int) -> bool:
    """Whether a length means "unknown": ffmpeg writes 2^32 - 1, sox a little under 2^31, others 0."""
    return data_bytes == 0 or 0x7FFF0000 <= data_bytes <= 0x80000000 or data_bytes >= 0xFFFF0000
