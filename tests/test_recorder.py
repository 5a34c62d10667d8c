"""Recording while it plays: files that line up, takes that replace nothing, disks that are slow or full."""

import errno
import multiprocessing
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx_models
import pytest
import soundfile
from recording import BEHIND, BLOCK, RATE_HZ, STEMS, feed, in_another_process, noise
from waiting import wait_until

from stemlive.errors import AudioFileError, UsageError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.dsp.key_change import KeyChange
from stemlive.realtime.engine.inline_worker import InlineWorker
from stemlive.realtime.engine.path import LivePath
from stemlive.realtime.engine.telemetry import Report
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.recording import recorder as recorder_module
from stemlive.realtime.recording.record_ring import RecordRing
from stemlive.realtime.recording.recorder import Recorder
from stemlive.realtime.recording.take import PIECE, Take
from stemlive.realtime.shared.memory import EngineMemory


def read(folder: Path, name: str) -> np.ndarray:
    return soundfile.read(next(folder.glob(f"{name}.*")), dtype="float32")[0]


@pytest.mark.parametrize(("extension", "tolerance"), [("wav", 0), ("flac", 2**-23)])
def test_files_hold_what_was_heard_and_played_from_the_same_sample_on(tmp_path, extension, tolerance):
    recorder = Recorder(tmp_path / "new" / "takes", stems=("drums",), extension=extension)
    assert recorder.wants_stems
    recorder.start()
    recorder.begin(RATE_HZ, 2, STEMS)
    wait_until(lambda: recorder.status().takes, "a take")
    sound = noise(4 * RATE_HZ)
    feed(recorder, sound)
    recorder.end()
    folder = tmp_path / "new" / "takes" / "take-001"
    assert sorted(path.name for path in folder.iterdir()) == [f"{n}.{extension}" for n in ("drums", "input", "mix")]
    whole = 4 * RATE_HZ - BEHIND
    for name, share in (("input", 1), ("mix", 0.5), ("drums", 0.25)):
        np.testing.assert_allclose(read(folder, name), share * sound[:whole], atol=tolerance, rtol=0)
    status = recorder.status()
    assert (status.folder, status.seconds, status.lost_blocks, status.problem) == (str(folder), whole / RATE_HZ, 0, "")


def test_each_take_has_a_new_folder_and_its_files_line_up(tmp_path):
    (tmp_path / "take-007").mkdir()
    (tmp_path / "take-007" / "mix.wav").write_text("mine")
    recorder = Recorder(tmp_path, stems=(), extension="wav")
    assert not recorder.wants_stems
    recorder.begin(RATE_HZ, 2, STEMS)
    sound = noise(6 * RATE_HZ)
    feed(recorder, sound, 0, RATE_HZ)
    for take in (1, 2):
        recorder.start()
        wait_until(lambda take=take: recorder.status().takes == take, "the take")
        feed(recorder, sound, (2 * take - 1) * RATE_HZ, 2 * take * RATE_HZ)
        wait_until(lambda: recorder.status().seconds > 0.5, "sound on the disk")
        recorder.stop()
        wait_until(lambda: not recorder.status().on, "the end of the take")
        feed(recorder, sound, 2 * take * RATE_HZ, (2 * take + 1) * RATE_HZ)
    recorder.start()
    recorder.stop()
    recorder.end()
    assert (tmp_path / "take-007" / "mix.wav").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["take-007", "take-008", "take-009"]
    for name in ("take-008", "take-009"):
        recorded, mix = read(tmp_path / name, "input"), read(tmp_path / name, "mix")
        np.testing.assert_array_equal(recorded / 2, mix)
        assert len(recorded) > RATE_HZ // 2
        start = next(at for at in range(len(sound)) if np.array_equal(sound[at], recorded[0]))
        np.testing.assert_array_equal(recorded, sound[start : start + len(recorded)])


def test_folder_and_stems_may_change_while_it_runs_and_count_from_the_next_take_on(tmp_path):
    recorder = Recorder(None, extension="wav")
    recorder.begin(RATE_HZ, 2, STEMS)
    sound = noise(4 * RATE_HZ)
    for number, (folder, without) in enumerate(((tmp_path / "a", ()), (tmp_path / "b", ("vocals",))), start=1):
        recorder.aim(folder, without=without)
        recorder.start()
        wait_until(lambda number=number: recorder.status().takes == number, "the take")
        recorder.aim(tmp_path / "later", without=("drums",))
        feed(recorder, sound, (2 * number - 2) * RATE_HZ, (2 * number - 1) * RATE_HZ)
        wait_until(lambda: recorder.status().seconds > 0.5, "sound on the disk")
        recorder.stop()
        wait_until(lambda: not recorder.status().on, "the end of the take")
        # By then the files have their names.
        assert all(path.suffix == ".wav" for path in (folder / "take-001").iterdir())
    recorder.end()
    assert {path.stem for path in (tmp_path / "a" / "take-001").iterdir()} == {"input", "mix", "vocals", "drums"}
    assert {path.stem for path in (tmp_path / "b" / "take-001").iterdir()} == {"input", "mix", "drums"}
    for name in ("a", "b"):
        mix, drums = read(tmp_path / name / "take-001", "mix"), read(tmp_path / name / "take-001", "drums")
        assert np.abs(mix).max() > 0.4
        np.testing.assert_array_equal(mix / 2, drums)
    assert list((tmp_path / "later").iterdir()) == []


def test_what_is_never_played_after_a_loss_of_input_is_silence(tmp_path):
    recorder = Recorder(tmp_path, stems=(), extension="wav")
    recorder.start()
    recorder.begin(RATE_HZ, 2, STEMS)
    wait_until(lambda: recorder.status().takes, "a take")
    before, after = noise(RATE_HZ), noise(RATE_HZ, seed=1)
    feed(recorder, before)
    recorder.lost()
    feed(recorder, after)
    recorder.end()
    recorded, mix = read(tmp_path / "take-001", "input"), read(tmp_path / "take-001", "mix")
    np.testing.assert_array_equal(recorded, np.concatenate([before, after])[: len(recorded)])
    assert len(recorded) == 2 * RATE_HZ - BEHIND
    expected = recorded / 2
    expected[RATE_HZ - BEHIND : RATE_HZ] = 0
    np.testing.assert_array_equal(mix, expected)


def test_a_slow_disk_loses_blocks_never_time_and_nobody_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "_HELD_S", 0.5)
    disk, write = threading.Event(), Take.write
    stuck = threading.Event()

    def slow_write(take: Take, blocks: list[np.ndarray]) -> None:
        stuck.set()
        assert disk.wait(30)
        write(take, blocks)

    monkeypatch.setattr(Take, "write", slow_write)
    recorder = Recorder(tmp_path, extension="wav")
    recorder.start()
    recorder.begin(RATE_HZ, 2, STEMS)
    wait_until(lambda: recorder.status().takes, "a take")
    sound = noise(6 * RATE_HZ)
    feed(recorder, sound, 0, 4 * RATE_HZ)  # while the disk does nothing at all
    assert stuck.wait(60)
    disk.set()
    wait_until(lambda: recorder.status().seconds > 3.5, "sound on the disk")
    feed(recorder, sound, 4 * RATE_HZ, 4 * RATE_HZ + 3200)
    recorder.end()
    recorded = read(tmp_path / "take-001", "input")
    assert len(recorded) == 4 * RATE_HZ + 3200 - BEHIND
    silent = ~recorded.any(axis=1)
    # Each ring holds 4096 frames and noted its own gap.
    np.testing.assert_array_equal(recorded[~silent], sound[: len(recorded)][~silent])
    assert 2.5 * RATE_HZ < silent.sum() < 4 * RATE_HZ
    for name, share in (("mix", 0.5), ("vocals", 0.125), ("drums", 0.25)):
        heard = read(tmp_path / "take-001", name)
        sounding = heard.any(axis=1)
        np.testing.assert_array_equal(heard[sounding], share * sound[: len(recorded)][sounding])
        assert sounding[-1]
    assert recorder.status().lost_blocks > 2 * 2.5 * RATE_HZ / BLOCK


def test_an_exception_ends_the_take_and_is_said_and_the_next_take_is_whole(tmp_path, monkeypatch):
    write = Take.write

    def fail(take: Take, blocks: list[np.ndarray]) -> None:
        if take.frames > RATE_HZ:
            raise RuntimeError("a bug")
        write(take, blocks)

    monkeypatch.setattr(Take, "write", fail)
    recorder = Recorder(tmp_path, stems=(), extension="wav")
    recorder.begin(RATE_HZ, 2, STEMS)
    recorder.start()
    wait_until(lambda: recorder.status().takes, "a take")
    sound = noise(4 * RATE_HZ)
    feed(recorder, sound)
    wait_until(lambda: not recorder.status().on, "the end of the take")
    assert recorder.status().problem == "the recorder failed with RuntimeError: a bug"
    first = read(tmp_path / "take-001", "input")
    assert len(first) > RATE_HZ, "what was written before is lost"
    np.testing.assert_array_equal(first, sound[: len(first)])
    monkeypatch.setattr(Take, "write", write)
    recorder.start()
    wait_until(lambda: recorder.status().takes == 2, "the next take")
    feed(recorder, sound)
    recorder.end()
    assert recorder.status().problem == ""
    assert len(read(tmp_path / "take-002", "input")) > 3 * RATE_HZ


def test_ring_gaps_that_cannot_be_noted_any_more_grow_over_what_lies_between():
    ring = RecordRing(256, (1,))
    ones = np.ones((100, 1), np.float32)
    assert ring.has_room(100)
    ring.put(0, ones)
    ring.advance(100)
    for _ in range(300):  # more gaps than can be noted, each behind a sample of sound
        ring.skip(1)
        ring._in_gap = False
    out = [np.full((100, 1), 9, np.float32)]
    ring.take(100, out)
    assert (out[0] == 1).all()
    for _ in range(3):
        ring.take(100, out)
        assert (out[0] == 0).all()
    assert ring.taken == ring.written == 400


class TightDisk:
    """A file on a disk of so many bytes, of which all files of a take use up the room."""

    def __init__(self, file, room: dict[str, int]) -> None:
        self._file, self._room = file, room

    def write(self, data) -> int:
        at, end = self._file.tell(), os.fstat(self._file.fileno()).st_size
        grows = max(0, at + len(data) - end)
        if grows > self._room["bytes"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._room["bytes"] -= grows
        return self._file.write(data)

    def __getattr__(self, name: str):
        return getattr(self._file, name)


def tighten(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    from stemlive.realtime.recording import take

    room = {"bytes": size}
    make, make_room = take._PartFile.__init__, Take._make_room

    def tight(self, path, ask) -> None:
        make(self, path, ask)
        self._file = TightDisk(self._file, room)

    def give(self) -> bool:
        there = self._ballast.stat().st_size if self._ballast.exists() else 0
        room["bytes"] += there
        return make_room(self)

    monkeypatch.setattr(take._PartFile, "__init__", tight)
    monkeypatch.setattr(Take, "_make_room", give)


def check_full_disk(folder: Path, recorder: Recorder, sound: np.ndarray) -> None:
    recorder.start()
    recorder.begin(RATE_HZ, 2, STEMS)
    wait_until(lambda: recorder.status().takes, "a take")
    fed = 0
    while recorder.status().on and fed + RATE_HZ <= len(sound):
        feed(recorder, sound, fed, fed + RATE_HZ)
        fed += RATE_HZ
        wait_until(
            lambda fed=fed: not recorder.status().on or recorder.status().seconds > fed / RATE_HZ - 1, "the writer"
        )
    status = recorder.status()
    assert "the disk is full" in status.problem
    assert not status.on
    feed(recorder, sound, 0, RATE_HZ)  # the sound goes on
    recorder.end()
    recorded, mix = read(folder / "take-001", "input"), read(folder / "take-001", "mix")
    assert len(recorded) == len(mix) == round(status.seconds * RATE_HZ) > 2 * PIECE
    np.testing.assert_allclose(recorded, sound[: len(recorded)], atol=2**-23)
    np.testing.assert_allclose(mix, sound[: len(recorded)] / 2, atol=2**-23)
    assert sorted(path.stem for path in (folder / "take-001").iterdir()) == ["input", "mix"]


@pytest.mark.parametrize("extension", ["wav", "flac"])
def test_a_full_disk_ends_the_take_in_order(tmp_path, monkeypatch, extension):
    tighten(monkeypatch, 400_000)
    check_full_disk(tmp_path, Recorder(tmp_path, stems=(), extension=extension), noise(20 * RATE_HZ))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(tmp_path)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_small_file_system_that_fills_up(small_disk):
    check_full_disk(small_disk, Recorder(small_disk, stems=()), noise(20 * RATE_HZ))


def test_what_cannot_be_completed_keeps_its_part_name(tmp_path, monkeypatch):
    tighten(monkeypatch, 100_000)
    monkeypatch.setattr(Take, "_make_room", lambda take: False)
    recorder = Recorder(tmp_path, stems=(), extension="wav")
    recorder.start()
    recorder.begin(RATE_HZ, 2, STEMS)
    wait_until(lambda: recorder.status().takes, "a take")
    feed(recorder, noise(4 * RATE_HZ))
    recorder.end()
    assert "the disk is full" in recorder.status().problem
    names = {path.name for path in (tmp_path / "take-001").iterdir()}
    assert "mix.wav.part" in names
    assert "mix.wav" not in names


def test_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="flac or wav, not mp3"):
        Recorder(tmp_path, extension="mp3")
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioFileError, match="cannot record in"):
        Recorder(tmp_path / "file")
    with pytest.raises(UsageError, match="cannot record stem 'tuba': known are vocals, drums"):
        Recorder(tmp_path, stems=("tuba",)).begin(RATE_HZ, 2, STEMS)


def test_steered_and_watched_from_another_process(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    recorder, ready = Recorder(tmp_path, stems=()), spawn.Event()
    process = spawn.Process(target=in_another_process, args=(recorder, ready))
    process.start()
    assert ready.wait(60)
    recorder.start()
    process.join(60)
    assert process.exitcode == 0
    assert recorder.status().seconds == (RATE_HZ - BEHIND) / RATE_HZ
    assert len(read(tmp_path / "take-001", "mix")) == RATE_HZ - BEHIND


def test_inside_the_callback_what_is_played_is_numbered_as_what_was_heard(tmp_path):
    session = Session(
        onnx_models.write_model(tmp_path / "live.onnx", onnx_models.metadata((2048, 1024, 512))),
    )
    memory = EngineMemory.local()
    controls = Controls(session.info.stems, memory)
    path = LivePath(session, sample_rate_hz=44100, channels=2, block_samples=512)
    inside = path.behind_samples - 256
    path.delay(inside)
    recorder = Recorder(tmp_path / "takes", stems=(), extension="wav")
    recorder.start()
    recorder.begin(44100, 2, controls.stems)
    wait_until(lambda: recorder.status().takes, "a take")
    report = Report(memory, path, sample_rate_hz=44100, longest_block=512, outputs=2)
    key = KeyChange(44100, 2, 512)
    worker = InlineWorker(path, report, key, inside_samples=inside, sample_rate_hz=44100, taps=(recorder,))
    sound, out = noise(256 * 80), np.zeros((256, 2), np.float32)
    for block in np.split(sound, 80):
        worker.process(block, out)
    recorder.end()
    recorded, mix = (read(tmp_path / "takes" / "take-001", name) for name in ("input", "mix"))
    assert len(mix) == len(recorded) == len(sound) - inside
    np.testing.assert_array_equal(recorded, sound[: len(recorded)])
    np.testing.assert_allclose(mix, recorded, atol=1e-5)  # every fader at 0 dB
