"""A request and its response are released once it is answered, without a collection of garbage."""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from support import wait_until

from bladehttp import (
    Channel,
    HttpClient,
    HttpException,
    HttpRequest,
    HttpResponse,
    HttpServer,
    abort,
)
from bladehttp.server._connection.connection import Connection
from bladehttp.server._connection.sender import Sender

ROUNDS = 3
LAST = 2
"""The request and the response that an open connection may still refer to."""


def kept() -> int:
    """Count requests and responses."""
    return sum(type(each) in (HttpRequest, HttpResponse) for each in gc.get_objects())


def plain(request: HttpRequest, response: HttpResponse) -> None:
    response.write(request.raw_body)


def deferred(request: HttpRequest, response: HttpResponse) -> None:
    send = response.defer().send
    threading.Timer(0.001, send).start()


def expired(request: HttpRequest, response: HttpResponse) -> None:
    response.defer(1)


def delayed(request: HttpRequest, response: HttpResponse) -> None:
    response.delay(1)


def streamed(request: HttpRequest, response: HttpResponse) -> None:
    response.stream(iter([request.raw_body, b"more"]))


def channelled(request: HttpRequest, response: HttpResponse) -> None:
    channel = response.channel()
    channel.write(request.raw_body)
    channel.close()


async def awaited(request: HttpRequest, response: HttpResponse) -> None:
    await asyncio.sleep(0.001)
    response.write(request.raw_body)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("handler", "options"),
    [
        (plain, {}),
        (streamed, {}),
        (channelled, {}),
        (deferred, {}),
        (expired, {}),
        (delayed, {}),
        (plain, {"offload": True}),
        (channelled, {"offload": True}),
        (awaited, {}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "-".join(value),
)
def test_nothing_of_a_request_is_left(
    serve: Callable[..., HttpServer], handler: Any, options: dict[str, Any]
) -> None:
    server, before = serve(), kept()
    server.handle("POST", "/", handler, **options)
    with HttpClient() as client:
        for _ in range(ROUNDS):
            client.post(f"{server.url}/", bytes(100_000))
        wait_until(lambda: kept() <= before + LAST, "requests are left")


class HandlerError(Exception):
    """Raised by the handlers below."""


COUNTED = (Channel, Connection, HandlerError, HttpException, HttpRequest, HttpResponse, Sender)


def kept_of_all() -> int:
    """Count exceptions, and what their tracebacks may lead to."""
    return sum(issubclass(type(each), COUNTED) for each in gc.get_objects())


def raising(request: HttpRequest, response: HttpResponse) -> None:
    raise HandlerError


def failing(request: HttpRequest, response: HttpResponse) -> None:
    fail = response.defer().fail
    threading.Timer(0.001, fail, (HandlerError(),)).start()


def broken(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks
    raise HandlerError


def raising_first(request: HttpRequest, response: HttpResponse) -> None:
    response.stream(broken())


def raising_later(request: HttpRequest, response: HttpResponse) -> None:
    response.stream(broken(b"one"))


def raising_after_chunk(request: HttpRequest, response: HttpResponse) -> None:
    response.channel().write(b"one")
    raise HandlerError


def unsendable(request: HttpRequest, response: HttpResponse) -> None:
    response.status = "no status"  # type: ignore[assignment]


def aborting(request: HttpRequest, response: HttpResponse) -> None:
    abort(418)


def reading(request: HttpRequest, response: HttpResponse) -> None:
    response.write(str(request.body))


def too_late(request: HttpRequest, response: HttpResponse) -> None:
    time.sleep(0.01)
    raise HandlerError


async def araising(request: HttpRequest, response: HttpResponse) -> None:
    await asyncio.sleep(0.001)
    raise HandlerError


async def araising_after_chunk(request: HttpRequest, response: HttpResponse) -> None:
    response.channel().write(b"one")
    await asyncio.sleep(0.001)
    raise HandlerError


async def awaiting(request: HttpRequest, response: HttpResponse) -> None:
    await asyncio.sleep(60)


@pytest.fixture
def no_log() -> Iterator[None]:
    """Log nothing: pytest keeps the records, and these the exceptions."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("no_collector", "no_log")
@pytest.mark.parametrize(
    ("handler", "options"),
    [
        *((raising, {}), (failing, {}), (raising_first, {}), (raising_later, {})),
        *((raising_after_chunk, {}), (unsendable, {}), (aborting, {}), (reading, {})),
        *((araising, {}), (araising_after_chunk, {}), (awaiting, {"handler_timeout": 1})),
        *((raising, {"offload": True}), (raising_later, {"offload": True})),
        *((raising_after_chunk, {"offload": True}), (reading, {"offload": True})),
        (too_late, {"offload": True, "handler_timeout": 1}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "-".join(value),
)
def test_nothing_of_an_exception_is_left(
    serve: Callable[..., HttpServer], handler: Any, options: dict[str, Any]
) -> None:
    server = serve()
    server.on_error(lambda error, client: None)
    server.handle("POST", "/", handler, **options)

    def once() -> None:
        with HttpClient() as client, suppress(HttpException):
            client.post(f"{server.url}/", b"{", headers={"Content-Type": "application/json"})

    before = kept_of_all()
    for _ in range(ROUNDS):
        once()
    wait_until(lambda: kept_of_all() <= before, "an exception is left")


@pytest.mark.usefixtures("no_collector", "no_log")
@pytest.mark.parametrize(
    "sent", [b"no request\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nHost"]
)
def test_nothing_of_a_refused_request_is_left(
    serve: Callable[..., HttpServer], connect: Callable[..., Any], sent: bytes
) -> None:
    server = serve(plain)

    before = kept_of_all()
    for _ in range(ROUNDS):
        connect(server).send(sent).shut().read_all()
    wait_until(lambda: kept_of_all() <= before, "an exception is left")
