"""-v: the client's log on standard error. Trace: the bytes on the wire, counted for -w."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pycurl

from bladehttp._cli.terminal import printable, write_error
from bladehttp._data.secret_names import SENSITIVE_HEADERS
from bladehttp.client._curl.wire_log import wire, wire_lines


class Lines(logging.Formatter):
    """The messages alone, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        return printable(record.getMessage())


@contextmanager
def shown_log(*, wire_too: bool) -> Iterator[None]:
    """Show the client's log: redirects, retries and, unless a `Trace` does it, the wire.

    Of the wire heads are shown in full, bodies by their length, and no secrets.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    log = logging.getLogger("bladehttp.client")
    before = log.level, wire.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    wire.setLevel(logging.DEBUG if wire_too else logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        wire.setLevel(before[1])


@dataclass
class Trace:
    """The bytes of a request on the wire, and the addresses of its last connection.

    Attributes:
        is_shown: Whether the lines of heads are written to standard error.
        size_header: Bytes of all response heads.
        size_request: Bytes of all request heads.
        size_download: Bytes of the last response's body, as sent.
        size_upload: Bytes of the last request's body, as sent.
    """

    is_shown: bool = False
    size_header: int = 0
    size_request: int = 0
    size_download: int = 0
    size_upload: int = 0
    remote_ip: str = ""
    local_ip: str = ""
    remote_port: int = 0
    local_port: int = 0

    def curl_options(self) -> dict[int, Any]:
        """Return the options of libcurl that fill it."""
        return {
            pycurl.VERBOSE: 1,
            pycurl.DEBUGFUNCTION: self._log,
            pycurl.PREREQFUNCTION: self._connected,
            pycurl.NOPROGRESS: 0,
            pycurl.XFERINFOFUNCTION: self._progress,
        }

    def _log(self, kind: int, data: bytes) -> None:
        if kind == pycurl.INFOTYPE_HEADER_IN:
            self.size_header += len(data)
        elif kind == pycurl.INFOTYPE_HEADER_OUT:
            self.size_request += len(data)
        if self.is_shown:
            for line in wire_lines(SENSITIVE_HEADERS, kind, data):
                write_error(f"{printable(line)}\n")

    def _connected(self, remote: str, local: str, remote_port: int, local_port: int) -> int:
        self.remote_ip, self.remote_port = remote, remote_port
        self.local_ip, self.local_port = local, local_port
        return int(pycurl.PREREQFUNC_OK)

    def _progress(self, _down: int, downloaded: int, _up: int, uploaded: int) -> None:
        self.size_download, self.size_upload = downloaded, uploaded
