"""Separate one song into its files: the work of `stemlive separate`, song by song."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stemlive.errors import AudioFileError, UsageError
from stemlive.options import clipping
from stemlive.separators import Separators, separated
from stemlive.terminal.stopping import Stopped, StopRequest
from stemlive.tracks import Track, TrackSound

if TYPE_CHECKING:
    from stemlive.realtime.audio_files.files import AudioWriter
    from stemlive.realtime.audio_files.reader import AudioReader

Advance = Callable[[int, int], None]
"""Called with the samples that are done, and with those in all."""


@dataclass(frozen=True)
class SongJob:
    """What is done with a song. `offset_s` and `duration_s` choose a part of it; `force` replaces files.

    `bits` are those of a sample, None for the format's own; `fades_s` the lengths of a fade in and a fade out.
    """

    tracks: Sequence[Track]
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
        self, song: Path, paths: Sequence[Path], separators: Separators, stop: StopRequest, advance: Advance
    ) -> list[str]:
        """Write each track to its path, and return warnings for the user.

        AudioFileError when the song cannot be read or a file cannot be written, Stopped after a stop request; nothing
        is written then.
        """
        from stemlive.realtime.audio_files.reader import AudioReader
        from stemlive.realtime.separation.song import faults

        with AudioReader(song) as reader:
            stop.wait_for(reader.settle)
            total = self._part(reader)
            with ExitStack() as stack:
                separator, block_frames = stack.enter_context(separators.open(reader.sample_rate_hz, reader.channels))
                rate, channels = reader.sample_rate_hz, reader.channels
                fades = (round(self.fades_s[0] * rate), round(self.fades_s[1] * rate))
                sounds = [TrackSound(track, rate, channels, total, fades) for track in self.tracks]
                writers = _open_writers(stack, paths, reader, total, force=self.force, bits=self.bits)
                blocks = stop.read_blocks(reader, block_frames, total if self.duration_s is not None else None)
                done = 0
                for stems in separated(separator, blocks, stop):
                    for writer, sound in zip(writers, sounds, strict=True):
                        writer.write(sound.process(stems))
                    done += stems.shape[1]
                    advance(done, total)
                if stop.requested:
                    raise Stopped
                for writer, sound in zip(writers, sounds, strict=True):
                    writer.write(sound.flush())
                    writer.finish()
            notes = [reader.note, *faults(separator)]
        notes += [clipping(writer.name, writer.clipped_samples) for writer in writers if writer.clipped_samples]
        return [note for note in notes if note]

    def _part(self, reader: "AudioReader") -> int:
        """Move to the start of the requested part and return its length in samples."""
        rate = reader.sample_rate_hz
        start = round(self.offset_s * rate)
        if start >= reader.frames:
            length = reader.frames / rate
            raise UsageError(f"--offset {self.offset_s:g} is beyond the end of {reader.name}, which has {length:.2f} s")
        left = reader.frames - start
        total = left if self.duration_s is None else min(left, round(self.duration_s * rate))
        if not total:
            raise UsageError(f"--duration {self.duration_s:g} is less than one sample")
        if start:
            reader.seek(start)
        return total


def _open_writers(
    stack: ExitStack, paths: Iterable[Path], reader: "AudioReader", total: int, *, force: bool, bits: int | None
) -> "list[AudioWriter]":
    """Create the folder and a writer for each path; the stack publishes the files, or removes everything."""
    from stemlive.realtime.audio_files.files import AudioWriter

    writers = []
    for path in paths:
        if path.exists() and path.samefile(reader.path):
            raise UsageError(f"{path} is the song itself: choose another folder with -o")
        for folder in [folder for folder in path.parents if not folder.exists()][::-1]:
            stack.callback(_remove_if_empty, folder)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AudioFileError(f"cannot write in {path.parent}: {error.strerror}") from error
        writer = AudioWriter(path, reader.sample_rate_hz, reader.channels, force=force, total_frames=total, bits=bits)
        writers.append(stack.enter_context(writer))
    return writers


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
