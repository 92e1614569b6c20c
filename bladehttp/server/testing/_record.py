"""Recorder: forwards requests to an upstream server, and records them with the responses."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from os import PathLike, fspath
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from bladehttp._data.encoders import encoders
from bladehttp._data.headers import Headers
from bladehttp._message.deferred import Deferred
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._wire.negotiation import acceptable
from bladehttp.server.testing._entries import (
    LONGEST_BODY,
    Entry,
    laid_out,
    of_request,
    of_response,
    without_hops,
)
from bladehttp.server.testing._expectation import replace_fields
from bladehttp.server.testing._recorded_secrets import WITH_URLS, SecretNames, hidden
from bladehttp.server.testing._replay import FORMAT, SERVER, set_origin
from bladehttp.server.testing._values import short

log = logging.getLogger("bladehttp.server.testing")

MOST_ENTRIES = 10_000
"""Most requests of one recording."""

MOST_THREADS = 8
"""Most requests that are forwarded at a time."""

TIMEOUT = 60_000
"""Milliseconds until a response of the upstream server has to be complete."""

NOT_FORWARDED = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "keep-alive",
     "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip
"""Fields of requests that are not forwarded: of a connection, or set by the client."""

OPTIONS: dict[str, Any] = {
    "accept_encoding": None,  # coded bodies are passed on as they are
    "follow_redirect": False,
    "max_body_size": LONGEST_BODY,
    "total_timeout": TIMEOUT,
}
"""Of the client that forwards."""


class Recorder:
    """Forwards requests and records them."""

    __slots__ = (
        "_entries",
        "_lock",
        "_names",
        "_options",
        "_path",
        "_pool",
        "_secrets",
        "_upstream",
    )

    def __init__(
        self,
        path: str | PathLike[str],
        upstream: str,
        names: SecretNames | None,
        ca_cert: str | PathLike[str] | None,
    ) -> None:
        """Take the arguments of `BladeServer.record`; None: secrets are kept.

        Raises:
            FileNotFoundError: There is no directory for the file.
            TypeError: The path is none, or the upstream server is not a str.
            ValueError: The upstream server is not an http or https URL.
        """
        self._path = Path(path)
        if not self._path.parent.is_dir():
            raise FileNotFoundError(f"no directory for a recording: {str(self._path.parent)!r}")
        self._upstream = check_upstream(upstream)
        self._names = names
        self._options = OPTIONS if ca_cert is None else {**OPTIONS, "ca_cert": fspath(ca_cert)}
        self._entries: list[Entry | None] = []
        self._secrets: set[str] = set()
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(MOST_THREADS, "bladehttp-record")

    def forward(self, request: HttpRequest, response: HttpResponse) -> None:
        """Answer a request with the upstream server's response, later.

        Raises:
            RuntimeError: There are too many entries.
        """
        with self._lock:
            number = len(self._entries)
            if number >= MOST_ENTRIES:
                raise RuntimeError(f"more than {MOST_ENTRIES} requests in one recording")
            self._entries.append(None)
        self._pool.submit(self._answer, number, request, response, response.defer(0))

    def _answer(
        self, number: int, request: HttpRequest, response: HttpResponse, deferred: Deferred
    ) -> None:
        try:
            received = self._ask(request)
            headers = self._headers(request, received.headers)
            self._entries[number] = self._entry(request, received, headers)
            response.status = received.status
            replace_fields(response.headers, headers)
            set_origin(request, response)
            response.body = received.body
        except BaseException as error:  # noqa: BLE001 - reported by the server
            if not deferred.fail(error):
                log.warning("not recorded: %s %s: %s", request.method, request.path, error)
        else:
            deferred.send()

    def _ask(self, request: HttpRequest) -> HttpResponse:
        """Send a request to the upstream server and return its response."""
        target = request.request_uri
        if not target.startswith("/"):  # of a client that takes this server for a proxy
            parts = urlsplit(target)
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        accepted = acceptable(request.headers.get("Accept-Encoding"), tuple(encoders()))
        named = {each.strip().lower() for each in request.headers.get("Connection", "").split(",")}
        forwarded = HttpRequest()
        forwarded.headers = Headers.adopt(
            pair for pair in request.headers.pairs() if pair[0].lower() not in NOT_FORWARDED | named
        )
        forwarded.headers["Accept-Encoding"] = ", ".join(accepted) or "identity"
        cookies = request.cookies
        if cookies:
            pairs = [f"{name}={value}" for name in cookies for value in cookies.get_all(name)]
            forwarded.headers["Cookie"] = "; ".join(pairs)
        content = request.raw_body or None
        return forwarded.send(f"{self._upstream}{target}", request.method, content, self._options)

    def _entry(self, request: HttpRequest, received: HttpResponse, headers: Headers) -> Entry:
        """Return the entry of a request, and note its secrets."""

        def entry(names: SecretNames | None) -> Entry:
            status, body = received.status, received.body
            return {
                "request": of_request(request, names),
                "response": of_response(status, headers, body, names),
            }

        names, complete = self._names, entry(None)
        if names is None:
            return complete
        with self._lock:
            self._secrets.update(names.values(request, headers, complete))
        return entry(names)

    def _headers(self, request: HttpRequest, headers: Headers) -> Headers:
        """Return the fields of a response as they are recorded."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self._upstream))
        made = Headers()
        for name, value in without_hops(headers, request.method).pairs():
            if name.lower() == "set-cookie":
                made.add(name, own_cookie(value, request.is_secure))
            else:
                is_url = name.lower() in WITH_URLS
                made.add(name, value.replace(origin, SERVER) if is_url else value)
        return made

    def save(self) -> None:
        """Wait for requests that are being forwarded, and write the file.

        Raises:
            OSError: It cannot be written.
        """
        self._pool.shutdown()
        document = {
            "format": FORMAT,
            "upstream": self._upstream,
            "expectations": merged(
                [hidden(entry, self._secrets) for entry in self._entries if entry is not None]
            ),
        }
        write_atomically(self._path, laid_out(document).encode())


def check_upstream(upstream: str) -> str:
    """Return the URL of an upstream server without a "/" at its end.

    Raises:
        TypeError: It is not a str.
        ValueError: It is not an http or https URL, or has a query, a fragment or a password.
    """
    if not isinstance(upstream, str):
        raise TypeError(f"upstream is a URL, not {short(upstream)}")
    parts = urlsplit(upstream)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"upstream is an http or https URL, not {short(upstream)}")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("upstream is a URL without user, query and fragment")
    return upstream.rstrip("/")


def own_cookie(value: str, is_secure: bool) -> str:
    """Return a Set-Cookie for this host instead of the upstream server's."""
    first, *attributes = value.split(";")
    left_out = {"domain"} if is_secure else {"domain", "secure"}
    kept = [each for each in attributes if each.partition("=")[0].strip().lower() not in left_out]
    return ";".join([first, *kept])


def merged(entries: list[Entry]) -> list[Entry]:
    """Return the entries, equal ones that follow each other as one with their number."""
    made: list[Entry] = []
    for entry in entries:
        last = made[-1] if made else {}
        if {**entry, "times": None} == {**last, "times": None}:
            last["times"] = last.get("times", 1) + 1
        else:
            made.append(dict(entry))
    return made


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file by way of another: readers see all of it, or the one before.

    Raises:
        OSError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
