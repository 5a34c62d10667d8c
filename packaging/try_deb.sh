#!/bin/sh
# Builds the Debian package, installs it, separates a song and opens the window under Xvfb with it, and removes it again.
# For a machine that may be changed, by root: installs python3-venv, xvfb and xdotool where they are missing.
set -eu
cd "$(dirname "$0")/.."
missing=""
apt-get update -qq
/usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
for command in Xvfb:xvfb xdotool:xdotool; do
    command -v "${command%%:*}" >/dev/null || missing="$missing ${command##*:}"
done
# shellcheck disable=SC2086
[ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
packaging/deb.sh
package=$(ls -t dist/stemlive_*.deb | head -n 1)
folder=$(mktemp -d)
song="$PWD/docs/song.mp3"
display=":$((200 + $$ % 500))"
cleanup() {
    kill $(jobs -p) 2>/dev/null || true
    apt-get purge -y -qq stemlive >/dev/null
    rm -rf "$folder"
}
trap cleanup EXIT
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "./$package" >/dev/null
cd "$folder"
export HOME="$folder" XDG_CONFIG_HOME="$folder/config" XDG_CACHE_HOME="$folder/cache" XDG_RUNTIME_DIR="$folder"
/usr/bin/stemlive separate "$song" --mix karaoke -o karaoke.wav --quiet
test -s karaoke.wav
man -l /usr/share/man/man1/stemlive.1.gz >/dev/null 2>&1 || zcat /usr/share/man/man1/stemlive.1.gz | grep -q stemlive
Xvfb "$display" -screen 0 1366x768x24 >/dev/null 2>&1 &
export DISPLAY="$display"
sleep 1
/usr/bin/stemlive gui "$song" 2>window.log &
window=$!
for _ in $(seq 60); do
    xdotool search --onlyvisible --name stemlive >/dev/null 2>&1 && break
    kill -0 "$window" 2>/dev/null || break
    sleep 1
done
xdotool search --onlyvisible --name stemlive >/dev/null || { cat window.log; echo "try_deb.sh: no window came up" >&2; exit 1; }
kill "$window"
wait "$window" || true
echo "$package: installed, separated a song, opened its window"
