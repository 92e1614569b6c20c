"""AsyncHttpClient: the same requests, awaited; cancelled, bounded, closed."""

import asyncio
import copy
import gc
import io
import itertools
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import pytest
from support import Loops, nothing_left, run_async, wait_until

import bladehttp
from bladehttp import AsyncHttpClient, HttpServer, Retry
from bladehttp.client import HttpClient
from bladehttp.exceptions import (
    ClientClosed,
    ConnectError,
    IncompleteBody,
    ReceiveTimeout,
    TotalTimeout,
)

pytestmark = pytest.mark.usefixtures("each_loop")

LATE = 2

EARLY = 0.002
"""Seconds: uvloop counts timers in whole milliseconds, from the beginning of a turn of its loop."""
"""Seconds a clock may be late on a busy machine before a test fails."""


def run(make: Callable[[AsyncHttpClient], Awaitable[Any]], **properties: Any) -> Any:
    """Run something with a client on a loop of its own."""

    async def main() -> Any:
        async with AsyncHttpClient(**properties) as client:
            return await make(client)

    return run_async(main())


async def until(condition: Callable[[], bool]) -> None:
    """Return when a condition of another thread's holds, the loop going on."""
    while not condition():  # noqa: ASYNC110 - a thread cannot set an asyncio.Event
        await asyncio.sleep(0.001)


@pytest.fixture
def echo() -> Iterator[HttpServer]:
    server = HttpServer(0)

    def receive(request: Any, response: Any) -> None:
        response.headers["X-Method"] = request.method
        response.write(request.path.encode() + request.raw_body)

    server.on_receive(receive)
    with server:
        yield server


@pytest.fixture
def silent(peers: Any) -> Any:
    """A peer that answers /ok and lets everything else wait."""

    def handle(connection: Any) -> None:
        while True:
            request = connection.read_request()
            peer.requests.append(request)
            if request.target != "/ok":
                connection.socket.recv(1)
                return
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    peer = peers.raw(handle)
    return peer


def test_it_has_the_verbs_and_properties_of_the_other() -> None:
    assert public(AsyncHttpClient) == public(HttpClient) | {"aclose"}


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "head", "options"])
def test_every_verb(echo: HttpServer, verb: str) -> None:
    async def main(client: AsyncHttpClient) -> Any:
        if verb in ("post", "put", "patch"):
            return await getattr(client, verb)("/a", "-data")
        return await getattr(client, verb)("/a")

    response = run(main, base_url=echo.url)
    assert response.headers["X-Method"] == verb.upper()
    body = "/a-data" if verb in ("post", "put", "patch") else "/a"
    assert response.text == ("" if verb == "head" else body)


def test_trace(peers: Any) -> None:
    peer = peers()
    run(lambda client: client.trace(peer.url))
    assert peer.last.method == "TRACE"


def test_many_at_once_do_not_disturb_each_other(echo: HttpServer) -> None:
    opened: list[int] = []
    echo.on_connect(lambda *_: opened.append(1))

    async def main(client: AsyncHttpClient) -> Any:
        return await asyncio.gather(
            *(client.put(f"/{number}", f"-{number}") for number in range(300))
        )

    results = run(main, base_url=echo.url, concurrency=10)
    assert [each.text for each in results] == [f"/{n}-{n}" for n in range(300)]
    assert len(opened) <= 10


def test_errors_are_raised(peers: Any, silent: Any) -> None:
    bad = peers.once(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")

    async def main(client: AsyncHttpClient) -> None:
        with pytest.raises(IncompleteBody) as caught:
            await client.get(bad.url)
        assert caught.value.partial == b"short"
        with pytest.raises(TypeError):
            await client.get(bad.url, recieve_timeout=1)
        started = time.monotonic()
        with pytest.raises(ReceiveTimeout):
            await client.get(silent.url, receive_timeout=100)
        assert 0.1 - EARLY <= time.monotonic() - started < 0.1 + LATE
        with pytest.raises(TotalTimeout):
            await client.get(silent.url, total_timeout=100)
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            with pytest.raises(ConnectError):
                await client.get(f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        assert (await client.get(silent.url + "/ok")).text == "ok"

    run(main)


def test_redirects_retries_and_hooks(peers: Any, reply: Any) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target == "/from":
            return reply(b"", "302 Found", "Location: /to")
        return reply(b"", "503 Busy") if len(peer.requests) < 4 else reply(b"ok")

    peer = peers(respond)
    told: list[str] = []

    async def main(client: AsyncHttpClient) -> Any:
        client.on_retry = [lambda request, result, delay: told.append(request.url)]
        return await client.get("/from")

    response = run(main, base_url=peer.url, retry=Retry(backoff=20))
    assert (response.text, response.redirects, len(told)) == ("ok", 1, 2)


def test_the_loop_goes_on_meanwhile(peers: Any, reply: Any) -> None:
    go = threading.Event()

    def respond(_: Any) -> bytes:
        go.wait(10)
        return reply(b"ok")

    peer = peers(respond)

    async def main(client: AsyncHttpClient) -> str:
        task = asyncio.create_task(client.get(peer.url))
        for _ in range(10):
            await asyncio.sleep(0)
        go.set()
        return str((await task).text)

    assert run(main) == "ok"


def test_the_wait_for_a_place_counts_for_neither_connecting_nor_silence(
    peers: Any, reply: Any
) -> None:
    pause = threading.Event()

    def respond(_: Any) -> bytes:
        pause.wait(0.1)
        return reply(b"ok")

    peer = peers(respond)
    clocks = {"connect_timeout": 900, "receive_timeout": 900}  # the machine may be busy

    async def main(client: AsyncHttpClient) -> Any:
        return await asyncio.gather(*(client.get("/", **clocks) for _ in range(10)))

    began = time.monotonic()
    results = run(main, base_url=peer.url, concurrency=1)
    assert time.monotonic() - began > 0.9  # all of them together are over both
    assert [each.body for each in results] == [b"ok"] * 10


def test_a_file_is_sent(peers: Any) -> None:
    peer = peers()
    run(lambda client: client.post(peer.url, io.BytesIO(bytes(3 << 20))))
    assert len(peer.last.body) == 3 << 20


def test_cancelling_aborts_the_transfer_and_the_client_goes_on(silent: Any) -> None:
    async def main(client: AsyncHttpClient) -> None:
        for _ in range(5):
            tasks = [asyncio.create_task(client.get(silent.url)) for _ in range(3)]
            seen = len(silent.requests)
            await until(lambda seen=seen: len(silent.requests) >= seen + 2)
            for task in tasks:  # the third waits for room
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(each) for each in done] == [asyncio.CancelledError] * 3
            assert (await client.get(silent.url + "/ok")).text == "ok"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.get(silent.url)

    with nothing_left():
        run(main, concurrency=2)


def test_cancelling_while_a_retry_is_waited_for(peers: Any, reply: Any) -> None:
    peer = peers(reply(b"", "503 Busy", "Retry-After: 30"))

    async def main(client: AsyncHttpClient) -> None:
        task = asyncio.create_task(client.get(peer.url, retry=Retry()))
        while not peer.requests:  # noqa: ASYNC110 - a thread cannot set an asyncio.Event
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main)
    assert len(peer.requests) == 1


@pytest.mark.parametrize("ordered", [False, True])
def test_send_many(echo: HttpServer, ordered: bool) -> None:
    requests: list[Any] = [f"{echo.url}/{number}" for number in range(200)]
    requests[7] = 7

    async def main(client: AsyncHttpClient) -> list[Any]:
        return [each async for each in client.send_many(requests, 20, ordered)]

    results = run(main)
    if ordered:
        assert [each.request.given for each in results] == requests
    assert {each.request.given for each in results} == set(requests)
    assert {each.status for each in results if not isinstance(each, TypeError)} == {200}
    assert sum(isinstance(each, TypeError) for each in results) == 1


def test_send_many_is_lazy_and_may_be_closed_early(silent: Any) -> None:
    taken = itertools.count()

    async def main(client: AsyncHttpClient) -> None:
        def urls() -> Iterator[str]:
            for number in taken:
                yield silent.url + ("/ok" if number % 5 == 0 else "")

        results = client.send_many(urls(), 10)
        assert (await anext(results)).text == "ok"  # type: ignore[union-attr]
        await results.aclose()  # type: ignore[attr-defined]
        assert next(taken) <= 25
        assert (await client.get(silent.url + "/ok")).text == "ok"

    with nothing_left():
        run(main)


def test_send_many_raises_what_its_iterable_does(silent: Any) -> None:
    def urls() -> Iterator[str]:
        yield silent.url
        raise ZeroDivisionError

    async def main(client: AsyncHttpClient) -> None:
        with pytest.raises(ZeroDivisionError):
            async for _ in client.send_many(urls()):
                pass

    run(main)


def test_closing_ends_what_is_under_way(silent: Any) -> None:
    async def main() -> None:
        client = AsyncHttpClient()
        task = asyncio.create_task(client.get(silent.url))
        await until(lambda: bool(silent.requests))
        await client.close()
        assert client.closed
        with pytest.raises(ClientClosed):
            await task
        with pytest.raises(ClientClosed):
            await client.get(silent.url)
        await client.close()

    with nothing_left():
        run_async(main())


def test_closing_ends_send_many_too(silent: Any) -> None:
    async def main() -> None:
        client = AsyncHttpClient()
        results = client.send_many([silent.url + "/ok", *[silent.url] * 20], 3)
        assert (await anext(results)).text == "ok"  # type: ignore[union-attr]
        await client.close()
        with pytest.raises(ClientClosed):
            async for _ in results:
                pass

    with nothing_left():
        run_async(main())


class Failing(asyncio.SelectorEventLoop):
    """A loop that has no room for one more descriptor, when told so."""

    full = False

    def add_reader(self, *arguments: Any) -> Any:
        if self.full:
            raise OSError("no room")
        return super().add_reader(*arguments)


def test_a_loop_that_cannot_watch_ends_the_request(silent: Any) -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        told: list[Any] = []
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        async with AsyncHttpClient() as client:
            loop.full = True
            with pytest.raises(ClientClosed) as caught:
                await client.get(silent.url + "/ok")
            assert isinstance(caught.value.__cause__, OSError)
            loop.full = False
            assert [type(each) for each in told] == [OSError]
            assert (await client.get(silent.url + "/ok")).text == "ok"

    with nothing_left(), asyncio.Runner(loop_factory=Failing) as runner:
        runner.run(main())


@pytest.mark.parametrize("duplicate", [copy.copy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_has_the_properties_and_no_connections(peers: Any, duplicate: Any) -> None:
    peer = peers()

    async def main(client: AsyncHttpClient) -> None:
        client.headers["X"] = "1"
        await client.get("/")
        async with duplicate(client) as other:
            assert (other.base_url, other.headers.pairs()) == (peer.url, [("X", "1")])
            await asyncio.gather(*(other.get("/") for _ in range(5)))
        assert (await client.get("/")).body == b"ok"

    run(main, base_url=peer.url, concurrency=1)
    assert peer.connections == 2


def test_one_left_open_warns(peers: Any) -> None:
    peer = peers()

    async def main() -> None:
        client = AsyncHttpClient()
        await client.get(peer.url)
        clients = [client]
        del client
        with pytest.warns(ResourceWarning, match="unclosed <AsyncHttpClient"):
            clients.clear()

    with nothing_left():
        run_async(main())


def test_one_that_outlives_its_loop_warns_and_closes(peers: Any) -> None:
    peer = peers()
    clients = [AsyncHttpClient()]

    async def main() -> None:
        await clients[0].get(peer.url)

    with nothing_left():
        run_async(main())
        with pytest.warns(ResourceWarning):
            clients.clear()


def test_one_that_never_connected_does_not_warn() -> None:
    AsyncHttpClient()
    gc.collect()


def test_it_belongs_to_one_loop_while_that_is_open(peers: Any) -> None:
    peer = peers()
    client = AsyncHttpClient()

    async def get() -> Any:
        return (await client.get(peer.url)).body

    async def end() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            await client.get(peer.url)

    with asyncio.Runner(loop_factory=Loops.factory) as runner:
        assert runner.run(get()) == b"ok"
        with ThreadPoolExecutor() as pool:
            pool.submit(run_async, end()).result()
        assert runner.run(get()) == b"ok"
        runner.run(client.close())
    assert peer.connections == 1


def test_it_begins_anew_once_its_loop_is_closed(peers: Any, silent: Any) -> None:
    peer = peers()
    client = AsyncHttpClient(concurrency=2)
    told: list[Any] = []
    client.on_error = [lambda _, error: told.append(type(error))]

    async def leave_some_under_way() -> None:
        tasks = [asyncio.ensure_future(client.get(silent.url)) for _ in range(3)]
        await until(lambda: len(silent.requests) >= 2)
        for task in tasks:  # so that the loop does not wait for them
            asyncio.tasks._unregister_task(task)
        kept.extend(tasks)

    async def get() -> Any:
        return (await client.get(peer.url)).body

    kept: list[Any] = []
    for _ in range(2):
        run_async(get())
    run_async(leave_some_under_way())
    assert run_async(get()) == b"ok"
    assert told == [ClientClosed] * 2
    run_async(client.aclose())
    for task in kept:
        task._log_destroy_pending = False


def test_a_forked_child_begins_anew_too(peers: Any) -> None:
    peer = peers()
    client = AsyncHttpClient()

    async def get() -> Any:
        return (await client.get(peer.url)).body

    with asyncio.Runner(loop_factory=Loops.factory) as runner:
        runner.run(get())
        child = os.fork()
        if not child:
            try:
                done = asyncio.new_event_loop().run_until_complete(get()) == b"ok"
                client._shut()
            finally:
                os._exit(0 if done else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert runner.run(get()) == b"ok"
        runner.run(client.close())
    assert peer.connections == 2


def test_it_is_closed_by_the_name_that_aclosing_knows(peers: Any) -> None:
    peer = peers()

    async def main() -> None:
        async with aclosing(AsyncHttpClient()) as client:
            await client.get(peer.url)
        assert client.closed

    run_async(main())


def test_connections_are_kept(peers: Any) -> None:
    peer = peers()

    async def main(client: AsyncHttpClient) -> None:
        for _ in range(10):
            await client.get(peer.url)

    run(main)
    assert peer.connections == 1


def test_the_first_request_of_a_turn_is_sent_in_it(peers: Any, reply: Any, silent: Any) -> None:
    seen = threading.Event()

    def answer(_: Any) -> bytes:
        seen.set()
        return bytes(reply(b"ok"))

    url = peers(answer).url

    async def beside_another(client: AsyncHttpClient) -> None:
        other = asyncio.ensure_future(client.get(silent.url))
        await client.get(url)
        seen.clear()
        first = asyncio.ensure_future(client.get(url))
        await asyncio.sleep(0)
        assert seen.wait(LATE)  # the loop does not go on
        assert (await first).body == b"ok"
        other.cancel()

    run(beside_another)


def test_ctrl_c_ends_it(silent: Any) -> None:
    async def main(client: AsyncHttpClient) -> None:
        loop = asyncio.get_running_loop()

        def press() -> None:
            wait_until(lambda: bool(silent.requests))
            signal_main()

        await asyncio.gather(loop.run_in_executor(None, press), client.get(silent.url))

    with pytest.raises(KeyboardInterrupt):
        run(main)


def signal_main() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.parametrize("concurrency", [0, True, "1"])
def test_concurrency_is_checked(concurrency: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        AsyncHttpClient(concurrency=concurrency)


def test_asyncio_is_imported_with_the_client_that_needs_it_only() -> None:
    code = (
        "import sys, bladehttp\n"
        "bladehttp.HttpClient().close()\n"
        "assert 'asyncio' not in sys.modules and 'AsyncHttpClient' in dir(bladehttp)\n"
        "from bladehttp import AsyncHttpClient\n"
        "assert 'asyncio' in sys.modules and bladehttp.AsyncHttpClient is AsyncHttpClient\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_the_package_does_not_have_is_said() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'AsyncClient'"):
        _ = bladehttp.AsyncClient  # type: ignore[attr-defined]
