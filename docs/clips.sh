#!/bin/sh
# The two sound files of the README: 12 seconds of a free song as it is, and the same through `stemlive stream` without
# its voice. "Misanthropia" of Obsidian Shell, CC BY-SA 3.0, from Debian's marsshooter-data; no training has heard it.
# Needs apt-get and ffmpeg. STEMLIVE is the program (.venv/bin/stemlive), MODEL the one that separates (live).
set -eu
cd "$(dirname "$0")/.."
stemlive="${STEMLIVE:-$PWD/.venv/bin/stemlive}"
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download marsshooter-data >apt.log 2>&1 || { cat apt.log >&2; exit 1; }
dpkg -x marsshooter-data_*.deb package
from=46
ffmpeg -v error -ss "$((from - 20))" -t 32 -i package/usr/share/games/marsshooter/audio/music/12_-_Misanthropia.ogg song.wav
"$stemlive" stream -i song.wav -o karaoke.wav --preset karaoke --model "${MODEL:-live}" --quiet
for name in song karaoke; do
    ffmpeg -v error -y -ss 20 -i "$name.wav" -af "afade=t=in:d=0.05,afade=t=out:st=11.5:d=0.5" -b:a 128k \
        -metadata title="Misanthropia ($name)" -metadata artist="Obsidian Shell" -metadata copyright="CC BY-SA 3.0" \
        "$here/docs/$name.mp3"
done
