"""WSGI applications below a path of the server: PEP 3333 from the server's side.

An application runs on a worker thread, after the request was received: ``wsgi.input`` is a stream
over memory or the temporary file. A body that is a list, or one chunk as long as its
Content-Length, is sent whole. Chunks of others are written to a `Channel`, which waits for the
client, so that memory stays constant.
"""

import io
import logging
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import ExitStack
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO
from urllib.parse import unquote_to_bytes
from wsgiref.util import is_hop_by_hop

from bladehttp._data.headers import Headers
from bladehttp._message.deferred import Channel, Offloaded
from bladehttp._message.file_body import FileBody, FileSlice
from bladehttp._message.request import HttpRequest, head_of
from bladehttp._message.response import HttpResponse
from bladehttp.server._dispatch.callbacks import is_coroutine_function, name_of
from bladehttp.status import PHRASES

log = logging.getLogger("bladehttp.server.wsgi")

Environ = dict[str, Any]

Application = Callable[..., Iterable[bytes]]

Location = Callable[[], tuple[str, int]]
"""Returns the host and port of the server."""

UNSENT = frozenset({"content-type", "content-length", "transfer-encoding", "cookie", "host"})
"""Fields that are not passed on as HTTP_*, or not as they are: see `_fields`."""

PATIENCE_MS = 24 * 60 * 60 * 1000
"""How long a chunk waits for its client, in milliseconds. `write_timeout` ends it before."""

BLOCK = 64 * 1024
"""Bytes read at a time."""

SPOOL = 1024 * 1024
"""Bytes of `Reply.write` that are kept in memory under a WSGI server; more are in a file."""

MOST_ERROR = 64 * 1024
"""Most characters of a line of ``wsgi.errors``."""

END: Any = object()

is_status = re.compile(r"([2-5][0-9]{2})(?: (.*))?").fullmatch


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
        getattr(self.file, "close", _do_nothing)()

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


class ErrorLog(io.TextIOBase):
    """``wsgi.errors``: a line is an error of the logger ``bladehttp.server.wsgi``."""

    def __init__(self, name: str) -> None:
        """Take what each line begins with."""
        super().__init__()
        self._name = name
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        if len(self._line) > MOST_ERROR:
            lines.append(self._line)
            self._line = ""
        for line in filter(None, lines):
            log.error("%s: %s", self._name, line[:MOST_ERROR])
        return len(text)

    def flush(self) -> None:
        if self._line:
            self.write("\n")

    def close(self) -> None:
        self.flush()
        super().close()


class Mount:
    """A WSGI application at a path, as a handler; see `HttpServer.mount`."""

    __slots__ = ("_application", "_location", "_path", "_prefix")

    def __init__(self, path: str, application: Any, location: Location) -> None:
        """Take a path and an application.

        Raises:
            TypeError: The application is not callable, or one of ASGI.
        """
        if not callable(application):
            hint = "; of a server it is its property wsgi" if hasattr(application, "wsgi") else ""
            what = type(application).__name__
            raise TypeError(f"mount takes a WSGI application, a callable, not {what}{hint}")
        if is_coroutine_function(application):
            name = name_of(application)
            raise TypeError(f"mount takes a WSGI application, and {name} is a coroutine function")
        self._application: Application = application
        self._location = location
        self._path = path.rstrip("/")
        self._prefix = self._path.encode()

    def __call__(self, request: HttpRequest, response: HttpResponse) -> None:
        """Answer a request by the application. Blocks: for worker threads.

        Raises:
            BaseException: The application raised it, or has broken PEP 3333.
        """
        sent = request.size  # before the content is decoded, if it is
        errors = ErrorLog(f"{request.method} {request.path}")
        with ExitStack() as closing:
            source = closing.enter_context(request.open())
            closing.enter_context(errors)
            reply = Reply(request, response, closing)
            environ = self._environ(request, source, sent)
            environ["wsgi.errors"] = errors
            try:
                chunks = self._application(environ, reply.start_response)
                closing.callback(getattr(chunks, "close", _do_nothing))
                reply.send(chunks)
            except ClientGone:
                log.debug("%s %s: the client has left", request.method, request.path)

    def _environ(self, request: HttpRequest, source: BinaryIO, sent: int) -> Environ:
        host, port = self._location()
        octets, outer = request.path_octets, _outer_script(request)
        below = octets.removeprefix(self._prefix)
        return {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": (outer + self._prefix).decode("latin-1"),
            "PATH_INFO": below.decode("latin-1"),
            "QUERY_STRING": request.request_uri.partition("?")[2],
            "REQUEST_URI": request.request_uri,
            "RAW_URI": request.request_uri,
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
            "REMOTE_ADDR": request.ip,
            "REMOTE_PORT": str(request.port),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": request.scheme,
            "wsgi.input": source,
            "wsgi.input_terminated": True,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            **_fields(request),
            **_content_fields(request.headers, source, sent),
        }


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
        self._head: tuple[int, str | None, Headers] | None = None
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
        for name in {"Content-Type", *(name for name in headers if name.lower() != "set-cookie")}:
            response.headers.pop(name, None)
        response.headers.extend(headers)

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


def checked_head(status: Any, headers: Any) -> tuple[int, str | None, Headers]:
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
    fields = Headers()
    for name, value in headers:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"a header is a pair of str, not {name!r} and {value!r}"[:200])
        if is_hop_by_hop(name):
            raise ValueError(f"{name} is a header of the connection, the server's to set")
        fields.add(name, value)
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


def _do_nothing() -> None:
    """Stand for the ``close`` of an iterable without one."""


def _fields(request: HttpRequest) -> dict[str, str]:
    """Return the fields of a request as variables.

    Names with "_" are left out: they would be taken for those with "-", which a proxy may have set.
    """
    headers = request.headers
    found = {
        f"HTTP_{name.upper().replace('-', '_')}": headers[name]
        for name in headers
        if "_" not in name and name.lower() not in UNSENT
    }
    authority = request.url.split("/", 3)[2]
    if authority:
        found["HTTP_HOST"] = authority
    cookie = head_of(request)[1].cookie
    if cookie:
        found["HTTP_COOKIE"] = cookie
    return found


def _content_fields(headers: Headers, source: BinaryIO, sent: int) -> dict[str, str]:
    """Return type and length of the content as the stream has it.

    Args:
        headers: The fields of the request.
        source: The stream.
        sent: Length of the content as it was sent.
    """
    found = {}
    if "Content-Type" in headers:
        found["CONTENT_TYPE"] = headers["Content-Type"]
    length = source.seek(0, os.SEEK_END)
    source.seek(0)
    if length or "Content-Length" in headers or "Transfer-Encoding" in headers:
        found["CONTENT_LENGTH"] = str(length)
    if str(length) != headers.get("Content-Length", str(sent)):
        # It was decoded (`decode_request_body`): the application is not to do it again.
        found["HTTP_CONTENT_ENCODING"] = "identity"
    return found


def _outer_script(request: HttpRequest) -> bytes:
    """Return the path below which the server itself is an application of another."""
    uri, target = request.request_uri, head_of(request)[0].target
    if uri != target and uri.endswith(target):
        return unquote_to_bytes(uri.removesuffix(target))
    return b""
