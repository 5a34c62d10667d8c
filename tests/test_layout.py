"""Who may import whom (the table in the README), and that the package list matches the folders."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"stemlive": "app"} | {
    f"stemlive.{name.replace('/', '.')}": name
    for name in ("realtime", "gui", "model", "export", "training", "training/corpus")
}
HEAVY = ("torch", "PyQt6", "pyqtgraph", "onnx", "onnxruntime", "accelerate", "scipy", "sounddevice", "soundfile")
MAY_IMPORT = {
    "app": {"realtime", "gui", "model", "export", "training"},
    "realtime": set(),
    "gui": {"realtime"},
    "model": set(),
    "export": {"model", "realtime"},
    "training": {"model"},
    "training/corpus": {"model", "training"},
}
BLOCKED = {
    "app": HEAVY,
    "realtime": ("torch", "PyQt6", "pyqtgraph", "onnx", "accelerate", "scipy"),
    "gui": ("torch", "onnx", "accelerate", "scipy"),
    "model": ("PyQt6", "pyqtgraph", "onnx", "onnxruntime", "accelerate", "scipy", "sounddevice", "soundfile"),
    "export": ("PyQt6", "pyqtgraph", "accelerate", "scipy", "sounddevice"),
    "training": ("PyQt6", "pyqtgraph", "onnx", "onnxruntime", "sounddevice"),
    "training/corpus": ("PyQt6", "pyqtgraph", "onnx", "onnxruntime", "sounddevice"),
}


def modules(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).glob("*.py") if path.stem != "__main__")


def module_name(path: Path) -> str:
    package = next(name for name, folder in FOLDERS.items() if ROOT / folder == path.parent)
    return package if path.stem == "__init__" else f"{package}.{path.stem}"


def test_package_list_matches_the_folders():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["package-dir"] == FOLDERS
    assert settings["packages"] == list(FOLDERS)
    packages = [path.parent.relative_to(ROOT) for path in ROOT.glob("[a-z]*/**/__init__.py")]
    on_disk = {str(package) for package in packages if package.parts[0] != "build"}  # where pip built
    assert on_disk == set(FOLDERS.values())


@pytest.mark.parametrize("folder", BLOCKED)
def test_every_module_imports_without_what_it_must_not_need(folder):
    names = [module_name(path) for path in modules(folder)]
    code = f"""
import importlib, sys
for name in {BLOCKED[folder]!r}:
    sys.modules[name] = None
for name in {names!r}:
    importlib.import_module(name)
"""
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert len(names) >= 1


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_follow_the_table(folder):
    for path in (ROOT / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                package = name.split(".")[1] if name.startswith("stemlive.") else ""
                if package in MAY_IMPORT and package != folder:
                    assert package in MAY_IMPORT[folder], f"{path} imports {name}"
                assert name.split(".")[0] not in MAY_IMPORT, f"{path} imports {name}: write stemlive.{name}"


def test_the_command_line_starts_without_anything_heavy():
    code = "import sys; import stemlive.cli; print([m for m in sys.argv[1:] if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code, *HEAVY, "numpy"], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
