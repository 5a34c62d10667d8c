"""Many songs in one call: which are meant, what their files are called, what they carry, and what fails alone."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import encoded
import mutagen
import numpy as np
import onnx_models
import pytest
import soundfile
from click.testing import CliRunner, Result
from encoded import RATE_HZ, ffmpeg
from waiting import wait_until

from stemlive.cli import main
from stemlive.errors import AudioFileError, MissingFileError, UsageError
from stemlive.output_names import Template, name_songs
from stemlive.song_list import Song, songs_of
from stemlive.tags import Tags, read_tags

STEMS = ("vocals", "drums", "bass", "other")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(onnx_models.write_model(tmp_path_factory.mktemp("model") / "tiny.onnx"))


def write(path: Path, seconds: float = 0.3, seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * RATE_HZ), 2))
    soundfile.write(path, noise.astype(np.float32), RATE_HZ)
    return path


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["separate", *map(str, arguments)], input=stdin)


def below(folder: Path) -> set[str]:
    """All files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# Which songs


def test_folders_lists_and_files_mean_songs_each_once_and_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("Music/2.wav", "Music/10.mp3", "Music/b/x.flac", "Music/.hidden.wav", "Music/.git/y.wav", "c.wav"):
        write(Path(name))
    Path("Music/notes.txt").write_text("no song")
    Path("lists").mkdir()
    content = (
        "\ufeff#EXTM3U\r\n#EXTINF:1,A - B\r\n../Music/2.wav\r\n..\\Music\\b\\x.flac\r\n\r\nself.m3u8\r\nmissing.wav\r\n"
    )
    Path("lists/self.m3u8").write_text(content, "utf-8")
    found = songs_of([Path("c.wav"), Path("Music"), Path("lists/self.m3u8")])
    assert [str(song.path) for song in found] == [
        *("c.wav", "Music/2.wav", "Music/10.mp3", "Music/b/x.flac", "lists/missing.wav")
    ]
    assert [str(song.folder) for song in found] == [".", "Music", "Music", "Music/b", "."]
    os.chdir("Music")
    assert songs_of([Path()])[0].folder == Path("Music")


def test_names_in_lists_are_utf_8_or_latin_1_or_addresses_of_files(tmp_path):
    for name in ("für.wav", "zwölf 12.wav"):
        write(tmp_path / name)
    address = (tmp_path / "zwölf 12.wav").as_uri()
    (tmp_path / "old.m3u").write_bytes(f"für.wav\n{address}\n".encode("latin-1"))
    (tmp_path / "new.m3u").write_bytes("für.wav\n".encode())
    assert [song.path.name for song in songs_of([tmp_path / "old.m3u"])] == ["für.wav", "zwölf 12.wav"]
    assert [song.path.name for song in songs_of([tmp_path / "new.m3u"])] == ["für.wav"]


def test_where_there_are_no_songs(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.m3u").write_text("# nothing\n")
    (tmp_path / "stream.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\na.ts\n")
    for name, message in (("empty", "holds no songs"), ("nothing.m3u", "holds no songs"), ("stream.m3u8", "pieces of")):
        with pytest.raises(AudioFileError, match=message):
            songs_of([tmp_path / name])
    with pytest.raises(MissingFileError, match="no such file"):
        songs_of([tmp_path / "missing.m3u"])
    song = write(tmp_path / "a.wav")
    assert [song.problem for song in songs_of([tmp_path / "empty", song])] == [
        f"{tmp_path / 'empty'} holds no songs",
        "",
    ]


# Names


def test_songs_of_one_name_never_share_files():
    songs = [
        *(Song(Path("A/01.mp3")), Song(Path("B/01.mp3")), Song(Path("x/s.wav")), Song(Path("x/s.flac"))),
        *(
            Song(Path("x/S.mp3")),
            Song(Path("m/a.wav"), Path("m")),
            Song(Path("n/m/a.wav"), Path("m")),
            Song(Path("t.wav")),
        ),
    ]
    named = [str(paths[0]) for paths in name_songs(songs, Template(), ["vocals"])]
    assert named == [
        *("A - 01/vocals", "B - 01/vocals", "s (wav)/vocals", "s (flac)/vocals", "S (mp3)/vocals"),
        *("m/a/vocals", "m/a (2)/vocals", "t/vocals"),
    ]
    flat = name_songs(songs, Template("{stem}/{song}"), STEMS)
    assert len({str(path).casefold() for paths in flat for path in paths}) == len(songs) * len(STEMS)


def test_templates_take_tags_and_no_tag_leaves_the_folder():
    bad = Tags({"title": ["../../etc/passwd"], "album": ["..."], "artist": ["AC/DC"], "tracknumber": ["3/12"]})
    hidden = Tags({"title": [".hidden\n"], "album": ["x" * 400], "artist": ["a:b?"]})
    songs = [Song(Path("a.wav")), Song(Path("b.wav")), Song(Path("c.wav"))]
    template = Template("{artist}/{album}/{track} {title}/{stem}")
    tags = {songs[0].key: bad, songs[1].key: hidden, songs[2].key: Tags()}
    first, second, third = (str(paths[0]) for paths in name_songs(songs, template, ["vocals"], tags))
    assert first == "AC_DC/_/03 _._.._etc_passwd/vocals"
    assert second == f"a_b_/{'x' * 180}/_hidden_/vocals"
    assert third == "Unknown artist/Unknown album/c/vocals"
    with pytest.raises(UsageError, match=r"lacks \{song\}, and there are 3 songs"):
        name_songs(songs, Template("{stem}"), ["vocals"])


# The command


def test_a_folder_a_list_and_a_file_in_one_call(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    write(Path("Music/a.wav")), write(Path("Music/b/a.flac"), seed=2), write(Path("c.wav"), seed=3)
    Path("Music/list.m3u").write_text("a.wav\nb/a.flac\n")
    result = run("c.wav", "Music", "Music/list.m3u", "--model", model, "--jobs", 3)
    assert result.exit_code == 0
    assert below(Path("separated")) == {
        f"{song}/{stem}.wav" for song in ("c", "Music/a", "Music/b/a") for stem in STEMS
    }
    assert sorted(result.stdout.split()) == sorted(str(path) for path in Path("separated").rglob("*.wav"))
    assert sorted(result.stderr.splitlines()) == [
        *("stemlive: 1 of 3: c.wav", "stemlive: 2 of 3: Music/a.wav", "stemlive: 3 of 3: Music/b/a.flac")
    ]
    together = sum(soundfile.read(f"separated/Music/b/a/{stem}.wav")[0] for stem in STEMS)
    np.testing.assert_allclose(together, soundfile.read("Music/b/a.flac")[0], atol=1e-5)


def test_what_fails_does_not_end_the_rest_and_is_listed(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    write(Path("good.wav")), Path("text.mp4").write_text("no song"), write(Path("last.wav"))
    Path("list.m3u").write_text("https://example.org/a\nlast.wav\n")
    result = run("text.mp4", "good.wav", "missing.wav", "list.m3u", "--model", model, "--json", "--stems", "bass")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert {line["song"]: line["written"] for line in lines if "written" in line} == {
        "good.wav": "separated/good/bass.wav",
        "last.wav": "separated/last/bass.wav",
    }
    errors = {line["song"]: line["error"] for line in lines if "error" in line}
    assert set(errors) == {"text.mp4", "missing.wav", "https:/example.org/a"}
    assert "yt-dlp -f ba -o - 'https://example.org/a' | stemlive separate -" in errors["https:/example.org/a"]
    assert result.stderr.splitlines()[-4:] == [
        "stemlive: 3 of 5 songs could not be separated:",
        *("  text.mp4", "  missing.wav", "  https:/example.org/a"),
    ]
    assert {path.name for path in Path("separated").iterdir()} == {"good", "last"}


def test_what_exists_is_skipped_and_what_is_missing_made(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    write(Path("Music/a.wav")), write(Path("Music/b.wav"))
    arguments = ("Music", "--model", model, "--stems", "bass,drums")
    assert run(*arguments).exit_code == 0
    Path("separated/Music/b/drums.wav").unlink()
    before = Path("separated/Music/b/bass.wav").stat().st_mtime_ns
    again = run(*arguments)
    assert again.exit_code == 1
    assert "a/bass.wav exists" in again.stderr
    skipped = run(*arguments, "--skip-existing")
    assert skipped.exit_code == 0
    assert skipped.stdout == "separated/Music/b/drums.wav\n"
    assert skipped.stderr.splitlines() == [
        *("stemlive: skipped, for its files exist: Music/a.wav", "stemlive: 2 of 2: Music/b.wav")
    ]
    assert Path("separated/Music/b/bass.wav").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "options",
    [
        ("-o", "Music/out"),
        ("-o", "Music"),
        ("-o", "Music", "--name", "{song} ({stem})"),
        ("-o", ".", "--format", "mp3"),
    ],
)
def test_what_was_written_into_the_folder_of_songs_is_no_song(tmp_path, monkeypatch, model, options):
    monkeypatch.chdir(tmp_path)
    write(Path("Music/a.wav")), write(Path("Music/b/c.wav"))
    assert run("Music", "--model", model, *options).exit_code == 0
    before = below(tmp_path)
    again = run("Music", "--model", model, *options, "--skip-existing")
    assert (again.exit_code, again.stdout) == (0, "")
    assert below(tmp_path) == before
    assert len(before) == 2 + 2 * len(STEMS)


def test_a_song_from_a_pipe_is_separated_like_the_file(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    song = write(Path("song.wav"), 1.0)
    ffmpeg("-i", song, "-c:a", "alac", "song.mkv")
    options = ("--model", model, "--stems", "bass", "--offset", "0.25")
    command = [sys.executable, "-m", "stemlive", "separate", "-", *options]
    with Path("song.mkv").open("rb") as pipe:
        process = subprocess.run(command, stdin=pipe, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout, process.stderr) == (0, "separated/stdin/bass.wav\n", "")
    assert run("song.wav", *options).exit_code == 0
    np.testing.assert_allclose(
        soundfile.read("separated/stdin/bass.wav")[0], soundfile.read("separated/song/bass.wav")[0], atol=1e-6
    )


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_in_a_batch_keeps_what_is_complete_and_nothing_else(tmp_path, model, jobs):
    songs = [write(tmp_path / "a.wav"), write(tmp_path / "b.wav", 200.0), write(tmp_path / "c.wav", 200.0)]
    out, options = tmp_path / "out", ("--model", model, "--jobs", str(jobs))
    command = [sys.executable, "-m", "stemlive", "separate", *map(str, songs), "-o", str(tmp_path / "out"), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: out.exists() and len(below(out)) == 4 * (jobs + 1), "the files of others", patience_s=60)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert said.splitlines()[-1] == "stemlive: interrupted, 1 of 3 songs are written"
    assert below(out) == {f"a/{stem}.wav" for stem in STEMS}
    assert [path.name for path in out.iterdir()] == ["a"]


# Tags


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A song with tags and a cover, in the formats that hold both."""
    folder = tmp_path_factory.mktemp("tagged")
    write(folder / "plain.wav")
    ffmpeg("-f", "lavfi", "-i", "color=red:size=16x16", "-frames:v", 1, folder / "cover.jpg")
    words = {"title": "Tütle", "artist": "Ärtist", "album": "Album", "track": "3/9", "date": "1999", "genre": "Jazz"}
    metadata = [part for name, value in words.items() for part in ("-metadata", f"{name}={value}")]
    cover = ("-i", folder / "cover.jpg", "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic")
    for kind in ("mp3", "m4a", "flac"):
        ffmpeg("-i", folder / "plain.wav", *cover, *metadata, folder / f"song.{kind}")
    return {kind: folder / f"song.{kind}" for kind in ("mp3", "m4a", "flac")} | {"cover": folder / "cover.jpg"}


@pytest.mark.parametrize("kind", ["mp3", "m4a", "flac"])
@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "opus", "mp3", "m4a"])
def test_tags_and_cover_are_kept_and_the_title_names_the_stem(tagged, tmp_path, model, kind, extension):
    result = run(tagged[kind], "-o", tmp_path, "--model", model, "--stems", "vocals", "--format", extension)
    assert result.exit_code == 0, result.stderr
    out = tmp_path / "song" / f"vocals.{extension}"
    written, source = read_tags(out), read_tags(tagged[kind])
    assert source.texts["title"] == ["Tütle"]
    assert written.texts["title"] == ["Tütle (vocals)"]
    for name in ("artist", "album", "tracknumber", "date", "genre"):
        assert written.texts[name] == source.texts[name], name
    assert written.texts["artist"] == ["Ärtist"]
    assert written.cover is not None
    assert written.cover.data == tagged["cover"].read_bytes()
    assert "Tütle (vocals)" in str(mutagen.File(out).tags.pprint())
    probe = ["ffprobe", "-v", "error", "-show_entries", "format_tags=title:stream_tags=title", "-of", "compact", out]
    shown = subprocess.run(probe, capture_output=True, check=True).stdout.decode()
    assert ":title=Tütle (vocals)" in shown, "ffmpeg reads the same"
    assert abs(len(encoded.decoded(out)) / soundfile_rate(out) - 0.3) < 0.03, "the sound is whole"


def soundfile_rate(path: Path) -> int:
    return 48000 if path.suffix == ".opus" else RATE_HZ


def test_a_song_without_tags_gets_none_and_names_of_files_come_from_tags(tagged, tmp_path, model):
    plain = write(tmp_path / "plain.wav")
    options = ("-o", tmp_path / "out", "--model", model, "--stems", "bass")
    assert run(plain, tagged["mp3"], *options, "--name", "{artist}/{album}/{track} {title} [{stem}]").exit_code == 0
    assert below(tmp_path / "out") == {
        "Unknown artist/Unknown album/plain [bass].wav",
        "Ärtist/Album/03 Tütle [bass].wav",
    }
    assert mutagen.File(tmp_path / "out/Unknown artist/Unknown album/plain [bass].wav").tags is None


def test_tags_of_a_video_are_kept(tagged, tmp_path, model):
    words = ("-metadata", "title=A = B; #1\\", "-metadata", "artist=Ärtist", "-metadata", "track=2")
    ffmpeg("-i", tagged["flac"], "-map", "0:a", *words, "-c:a", "libopus", tmp_path / "song.webm")
    options = ("-o", tmp_path, "--model", model, "--stems", "bass", "--format", "flac")
    assert run(tmp_path / "song.webm", *options).exit_code == 0
    texts = read_tags(tmp_path / "song" / "bass.flac").texts
    assert texts["title"] == ["A = B; #1\\ (bass)"]
    assert (texts["artist"], texts["album"], texts["tracknumber"]) == (["Ärtist"], ["Album"], ["2"])


def test_damaged_tags_do_not_keep_a_song_from_being_separated(tagged, tmp_path, model):
    content = tagged["mp3"].read_bytes()
    (tmp_path / "odd.mp3").write_bytes(content[:10] + bytes(range(256)) + content[266:])
    assert run(tmp_path / "odd.mp3", "-o", tmp_path, "--model", model, "--stems", "bass").exit_code == 0
