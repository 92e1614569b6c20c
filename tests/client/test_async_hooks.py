"""Hooks that are coroutine functions: awaited in order on asyncio, refused by a plain client."""

import asyncio
import gc
import gzip
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest
from support import run_async

from bladehttp import AsyncHttpClient, Retry
from bladehttp.client import HttpClient
from bladehttp.client._exchange.hooks import NAMES
from bladehttp.exceptions import ClientClosed, ReceiveTimeout, TotalTimeout

LATE = 5

EARLY = 0.002
"""Seconds: uvloop counts timers in whole milliseconds, from the beginning of a turn of its loop."""
"""Seconds a clock may be late on a busy machine; a hook that is waited for takes 10."""

on_each_loop = pytest.mark.usefixtures("each_loop")
number: ContextVar[int] = ContextVar("number", default=0)


@pytest.fixture
def busy(peers: Any, reply: Any) -> Any:
    """A peer that redirects /from, says once that it is busy, and never answers /silent."""
    over = threading.Event()

    def respond(request: Any) -> bytes:
        if request.target == "/silent":
            over.wait(10)
            return b""
        if request.target == "/from":
            return reply(b"", "302 There", "Location: /to")
        tries = [each.target for each in peer.requests].count(request.target)
        return reply(b"", "503 Busy") if tries < 2 else reply(b"ok")

    peer = peers(respond)
    yield peer
    over.set()


@pytest.fixture
def told() -> list[str]:
    return []


def follow(client: AsyncHttpClient, told: list[str]) -> None:
    """Have every hook note that it began and that it ended, a plain one after it."""

    def note(name: str) -> Any:
        async def hook(request: Any, *_: Any) -> None:
            told.append(name)
            await asyncio.sleep(0.001)
            told.append(f"{name} is over")

        return hook

    for name in NAMES:
        getattr(client, name).append(note(name))
        getattr(client, name).append(lambda *_, name=name: told.append(f"after {name}"))


async def until(condition: Callable[[], object]) -> None:
    """Return when a condition holds that no asyncio.Event is set for; pytest-timeout is the end."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def steps(*names: str) -> list[str]:
    return [text for name in names for text in (name, f"{name} is over", f"after {name}")]


async def get(client: AsyncHttpClient, url: str, **options: Any) -> Any:
    return await client.get(url, **options)


async def stream(client: AsyncHttpClient, url: str, **options: Any) -> Any:
    async with client.stream(url, **options) as response:
        await response.aread()
        return response


async def many(client: AsyncHttpClient, url: str, **options: Any) -> Any:
    (result,) = [each async for each in client.send_many([{"url": url, **options}])]
    if isinstance(result, Exception):
        raise result
    return result


SENDING = pytest.mark.parametrize("send", [get, stream, many])


@on_each_loop
@SENDING
def test_they_are_awaited_in_order(busy: Any, told: list[str], send: Any) -> None:
    async def main() -> None:
        async with AsyncHttpClient(busy.url, retry=Retry(backoff=0)) as client:
            follow(client, told)
            assert (await send(client, "/from")).status == 200

    run_async(main())
    assert told == steps(
        "on_request", "on_redirect", "on_request", "on_retry", "on_request", "on_response"
    )


@on_each_loop
@SENDING
def test_an_error_is_awaited_too(busy: Any, told: list[str], send: Any) -> None:
    async def main() -> None:
        async with AsyncHttpClient(busy.url) as client:
            follow(client, told)
            with pytest.raises(ReceiveTimeout):
                await send(client, "/silent", receive_timeout=30)

    run_async(main())
    assert told == steps("on_request", "on_error")


@on_each_loop
@SENDING
def test_what_they_change_is_sent(peers: Any, send: Any) -> None:
    peer = peers()

    async def sign(request: Any) -> None:
        await asyncio.sleep(0.001)
        request.headers["X-Signature"] = "1"

    async def main() -> None:
        async with AsyncHttpClient(on_request=[sign]) as client:
            await send(client, peer.url)

    run_async(main())
    assert peer.last.get("X-Signature") == "1"


@on_each_loop
@SENDING
@pytest.mark.parametrize("name", ["on_request", "on_response"])
def test_what_they_raise_is_raised(peers: Any, told: list[str], send: Any, name: str) -> None:
    peer = peers()

    async def fail(*_: Any) -> None:
        await asyncio.sleep(0.001)
        raise ZeroDivisionError

    async def main() -> None:
        async with AsyncHttpClient() as client:
            client.on_error.append(lambda _, error: told.append(type(error).__name__))
            getattr(client, name).append(fail)
            with pytest.raises(ZeroDivisionError):
                await send(client, peer.url)
            getattr(client, name).clear()
            assert (await send(client, peer.url)).status == 200

    run_async(main())
    assert told == (["ZeroDivisionError"] if name == "on_request" else [])


@on_each_loop
@SENDING
@pytest.mark.parametrize("at", ["the server", "a hook"])
def test_a_cancelled_request_ends_with_on_error(
    busy: Any, told: list[str], send: Any, at: str
) -> None:
    async def main() -> None:
        async with AsyncHttpClient(busy.url) as client:
            follow(client, told)
            if at == "a hook":
                client.on_request.append(lambda _: asyncio.sleep(10))
            task = asyncio.create_task(send(client, "/silent"))
            await until(lambda: busy.requests or (at == "a hook" and "after on_request" in told))
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    run_async(main())
    assert told == steps("on_request", "on_error")


@on_each_loop
@pytest.mark.parametrize("turns", range(6))
def test_one_that_is_cancelled_again_and_again_does_too(
    peers: Any, told: list[str], turns: int
) -> None:
    """As a cancel scope of anyio does, until the task has left it."""
    peer = peers()

    async def main() -> None:
        async with AsyncHttpClient(peer.url) as client:
            follow(client, told)
            client.on_request.append(lambda _: asyncio.sleep(10))
            task = asyncio.create_task(client.get("/"))
            for _ in range(turns):
                await asyncio.sleep(0)
            while not task.done():
                task.cancel()
                await asyncio.sleep(0)
            assert task.cancelled()
            await until(lambda: not told or told[-1] == "after on_error")

    run_async(main())
    gc.collect()  # a coroutine that is never awaited would warn
    assert told.count("on_error") == told.count("after on_error") == (1 if told else 0)


@on_each_loop
def test_closing_ends_a_request_whose_hook_is_awaited(busy: Any, told: list[str]) -> None:
    async def main() -> None:
        client = AsyncHttpClient(busy.url)
        follow(client, told)
        client.on_request.append(lambda _: asyncio.sleep(10))
        task = asyncio.create_task(client.get("/silent"))
        await until(lambda: "after on_request" in told)
        await client.close()
        with pytest.raises(ClientClosed):
            await task

    run_async(main())
    assert told == steps("on_request", "on_error")


@on_each_loop
def test_total_timeout_holds_while_a_hook_is_awaited(peers: Any) -> None:
    peer = peers()

    async def main() -> None:
        async with AsyncHttpClient(total_timeout=100) as client:
            client.on_request.append(lambda _: asyncio.sleep(10))
            began = time.monotonic()
            with pytest.raises(TotalTimeout, match="waiting for a hook"):
                await client.get(peer.url)
            assert 0.1 - EARLY <= time.monotonic() - began < 0.1 + LATE

    run_async(main())
    assert peer.requests == []


@on_each_loop
def test_they_see_the_context_of_their_request(peers: Any, told: list[Any]) -> None:
    peer = peers()

    async def note(*_: Any) -> None:
        await asyncio.sleep(0.001)
        told.append(number.get())

    async def main() -> None:
        async with AsyncHttpClient(on_request=[note], on_response=[note]) as client:

            async def send(value: int) -> None:
                number.set(value)
                await client.get(peer.url)

            await asyncio.gather(send(1), send(2))

    run_async(main())
    assert sorted(told) == [1, 1, 2, 2]


class Awaited:
    async def __call__(self, *_: Any) -> None:
        """Do nothing."""


async def hook(*_: Any) -> None:
    """Do nothing."""


@pytest.mark.parametrize("given", [hook, partial(hook, 1), Awaited()])
@pytest.mark.parametrize("name", NAMES)
def test_a_plain_client_refuses_them_at_once(client: HttpClient, given: Any, name: str) -> None:
    with pytest.raises(TypeError, match="plain functions"):
        HttpClient(**{name: [given]})
    with pytest.raises(TypeError, match="plain functions"):
        setattr(client, name, [given])


@pytest.mark.parametrize("way", ["get", "send_many"])
def test_and_does_not_take_one_for_called(client: HttpClient, peers: Any, way: str) -> None:
    client.on_request.append(hook)
    peer = peers()
    if way == "get":
        with pytest.raises(TypeError, match="plain functions"):
            client.get(peer.url)
    else:
        assert [type(each) for each in client.send_many([peer.url])] == [TypeError]
    assert peer.requests == []


def pieces() -> Iterator[bytes]:
    yield from (bytes(1 << 16) for _ in range(32))


@pytest.mark.parametrize("way", ["open", "read", "whole"])
def test_a_response_is_passed_on(client: HttpClient, peers: Any, reply: Any, way: str) -> None:
    origin, target = peers(reply(b"".join(pieces()))), peers()
    with client.stream(origin.url) as response:
        if way == "read":
            response.read()
        given = client.get(origin.url) if way == "whole" else response
        client.post(target.url, given)
    assert target.last.body == b"".join(pieces())


@on_each_loop
@pytest.mark.parametrize("way", ["open", "read", "whole"])
def test_a_response_is_passed_on_by_asyncio(peers: Any, reply: Any, way: str) -> None:
    origin, target = peers(reply(b"".join(pieces()))), peers()

    async def main() -> None:
        async with AsyncHttpClient() as client, client.stream(origin.url) as response:
            if way == "read":
                await response.aread()
            given = await client.get(origin.url) if way == "whole" else response
            await client.put(target.url, given)

    run_async(main())
    assert target.last.body == b"".join(pieces())
    assert (target.last.get("Transfer-Encoding") == "chunked") == (way == "open")


class Crowded:
    """Requests of every kind, ended in every way at any moment; hooks note what is owed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.owed: dict[int, int] = {}
        self.kept: list[Any] = []

    def follow(self, client: AsyncHttpClient) -> None:
        client.on_request = [self.noting(1)]
        for name in NAMES[1:]:
            setattr(client, name, [self.noting(-1)])

    def noting(self, change: int) -> Any:
        def plain(request: Any, *_: Any) -> None:
            self.kept.append(request)
            self.owed[id(request)] = self.owed.get(id(request), 0) + change

        async def awaited(request: Any, *_: Any) -> None:
            plain(request)
            await asyncio.sleep(self.chance.random() * 0.002)

        return self.chance.choice([plain, awaited])

    async def send(self, client: AsyncHttpClient) -> None:
        path = self.chance.choice(["/ok", "/silent", "/coded", "/302", "/503"])
        kind = self.chance.choice(["get", "stream", "many"])
        if kind == "get":
            await client.get(path)
        elif kind == "stream":
            async with client.stream(path) as response:
                await anext(response.aiter_bytes(), b"")
        else:
            async for _ in client.send_many([path] * 3, 2):
                if self.chance.random() < 0.2:
                    break

    async def guarded(self, client: AsyncHttpClient) -> None:
        with suppress(Exception):
            async with asyncio.timeout(self.chance.choice([0, 0.001, 0.005, 0.02, 0.1])):
                await self.send(client)


@on_each_loop
@pytest.mark.parametrize("seed", range(3))
def test_whatever_ends_requests_nothing_is_owed_or_held(peers: Any, reply: Any, seed: int) -> None:
    answers = {
        "/ok": reply(b"ok"),
        "/coded": reply(gzip.compress(bytes(1 << 21)), "200 OK", "Content-Encoding: gzip"),
        "/302": reply(b"", "302 There", "Location: /ok"),
        "/503": reply(b"", "503 Busy", "Retry-After: 0"),
    }

    def handle(connection: Any) -> None:
        while (answer := answers.get(connection.read_request().target)) is not None:
            connection.send(answer)
        connection.socket.recv(1)

    peer, crowded = peers.raw(handle), Crowded(seed)

    async def main() -> None:
        options = {"concurrency": 5, "retry": Retry(2, backoff=1)}
        async with AsyncHttpClient(peer.url, **options) as client:
            crowded.follow(client)
            tasks = {asyncio.create_task(crowded.guarded(client)) for _ in range(150)}
            while tasks:
                _, tasks = await asyncio.wait(tasks, timeout=0.005)
                for task in tasks:
                    if crowded.chance.random() < 0.02:
                        task.cancel()
            answered = await asyncio.gather(*(client.get("/ok") for _ in range(10)))
            assert [each.body for each in answered] == [b"ok"] * 10
            assert client._driver is not None
            assert client._driver._slots.slots.taken == 0

    run_async(main())
    gc.collect()  # a coroutine that is never awaited would warn
    assert set(crowded.owed.values()) == {0}
