"""Files as bodies: the media type of a name, and a part of an open file to send."""

import mimetypes
from collections.abc import Iterable, Iterator
from io import FileIO

BLOCK = 256 * 1024
"""Bytes read from a file at a time: large enough that the calls do not count."""

# What pages are made of, by the IANA registry. `mimetypes` knows the rest, but asks the system
# first, and on some that says text/plain of scripts, which a browser then does not run.
MEDIA_TYPES = {
    ".avif": "image/avif",
    ".css": "text/css",
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".ico": "image/vnd.microsoft.icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".otf": "font/otf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
    ".zip": "application/zip",
}

COMPRESSED = {
    # what mimetypes calls the encoding of a name: the type of the file as it is
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
}

UNKNOWN = "application/octet-stream"


def media_type(name: str) -> str:
    """Return the Content-Type of a file by its name: text as UTF-8, the unknown as bytes.

    A compressed file has the type of its compression; it is not said to be encoded, so
    that a client keeps it as it is.
    """
    known = MEDIA_TYPES.get("." + name.rpartition(".")[2].lower())
    guessed, encoding = (known, None) if known else mimetypes.guess_type(name)
    if encoding is not None:
        return COMPRESSED.get(encoding, UNKNOWN)
    if guessed is None:
        return UNKNOWN
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


class FileSlice:
    """Some bytes of an open file, to be read when they are sent.

    Attributes:
        file: The file; closing the slice closes it, for all slices of it.
        offset: Where the bytes begin.
        length: How many there are.
    """

    __slots__ = ("file", "length", "offset")

    def __init__(self, file: FileIO, offset: int, length: int) -> None:
        self.file = file
        self.offset = offset
        self.length = length

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes in blocks: never more of them, though the file has grown.

        Raises:
            EOFError: The file has become shorter. What was announced cannot be sent.
        """
        self.file.seek(self.offset)
        missing = self.length
        while missing:
            data = self.file.read(min(BLOCK, missing))
            if not data:
                raise EOFError(f"a file has lost {missing} bytes while it was sent")
            missing -= len(data)
            yield data

    def close(self) -> None:
        """Close the file. Again does no harm."""
        self.file.close()


class Pieces:
    """Bytes and slices of one file, one after another."""

    __slots__ = ("_pieces", "close")

    def __init__(self, pieces: Iterable[bytes | FileSlice], file: FileIO) -> None:
        self._pieces = pieces
        self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from piece
