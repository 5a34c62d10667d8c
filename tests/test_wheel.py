"""The wheel: what it holds, how much it weighs, and that it works where there is no source tree."""

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LARGEST_BYTES = 30_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from the files that git knows, so that nothing is in it that only this folder has."""
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(source)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (built,) = dist.glob("*.whl")
    return built


def test_it_holds_models_recipes_sweeps_and_the_guide(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    expected = {f"stemlive/realtime/assets/{path.name}" for path in (ROOT / "realtime/assets").iterdir()}
    for folder in ("recipes", "sweeps"):
        expected |= {f"stemlive/training/{folder}/{path.name}" for path in (ROOT / "training" / folder).glob("*.toml")}
    assert expected | {"stemlive/training/README.md", "stemlive/py.typed", "stemlive/__main__.py"} <= held
    assert len(expected) > 10
    assert wheel.stat().st_size <= LARGEST_BYTES


def test_a_user_without_a_graphics_card_does_not_pay_for_one(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        needed = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    gpu = [line for line in needed if "onnxruntime-gpu" in line]
    assert len(gpu) == 1
    assert "extra == " in gpu[0] and "gpu" in gpu[0].rsplit("extra == ", 1)[1]
    assert "onnxruntime>=1.21" in needed


def test_installed_alone_it_separates(wheel, tmp_path):
    """In a folder of its own, beside the packages that are here; not one file of the source tree is read."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--target", str(tmp_path / "there"), str(wheel)], check=True, stderr=subprocess.DEVNULL)
    code = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import stemlive
assert stemlive.__file__.startswith(sys.path[0])
from stemlive.cli import main
main()
"""
    for arguments in (["demo", "-o", "demo.wav"], ["separate", "demo.wav", "--mix", "karaoke", "-o", "out"]):
        command = [sys.executable, "-P", "-c", code, str(tmp_path / "there"), *arguments, "--quiet"]
        subprocess.run(command, cwd=tmp_path, check=True)
    assert [path.name for path in (tmp_path / "out").rglob("*.wav")] == ["karaoke.wav"]
