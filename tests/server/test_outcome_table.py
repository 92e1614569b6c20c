"""The table of outcomes in docs/server/guards.md says what is seen of each."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Raw, wait_until

import bladehttp as http
from bladehttp.server import HttpServer

PAGE = Path(__file__).parents[2] / "docs" / "server" / "guards.md"
HEAD = "| code that ends | how | the client gets | the server | reported by |"

WORDS = {"the response": ("the response", "its answer", "the head as sent")}
"""What a client got to the words that the table has for it."""

BOTH = "log, `on_error`"
LEVELS = {BOTH: logging.ERROR, "log": logging.WARNING, "debug log": logging.DEBUG}

Register = Callable[[HttpServer], Any]


def rows() -> dict[tuple[str, str], list[str]]:
    """Return the cells of each row by the first two; an empty first one is the last that is not."""
    table, found, what = PAGE.read_text().partition(HEAD)[2].split("\n\n")[0], {}, ""
    for line in table.splitlines()[2:]:
        first, outcome, *cells = (cell.strip() for cell in line.split("|")[1:-1])
        what = first or what
        found[what, outcome] = cells
    return found


def rows_of(what: str, outcome: str) -> list[str]:
    """Return the one row whose first cells begin so: what the client gets, the server, told."""
    (row,) = (
        cells
        for (first, second), cells in rows().items()
        if first.startswith(what) and second.startswith(outcome)
    )
    return row


def raising(error: BaseException | type[BaseException]) -> Callable[..., None]:
    def function(*_: object) -> None:
        raise error

    return function


def handler(function: Any, **options: Any) -> Register:
    return lambda server: server.handle("GET", "/bad", function, **options)


def broken_stream(request: Any, response: Any) -> None:
    def chunks():
        yield b"first"
        raise ValueError

    response.stream(chunks())


def broken_channel(request: Any, response: Any) -> None:
    response.channel().write("first")
    raise ValueError


def answering(then: Register) -> Register:
    def register(server: HttpServer) -> None:
        handler(lambda request, response: response.write("right"))(server)
        then(server)

    return register


def late(request: Any, response: Any) -> None:
    response.defer().fail(ValueError())


def too_late(request: Any, response: Any) -> None:
    response.defer(1)


def changing(response: Any) -> None:
    response.status = 418


HANDLER, EVENTS = "handler, guard", "`on_connect`, `on_reply`"

SCENARIOS: list[tuple[str, str, Register]] = [
    (HANDLER, "returns None", handler(lambda request, response: response.write("right"))),
    (HANDLER, "returns anything else", handler(lambda request, response: {"a": 1})),
    (HANDLER, "`abort`", handler(lambda request, response: http.abort(418))),
    (HANDLER, "an exception", handler(raising(ValueError))),
    (HANDLER, "an exception", handler(raising(GeneratorExit))),
    (HANDLER, "KeyboardInterrupt", handler(raising(SystemExit))),
    (HANDLER, "content that is malformed", handler(lambda q, p: json.loads(q.queries["none"]))),
    ("`offload=True`, after", "any of these", handler(broken_channel, offload=True)),
    ("`defer`", "`fail(error)`", handler(late)),
    ("`defer`", "`send` is not called in time", handler(too_late)),
    ("stream", "a BaseException", handler(broken_stream)),
    (EVENTS, "a BaseException", answering(lambda server: server.on_connect(raising(ValueError)))),
    (EVENTS, "a BaseException", answering(lambda server: server.on_answered(raising(ValueError)))),
    (EVENTS, "returns something", answering(lambda server: server.on_reply(lambda _: {"a": 1}))),
    ("`on_reply`", "changes the response", answering(lambda server: server.on_reply(changing))),
]


def got_by(client: Raw) -> str:
    """Return what a client got, in the words of the table."""
    try:
        response = client.get("/bad").response()
    except (ConnectionResetError, AssertionError):
        return "a reset: its head was sent"
    if (response.status, response.body) == (200, b"right"):
        return "the response"
    if response.status == 418:
        return "that answer"
    closes = ", `Connection: close`" if response.get("Connection") == "close" else ""
    return f"{response.status}{closes}"


@pytest.mark.parametrize(
    ("what", "outcome", "register"),
    SCENARIOS,
    ids=[f"{what} {outcome}" for what, outcome, _ in SCENARIOS],
)
def test_an_outcome_is_as_the_table_says(what, outcome, register, caplog):
    caplog.set_level(logging.DEBUG, "bladehttp.server")
    client_gets, then, told = rows_of(what, outcome)
    server, errors = HttpServer(0), []
    server.on_error(lambda error, sock: errors.append(error))
    server.handle("GET", "/good", lambda request, response: response.write("well"))
    register(server)
    server.start()
    try:
        with Raw(server.port) as client:
            got = got_by(client)
        ends = then.startswith("ends")
        if ends:
            wait_until(lambda: server.socket is None)
        else:
            with Raw(server.port) as other:
                assert other.get("/good").response().body == b"well"
    finally:
        server.close()
    assert client_gets.startswith(WORDS.get(got, got))
    assert bool(errors) is (told == BOTH)
    assert max((each.levelno for each in caplog.records), default=None) == LEVELS.get(told)
