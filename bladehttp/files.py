"""Files as bodies: the media type of a name, and a part of an open file to send."""

import mimetypes
from collections.abc import Iterator, Sequence
from io import FileIO
from os import PathLike, fstat
from typing import NamedTuple, Self

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
    _, dot, ending = name.rpartition(".")
    known = MEDIA_TYPES.get(dot + ending.lower())
    guessed, encoding = (known, None) if known else mimetypes.guess_type(name)
    if encoding is not None:
        return COMPRESSED.get(encoding, UNKNOWN)
    if guessed is None:
        return UNKNOWN
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


class FileSlice(NamedTuple):
    """Some bytes of an open file.

    Attributes:
        file: The file.
        offset: Where the bytes begin.
        length: How many there are.
    """

    file: FileIO
    offset: int
    length: int

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes: never more of them, though the file has grown.

        Raises:
            EOFError: The file has become shorter.
        """
        offset, missing = self.offset, self.length
        while missing:
            data = read_at(self.file, offset, min(BLOCK, missing))
            yield data
            offset += len(data)
            missing -= len(data)


def read_at(file: FileIO, offset: int, count: int) -> bytes:
    """Return some bytes of a file, fewer than asked for only if the system gives fewer.

    Raises:
        EOFError: There are none.
    """
    file.seek(offset)
    data = file.read(count)
    if not data:
        raise end_of_file(offset)
    return data


def end_of_file(offset: int) -> EOFError:
    """Return what is raised when a file has become shorter since its length was looked at.

    What was announced cannot be sent then.
    """
    return EOFError(f"a file that is being sent has become shorter than {offset + 1} bytes")


class FileBody:
    """A body of slices of one open file, and bytes between them, read when they are sent.

    Attributes:
        pieces: The slices and the bytes, in order.
        length: Bytes in all.
    """

    __slots__ = ("_file", "length", "pieces")

    def __init__(self, file: FileIO, pieces: Sequence[bytes | FileSlice]) -> None:
        """Take a file that is to be closed with the body, and pieces; slices are of that file."""
        self._file = file
        self.pieces = pieces
        self.length = sum(
            piece.length if isinstance(piece, FileSlice) else len(piece) for piece in pieces
        )

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self:
        """Return a body that is a whole file, as long as it is now.

        Raises:
            OSError: The file cannot be opened.
        """
        file = FileIO(path)
        return cls(file, [FileSlice(file, 0, fstat(file.fileno()).st_size)])

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body in blocks, for what cannot send a file as it is.

        Raises:
            EOFError: The file has become shorter.
        """
        for piece in self.pieces:
            if isinstance(piece, FileSlice):
                yield from piece.blocks()
            else:
                yield piece

    def close(self) -> None:
        """Close the file. Again does no harm."""
        self._file.close()
