"""A file has its name only when all of it is on the disk, whoever writes it, and there is one way to see to that."""

import ast
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from test_layout import MAY_IMPORT, sources

from stemlive.errors import AudioFileError, StemliveError
from stemlive.model.checkpoint import save_atomically
from stemlive.realtime.audio_files.files import AudioWriter
from stemlive.realtime.recording.take import Take
from stemlive.training.corpus.files import staging, write_flac, write_ogg
from stemlive.training.recordings import write_whole
from stemlive.whole_file import publish, whole_file

RATE_HZ = 44100
NOISE = (0.1 * np.random.default_rng(1).standard_normal((3000, 2))).astype(np.float32)


def text(path: Path) -> None:
    with whole_file(path) as part:
        part.write_text("new")


def audio(path: Path) -> None:
    with AudioWriter(path, RATE_HZ, 2, force=True) as writer:
        writer.write(NOISE)


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "any": ("a.txt", text),
    "wav": ("a.wav", audio),
    "flac": ("a.flac", audio),
    "ogg": ("a.ogg", audio),
    "checkpoint": ("a.pt", lambda path: save_atomically({"a": torch.zeros(9)}, path)),
    "cache": ("a.npy", lambda path: write_whole(path, NOISE)),
    "corpus flac": ("a.flac", lambda path: write_flac(path, NOISE)),
    "corpus ogg": ("a.ogg", lambda path: write_ogg(path, NOISE)),
}
everyone = pytest.mark.parametrize(("name", "write"), WRITERS.values(), ids=WRITERS)


class Journal:
    """What is asked of the disk, in order: which file, and how long it was, or that a folder was stored."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[tuple[str, object]] = []
        fsync, replace = os.fsync, os.replace

        def noted_fsync(descriptor: int) -> None:
            status = os.fstat(descriptor)
            folder = stat.S_ISDIR(status.st_mode)
            self.lines.append(("folder", status.st_ino) if folder else ("file", (status.st_ino, status.st_size)))
            fsync(descriptor)

        def noted_replace(source: Path, target: Path) -> None:
            self.lines.append(("named", Path(target).name))
            replace(source, target)

        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(os, "replace", noted_replace)


@everyone
def test_a_file_is_on_the_disk_before_it_has_its_name_and_then_its_folder(tmp_path, monkeypatch, name, write):
    journal = Journal(monkeypatch)
    write(tmp_path / name)
    written = (tmp_path / name).stat()
    assert written.st_size > 0
    assert journal.lines == [
        ("file", (written.st_ino, written.st_size)),
        ("named", name),
        ("folder", tmp_path.stat().st_ino),
    ]


def test_a_take_s_files_are_on_the_disk_before_they_have_their_names(tmp_path, monkeypatch):
    journal = Journal(monkeypatch)
    recording = Take(tmp_path, {"mix": 2, "input": 2}, RATE_HZ, "flac")
    recording.write([NOISE, NOISE])
    recording.close()
    assert [kind for kind, _ in journal.lines] == ["file", "named", "folder"] * 2
    for at, name in ((0, "mix.flac"), (3, "input.flac")):
        written = (recording.folder / name).stat()
        assert journal.lines[at][1] == (written.st_ino, written.st_size)


def test_all_that_is_in_a_folder_is_on_the_disk_before_the_folder_has_its_name(tmp_path, monkeypatch):
    with staging(tmp_path) as part:
        (part / "deep").mkdir()
        (part / "deep/a").write_text("a")
        (part / "b").write_text("b")
        journal = Journal(monkeypatch)
        publish(part, tmp_path / "song")
    song = tmp_path / "song"
    files = {("file", ((song / name).stat().st_ino, 1)) for name in ("deep/a", "b")}
    folders = [("folder", folder.stat().st_ino) for folder in (song / "deep", song, tmp_path)]
    assert set(journal.lines) == files | set(folders) | {("named", "song")}
    assert [line for line in journal.lines if line[0] == "folder"] == folders
    assert journal.lines[-2:] == [("named", "song"), folders[-1]]


@everyone
def test_a_disk_that_cannot_store_the_file_leaves_what_was_there(tmp_path, monkeypatch, name, write):
    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / name).write_text("precious")
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises((StemliveError, OSError), match="nput/output error"):
        write(tmp_path / name)
    assert (tmp_path / name).read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_take_that_cannot_be_stored_keeps_its_part(tmp_path, monkeypatch):
    recording = Take(tmp_path, {"mix": 2}, RATE_HZ, "flac")
    recording.write([NOISE])

    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(AudioFileError, match=r"cannot complete .*mix\.flac: Input/output error"):
        recording.close()
    assert [path.name for path in recording.folder.iterdir()] == ["mix.flac.part"]
    assert soundfile.info(recording.folder / "mix.flac.part").frames == len(NOISE)


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    (tmp_path / "a").write_text("precious")
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "a") as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "a").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_stays_a_link_and_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    text(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    (tmp_path / "circle.wav").symlink_to("circle.wav")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        text(tmp_path / "circle.wav")
    with pytest.raises(AudioFileError, match=r"cannot write .*circle\.wav: Too many levels"):
        AudioWriter(tmp_path / "circle.wav", RATE_HZ, 2, force=True)


@pytest.mark.parametrize("letter", ["a", "ä", "音"], ids=["one byte", "two", "three"])
def test_the_longest_name_that_the_disk_takes_can_be_written(tmp_path, letter):
    size = len(os.fsencode(letter))
    name = letter * ((255 - len(".wav")) // size) + ".wav"
    audio(tmp_path / name)
    assert soundfile.info(tmp_path / name).frames == len(NOISE)
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_but_this_gives_files_their_names():
    found = []
    for folder in MAY_IMPORT:
        for path in sources(folder):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    of_path = node.func.attr == "replace" and len(node.args) == 1 and not node.keywords
                    of_path &= ast.unparse(node.func.value) != "dataclasses"
                    if of_path or node.func.attr == "rename":
                        found.append(path.name)
    assert found == ["whole_file.py"]
