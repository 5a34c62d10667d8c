"""What a machine may lack: a home that can be written, or any home at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

CHILD = """
import os, pwd, sys
def nobody(*_):
    raise KeyError("getpwuid(): uid not found: 12345")
pwd.getpwuid = pwd.getpwnam = nobody
"""


PROGRAM = "from stemlive.__main__ import run; run()"


@pytest.fixture(params=["no home", "a home that is no folder", "a home that cannot be written"])
def run(request, tmp_path):
    """Runs Python code after `CHILD`, on a machine that lacks something."""
    (tmp_path / "file").write_text("")
    homes = {"no home": None, "a home that is no folder": str(tmp_path / "file")}
    environment = {name: value for name, value in os.environ.items() if name != "HOME" and not name.startswith("XDG_")}
    environment |= {"TMPDIR": str(tmp_path)}
    home = homes.get(request.param, "/proc/stemlive")
    if home is not None:
        environment["HOME"] = home

    def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", CHILD + code, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )

    return run


def write_song(folder):
    sound = 0.1 * np.random.default_rng(0).standard_normal((44100, 2))
    (folder / "data" / "train" / "song").mkdir(parents=True)
    soundfile.write(folder / "data" / "train" / "song" / "vocals.wav", sound, 44100)


def test_training_data_is_prepared_in_a_temporary_folder(run, tmp_path):
    write_song(tmp_path)
    before = set(tmp_path.iterdir())
    result = run(PROGRAM, "prepare", "--data", "data", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["splits"]["train"]["songs"] == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("stemlive: warning: decoded audio is not kept, because ~/.cache/stemlive cannot be made")
    assert "--cache" in line
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("run", ["a home that cannot be written"], indirect=True)
def test_training_data_is_prepared_where_one_says(run, tmp_path):
    write_song(tmp_path)
    result = run(PROGRAM, "prepare", "--data", "data", "--cache", "mine", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    assert list((tmp_path / "mine").glob("*.npy"))


def test_the_window_opens_and_says_what_is_not_kept(run, tmp_path):
    pytest.importorskip("PyQt6", reason="the gui extra is not installed")
    code = """
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PyQt6.QtCore import QTimer
from stemlive.gui import program
def look():
    window = next(w for w in program.QApplication.topLevelWidgets() if isinstance(w, program.Window))
    print(window.state.message.toolTip())
    window.presets.save("Mine", window.model.mix)
    print(window.presets.names)
    window.close()
app = program.application()
QTimer.singleShot(1500, look)
print(program.run((), model=None, source=None, target=None))
"""
    result = run(code)
    assert result.returncode == 0, result.stderr
    note, presets, code = result.stdout.splitlines()
    assert note.startswith("What you set and save here is gone when the window closes, because ")
    assert note.endswith((" cannot be written", "there is no home folder"))
    assert (presets, code) == ("['Mine']", "0")
    assert "Traceback" not in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


def test_a_preset_file_and_a_log_are_kept_where_they_can_be(tmp_path):
    from stemlive.gui.store import can_write

    assert can_write(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").write_text("")
    assert not can_write(tmp_path / "file")
    assert not can_write(Path("/proc/stemlive"))
