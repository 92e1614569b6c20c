"""BladeServer: a server that is told what to expect and tells what came instead."""

import re
import ssl
from collections.abc import Callable, Mapping
from threading import Condition
from types import TracebackType
from typing import Any

from bladehttp.headers import HeadersLike
from bladehttp.request import HttpRequest
from bladehttp.response import HttpResponse
from bladehttp.server.record import RECORDED_BYTES, RequestLog
from bladehttp.server.server import HttpServer
from bladehttp.server.testing.expectation import UNSET, Expectation
from bladehttp.server.testing.identity import Identity
from bladehttp.server.testing.matching import short
from bladehttp.server.tls import CertificateFiles

MOST_TOLD = 10
"""Most unexpected requests, and most expectations beside one of them, that are told of."""


class BladeServer(HttpServer):
    """An `HttpServer` for tests: it answers what is expected of it, and 500 to what is not.

    Everything else is that of any server, `requests` included. What an on_receive or a route
    takes is none of the expectations' business.

        with BladeServer() as server:
            server.expect("POST", "/users", json={"name": "Ada"}).respond(status=201)
            create_user(server.url, "Ada")

    The context ends with `close` and, unless something was raised in it, `check`.

    """

    __slots__ = ("_changed", "_errors", "_expectations", "_identity", "_unexpected")

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        is_secure: bool = False,
        *,
        identity: Identity | None = None,
        **properties: Any,
    ) -> None:
        """Make a server as `HttpServer`, with requests recorded and their bodies in memory.

        Args:
            port: As there; so are the next two.
            host: Beside the port.
            is_secure: Whether it speaks TLS.
            identity: With what it does so. None: with what `load_certs` is given.
            **properties: As there.
        """
        properties = {"record": True, "spool_size": RECORDED_BYTES, **properties}
        super().__init__(port, host, is_secure or identity is not None, **properties)
        self._identity = identity
        self._changed = Condition()
        self._expectations: list[Expectation] = []
        self._unexpected: list[str] = []
        self._errors: list[Exception] = []
        self.none_handler(self._answer)
        self.on_error(self._note)

    def expect(
        self,
        method: str | None,
        path: str | re.Pattern[str] | None,
        *,
        query: str | Mapping[str, Any] = UNSET,
        headers: HeadersLike = UNSET,
        body: str | bytes = UNSET,
        json: Any = UNSET,
        where: Callable[[HttpRequest], object] = UNSET,
        times: int | None = 1,
        ordered: bool = False,
    ) -> Expectation:
        """Expect a request. What is left out may be whatever it is.

        Of several that take a request the first one answers that has not come as often as it
        is to; those without a number come last, so that they are what else is answered.

        Args:
            method: In capitals or not. None: any.
            path: The whole path, decoded: as it is, with parameters as of `HttpServer.handle`, or
                a pattern. Parameters and named groups are in ``request.params``. None: any.
            query: All of it: a dict of its fields in any order, a list for a repeated one, or a
                str, as it is sent. {} or "": there is none.
            headers: Those that have to be there; others may be.
            body: What is sent, a str as UTF-8.
            json: What the body is as JSON.
            where: Says of a request whether it is the one.
            times: How often. None: any number of times, never too.
            ordered: Whether it is to come after those ordered ones that were expected before.

        Returns:
            The expectation, to be given an answer: `Expectation.respond`.

        Raises:
            ValueError: The path is none, ``times`` is less than 1, or it is ordered without a
                number.
        """
        wanted = {"query": query, "headers": headers, "body": body, "json": json, "where": where}
        expectation = Expectation(method, path, times, ordered, **wanted)
        with self._changed:
            self._expectations.append(expectation)
        return expectation

    def url_for(self, path: str) -> str:
        """Return the URL of a path, which is taken as it is."""
        return f"{self.url}/{path.removeprefix('/')}"

    @property
    def ca_file(self) -> str | None:
        """What a client has to trust, as a PEM file; None without an `Identity`."""
        return None if self._identity is None else self._identity.ca_file

    @property
    def client_options(self) -> dict[str, Any]:
        """What `HttpClient` and `AsyncHttpClient` take to be clients of this server."""
        options: dict[str, Any] = {"base_url": self.url}
        return options if self.ca_file is None else options | {"ca_cert": self.ca_file}

    def wait(self, timeout: int = 5000) -> None:
        """Wait until every request has come, then `check`.

        Args:
            timeout: Milliseconds. It does not go on when something has gone wrong.

        Raises:
            AssertionError: As `check`.
        """
        __tracebackhide__ = True  # of pytest, as below
        with self._changed:
            self._changed.wait_for(self._is_decided, timeout / 1000)
        self.check()

    def check(self) -> None:
        """Raise if something was not as expected since the last time.

        Raises:
            AssertionError: An expected request has not come, one was not expected, or a handler
                has failed: that is its ``__cause__``, several are as an ExceptionGroup.
        """
        __tracebackhide__ = True
        with self._changed:
            told = [*self._missing(), *self._unexpected]
            errors = self._errors
            self._unexpected, self._errors = [], []
        told += [f"the server failed with {error!r}" for error in errors]
        if told:
            raise AssertionError("\n".join(told)) from _as_one(errors)

    def clear(self) -> None:
        """Forget what was expected, what went wrong, and what was asked."""
        with self._changed:
            self._expectations, self._unexpected, self._errors = [], [], []
        self._dispatcher.log = RequestLog() if self.record else None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        super().__exit__(kind, error, traceback)
        if kind is None:
            self.check()

    def _context(self, certificates: dict[str, CertificateFiles]) -> ssl.SSLContext | None:
        if self._identity is not None and not certificates:
            return self._identity.context
        return super()._context(certificates)

    def _answer(self, request: HttpRequest, response: HttpResponse) -> None:
        with self._changed:
            expectation = self._find(request)
        if expectation is None:
            self._refuse(request, response)
            return
        try:
            expectation.answer(request, response)
        except Exception as error:
            self._note(error, None)  # before the expectation is met, for those who wait for that
            raise
        finally:
            with self._changed:
                expectation.calls += 1
                self._changed.notify_all()

    def _find(self, request: HttpRequest) -> Expectation | None:
        turn = self._turn()
        found = [each for each in self._expectations if not each.differences(request, turn)]
        return min(found, key=lambda each: each.times is None, default=None)

    def _turn(self) -> Expectation | None:
        ordered = (each for each in self._expectations if each.ordered and not each.is_met)
        return next(ordered, None)

    def _refuse(self, request: HttpRequest, response: HttpResponse) -> None:
        with self._changed:
            text = self._compared(request)
            if len(self._unexpected) < MOST_TOLD:
                self._unexpected.append(text)
            self._changed.notify_all()
        response.status = 500
        response.content_type("text/plain; charset=utf-8")
        response.body = f"{text}\n"

    def _compared(self, request: HttpRequest) -> str:
        """Return how a request differs from what is expected, the most similar first."""
        turn = self._turn()
        similar = sorted(self._expectations, key=lambda each: -each.likeness(request))
        lines = [f"not expected: {request.method} {short(request.request_uri)[1:-1]}"]
        for expectation in similar[:MOST_TOLD]:
            lines.append(f"  unlike {expectation}, {expectation.often}:")
            lines += [f"    {each}" for each in expectation.differences(request, turn)]
        return "\n".join(lines)

    def _missing(self) -> list[str]:
        unmet = [each for each in self._expectations if not each.is_met]
        told = [
            f"has not come: {each}, expected {each.often}, came {each.calls} times"
            for each in unmet
        ]
        dispatcher = self._dispatcher
        if unmet and (dispatcher.callbacks["receive"] or dispatcher.none_handler != self._answer):
            told.append("an on_receive, or a none_handler, takes what expectations are for")
        return told

    def _is_decided(self) -> bool:
        return bool(self._unexpected or self._errors) or not self._missing()

    def _note(self, error: Exception, client: object) -> None:
        del client
        with self._changed:
            if not any(error is each for each in self._errors):
                self._errors.append(error)
            self._changed.notify_all()


def _as_one(errors: list[Exception]) -> Exception | None:
    if len(errors) > 1:
        return ExceptionGroup("the server failed", errors)
    return errors[0] if errors else None
