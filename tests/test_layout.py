"""Who may import whom (the tables in ARCHITECTURE.md), and that the package list matches the folders."""

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = (
    "engine",
    "recording",
    "control",
    "devices",
    "separation",
    "shared",
    "model_file",
    "audio_files",
    "dsp",
)
"""The rooms of `realtime/`: each imports only those that come after it."""
FOLDERS = {"stemlive": "app", "stemlive.commands": "app/commands", "stemlive.terminal": "app/terminal"} | {
    f"stemlive.{name.replace('/', '.')}": name
    for name in (
        "realtime",
        *(f"realtime/{room}" for room in ROOMS),
        "gui",
        "model",
        "export",
        "training",
        "training/corpus",
    )
}
"""Package to folder, in the order of pyproject.toml."""
HEAVY = ("torch", "PyQt6", "pyqtgraph", "onnx", "onnxruntime", "accelerate", "scipy", "sounddevice", "soundfile")
MAY_IMPORT = {
    "app": {"realtime", "gui", "model", "export", "training"},
    "realtime": set(),
    "gui": {"realtime"},
    "model": set(),
    "export": {"model", "realtime"},
    "training": {"model"},
}
SHARED = ("stemlive.realtime.audio_files.reader",)
"""What every folder may import: a file is read in one way."""
BLOCKED = {
    "app": HEAVY,
    "realtime": ("torch", "PyQt6", "pyqtgraph", "onnx", "accelerate", "scipy"),
    "gui": ("torch", "onnx", "accelerate", "scipy"),
    "model": ("PyQt6", "pyqtgraph", "onnx", "onnxruntime", "accelerate", "scipy", "sounddevice", "soundfile"),
    "export": ("PyQt6", "pyqtgraph", "accelerate", "scipy", "sounddevice"),
    "training": ("PyQt6", "pyqtgraph", "onnx", "onnxruntime", "sounddevice"),
}
MOST_LINES = 300


def sources(folder: str) -> list[Path]:
    """Every module in a folder and below it."""
    return sorted((ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    package = next(name for name, folder in FOLDERS.items() if ROOT / folder == path.parent)
    return package if path.stem == "__init__" else f"{package}.{path.stem}"


def imports(path: Path) -> list[str]:
    """What a module imports, at any level: absolute names, for relative imports are banned."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def part(name: str) -> str:
    """The folder of the table that a name of `stemlive` belongs to."""
    words = name.split(".")
    return words[1] if len(words) > 1 and words[1] in MAY_IMPORT else "app"


def test_package_list_matches_the_folders():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["package-dir"] == FOLDERS
    assert settings["packages"] == list(FOLDERS)
    packages = [path.parent.relative_to(ROOT) for path in ROOT.glob("[a-z]*/**/__init__.py")]
    on_disk = {str(package) for package in packages if package.parts[0] != "build"}  # where pip built
    assert on_disk == set(FOLDERS.values())
    for folder in MAY_IMPORT:
        assert all(str(path.parent.relative_to(ROOT)) in on_disk for path in sources(folder))


@pytest.mark.parametrize("folder", BLOCKED)
def test_every_module_imports_without_what_it_must_not_need(folder):
    names = [module_name(path) for path in sources(folder) if path.stem != "__main__"]
    code = f"""
import importlib, sys
for name in {BLOCKED[folder]!r}:
    sys.modules[name] = None
for name in {names!r}:
    importlib.import_module(name)
"""
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert len(names) >= 2


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_follow_the_table(folder):
    for path in sources(folder):
        for name in imports(path):
            if name.startswith("stemlive.") and not name.startswith(SHARED):
                assert part(name) in {folder, "app"} | MAY_IMPORT[folder], f"{path} imports {name}"
            assert name.split(".")[0] not in MAY_IMPORT, f"{path} imports {name}: write stemlive.{name}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_below_it(room):
    below = ROOMS[ROOMS.index(room) :]
    paths = sources(f"realtime/{room}")
    assert len(paths) >= 2
    for path in paths:
        for name in imports(path):
            words = name.split(".")
            if words[:2] == ["stemlive", "realtime"]:
                assert len(words) == 2 or words[2] in below, f"{path} imports {name}"
                assert len(words) > 2 or path.stem == "__init__", (
                    f"{path} imports {name}: the public names are for others"
                )


def test_the_tables_of_realtime_are_whole():
    assert [path.name for path in (ROOT / "realtime").glob("*.py")] == ["__init__.py"]
    assert {path.parent.name for path in (ROOT / "realtime").glob("*/__init__.py")} == set(ROOMS)


def test_no_module_needs_itself_by_way_of_others():
    """Imports inside functions and for types count, too: a circle that works is one still, and CycleError shows it."""
    paths = {module_name(path): path for folder in ("app", "gui", "realtime") for path in sources(folder)}
    needs = {module: {name for name in imports(path) if name in paths} - {module} for module, path in paths.items()}
    order = list(TopologicalSorter(needs).static_order())
    assert len(order) == len(paths) > 100
    assert order.index("stemlive.gui.dialogs") < order.index("stemlive.gui.window")


def test_the_terminal_knows_no_command_and_the_library_nothing_of_the_command_line():
    command_line = ("stemlive.commands", "stemlive.terminal", "stemlive.cli", "stemlive.options", "stemlive.live")
    for path in [*(ROOT / "app").glob("*.py"), *sources("app/terminal")]:
        assert not [name for name in imports(path) if name.startswith("stemlive.commands")], path
    for folder in set(MAY_IMPORT) - {"app"}:
        for path in sources(folder):
            assert not [name for name in imports(path) if name.startswith(command_line)], path


def test_a_command_is_imported_by_name_alone():
    """The table in cli.py names each module of `commands`, so that `stemlive --help` imports none."""
    from stemlive.cli import COMMANDS

    modules = {module_name(path) for path in sources("app/commands") if path.stem != "__init__"}
    assert {target.split(":")[0] for target in COMMANDS.values()} == modules


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_no_file_is_too_long_to_read_at_a_sitting(folder):
    for path in sources(folder):
        name = str(path.relative_to(ROOT))
        lines = len(path.read_text().splitlines())
        assert lines <= MOST_LINES, f"{name} has {lines} lines"


def test_the_command_line_starts_without_anything_heavy():
    code = "import sys; import stemlive.cli; print([m for m in sys.argv[1:] if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code, *HEAVY, "numpy"], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_library_does_not_speak_command_line():
    """What it says may be read by a program in Python: the command line puts its options in (`option_names`)."""
    for folder in ("realtime", "model", "export", "training", "gui"):
        for path in sources(folder):
            tree = ast.parse(path.read_text())
            documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
                    text = re.sub(r"pip install( --[a-z-]+)+", "", node.value)  # options of pip
                    word = re.fullmatch(r"--\S+", text)  # of a command that is run
                    assert word or not re.search(r"--[a-z]", text), f"{path}: {text}"


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("training/*.md")]))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.split("#")[0]).exists(), target


def test_the_readme_is_a_front_door():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150
