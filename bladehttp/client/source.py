"""Sources: where the bytes of a streamed body come from, a file or an iterable."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from io import SEEK_END, TextIOBase
from pathlib import Path
from typing import Any

import pycurl

from bladehttp.exceptions import UnrewindableBody

Read = Callable[[int], Any]
"""Reads at most so many bytes; b"" at the end."""


class Source:
    """Where the bytes of a streamed body come from.

    What the caller's code raises is kept in ``error`` and ends the transfer; pycurl would print
    and lose it. So does a source that gives more or less than was announced.

    Attributes:
        length: The number of bytes that will come, None where it is not known.
        error: What was raised, or None.
    """

    __slots__ = ("_announced", "_left", "_read", "_reopen", "_started", "error", "length")

    def __init__(self, read: Read, length: int | None, reopen: Callable[[], Read] | None) -> None:
        """Take a function that reads (b"" at the end), and how to begin again, or None."""
        self._read = read
        self._reopen = reopen
        self._started = False
        self._announced = False
        self.length = self._left = length
        self.error: BaseException | None = None

    @property
    def is_rewindable(self) -> bool:
        """Whether `rewind` may be called at any time."""
        return self._reopen is not None

    def announce(self, length: int) -> None:
        """Set the length that is not known otherwise, and has to be kept to."""
        self.length = self._left = length
        self._announced = True

    def read(self, size: int) -> bytes | int:
        """Read for libcurl (CURLOPT_READFUNCTION)."""
        self._started = True
        try:
            return self._counted(self._read(size))
        except BaseException as error:  # noqa: BLE001 - raised again by the transfer
            self.error = error
            return int(pycurl.READFUNC_ABORT)

    def _counted(self, piece: object) -> bytes:
        piece = bytes(check_piece(piece))
        if self._left is None:
            return piece
        self._left -= len(piece)
        if self._left and not piece:
            raise ValueError(f"data gives less than the {self.length} bytes announced")
        # libcurl asks for no more than is left; a file may well have grown since it was measured
        if self._announced and not self._left and self._read(1):
            raise ValueError(f"data gives more than the {self.length} bytes announced")
        return piece

    def seek(self, offset: int, origin: int) -> int:
        """Begin again for libcurl (CURLOPT_SEEKFUNCTION); it wants nothing else over HTTP."""
        try:
            self.rewind()
        except UnrewindableBody:
            return int(pycurl.SEEKFUNC_FAIL)  # libcurl's error 65 is the same exception
        except BaseException as error:  # noqa: BLE001 - raised again by the transfer
            self.error = error
            return int(pycurl.SEEKFUNC_FAIL)
        return int(pycurl.SEEKFUNC_CANTSEEK if offset or origin else pycurl.SEEKFUNC_OK)

    def rewind(self) -> None:
        """Begin again.

        Raises:
            UnrewindableBody: It has been read from and cannot.
        """
        if not self._started:
            return
        if self._reopen is None:
            raise UnrewindableBody("data has to be sent again and can be read only once")
        self._read = self._reopen()
        self._left = self.length
        self._started = False

    def restore(self) -> None:
        """Leave a file where it stood before it was sent, so that it can be given again."""


def check_piece(piece: object) -> bytes | bytearray | memoryview:
    """Return a piece of data if it is one.

    Raises:
        TypeError: It holds no bytes.
    """
    if isinstance(piece, bytes | bytearray | memoryview):
        return piece
    hint = HINTS.get(type(piece), "")
    raise TypeError(f"data gives {type(piece).__name__} where bytes are wanted{hint}")


HINTS: dict[type, str] = {
    tuple: ": write form=[(name, value)] for the fields of a form",
    dict: ": write json= to send it as JSON",
    str: ": encode it",
    int: ": write bytes(data), or json= to send it as JSON",
}
"""What may have been meant by data of another type than bytes."""


def view_of(piece: object) -> memoryview:
    """Return the bytes of a piece.

    Raises:
        TypeError: It is none.
    """
    return memoryview(check_piece(piece)).cast("B")


class FileSource(Source):
    """A source that reads a file from where it stands, and can seek in it."""

    __slots__ = ("_file", "_start")

    def __init__(self, file: Any, start: int, length: int) -> None:
        self._file = file
        self._start = start
        read: Read = file.read

        def reopen() -> Read:
            file.seek(start)
            return read

        super().__init__(read, length, reopen)

    def restore(self) -> None:
        if self._started:
            with suppress(OSError, ValueError):  # it may be closed by now
                self._file.seek(self._start)


class PathSource(Source):
    """A source that opens a file when it is read, and closes it when it has been sent."""

    __slots__ = ("_file", "_path")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        super().__init__(self._take, path.stat().st_size, self._again)

    def _take(self, size: int) -> bytes:
        if self._file is None:
            self._file = self._path.open("rb")
        return bytes(self._file.read(size))

    def _again(self) -> Read:
        self.restore()
        return self._take

    def restore(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def file_source(file: Any, whole_at_end: bool = False) -> Source:
    """Return a source that reads a file from where it stands.

    Its length is known, and it can be sent again, if the file can seek.

    Args:
        file: A binary file.
        whole_at_end: Whether one that stands at its end is read from its beginning, since somebody
            has just written or read it.

    Raises:
        TypeError: The file is in text mode.
    """
    if isinstance(file, TextIOBase):
        raise TypeError("file is open in text mode, and bytes are sent: open it with 'rb'")
    try:
        start = file.tell()
        file.seek(0, SEEK_END)  # what seek returns is not relied on: not every file-like says
        end = file.tell()
        start = 0 if whole_at_end and start == end else start
        file.seek(start)
    except (AttributeError, OSError, ValueError):  # no seek at all, a pipe, gzip.GzipFile
        return Source(file.read, None, None)

    return FileSource(file, start, max(end - start, 0))


def iterable_source(pieces: Iterable[bytes]) -> Source:
    """Return a source of an iterable's pieces; a generator cannot be sent again, a list can.

    Raises:
        TypeError: A piece of a list is not bytes.
    """
    if isinstance(pieces, list | tuple):
        for piece in pieces:
            check_piece(piece)
    first = iter(pieces)
    again = None if first is pieces else lambda: _reader(iter(pieces))
    return Source(_reader(first), None, again)


def _reader(pieces: Any) -> Read:
    rest = memoryview(b"")

    def read(size: int) -> Any:
        nonlocal rest
        while not rest:  # an empty piece is no end
            piece = next(pieces, None)
            if piece is None:
                return b""
            rest = view_of(piece)
        taken, rest = rest[:size], rest[size:]
        return taken

    return read
