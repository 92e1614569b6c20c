"""abort: end a handler with an answer, from anywhere it calls.

An `Abort` is no failure and so not an `HttpException`: a handler that catches what its own requests
raise does not catch the answer it meant to give.
"""

import json as json_module
from typing import Any, NoReturn

from bladehttp._data.headers import Headers, HeadersLike
from bladehttp._data.jsonable import as_json
from bladehttp.status import phrase

TEXT = "text/plain; charset=utf-8"

_MISSING: Any = object()


class Abort(Exception):  # noqa: N818 - an answer, not an error
    """Ends a handler with an answer; see `abort`.

    Attributes:
        status: The status.
        body: The body.
        headers: Those that go with it, in place of those of their names a server sends by itself.
    """

    def __init__(self, status: int, body: bytes = b"", headers: HeadersLike = ()) -> None:
        """Keep the answer.

        Raises:
            TypeError: The status is not an int.
            ValueError: It is not 200 to 599.
            InvalidHeader: One of the headers cannot be sent.
        """
        super().__init__(check_status(status), body, tuple(Headers(headers).pairs()))
        self.status = status
        self.body = body
        self.headers: Headers = Headers(headers)

    def __str__(self) -> str:
        return f"{int(self.status)} {phrase(self.status)}"


def abort(
    status: int,
    body: str | bytes | None = None,
    *,
    json: Any = _MISSING,
    headers: HeadersLike | None = None,
) -> NoReturn:
    """Raise `Abort`: the request is answered with this and nothing else.

    From a handler, an on_receive, before_request or after_request function or whatever these call,
    offloaded or not. What the response held until then is dropped, its headers too; no function
    that comes after is called but those of after_request. Elsewhere (in a stream whose head is
    sent, in on_reply, in a timer) there is no answer to be given: it is reported as any error.

    Args:
        status: 200 to 599.
        body: A str as UTF-8, of the type text/plain. None: the status and its reason phrase,
            such as "404 - Not Found.".
        json: The body as JSON.
        headers: In place of those of their names a server sends by itself.

    Raises:
        Abort: Always, unless something else is wrong:
        TypeError: The status is not an int, the body neither str nor bytes, the JSON cannot be
            written, or both are given.
        ValueError: The status is not 200 to 599.
        InvalidHeader: One of the headers cannot be sent.
    """
    check_status(status)
    if json is not _MISSING:
        if body is not None:
            raise TypeError("an answer has a body or JSON, not both")
        body = json_module.dumps(json, default=as_json, ensure_ascii=False, allow_nan=False)
    elif body is None:
        body = f"{int(status)} - {phrase(status)}."
    given = Headers(headers)
    if "Content-Type" not in given:
        given["Content-Type"] = TEXT if json is _MISSING else "application/json"
    content = body.encode() if isinstance(body, str) else bytes(memoryview(body))
    raise Abort(status, content, given)


def check_status(status: int) -> int:
    """Return a status that a response can have.

    Raises:
        TypeError: It is not an int.
        ValueError: It is not 200 to 599, the final ones.
    """
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError(f"status of a response is an int, not {status!r}"[:200])
    if not 200 <= status <= 599:
        raise ValueError(f"status of a response is 200 to 599, not {status!r}")
    return status
