"""Nothing of the user's machine is written down or told, and nothing that lies in the current folder is run."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import onnx_models
import pytest
from test_layout import MAY_IMPORT, imports, module_name, sources

from stemlive.child import PROGRAM, SAFE_PATH
from stemlive.gui.device_list import DeviceList
from stemlive.gui.export_job import ExportJob
from stemlive.gui.export_order import Order
from stemlive.gui.sheets import ModelSheet
from stemlive.training import launch, sweep_run

SWITCH = "ORT_DISABLE_TELEMETRY"
TRAP = "open('trapped', 'a').close()\n"
"""A module that tells that it was run."""

ENGINE = """
import os, sys
from stemlive.realtime.engine.child_process import EngineProcess
from stemlive.realtime.shared.settings import EngineSettings

if __name__ == "__main__":
    del os.environ["ORT_DISABLE_TELEMETRY"]  # the child sees to itself
    EngineProcess(EngineSettings("song.wav", "device:none", sys.argv[1])).stop()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(onnx_models.write_model(tmp_path_factory.mktemp("model") / "tiny.onnx"))


def new_home(folder: Path, **more: str) -> dict[str, str]:
    """The environment of somebody whose home and cache are new, and who has set nothing of ours."""
    kept = {name: value for name, value in os.environ.items() if name not in {SWITCH, SAFE_PATH}}
    return kept | {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "cache")} | more


def run(folder: Path, *command: str, **more: str) -> str:
    (folder / "here").mkdir(exist_ok=True)
    done = subprocess.run(
        command, cwd=folder / "here", env=new_home(folder, **more), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# What onnxruntime tells


def test_a_command_that_loads_a_model_leaves_nothing_in_a_new_home(tmp_path, model):
    run(tmp_path, *PROGRAM, "models", model)
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def test_the_engine_s_own_process_leaves_nothing_in_a_new_home(tmp_path, model):
    script = tmp_path / "engine.py"
    script.write_text(ENGINE)
    run(tmp_path, sys.executable, str(script), model)
    assert {path.name for path in tmp_path.iterdir()} <= {"here", "engine.py"}


def test_every_module_that_imports_onnxruntime_finds_it_told_to_be_silent(tmp_path):
    names = [
        module_name(path)
        for folder in MAY_IMPORT
        for path in sources(folder)
        if any(name.split(".")[0] == "onnxruntime" for name in imports(path))
    ]
    assert len(names) >= 4
    code = f"""
import importlib, importlib.abc, os, sys
class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print(os.environ.get({SWITCH!r}))
sys.meta_path.insert(0, Hook())
importlib.import_module(sys.argv[1])
import onnxruntime
"""
    for name in names:
        assert run(tmp_path, sys.executable, "-c", code, name).split()[0] == "1"
    assert run(tmp_path, sys.executable, "-c", code, names[0], **{SWITCH: "0"}).split()[0] == "0", "the user's own"


# What lies in the current folder


def test_a_child_of_the_command_line_runs_no_module_of_the_current_folder(tmp_path):
    (tmp_path / "click.py").write_text(TRAP)
    subprocess.run([sys.executable, "-m", "stemlive"], cwd=tmp_path, capture_output=True, check=False)
    assert (tmp_path / "trapped").exists(), "the trap works"
    (tmp_path / "trapped").unlink()
    subprocess.run([*PROGRAM, "--version"], cwd=tmp_path, capture_output=True, check=True)
    assert not (tmp_path / "trapped").exists()


def test_what_training_starts_runs_no_module_of_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "click.py").write_text(TRAP)
    monkeypatch.chdir(tmp_path)
    launch.launch(["--help"], 1)
    sweep_run._call(["--version"], tmp_path / "log", lambda: False)
    assert not (tmp_path / "trapped").exists()


def test_what_the_window_starts_runs_no_module_of_the_current_folder(tmp_path, monkeypatch, qtbot, model):
    from PyQt6.QtWidgets import QWidget

    (tmp_path / "click.py").write_text(TRAP)
    monkeypatch.chdir(tmp_path)
    devices, export, window = DeviceList(), ExportJob(), QWidget()
    qtbot.addWidget(window)
    with qtbot.waitSignal(devices.changed, timeout=20000):
        devices.refresh()
    with qtbot.waitSignal(export.ended, timeout=20000):
        export.start(Order(tmp_path / "none.wav", (), model=model, folder=tmp_path))
    sheet = ModelSheet("live", window)
    with qtbot.waitSignal(sheet._process.finished, timeout=20000):
        pass
    sheet.close()
    assert not (tmp_path / "trapped").exists()


def test_the_engine_s_own_process_runs_no_module_of_the_current_folder(tmp_path, model):
    """`multiprocessing` starts it, and a process that looks after the shared memory, with `-c` and no `-P`."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here/multiprocessing.py").write_text(TRAP)
    script = tmp_path / "engine.py"
    script.write_text(ENGINE)
    run(tmp_path, sys.executable, str(script), model)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["multiprocessing.py"]


def test_the_command_line_makes_every_python_below_it_safe(tmp_path):
    """`stemlive` itself sees to what multiprocessing, PyTorch or pip start."""
    code = (
        f"import os, stemlive.cli as c, stemlive.__main__ as m; c.main = lambda **_: print(os.environ[{SAFE_PATH!r}])"
    )
    assert run(tmp_path, sys.executable, "-c", f"{code}; m.run()") == "1\n"


def test_no_other_python_is_started_by_module():
    for folder in MAY_IMPORT:
        for path in sources(folder):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.List | ast.Tuple):
                    words = [word.value for word in node.elts if isinstance(word, ast.Constant)]
                    assert "-m" not in words or words[0] == "-P", f"{path}: {words}"
