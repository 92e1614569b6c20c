"""Access log: a line for each response, in the common log format or as JSON.

    server.on_answered(access_log())              # to standard error
    server.on_answered(access_log(logger.info, "json"))  # or to any function of a str
    server.on_answered(access_log("/var/log/app/access.log"))  # reopened on SIGHUP

A line holds the request target as sent: secrets in a query end up in the log.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from os import PathLike
from time import localtime, strftime, time
from typing import Any, NamedTuple

from bladehttp._message.request import ClientInfo, HttpRequest, line_of
from bladehttp._message.response import HttpResponse
from bladehttp.status import PHRASES

is_request_id = re.compile(r"[!-~]{1,128}").fullmatch


def request_id(request: HttpRequest) -> str | None:
    """Return the X-Request-ID of a request, which joins the logs of several programs.

    A proxy sets it (nginx: ``$request_id``). A client can send any value: one longer than 128
    characters, or with other than visible ASCII characters, is ignored.
    """
    value = request.headers.get("X-Request-ID")
    return value if value and is_request_id(value) else None


class Answered(NamedTuple):
    """A finished response, as on_answered callbacks receive it.

    Attributes:
        client: The other end of the connection. Behind a trusted proxy ``request.ip`` is the
            client.
        request: The request, its temporary files closed; None if its head was malformed or did not
            arrive whole.
        response: The response.
        sent: Bytes of the body on the wire that the client has received; fewer than the body has if
            the client left early. (The last 64 KiB count when the kernel has them.)
        milliseconds: Time from the last byte of the request to the end of the response.
    """

    client: ClientInfo
    request: HttpRequest | None
    response: HttpResponse
    sent: int
    milliseconds: float


Parts = tuple[ClientInfo, HttpRequest | None, HttpResponse, int, float]
"""The values of an `Answered`. A plain tuple is made in a fifth of the instructions."""


class ResponseRecord:
    """The record of a response in progress."""

    __slots__ = ("_begins", "_begun", "_request", "_response", "_size")

    def __init__(
        self,
        request: HttpRequest | None,
        response: HttpResponse,
        begun: float,
        begins: int,
        size: int | None,
    ) -> None:
        """Start the record.

        Args:
            request: The request; None if it was malformed.
            response: The response, its head queued.
            begun: Time at which the request was complete, in seconds.
            begins: Bytes sent on the connection before the body.
            size: Length of a body in memory. None for a stream: all bytes sent are counted.
        """
        self._request = request
        self._response = response
        self._begun = begun
        self._begins = begins
        self._size = size

    def closed(self, client: ClientInfo, sent: int, now: float) -> Parts:
        """Return the values of the `Answered`.

        Args:
            client: The other end of the connection.
            sent: Bytes the client has received since the connection was opened.
            now: The time, in seconds.
        """
        taken = max(0, sent - self._begins)
        size = taken if self._size is None else min(taken, self._size)
        return client, self._request, self._response, size, (now - self._begun) * 1000


log = logging.getLogger("bladehttp.server")

Write = Callable[[str], object]
Format = Callable[[Answered, float], str]
LineOf = Callable[[Parts, float], str]

needs_escape = re.compile(r"[^ !#-\[\]-~]")  # all but printable ASCII, and " and \ of that

STATUSES = {status: str(status) for status in PHRASES}

_latest: tuple[float, float, str] = (0.0, 0.0, "")
"""A second, the beginning of the next one, and the middle of lines of the first."""


def common(parts: Parts, now: float) -> str:
    """Return a line in the common log format (Apache's %h %l %u %t "%r" %>s %b).

    Args:
        parts: The values of an `Answered`.
        now: The time, in seconds since 1970.
    """
    client, request, response, sent, _ = parts
    if request is None:
        ip, line = client.ip, "-"
    else:
        ip, line = request.ip, line_of(request)
        # What was received is printable ASCII but for octets beyond it, since it was parsed.
        if not line or not line.isascii() or '"' in line or "\\" in line:
            line = _escaped_line(request)
    begins, ends, middle = _latest
    if not begins <= now < ends:
        middle = _middle(now)
    status = response.status
    return f'{ip or "-"}{middle}{line}" {STATUSES.get(status) or status} {sent or "-"}'


def as_json(parts: Parts, now: float) -> str:
    """Return a line of JSON; unknown values are null.

    Args:
        parts: The values of an `Answered`.
        now: The time, in seconds since 1970.
    """
    client, request, response, sent, milliseconds = parts
    row = {
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        "client": client.ip if request is None else request.ip,
        "method": request and request.method,
        "target": request and request.request_uri,
        "version": request and request.http_version,
        "host": request and request.host,
        "status": response.status,
        "sent": sent,
        "milliseconds": round(milliseconds, 3),
        "referer": request and request.headers.get("Referer"),
        "user_agent": request and request.headers.get("User-Agent"),
        "request_id": request and request_id(request),
    }
    return json.dumps(row)


def by_names(form: Format) -> LineOf:
    """Return a format that takes the parts, of one that takes an `Answered`."""
    return lambda parts, now: form(Answered._make(parts), now)


FORMATS: dict[str, LineOf] = {"common": common, "json": as_json}


class AccessLog:
    """A callback for `HttpServer.on_answered`; see `access_log`."""

    __slots__ = ("_file", "_line_of", "_write")

    def __init__(self, write: Write, line_of: LineOf, file: "LogFile | None" = None) -> None:
        """Write lines of a format."""
        self._write = write
        self._line_of = line_of
        self._file = file

    def __call__(self, answered: Answered) -> None:
        """Write the line of a response."""
        self.add(answered)

    def add(self, parts: Parts) -> None:
        """Write the line of a response, given the values of an `Answered`."""
        self._write(self._line_of(parts, time()))

    @property
    def has_file(self) -> bool:
        """Whether the log is a file that can be reopened."""
        return self._file is not None

    def reopen(self) -> None:
        """Reopen the file after logrotate has renamed the old one.

        ``listen(signals=True)`` does so on SIGHUP. Without a file it does nothing.
        """
        if self._file is not None:
            self._file.reopen()

    def close(self) -> None:
        """Close the file, if there is one; later lines are dropped."""
        if self._file is not None:
            self._file.close()


class LogFile:
    """A file opened for appending; one system call per line, so processes may share it."""

    __slots__ = ("__weakref__", "_descriptor", "_path")

    def __init__(self, path: str | PathLike[str]) -> None:
        """Open a file, creating it if needed.

        Raises:
            OSError: The file cannot be opened.
        """
        self._path = path
        self._descriptor: int | None = self._open()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        descriptor, self._descriptor = getattr(self, "_descriptor", None), None
        if descriptor is not None:
            os.close(descriptor)

    def write(self, line: str) -> None:
        """Append a line, unless the file is closed."""
        if self._descriptor is not None:
            os.write(self._descriptor, f"{line}\n".encode())

    def reopen(self) -> None:
        """Open the file again; if that fails, log the reason and keep the old one."""
        try:
            new = self._open()
        except OSError as error:
            log.warning("cannot reopen the access log, the old file stays in use: %s", error)
            return
        if self._descriptor is None:
            self._descriptor = new
            return
        # In place: a signal comes at any moment, and a line may be on its way to the old number.
        os.dup2(new, self._descriptor, inheritable=False)
        os.close(new)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def access_log(
    write: Write | str | PathLike[str] | None = None, form: str | Format = "common"
) -> AccessLog:
    """Return a callback for `HttpServer.on_answered` that writes a line for each response.

    Args:
        write: Called with each line, without a line end; or the path of a file, which is reopened
            on SIGHUP (``listen(signals=True)``) and by the ``reopen`` method of the callback. None:
            standard error.
        form: "common", "json", or a function of an `Answered` and the time (seconds since 1970)
            that returns the line.

    Raises:
        OSError: The file cannot be opened.
        TypeError: ``write`` is none of these.
        ValueError: ``form`` is not one of these.
    """
    line_of = by_names(form) if callable(form) else FORMATS.get(form)
    if line_of is None:
        raise ValueError(f"form of an access log is {' or '.join(FORMATS)}, not {form!r}")
    if isinstance(write, str | PathLike):
        file = LogFile(write)
        return AccessLog(file.write, line_of, file)
    return AccessLog(checked_function(_to_stderr if write is None else write), line_of)


def checked_function(write: Any) -> Write:
    """Return a function that writes a line.

    Raises:
        TypeError: It is none.
    """
    if not callable(write):
        what = type(write).__name__
        raise TypeError(f"access_log takes a function of a line or the path of a file, not {what}")
    function: Write = write
    return function


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _escaped_line(request: HttpRequest) -> str:
    line = f"{request.method} {request.request_uri} HTTP/{request.http_version}"
    return needs_escape.sub(_escaped, line)


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


def _middle(now: float) -> str:
    """Return the text between address and request line, and keep it for the second."""
    global _latest  # noqa: PLW0603 - replaced as a whole, also by servers on other threads
    second = int(now)
    middle = strftime(' - - [%d/%b/%Y:%H:%M:%S %z] "', localtime(second))
    _latest = float(second), second + 1.0, middle  # ints are slow to compare with floats
    return middle
