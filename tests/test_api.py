"""The library's door: what `import stemlive` offers, and that every example in docs/api.md and the README runs."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from jack_server import Server
from test_layout import HEAVY

import stemlive
from stemlive.realtime.model_file.bundled import SONG_MODEL
from stemlive.realtime.separation.separator import Separator

ROOT = Path(__file__).parent.parent
RATE_HZ = 44100
SAMPLES = 2 * RATE_HZ
STEMS = ["vocals", "drums", "bass", "other"]


def examples(page: str) -> dict[str, str]:
    """The Python blocks of a page, by the heading that they stand below and their number there."""
    found: dict[str, str] = {}
    for section in re.split(r"^#+ ", (ROOT / page).read_text(), flags=re.MULTILINE):
        blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        title = section.split("\n")[0].lower()
        found |= {f"{title} {number}": block for number, block in enumerate(blocks, 1)}
    return found


PAGE = examples("docs/api.md")


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    """Two seconds of chords over noise, stereo."""
    t = np.arange(SAMPLES) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * hz * t) for hz in (110, 220, 277.2, 329.6))
    noise = np.random.default_rng(0).standard_normal((SAMPLES, 2))
    return (0.1 * tones[:, None] + 0.05 * noise).astype(np.float32)


@pytest.fixture
def run(tmp_path: Path, song: np.ndarray, server: Server) -> Callable[..., bytes]:
    """Run an example as a program of its own, beside a song; return what it prints."""
    soundfile.write(tmp_path / "song.wav", song, RATE_HZ, "FLOAT")

    def run(code: str, stdin: bytes = b"") -> bytes:
        (tmp_path / "example.py").write_text(code)
        done = subprocess.run(
            [sys.executable, "-W", "error", "example.py"],
            cwd=tmp_path,
            env=server.environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


@pytest.fixture(scope="module")
def stems(song: np.ndarray) -> np.ndarray:
    """The song's stems by the separator itself, as long as the song and its delay together."""
    return separated(song, Separator())


@pytest.fixture(scope="module")
def stems_of_song(song: np.ndarray) -> np.ndarray:
    """The same by the default model of songs, without the delay."""
    separator = Separator(SONG_MODEL)
    return separated(song, separator)[:, separator.latency_samples :]


def differs_db(audio: np.ndarray, true: np.ndarray) -> float:
    """Where hops go through a model of 8 bits together, it rounds by all of them."""
    return float(10 * np.log10(np.square(audio - true).sum() / np.square(true).sum()))


def separated(song: np.ndarray, separator: Separator) -> np.ndarray:
    return np.concatenate([separator.process(song), separator.flush()], axis=1)


class TestExamples:
    def test_every_one_is_tested_here(self):
        named = set(re.findall(r"PAGE\[\"(.*?)\"\]", Path(__file__).read_text()))
        assert named == set(PAGE)

    def test_import_prints_nothing(self, run):
        assert run(PAGE["the library 1"]) == b""

    def test_a_whole_song(self, run, tmp_path, stems_of_song):
        assert run(PAGE["a whole song 1"]).decode() == f"{STEMS}\n"
        written = np.stack([read(tmp_path / f"{name}.wav") for name in STEMS])
        assert differs_db(written, stems_of_song) < -35

    def test_samples_in_memory(self, run):
        run(PAGE["a whole song 2"])

    def test_a_stream(self, run, tmp_path, stems):
        late = stems.shape[1] - SAMPLES
        assert run(PAGE["a stream 1"]).decode() == f"vocals.wav begins with {late} samples of silence\n"
        assert np.abs(read(tmp_path / "vocals.wav") - stems[0]).max() < 1e-4

    def test_a_pipe(self, run, song, stems):
        out = np.frombuffer(run(PAGE["a stream 2"], song.tobytes()), np.float32).reshape(-1, 2)
        assert np.abs(out - stems[1:].sum(0)).max() < 1e-4

    def test_a_mix(self, run, tmp_path, stems_of_song):
        said = run(PAGE["a mix 1"]).decode()
        assert said == "{'vocals': -6.0, 'drums': 0.0, 'bass': 0.0, 'other': 0.0} ['drums']\n"
        vocals, _, bass, other = stems_of_song
        mix = vocals * 10 ** (-6 / 20) + bass + other
        assert differs_db(read(tmp_path / "mix.wav"), mix) < -35

    def test_a_device_to_a_device(self, run):
        lines = run(PAGE["live 1"]).decode().splitlines()
        assert lines
        assert all(re.fullmatch(r"\d+ ms late, load \d\.\d\d, \d+ dropouts", line) for line in lines)

    def test_a_file_to_a_device_in_a_process_of_its_own(self, run):
        assert run(PAGE["live 2"]) == b"finished\n"

    def test_recording(self, run, tmp_path):
        said = run(PAGE["recording 1"]).decode()
        seconds = re.fullmatch(r"takes/take-001: (\d\.\d) s, 0 blocks lost \n", said)
        assert seconds, said
        files = {path.name: len(read(path)) for path in (tmp_path / "takes/take-001").iterdir()}
        assert sorted(files) == ["drums.flac", "input.flac", "mix.flac", "vocals.flac"]
        assert len(set(files.values())) == 1
        assert files["mix.flac"] == pytest.approx(float(seconds[1]) * RATE_HZ, abs=0.06 * RATE_HZ)
        assert read(tmp_path / "takes/take-001/mix.flac").any()

    def test_what_there_is(self, run):
        lines = run(PAGE["what there is 1"]).decode().splitlines()
        assert "live ['vocals', 'drums', 'bass', 'other'] 23.2 ms CC BY-NC-SA 4.0" in lines
        assert "live-free ['vocals', 'drums', 'bass', 'other'] 23.2 ms MIT" in lines
        assert any(re.fullmatch(r"\d+ system, JACK.* 2 2 44100", line) for line in lines)

    def test_errors(self, run):
        assert run(PAGE["errors 1"]) == b"no such file.wav: there is no such file\n"

    def test_the_one_of_the_readme(self, run, tmp_path, stems):
        (code,) = examples("README.md").values()
        run(code)
        assert np.abs(read(tmp_path / "karaoke.wav") - stems[1:].sum(0)).max() < 1e-4

    def test_type_checkers_find_nothing_to_say_but_of_what_is_wrong(self, tmp_path):
        """mypy, strictly, on each example, and on two that it must refuse."""
        wrong = ["import stemlive\nstemlive.seperate('song.wav')\n", "import stemlive\nstemlive.separate(1)\n"]
        for number, code in enumerate([*PAGE.values(), *examples("README.md").values(), *wrong]):
            (tmp_path / f"example_{number}.py").write_text(code)
        # As test.sh checks the package, whose results are used again.
        command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
        command += ["--no-error-summary", "--hide-error-context"]
        names = sorted(map(str, tmp_path.iterdir()))
        done = subprocess.run([*command, *names], cwd=sys.prefix, capture_output=True, text=True, check=False)
        first = len(PAGE) + 1
        assert sorted(Path(line.split(":")[0]).name for line in done.stdout.splitlines() if "error:" in line) == [
            f"example_{first}.py",
            f"example_{first + 1}.py",
        ], done.stdout
        assert 'has no attribute "seperate"' in done.stdout
        assert 'Argument 1 to "separate" has incompatible type "int"' in done.stdout


class TestDoor:
    def test_it_is_light_until_it_is_used_and_then_needs_neither_torch_nor_qt(self):
        code = """
import sys
import stemlive
print([name for name in sys.argv[1:] if name in sys.modules], dir(stemlive)[0])
for name in ("torch", "PyQt6", "onnx", "scipy", "soxr"):
    sys.modules[name] = None
for name in stemlive.__all__:
    assert getattr(stemlive, name).__name__ == name or name.startswith("list_")
    assert getattr(stemlive, name) is getattr(stemlive, name)
"""
        command = [sys.executable, "-W", "error", "-c", code, *HEAVY, "numpy", "click"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "[] AudioDevice\n"), done.stderr

    def test_the_lists_of_names_agree(self):
        tree = ast.parse((ROOT / "app/__init__.py").read_text())
        typed = {
            alias.asname or alias.name: node.module
            for branch in tree.body
            if isinstance(branch, ast.If)
            for node in branch.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert typed == stemlive._PLACES
        assert stemlive.__all__ == sorted(typed)
        assert set(stemlive.__all__) < set(dir(stemlive))

    def test_every_name_says_what_it_is_and_stands_on_the_page(self):
        page = (ROOT / "docs/api.md").read_text()
        for name in stemlive.__all__:
            assert getattr(stemlive, name).__doc__, name
            assert f"`{name}`" in page, name

    def test_other_names_are_no_attributes(self):
        with pytest.raises(AttributeError, match="module 'stemlive' has no attribute 'nonsense'"):
            stemlive.nonsense  # noqa: B018
        assert re.fullmatch(r"\d+\.\d+\.\d+", stemlive.__version__)
