"""Names of files between Qt, whose texts are Unicode, and Python, whose paths may hold any bytes."""

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from PyQt6.QtCore import QMimeData, QUrl

_IS_BYTES = os.name == "posix"


def shown(path: Path) -> str:
    """Return a path as a text for Qt, in UTF-8 whatever Python takes the system's encoding for."""
    return os.fsencode(path).decode(errors="surrogateescape") if _IS_BYTES else str(path)


def chosen(text: str) -> Path:
    """Return the path of a text from Qt."""
    return Path(os.fsdecode(text.encode(errors="surrogateescape")) if _IS_BYTES else text)


def unquoted(text: str) -> str:
    """Return the name that `stemlive.child.quoted` has written."""
    return os.fsdecode(unquote_to_bytes(text))


def url_of(path: Path) -> QUrl:
    """Return the address of a local file or folder."""
    if not _IS_BYTES:
        return QUrl.fromLocalFile(str(path))
    return QUrl.fromEncoded(b"file://" + quote(os.fsencode(path.absolute())).encode())


def dropped_files(data: QMimeData | None) -> list[Path]:
    """Return the local files and folders of what is dragged."""
    return [dropped(url) for url in data.urls() if url.isLocalFile()] if data is not None else []


def dropped(url: QUrl) -> Path:
    """Return the path of a local file's address; Qt's own text of it loses bytes that are not UTF-8."""
    if not _IS_BYTES:
        return Path(url.toLocalFile())
    return Path(os.fsdecode(unquote_to_bytes(url.path(QUrl.ComponentFormattingOption.FullyEncoded))))
