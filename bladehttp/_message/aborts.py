"""abort: end a handler with a response, from any function it calls.

An `Abort` is not an `HttpException`: a handler that catches the exceptions of its own requests does
not catch the response it meant to send.
"""

import json as json_module
from typing import Any, NoReturn

from bladehttp._data.headers import Headers, HeadersLike
from bladehttp._data.jsonable import as_json
from bladehttp._data.keywords import hint_keywords
from bladehttp.status import phrase

TEXT = "text/plain; charset=utf-8"

_MISSING: Any = object()


class Abort(Exception):  # noqa: N818 - an answer, not an error
    """Ends a handler with a response: ``raise Abort(409, "taken")`` is ``abort(409, "taken")``.

    Attributes:
        status: The status.
        body: The body, as bytes.
        headers: The headers, Content-Type included. They replace the server's own of the same
            names.
    """

    def __init__(
        self,
        status: int,
        body: str | bytes | None = None,
        headers: HeadersLike | None = None,
        *,
        json: Any = _MISSING,
    ) -> None:
        """Make the response; arguments and exceptions are those of `abort`."""
        check_status(status)
        given = Headers(headers)
        if "Content-Type" not in given:
            given["Content-Type"] = TEXT if json is _MISSING else "application/json"
        self.status: int = status
        self.body: bytes = content_of(status, body, json)
        self.headers: Headers = given
        super().__init__(status, self.body, tuple(given.pairs()))  # for copies and pickles

    def __str__(self) -> str:
        return f"{int(self.status)} {phrase(self.status)}"


@hint_keywords(
    code="status", description="body", detail="body", message="body", status_code="status"
)
def abort(
    status: int,
    body: str | bytes | None = None,
    *,
    json: Any = _MISSING,
    headers: HeadersLike | None = None,
) -> NoReturn:
    """Raise `Abort`: the request is answered with this response and no other.

    From a handler, an on_receive, before_request or after_request function or any function these
    call, offloaded or not. The response so far is dropped, with its headers; only after_request
    functions are still called. Elsewhere (in a stream whose head is sent, in on_reply, in a timer)
    it is reported like any error.

    Args:
        status: 200 to 599.
        body: A str is sent as UTF-8 with the type text/plain. None: the status and its reason
            phrase, such as "404 - Not Found.".
        json: The body as JSON.
        headers: Replace the server's own of the same names.

    Raises:
        Abort: Always, unless an argument is invalid:
        TypeError: The status is not an int, the body neither str nor bytes, the JSON cannot be
            encoded, or both are given.
        ValueError: The status is not 200 to 599, or the JSON has a NaN.
        InvalidHeader: A header cannot be sent.
    """
    raise Abort(status, body, headers, json=json)


def content_of(status: int, body: str | bytes | None, json: Any) -> bytes:
    """Return the bytes of the body that `abort` is given.

    Raises:
        TypeError: The body is neither str nor bytes, the JSON cannot be encoded, or both are given.
        ValueError: The JSON has a number that JSON has not.
    """
    if json is not _MISSING:
        if body is not None:
            raise TypeError("a response has a body or JSON, not both")
        body = json_module.dumps(json, default=as_json, ensure_ascii=False, allow_nan=False)
    elif body is None:
        body = f"{int(status)} - {phrase(status)}."
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise TypeError(f"body is str, bytes or None, not {body!r:.100}; json= sends JSON")


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
