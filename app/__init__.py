"""stemlive separates music into vocals, drums, bass and other while it plays."""

import os

# Otherwise onnxruntime stores a permanent device id in the user's cache and looks up a host to report to. It reads the
# variable on import, so this comes first, in every process. A value that the user has set is kept.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> str:
    """Look up `__version__` on demand: this import comes before `__main__` can handle Ctrl-C, so it must be short."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("stemlive")
