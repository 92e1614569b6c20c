"""An exception is released, with its response, as soon as the caller drops it."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from growth import left_by, left_on_loop
from support import run_async

from bladehttp import AsyncHttpClient, HttpClient, HttpException, HttpResponse, TotalTimeout

MANY = 3
"""Requests of a send_many."""


class DataError(HttpException):
    """Raised by the data of a request."""


def kept() -> Counter[str]:
    """Count exceptions and responses."""
    kinds = (type(each) for each in gc.get_objects())
    return Counter(
        kind.__name__ for kind in kinds if issubclass(kind, (HttpException, HttpResponse))
    )


def failing() -> Iterator[bytes]:
    yield b"one"
    raise DataError


async def afailing() -> AsyncIterator[bytes]:
    yield b"one"
    raise DataError


def send(client: HttpClient, url: str, _: Path) -> object:
    return client.get(url)


def send_data(client: HttpClient, url: str, _: Path) -> object:
    return client.post(url, failing())


def stream(client: HttpClient, url: str, _: Path) -> object:
    with client.stream(url) as response:
        return response.read()


def iterate(client: HttpClient, url: str, _: Path) -> object:
    with client.stream(url) as response:
        return [*response.iter_lines()]


def many(client: HttpClient, url: str, _: Path) -> object:
    results = [*client.send_many([url] * MANY)]
    assert [isinstance(each, HttpException) for each in results] == [True] * MANY
    del results[1:]
    raise results.pop()  # type: ignore[misc]


def leave_many(client: HttpClient, url: str, _: Path) -> object:
    results = client.send_many([url] * MANY)
    assert isinstance(next(results), HttpException)
    results.close()
    raise HttpException


def pages(client: HttpClient, url: str, _: Path) -> object:
    return [*client.pages(url)]


def events(client: HttpClient, url: str, _: Path) -> object:
    return [*client.events(url)]


def download(client: HttpClient, url: str, folder: Path) -> object:
    return client.download(url, folder / "file")


async def asend(client: AsyncHttpClient, url: str, _: Path) -> object:
    return await client.get(url)


async def asend_data(client: AsyncHttpClient, url: str, _: Path) -> object:
    return await client.post(url, afailing())


async def astream(client: AsyncHttpClient, url: str, _: Path) -> object:
    async with client.stream(url) as response:
        return await response.aread()


async def aiterate(client: AsyncHttpClient, url: str, _: Path) -> object:
    async with client.stream(url) as response:
        return [each async for each in response.aiter_lines()]


async def amany(client: AsyncHttpClient, url: str, _: Path) -> object:
    async with aclosing(client.send_many([url] * MANY)) as given:
        results = [each async for each in given]
    assert [isinstance(each, HttpException) for each in results] == [True] * MANY
    del results[1:]
    raise results.pop()  # type: ignore[misc]


async def aleave_many(client: AsyncHttpClient, url: str, _: Path) -> object:
    async with aclosing(client.send_many([url] * MANY)) as results:
        assert isinstance(await anext(results), HttpException)
    raise HttpException


async def agiven_many(client: AsyncHttpClient, url: str, _: Path) -> object:
    async def urls() -> AsyncIterator[str]:
        yield url
        raise DataError

    async with aclosing(client.send_many(urls())) as results:
        return [each async for each in results]


async def apages(client: AsyncHttpClient, url: str, _: Path) -> object:
    async with aclosing(client.pages(url)) as given:
        return [each async for each in given]


async def aevents(client: AsyncHttpClient, url: str, _: Path) -> object:
    async with aclosing(client.events(url)) as given:
        return [each async for each in given]


async def adownload(client: AsyncHttpClient, url: str, folder: Path) -> object:
    return await client.download(url, folder / "file")


async def arefuse_auth(client: AsyncHttpClient, url: str, _: Path) -> object:
    async def auth(request: Any) -> AsyncIterator[Any]:
        yield request
        raise DataError

    return await client.get(url, auth=auth)


@pytest.fixture(params=["none", "short", "not decoded", "status", "not followed"])
def url(request: pytest.FixtureRequest, peers: Any, reply: Any) -> str:
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\none"

    def end_early(connection: Any) -> None:
        connection.read_request()
        connection.send(b"" if request.param == "none" else short)

    if request.param in ("none", "short"):
        return str(peers.raw(end_early).url)
    answers = {
        "not decoded": reply(b"no gzip", "200 OK", "Content-Encoding: gzip"),
        "status": reply(b"why", "404 Not Found"),
        "not followed": reply(b"", "302 Found", "Location: ftp://127.0.0.1/"),
    }
    return str(peers(answers[request.param]).url)


def note(*_: object) -> None:
    """Do nothing, as a hook."""


async def anote(*_: object) -> None:
    """Do nothing, as a hook that is awaited."""


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("hooks", [[], [note]], ids=["", "hooks"])
@pytest.mark.parametrize(
    "fail", [send, send_data, stream, iterate, many, leave_many, pages, events, download]
)
def test_an_exception_is_released(
    url: str, fail: Callable[..., object], hooks: list[Any], tmp_path: Path
) -> None:
    def once() -> None:
        try:
            fail(client, url, tmp_path)
        except HttpException:
            return
        raise AssertionError

    with HttpClient(raise_for_status=True) as client:
        client.on_request = client.on_error = hooks
        assert left_by(once, kept) == {}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("hooks", [[], [anote]], ids=["", "hooks"])
@pytest.mark.parametrize(
    "fail",
    [
        *(asend, asend_data, astream, aiterate, amany, aleave_many, agiven_many),
        *(apages, aevents, adownload, arefuse_auth),
    ],
)
def test_an_exception_on_an_event_loop_is_released(
    url: str, fail: Callable[..., Awaitable[object]], hooks: list[Any], tmp_path: Path
) -> None:
    async def once(client: AsyncHttpClient) -> None:
        try:
            await fail(client, url, tmp_path)
        except HttpException:
            return
        raise AssertionError

    async def main() -> Counter[str]:
        async with AsyncHttpClient(raise_for_status=True) as client:
            client.on_request = client.on_response = client.on_error = hooks
            return await left_on_loop(partial(once, client), kept)

    assert run_async(main()) == {}


@pytest.mark.usefixtures("no_collector")
def test_the_exception_of_a_request_without_a_slot_is_released(peers: Any) -> None:
    async def fail(client: AsyncHttpClient, url: str) -> None:
        try:
            await client.get(url, total_timeout=1)
        except TotalTimeout:
            return
        raise AssertionError

    async def main() -> Counter[str]:
        url = peers.raw(lambda connection: connection.read_request() and connection.read_head()).url
        async with AsyncHttpClient(concurrency=1) as client, asyncio.TaskGroup() as group:
            holder = group.create_task(client.get(url))
            await asyncio.sleep(0)
            left = await left_on_loop(partial(fail, client, url), kept)
            holder.cancel()
        return left

    assert run_async(main()) == {}


def test_a_stream_that_has_failed_is_closed_after_its_block(client: HttpClient, peers: Any) -> None:
    peer = peers.once(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\none")
    with pytest.raises(HttpException), client.stream(peer.url) as response:
        response.read()
    with pytest.raises(ValueError, match="stream is closed"):
        response.read()
