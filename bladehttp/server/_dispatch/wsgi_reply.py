"""What a WSGI application answers one request: start_response, write and the iterable of PEP 3333.

A body that is a list, or one chunk as long as its Content-Length, is sent whole. Chunks of others
are written to a `Channel`, which waits for the client, so that memory stays constant.
"""

import io
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import ExitStack
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from wsgiref.util import is_hop_by_hop

from bladehttp._data.headers import Headers, check_field
from bladehttp._message.deferred import Channel, Offloaded
from bladehttp._message.file_body import FileBody, FileSlice
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.status import PHRASES

Head = tuple[int, str | None, list[tuple[str, str]]]
"""Status, reason phrase (None: the status's own) and headers."""

BLOCK = 64 * 1024
"""Bytes read at a time."""

SPOOL = 1024 * 1024
"""Bytes of `Reply.write` that are kept in memory under a WSGI server; more are in a file."""

PATIENCE_MS = 24 * 60 * 60 * 1000
"""How long a chunk waits for its client, in milliseconds. `write_timeout` ends it before."""

END: Any = object()
"""Stands for a chunk: there are no more."""

is_status = re.compile(r"([2-5][0-9]{2})(?: (.*))?").fullmatch


def do_nothing() -> None:
    """Stand for the ``close`` of an iterable without one."""


class FileWrapper(Iterator[bytes]):
    """``wsgi.file_wrapper``: a file as a body, which the system sends itself if it can.

    It is its own iterator, as that of wsgiref: who iterates over it closes what ``iter`` gave.
    """

    def __init__(self, file: Any, block: int = BLOCK) -> None:
        """Take a file-like object, and the bytes to read at a time."""
        self.file = file
        self._block = block
        for name in ("seek", "seekable", "tell"):  # werkzeug skips to a range by them
            if hasattr(file, name):
                setattr(self, name, getattr(file, name))

    def __next__(self) -> bytes:
        data: bytes = self.file.read(self._block)
        if not data:
            raise StopIteration
        return data

    def close(self) -> None:
        """Close the file, if it can be closed."""
        getattr(self.file, "close", do_nothing)()

    def body(self, length: int | None) -> FileBody | None:
        """Return the rest of the file as a body of its own, None if it is not a regular one.

        Only of files whose bytes are those of the descriptor: that of a GzipFile has others.

        Args:
            length: Most bytes. None: all.
        """
        file = self.file
        if type(file) not in {io.BufferedReader, io.BufferedRandom, io.FileIO}:
            return None
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            return None
        offset = file.tell()
        left = max(0, info.st_size - offset)
        own = io.FileIO(os.dup(file.fileno()))
        return FileBody(own, [FileSlice(own, offset, left if length is None else length)])


class ClientGone(ConnectionAbortedError):  # noqa: N818 - nothing has failed here
    """Raised in an application by `Reply.write`: the client has left."""


class Reply:
    """What an application answers one request."""

    __slots__ = (
        "_channel",
        "_closing",
        "_head",
        "_is_begun",
        "_request",
        "_response",
        "_written",
    )

    def __init__(self, request: HttpRequest, response: HttpResponse, closing: ExitStack) -> None:
        """Fill in a response.

        Args:
            request: The request.
            response: The response.
            closing: Closes what belongs to the request; emptied if it is needed for longer.
        """
        self._closing = closing
        self._request = request
        self._response = response
        self._head: Head | None = None
        self._is_begun = False
        self._channel: Channel | None = None
        self._written: IO[bytes] | None = None  # by write(), where nothing can be sent yet

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Take status and headers, as PEP 3333 says.

        Raises:
            BaseException: That of ``exc_info``, if the head is sent already.
            RuntimeError: It was called before, and this is no error.
            TypeError: An argument is of another type.
            ValueError: A value cannot be sent, or is the server's to set.
        """
        if exc_info is not None:
            try:
                if self._is_begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a circle of references
        elif self._head is not None:
            raise RuntimeError("start_response was called twice, the second time without exc_info")
        self._head = checked_head(status, headers)
        return self.write

    def write(self, data: bytes) -> None:
        """Send some bytes at once, for old applications.

        Raises:
            ClientGone: The client has left.
            TypeError: They are no bytes.
        """
        self._apply()
        if self._can_send():
            if data:
                self._put(data)
            return
        if self._written is None:
            spool = SpooledTemporaryFile(SPOOL)  # noqa: SIM115 - closed with the rest
            self._written = self._closing.enter_context(spool)
        self._written.write(checked(data))

    def send(self, chunks: Iterable[bytes]) -> None:
        """Send the body.

        Raises:
            ClientGone: The client has left.
            RuntimeError: The application has not called start_response.
        """
        if isinstance(chunks, FileWrapper) and self._send_file(chunks):
            return
        if isinstance(chunks, list | tuple):
            chunks = (b"".join(map(checked, chunks)),)
        given = iter(chunks)
        first = next((chunk for chunk in given if chunk), END)
        self._apply()
        if self._channel is None and self._written is None and self._is_whole(first, chunks):
            self._response.body = b"" if first is END else checked(first)
        elif self._request.method == "HEAD":
            self._response.close()
            self._response.source = iter(())
        elif self._can_send():
            self._pump(first, given)
        else:
            later = self._closing.pop_all()
            self._response.stream(Rest(self._written, first, given, later))

    def _pump(self, first: Any, given: Iterator[bytes]) -> None:
        while first is not END:
            self._put(first)
            first = next(given, END)
        if self._channel is not None:
            self._channel.close()

    def _apply(self) -> None:
        """Set status and headers of the response."""
        if self._head is None:
            raise RuntimeError("the application has not called start_response")
        if self._is_begun:
            return
        self._is_begun = True
        response = self._response
        status, reason, headers = self._head
        response.status = status
        if reason is not None:
            response.reason = reason
        replaced = {"content-type", *(name.lower() for name, _ in headers)} - {"set-cookie"}
        kept = [field for field in response.headers.pairs() if field[0].lower() not in replaced]
        response.headers = Headers.adopt([*kept, *headers])

    def _can_send(self) -> bool:
        """Whether chunks can be sent from here: not under a WSGI server, which asks for them."""
        return isinstance(self._response.deferred, Offloaded)

    def _put(self, data: bytes) -> None:
        if self._channel is None:
            self._channel = self._response.channel()
        if not self._channel.write(checked(data), PATIENCE_MS):
            raise ClientGone("the client has left")

    def _is_whole(self, first: Any, chunks: Iterable[bytes]) -> bool:
        """Return whether the first chunk is the whole body."""
        declared = self._declared()
        if first is END:  # HEAD of an unknown length has none to announce
            return self._request.method != "HEAD" or declared is not None
        if isinstance(chunks, Sized) and len(chunks) == 1:
            return True
        return declared == len(first)

    def _declared(self) -> int | None:
        value = self._response.headers.get("Content-Length", "")
        return int(value) if value.isascii() and value.isdecimal() else None

    def _send_file(self, wrapper: FileWrapper) -> bool:
        """Send a file by the system, if it is one and nothing was written."""
        if self._is_begun:
            return False
        self._apply()
        body = wrapper.body(self._declared())
        if body is None:
            self._is_begun = False
            return False
        self._response.source = body
        self._response.headers["Content-Length"] = str(body.length)
        return True


class Rest:
    """The chunks of an application for a server that asks for them."""

    def __init__(
        self, written: IO[bytes] | None, first: Any, given: Iterator[bytes], closing: ExitStack
    ) -> None:
        """Take what was written, the first chunk, the others, and what to close at the end."""
        self._written = written
        self._first = first
        self._given = given
        self.close = closing.close

    def __iter__(self) -> Iterator[bytes]:
        if self._written is not None:
            self._written.seek(0)
            yield from iter(partial(self._written.read, BLOCK), b"")
        if self._first is not END:
            yield checked(self._first)
            yield from map(checked, self._given)


def checked_head(status: Any, headers: Any) -> Head:
    """Return status, reason phrase (None: the status's own) and headers of an application.

    Raises:
        TypeError: One is of another type.
        ValueError: A value cannot be sent, or a header is the server's to set.
    """
    if not isinstance(status, str):
        raise TypeError(f"status of start_response is a str, not {status!r}"[:200])
    match = is_status(status)
    if match is None:
        raise ValueError(f"status of start_response is like '200 OK', not {status!r}"[:200])
    if not isinstance(headers, list):
        raise TypeError(f"headers of start_response are a list, not {type(headers).__name__}")
    fields = [(name, check_field(name, value)) for name, value in headers]
    for name, _ in fields:
        if is_hop_by_hop(name):
            raise ValueError(f"{name} is a header of the connection, the server's to set")
    code, reason = int(match[1]), match[2]
    return code, None if reason in {None, PHRASES.get(code)} else reason, fields


def checked(chunk: Any) -> bytes:
    """Return a chunk of a body.

    Raises:
        TypeError: It is not bytes.
    """
    if not isinstance(chunk, bytes):
        raise TypeError(f"a WSGI application yields bytes, not {type(chunk).__name__}")
    return chunk
