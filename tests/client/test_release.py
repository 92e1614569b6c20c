"""What a request leaves is released at once, and not by the next collection of garbage."""

import asyncio
import gc
import gzip
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

import pytest
from growth import left_by, left_on_loop
from support import run_async

from bladehttp import AsyncHttpClient, HttpClient, HttpResponse

BODY = bytes(300_000)


def kept() -> Counter[str]:
    """Count what has a body, or leads to one."""
    names = {"StreamSink", "ReceivedBody", "Transfer", "ResponseStream", "AsyncResponseStream"}
    kinds = (type(each) for each in gc.get_objects())
    return Counter(
        kind.__name__ for kind in kinds if kind is HttpResponse or kind.__name__ in names
    )


def read(response: HttpResponse) -> None:
    assert response.read() == BODY


def iterate(response: HttpResponse) -> None:
    assert b"".join(response.iter_bytes()) == BODY


def begin(response: HttpResponse) -> None:
    assert next(response.iter_bytes())


def leave(response: HttpResponse) -> None:
    assert response.status == 200


def break_off(response: HttpResponse) -> None:
    begin(response)
    raise ZeroDivisionError


async def aread(response: HttpResponse) -> None:
    assert await response.aread() == BODY


async def aiterate(response: HttpResponse) -> None:
    assert b"".join([each async for each in response.aiter_bytes()]) == BODY


async def abegin(response: HttpResponse) -> None:
    assert await anext(response.aiter_bytes())


async def aleave(response: HttpResponse) -> None:
    leave(response)


async def abreak_off(response: HttpResponse) -> None:
    await abegin(response)
    raise ZeroDivisionError


@pytest.fixture(params=["plain", "gzip", "redirected"])
def url(request: pytest.FixtureRequest, peers: Any, reply: Any) -> str:
    peer = peers(
        reply(gzip.compress(BODY, 1), "200 OK", "Content-Encoding: gzip")
        if request.param == "gzip"
        else reply(BODY)
    )
    if request.param != "redirected":
        return str(peer.url)
    return str(peers(reply(b"there", "302 Found", f"Location: {peer.url}")).url)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("use", [read, iterate, begin, leave, break_off])
def test_a_stream_releases_its_response(
    client: HttpClient, url: str, use: Callable[[HttpResponse], None]
) -> None:
    def once() -> None:
        with suppress(ZeroDivisionError), client.stream(url) as response:
            use(response)

    left = left_by(once, kept)
    del left["StreamSink"]  # without its chunks, of the engine of a stream that was left early
    assert left == {}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("use", [aread, aiterate, abegin, aleave, abreak_off])
def test_a_stream_on_an_event_loop_releases_its_response(
    url: str, use: Callable[[HttpResponse], Awaitable[None]]
) -> None:
    async def once(client: AsyncHttpClient) -> None:
        with suppress(ZeroDivisionError):
            async with client.stream(url) as response:
                await use(response)

    async def main() -> Counter[str]:
        async with AsyncHttpClient() as client:
            return await left_on_loop(partial(once, client), kept)

    assert run_async(main()) == {}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("ordered", [False, True])
def test_a_batch_that_is_left_releases_its_results(
    client: HttpClient, url: str, ordered: bool
) -> None:
    def once() -> None:
        results = client.send_many([url] * 5, ordered=ordered)
        next(results)
        results.close()

    assert left_by(once, kept) == {}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("ordered", [False, True])
def test_a_batch_on_an_event_loop_releases_its_results(url: str, ordered: bool) -> None:
    async def once(client: AsyncHttpClient) -> None:
        async with aclosing(client.send_many([url] * 5, ordered=ordered)) as results:
            await anext(results)
            await asyncio.sleep(0.01)  # others arrive, or are under way

    async def main() -> Counter[str]:
        async with AsyncHttpClient() as client:
            return await left_on_loop(partial(once, client), kept)

    assert run_async(main()) == {}


def test_an_unread_stream_that_is_closed_says_so(client: HttpClient, url: str) -> None:
    async def main() -> None:
        async with AsyncHttpClient() as other:
            async with other.stream(url) as response:
                pass
            for _ in range(2):
                with pytest.raises(ValueError, match="stream is closed"):
                    await response.aread()

    with client.stream(url) as response:
        pass
    for _ in range(2):
        with pytest.raises(ValueError, match="stream is closed"):
            response.read()
    run_async(main())
