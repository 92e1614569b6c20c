"""Files as bodies: parts of an open file to send."""

import os
from collections.abc import Iterator, Sequence
from errno import EINVAL
from io import FileIO
from os import PathLike, fsdecode, fspath, fstat
from stat import S_ISREG
from typing import NamedTuple

BLOCK = 256 * 1024
"""Bytes read from a file at a time: large enough that the calls do not count."""


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
        """Yield the bytes; no more than `length`, even if the file has grown.

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
    """Return the exception for a file that has become shorter while it is sent.

    The announced length cannot be sent then.
    """
    return EOFError(f"a file that is being sent has become shorter than {offset + 1} bytes")


class FileBody:
    """A body of slices of one open file, and bytes between them, read when they are sent.

    Attributes:
        parts: The slices and the bytes, in order.
        length: Bytes in all.
    """

    __slots__ = ("_file", "length", "parts")

    def __init__(self, file: FileIO, parts: Sequence[bytes | FileSlice]) -> None:
        """Take a file, closed with the body, and parts; slices are of that file."""
        self._file = file
        self.parts = parts
        self.length = sum(
            part.length if isinstance(part, FileSlice) else len(part) for part in parts
        )

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body in blocks, for transports without sendfile.

        Raises:
            EOFError: The file has become shorter.
        """
        for part in self.parts:
            if isinstance(part, FileSlice):
                yield from part.blocks()
            else:
                yield part

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        self._file.close()


def open_at_once(path: str, flags: int) -> int:
    """Open a file; opening a pipe would block until it has a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


class WholeFile(FileBody):
    """A file as a body, for which conditions and ranges are supported.

    Attributes:
        file: The open file.
        info: Its status (fstat) when it was opened.
        name: Its name.
    """

    __slots__ = ("file", "info", "name")

    def __init__(self, path: str | PathLike[str]) -> None:
        """Open a file.

        Raises:
            OSError: It cannot be opened, or is no regular file: a pipe or a device.
            TypeError: It is no path. An int would be a descriptor, which closing the file closes.
        """
        self.file = FileIO(fspath(path), opener=open_at_once)
        self.info = fstat(self.file.fileno())
        if not S_ISREG(self.info.st_mode):
            self.file.close()
            raise OSError(EINVAL, "not a regular file", fsdecode(path))
        self.name = fsdecode(path)
        super().__init__(self.file, [FileSlice(self.file, 0, self.info.st_size)])
