"""Expectation: one request that is expected, and its answer."""

import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from itertools import islice
from typing import Any, Self

from bladehttp._data.headers import Headers, HeadersLike
from bladehttp._data.keywords import hint_keywords
from bladehttp._message.aborts import check_status
from bladehttp._message.deferred import check_milliseconds
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.server._dispatch.callbacks import check_callable, check_value
from bladehttp.server._dispatch.request_log import RequestLog
from bladehttp.server._dispatch.routes import Handler
from bladehttp.server.testing import _matching as matching
from bladehttp.server.testing._values import is_text, short
from bladehttp.server.testing.faults import Fault

UNSET: Any = object()
"""In place of a value where None is one."""

ANY_PATH = re.compile(".*", re.DOTALL)

MOST_TOLD = 10
"""Most differences reported for one criterion: a client's JSON may have any number."""


class Due(IntEnum):
    """By when an expected request has to be received.

    Attributes:
        TEST: By the end of the test function.
        TEARDOWN: By the end of the test's fixtures, as one with a teardown expects it.
        CLOSE: Until the server is closed: a fixture of a wider scope than a test expects it.
    """

    TEST = 1
    TEARDOWN = 2
    CLOSE = 3


CRITERIA: dict[str, Callable[[Any], matching.Criterion]] = {
    # argument of `BladeServer.expect`: what makes a criterion of it
    "query": matching.query_is,
    "headers": matching.headers_have,
    "body": matching.body_is,
    "json": matching.json_is,
    "form": matching.form_is,
    "files": matching.files_are,
    "cookies": matching.cookies_have,
}


class Expectation:
    """An expected request; made by `BladeServer.expect`.

    Attributes:
        times: How often it is expected; None: any number of times, or never.
        ordered: Whether it has a place in the order of expectations.
        calls: How often it was received.
        due: By when it has to be received.
    """

    __slots__ = (
        "_criteria",
        "_delay",
        "_fault",
        "_handler",
        "_params",
        "_response",
        "_taken",
        "_text",
        "_where",
        "calls",
        "due",
        "ordered",
        "times",
    )

    def __init__(
        self,
        method: Any,
        path: Any,
        times: int | None,
        ordered: bool,
        **wanted: Any,
    ) -> None:
        """Take the arguments of `BladeServer.expect`; UNSET ones are not compared."""
        check_expected(method, path, times)
        if times is not None and times < 1:
            raise ValueError(f"a request is expected at least once, not {times!r} times")
        if ordered and times is None:
            raise ValueError("an ordered request needs a number of times, not None")
        self._params = matching.path_matcher(ANY_PATH if path is None else path)
        self._criteria: list[matching.Criterion] = []
        if method is not None:
            self._criteria.append(matching.method_is(method))
        if path is not None:
            self._criteria.append(matching.path_is(path, self._params))
        target = " ".join(criterion.text for criterion in self._criteria) or "any request"
        where = wanted.pop("where", UNSET)
        others = [CRITERIA[name](value) for name, value in wanted.items() if value is not UNSET]
        self._criteria += others
        self._where = [] if where is UNSET else [matching.holds(where)]
        self._text = ", ".join([target, *(criterion.text for criterion in others + self._where)])
        self.times: int | None = times
        self.ordered: bool = ordered
        self.due: Due = Due.TEST
        self.calls: int = 0
        self._taken = RequestLog()
        self.respond()

    @hint_keywords(
        code="status",
        content="body",
        content_type='headers={"Content-Type": ...}',
        data="body",
        mimetype='headers={"Content-Type": ...}',
        response_data="body",
        response_json="json",
        status_code="status",
        text="body",
    )
    def respond(
        self,
        body: str | bytes = b"",
        status: int = 200,
        headers: HeadersLike | None = None,
        *,
        json: Any = UNSET,
        handler: Handler | None = None,
        delay: int = 0,
        fault: Fault | None = None,
    ) -> Self:
        """Set the response, which is 200 and empty otherwise.

        Args:
            body: A str is sent as UTF-8.
            status: The status.
            headers: Replace the server's own of the same names.
            json: The body as JSON.
            handler: Receives the request and the response, filled in with the above, and returns
                None, as of `HttpServer.handle`; no coroutine function. An exception (`pytest.fail`
                included) is the cause of the error of `BladeServer.check`; an `abort` is a
                response.
            delay: Milliseconds before it is sent, an int; others are served meanwhile.
            fault: Called with the complete response; see `bladehttp.testing.faults`.

        Raises:
            TypeError: The body or the JSON cannot be sent, or both are given; the status or the
                delay is not an int; the handler does not take two arguments, or the fault one.
            ValueError: The status is not 200 to 599, or the delay is negative.
            InvalidHeader: A header cannot be sent.
        """
        if body and json is not UNSET:
            raise TypeError("an answer has a body or JSON, not both")
        check_body(body)
        if handler is not None:
            check_callable(handler, 2, "handler")
        if fault is not None:
            check_callable(fault, 1, "fault")
        self._handler, self._fault = handler, fault
        self._delay = check_milliseconds("delay", delay)
        self._response = response = HttpResponse(b"", check_status(status))
        response.write(body)
        if json is not UNSET:
            response.json(json)
        replace_fields(response.headers, Headers(headers))
        return self

    @property
    def requests(self) -> tuple[HttpRequest, ...]:
        """The requests that it has taken, the oldest first; as many as `HttpServer.requests` keeps.

        The one that is being answered is among them. Requires ``record``, as there.
        """
        return self._taken.requests()

    def take(self, request: HttpRequest) -> None:
        """Record a request in `requests`."""
        self._taken.add(request)

    @property
    def is_met(self) -> bool:
        """Whether no request is missing."""
        return self.times is None or self.calls >= self.times

    def differences(self, request: HttpRequest, turn: "Expectation | None") -> list[str]:
        """Return how a request differs, [] for one that matches.

        Args:
            request: The request.
            turn: The next ordered expectation; None: there is none.
        """
        found = list(_told(self._criteria, request))
        if not found:  # a function may rely on the rest: it is not asked about other requests
            found = list(_told(self._where, request))
        if self.times is not None and self.calls >= self.times:
            found.append(f"it has come {self.often} already")
        elif self.ordered and turn is not self:
            found.append(f"{turn} is to come before")
        return found

    def likeness(self, request: HttpRequest) -> int:
        """Return the number of matching criteria, to report the most similar expectation first."""
        return sum(not any(criterion.differences(request)) for criterion in self._criteria)

    def answer(self, request: HttpRequest, response: HttpResponse) -> None:
        """Fill in a response.

        Raises:
            Exception: The handler or the fault raised it.
            TypeError: The handler returned a value, as of `HttpServer.handle`.
        """
        request.params = self._params(request.path) or {}
        response.status = self._response.status
        replace_fields(response.headers, self._response.headers)
        response.body = self._response.body
        if self._handler is not None:
            value = self._handler(request, response)
            if value is not None and value is not response:
                check_value(self._handler, value)
        response.delay(self._delay)
        if self._fault is not None:
            self._fault(response)

    @property
    def often(self) -> str:
        """How often it is expected, in words."""
        words = {None: "any number of times", 1: "once", 2: "twice"}
        return words.get(self.times, f"{self.times} times")

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<Expectation {self}, {self.often}>"


def _told(criteria: list[matching.Criterion], request: HttpRequest) -> Iterator[str]:
    for criterion in criteria:
        yield from islice(criterion.differences(request), MOST_TOLD)


def check_expected(method: object, path: object, times: object) -> None:
    """Raise if the arguments of `BladeServer.expect` are of other types.

    Raises:
        TypeError: They are.
    """
    for name, value in (("method", method), ("path", path)):
        if value is not None and not is_text(value):
            raise TypeError(f"{name} is a str, a pattern or None, not {short(value)}")
    if not isinstance(times, int | None) or isinstance(times, bool):
        raise TypeError(f"times is an int or None, not {short(times)}")


def check_body(body: object) -> None:
    """Raise if a body cannot be sent.

    Raises:
        TypeError: It is not str or bytes.
    """
    if not isinstance(body, str | bytes | bytearray | memoryview):
        hint = "; json= sends JSON" if isinstance(body, dict | list) else ""
        raise TypeError(f"body is str or bytes, not {short(body)}{hint}")


def replace_fields(headers: Headers, fields: Headers) -> None:
    """Set fields in place of those of the same names."""
    for name in fields:
        if name in headers:
            del headers[name]
    headers.extend(fields)
