"""Draw the README's picture: the real window separates the demo song, on a display and a sound card that are not there.

python tests/picture.py docs/window.png [SONG]

A target that ends in .webp is a picture that moves, first the whole song, then without its voice (needs ffmpeg). It
also tells how the engine did beside the window, and what share of a core the window took while the song played.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, process_time

from jack_server import Server
from x_server import Display

_SECONDS = 18.0
_MOVING_FRAMES, _FRAMES_PER_S = 20, 4
_MOVING_FROM_S, _MOVING_WIDTH = 6.0, 800
_START_UP_S = 3.0
_PATIENCE_S = 60.0
"""For the engine to open, and for the outline of the stems."""


def draw(target: Path, song: Path | None) -> None:
    """Play for a while, then save what the window shows. Needs jackd and Xvfb."""
    from PyQt6.QtCore import QSettings, QTimer

    from stemlive.demo_song import RATE_HZ
    from stemlive.demo_song import song as demo_song
    from stemlive.gui import device_list
    from stemlive.gui.program import application, build_window
    from stemlive.realtime.audio_files.files import AudioWriter

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if song is None:
            song = folder / "Demo song.wav"
            with AudioWriter(song, RATE_HZ, 2) as writer:
                writer.write(demo_song())
        app = application()
        settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
        settings.setValue("window/appearance", "dark")
        device_list._PATIENCE_MS = round(1000 * _PATIENCE_S)  # the machine may be busy
        window = build_window(settings, folder / "presets.json")
        window.rig.output = "system, JACK Audio Connection Kit"
        window.resize(1280, 800)
        window.start()
        window.show()
        window.rig.open_song(song)
        began: list[tuple[float, float]] = []
        grabbed: list[None] = []
        looks, frames, opened = QTimer(), QTimer(), monotonic()

        def grab() -> None:
            window.grab().save(str(folder / f"{len(grabbed):03d}.png"))
            grabbed.append(None)
            if len(grabbed) == _MOVING_FRAMES // 2:
                window.model.preset("karaoke")
            if len(grabbed) == _MOVING_FRAMES:
                frames.stop()
                finish()

        def begin() -> None:
            stems = window.outline.stems
            if (stems is None or not stems.complete) and monotonic() < opened + _PATIENCE_S:
                return
            looks.stop()
            window.rig.seek(3.0)
            window.rig.play(True)
            QTimer.singleShot(int(1000 * _START_UP_S), lambda: began.append((process_time(), monotonic())))
            if target.suffix == ".webp":
                QTimer.singleShot(int(1000 * _MOVING_FROM_S), lambda: frames.start(1000 // _FRAMES_PER_S))
            else:
                QTimer.singleShot(int(1000 * _SECONDS), finish)

        def finish() -> None:
            spent_s, lasted_s = process_time() - began[0][0], monotonic() - began[0][1]
            share = spent_s / lasted_s
            now = window.rig.player.now
            if target.suffix == ".webp":
                _encode(folder, target)
            else:
                window.grab().save(str(target))
            window.close()
            window.finish()
            heard = f"{now.hops} hops, {now.late_hops} late, {now.dropouts} dropouts"
            print(f"{heard}; the window: {100 * share:.0f} % of a core")

        frames.timeout.connect(grab)
        looks.timeout.connect(begin)
        looks.start(200)
        app.exec()


def _encode(folder: Path, target: Path) -> None:
    """Make one animated WebP of the frames in the folder."""
    command = ["ffmpeg", "-y", "-loglevel", "error", "-framerate", str(_FRAMES_PER_S), "-i", str(folder / "%03d.png")]
    scale = f"scale={_MOVING_WIDTH}:-2:flags=lanczos"
    command += ["-vf", scale, "-c:v", "libwebp_anim", "-quality", "40", "-compression_level", "6", "-loop", "0"]
    subprocess.run([*command, str(target)], check=True)


def main() -> None:
    """Start both servers, and this program anew between them: PortAudio and Qt look for them only once."""
    target, song = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if "STEMLIVE_PICTURE" in os.environ:
        draw(target, song)
        return
    with tempfile.TemporaryDirectory() as name:
        server, display = Server(Path(name)), Display()
        server.start()
        try:
            os.environ.update(server.environment | display.environment | {"STEMLIVE_PICTURE": "1"})
            os.spawnv(os.P_WAIT, sys.executable, [sys.executable, *sys.argv])
        finally:
            server.stop()
            display.close()


if __name__ == "__main__":
    main()
