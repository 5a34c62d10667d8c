"""Open files and pipes as the ends of an engine. AudioFileError when that fails."""

from stemlive.realtime.audio_files.files import AudioWriter
from stemlive.realtime.audio_files.pipes import PipeReader, PipeWriter, is_pipe
from stemlive.realtime.audio_files.reader import AudioReader
from stemlive.realtime.devices.file_device import FileSource, FileTarget
from stemlive.realtime.devices.song_loader import first_song
from stemlive.realtime.devices.song_source import SongSource
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings


def file_source(settings: EngineSettings, sample_rate_hz: int, memory: EngineMemory | None) -> FileSource:
    """Open the source: a pipe, a song that `memory` controls, or a file."""
    pipe = is_pipe(settings.source)
    if settings.song and memory is not None and not pipe:
        return SongSource(first_song(memory, settings.source), sample_rate_hz, memory)
    reader = PipeReader(settings.source, settings.raw) if pipe else AudioReader(settings.source)
    return FileSource(reader, sample_rate_hz)


def file_target(settings: EngineSettings, sample_rate_hz: int, channels: int) -> FileTarget:
    """Open the target: a pipe, or a file to write."""
    if is_pipe(settings.target):
        encoding = settings.raw_output
        return FileTarget(PipeWriter(settings.target, sample_rate_hz, channels, raw=encoding), sample_rate_hz, channels)
    writer = AudioWriter(settings.target, sample_rate_hz, channels, force=settings.force)
    return FileTarget(writer, sample_rate_hz, channels)
