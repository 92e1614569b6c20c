"""Places: total_timeout holds while one is waited for, and no host delays requests to another."""

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import run_async

from bladehttp import AsyncHttpClient, HttpServer
from bladehttp.client import HttpClient
from bladehttp.client._config.options import Settings
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.slots import STALL, Slots
from bladehttp.client._request.prepared import prepare_request
from bladehttp.client._request.url import parse_url
from bladehttp.exceptions import ClientClosed, TotalTimeout

pytestmark = pytest.mark.usefixtures("each_loop")

LATE = 10

EARLY = 0.002
"""Seconds: uvloop counts timers in whole milliseconds, from the beginning of a turn of its loop."""
"""Seconds something may be late on a busy machine before a test fails."""


@pytest.fixture
def good() -> Iterator[HttpServer]:
    server = HttpServer(0)
    server.on_receive(lambda request, response: response.write(request.path.encode()))
    with server:
        yield server


@pytest.fixture
def silent(peers: Any) -> str:
    """A host that accepts connections and never answers."""

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.socket.recv(1)

    return str(peers.raw(handle).url)


@pytest.fixture
def unreachable() -> Iterator[str]:
    """A host that does not accept connections: its backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - a thread cannot set an asyncio.Event
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"concurrency": 3}, "concurrency (3) requests are under way"),
        ({"max_host_connections": 3}, "max_host_connections (3) are in use"),
    ],
)
@pytest.mark.parametrize("way", ["get", "stream", "download"])
def test_total_timeout_holds_while_a_place_is_waited_for(
    silent: str, peers: Any, properties: dict[str, Any], named: str, way: str, tmp_path: Any
) -> None:
    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        connection.socket.recv(1)

    peer = peers.raw(handle)

    async def ask(client: AsyncHttpClient) -> None:
        if way == "get":
            await client.get(peer.url, total_timeout=200)
        elif way == "stream":
            async with client.stream(peer.url, total_timeout=200):
                pass
        else:
            await client.download(peer.url, tmp_path / "file", total_timeout=200)

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(AsyncHttpClient(**properties))
            for _ in range(3):
                await stack.enter_async_context(client.stream(peer.url))
            began = time.monotonic()
            with pytest.raises(TotalTimeout) as caught:
                await ask(client)
            assert 0.2 - EARLY <= time.monotonic() - began < 0.2 + LATE
            assert named in str(caught.value)
            assert (caught.value.url, caught.value.request.method) == (peer.url + "/", "GET")

    run_async(main())


def test_handlers_that_wait_for_each_other_end_with_their_clocks(silent: str, peers: Any) -> None:
    """Each holds a stream open while it posts it: with as many as there are places all wait."""

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        connection.socket.recv(1)

    peer = peers.raw(handle)

    async def main() -> None:
        async with AsyncHttpClient(peer.url, concurrency=2) as client:
            opened = asyncio.Barrier(2)

            async def forward() -> None:
                async with client.stream("/") as response:
                    await opened.wait()
                    await client.put("/", response.aiter_bytes(), total_timeout=200)

            results = await asyncio.gather(forward(), forward(), return_exceptions=True)
            assert [type(each) for each in results] == [TotalTimeout] * 2

    run_async(main())


def test_requests_that_stop_waiting_leave_no_hole(good: HttpServer, silent: str) -> None:
    async def main() -> None:
        async with AsyncHttpClient(concurrency=2) as client:
            held = [asyncio.create_task(client.get(silent)) for _ in range(2)]
            await asyncio.sleep(0.02)
            tasks = [asyncio.create_task(client.get(silent)) for _ in range(20)]
            await asyncio.sleep(0.02)
            for task in tasks[::2]:
                task.cancel()
            held[0].cancel()  # one of those that wait gets its place, and is cancelled with it
            for task in tasks:
                task.cancel()
            held[1].cancel()
            done = await asyncio.gather(*held, *tasks, return_exceptions=True)
            assert {type(each) for each in done} == {asyncio.CancelledError}
            urls = [f"{good.url}/{number}" for number in range(20)]
            answers = await asyncio.gather(*(client.get(url) for url in urls))
            assert [each.text for each in answers] == [f"/{number}" for number in range(20)]

    run_async(main())


def test_closing_ends_those_that_wait(silent: str) -> None:
    async def main() -> None:
        client = AsyncHttpClient(concurrency=1)
        tasks = [asyncio.create_task(client.get(silent)) for _ in range(5)]
        await asyncio.sleep(0.02)
        await client.close()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(each) for each in done} == {ClientClosed}

    run_async(main())


@pytest.fixture(params=["silent", "unreachable"])
def dead(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


LIMITS = pytest.mark.parametrize("limit", [None, 2], ids=["no host limit", "a host limit"])
ORDERS = pytest.mark.parametrize("order", ["dead first", "mixed"])


def urls_of(good: HttpServer, dead: str, order: str) -> list[str]:
    urls = [dead] * 50 + [f"{good.url}/{number}" for number in range(50)]
    if order == "mixed":
        random.Random(1).shuffle(urls)
    return urls


@LIMITS
@ORDERS
def test_a_dead_host_delays_no_request_to_another(
    good: HttpServer, dead: str, limit: int | None, order: str
) -> None:
    async def main() -> None:
        async with AsyncHttpClient(concurrency=10, max_host_connections=limit) as client:
            urls = urls_of(good, dead, order)
            began = time.monotonic()
            tasks = {asyncio.create_task(client.get(url)): url for url in urls}
            answered = [task for task, url in tasks.items() if url != dead]
            await asyncio.wait(answered, timeout=30)
            assert time.monotonic() - began < LATE
            assert {task.result().status for task in answered} == {200}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    run_async(main())


@LIMITS
@ORDERS
def test_nor_in_an_asynchronous_send_many(
    good: HttpServer, dead: str, limit: int | None, order: str
) -> None:
    async def main() -> None:
        async with AsyncHttpClient(max_host_connections=limit) as client:
            results = client.send_many(urls_of(good, dead, order), 10)
            began = time.monotonic()
            statuses = [(await anext(results)).status for _ in range(50)]  # type: ignore[union-attr]
            assert time.monotonic() - began < LATE
            assert statuses == [200] * 50
            await results.aclose()  # type: ignore[attr-defined]

    run_async(main())


@LIMITS
@ORDERS
def test_nor_in_send_many(
    client: HttpClient, good: HttpServer, dead: str, limit: int | None, order: str
) -> None:
    client.max_host_connections = limit
    results = client.send_many(urls_of(good, dead, order), 10)
    began = time.monotonic()
    assert [next(results).status for _ in range(50)] == [200] * 50  # type: ignore[union-attr]
    assert time.monotonic() - began < LATE
    results.close()  # type: ignore[attr-defined]


def test_requests_taken_ahead_have_their_whole_time_from_their_start(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    pause = threading.Event()
    peer = peers(lambda _: (pause.wait(0.15), reply(b"ok"))[1])
    client.total_timeout = 600
    results = list(client.send_many([peer.url] * 8, 1))
    assert [getattr(each, "body", each) for each in results] == [b"ok"] * 8


def test_one_host_has_as_many_as_there_are_places_and_no_more(peers: Any, reply: Any) -> None:
    now = most = 0
    lock = threading.Lock()

    def respond(_: Any) -> bytes:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return reply(b"ok")

    peer = peers(respond)

    async def main() -> None:
        async with AsyncHttpClient(concurrency=5) as client:
            answers = await asyncio.gather(*(client.get(peer.url) for _ in range(50)))
            assert {each.status for each in answers} == {200}

    run_async(main())
    assert most == 5


def exchange_to(host: int, limit: int | None) -> Exchange:
    settings = Settings().changed({"max_host_connections": limit})
    return Exchange(prepare_request("GET", parse_url(f"http://h{host}/"), [], None, settings))


@pytest.mark.parametrize("seed", range(20))
def test_places_are_given_and_taken_back(seed: int) -> None:
    chance = random.Random(seed)
    most, now = chance.randint(1, 6), 0.0
    slots = Slots(most, lambda exchange: exchange.request.settings.max_host_connections)
    limits = {host: chance.choice([None, None, 1, 2]) for host in range(4)}
    inside: list[Exchange] = []
    outside: list[Exchange] = []
    for _ in range(400):
        now += chance.choice([0.0, 0.001, STALL])
        host = chance.randrange(4)
        action = chance.choice(["enter", "enter", "leave", "give up", "admit"])
        if action == "enter":
            exchange = exchange_to(host, limits[host])
            (inside if slots.enter(exchange, now) else outside).append(exchange)
        elif action == "leave" and inside:
            slots.leave([inside.pop(chance.randrange(len(inside)))], now)
        elif action == "give up" and outside:
            slots.leave([outside.pop(chance.randrange(len(outside)))], now)
        for exchange in slots.admit(now):
            outside.remove(exchange)
            inside.append(exchange)
        held = [each.request.url.origin for each in inside]
        assert slots.taken == len(inside) <= 2 * most
        for number, limit in limits.items():
            count = held.count(("http", f"h{number}", 80))
            assert count <= min(most, limit or most)
        assert bool(slots.queue) == bool(outside)
    for exchange in [*outside, *inside]:
        slots.leave([exchange], now)
    assert (slots.taken, bool(slots.queue), slots._hosts) == (0, False, {})
