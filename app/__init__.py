"""stemlive separates music into vocals, drums, bass and other while it plays."""

from importlib.metadata import version

__version__ = version("stemlive")
