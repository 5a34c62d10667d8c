"""Whether there can be a window here."""

import os
import sys
from importlib.util import find_spec


def no_window() -> str:
    """Return why there can be no window here, and what helps; empty if there can be one."""
    missing = [name for name in ("PyQt6", "pyqtgraph") if find_spec(name) is None]
    if missing:
        from stemlive.extras import how_to_add

        return f"the window needs {' and '.join(missing)}: {how_to_add('gui')}"
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        return "the window needs a display, and there is none: log in with a desktop, or use `ssh -X`"
    return ""
