"""What a mounted WSGI application may do (PEP 3333), and what comes of it.

The table of docs/server/index.md is made of these rows, and tests/server/test_mount_outcomes.py
does what each of them says.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Any]

TEXT = [("Content-Type", "text/plain")]


class Outcome(NamedTuple):
    """One row.

    Attributes:
        does: What the application does.
        application: One that does it.
        status: The status that the client gets.
        body: The body that it gets; None for one that is cut off.
        error: The exception that `on_error` is told of, None for none.
    """

    does: str
    application: Application
    status: int
    body: bytes | None
    error: type[BaseException] | None


received = threading.Event()
"""Set by the client when it has the first chunk; before, an error may be faster."""

FAILED = b"500 - Internal Server Error."


def sends(*chunks: Any, status: Any = "200 OK", fields: Any = TEXT) -> Application:
    """Return an application that yields chunks, and raises those that are exceptions."""

    def body() -> Iterator[Any]:
        for chunk in chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk
            received.wait(10)

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[Any]:
        start_response(status, fields)
        return body()

    return application


def returns(value: Any) -> Application:
    def application(environ: dict[str, Any], start_response: StartResponse) -> Any:
        start_response("200 OK", TEXT)
        return value

    return application


def raises(environ: dict[str, Any], start_response: StartResponse) -> Any:
    raise ValueError


def raises_after_start(environ: dict[str, Any], start_response: StartResponse) -> Any:
    start_response("201 Created", TEXT)
    raise ValueError


def never_starts(environ: dict[str, Any], start_response: StartResponse) -> Any:
    return [b"one"]


def starts_with_the_first_chunk(environ: dict[str, Any], start_response: StartResponse) -> Any:
    start_response("201 Created", TEXT)
    yield b"one"


def starts_twice(environ: dict[str, Any], start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    start_response("201 Created", TEXT)
    return [b"one"]


def restarts(environ: dict[str, Any], start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    try:
        int("x")
    except ValueError:
        start_response("503 Busy", TEXT, sys.exc_info())
    return [b"sorry"]


def restarts_too_late(environ: dict[str, Any], start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    yield b"one"
    received.wait(10)
    try:
        int("x")
    except ValueError:
        start_response("503 Busy", TEXT, sys.exc_info())


def writes(environ: dict[str, Any], start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)(b"one ")
    return [b"two"]


OUTCOMES = (
    Outcome("returns chunks", sends(b"one ", b"", b"two"), 200, b"one two", None),
    Outcome("uses `write()` and returns a chunk", writes, 200, b"one two", None),
    Outcome(
        "calls `start_response` when its first chunk is asked for",
        starts_with_the_first_chunk, 201, b"one", None,
    ),
    Outcome("sends a body with a 204", sends(b"one", status="204 No", fields=[]), 204, b"", None),
    Outcome("raises before `start_response`", raises, 500, FAILED, ValueError),
    Outcome("raises after `start_response`", raises_after_start, 500, FAILED, ValueError),
    Outcome("raises before its first chunk", sends(ValueError()), 500, FAILED, ValueError),
    Outcome("raises after its first chunk", sends(b"one", ValueError()), 200, None, ValueError),
    Outcome("ends in SystemExit", sends(SystemExit(1)), 500, FAILED, SystemExit),
    Outcome("does not call `start_response`", never_starts, 500, FAILED, RuntimeError),
    Outcome("calls `start_response` twice", starts_twice, 500, FAILED, RuntimeError),
    Outcome("twice, with `exc_info`, before its first chunk", restarts, 503, b"sorry", None),
    Outcome("twice, with `exc_info`, after it", restarts_too_late, 200, None, ValueError),
    Outcome('gives the status as `200` or `b"200 OK"`', sends(status=200), 500, FAILED, TypeError),
    Outcome('gives the status as `"OK"`', sends(status="OK"), 500, FAILED, ValueError),
    Outcome("gives the headers as a dict", sends(fields={"X": "y"}), 500, FAILED, TypeError),
    Outcome("gives a header a number", sends(fields=[("X", 1)]), 500, FAILED, TypeError),
    Outcome("sets Connection", sends(fields=[("Connection", "close")]), 500, FAILED, ValueError),
    Outcome("yields a str", sends("one"), 500, FAILED, TypeError),
    Outcome("yields a str after bytes", sends(b"one", "two"), 200, None, TypeError),
    Outcome("returns None", returns(None), 500, FAILED, TypeError),
)  # fmt: skip


def rows() -> list[tuple[str, ...]]:
    """Return the cells of the table."""
    return [
        (
            outcome.does,
            f"{outcome.status}" if outcome.body is not None else f"{outcome.status}, cut off",
            f"`{outcome.error.__name__}`" if outcome.error else "",
        )
        for outcome in OUTCOMES
    ]
