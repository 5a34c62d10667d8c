"""Texts in shared memory, with names of files in them, which may hold bytes that are not UTF-8."""


def pack(text: str, size_bytes: int) -> bytes:
    """Return the start of a text in at most `size_bytes`, whole characters only."""
    while len(data := text.encode(errors="surrogateescape")) > size_bytes:
        text = text[: -max(1, (len(data) - size_bytes) // 4)]
    return data


def unpack(data: bytes) -> str:
    """Return the text of `pack`."""
    return data.decode(errors="surrogateescape")
