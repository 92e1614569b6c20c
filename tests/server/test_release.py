"""A request and its response are released once it is answered, without a collection of garbage."""

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support import wait_until

from bladehttp import HttpClient, HttpRequest, HttpResponse, HttpServer

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
