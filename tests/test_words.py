"""The words of a song: what is read from files and tags, literally, and what is sung at a place."""

import subprocess

import mutagen
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from mutagen import id3

from stemlive.errors import AudioFileError
from stemlive.realtime.audio_files.lrc import decode, parse
from stemlive.realtime.audio_files.words import Place
from stemlive.realtime.audio_files.words_file import find_words, read_words, words_in_tags

SIMPLE = """[ti:A title]
[ar:Somebody]

[00:12.00]First line
[00:17.20]Second line
[00:21.10][00:45.10]Chorus
[00:50]
"""
_PARTS = ("[00:01.00]", "<00:02.50>", "[offset:9]", "[", "]", "<", ":", "0", "1.5", "la ", "\n", "\t", "é")


def shown(words):
    return [(round(line.time_s, 3), line.text) for line in words.lines]


def sung(line):
    return [(round(word.time_s, 3), word.text) for word in line.words]


class TestLines:
    def test_lines_come_in_the_order_of_their_times_and_are_repeated(self):
        words = parse(SIMPLE)
        assert words.timed
        assert words.skipped == 0
        assert shown(words) == [
            (12.0, "First line"), (17.2, "Second line"), (21.1, "Chorus"), (45.1, "Chorus"), (50.0, ""),
        ]  # fmt: skip
        assert not any(line.words for line in words.lines)

    @pytest.mark.parametrize(
        ("time", "seconds"),
        [
            ("[01:02.03]", 62.03), ("[1:2.5]", 62.5), ("[01:02.345]", 62.345), ("[01:02]", 62.0), ("[01:02:03]", 62.03),
            ("[1:01:02.50]", 3662.5), ("[ 00:00.88 ]", 0.88), ("[100:00.00]", 6000.0), ("[00:07,25]", 7.25),
        ],
    )  # fmt: skip
    def test_times_as_they_are_written(self, time, seconds):
        assert shown(parse(f"{time} La la")) == [(seconds, "La la")]

    @pytest.mark.parametrize("text", ["[offset:+500]", "[offset: 500]", "[Offset:500.0]", "[ offset : +500 ]"])
    def test_a_positive_offset_lets_the_words_come_earlier(self, text):
        """As in foobar2000's panels, MiniLyrics and others; its place in the file does not matter."""
        assert shown(parse(f"[00:10.00]Word\n{text}\n")) == [(9.5, "Word")]
        assert shown(parse("[offset:-500]\n[00:10.00]Word")) == [(10.5, "Word")]

    def test_what_cannot_be_understood_is_skipped_and_counted(self):
        words = parse("[00:01.00]One\nno time\n[xx:yy]what\n[offset:soon]\n[length: 2:23]\n[#:a remark]\n\n[00:02]Two")
        assert shown(words) == [(1.0, "One"), (2.0, "Two")]
        assert words.skipped == 3

    def test_a_translation_has_the_time_of_its_line(self):
        (line, after) = parse("[00:01.00]Hello\n[00:01.00]Hallo\n[00:01.00]Salut\n[00:02.00]World").lines
        assert (line.text, line.below, after.text) == ("Hello", "Hallo\nSalut", "World")

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_every_end_of_line(self, end):
        assert shown(parse(SIMPLE.replace("\n", end))) == shown(parse(SIMPLE))

    def test_without_any_time_it_is_plain_and_headings_stay(self):
        words = parse("[ti:Title]\n\n[Chorus: both]\nLa la\n\n12:30 is no time\n\n")
        assert not words.timed
        assert [line.text for line in words.lines] == ["[Chorus: both]", "La la", "", "12:30 is no time"]
        assert words.at(100.0) == Place(-1, -1)

    @pytest.mark.parametrize("text", ["", "\n\r\n", "\ufeff", "[ti:Only a title]", "[00:01.00]\n[00:02.00] "])
    def test_nothing_is_no_words(self, text):
        assert not parse(text)

    @given(st.lists(st.sampled_from(_PARTS)))
    def test_any_text_gives_words_in_order(self, parts):
        words = parse("".join(parts))
        times = [line.time_s for line in words.lines]
        assert times == sorted(times)
        for line in words.lines:
            assert "".join(word.text for word in line.words).rstrip() in (line.text, "")
            assert [word.time_s for word in line.words] == sorted(word.time_s for word in line.words)

    def test_more_than_any_song_has_is_left_out_and_counted(self):
        words = parse("[00:01.00]la\n" * 6000)
        assert (len(words.lines), words.skipped) == (1, 1000)
        assert parse("la\n" * 6000).skipped == 1000
        many = parse("".join(f"[{minute:02}:00.00]" for minute in range(99)) * 3 + "la " * 10000)
        assert len(many.lines) == 99
        assert max(len(line.text) for line in many.lines) < 2000


class TestWordTimes:
    def test_words_of_enhanced_lrc(self):
        (line,) = parse("[00:12.00] <00:12.04> When <00:12.16> the <00:12.82> truth <00:13.29>").lines
        assert line.text == "When the truth"
        assert sung(line) == [(12.04, "When "), (12.16, "the "), (12.82, "truth "), (13.29, "")]

    def test_syllables_stay_together(self):
        (line,) = parse("[00:01.00]Strang<00:01.50>ers <00:02.00>in").lines
        assert line.text == "Strangers in"
        assert sung(line) == [(1.0, "Strang"), (1.5, "ers "), (2.0, "in")]

    def test_words_with_times_in_square_brackets(self):
        (line,) = parse("[00:01.00]When [00:01.50]the [00:02.00]truth[00:02.50]").lines
        assert sung(line) == [(1.0, "When "), (1.5, "the "), (2.0, "truth"), (2.5, "")]

    def test_repeated_words_move_with_their_line_and_the_offset(self):
        first, second = parse("[offset:1000]\n[00:10.00][00:40.00]<00:10.00>La <00:10.50>di").lines
        assert sung(first) == [(9.0, "La "), (9.5, "di")]
        assert sung(second) == [(39.0, "La "), (39.5, "di")]

    def test_words_that_go_back_in_time_keep_their_order(self):
        (line,) = parse("[00:01.00]<00:01.00>a <00:03.00>b <00:02.00>c").lines
        assert line.text == "a b c"
        assert sung(line) == [(1.0, "a "), (3.0, "b "), (3.0, "c")]

    def test_a_line_of_words_alone(self):
        (line,) = parse("<00:03.00>Hey <00:03.50>you").lines
        assert (line.time_s, line.text) == (3.0, "Hey you")


class TestPlace:
    def test_line_and_word_at_a_place(self):
        words = parse("[00:10.00]<00:10.00>One <00:11.00>two<00:12.00>\n[00:13.00]\n[00:20.00]Three\n[00:21.00]Four")
        places = [9.99, 10.0, 10.99, 11.0, 12.5, 13.0, 19.99, 20.0, 500.0]
        assert [words.at(place) for place in places] == [
            Place(-1, count=1), Place(0, 0), Place(0, 0), Place(0, 1), Place(0, 2), Place(1), Place(1, count=1),
            Place(2), Place(3),
        ]  # fmt: skip
        assert [line.text for line in words.after(0, 2)] == ["Three", "Four"]
        assert [line.text for line in words.after(-1, 2)] == ["One two", "Three"]
        assert words.after(3, 2) == ()

    def test_the_next_line_is_counted_in_where_nobody_sings(self):
        words = parse("[00:10.00]One\n[00:11.00]\n[00:15.00]\n[00:20.00]Two\n[00:30.00]")
        places = (6.9, 7.0, 7.5, 8.0, 9.0, 9.5, 10.0, 10.5, 11.0, 16.0, 17.0, 19.9, 30.0)
        assert [words.at(place).count for place in places] == [0, 3, 3, 2, 1, 1, 0, 0, 0, 0, 3, 1, 0]

    def test_every_place_agrees_with_looking_through_all_lines(self):
        rng = np.random.default_rng(1)
        times = np.sort(rng.integers(0, 3000, 60)) / 100
        words = parse("\n".join(f"[{int(t // 60):02}:{t % 60:05.2f}]line {n}" for n, t in enumerate(times)))
        for place in rng.uniform(-1, 31, 300):
            begun = [number for number, line in enumerate(words.lines) if line.time_s <= place]
            assert words.at(place).line == (begun[-1] if begun else -1)


class TestEncodings:
    TEXT = "[00:01.00]Où est le garçon – naïf"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
    def test_the_same_text(self, encoding):
        assert decode(self.TEXT.encode(encoding)).removeprefix("\ufeff") == self.TEXT

    def test_latin_1_where_cp1252_has_no_letter(self):
        assert decode("é\x8dè".encode("latin-1")) == "é\x8dè"

    def test_other_scripts(self):
        assert shown(parse(decode("[00:01.00]微熱".encode("utf-16-be")))) == [(1.0, "微熱")]


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "A song.mp3"
    soundfile.write(path, np.zeros((4410, 1)), 44100)
    return path


class TestFiles:
    def test_times_go_before_none_and_a_file_before_tags(self, song):
        assert find_words(song) is None
        tags = mutagen.File(song)
        tags.add_tags()
        tags.tags.add(id3.USLT(encoding=3, lang="eng", desc="", text="plain tags"))
        tags.save()
        assert [line.text for line in find_words(song).lines] == ["plain tags"]
        song.with_suffix(".txt").write_text("plain file")
        assert [line.text for line in find_words(song).lines] == ["plain file"]
        tags.tags.add(id3.USLT(encoding=3, lang="deu", desc="", text="[00:01.00]timed tags"))
        tags.save()
        assert shown(find_words(song)) == [(1.0, "timed tags")]
        song.with_suffix(".LRC").write_bytes("[00:02.00]timed file\r\n".encode("utf-16"))
        assert shown(find_words(song)) == [(2.0, "timed file")]
        song.with_suffix(".LRC").write_text("")
        assert shown(find_words(song)) == [(1.0, "timed tags")]

    def test_synchronised_words_of_id3(self, song):
        def synchronised(text, **other):
            tags = mutagen.File(song)
            tags.tags = None
            tags.add_tags()
            tags.tags.add(
                id3.SYLT(encoding=3, lang="eng", format=2, type=1, desc="", text=text) if not other else other["frame"]
            )
            tags.save()
            return words_in_tags(song)

        (words,) = synchronised([("Strang", 1000), ("ers", 1500), (" in", 2000), ("\nthe", 3000), (" night", 3500)])
        assert shown(words) == [(1.0, "Strangers in"), (3.0, "the night")]
        assert sung(words.lines[0]) == [(1.0, "Strang"), (1.5, "ers "), (2.0, "in")]
        (words,) = synchronised([("First\n", 1000), ("second\n", 2000)])
        assert shown(words) == [(1.0, "First"), (2.0, "second")]
        assert not words.lines[0].words
        (words,) = synchronised([("First", 1000), ("second", 2000)])
        assert shown(words) == [(1.0, "First"), (2.0, "second")]
        chords = id3.SYLT(encoding=3, lang="eng", format=2, type=5, desc="", text=[("Am", 1000)])
        assert synchronised([], frame=chords) == []

    @pytest.mark.parametrize(("kind", "key"), [("flac", "LYRICS"), ("ogg", "UNSYNCEDLYRICS"), ("m4a", "\xa9lyr")])
    def test_tags_of_other_kinds(self, tmp_path, kind, key):
        path = tmp_path / f"song.{kind}"
        if kind == "m4a":
            wav = tmp_path / "silence.wav"
            soundfile.write(wav, np.zeros((4410, 1)), 44100)
            subprocess.run(["ffmpeg", "-v", "error", "-i", wav, path], check=True)
        else:
            soundfile.write(path, np.zeros((4410, 1)), 44100)
        tags = mutagen.File(path)
        tags[key] = ["[00:01.00]In tags"]
        tags.save()
        assert shown(find_words(path)) == [(1.0, "In tags")]

    def test_what_is_no_file_of_words_is_one_line(self, tmp_path):
        path = tmp_path / "words.lrc"
        with pytest.raises(AudioFileError, match=r"words\.lrc cannot be read: No such file"):
            read_words(path)
        path.write_text("[ti:Nothing]")
        with pytest.raises(AudioFileError, match="has no words"):
            read_words(path)
        path.write_bytes(b"a" * (1 << 20) + b"b")
        with pytest.raises(AudioFileError, match="too long"):
            read_words(path)
        path.write_bytes(bytes(range(256)) * 10)
        with pytest.raises(AudioFileError, match="not a text"):
            read_words(path)
