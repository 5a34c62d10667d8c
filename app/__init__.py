"""stemlive separates music into vocals, drums, bass and other while it plays."""


def __getattr__(name: str) -> str:
    """Look up `__version__` when it is asked for: before `__main__` has the say, Ctrl-C would show a traceback."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("stemlive")
