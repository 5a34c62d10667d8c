"""Separate one song into its files: the work of `stemlive separate`, song by song."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stemlive.errors import AudioFileError, UsageError
from stemlive.options import clipping
from stemlive.separators import Separators, separated
from stemlive.song_list import STANDARD, Song
from stemlive.tags import Tags, read_tags, write_tags
from stemlive.terminal.stopping import Stopped, StopRequest
from stemlive.tracks import Track, TrackSound

if TYPE_CHECKING:
    from stemlive.realtime.audio_files.files import AudioWriter
    from stemlive.realtime.audio_files.pipes import PipeReader
    from stemlive.realtime.audio_files.reader import AudioReader

Advance = Callable[[int, int | None], None]
"""Called with the samples that are done, and with those in all; None while that is unknown."""

_ENDLESS = 1 << 62


@dataclass(frozen=True)
class SongJob:
    """What is done with a song. `offset_s` and `duration_s` choose a part of it; `force` replaces files.

    `bits` are those of a sample, None for the format's own; `fades_s` the lengths of a fade in and a fade out, which
    need a song whose length is known.
    """

    offset_s: float = 0.0
    duration_s: float | None = None
    force: bool = False
    bits: int | None = None
    fades_s: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Import what `run` needs here, where Ctrl-C still ends the program at once."""
        import stemlive.realtime.audio_files.files

        assert stemlive.realtime.audio_files.files

    def run(
        self,
        song: Song,
        outputs: Sequence[tuple[Track, Path]],
        separators: Separators,
        stop: StopRequest,
        advance: Advance,
    ) -> list[str]:
        """Write each track to its path, with the song's tags, and return warnings for the user.

        AudioFileError when the song cannot be read or a file cannot be written, Stopped after a stop request; nothing
        is written then.
        """
        from stemlive.realtime.separation.song import faults

        with _open(song, stop) as reader:
            total = self._part(reader)
            limit = total if self.duration_s is not None else None
            tags = Tags() if song.path == STANDARD else read_tags(song.path)
            with ExitStack() as stack:
                separator, block_frames = stack.enter_context(separators.open(reader.sample_rate_hz, reader.channels))
                rate, channels = reader.sample_rate_hz, reader.channels
                fades = (round(self.fades_s[0] * rate), round(self.fades_s[1] * rate))
                length = _ENDLESS if total is None else total
                sounds = [TrackSound(track, rate, channels, length, fades) for track, _ in outputs]
                writers = list(self._writers(stack, song, outputs, reader, total))
                done = 0
                for stems in separated(separator, stop.read_blocks(reader, block_frames, limit), stop):
                    for writer, sound in zip(writers, sounds, strict=True):
                        writer.write(sound.process(stems))
                    done += stems.shape[1]
                    advance(done, total)
                if stop.requested:
                    raise Stopped
                if not done:
                    raise AudioFileError(f"{reader.name} holds no samples")
                for writer, sound, (track, path) in zip(writers, sounds, outputs, strict=True):
                    writer.write(sound.flush())
                    writer.finish()
                    if tags:
                        write_tags(writer.part, path.suffix[1:].lower(), tags.of_stem(track.name, song.name))
            notes = [reader.note, *faults(separator)]
        notes += [clipping(writer.name, writer.clipped_samples) for writer in writers if writer.clipped_samples]
        return [note for note in notes if note]

    def _part(self, reader: "AudioReader | PipeReader") -> int | None:
        """Move to the start of the requested part and return its length in samples; None where that is unknown."""
        rate = reader.sample_rate_hz
        start = round(self.offset_s * rate)
        wanted = None if self.duration_s is None else round(self.duration_s * rate)
        if wanted == 0:
            raise UsageError(f"--duration {self.duration_s:g} is less than one sample")
        length = reader.frames
        if start:
            seek = getattr(reader, "seek", None)
            if seek is None:
                length = length if _skip(reader, start) else 0
            elif length is not None and start < length:
                seek(start)
        if length is None:
            return wanted
        if start >= length:
            end = f", which has {length / rate:.2f} s" if length else ""
            raise UsageError(f"--offset {self.offset_s:g} is beyond the end of {reader.name}{end}")
        return length - start if wanted is None else min(length - start, wanted)

    def _writers(
        self,
        stack: ExitStack,
        song: Song,
        outputs: Sequence[tuple[Track, Path]],
        reader: "AudioReader | PipeReader",
        total: int | None,
    ) -> "Iterator[AudioWriter]":
        """Create the folder and a writer for each path; the stack publishes the files, or removes everything."""
        from stemlive.realtime.audio_files.files import AudioWriter

        for _, path in outputs:
            if path.exists() and song.path != STANDARD and path.samefile(song.path):
                raise UsageError(f"{path} is the song itself: choose another folder with -o")
            for folder in [folder for folder in path.parents if not folder.exists()][::-1]:
                stack.callback(_remove_if_empty, folder)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise AudioFileError(f"cannot write in {path.parent}: {error.strerror}") from error
            yield stack.enter_context(
                AudioWriter(
                    path, reader.sample_rate_hz, reader.channels, force=self.force, total_frames=total, bits=self.bits
                )
            )


def _open(song: Song, stop: StopRequest) -> "AudioReader | PipeReader":
    """Return a reader; the length of a file is exact. Stopped when a signal comes while that is found out."""
    from stemlive.realtime.audio_files.pipes import PipeReader, is_pipe
    from stemlive.realtime.audio_files.reader import AudioReader

    if song.problem:
        raise AudioFileError(song.problem)
    if song.path == STANDARD and os.isatty(0):
        raise UsageError("- reads a pipe: name a file, or write DECODER | stemlive separate -")
    if is_pipe(song.path):
        pipe = stop.wait_for(lambda: PipeReader(song.path))
        if pipe is None:
            raise Stopped
        return pipe
    reader = AudioReader(song.path)
    if stop.wait_for(reader.settle) is None:
        reader.close()
        raise Stopped
    return reader


def _skip(reader: "AudioReader | PipeReader", frames: int) -> bool:
    """Read so much and forget it; return whether there was so much, and more."""
    while frames > 0:
        count = len(reader.read(min(frames, reader.sample_rate_hz)))
        if not count:
            return False
        frames -= count
    return True


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
