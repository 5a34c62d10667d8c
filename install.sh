#!/bin/sh
# Sets up stemlive in .venv: `./install.sh` to use it, `./install.sh gui,train,dev` with extras.
# System packages are installed where this runs as root on Debian or Ubuntu; elsewhere a missing one is named.
set -eu
cd "$(dirname "$0")"
extras="${1:-}"

needed=""
python3 -c 'import ensurepip, venv' 2>/dev/null || needed="$needed python3 python3-venv"
ldconfig -p 2>/dev/null | grep -q libportaudio.so.2 || needed="$needed libportaudio2"
case ",$extras," in *,dev,*)
    command -v fluidsynth >/dev/null || needed="$needed fluidsynth"
    command -v jackd >/dev/null || needed="$needed jackd2"
    command -v pulseaudio >/dev/null || needed="$needed pulseaudio"
    command -v pactl >/dev/null || needed="$needed pulseaudio-utils"
    ldconfig -p 2>/dev/null | grep -q libasound.so.2 && [ -n "$(find /usr/lib -name libasound_module_pcm_pulse.so)" ] ||
        needed="$needed libasound2-plugins"
    [ -e /usr/share/sounds/sf2/FluidR3_GM.sf2 ] || needed="$needed fluid-soundfont-gm" ;;
esac
if [ -n "$needed" ] && [ "$(uname)" = Linux ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $needed >/dev/null
    else
        echo "install.sh: not found:$needed; install with: sudo apt-get install$needed" >&2
        python3 -c 'import ensurepip, venv' || exit 1
    fi
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "install.sh: stemlive needs Python 3.11 or newer, this is $(python3 --version)" >&2
    exit 1
}
[ -x .venv/bin/python ] || python3 -m venv .venv
rm -rf build # what an earlier build left there would be installed again
.venv/bin/python -m pip install --quiet --disable-pip-version-check ".${extras:+[$extras]}"
