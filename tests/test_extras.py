"""What is missing is named with the command that works for this installation."""

import sys
from importlib.metadata import PackageNotFoundError, PathDistribution
from pathlib import Path

import pytest

from stemlive import extras
from stemlive.extras import how_to_add

METADATA = """Metadata-Version: 2.4
Name: stemlive
Version: 0.1.0
Requires-Dist: numpy>=2.0
Requires-Dist: PyQt6<6.12,>=6.6; extra == "gui"
Requires-Dist: pyqtgraph>=0.13; extra == "gui"
Requires-Dist: aiohttp>=3.10; extra == "remote"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An environment that holds an installed stemlive, with packages as the test says."""
    installed = tmp_path / ".venv/stemlive-0.1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text(METADATA)
    here = {"stemlive"}

    def distribution(name: str) -> PathDistribution:
        if name not in here:
            raise PackageNotFoundError(name)
        return PathDistribution(installed)

    monkeypatch.setattr(extras, "distribution", distribution)
    monkeypatch.setattr(extras, "_own", lambda: PathDistribution(installed) if "stemlive" in here else None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.setattr(sys, "executable", "/there/bin/python")
    return installed, here


def came_from(installed: Path, source: Path, tool: str = "pip") -> None:
    (installed / "direct_url.json").write_text(f'{{"url": "{source.as_uri()}", "archive_info": {{}}}}')
    (installed / "INSTALLER").write_text(tool)


def test_in_a_clone_it_is_install_sh(place, tmp_path, monkeypatch):
    installed, _ = place
    came_from(installed, tmp_path)
    (tmp_path / "install.sh").touch()
    assert how_to_add("gui") == f"{tmp_path}/install.sh gui"
    monkeypatch.chdir(tmp_path)
    assert how_to_add("gui") == "./install.sh gui"


def test_from_a_wheel_pip_or_uv_takes_the_same_wheel_again(place, tmp_path):
    installed, _ = place
    wheel = tmp_path / "stemlive-0.1.0-py3-none-any.whl"
    wheel.touch()
    came_from(installed, wheel)
    assert how_to_add("remote") == f'/there/bin/python -m pip install "{wheel}[remote]"'
    came_from(installed, wheel, "uv\n")
    assert how_to_add("remote") == f'uv pip install --python /there/bin/python "{wheel}[remote]"'
    wheel.unlink()  # its name is enough to find it again
    assert how_to_add("remote").endswith(' "stemlive-0.1.0-py3-none-any.whl[remote]"')


@pytest.mark.parametrize(("left", "tool"), [("pipx_metadata.json", "pipx"), ("uv-receipt.toml", "uv tool")])
def test_pipx_and_uv_make_the_environment_anew_so_every_extra_is_named(place, tmp_path, left, tool):
    installed, here = place
    wheel = tmp_path / "stemlive-0.1.0-py3-none-any.whl"
    wheel.touch()
    came_from(installed, wheel)
    (tmp_path / ".venv" / left).touch()
    here |= {"PyQt6"}  # half of an extra is none
    assert how_to_add("remote") == f'{tool} install --force "{wheel}[remote]"'
    here |= {"pyqtgraph"}
    assert how_to_add("remote") == f'{tool} install --force "{wheel}[gui,remote]"'


def test_the_debian_package_says_that_it_is_whole(place):
    installed, _ = place
    (installed / "INSTALLER").write_text("dpkg\n")
    assert how_to_add("train") == "not in the Debian package, but where ./install.sh train runs in a clone"


def test_from_an_index_its_name_is_enough(place):
    installed, here = place
    assert how_to_add("gui") == '/there/bin/python -m pip install "stemlive[gui]"'
    (installed / "direct_url.json").write_text('{"url": "https://example.org/s.whl", "archive_info": {}}')
    assert how_to_add("gui") == '/there/bin/python -m pip install "stemlive[gui] @ https://example.org/s.whl"'
    here.clear()
    assert how_to_add("gui") == 'pip install "stemlive[gui]"'
