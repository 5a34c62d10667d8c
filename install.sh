#!/bin/sh
# Sets up stemlive in .venv: `./install.sh` to use it, `./install.sh gui,train,dev` with extras.
# System packages are installed where this runs as root on Debian or Ubuntu; elsewhere a missing one is named.
set -eu
cd "$(dirname "$0")"
extras="${1:-}"

needed=""
python3 -c 'import ensurepip, venv' 2>/dev/null || needed="$needed python3 python3-venv"
ldconfig -p 2>/dev/null | grep -q libportaudio.so.2 || needed="$needed libportaudio2"
command -v ffmpeg >/dev/null || needed="$needed ffmpeg" # decodes m4a, video and more; museval is not imported without it
has_library() { ldconfig -p 2>/dev/null | grep -q "$1"; }
case ",$extras," in *,gui,* | *,dev,*)
    # What Qt draws with; its wheel brings the rest.
    has_library libEGL.so.1 || needed="$needed libegl1"
    has_library libGL.so.1 || needed="$needed libgl1"
    has_library libdbus-1.so.3 || needed="$needed libdbus-1-3"
    has_library libglib-2.0.so.0 || needed="$needed libglib2.0-0"
    has_library libfontconfig.so.1 || needed="$needed libfontconfig1 fonts-dejavu-core"
    has_library libxkbcommon-x11.so.0 || needed="$needed libxkbcommon-x11-0"
    for part in cursor.so.0:cursor0 icccm.so.4:icccm4 image.so.0:image0 keysyms.so.1:keysyms1 randr.so.0:randr0 \
        render-util.so.0:render-util0 shape.so.0:shape0 sync.so.1:sync1 xfixes.so.0:xfixes0 xkb.so.1:xkb1; do
        has_library "libxcb-${part%%:*}" || needed="$needed libxcb-${part##*:}"
    done ;;
esac
case ",$extras," in *,key,* | *,dev,*)
    has_library librubberband.so.2 || needed="$needed librubberband2" ;;
esac
case ",$extras," in *,train,* | *,dev,*)
    command -v g++ >/dev/null || needed="$needed g++" # torch.compile's; Python's headers too
    python3 -c 'import os, sysconfig as s; os.stat(s.get_path("include") + "/Python.h")' 2>/dev/null ||
        needed="$needed python3-dev" ;;
esac
case ",$extras," in *,dev,*)
    command -v Xvfb >/dev/null || needed="$needed xvfb"
    command -v xdotool >/dev/null || needed="$needed xdotool"
    command -v fluidsynth >/dev/null || needed="$needed fluidsynth"
    has_library libopenmpt.so.0 || needed="$needed libopenmpt0"
    command -v lmms >/dev/null || needed="$needed lmms"
    [ -e /usr/share/zynaddsubfx/banks ] || needed="$needed zynaddsubfx-data"
    command -v jackd >/dev/null || needed="$needed jackd2"
    command -v pulseaudio >/dev/null || needed="$needed pulseaudio"
    command -v pactl >/dev/null || needed="$needed pulseaudio-utils"
    command -v pipewire-pulse >/dev/null || needed="$needed pipewire-pulse"
    command -v wireplumber >/dev/null || needed="$needed wireplumber"
    command -v dbus-daemon >/dev/null || needed="$needed dbus-daemon"
    ldconfig -p 2>/dev/null | grep -q libasound.so.2 && [ -n "$(find /usr/lib -name libasound_module_pcm_pulse.so)" ] ||
        needed="$needed libasound2-plugins"
    command -v chromium >/dev/null || needed="$needed chromium"
    command -v chromedriver >/dev/null || needed="$needed chromium-driver"
    [ -e /usr/share/sounds/sf2/FluidR3_GM.sf2 ] || needed="$needed fluid-soundfont-gm" ;;
esac
if [ -n "$needed" ] && [ "$(uname)" = Linux ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -o DPkg::Lock::Timeout=300 -y -qq \
            --no-install-recommends $needed >/dev/null
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
mkdir -p .venv/share/man/man1 # where `man stemlive` looks while .venv/bin is on the PATH
.venv/bin/stemlive man > .venv/share/man/man1/stemlive.1
case ",$extras," in
*,gpu,*) ;;
*) has_library libcuda.so.1 && echo "install.sh: an NVIDIA driver is here. One processor core keeps up;" \
    "./install.sh ${extras:+$extras,}gpu (3 GB) lets the window and the library use the card" || true ;;
esac
