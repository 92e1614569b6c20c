"""on_request is followed by exactly one other hook, however a request ends: spans are closed."""

import asyncio
import logging
import pathlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import run_async, wait_until

from bladehttp import AsyncHttpClient, Retry
from bladehttp.client import HttpClient
from bladehttp.client._exchange.hooks import NAMES
from bladehttp.exceptions import ClientClosed, ReceiveTimeout

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"


class Spans:
    """What hooks were told, by request."""

    def __init__(self) -> None:
        self.open: Counter[int] = Counter()
        self.ends: list[str] = []
        self.kept: list[Any] = []

    def follow(self, client: Any) -> None:
        client.on_request.append(self._begin)
        for name in NAMES:
            if name != "on_request":
                getattr(client, name).append(self._ended(name))

    def _begin(self, request: Any) -> None:
        self.kept.append(request)  # so that no other has its id
        self.open[id(request)] += 1

    def _ended(self, name: str) -> Callable[..., None]:
        def end(request: Any, *rest: Any) -> None:
            self.open[id(request)] -= 1
            assert self.open[id(request)] == 0
            what = type(rest[0]).__name__
            self.ends.append(what if name == "on_error" else name)

        return end

    def close(self) -> Counter[str]:
        assert set(self.open.values()) <= {0}
        return Counter(self.ends)


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def slow(peers: Any) -> Iterator[Any]:
    """A peer that sends nothing, or half a response under /half, a whole one under /ok."""

    def handle(connection: Any) -> None:
        while True:
            request = connection.read_request()
            peer.requests.append(request)
            if request.target == "/ok":
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                continue
            if request.target == "/half":
                connection.send(HEAD)
            connection.socket.recv(1)
            return

    peer = peers.raw(handle)
    return peer


def press_when(condition: Callable[[], bool]) -> threading.Thread:
    def press() -> None:
        wait_until(condition)
        time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def stream(client: HttpClient, url: str) -> None:
    with client.stream(url):
        pass


@pytest.mark.parametrize(
    "send",
    [
        lambda client, url, _: client.get(url),
        lambda client, url, _: stream(client, url),
        lambda client, url, _: list(client.send_many([url])),
        lambda client, url, path: client.download(url, path / "file"),
    ],
    ids=["get", "stream", "send_many", "download"],
)
def test_ctrl_c(
    client: HttpClient, slow: Any, spans: Spans, send: Any, tmp_path: pathlib.Path
) -> None:
    spans.follow(client)
    thread = press_when(lambda: bool(slow.requests))
    with pytest.raises(KeyboardInterrupt):
        send(client, slow.url, tmp_path)
    thread.join()
    assert spans.close() == {"KeyboardInterrupt": 1}


def test_a_stream_that_is_left_early_was_answered(
    client: HttpClient, slow: Any, spans: Spans
) -> None:
    spans.follow(client)
    with client.stream(slow.url + "/half") as response:
        assert response.status == 200
    with pytest.raises(ReceiveTimeout), client.stream(slow.url, receive_timeout=20):
        pass
    assert spans.close() == {"on_response": 1, "ReceiveTimeout": 1}


def test_send_many_that_is_left_early(client: HttpClient, slow: Any, spans: Spans) -> None:
    spans.follow(client)
    results = client.send_many([slow.url + "/ok", *[slow.url] * 9], 3)
    assert next(results).status == 200  # type: ignore[union-attr]
    results.close()  # type: ignore[attr-defined]
    ends = spans.close()
    assert ends.pop("on_response") == 1
    assert set(ends) == {"GeneratorExit"}


def test_send_many_whose_requests_raise(client: HttpClient, slow: Any, spans: Spans) -> None:
    def requests() -> Iterator[str]:
        yield slow.url
        yield slow.url
        raise ZeroDivisionError

    spans.follow(client)
    with pytest.raises(ZeroDivisionError):
        list(client.send_many(requests()))
    assert spans.close() == {"ZeroDivisionError": 2}


def test_a_hook_that_raises(client: HttpClient, peers: Any, spans: Spans) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    spans.follow(client)
    client.on_request.append(fail)
    with pytest.raises(ZeroDivisionError):
        client.get(peers().url)
    assert spans.close() == {"ZeroDivisionError": 1}


def test_what_on_error_raises_does_not_hide_a_ctrl_c(
    client: HttpClient, slow: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    client.on_error = [fail]
    thread = press_when(lambda: bool(slow.requests))
    with caplog.at_level(logging.ERROR), pytest.raises(KeyboardInterrupt):
        client.get(slow.url)
    thread.join()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [
        ZeroDivisionError
    ]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - a thread cannot set an asyncio.Event
        await asyncio.sleep(0.001)


async def get(client: AsyncHttpClient, url: str) -> None:
    await client.get(url)


async def astream(client: AsyncHttpClient, url: str) -> None:
    async with client.stream(url):
        pass


async def many(client: AsyncHttpClient, url: str) -> None:
    async for result in client.send_many([url]):
        if isinstance(result, Exception):
            raise result


SENDING = pytest.mark.parametrize("send", [get, astream, many])


async def fail_beside(task: "asyncio.Task[None]") -> None:
    """Have a task group end a task because another of its tasks fails."""

    async def fail() -> None:
        raise ZeroDivisionError

    async def wait() -> None:
        await task

    async with asyncio.TaskGroup() as group:
        group.create_task(fail())
        group.create_task(wait())


async def cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()


async def time_out(task: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(0.01):
        await task


@SENDING
@pytest.mark.parametrize("end", [cancel, time_out, fail_beside])
@pytest.mark.usefixtures("each_loop")
def test_an_asynchronous_request_that_is_cancelled(
    slow: Any, spans: Spans, send: Any, end: Any
) -> None:
    async def main() -> None:
        async with AsyncHttpClient() as client:
            spans.follow(client)
            task = asyncio.create_task(send(client, slow.url))
            await until(lambda: bool(slow.requests))
            await asyncio.gather(end(task), return_exceptions=True)
            await asyncio.wait([task])
            assert task.cancelled()
            assert (await client.get(slow.url + "/ok")).status == 200

    run_async(main())
    assert spans.close() == {"CancelledError": 1, "on_response": 1}


@SENDING
@pytest.mark.usefixtures("each_loop")
def test_an_asynchronous_request_whose_client_is_closed(slow: Any, spans: Spans, send: Any) -> None:
    async def main() -> None:
        client = AsyncHttpClient()
        spans.follow(client)
        task = asyncio.create_task(send(client, slow.url))
        await until(lambda: bool(slow.requests))
        await client.close()
        await asyncio.wait([task])
        assert isinstance(task.exception(), ClientClosed)

    run_async(main())
    assert spans.close() == {"ClientClosed": 1}


@pytest.mark.usefixtures("each_loop")
def test_an_asynchronous_stream_that_is_left_early_was_answered(slow: Any, spans: Spans) -> None:
    async def main() -> None:
        async with AsyncHttpClient() as client:
            spans.follow(client)
            async with client.stream(slow.url + "/half") as response:
                assert response.status == 200
            async with client.stream(slow.url + "/half") as response:
                await client.close()

    run_async(main())
    assert spans.close() == {"on_response": 2}


@pytest.mark.usefixtures("each_loop")
def test_an_asynchronous_send_many_that_is_left_early(slow: Any, spans: Spans) -> None:
    async def main() -> None:
        async with AsyncHttpClient() as client:
            spans.follow(client)
            results = client.send_many([slow.url + "/ok", *[slow.url] * 9], 3)
            assert (await anext(results)).status == 200  # type: ignore[union-attr]
            await results.aclose()  # type: ignore[attr-defined]

    run_async(main())
    ends = spans.close()
    assert ends.pop("on_response") == 1
    assert set(ends) <= {"GeneratorExit"}


@pytest.mark.usefixtures("each_loop")
def test_a_hook_that_closes_its_own_client(slow: Any, spans: Spans) -> None:
    async def main() -> None:
        client = AsyncHttpClient(retry=Retry(backoff=0))
        spans.follow(client)
        other = asyncio.create_task(client.get(slow.url))
        await until(lambda: bool(slow.requests))

        def close(*_: object) -> None:
            with pytest.raises(StopIteration):
                client.close().send(None)

        client.on_response.append(close)
        with pytest.raises(ClientClosed):
            await client.get(slow.url + "/ok")
        with pytest.raises(ClientClosed):
            await other

    run_async(main())
    assert spans.close() == {"on_response": 1, "ClientClosed": 1}
