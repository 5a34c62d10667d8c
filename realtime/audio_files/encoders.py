"""What an audio file is encoded with: libsndfile, and ffmpeg for m4a."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemlive.errors import AudioFileError, UsageError
from stemlive.realtime.audio_files.ffmpeg import Ffmpeg
from stemlive.realtime.audio_files.sndfile_reader import native
from stemlive.realtime.dsp.resample import Resampling, StreamResampler

FORMATS = {
    "wav": ("WAV", "FLOAT"),
    "flac": ("FLAC", "PCM_24"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "m4a": ("M4A", "AAC"),
}
"""File name extension to format and encoding. 32-bit float never clips; m4a needs ffmpeg."""
BITS = {"wav": {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}, "flac": {16: "PCM_16", 24: "PCM_24"}}
"""File name extension to the bits of a sample that may be chosen, and the encoding of each."""

_RATES_HZ = {
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}
"""Where an encoding has sample rates of its own."""
_SETTINGS: dict[str, dict[str, Any]] = {
    "MPEG_LAYER_III": {"bitrate_mode": "CONSTANT", "compression_level": 0.0},
    "OPUS": {"compression_level": 0.65},
}
"""320 kbit/s, and about 180."""
_AAC_BITS_PER_CHANNEL = 128_000
_MOST_CHANNELS = {"MP3": 2, "FLAC": 8, "M4A": 8}
_BLOCK = 8192


class Encoder(Protocol):
    """Writes samples into an open file."""

    def write(self, block: NDArray[np.float32]) -> None:
        """Append a block [n, C]. AudioFileError or SoundFileError when that fails."""
        ...

    def finish(self) -> bool:
        """Complete the file; return whether all arrived. AudioFileError or SoundFileError when that fails."""
        ...

    def discard(self) -> None:
        """Close the file, whatever its state."""
        ...


def encoding_of(extension: str, bits: int | None) -> str:
    """Return the encoding of a format with so many bits per sample (None: the usual). UsageError for others."""
    if bits is None:
        return FORMATS[extension][1]
    known = BITS.get(extension, {})
    if bits not in known:
        offered = " or ".join(map(str, known))
        raise UsageError(f"{extension} has {offered} bits, not {bits}" if offered else f"{extension} has no `bits`")
    return known[bits]


def open_encoder(part: Path, kind: str, encoding: str, sample_rate_hz: int, channels: int) -> Encoder:
    """Return an encoder that replaces the file `part`. AudioFileError or SoundFileError when there is none."""
    most = _MOST_CHANNELS.get(kind, channels)
    if channels > most:
        raise AudioFileError(f"{kind.lower()} holds {most} channels, not {channels}: write .wav")
    if encoding == "AAC":
        return FfmpegEncoder(part, sample_rate_hz, channels)
    return SndfileEncoder(part, kind, encoding, sample_rate_hz, channels)


class SndfileEncoder:
    """Encodes with libsndfile; an encoding that lacks the sample rate gets the next higher one, or its highest."""

    def __init__(self, part: Path, kind: str, encoding: str, sample_rate_hz: int, channels: int) -> None:
        rates = _RATES_HZ.get(encoding, (sample_rate_hz,))
        rate = next((rate for rate in rates if rate >= sample_rate_hz), rates[-1])
        self._part = part
        self._taken = self._written = 0
        self._resampling = Resampling(sample_rate_hz, rate)
        self._resampler = None if rate == sample_rate_hz else StreamResampler(self._resampling, channels)
        settings = _SETTINGS.get(encoding, {})
        self._file = soundfile.SoundFile(native(part), "w", rate, channels, format=kind, subtype=encoding, **settings)

    def write(self, block: NDArray[np.float32]) -> None:
        """Append a block [n, C]. SoundFileError when the disk is full."""
        self._taken += len(block)
        if self._resampler is not None:
            self._resampler.append(len(block))[:] = block.T
            block = self._resampler.read(self._resampler.pending()).T
        self._put(block)

    def finish(self) -> bool:
        """Complete the file, and compare its length.

        libsndfile reports neither a disk that fills up while Vorbis is written nor one that does while a FLAC file is
        closed, so the length is read back and checked.
        """
        if self._resampler is not None and self._taken:
            self._resampler.append(self._resampling.ahead_samples + 1)[:] = 0
            wanted = round(self._taken * self._resampling.to_hz / self._resampling.from_hz) - self._written
            self._put(self._resampler.read(min(wanted, self._resampler.pending())).T)
        self._file.close()
        return not self._written or soundfile.info(native(self._part)).frames == self._written

    def discard(self) -> None:
        """Close the file."""
        self._file.close()

    def _put(self, block: NDArray[np.float32]) -> None:
        for start in range(0, len(block), _BLOCK):
            self._file.write(np.ascontiguousarray(block[start : start + _BLOCK]))
        self._written += len(block)


class FfmpegEncoder:
    """Encodes AAC in an MPEG-4 file with ffmpeg, at 256 kbit/s in stereo. AudioFileError when that fails."""

    def __init__(self, part: Path, sample_rate_hz: int, channels: int) -> None:
        sound = ("-f", "f32le", "-ar", str(sample_rate_hz), "-ac", str(channels), "-i", "pipe:0")
        code = ("-c:a", "aac", "-b:a", str(_AAC_BITS_PER_CHANNEL * channels), "-movflags", "+faststart", "-f", "ipod")
        self._ffmpeg = Ffmpeg(*sound, *code, "-y", f"file:{part}", fed=True)

    def write(self, block: NDArray[np.float32]) -> None:
        """Append a block [n, C]."""
        rest = memoryview(block.astype("<f4").tobytes())
        try:
            while rest:
                rest = rest[self._ffmpeg.input.write(rest) :]
        except OSError as error:
            self._ffmpeg.wait()
            raise AudioFileError(self._ffmpeg.complaint() or "ffmpeg has ended") from error

    def finish(self) -> bool:
        """Complete the file."""
        self._ffmpeg.input.close()
        while self._ffmpeg.output.read(1):
            pass  # until it ends
        if self._ffmpeg.wait():
            raise AudioFileError(self._ffmpeg.complaint() or "ffmpeg has failed")
        self._ffmpeg.end()
        return True

    def discard(self) -> None:
        """End ffmpeg."""
        self._ffmpeg.end()
