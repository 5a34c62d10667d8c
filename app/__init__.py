"""stemlive separates music into vocals, drums, bass and other while it plays."""

import os

# Without it, onnxruntime writes a lasting device id under the user's cache and asks for a host to report to. It looks
# when it is imported, so this stands before everything of stemlive, in every process; the user's own value is kept.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> str:
    """Look up `__version__` when it is asked for: before `__main__` has the say, Ctrl-C would show a traceback."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("stemlive")
