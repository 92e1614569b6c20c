"""send_many fed from its own results: None is no request now, and ends nothing too early."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import run_async

from bladehttp import AsyncHttpClient, HttpServer
from bladehttp.client import HttpClient


@pytest.fixture
def tree() -> Iterator[str]:
    """A server whose pages name two pages below them, four levels deep."""
    server = HttpServer(0)

    @server.on_receive
    def page(request: Any, response: Any) -> None:
        names = [request.path.rstrip("/") + "/" + name for name in "ab"]
        response.json(names if len(names[0]) <= 8 else [])

    with server:
        yield server.url


PAGES = 31

Crawl = Callable[..., tuple[list[str], int]]


def plain(start: str, **options: Any) -> tuple[list[str], int]:
    queue, found, asked = deque(["/"]), [], 0

    def requests() -> Iterator[str | None]:
        nonlocal asked
        while True:
            asked += 1
            yield queue.popleft() if queue else None

    with HttpClient(start) as client:
        for result in client.send_many(requests(), **options):
            assert not isinstance(result, Exception), result
            found.append(result.request.given)  # type: ignore[union-attr]
            queue.extend(result.json())
    return found, asked


def awaited(
    start: str, pause: Callable[[], Any] | None = None, **options: Any
) -> tuple[list[str], int]:
    queue, found, asked = deque(["/"]), [], 0

    async def requests() -> Any:
        nonlocal asked
        while True:
            asked += 1
            yield queue.popleft() if queue else None

    async def main() -> None:
        async with AsyncHttpClient(start) as client:
            async for result in client.send_many(requests(), **options):
                assert not isinstance(result, Exception), result
                found.append(result.request.given)
                if pause is not None:
                    await pause()
                queue.extend(result.json())

    run_async(main())
    return found, asked


@pytest.mark.parametrize("crawl", [plain, awaited])
@pytest.mark.parametrize("concurrency", [1, 2, 100])
@pytest.mark.parametrize("ordered", [False, True])
def test_results_lead_to_requests(tree: str, crawl: Crawl, concurrency: int, ordered: bool) -> None:
    found, asked = crawl(tree, concurrency=concurrency, ordered=ordered)
    assert len(found) == len(set(found)) == PAGES
    assert asked <= 3 * PAGES + 1


@pytest.mark.parametrize("concurrency", [1, 2, 100])
def test_a_caller_that_takes_its_time_is_waited_for(tree: str, concurrency: int) -> None:
    found, _ = awaited(tree, pause=lambda: asyncio.sleep(0.005), concurrency=concurrency)
    assert len(found) == PAGES


@pytest.mark.usefixtures("no_collector")
def test_waiting_costs_nothing() -> None:
    server, asked = HttpServer(0), 0
    server.handle("GET", "/", lambda request, response: time.sleep(0.5), offload=True)

    def requests() -> Iterator[str | None]:
        nonlocal asked
        yield server.url
        while True:
            asked += 1
            yield None

    with server, HttpClient() as client:
        before = time.thread_time()
        results = list(client.send_many(requests()))
        spent = time.thread_time() - before
    assert (len(results), asked) == (1, 2)
    assert spent < 0.25


async def drained(requests: Any, note: Callable[[Any], None]) -> None:
    async with AsyncHttpClient() as client:
        async for result in client.send_many(requests):
            note(result)


@pytest.mark.parametrize("crawl", [plain, awaited])
def test_an_error_is_a_result_that_may_lead_to_requests(crawl: Crawl) -> None:
    queue: deque[str] = deque(["no url"])
    results: list[Any] = []

    def requests() -> Iterator[str | None]:
        while True:
            yield queue.popleft() if queue else None

    def note(result: Any) -> None:
        results.append(type(result).__name__)
        if len(results) < 3:
            queue.append("http://127.0.0.1:1/")

    if crawl is awaited:
        run_async(drained(requests(), note))
    else:
        with HttpClient() as client:
            for result in client.send_many(requests()):
                note(result)
    assert results == ["InvalidUrl", "ConnectError", "ConnectError"]


def test_none_alone_is_the_end() -> None:
    async def main() -> list[Any]:
        async with AsyncHttpClient() as client:
            return [each async for each in client.send_many(iter([None, "x"]))]

    with HttpClient() as client:
        assert list(client.send_many(iter([None, "x"]))) == []
    assert run_async(main()) == []


def test_requests_that_end_while_others_run(tree: str) -> None:
    with HttpClient(tree) as client:
        assert len(list(client.send_many(["/", "/a", None, "/b"]))) == 3
        assert len(list(client.send_many(["/", None, None, "/b"]))) == 1
