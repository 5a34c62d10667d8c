"""The command line in process: what it writes, and that bad input ends in one line and leaves no file."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_models
import pytest
import soundfile
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from stemlive import __version__
from stemlive.cli import COMMANDS, main
from stemlive.errors import UsageError
from stemlive.extras import how_to_add
from stemlive.machine import processor_name
from stemlive.realtime.audio_files.reader import AudioReader

RATE_HZ = 44100
STEMS = ("vocals", "drums", "bass", "other")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(onnx_models.write_model(tmp_path_factory.mktemp("model") / "tiny.onnx"))


def noise(seconds: float = 0.5, channels: int = 2) -> NDArray[np.float32]:
    samples = np.random.default_rng(1).standard_normal((round(seconds * RATE_HZ), channels))
    return (0.1 * samples).astype(np.float32)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "song.wav", noise(), RATE_HZ, "FLOAT")
    return tmp_path / "song.wav"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def succeed(*arguments: object) -> Result:
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result


def fail(*arguments: object) -> tuple[int, str]:
    """Run, expect one line on standard error and nothing on standard output; return exit code and message."""
    result = run(*arguments)
    assert result.stdout == ""
    assert result.stderr.startswith("stemlive: error: ")
    assert result.stderr.count("\n") == 1
    return result.exit_code, result.stderr


def read(path: Path) -> NDArray[np.float32]:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# The group


def test_help_and_version_load_nothing_heavy():
    code = (
        "import sys; from stemlive.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'numpy', 'onnxruntime', 'torch', 'soundfile', 'soxr'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output.endswith("[]\n")
    assert all(f"\n  {name} " in output for name in COMMANDS)
    assert run("--version").stdout == f"stemlive {__version__}\n"
    assert run().stdout == run("--help").stdout


def test_every_command_has_help_and_verbose():
    for name in COMMANDS:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert "--verbose" in result.stdout
        assert "\\b" not in result.stdout, "click's mark of lines to be left as they are is shown"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'. See stemlive --help."),
        (["seperate", "a.wav"], "No such command 'seperate': did you mean separate? See stemlive --help."),
        (["no-such-song.mp3"], "no-such-song.mp3 does not exist: check the path"),
        (["./gone"], "gone does not exist: check the path"),
        (["bench", "--mode", "rtmixr"], "'inline'. Did you mean rtmixer? See stemlive bench --help."),
        (["bench", "--model", "live-fre"], "model 'live-fre' not found: did you mean live-free? give the path"),
        (["sweep", "atention"], "there is no sweep atention: did you mean attention? name a TOML file or one of"),
        (["devices", "--json", "devices.json"], "--json takes no file: write --json > FILE. See stemlive devices"),
        (["--nonsense"], "No such option"),
        (["separate"], "Missing argument 'SONG...'. See stemlive separate --help."),
        (["separate", "a.wav", "--nonsense"], "No such option"),
        (["separate", "a.wav", "--format", "doc"], "'doc' is not one of"),
        (["separate", "a.wav", "--offset", "x"], "x is not a time: write seconds, 1:30 or 1:02:03."),
        (["separate", "a.wav", "--offset", "nan"], "nan is not a time"),
        (["separate", "a.wav", "--duration", "-1"], "-1 is not a time"),
        (["separate", "a.wav", "--duration", "1:60"], "1:60 is not a time"),
        (["separate", "a.wav", "--duration", "1.5:00"], "1.5:00 is not a time"),
        (["bench", "--seconds", "1:00:01"], "1:00:01 is out of range: 0.1 s at least and 3600 s at most"),
        (["separate", "a.wav", "--threads", "0"], "0 is not in the range"),
        (["stream", "gone.wav"], "gone.wav does not exist: check the path"),
        (["stream", "a.wav", "-i", "b.wav"], "name one of SONG and --input"),
        (["stream", "--preset", "karaoke"], "name a SONG, or an --input such as device:default"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, message):
    code, line = fail(*arguments)
    assert code == 2
    assert message in line


def test_older_names_of_the_microphones_options_are_understood_and_not_shown():
    from stemlive.commands.stream import command

    def parsed(name: str) -> dict[str, object]:
        options = [f"--{name}", "device:1", f"--{name}-channels", "2", f"--{name}-gain=-6", f"--{name}-reverb", "0.5"]
        return command.make_context("stream", ["-i", "a.wav", "-o", "device:2", *options]).params

    assert parsed("monitor") == parsed("microphone")
    assert parsed("microphone")["microphone_channels"] == (2,)
    assert "monitor" not in run("stream", "--help").stdout
    assert (
        "--microphone-gain: options that are for devices"
        in fail("stream", "-i", "a.wav", "-o", "b.wav", "--monitor-gain", "-6")[1]
    )


def test_verbose_shows_the_traceback_before_the_line(model):
    separate = ["separate", "missing.wav", "--model", model]
    for arguments in (["--verbose", *separate], [*separate, "--verbose"]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("Traceback")
        assert result.stderr.endswith("stemlive: error: missing.wav: there is no such file\n")


def test_a_fault_of_the_program_asks_for_a_report(monkeypatch):
    def broken() -> None:
        raise ZeroDivisionError("not this\ntime")

    monkeypatch.setattr("stemlive.commands.models.command.callback", lambda **_: broken())
    assert fail("models") == (
        1,
        "stemlive: error: unexpected ZeroDivisionError: not this time (please report it with what --verbose prints)\n",
    )


def test_what_is_not_installed_is_named_with_the_way_to_get_it(monkeypatch):
    def broken() -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("stemlive.commands.models.command.callback", lambda **_: broken())
    assert fail("models") == (
        1,
        f"stemlive: error: this needs torch: {how_to_add('train')}\n",
    )


@pytest.mark.parametrize(
    ("arguments", "callback", "said", "shown"),
    [
        (
            ["stream", "-i", "a.wav", "-o", "b.wav"],
            "stream.command",
            'leave `reconnect` out, `force=True`, `force=False`, `mode="callback"`, `nonsense`, `pip install x`',
            "leave --reconnect out, --force, no --force, --mode callback, `nonsense`, `pip install x`",
        ),
        (
            ["corpus", "build", "x"],
            "corpus.build",
            "`accompaniment=False` or `voices`, `root`",
            "--no-accompaniment or --voices, `root`",
        ),
        (["models"], "models.command", "`force=True`", "`force=True`"),
    ],
)
def test_errors_of_the_library_get_the_options_of_the_command(monkeypatch, arguments, callback, said, shown):
    def refuse(**_: object) -> None:
        raise UsageError(said)

    monkeypatch.setattr(f"stemlive.commands.{callback}.callback", refuse)
    assert fail(*arguments) == (2, f"stemlive: error: {shown}\n")


# separate


@pytest.mark.parametrize(("rate_hz", "channels"), [(44100, 2), (44100, 1), (48000, 2), (8000, 1)])
def test_the_stems_line_up_with_the_song_and_sum_to_it(tmp_path, model, rate_hz, channels):
    seconds = np.arange(rate_hz // 2) / rate_hz
    tones = np.sin(2 * np.pi * np.array([[300.0, 1000.0], [440.0, 2000.0]])[:, :, None] * seconds).sum(axis=0)
    audio = (0.1 * tones.T[:, :channels]).astype(np.float32)
    soundfile.write(tmp_path / "song.flac", audio, rate_hz, "PCM_24")
    result = succeed("separate", tmp_path / "song.flac", "-o", tmp_path / "out", "--model", model)
    folder = tmp_path / "out" / "song"
    assert result.stdout.split("\n") == [*(f"{folder / stem}.wav" for stem in STEMS), ""]
    info = soundfile.info(folder / "vocals.wav")
    assert (info.samplerate, info.channels, info.frames) == (rate_hz, channels, len(audio))
    together = sum(read(folder / f"{stem}.wav") for stem in STEMS)
    # A resampler rings where the tones begin and end.
    inner = slice(None) if rate_hz == RATE_HZ else slice(rate_hz // 20, -rate_hz // 20)
    np.testing.assert_allclose(together[inner], audio[inner], atol=1e-5 if rate_hz == RATE_HZ else 1e-3)


def test_a_part_of_the_song_lines_up_too(song, tmp_path, model):
    succeed("separate", song, "-o", tmp_path, "--model", model, "--offset", 0.1, "--duration", 0.2, "--mix", "original")
    part = read(tmp_path / "song" / "original.wav")
    np.testing.assert_allclose(part, noise()[4410 : 3 * 4410], atol=1e-5)
    succeed("separate", song, "-o", tmp_path / "to_end", "--model", model, "--offset", 0.4, "--duration", 9)
    assert soundfile.info(tmp_path / "to_end" / "song" / "bass.wav").frames == RATE_HZ // 10


def test_mixes_are_the_sum_of_the_stems_with_their_gains(song, tmp_path, model):
    succeed(
        *("separate", song, "-o", tmp_path, "--model", model, "--stems", ",".join(STEMS), "--quiet"),
        *("--mix", "karaoke", "--mix", "vocals=-inf,drums=-6", "--mix", "karaoke, vocals=-20"),
    )
    folder = tmp_path / "song"
    assert names(folder) == {f"{name}.wav" for name in (*STEMS, "karaoke", "mix", "mix-2")}
    vocals, drums, bass, other = (read(folder / f"{stem}.wav") for stem in STEMS)
    np.testing.assert_allclose(read(folder / "karaoke.wav"), drums + bass + other, atol=1e-6)
    np.testing.assert_allclose(read(folder / "mix.wav"), 10**-0.3 * drums + bass + other, atol=1e-6)
    np.testing.assert_allclose(read(folder / "mix-2.wav"), 0.1 * vocals + drums + bass + other, atol=1e-6)


def test_a_mix_is_asked_for_alike_in_separate_and_stream(song, tmp_path, model):
    choices = {
        "karaoke": ["--preset", "karaoke"],
        "mix": ["--preset", "karaoke", "--gain", "drums=-6,vocals=-20", "--mute", "bass"],
        "mix-2": ["--solo", "drums,bass"],
    }
    made = {}
    for name, options in choices.items():
        succeed("separate", song, "-o", tmp_path / name, "--model", model, *options)
        succeed("stream", "-i", song, "-o", tmp_path / f"{name}.wav", "--model", model, *options)
        (file,) = (tmp_path / name / "song").iterdir()
        assert file.name == f"{name.removesuffix('-2')}.wav"
        made[name] = read(file)
        np.testing.assert_allclose(made[name], read(tmp_path / f"{name}.wav"), atol=1e-5)
    succeed("separate", song, "-o", tmp_path, "--model", model)
    vocals, drums, bass, other = (read(tmp_path / "song" / f"{stem}.wav") for stem in STEMS)
    np.testing.assert_allclose(made["karaoke"], drums + bass + other, atol=1e-6)
    np.testing.assert_allclose(made["mix"], 10**-0.3 * drums + 0.1 * vocals + other, atol=1e-6)
    np.testing.assert_allclose(made["mix-2"], drums + bass, atol=1e-6)


def test_songs_alone_open_the_window_where_there_can_be_one(song, monkeypatch):
    from stemlive import display
    from stemlive.commands import gui, play, stream

    called: list[tuple[str, str]] = []
    monkeypatch.setattr(gui.command, "callback", lambda **given: called.append(("gui", *given["songs"])))
    monkeypatch.setattr(play.command, "callback", lambda **given: called.append(("play", *given["songs"])))
    monkeypatch.setattr(stream.command, "callback", lambda **given: called.append(("stream", Path(given["song"]))))
    monkeypatch.setattr(display.sys, "platform", "linux")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    succeed(song)
    succeed(song, "--preset", "karaoke")
    succeed(song, song)
    succeed(song.parent)
    succeed(song.parent, "--preset", "karaoke")
    with monkeypatch.context() as without_qt:
        without_qt.setattr(display, "find_spec", lambda name: None)
        succeed(song)
        succeed(song, song)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    succeed(song)
    assert called == [
        *(("gui", song), ("stream", song), ("gui", song, song), ("gui", song.parent), ("play", song.parent)),
        *(("stream", song), ("play", song, song), ("stream", song)),
    ]


def test_times_may_be_written_with_minutes(tmp_path, model):
    soundfile.write(tmp_path / "long.wav", noise(66.0), RATE_HZ, "FLOAT")
    for name, options in {
        "a": ("--offset", "1:05", "--duration", "0:00.5"),
        "b": ("--offset", 65, "--duration", 0.5),
    }.items():
        succeed("separate", tmp_path / "long.wav", "-o", tmp_path / name, "--model", model, "--stems", "bass", *options)
    a, b = (read(tmp_path / name / "long" / "bass.wav") for name in "ab")
    assert len(a) == RATE_HZ // 2
    np.testing.assert_array_equal(a, b)


def test_the_help_has_every_command_in_a_group_and_cuts_nothing():
    text = CliRunner().invoke(main, ["--help"], terminal_width=80).stdout
    assert "..." not in text.split("Listen:")[1]
    assert max(len(line) for line in text.splitlines()) <= 80
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options:", "Listen:", "Separate files:", "Inspect:", "Train:"]


def test_the_manual_page_has_every_command_with_its_options_and_man_takes_it(tmp_path):
    page = succeed("man").stdout
    (tmp_path / "stemlive.1").write_text(page)
    groff = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", tmp_path / "stemlive.1"], capture_output=True, text=True, check=True
    )
    assert groff.stderr == ""
    plain = page.replace("\\-", "-")
    for name in COMMANDS:
        assert f"\n.SS stemlive {name}" in plain
    for option in ("--microphone-reverb AMOUNT", "--solo STEM", "--threads INTEGER RANGE", "--against DIRECTORY"):
        assert f"{option}\\fR\n" in plain


def test_a_mix_alone_or_chosen_stems_alone(song, tmp_path, model):
    assert succeed("separate", song, "-o", tmp_path, "--model", model, "--mix", "karaoke", "--quiet").stdout == ""
    succeed("separate", song, "-o", tmp_path / "some", "--model", model, "--stems", "bass, vocals,bass")
    assert names(tmp_path / "song") == {"karaoke.wav"}
    assert names(tmp_path / "some" / "song") == {"bass.wav", "vocals.wav"}


@pytest.mark.parametrize(
    ("extension", "options", "subtype"),
    [
        ("wav", (), "FLOAT"),
        ("wav", ("--bits", 16), "PCM_16"),
        ("wav", ("--bits", 24), "PCM_24"),
        ("flac", (), "PCM_24"),
        ("flac", ("--bits", 16), "PCM_16"),
        ("ogg", (), "VORBIS"),
        ("mp3", (), "MPEG_LAYER_III"),
    ],
)
def test_formats(song, tmp_path, model, extension, options, subtype):
    succeed("separate", song, "-o", tmp_path, "--model", model, "--stems", "bass", "--format", extension, *options)
    info = soundfile.info(tmp_path / "song" / f"bass.{extension}")
    assert (info.subtype, info.frames) == (subtype, RATE_HZ // 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "mp3", "--bits", 16), "mp3 has no --bits"),
        (("--format", "flac", "--bits", 32), "flac has 16 or 24 bits, not 32"),
        (("--force", "--skip-existing"), "name one of --force and --skip-existing"),
        (("-o", "all.wav"), "all.wav is one file, and 4 tracks are to be written: name a folder, or one mix"),
        (("-o", "a.wav", "--preset", "karaoke", "--format", "flac"), "--format flac and a.wav do not agree"),
        (("-o", "-", "--preset", "karaoke"), "for a pipe, stemlive stream -i SONG -o -"),
        (("--name", "{song}"), "lacks {stem}, and 4 files are written"),
        (("--name", "{piano}/{stem}"), "has no {piano}: there are {song}, {folder}, {title}"),
        (("--name", "../{song}/{stem}"), "is a name below the folder of --output: leave out / and .."),
        (("--name", "/tmp/{stem}"), "is a name below the folder"),
        (("--name", "{song}/{stem"), "expected '}' before end of string"),
        (("--name", ""), "--name is empty"),
    ],
)
def test_outputs_that_make_no_sense(song, tmp_path, monkeypatch, model, options, message):
    monkeypatch.chdir(tmp_path)
    code, line = fail("separate", song, "--model", model, *options)
    assert code == 2
    assert message in line
    assert names(tmp_path) == {"song.wav"}


def test_one_file_is_written_where_the_output_is_called_as_one(song, tmp_path, model):
    result = succeed("separate", song, "--mix", "karaoke", "-o", tmp_path / "k.flac", "--model", model)
    assert result.stdout == f"{tmp_path / 'k.flac'}\n"
    succeed("separate", song, "--preset", "karaoke", "-o", tmp_path / "out", "--model", model)
    np.testing.assert_allclose(read(tmp_path / "k.flac"), read(tmp_path / "out/song/karaoke.wav"), atol=1e-6)
    succeed("separate", song, "--stems", "bass", "-o", tmp_path / "bass.wav", "--bits", 16, "--model", model)
    assert soundfile.info(tmp_path / "bass.wav").subtype == "PCM_16"
    assert names(tmp_path) == {"song.wav", "k.flac", "out", "bass.wav"}


@pytest.mark.parametrize(("extension", "error"), [("mp3", 0.02), ("opus", 0.05), ("m4a", 0.02), ("ogg", 0.05)])
@pytest.mark.parametrize("rate_hz", [44100, 96000])
def test_what_is_encoded_lines_up_with_the_song(tmp_path, model, extension, error, rate_hz):
    time_s = np.arange(rate_hz) / rate_hz
    tone = (0.4 * np.sin(2 * np.pi * 440 * time_s) * np.sin(np.pi * time_s)).astype(np.float32)
    soundfile.write(tmp_path / "tone.wav", np.stack([tone, -tone], axis=1), rate_hz, "FLOAT")
    out = tmp_path / f"out.{extension}"
    succeed("separate", tmp_path / "tone.wav", "--preset", "original", "-o", out, "--model", model)
    with AudioReader(out) as reader:
        audio = reader.read(10 * rate_hz)
        rate = reader.sample_rate_hz
    assert rate == {("mp3", 96000): 48000, ("opus", 44100): 48000, ("opus", 96000): 48000}.get(
        (extension, rate_hz), rate_hz
    )
    assert abs(len(audio) - rate) < 1100, "AAC is padded to whole frames"
    time_s = np.arange(rate) / rate
    wanted = 0.4 * np.sin(2 * np.pi * 440 * time_s) * np.sin(np.pi * time_s)
    count = min(len(audio), rate)
    np.testing.assert_allclose(audio[:count, 0], wanted[:count], atol=error)
    np.testing.assert_allclose(audio[:count, 1], -wanted[:count], atol=error)


def test_flac_that_clips_is_a_warning(tmp_path, model):
    soundfile.write(tmp_path / "loud.wav", 4 * noise(), RATE_HZ, "FLOAT")
    arguments = ("separate", tmp_path / "loud.wav", "-o", tmp_path, "--model", model, "--mix", "vocals=12")
    assert run(*arguments).stderr == ""
    result = run(*arguments, "--format", "flac")
    assert result.exit_code == 0
    assert "louder than full scale and are clipped; 32-bit WAV keeps them" in result.stderr


def test_samples_that_are_no_numbers_are_a_warning(tmp_path, model):
    audio = noise()
    audio[100], audio[200, 0] = np.nan, -np.inf
    soundfile.write(tmp_path / "bad.wav", audio, RATE_HZ, "FLOAT")
    result = run("separate", tmp_path / "bad.wav", "-o", tmp_path, "--model", model, "--quiet")
    assert result.exit_code == 0
    assert result.stderr == "stemlive: warning: 3 input samples were NaN, infinite or far too loud: replaced\n"
    assert np.isfinite(read(tmp_path / "bad" / "vocals.wav")).all()


def test_files_that_exist_are_replaced_only_with_force(song, tmp_path, model):
    (tmp_path / "song").mkdir()
    (tmp_path / "song" / "bass.wav").write_text("precious")
    code, line = fail("separate", song, "-o", tmp_path, "--model", model)
    assert code == 1
    assert "bass.wav exists" in line
    assert names(tmp_path / "song") == {"bass.wav"}
    assert (tmp_path / "song" / "bass.wav").read_text() == "precious"
    succeed("separate", song, "-o", tmp_path, "--model", model, "--force")
    assert names(tmp_path / "song") == {f"{stem}.wav" for stem in STEMS}


def test_the_song_itself_is_never_replaced(tmp_path, model):
    (tmp_path / "bass").mkdir()
    song = tmp_path / "bass" / "bass.wav"
    soundfile.write(song, noise(), RATE_HZ)
    before = song.read_bytes()
    code, line = fail("separate", song, "-o", tmp_path, "--model", model, "--force")
    assert code == 2
    assert "is the song itself" in line
    assert names(tmp_path / "bass") == {"bass.wav"}
    assert song.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--stems", "vocals,piano"], 2, "unknown stem 'piano': known are vocals, drums, bass, other"),
        (["--stems", ""], 2, "unknown stem ''"),
        (["--stems", "vocal"], 2, "unknown stem 'vocal': did you mean vocals? known are vocals, drums, bass, other"),
        (["--mix", "party"], 2, "unknown preset 'party': known are original, karaoke"),
        (["--preset", "karoke"], 2, "unknown preset 'karoke': did you mean karaoke? known are original"),
        (["--mute", "drum"], 2, "unknown stem 'drum': did you mean drums? known are"),
        (["--mix", "piano=-6"], 2, "unknown stem 'piano'"),
        (["--mix", "vocals=loud"], 2, "'vocals=loud' is not a gain: write STEM=DB"),
        (["--mix", "vocals=nan"], 2, "'vocals=nan' is not a gain"),
        (["--mix", "vocals=13"], 2, "gain of vocals must be from -inf to +12 dB"),
        (["--mix", "karaoke,"], 2, "'' is not a gain"),
        (["--offset", "0.5"], 2, "--offset 0.5 is beyond the end of"),
        (["--duration", "0"], 2, "--duration 0 is less than one sample"),
        (["--model", "piano"], 2, "model 'piano' not found"),
        (["--model", "{song}"], 1, "song.wav: not a usable ONNX model"),
        (["--model", "{other_version}"], 1, "made for model format 2, this stemlive reads format 1"),
        (["-o", "{song}/out"], 1, "cannot write in"),
        (["-o", "/proc/stemlive"], 1, "cannot write in /proc/stemlive/song"),
    ],
)
def test_separate_with_values_that_make_no_sense(song, tmp_path, model, options, code, message):
    other_version = onnx_models.write_model(tmp_path / "old.onnx", format_version="2")
    before = names(tmp_path)
    options = [option.format(song=song, other_version=other_version) for option in options]
    given = fail("separate", song, "-o", tmp_path / "new", "--model", model, *options)
    assert given[0] == code
    assert message in given[1]
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "there is no such file"),
        ("folder", "is not a file"),
        ("empty", "is empty"),
        ("text", "is not audio of a known kind"),
        ("no samples", "holds no samples"),
        ("2 kHz", "has a sample rate of 2000 Hz, stemlive takes 4000 to 384000"),
        ("damaged", "is damaged: only"),
    ],
)
@pytest.mark.parametrize("command", ["separate", "stream"])
def test_songs_that_cannot_be_separated(tmp_path, model, command, kind, message):
    song = tmp_path / ("bad.flac" if kind == "damaged" else "bad.wav")
    if kind == "folder":
        song.mkdir()
    elif kind in ("empty", "text"):
        song.write_text("no audio" if kind == "text" else "")
    elif kind != "missing":
        soundfile.write(song, noise(0.0 if kind == "no samples" else 2.0), 2000 if kind == "2 kHz" else RATE_HZ)
    if kind == "damaged":
        content = bytearray(song.read_bytes())
        content[200_000:202_000] = bytes(2000)
        song.write_bytes(content)
    before = names(tmp_path)
    if command == "separate":
        code, line = fail("separate", song, "-o", tmp_path / "out", "--model", model)
    else:
        code, line = fail("stream", "-i", song, "-o", tmp_path / "out.wav", "--model", model)
    assert code == (2 if kind == "missing" else 1)
    assert ("holds no songs" if (command, kind) == ("separate", "folder") else message) in line
    assert str(song) in line
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("channels", "rate_hz", "note"),
    [
        (6, RATE_HZ, "has 6 channels, which are mixed down to stereo"),
        (2, 4000, "has a sample rate of 4000 Hz, which is converted for the separation"),
        (1, 384000, "has a sample rate of 384000 Hz, which is converted for the separation"),
        (8, 5000, "has 8 channels, which are mixed down to stereo and a sample rate of 5000 Hz, which is converted"),
    ],
)
@pytest.mark.parametrize("command", ["separate", "stream"])
def test_songs_of_many_channels_and_odd_rates_are_converted_and_a_line_says_so(
    tmp_path, model, command, channels, rate_hz, note
):
    song = tmp_path / "odd.wav"
    time_s = np.arange(rate_hz // 2) / rate_hz
    tone = (0.2 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)
    soundfile.write(song, np.stack([tone * (side < 2) for side in range(channels)], axis=1), rate_hz, "FLOAT")
    if command == "separate":
        result = run("separate", song, "-o", tmp_path, "--model", model, "--mix", "original")
        out = tmp_path / "odd" / "original.wav"
    else:
        out = tmp_path / "out.wav"
        result = run("stream", "-i", song, "-o", out, "--model", model)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"stemlive: warning: {song} {note}")
    assert result.stderr.count("\n") == 1
    info = soundfile.info(out)
    assert (info.samplerate, info.channels, info.frames) == (rate_hz, min(2, channels), rate_hz // 2)
    middle = slice(rate_hz // 8, 3 * rate_hz // 8)
    np.testing.assert_allclose(read(out)[middle], np.stack([tone] * min(2, channels), axis=1)[middle], atol=1e-3)


@pytest.mark.parametrize("command", ["separate", "stream"])
def test_a_song_that_is_cut_off_is_separated_as_far_as_it_goes(tmp_path, model, command):
    song, out = tmp_path / "cut.flac", tmp_path / "out.wav"
    soundfile.write(song, noise(2.0), RATE_HZ)
    song.write_bytes(song.read_bytes()[:200_000])
    if command == "separate":
        result = run("separate", song, "-o", tmp_path, "--model", model)
        out = tmp_path / "cut" / "bass.wav"
    else:
        result = run("stream", "-i", song, "-o", out, "--model", model)
    assert result.exit_code == 0
    length_s = soundfile.info(out).duration
    assert 0.5 < length_s < 1.9
    warning = f"stemlive: warning: {song} ends after {length_s:.2f} s of the 2.00 s that its header announces"
    assert result.stderr.splitlines() == [warning]


# stream, between files


def test_stream_gives_the_same_as_separate(song, tmp_path, model):
    succeed("separate", song, "-o", tmp_path, "--model", model, "--mix", "karaoke,drums=-6")
    options = ("--preset", "karaoke", "--gain", "drums=-6", "--model", model)
    result = succeed("stream", "-i", song, "-o", tmp_path / "stream.wav", *options)
    assert result.stdout == ""
    np.testing.assert_allclose(read(tmp_path / "stream.wav"), read(tmp_path / "song" / "mix.wav"), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "heard"),
    [
        ([], {"vocals", "drums", "bass", "other"}),
        (["--mute", "drums", "--mute", "bass"], {"vocals", "other"}),
        (["--solo", "drums", "--solo", "bass"], {"drums", "bass"}),
        (["--preset", "karaoke", "--mute", "bass"], {"drums", "other"}),
        (["--gain", "vocals=-inf"], {"drums", "bass", "other"}),
        (["--preset", "acapella", "--gain", "bass=0"], {"vocals", "bass"}),
    ],
)
def test_gains_mutes_solos_and_presets(song, tmp_path, model, options, heard):
    succeed("separate", song, "-o", tmp_path, "--model", model)
    succeed("stream", "-i", song, "-o", tmp_path / "out.wav", "--model", model, *options)
    expected = sum(read(tmp_path / "song" / f"{stem}.wav") for stem in heard)
    np.testing.assert_allclose(read(tmp_path / "out.wav"), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["-o", "{song}"], 2, "--input and --output are the same file"),
        (["-o", "{song}", "--force"], 2, "--input and --output are the same file"),
        (["-o", "{folder}/out.doc"], 2, "ends in one of .wav, .flac, .ogg, .opus, .mp3, .m4a"),
        (["-o", "{folder}/none/out.wav"], 1, "there is no folder"),
        (["-o", "{folder}/there.wav"], 1, "there.wav exists"),
        (["-o", "/dev/full"], 1, "cannot write to /dev/full: No space left on device"),
        (["--raw", "s16le"], 2, "--raw is for pipes"),
        (["--rate", "44100"], 2, "they need --raw and a pipe"),
        (["-i", "-", "--raw", "s16le", "--rate", "44100"], 2, "headerless input needs --rate and --channels"),
        (["--raw", "s24le"], 2, "is not one of"),
        (["--gain", "vocals"], 2, "'vocals' is not a gain"),
        (["--gain", "piano=1"], 2, "unknown stem 'piano'"),
        (["--mute", "piano"], 2, "unknown stem 'piano'"),
        (["--solo", "piano"], 2, "unknown stem 'piano'"),
        (["--preset", "party"], 2, "unknown preset 'party'"),
        (["--model", "piano"], 2, "model 'piano' not found"),
    ],
)
def test_stream_with_values_that_make_no_sense(song, tmp_path, model, options, code, message):
    (tmp_path / "there.wav").write_text("precious")
    before, content = names(tmp_path), song.read_bytes()
    options = [option.format(song=song, folder=tmp_path) for option in options]
    given = fail("stream", "-i", song, "-o", tmp_path / "out.wav", "--model", model, *options)
    assert given[0] == code
    assert message in given[1]
    assert names(tmp_path) == before
    assert song.read_bytes() == content
    assert (tmp_path / "there.wav").read_text() == "precious"


# bench, models, demo


@pytest.mark.parametrize("hops", [1, 8])
def test_bench(model, hops):
    arguments = ("bench", "--model", model, "--seconds", 0.5, "--hops", hops, "--threads", 2)
    bench = json.loads(succeed(*arguments, "--json").stdout)
    assert (bench["model"], bench["threads"], bench["provider"]) == ("one pole", 2, "cpu")
    assert bench["latency_ms"] == pytest.approx(1000 * 64 / 44100)
    assert bench["hop_budget_ms"] == pytest.approx(1000 * 32 / 44100)
    assert bench["calls"] == round(0.5 * 44100 / 32 / hops)
    times = list(bench["ms_per_hop"].values())
    assert list(bench["ms_per_hop"]) == ["p50", "p90", "p99", "p99_9", "max"]
    assert times == sorted(times)
    assert 0 < bench["real_time_factor"] * bench["hop_budget_ms"] <= bench["ms_per_hop"]["max"]
    assert 0 <= bench["over_budget"] <= 1
    assert bench["processor_time_factor"] > 0
    assert bench["resident_mb"] > 10
    assert all(duration > 0 for duration in bench["start_up_ms"].values())
    assert "\nreal-time factor  " in succeed(*arguments).stdout


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("fpu avx2 avx512f avx512_vnni", "Some Chip (AVX-512, VNNI)"),
        ("fpu avx2 avx_vnni", "Some Chip (AVX2, VNNI)"),
        ("fpu avx avx2", "Some Chip (AVX2)"),
        ("fpu sse2", "Some Chip"),
    ],
)
def test_a_processor_is_named_with_what_it_computes_in(tmp_path, flags, name):
    described = tmp_path / "cpuinfo"
    core = f"processor\t: 0\nmodel name\t: Some Chip\nflags\t\t: {flags}\nvmx flags\t: avx512f\n\n"
    described.write_text(2 * core)
    assert processor_name(described) == name
    assert processor_name(tmp_path / "none") == (platform.processor() or platform.machine())


def test_models_is_a_table_with_the_defaults_first_and_each_licence_once(tmp_path, monkeypatch):
    for name, score, terms in (("a", 1.5, "for non-commercial use only"), ("small", 2.34, ""), ("third", None, "")):
        info = onnx_models.metadata((2048, 1024, 512) if name == "third" else (128, 64, 32))
        info["card"] |= {"name": name, "terms": terms}
        if score is not None:
            info["card"]["scores"] = {"yardstick": {"yardstick_db": score, "mixture_db": -5.37, "oracle_db": 8.53}}
        onnx_models.write_model(tmp_path / f"{name}.onnx", info)
    monkeypatch.setattr("stemlive.realtime.model_file.bundled._ASSETS", tmp_path)
    monkeypatch.setattr("stemlive.realtime.model_file.card.DEFAULT_MODEL", "small")
    monkeypatch.setattr("stemlive.realtime.model_file.card.SONG_MODEL", "third")
    monkeypatch.setattr("stemlive.commands.models.live_cost", lambda session: 0.254)
    assert succeed("models").stdout.splitlines() == [
        "model    delay     size     dB   cost  for whom",
        "third    23 ms   0.0 MB      -    25%  anyone (default for songs)",
        "small     1 ms   0.0 MB   2.34    25%  anyone who plays or sings along (default for devices and pipes)",
        "a         1 ms   0.0 MB   1.50    25%  not for commercial use; playing or singing along",
        "",
        "dB: the yardstick of `stemlive evaluate`; the mixture has -5.37, an ideal mask 8.53.",
        "cost: of one processor core, measured now.",
        "third, small: MIT.",
        "a: MIT, for non-commercial use only.",
        "More of one, its training data and scores among it: stemlive models NAME",
    ]
    cards = json.loads(succeed("models", "--json").stdout)
    assert [card["name"] for card in cards] == ["a", "small", "third"]
    assert cards[1]["size_bytes"] == (tmp_path / "small.onnx").stat().st_size
    assert cards[1]["scores"] == {"yardstick": {"yardstick_db": 2.34, "mixture_db": -5.37, "oracle_db": 8.53}}


def test_the_cost_of_a_model_is_its_processor_time(monkeypatch, model):
    from stemlive.commands import models
    from stemlive.realtime.model_file.session import Session

    clock = iter((10.0, 10.5))
    monkeypatch.setattr(models, "process_time", lambda: next(clock))
    session = Session(model)
    assert models.live_cost(session) == pytest.approx(0.5 / (24 * session.info.hop_samples / RATE_HZ))


def test_models_prints_a_card_in_markdown(tmp_path, model):
    info = onnx_models.metadata()
    cells = {"vocals": {"usdr_db": 5.12, "mixture_db": -3.0}, "accompaniment": {"usdr_db": 7.0, "bleed_db": -9.5}}
    info["card"] |= {
        "hours": {"trained": 1.5, "audio_heard": 12.25},
        "scores": {
            "split": "valid",
            "average": cells,
            "songs": {"one": cells},
            "long_play": {"minutes": 10, "last_db": {"vocals": 5.1}, "afresh_db": {"vocals": 5.2}},
            "late_voice": [{"late_ms": 0.5, "usdr_db": {"vocals": 2.5, "accompaniment": 4.25}}],
            "mono": {"vocals": 1.25, "accompaniment": 3.5},
        },
        "speed": json.loads(succeed("bench", "--seconds", 0.5, "--json", "--model", model).stdout),
    }
    path = onnx_models.write_model(tmp_path / "mine.onnx", info)
    lines = succeed("models", path).stdout.splitlines()
    assert lines[0] == "# one pole"
    speed = info["card"]["speed"]
    assert any(line.startswith(f"| real-time factor | {speed['real_time_factor']:.3f} on 1 of ") for line in lines)
    for line in (
        "| architecture | feature_dim 1 |",
        "| latency | 64 samples, 1.5 ms |",
        "| hours audio heard | 12.25 |",
        "* none (MIT)",
        "| uSDR | 5.12 | 7.00 |",
        "| vocal bleed | - | -9.50 |",
        "| one | 5.12 | 7.00 |",
        "| of the last one | 5.10 | - |",
        "| 0.5 ms late | 2.50 | 4.25 |",
        "| mixed down to mono, dB | vocals | accompaniment |",
        "| uSDR | 1.25 | 3.50 |",
    ):
        assert line in lines
    assert json.loads(succeed("models", path, "--json").stdout)["speed"] == speed
    summary = "yardstick 5.12 dB: mean over songs with four stems (1)"
    info["card"]["scores"] |= {
        "yardstick": {"yardstick_db": 5.12},
        "summary": [summary],
        "kinds": {"one": "songs with four stems", "two": "songs with voice and accompaniment"},
        "groups": {
            "songs with four stems": cells,
            "songs with voice and accompaniment": {"vocals": {"usdr_db": 1.5}},
        },
    }
    lines = succeed("models", onnx_models.write_model(tmp_path / "new.onnx", info)).stdout.splitlines()
    assert summary in lines
    table = lines[lines.index("| songs with voice and accompaniment (1), dB | vocals | accompaniment |") :]
    assert table[2] == "| uSDR | 1.50 | - |"
    assert "| average, dB | vocals | accompaniment |" not in lines
    assert "not found" in fail("models", "nosuch")[1]


@pytest.mark.parametrize("name", ["live", "live-free", "quality"])
def test_the_card_in_the_repository_is_that_of_the_bundled_model(name, request):
    card = request.config.rootpath / "docs" / f"{name}.md"
    assert card.read_text(encoding="utf-8") == succeed("models", name).stdout


def test_conditions_on_using_a_model_are_said_once_and_never_on_standard_output(tmp_path):
    info = onnx_models.metadata()
    free = onnx_models.write_model(tmp_path / "free.onnx", info)
    info["card"]["terms"] = "for non-commercial use only"
    path = onnx_models.write_model(tmp_path / "mine.onnx", info)
    song = tmp_path / "song.wav"
    soundfile.write(song, np.zeros((RATE_HZ // 10, 2), np.float32), RATE_HZ)
    said = "stemlive: model one pole is for non-commercial use only; model live-free is not\n"
    separate = ("separate", song, "--quiet", "--force", "-o", tmp_path / "out", "--model")
    stream = ("stream", "-i", song, "-o", tmp_path / "out.wav", "--quiet", "--force", "--model")
    bench = ("bench", "--seconds", 0.2, "--json", "--model")
    for command in (separate, stream, bench):
        done = run(*command, path)
        assert (done.exit_code, done.stderr) == (0, said), command
        assert "non-commercial" not in done.stdout
        succeed(*command, free)
    assert "| terms | for non-commercial use only |\n" in succeed("models", path).stdout
    assert json.loads(succeed("models", path, "--json").stdout)["terms"] == "for non-commercial use only"


def test_models_without_any(tmp_path, monkeypatch):
    monkeypatch.setattr("stemlive.realtime.model_file.bundled._ASSETS", tmp_path)
    assert json.loads(succeed("models", "--json").stdout) == []
    assert "no model comes with this installation" in run("models").stderr


def test_demo_makes_the_same_song_each_time_and_replaces_nothing(tmp_path):
    succeed("demo", "-o", tmp_path / "a.wav")
    succeed("demo", "-o", tmp_path / "b.wav", "--quiet")
    audio = read(tmp_path / "a.wav")
    np.testing.assert_array_equal(audio, read(tmp_path / "b.wav"))
    assert audio.shape[1] == 2
    assert 20 < len(audio) / RATE_HZ < 30
    assert np.abs(audio).max() == pytest.approx(0.89)
    # Over the voice there is more than in the same bars before it.
    bars = 4 * 4 * 0.55
    before, during = (audio[round(a * RATE_HZ) : round((a + bars) * RATE_HZ)] for a in (0, bars))
    assert np.square(during).mean() > 1.2 * np.square(before).mean()
    code, line = fail("demo", "-o", tmp_path / "a.wav")
    assert code == 1
    assert "a.wav exists" in line


SEPARATE = ("separate", "x.wav", "--model", "tiny.onnx")


def run_with(code: str, module: str, folder: Path, model: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program in the model's folder, with this code in place of a module that it imports."""
    (folder / f"{module}.py").write_text(code)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "stemlive", *arguments],
        env=os.environ | {"PYTHONPATH": path},
        cwd=Path(model).parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "answer", "arguments", "said"),
    [
        ("click", "", ("--help",), ""),
        ("soundfile", "", SEPARATE, "stemlive: interrupted\n"),
        ("soundfile", "raise ImportError('initialization failed')", SEPARATE, "stemlive: interrupted\n"),
    ],
)
def test_ctrl_c_while_python_imports_ends_quietly(tmp_path, model, module, answer, arguments, said):
    code = (
        "import os, signal, time\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(20)\n"
        f"except KeyboardInterrupt:\n    {answer or 'raise'}\n"
    )
    process = run_with(code, module, tmp_path, model, *arguments)
    assert (process.returncode, process.stderr.lstrip(), process.stdout) == (130, said, "")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("raise EOFError('No data left in file')", "a file ends before it should (No data left in file)"),
        ("raise MemoryError", "not enough memory: close other programs"),
        ("raise ImportError('x.so: failed to map segment from shared object')", "not enough memory: close other"),
        ("raise RuntimeError('DefaultCPUAllocator: can\\'t allocate memory')", "not enough memory: close other"),
        (
            "raise ImportError('long advice\\n\\nOriginal error was: x.so: bad ELF\\n')",
            "(x.so: bad ELF): install stemlive again",
        ),
        (
            "raise OSError('sndfile library not found')",
            "libsndfile is missing (sndfile library not found): apt",
        ),
    ],
)
def test_what_a_library_raises_is_told_as_what_it_is(tmp_path, model, answer, said):
    process = run_with(f"{answer}\n", "soundfile", tmp_path, model, *SEPARATE)
    assert process.returncode == 1
    assert process.stderr.startswith("stemlive: error: ")
    assert said in process.stderr
    assert process.stderr.count("\n") == 1


def test_a_limit_on_memory_is_told_as_such(song, tmp_path):
    """From one at which Python itself hardly starts, to one at which all goes well.

    Not between, where OpenBLAS has no memory for itself: it says so in its own words and ends the process.
    """
    seen = set()
    for kilobytes in (60_000, 120_000, 200_000, 2_000_000):
        command = [sys.executable, "-m", "stemlive", "separate", str(song), "-o", str(tmp_path), "--force", "--quiet"]
        limited = ["sh", "-c", f'ulimit -v {kilobytes}; exec "$@"', "sh", *command, "--stems", "bass"]
        process = subprocess.run(limited, capture_output=True, text=True, check=False)
        said = process.stderr.rpartition("stemlive: ")[2]
        assert process.returncode == 0 or said.startswith("error: not enough memory"), (kilobytes, process.stderr)
        seen.add(process.returncode)
    assert seen == {0, 1}


def test_a_model_that_cannot_be_read_is_told_as_such(song, tmp_path):
    unreadable = "/proc/self/mem"  # it can be opened, and gives an error when it is read
    for arguments in (
        ("export", unreadable, "-o", tmp_path / "m.onnx"),
        ("separate", song, "--checkpoint", unreadable),
    ):
        code, line = fail(*arguments)
        assert (code, line) == (1, f"stemlive: error: cannot read {unreadable}: Input/output error\n")
