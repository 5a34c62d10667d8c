"""Record the input, the mix and the stems while the engine plays, in takes of equally long, aligned files."""

import multiprocessing
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import AudioFileError, UsageError
from stemlive.guarded_thread import GuardedThread, in_words
from stemlive.realtime.recording.record_ring import RecordRing
from stemlive.realtime.recording.take import PIECE, TAKE_FORMATS, Take
from stemlive.realtime.shared.priority import lower_priority
from stemlive.realtime.shared.texts import pack, unpack

FloatArray = NDArray[np.float32]

ALL = ("all",)
_HELD_S = 10.0
"""Length of the rings: how long the disk may stall before something is lost."""
_NAP_S, _IDLE_NAP_S = 0.02, 0.1
_FINISH_S = 60.0
_PATH_BYTES, _NAMES_BYTES, _PROBLEM_BYTES = 4096, 256, 512
_STATUS = np.dtype(
    [
        ("wanted", "u1"),
        ("recording", "u1"),
        ("rate_hz", "i8"),
        ("takes", "i8"),
        ("frames", "i8"),
        ("lost_blocks", "i8"),
        ("lost_before", "i8"),
        ("clipped", "i8"),
        ("root", f"S{_PATH_BYTES}"),
        ("without", f"S{_NAMES_BYTES}"),
        ("folder", f"S{_PATH_BYTES}"),
        ("problem", f"S{_PROBLEM_BYTES}"),
    ],
    align=True,
)


@dataclass(frozen=True)
class Recording:
    """The status of a recorder; `seconds`, `lost_blocks` and `clipped_samples` are of the current or last take."""

    on: bool
    """Whether a take is requested or still open."""
    takes: int
    folder: str
    seconds: float
    lost_blocks: int
    clipped_samples: int
    problem: str
    """Why the recording stopped by itself; else empty."""


class Recorder:
    """A `Tap` that writes takes of `input`, `mix` and stems before their gains into new folders below `folder`.

    `start`, `stop` and `status` are for the front end, which may run in another process than the engine. The engine's
    thread only copies into rings, and another thread writes the files. When a ring is full, silence replaces what is
    lost, so that the files stay aligned. UsageError for an unknown format, AudioFileError when the folder cannot be
    created.
    """

    def __init__(
        self,
        folder: str | Path | None,
        *,
        stems: tuple[str, ...] = ALL,
        without: tuple[str, ...] = (),
        extension: str = "flac",
    ) -> None:
        """`without` names stems to leave out; the model need not have them. Without a folder, `aim` before `start`."""
        if extension not in TAKE_FORMATS:
            raise UsageError(f"recordings are {' or '.join(TAKE_FORMATS)}, not {extension}")
        self._stems = stems
        self._extension = extension
        self.wants_stems = bool(stems)
        # Shared memory that multiprocessing passes on when it starts the engine's process.
        self._shared = multiprocessing.get_context("spawn").RawArray("b", _STATUS.itemsize)
        self._thread: GuardedThread | None = None
        self._take: Take | None = None
        if folder is not None:
            self.aim(folder, without=without)

    # For the front end.

    def aim(self, folder: str | Path, *, without: tuple[str, ...] = ()) -> None:
        """Put further takes into this folder, without these stems; a take that is going on stays as it is.

        The engine may run. AudioFileError when the folder cannot be created.
        """
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AudioFileError(f"cannot record in {folder}: {error.strerror}") from error
        self._status["without"] = pack(" ".join(without), _NAMES_BYTES)
        self._status["root"] = pack(str(folder), _PATH_BYTES)

    def start(self) -> None:
        """Begin a take, with what is played from now on. Does nothing during one."""
        assert self._status["root"].item(), "there is no folder to record in: call `aim`"
        self._status["problem"] = b""
        self._status["wanted"] = True

    def stop(self) -> None:
        """End the take with what has been played so far."""
        self._status["wanted"] = False

    def status(self) -> Recording:
        """Return the current status."""
        status = self._status
        return Recording(
            on=bool(status["wanted"] or status["recording"]),
            takes=int(status["takes"]),
            folder=unpack(status["folder"].item()),
            seconds=int(status["frames"]) / max(1, int(status["rate_hz"])),
            lost_blocks=int(status["lost_blocks"]),
            clipped_samples=int(status["clipped"]),
            problem=unpack(status["problem"].item()),
        )

    # For the engine.

    def begin(self, sample_rate_hz: int, channels: int, stems: tuple[str, ...]) -> None:
        """Allocate the rings and start the writing thread. UsageError for a stem that the model does not have."""
        chosen = stems if self._stems == ALL else self._stems
        unknown = [stem for stem in chosen if stem not in stems]
        if unknown:
            raise UsageError(f"cannot record stem '{unknown[0]}': known are {', '.join(stems)}")
        self._columns = tuple(stems.index(stem) for stem in chosen)
        held = round(_HELD_S * sample_rate_hz)
        self._heard = RecordRing(held, (channels,))
        self._played = RecordRing(held, (channels,) * (1 + len(chosen)))
        self._signals = dict.fromkeys(("input", "mix", *chosen), channels)
        self._rate_hz = sample_rate_hz
        self._status["rate_hz"] = sample_rate_hz
        self._ending = threading.Event()
        self._thread = GuardedThread("stemlive recorder", self._run, self._fail)
        self._thread.start()

    def heard(self, block: FloatArray) -> None:
        """Copy a block of input."""
        if self._heard.has_room(len(block)):
            self._heard.put(0, block)
            self._heard.advance(len(block))

    def played(self, mixed: FloatArray, stems: FloatArray | None) -> None:
        """Copy a block of the mix and of the chosen stems."""
        ring = self._played
        if not ring.has_room(len(mixed)):
            return
        ring.put(0, mixed)
        if stems is not None:
            for signal, column in enumerate(self._columns, 1):
                ring.put(signal, stems[column])
        ring.advance(len(mixed))

    def lost(self) -> None:
        """Insert silence for input that was heard and will never be played."""
        missing = self._heard.written - self._played.written
        if missing > 0:
            self._played.skip(missing)

    def end(self) -> None:
        """Write what the rings hold, and complete the take."""
        if self._thread is not None:
            self._ending.set()
            if not self._thread.end(_FINISH_S):
                self._fail(f"the disk has not taken the end of the recording in {_FINISH_S:g} s: it stays unfinished")
            self._thread = None

    # The thread that writes.

    @property
    def _status(self) -> Any:
        return np.frombuffer(self._shared, _STATUS)[0:1].reshape(())

    def _run(self) -> None:
        lower_priority()
        blocks = [np.zeros((PIECE, channels), np.float32) for channels in self._signals.values()]
        going_on = True
        while going_on:
            try:
                going_on = self._step(blocks)
            except Exception as error:  # ends this take, but not the recorder
                self._fail(f"the recorder failed with {in_words(error)}")
                going_on = not self._ending.wait(_NAP_S)
        self._close()

    def _step(self, blocks: list[FloatArray]) -> bool:
        """Write what there is, or wait for more; return whether more may come."""
        ending = self._ending.is_set()
        count = min(self._heard.written, self._played.written) - self._heard.taken
        if self._take is None and self._status["wanted"] and not ending:
            self._open()
        if not self._status["wanted"]:
            self._close()
        if count <= 0:
            self._ending.wait(_NAP_S if self._status["wanted"] else _IDLE_NAP_S)
            return not ending
        count = min(count, PIECE)
        self._heard.take(count, blocks[:1])
        self._played.take(count, blocks[1:])
        if self._take is not None:
            self._write(self._take, [blocks[signal][:count] for signal in self._written])
        return True

    def _open(self) -> None:
        status = self._status
        without = unpack(status["without"].item()).split()
        self._written = [number for number, name in enumerate(self._signals) if name not in without]
        signals = {name: channels for name, channels in self._signals.items() if name not in without}
        try:
            root = Path(unpack(status["root"].item()))
            take = self._take = Take(root, signals, self._rate_hz, self._extension)
        except AudioFileError as error:
            self._fail(str(error))
            return
        status["lost_before"] = self._heard.lost_blocks + self._played.lost_blocks
        status["frames"] = status["lost_blocks"] = status["clipped"] = 0
        status["folder"] = pack(str(take.folder), _PATH_BYTES)
        status["takes"] += 1
        status["recording"] = True

    def _write(self, take: Take, blocks: list[FloatArray]) -> None:
        """Write the blocks; go on in a new take when WAV can hold no more, and in none when it cannot be written."""
        status = self._status
        try:
            take.write(blocks)
        except AudioFileError as error:
            self._fail(str(error))
            self._close()
            return
        status["frames"] = take.frames
        status["clipped"] = take.clipped_samples
        status["lost_blocks"] = self._heard.lost_blocks + self._played.lost_blocks - status["lost_before"]
        if take.full:
            self._fail(
                f"the disk is full: the recording in {take.folder} ends after {take.frames / self._rate_hz:.1f} s"
            )
            self._close()
        elif take.at_limit:
            self._close()
            self._open()

    def _close(self) -> None:
        take, self._take = self._take, None
        try:
            if take is not None and take.frames:
                take.close()
            elif take is not None:
                take.discard()
        except AudioFileError as error:
            self._fail(str(error))
        finally:
            self._status["recording"] = False

    def _fail(self, problem: str) -> None:
        self._status["problem"] = pack(problem, _PROBLEM_BYTES)
        self._status["wanted"] = False
