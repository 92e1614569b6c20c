"""WSGI applications below a path of the server: PEP 3333 from the server's side.

An application runs on a worker thread, after the request was received: ``wsgi.input`` is a stream
over memory or the temporary file. `wsgi_reply` has the other half, the response.
"""

import io
import logging
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import lru_cache
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

from bladehttp._data.headers import Headers
from bladehttp._message.request import HttpRequest, authority_of, head_of, outer_path_of
from bladehttp._message.response import HttpResponse
from bladehttp.server._dispatch.callbacks import (
    check_arguments,
    is_coroutine_function,
    name_of,
)
from bladehttp.server._dispatch.wsgi_reply import ClientGone, FileWrapper, Reply, do_nothing

log = logging.getLogger("bladehttp.server.wsgi")

Environ = dict[str, Any]

Application = Callable[..., Iterable[bytes]]

Location = Callable[[], tuple[str, int]]
"""Returns the host and port of the server."""

UNSENT = frozenset({"content-type", "content-length", "transfer-encoding", "cookie", "host"})
"""Fields that are not passed on as HTTP_*, or not as they are: see `_fields`."""

MOST_ERROR = 64 * 1024
"""Most characters of a line of ``wsgi.errors``."""


SAME: Environ = {
    "wsgi.version": (1, 0),
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": FileWrapper,
}
"""The variables that are the same for every request."""


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
        check_application(application)
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
                closing.callback(getattr(chunks, "close", do_nothing))
                reply.send(chunks)
            except ClientGone:
                log.debug("%s %s: the client has left", request.method, request.path)

    def _environ(self, request: HttpRequest, source: BinaryIO, sent: int) -> Environ:
        host, port = self._location()
        octets, outer = request.path_octets, unquote_to_bytes(outer_path_of(request))
        below = octets.removeprefix(self._prefix)
        return {
            **SAME,
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
            "wsgi.url_scheme": request.scheme,
            "wsgi.input": source,
            **_fields(request),
            **_content_fields(request.headers, source, sent),
        }


def check_application(application: Any) -> None:
    """Raise if an object is no WSGI application, as far as can be told.

    Raises:
        TypeError: It is not callable with two arguments, or one of ASGI.
    """
    if not callable(application):
        hint = "; of a server it is its property wsgi" if hasattr(application, "wsgi") else ""
        what = type(application).__name__
        raise TypeError(f"mount takes a WSGI application, a callable, not {what}{hint}")
    if is_coroutine_function(application):
        name = name_of(application)
        raise TypeError(f"mount takes a WSGI application, and {name} is a coroutine function")
    # werkzeug's Request.application wraps a function of one argument
    check_arguments(application, 2, "mount", follow_wrapped=False)


def _fields(request: HttpRequest) -> dict[str, str]:
    """Return the fields of a request as variables.

    Names with "_" are left out: they would be taken for those with "-", which a proxy may have set.
    """
    found: dict[str, str] = {}
    for name, value in request.headers.pairs():
        variable = _variable(name)
        if variable is not None:
            found[variable] = f"{found[variable]}, {value}" if variable in found else value
    authority = authority_of(request)
    if authority:
        found["HTTP_HOST"] = authority
    cookie = head_of(request)[1].cookie
    if cookie:
        found["HTTP_COOKIE"] = cookie
    return found


@lru_cache(maxsize=512)
def _variable(name: str) -> str | None:
    """Return the variable of a field, None for one that is not passed on as it is."""
    if "_" in name or name.lower() in UNSENT:
        return None
    return f"HTTP_{name.upper().replace('-', '_')}"


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
