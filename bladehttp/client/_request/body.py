"""Bodies: the content of a request as libcurl reads it.

A body knows its length if possible, whether it can be sent again, and which way to send it
(`Sender`). encode.py turns the caller's data into a body.

Sources: the bytes of a streamed body, from a file or an iterable.
"""

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import SEEK_END, IOBase, TextIOBase
from pathlib import Path
from typing import Any, ClassVar, Protocol

from bladehttp.client._config.validators import has_control
from bladehttp.exceptions import InvalidHeader, UnrewindableBody

READ_ONCE = "data has to be sent again and can be read only once"

Read = Callable[[int], Any]
"""Reads up to so many bytes; b"" at the end."""


class BodySource:
    """The bytes of a streamed body.

    An exception of the caller's code ends the transfer. So does a source with more or fewer bytes
    than announced.

    Attributes:
        length: The number of bytes, None if it is not known.
    """

    __slots__ = (
        "_announced",
        "_excess",
        "_left",
        "_read",
        "_reopen",
        "_started",
        "length",
    )

    def __init__(self, read: Read, length: int | None, reopen: Callable[[], Read] | None) -> None:
        """Create a source.

        Args:
            read: Reads up to so many bytes; b"" at the end.
            length: The number of bytes, None if it is not known.
            reopen: Returns a function that reads from the beginning again; None if that is not
                possible.
        """
        self._read = read
        self._reopen = reopen
        self._excess = b""
        self._started = False
        self._announced = False
        self.length = self._left = length

    @property
    def is_rewindable(self) -> bool:
        """Whether `rewind` may be called at any time."""
        return self._reopen is not None

    def announce(self, length: int) -> None:
        """Set a length that is not known otherwise; the source must have exactly so many bytes."""
        self.length = self._left = length
        self._announced = True

    def read(self, size: int) -> bytes | None:
        """Read up to so many bytes; b"" at the end, None if there are none yet.

        Raises:
            ValueError: It has more or fewer bytes than announced.
            BaseException: An exception of the caller's code.
        """
        self._started = True
        return self._counted(self._taken(size))

    def _taken(self, size: int) -> bytes:
        """Return the next bytes: some objects give more than they are asked for."""
        chunk = self._excess or bytes(check_chunk(self._read(size)))
        self._excess = chunk[size:]
        return chunk[:size] if self._excess else chunk

    def _counted(self, chunk: bytes) -> bytes:
        if self._left is None:
            return chunk
        self._left -= len(chunk)
        if self._left and not chunk:
            raise ValueError(f"data gives less than the {self.length} bytes announced")
        # libcurl reads no more than is left; a file may have grown since it was measured
        if self._announced and not self._left and (self._excess or self._read(1)):
            raise ValueError(f"data gives more than the {self.length} bytes announced")
        return chunk

    def rewind(self) -> None:
        """Rewind to the beginning.

        Raises:
            UnrewindableBody: Bytes were read and cannot be read again.
        """
        if not self._started:
            return
        if self._reopen is None:
            raise UnrewindableBody(READ_ONCE)
        self._read = self._reopen()
        self._excess = b""
        self._left = self.length
        self._started = False

    def restore(self) -> None:
        """Restore the position of a file from before it was sent, so that it can be reused."""


def check_chunk(chunk: object) -> bytes | bytearray | memoryview:
    """Return a chunk of data after a check of its type.

    Raises:
        TypeError: It is not bytes-like.
    """
    if isinstance(chunk, bytes | bytearray | memoryview):
        return chunk
    hint = HINTS.get(type(chunk), "")
    raise TypeError(f"data gives {type(chunk).__name__}, expected bytes{hint}")


HINTS: dict[type, str] = {
    tuple: ": write form=[(name, value)] for the fields of a form",
    dict: ": write json= to send it as JSON",
    str: ": encode it",
    int: ": write bytes(data), or json= to send it as JSON",
}
"""Advice for data of another type than bytes."""


def view_of(chunk: object) -> memoryview:
    """Return the bytes of a chunk.

    Raises:
        TypeError: It is not bytes-like.
    """
    return memoryview(check_chunk(chunk)).cast("B")


class FileSource(BodySource):
    """A source that reads a seekable file from its position."""

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


class PathSource(BodySource):
    """A source that opens a file when it is read, and closes it after it was sent."""

    __slots__ = ("_file", "_path")

    def __init__(self, path: Path, length: int | None) -> None:
        self._path = path
        self._file: Any = None
        super().__init__(self._take, length, self._again)

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


def length_of(path: Path) -> int | None:
    """Return the length of a file, None for one that has more than it says, as in /proc.

    Raises:
        OSError: It cannot be opened, in the words of the system; libcurl would have others.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        says_less = not status.st_size and stat.S_ISREG(status.st_mode) and bool(file.read(1))
        return None if says_less else status.st_size


def file_source(file: Any, whole_at_end: bool = False) -> BodySource:
    """Return a source that reads a file from its position.

    If the file can seek, its length is known and it can be sent again.

    Args:
        file: A binary file.
        whole_at_end: Whether a file that is at its end is read from its beginning, since it has
            just been written or read.

    Raises:
        TypeError: The file is in text mode, or only open for writing.
    """
    if isinstance(file, TextIOBase):
        raise TypeError("file is open in text mode, and bytes are sent: open it with 'rb'")
    if isinstance(file, IOBase) and not file.closed and not file.readable():
        raise TypeError("file is not open for reading: open it with 'rb'")
    try:
        start = file.tell()
        file.seek(0, SEEK_END)  # the result of seek is not used: not every file-like returns it
        end = file.tell()
        start = 0 if whole_at_end and start == end else start
        file.seek(start)
    except (AttributeError, OSError, ValueError):  # no seek at all, a pipe, gzip.GzipFile
        return BodySource(file.read, None, None)

    return FileSource(file, start, max(end - start, 0))


def iterable_source(chunks: Iterable[bytes]) -> BodySource:
    """Return a source of an iterable's chunks; a generator cannot be sent again, a list can.

    Raises:
        TypeError: A chunk of a list is not bytes.
    """
    if isinstance(chunks, list | tuple):
        for chunk in chunks:
            check_chunk(chunk)
    first = iter(chunks)
    again = None if first is chunks else lambda: _reader(iter(chunks))
    return BodySource(_reader(first), None, again)


def _reader(chunks: Any) -> Read:
    rest = memoryview(b"")

    def read(size: int) -> Any:
        nonlocal rest
        while not rest:  # an empty chunk is not the end
            chunk = next(chunks, None)
            if chunk is None:
                return b""
            rest = view_of(chunk)
        taken, rest = rest[:size], rest[size:]
        return taken

    return read


class Part:
    """One part: a name, a source or bytes, and for a file its filename and type."""

    __slots__ = ("content_type", "data", "filename", "name")

    def __init__(
        self,
        name: str,
        data: bytes | str | BodySource,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """Create a part from ``data``: bytes, a str that is a path, or a source.

        Raises:
            InvalidHeader: A name or a type holds control characters.
        """
        for text in (name, filename, content_type):
            if text is not None and has_control(text):
                raise InvalidHeader(f"part of a form with control characters in {text[:80]!r}")
        self.name = name
        self.data = data
        self.filename = filename
        self.content_type = content_type


class Sender(Protocol):
    """The part of a transfer that sends the content of its request; see `BodySender`."""

    @property
    def curl(self) -> Any:
        """The easy handle."""

    def send_source(self, source: BodySource) -> None:
        """Send the bytes of a source."""

    def send_form(self, parts: Iterable[Part]) -> None:
        """Send the parts of a form."""

    def resume(self) -> None:
        """Have libcurl read again from a source that had no bytes yet."""


class Body(ABC):
    """The content of a request.

    Attributes:
        content_type: The Content-Type to send if the caller sets none, or None for none.
        names_itself: Whether libcurl makes the Content-Type, so that the caller's must not be sent.
        suppress: Lines for CURLOPT_HTTPHEADER that remove the Content-Type that libcurl would add.
    """

    __slots__ = ("content_type",)
    names_itself: ClassVar[bool] = False
    suppress: ClassVar[tuple[bytes, ...]] = ()

    def __init__(self, content_type: str | None = None) -> None:
        self.content_type: str | None = content_type

    @property
    def length(self) -> int | None:
        """The number of bytes, None if it is not known."""
        return None

    @property
    def is_rewindable(self) -> bool:
        """Whether it can be sent twice."""
        return True

    @property
    def waits(self) -> bool:
        """Whether libcurl waits for the caller's data."""
        return False

    def announce(self, length: int) -> None:
        """Check or set the length of the caller's own Content-Length field.

        Raises:
            ValueError: It differs from the length of the body.
        """
        if length != self.length:
            raise ValueError(f"Content-Length is {length}, and the data has {self.length} bytes")

    @abstractmethod
    def attach(self, sender: Sender) -> None:
        """Have a transfer send the body."""

    @abstractmethod
    def detach(self) -> None:
        """Let go of the transfer, which has ended."""

    @abstractmethod
    def rewind(self) -> None:
        """Prepare the body to be sent again.

        Raises:
            UnrewindableBody: Its source can be read only once.
        """


class BytesBody(Body):
    """Bytes in memory.

    Attributes:
        data: The bytes.
    """

    __slots__ = ("data",)
    suppress: ClassVar[tuple[bytes, ...]] = (b"Content-Type:",)  # else libcurl adds a form's

    def __init__(self, data: bytes, content_type: str | None = None) -> None:
        self.content_type = content_type
        self.data: bytes = data

    @property
    def length(self) -> int:
        return len(self.data)

    def attach(self, sender: Sender) -> None:
        """Do nothing: a transfer takes `data`."""

    def detach(self) -> None:
        """Do nothing."""

    def rewind(self) -> None:
        """Do nothing: the bytes stay in memory."""


class StreamedBody(Body):
    """A source that is read as libcurl asks."""

    __slots__ = ("_source",)

    def __init__(self, source: BodySource) -> None:
        super().__init__()
        self._source = source

    @property
    def length(self) -> int | None:
        return self._source.length

    @property
    def is_rewindable(self) -> bool:
        return self._source.is_rewindable

    def announce(self, length: int) -> None:
        if self._source.length is None:
            self._source.announce(length)
        super().announce(length)

    def attach(self, sender: Sender) -> None:
        sender.send_source(self._source)

    def detach(self) -> None:
        self._source.restore()

    def rewind(self) -> None:
        self._source.rewind()
