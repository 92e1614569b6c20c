"""BladeServer: a server with expected requests that reports unexpected and missing ones."""

import logging
import os
import re
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from threading import Condition
from types import TracebackType
from typing import Any, Unpack

from bladehttp._data.keywords import hint_keywords
from bladehttp._data.multidict import MissingValueError
from bladehttp._message.aborts import Abort
from bladehttp._message.deferred import check_milliseconds
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.exceptions import ProtocolError
from bladehttp.server._config import CLOCKS, DEFAULTS, ServerOptions
from bladehttp.server._dispatch.failures import CLIENT_ERRORS
from bladehttp.server._dispatch.request_log import RECORDED_BYTES, RequestLog
from bladehttp.server._net.endpoint import UNIX
from bladehttp.server._net.tls import CertificateFiles
from bladehttp.server._server import HttpServer
from bladehttp.server.testing._expectation import UNSET, Due, Expectation
from bladehttp.server.testing._identity import Identity
from bladehttp.server.testing._record import Recorder
from bladehttp.server.testing._recorded_secrets import SecretNames
from bladehttp.server.testing._replay import expectations_of
from bladehttp.server.testing._values import short

log = logging.getLogger("bladehttp.server.testing")

MOST_TOLD = 10
"""Most unexpected requests that are reported."""

MOST_ALIKE = 2
"""Most expectations shown for an unexpected request: the most similar ones."""

MOST_RECEIVED = 10
"""Most requests that are named as received."""

NO_CLOCKS = dict.fromkeys(
    [*CLOCKS.values(), *(name for name in DEFAULTS if name.endswith("_rate"))], 0
)
"""The properties of `HttpServer` that are timeouts or rates."""


class BladeServer(HttpServer):
    """An `HttpServer` for tests: it answers expected requests, and others with 500.

    Everything else is as with any server, `requests` included. Requests that an on_receive or a
    route answers are not compared with the expectations.

        with BladeServer() as server:
            server.expect("POST", "/users", json={"name": "Ada"}).respond(status=201)
            create_user(server.url, "Ada")

    The context ends with `close` and, unless an exception was raised in it, `check`.

    No clock runs unless it is set, so that a client can be stopped in a debugger.
    """

    __slots__ = (
        "_changed",
        "_errors",
        "_expectations",
        "_identity",
        "_is_told",
        "_keeps_requests",
        "_received",
        "_recorder",
        "_unexpected",
    )
    _keeps_requests: bool  # `record` of `HttpServer`

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        is_secure: bool = False,
        *,
        identity: Identity | None = None,
        **properties: Unpack[ServerOptions],
    ) -> None:
        """Make a server as `HttpServer`, with requests recorded and their bodies in memory.

        Args:
            port: As there.
            host: As there.
            is_secure: Whether it speaks TLS.
            identity: Its certificate. None: use `load_certs`.
            **properties: As there; ``record`` is True unless it is given here.
        """
        values: Any = {**NO_CLOCKS, "record": True, "spool_size": RECORDED_BYTES, **properties}
        super().__init__(port, host, is_secure or identity is not None, **values)
        self._identity = identity
        self._changed = Condition()
        self._expectations: list[Expectation] = []
        self._unexpected: list[str] = []
        self._errors: list[BaseException] = []
        self._is_told = False  # by a test that has failed: leaving the context says no more
        self._recorder: Recorder | None = None
        self._received: deque[str] = deque(maxlen=MOST_RECEIVED)
        self.before_request(self._note_request)
        self.none_handler(self._answer)
        self.on_error(self._note)
        self._dispatcher.add("refused", self._note_refusal)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a property; that of `HttpServer` called ``record`` is not the method here."""
        super().__setattr__("_keeps_requests" if name == "record" else name, value)

    @hint_keywords(
        content="body",
        data="body, or form for the fields of a form",
        params="query",
        query_params="query",
        query_string="query",
        response="expect(...).respond(...)",
        status="expect(...).respond(status=...)",
        text="body",
        uri="path",
        url="path",
    )
    def expect(  # noqa: PLR0913 - one for each criterion
        self,
        method: str | re.Pattern[str] | None,
        path: str | re.Pattern[str] | None,
        *,
        query: str | re.Pattern[str] | Mapping[str, Any] = UNSET,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = UNSET,
        cookies: Mapping[str, Any] = UNSET,
        body: str | bytes | re.Pattern[Any] = UNSET,
        json: Any = UNSET,
        form: Mapping[str, Any] | Iterable[tuple[str, Any]] = UNSET,
        files: Mapping[str, Any] = UNSET,
        where: Callable[[HttpRequest], object] = UNSET,
        times: int | None = 1,
        ordered: bool = False,
    ) -> Expectation:
        """Expect a request. Arguments that are left out are not compared.

        If several expectations match, the first one answers that was not received often enough;
        those without a number come last, as defaults.

        Anywhere a str is expected there may be a pattern (``re.compile``), which has to match the
        whole value, or an object with a ``__eq__`` of its own, such as ``unittest.mock.ANY``.
        `subset` compares only the names that are given.

        Args:
            method: In any case. None: any.
            path: The whole path, decoded: as it is, with parameters as of `HttpServer.handle`, or a
                pattern. Parameters and named groups are in ``request.params``. None: any.
            query: The whole query: a dict of its fields in any order, a list for a repeated one, or
                a str, as it is sent. {} or "": there is none.
            headers: Headers that have to be there, among others. A list is for one that is
                repeated; None: that one is not there.
            cookies: Cookies that have to be there, among others; as headers.
            body: The body as sent, a str as UTF-8.
            json: The body as JSON.
            form: All fields of a form, urlencoded or multipart: a dict, a list for a repeated one,
                or pairs.
            files: All files of a multipart form by name: the content, bytes or a str; a tuple of
                filename, content and perhaps type; or a dict of ``filename``, ``mime`` and
                ``content``, of which any may be left out. A list for several of one name. {}: there
                is none.
            where: Returns whether a request matches that fits the other arguments. A KeyError, of
                a field or a member that is missing, is a no.
            times: How often. None: any number of times, or never.
            ordered: Whether it has to come after the ordered ones that were expected before.

        Returns:
            The expectation; set its response by `Expectation.respond`.

        Raises:
            TypeError: An argument is of another type.
            ValueError: The path is none, a file has a key that files do not have, ``times`` is less
                than 1, or it is ordered without a number.
        """
        wanted = {
            "query": query,
            "headers": headers,
            "cookies": cookies,
            "body": body,
            "json": json,
            "form": form,
            "files": files,
            "where": where,
        }
        expectation = Expectation(method, path, times, ordered, **wanted)
        with self._changed:
            self._expectations.append(expectation)
        return expectation

    def record(  # type: ignore[override]  # of a server: a property, which `__setattr__` keeps
        self,
        *,
        to: str | os.PathLike[str],
        upstream: str,
        secrets: Iterable[str] | None = (),
        ca_cert: str | os.PathLike[str] | None = None,
    ) -> None:
        """Forward requests that nothing expects to another server, and record them in a file.

        The file is written when the server's context ends, for `replay`. Up to 10,000 requests are
        recorded, with bodies of at most 16 MiB. Redirects are not followed, and failures of the
        other server to respond fail the test as errors of a handler do.

        Args:
            to: The file. One that exists is replaced.
            upstream: The URL of the other server: scheme and host, and a path that goes before
                those of requests.
            secrets: Names, in any case, of secret headers, fields of queries and forms, and members
                of JSON, besides those like "password" and "token" that are known. Their values are
                replaced by a placeholder, wherever they are. None: secrets are written as they are.
            ca_cert: The authorities that the other server's certificate is trusted by, as of
                `HttpClient`. None: those of the system.

        Raises:
            FileNotFoundError: There is no directory for the file.
            RuntimeError: It is recording already.
            TypeError: The URL is not a str, or the secrets are no names.
            ValueError: It is not an http or https URL, or has a user, a query or a fragment.
        """
        if self._recorder is not None:
            raise RuntimeError("the server is recording already")
        names = None if secrets is None else SecretNames(secrets)
        self._recorder = Recorder(to, upstream, names, ca_cert)

    def replay(
        self, path: str | os.PathLike[str], *, repeat: bool = False
    ) -> tuple[Expectation, ...]:
        """Expect the requests of a file that `record` has made, or a person.

        Each is expected as often as it was recorded. Requests that differ may come in any order;
        equal ones get their responses in the order of the file.

        Args:
            path: The file.
            repeat: Whether requests that come more often get the last response again.

        Returns:
            The expectations in the order of the file.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is no such file; the message names the file and the entry.
        """
        expected, repeated = expectations_of(path, repeat)
        with self._changed:
            self._expectations += [*expected, *repeated]
        return tuple(expected)

    def url_for(self, path: str) -> str:
        """Return the URL of a path, which is taken as it is."""
        return f"{self.url}/{path.removeprefix('/')}"

    @property
    def ca_file(self) -> str | None:
        """The CA for clients to trust, as a PEM file; None without an `Identity`."""
        return None if self._identity is None else self._identity.ca_file

    @property
    def client_options(self) -> dict[str, Any]:
        """The arguments of `HttpClient` and `AsyncHttpClient` for clients of this server."""
        options: dict[str, Any] = {"base_url": self.url}
        if self.host.startswith(UNIX):
            options["unix_socket"] = self.host.removeprefix(UNIX)
        return options if self.ca_file is None else options | {"ca_cert": self.ca_file}

    def wait(self, timeout: int = 5000) -> None:
        """Wait until every request has come, then `check`.

        Args:
            timeout: Milliseconds. It does not go on when something has gone wrong.

        Raises:
            AssertionError: As `check`.
        """
        __tracebackhide__ = True  # of pytest, as below
        check_milliseconds("timeout", timeout)
        with self._changed:
            self._changed.wait_for(self._is_decided, timeout / 1000)
        self._check(Due.CLOSE, waited=timeout)

    def check(self) -> None:
        """Raise if something was not as expected since the last time.

        Raises:
            AssertionError: An expected request was not received, one was not expected or was
                refused, or a handler has failed: that is its ``__cause__``, several are as an
                ExceptionGroup.
        """
        __tracebackhide__ = True
        self._check(Due.CLOSE)

    def _check(self, due: Due, waited: int | None = None) -> None:
        """Raise as `check`; requests that are due later are not missing.

        Args:
            due: The latest that are due.
            waited: Milliseconds that were waited for them, None if they were not.
        """
        __tracebackhide__ = True
        with self._changed:
            told = [*self._missing(due), *self._unexpected]
            if told and waited is not None and not (self._unexpected or self._errors):
                told.append(f"  after waiting for {waited} ms")
            errors = self._errors
            self._unexpected, self._errors = [], []
        told += [f"the server failed with {error!r}" for error in errors]
        if told:
            raise AssertionError("\n".join(told)) from _as_one(errors)

    def clear(self) -> None:
        """Forget the expectations, the failures and the recorded requests.

        Expectations of pytest fixtures that are for several tests stay.
        """
        with self._changed:
            self._expectations = [each for each in self._expectations if each.due is Due.CLOSE]
            self._unexpected, self._errors = [], []
            self._received.clear()
        self._dispatcher.log = RequestLog() if self._is_recorded() else None

    def _check_test(self, *, is_over: bool = False) -> None:
        """Raise as `check` for the test that runs, or is over with its fixtures."""
        __tracebackhide__ = True
        self._check(Due.TEARDOWN if is_over else Due.TEST)

    def _end_test(self) -> None:
        """Check a server that is for several tests after one of them, and clear it for the next.

        Raises:
            AssertionError: As `check`, unless the report of the test has it already.
        """
        __tracebackhide__ = True
        is_told, self._is_told = self._is_told, False
        try:
            if not is_told:
                self._check_test(is_over=True)
        finally:
            self.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        super().__exit__(kind, error, traceback)
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.save()
        if kind is None and not self._is_told:
            self.check()

    def _context(self, certificates: dict[str, CertificateFiles]) -> ssl.SSLContext | None:
        if self._identity is not None and not certificates:
            return self._identity.context
        return super()._context(certificates)

    def _is_recorded(self) -> bool:
        return bool(self._keeps_requests)

    def _answer(self, request: HttpRequest, response: HttpResponse) -> None:
        with self._changed:
            expectation = self._find(request)
        if expectation is None and self._recorder is not None:
            self._recorder.forward(request, response)
            return
        if expectation is None:
            self._refuse(request, response)
            return
        if self._is_recorded():
            expectation.take(request)
        try:
            expectation.answer(request, response)
        except (Abort, *CLIENT_ERRORS):
            raise
        except BaseException as error:
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
            self._tell(text)
        log.warning("%s", text)
        response.status = 500
        response.content_type("text/plain; charset=utf-8")
        response.body = f"{text}\n"

    def _tell(self, text: str) -> None:
        if len(self._unexpected) < MOST_TOLD:
            self._unexpected.append(text)
        self._changed.notify_all()

    def _note_request(self, request: HttpRequest, response: HttpResponse) -> None:
        del response
        with self._changed:
            self._received.append(_named(request))

    def _note_refusal(self, request: HttpRequest, error: ProtocolError | MissingValueError) -> None:
        """Report a request that was answered with an error before or while it was handled."""
        reason = f"{error} is missing" if isinstance(error, MissingValueError) else str(error)
        text = f"refused with {error.status}: {_named(request)}: {reason}"
        log.warning("%s", text)
        kept = self._dispatcher.log
        is_known = kept is None or any(request is each for each in kept.requests())
        with self._changed:
            if not is_known:
                self._received.append(_named(request))
            self._tell(text)
        if kept is not None and not is_known:
            kept.add(request)

    def _compared(self, request: HttpRequest) -> str:
        """Return how a request differs from the expectations, the most similar first."""
        turn = self._turn()
        similar = sorted(self._expectations, key=lambda each: -each.likeness(request))
        lines = [f"not expected: {_named(request)}"]
        for expectation in similar[:MOST_ALIKE]:
            lines.append(f"  unlike {expectation}, {expectation.often}:")
            lines += [f"    {each}" for each in expectation.differences(request, turn)]
        if len(similar) > MOST_ALIKE:
            lines.append(f"  unlike {len(similar) - MOST_ALIKE} others that are expected")
        before = list(self._received)[:-1]
        if before:
            lines.append(f"  received before: {', '.join(before)}")
        return "\n".join(lines)

    def _missing(self, due: Due = Due.CLOSE) -> list[str]:
        unmet = [each for each in self._expectations if each.due <= due and not each.is_met]
        told = [
            f"expected request not received: {each}, expected {each.often}, came {each.calls} times"
            for each in unmet
        ]
        if unmet:
            told.append(f"  received: {', '.join(self._received) or 'nothing'}")
        dispatcher = self._dispatcher
        if unmet and (dispatcher.callbacks["receive"] or dispatcher.none_handler != self._answer):
            told.append("an on_receive, or a none_handler, takes what expectations are for")
        return told

    def _is_decided(self) -> bool:
        return bool(self._unexpected or self._errors) or not self._missing()

    def _note(self, error: BaseException, client: object) -> None:
        del client
        with self._changed:
            if not any(error is each for each in self._errors):
                self._errors.append(error)
            self._changed.notify_all()


def _named(request: HttpRequest) -> str:
    """Return method and target of a request, as far as they were understood."""
    if not request.method:
        return "what is no request"
    return f"{request.method} {short(request.request_uri)[1:-1]}"


def _as_one(errors: list[BaseException]) -> BaseException | None:
    if len(errors) > 1:
        return BaseExceptionGroup("the server failed", errors)
    return errors[0] if errors else None
