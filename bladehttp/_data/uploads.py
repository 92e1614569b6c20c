"""Uploads: the content of a request or of one file in it, in memory or in a temporary file.

A temporary file is read through descriptors of its own, so that every reader begins at the
beginning and none moves another.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BufferedReader, BytesIO, RawIOBase
from os import PathLike, fspath
from shutil import copyfileobj
from typing import IO, Any, BinaryIO

BLOCK = 256 * 1024
"""Bytes copied at a time."""

MOST_AT_ONCE = 64 * 1024 * 1024
"""Most bytes asked of the system by one call."""


def seek_and_read(descriptor: int, count: int, offset: int) -> bytes:
    """Read as os.pread does, where there is none (Windows)."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)


read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", seek_and_read)


def check_open(file: IO[bytes]) -> None:
    """Raise ValueError if a temporary file is closed."""
    if file.closed:
        raise ValueError(
            "content is not available: the request has been answered, or its client has left"
        )


class SpoolReader(RawIOBase):
    """Reads a temporary file from its beginning, whatever other readers do.

    It stays readable when the temporary file has been closed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Duplicate the file's descriptor.

        Raises:
            ValueError: The file is closed.
        """
        super().__init__()
        self._descriptor = -1
        try:
            file.flush()
            descriptor = os.dup(file.fileno())
        except (OSError, ValueError):
            check_open(file)
            raise
        if file.closed:  # by another thread meanwhile: the number may be another file's by now
            os.close(descriptor)
            check_open(file)
        self._descriptor = descriptor
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = (0, self._offset, os.fstat(self._descriptor).st_size)[whence]
        self._offset = max(0, origin + offset)
        return self._offset

    def tell(self) -> int:
        return self._offset

    def readall(self) -> bytes:
        chunks = []
        left = os.fstat(self._descriptor).st_size - self._offset
        while left > 0:  # a read takes as much memory as it asks for, before it knows what there is
            data = read_at(self._descriptor, min(left, MOST_AT_ONCE), self._offset)
            if not data:  # the file has been cut
                break
            self._offset += len(data)
            left -= len(data)
            chunks.append(data)
        return b"".join(chunks)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = read_at(self._descriptor, len(view), self._offset)
        view[: len(data)] = data
        self._offset += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed and self._descriptor >= 0:
            os.close(self._descriptor)
        super().close()


def open_content(content: bytes, file: IO[bytes] | None) -> BinaryIO:
    """Return a binary stream over a content that is in memory, or in a temporary file.

    Raises:
        ValueError: The file is closed.
    """
    return BytesIO(content) if file is None else BufferedReader(SpoolReader(file), BLOCK)


def read_content(file: IO[bytes]) -> bytes:
    """Return the whole of a temporary file.

    Raises:
        ValueError: The file is closed.
    """
    with SpoolReader(file) as reader:
        return reader.read() or b""


class Upload(dict[str, Any]):  # noqa: PLW1641 - as a dict it has no hash
    """One file of a multipart form: a dict of name, filename, mime, content and size.

    The content of one that is longer than the server's ``spool_size`` is in a temporary file,
    which is under "file" then; "content" is read from it when it is first asked for.
    """

    __slots__ = ()

    def open(self) -> BinaryIO:
        """Return a binary stream over the content.

        Raises:
            ValueError: The request has been answered and the temporary file closed.
        """
        return open_content(dict.__getitem__(self, "content") or b"", self._spooled())

    def save(self, path: str | PathLike[str]) -> int:
        """Write the content to a file, replacing an existing one.

        The ``filename`` of an upload is chosen by the client: do not make a path of it.

        Args:
            path: The path of the file. It is removed again if it cannot be written completely.

        Returns:
            The number of bytes.

        Raises:
            OSError: The file cannot be written.
            TypeError: It is no path; an int would be a descriptor of something else.
        """
        with self.open() as source, open(fspath(path), "wb") as target:  # noqa: PTH123 - any path
            try:
                copyfileobj(source, target, BLOCK)
                return target.tell()
            except OSError:
                with suppress(OSError):
                    os.unlink(path)  # noqa: PTH108
                raise

    def _spooled(self) -> IO[bytes] | None:
        """Return the temporary file as long as the content is only there."""
        file: IO[bytes] | None = dict.get(self, "file")
        return file if dict.__getitem__(self, "content") is None else None

    def _load(self) -> None:
        file = self._spooled()
        if file is not None:
            self["content"] = read_content(file)

    # Everything that hands out values reads the content first. With an __iter__ of its own
    # dict(upload) and {**upload} go through keys and __getitem__, not around them.

    def __getitem__(self, key: str) -> Any:
        if key == "content":
            self._load()
        return dict.__getitem__(self, key)

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def __eq__(self, other: object) -> bool:
        self._load()
        return dict.__eq__(self, other)

    def get(self, key: str, default: Any = None, /) -> Any:
        if key == "content":
            self._load()
        return super().get(key, default)

    def items(self) -> Any:
        self._load()
        return super().items()

    def values(self) -> Any:
        self._load()
        return super().values()

    def copy(self) -> "Upload":
        """Return a copy, its content read."""
        self._load()
        return Upload(dict(self))

    def __reduce__(self) -> Any:
        return Upload, ({key: value for key, value in self.items() if key != "file"},)

    def __repr__(self) -> str:
        shown = {key: value for key, value in super().items() if key not in ("content", "file")}
        return f"<Upload {shown!r}>"
