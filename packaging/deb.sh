#!/bin/sh
# Builds stemlive_VERSION_ARCH.deb in dist/: window, phone, OSC, MIDI and key included, in /opt/stemlive, on Debian's own
# Python. It is for the release that it is built on. Needs python3-venv and dpkg; root is not needed.
set -eu
umask 022
cd "$(dirname "$0")/.."
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
there="$stage/opt/stemlive"
/usr/bin/python3 -m venv "$there"
rm -rf build
"$there/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile ".[gui,remote,live,key]"
"$there/bin/python" -m pip uninstall --quiet --yes --disable-pip-version-check setuptools pip 2>/dev/null
packages=$(echo "$there"/lib/python3*/site-packages)
echo dpkg > "$(echo "$packages"/stemlive-*.dist-info)/INSTALLER"
rm -rf "$packages"/PyQt6/Qt6/qml "$packages"/PyQt6/Qt6/translations "$packages"/PyQt6/Qt6/qsci
for part in Quick Qml Pdf Designer ShaderTools Bluetooth Multimedia SpatialAudio; do # nothing of the window
    rm -f "$packages"/PyQt6/Qt6/lib/libQt6$part* "$packages"/PyQt6/Qt$part*
done
rm -f "$packages"/PyQt6/Qt6/lib/libav* "$packages"/PyQt6/Qt6/lib/libsw* # Multimedia's
sed -i "1s|^#!.*|#!/opt/stemlive/bin/python|" "$there/bin/stemlive"
mkdir -p "$stage/usr/bin" "$stage/usr/share/applications" "$stage/usr/share/man/man1" "$stage/DEBIAN"
ln -s /opt/stemlive/bin/stemlive "$stage/usr/bin/stemlive"
"$there/bin/python" -P -m stemlive man | gzip -9n > "$stage/usr/share/man/man1/stemlive.1.gz"
find "$there" -name __pycache__ -prune -exec rm -rf {} +
cat > "$stage/usr/share/applications/stemlive.desktop" <<END
[Desktop Entry]
Type=Application
Name=stemlive
Comment=Takes any song apart while it plays
Exec=stemlive gui %f
Terminal=false
Categories=AudioVideo;Audio;Music;
MimeType=audio/mpeg;audio/flac;audio/ogg;audio/x-wav;audio/mp4;audio/aac;audio/x-opus+ogg;
END
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
architecture=$(dpkg --print-architecture)
python=$(/usr/bin/python3 -c 'import sys; print(f"python3 (>= 3.{sys.version_info.minor}), python3 (<< 3.{sys.version_info.minor + 1})")')
cat > "$stage/DEBIAN/control" <<END
Package: stemlive
Version: $version
Architecture: $architecture
Maintainer: stemlive <stemlive@localhost>
Installed-Size: $(du -sk "$stage" | cut -f1)
Depends: $python, libportaudio2, ffmpeg, libegl1, libgl1, libdbus-1-3, libglib2.0-0, libfontconfig1, libxkbcommon-x11-0,
 libxcb-cursor0, libxcb-icccm4, libxcb-image0, libxcb-keysyms1, libxcb-randr0, libxcb-render-util0, libxcb-shape0,
 libxcb-sync1, libxcb-xfixes0, libxcb-xkb1
Recommends: librubberband2, fonts-dejavu-core
Section: sound
Priority: optional
Description: Separates music into vocals, drums, bass and other while it plays
 Takes the voice out of any song, an input or what other programs play, 23 ms behind the music.
END
# Compiled where it is installed, so that nothing of it is left behind.
printf '#!/bin/sh\n/opt/stemlive/bin/python -m compileall -q /opt/stemlive/lib >/dev/null 2>&1 || true\n' > "$stage/DEBIAN/postinst"
printf '#!/bin/sh\nfind /opt/stemlive -name __pycache__ -prune -exec rm -rf {} +\n' > "$stage/DEBIAN/prerm"
chmod 755 "$stage/DEBIAN/postinst" "$stage/DEBIAN/prerm"
mkdir -p dist
dpkg-deb --root-owner-group -Zzstd -z9 --build "$stage" "dist/stemlive_${version}_$architecture.deb"
