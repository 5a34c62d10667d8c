"""stemlive separates music into vocals, drums, bass and other while it plays.

The names in `__all__` are the library, with an example of each in `docs/api.md`. Each is imported when it is first
used, so that `import stemlive` costs nothing; none needs torch or Qt.
"""

import os
from typing import TYPE_CHECKING

# Otherwise onnxruntime stores a permanent device id in the user's cache and looks up a host to report to. It reads the
# variable on import, so this comes first, in every process. A value that the user has set is kept.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from stemlive.errors import (
        AudioFileError,
        DeviceError,
        ModelError,
        StemliveError,
        TrainingError,
        UsageError,
    )
    from stemlive.realtime.devices.catalogue import AudioDevice, list_devices
    from stemlive.realtime.engine.child_process import EngineProcess
    from stemlive.realtime.engine.engine import Engine
    from stemlive.realtime.model_file.card import ModelCard, list_models
    from stemlive.realtime.recording.recorder import Recorder
    from stemlive.realtime.separation.mixer import Mixer
    from stemlive.realtime.separation.separator import Separator
    from stemlive.realtime.separation.song import Stems, separate
    from stemlive.realtime.shared.settings import EngineSettings
    from stemlive.realtime.shared.snapshot import Snapshot

    __version__: str

__all__ = [
    "AudioDevice",
    "AudioFileError",
    "DeviceError",
    "Engine",
    "EngineProcess",
    "EngineSettings",
    "Mixer",
    "ModelCard",
    "ModelError",
    "Recorder",
    "Separator",
    "Snapshot",
    "StemliveError",
    "Stems",
    "TrainingError",
    "UsageError",
    "list_devices",
    "list_models",
    "separate",
]

_ERRORS = "stemlive.errors"
_PLACES = {
    "AudioDevice": "stemlive.realtime.devices.catalogue",
    "AudioFileError": _ERRORS,
    "DeviceError": _ERRORS,
    "Engine": "stemlive.realtime.engine.engine",
    "EngineProcess": "stemlive.realtime.engine.child_process",
    "EngineSettings": "stemlive.realtime.shared.settings",
    "Mixer": "stemlive.realtime.separation.mixer",
    "ModelCard": "stemlive.realtime.model_file.card",
    "ModelError": _ERRORS,
    "Recorder": "stemlive.realtime.recording.recorder",
    "Separator": "stemlive.realtime.separation.separator",
    "Snapshot": "stemlive.realtime.shared.snapshot",
    "StemliveError": _ERRORS,
    "Stems": "stemlive.realtime.separation.song",
    "TrainingError": _ERRORS,
    "UsageError": _ERRORS,
    "list_devices": "stemlive.realtime.devices.catalogue",
    "list_models": "stemlive.realtime.model_file.card",
    "separate": "stemlive.realtime.separation.song",
}
"""Which module each name is imported from."""

if not TYPE_CHECKING:  # a type checker would take every other name for one of the library's

    def __getattr__(name: str) -> object:
        """Import what is asked for."""
        from importlib import import_module, metadata

        if name == "__version__":
            value = metadata.version("stemlive")
        elif name in _PLACES:
            value = getattr(import_module(_PLACES[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
