"""Which files are taken for songs, by the ends of their names: in a folder, and in the window's dialog."""

_OF_LIBSNDFILE = "wav flac ogg oga opus mp3 aif aiff aifc au caf w64 rf64"
_OF_FFMPEG = (
    "m4a m4b mp4 m4v mov aac webm mkv mka wma wmv asf avi flv ts mpg mpeg mp2 3gp ac3 eac3 dts ape wv tta mpc amr"
)

SONG_SUFFIXES = tuple(f".{name}" for name in f"{_OF_LIBSNDFILE} {_OF_FFMPEG}".split())
