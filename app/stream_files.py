"""`stemlive stream` between files and pipes: check the ends, open them, and separate from one to the other."""

import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemlive.errors import UsageError
from stemlive.mix_options import Mix
from stemlive.options import progress, tell_terms, warn_of_clipping, warn_of_input
from stemlive.practice_options import Practice
from stemlive.terminal.stopping import StopRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stemlive.realtime.audio_files.files import AudioWriter
    from stemlive.realtime.audio_files.pipes import PipeReader, PipeWriter
    from stemlive.realtime.audio_files.reader import AudioReader
    from stemlive.realtime.audio_files.tempo import TempoReader
    from stemlive.realtime.separation.mixer import Mixer
    from stemlive.realtime.separation.separator import Separator
    from stemlive.realtime.shared.outputs import Outputs


def between_files(
    source: str,
    target: str,
    mix: Mix,
    outputs: "Outputs",
    cue: Mix,
    *,
    semitones: int,
    practice: Practice,
    raw: str | None,
    rate: int | None,
    channels: int | None,
    model: str | None,
    threads: int,
    force: bool,
    quiet: bool,
) -> None:
    """Separate a file or pipe into another, lined up with it. Exits with 130 or 143 when it was asked to stop."""
    from stemlive.realtime.dsp.key_change import in_key
    from stemlive.realtime.model_file.bundled import model_for
    from stemlive.realtime.model_file.session import Session
    from stemlive.realtime.separation.mixer import Mixer
    from stemlive.realtime.separation.separator import Separator

    with ExitStack() as stack:
        opened = _open_source(source, raw, rate, channels)
        stack.enter_context(opened)
        reader = practice.reader(opened)
        rate = reader.sample_rate_hz
        session = Session(model_for(model, song=not is_pipe(source)), threads=threads)
        tell_terms(session.info.terms_line)
        separator = Separator(session, sample_rate_hz=rate, channels=reader.channels)
        mixer = Mixer(separator.stems)
        mix.set_up(mixer)
        cue_mixer = Mixer(separator.stems)
        cue.set_up(cue_mixer)
        outputs.check(separator.stems)
        width = outputs.highest if outputs.given else separator.channels
        hop = max(1, session.info.hop_samples * rate // session.info.sample_rate_hz)

        stop = stack.enter_context(StopRequest())
        written = 0
        with (
            _open_target(target, raw, reader, width, force=force) as writer,
            progress(Path(reader.name).name, reader.frames, rate=rate, quiet=quiet or target == "-") as advance,
        ):
            to_pipe = is_pipe(target)
            mixes = _mixes(separator, stop.read_blocks(reader, hop), mixer, outputs, cue_mixer)
            if semitones:
                mixes = in_key(mixes, semitones, sample_rate_hz=rate, channels=width)
            for block in mixes:
                # A signal may interrupt a write to a pipe that nobody reads, but not one to a file.
                write = partial(writer.write, block)
                stop.wait_for(write) if to_pipe else write()
                written += len(block)
                advance(len(block))
        warn_of_input(reader.note, separator)
        warn_of_clipping(writer.name, writer.clipped_samples)
        if stop.requested:
            click.echo(f"stemlive: stopped after {written / rate:.2f} s", err=True)
            raise click.exceptions.Exit(stop.exit_code)


def _mixes(
    separator: "Separator", blocks: "Iterable[NDArray[np.float32]]", mixer: "Mixer", outputs: "Outputs", cue: "Mixer"
) -> "Iterator[NDArray[np.float32]]":
    """Yield what is written, block by block."""
    from stemlive.realtime.separation.offline import separate_blocks
    from stemlive.realtime.separation.patch import routed_blocks

    if not outputs.given:
        return separate_blocks(separator, blocks, gains=mixer.gains())
    stems = separate_blocks(separator, blocks)
    return routed_blocks(outputs, separator.stems, stems, mixer.gains(), cue.gains())


def is_pipe(path: str) -> bool:
    """Whether an end is a pipe."""
    from stemlive.realtime.audio_files.pipes import is_pipe

    return is_pipe(path)


def check_ends(source: str, target: str, raw: str | None, rate: int | None, channels: int | None) -> None:
    """Raise UsageError for impossible combinations of input, output and format, MissingFileError for an address."""
    if not source.startswith("device:") and not Path(source).exists():
        from stemlive.realtime.audio_files.reader import refuse_address

        refuse_address(source, f"stream -i - -o {shlex.quote(target)}")
    if source == "-" and os.isatty(0):
        raise UsageError("--input - reads a pipe: name a file, or write DECODER | stemlive stream ...")
    if target == "-" and os.isatty(1):
        raise UsageError("--output - would write audio to the terminal: name a file, or add | PLAYER")
    raw_input = raw is not None and is_pipe(source)
    if raw and not raw_input and not is_pipe(target):
        raise UsageError("--raw is for pipes, and neither --input nor --output is one: leave it out")
    if raw_input and (rate is None or channels is None):
        raise UsageError("headerless input needs --rate and --channels, for example --rate 44100 --channels 2")
    if (rate or channels) and not raw_input:
        raise UsageError("--rate and --channels describe headerless input: they need --raw and a pipe as --input")
    both_exist = Path(source).exists() and Path(target).exists()
    if not is_pipe(target) and both_exist and Path(target).samefile(source):
        raise UsageError(f"--input and --output are the same file: {target}")


def _open_source(source: str, raw: str | None, rate: int | None, channels: int | None) -> "AudioReader | PipeReader":
    from stemlive.realtime.audio_files.pcm import PcmFormat
    from stemlive.realtime.audio_files.pipes import PipeReader
    from stemlive.realtime.audio_files.reader import AudioReader

    if is_pipe(source):
        return PipeReader(source, PcmFormat(raw, rate, channels) if raw and rate and channels else None)
    return AudioReader(source)


def _open_target(
    target: str, raw: str | None, reader: "AudioReader | PipeReader | TempoReader", channels: int, *, force: bool
) -> "AudioWriter | PipeWriter":
    from stemlive.realtime.audio_files.files import AudioWriter
    from stemlive.realtime.audio_files.pipes import PipeWriter

    if is_pipe(target):
        return PipeWriter(target, reader.sample_rate_hz, channels, raw=raw)
    return AudioWriter(target, reader.sample_rate_hz, channels, force=force, total_frames=reader.frames)
