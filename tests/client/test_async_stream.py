"""Bodies that are received and sent while they are awaited."""

import asyncio
import contextvars
import gc
import gzip
import random
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from support import run_async

from bladehttp import AsyncHttpClient, HttpServer, Retry
from bladehttp.client import HttpClient
from bladehttp.exceptions import (
    BodyTooLarge,
    ClientClosed,
    ConnectError,
    DecodingError,
    IncompleteBody,
    InvalidHeader,
    ReceiveTimeout,
    TotalTimeout,
    UnrewindableBody,
)

pytestmark = pytest.mark.usefixtures("each_loop")

MIB = 1 << 20
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def run(make: Callable[[AsyncHttpClient], Awaitable[Any]], **properties: Any) -> Any:
    """Run something with a client on a loop of its own."""

    async def main() -> Any:
        async with AsyncHttpClient(**properties) as client:
            return await make(client)

    return run_async(main())


async def joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def test_a_response_is_there_before_anything_of_its_body_is() -> None:
    channels: SimpleQueue[Any] = SimpleQueue()

    async def main(client: AsyncHttpClient) -> bytes:
        async with client.stream(server.url) as response:
            channel = channels.get(timeout=10)
            channel.write("one")
            channel.close()
            return await joined(response.aiter_bytes())

    with HttpServer(0) as server:
        server.on_receive(lambda request, response: channels.put(response.channel()))
        assert run(main) == b"one"


async def until(condition: Callable[[], bool]) -> None:
    """Return when a condition of another thread's holds, the loop going on."""
    while not condition():  # noqa: ASYNC110 - a thread cannot set an asyncio.Event
        await asyncio.sleep(0.001)


@pytest.fixture
def flood(peers: Any) -> Any:
    """A peer that sends for ever, and says how many MiB it got rid of before it had to wait."""

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(CHUNKED + b"%x\r\n" % (1 << 40))
        block = bytes(MIB)
        peer.sent = connection.send_until_full(block, 100)
        peer.full.set()
        while True:
            connection.send(block)

    peer = peers.raw(handle)
    peer.full = threading.Event()
    return peer


def test_a_body_comes_in_pieces(peers: Any, reply: Any) -> None:
    body = random.Random(1).randbytes(5 * MIB)
    peer = peers(reply(body, "200 OK", "X: y"))

    async def main(client: AsyncHttpClient) -> None:
        async with client.stream("/", "POST", b"data") as response:
            assert (response.status, response.headers["X"]) == (200, "y")
            with pytest.raises(TypeError, match="aiter_bytes"):
                response.iter_bytes()
            pieces = [piece async for piece in response.aiter_bytes()]
        assert b"".join(pieces) == body
        assert len(pieces) > 1
        async with client.stream("/") as response:
            sizes = [len(piece) async for piece in response.aiter_bytes(MIB + 1)]
        assert sizes == [MIB + 1] * 4 + [5 * MIB - 4 * (MIB + 1)]
        assert (await client.get("/")).body == body

    run(main, base_url=peer.url)
    assert (peer.connections, peer.requests[0].body) == (1, b"data")


def test_a_response_is_there_before_its_body_is_complete(peers: Any) -> None:
    go_on = threading.Event()

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(CHUNKED + b"3\r\none\r\n")
        go_on.wait(10)
        connection.send(b"3\r\ntwo\r\n0\r\nT: end\r\n\r\n")
        connection.read_request()

    async def main(client: AsyncHttpClient) -> None:
        async with client.stream(peers.raw(handle).url) as response:
            pieces = response.aiter_bytes()
            assert await anext(pieces) == b"one"
            go_on.set()
            assert await joined(pieces) == b"two"
            assert response.trailers == {"T": "end"}

    run(main)


def test_lines_and_the_rest(peers: Any, reply: Any) -> None:
    peer = peers(reply("\xe4\r\n\nb".encode(), "404 No"))

    async def main(client: AsyncHttpClient) -> None:
        async with client.stream("/") as response:
            assert [line async for line in response.aiter_lines()] == ["\xe4", "", "b"]
        async with client.stream("/") as response:
            with pytest.raises(RuntimeError, match=r"await response\.aread\(\) first"):
                assert response.body
            assert (await response.aread()).decode() == response.text == "\xe4\r\n\nb"
            assert await joined(response.aiter_bytes(2)) == response.body
        whole = await client.get("/")
        assert [line async for line in whole.aiter_lines()] == ["\xe4", "", "b"]
        assert await whole.aread() == whole.body
        async with client.stream("/", "HEAD") as response:
            assert await joined(response.aiter_bytes()) == b""

    run(main, base_url=peer.url)


def test_redirects_and_retries_are_followed_and_their_bodies_not_given(
    peers: Any, reply: Any
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target == "/":
            return reply(b"x" * 3 * MIB, "302 Found", "Location: /to")
        if len(peer.requests) < 4:
            return reply(b"y" * 3 * MIB, "503 Busy")
        return reply(b"there " + seen.body)

    peer = peers(respond)
    told: list[str] = []

    async def main(client: AsyncHttpClient) -> None:
        client.on_response = [lambda request, response: told.append(request.url)]
        async with client.stream("/", "POST", b"data", retry=Retry(backoff=0)) as response:
            assert told == [peer.url + "/to"]
            assert await joined(response.aiter_bytes()) == b"there "
            assert (response.redirects, response.history[0].status) == (1, 302)
        async with client.stream("/", follow_redirect=False) as response:
            assert len(await response.aread()) == 3 * MIB

    run(main, base_url=peer.url)
    assert peer.connections == 2  # the redirect's body is too long to be received for nothing


def test_memory_stays_constant_and_the_server_waits(flood: Any) -> None:
    async def main(client: AsyncHttpClient) -> None:
        tracemalloc.start()
        try:
            async with client.stream(flood.url) as response:
                spent = time.process_time()
                await asyncio.to_thread(flood.full.wait, 10)
                assert flood.sent < 50
                assert time.process_time() - spent < 1  # a loop that spins would spend more
                tracemalloc.reset_peak()
                got = 0
                async for piece in response.aiter_bytes():
                    got += len(piece)
                    if got > 100 * MIB:
                        break
            assert tracemalloc.get_traced_memory()[1] < 5 * MIB
        finally:
            tracemalloc.stop()

    run(main)


@pytest.mark.usefixtures("no_collector")
def test_the_loop_rests_while_nobody_reads(flood: Any) -> None:
    async def main(client: AsyncHttpClient) -> float:
        async with client.stream(flood.url) as response:
            await anext(response.aiter_bytes())
            await asyncio.to_thread(flood.full.wait, 10)
            began = time.thread_time()
            await asyncio.sleep(0.2)
            return time.thread_time() - began

    assert run(main) < 0.05


def test_leaving_early_closes_this_connection_and_leaves_the_client_sound(
    flood: Any, peers: Any
) -> None:
    peer = peers()

    async def main(client: AsyncHttpClient) -> None:
        for _ in range(3):
            async with client.stream(flood.url) as response:
                pieces = response.aiter_bytes()
                assert await anext(pieces)
                await asyncio.sleep(0)
            with pytest.raises(ValueError, match="stream is closed"):
                await anext(pieces)
            async with client.stream(flood.url):
                pass
            assert (await client.get(peer.url)).body == b"ok"
        with pytest.raises(KeyError):
            async with client.stream(flood.url):
                raise KeyError
        async for _ in response_of(client, flood.url):
            break
        gc.collect()
        assert (await client.get(peer.url)).body == b"ok"

    async def response_of(client: AsyncHttpClient, url: str) -> AsyncIterator[bytes]:
        async with client.stream(url) as response:
            async for piece in response.aiter_bytes():
                yield piece

    run(main, concurrency=2)
    assert peer.connections == 1


def test_a_read_that_is_cancelled_loses_nothing(peers: Any) -> None:
    go_on = threading.Event()

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(CHUNKED + b"3\r\none\r\n")
        go_on.wait(10)
        connection.send(b"3\r\ntwo\r\n0\r\n\r\n")
        connection.read_request()

    async def main(client: AsyncHttpClient) -> None:
        async with client.stream(peers.raw(handle).url) as response:
            pieces = response.aiter_bytes()
            assert await anext(pieces) == b"one"
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.005):
                        await anext(pieces)
            go_on.set()
            assert await joined(pieces) == b"two"

    run(main)


def test_cancelling_ends_it_wherever_it_is(flood: Any, peers: Any) -> None:
    silent = peers.raw(lambda connection: (silent.requests.append(connection.read_request()),
                                           connection.socket.recv(1)))  # fmt: skip

    async def read(client: AsyncHttpClient, url: str, busy: bool) -> None:
        async with client.stream(url) as response:
            async for _ in response.aiter_bytes():
                if busy:
                    await asyncio.sleep(60)

    async def main(client: AsyncHttpClient) -> None:
        for url, busy, peer in (
            (silent.url, False, silent), (flood.url, False, flood),
            (flood.url, True, flood),
        ):  # fmt: skip
            before = peer.connections
            task = asyncio.create_task(read(client, url, busy))
            await until(lambda peer=peer, before=before: peer.connections > before)
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await client.get(peers().url)).body == b"ok"

    run(main)


def test_only_one_task_may_read(peers: Any) -> None:
    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(CHUNKED)
        connection.socket.recv(1)

    async def main(client: AsyncHttpClient) -> None:
        async with (
            asyncio.timeout(10),
            client.stream(
                peers.raw(
                    lambda c: (c.read_request(), c.send(CHUNKED + b"1\r\nx\r\n"), c.socket.recv(1))
                ).url
            ) as response,
        ):
            pieces = response.aiter_bytes()
            assert await anext(pieces) == b"x"
            first = asyncio.create_task(anext(pieces))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task"):
                await anext(response.aiter_bytes())
            first.cancel()
            await asyncio.wait((first,))

    run(main)


@pytest.mark.parametrize(
    ("coding", "limit", "error"),
    [("gzip", None, None), ("gzip", MIB, BodyTooLarge), ("deflate", None, DecodingError),
     ("zstd", None, DecodingError)],
)  # fmt: skip
def test_codings_are_undone(
    peers: Any, reply: Any, coding: str, limit: int | None, error: Any
) -> None:
    peer = peers(reply(gzip.compress(bytes(50 * MIB)), "200 OK", f"Content-Encoding: {coding}"))

    async def main(client: AsyncHttpClient) -> None:
        async with client.stream(peer.url, max_body_size=limit) as response:
            if error is None:
                sizes = [len(piece) async for piece in response.aiter_bytes()]
                assert (sum(sizes), max(sizes) <= MIB) == (50 * MIB, True)
                return
            with pytest.raises(error) as caught:
                await joined(response.aiter_bytes())
            assert (caught.value.url, caught.value.response) == (peer.url + "/", response)

    run(main)


def test_what_goes_wrong_is_raised_where_it_is_met(peers: Any) -> None:
    cut = peers.once(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    async def main(client: AsyncHttpClient) -> None:
        for _ in range(5):  # whether the end comes with the beginning or later
            async with client.stream(cut.url, retry=Retry()) as response:
                pieces = response.aiter_bytes()
                assert await anext(pieces) == b"half"
                with pytest.raises(IncompleteBody) as caught:
                    await anext(pieces)
                assert (caught.value.partial, caught.value.url) == (b"", cut.url + "/")
                with pytest.raises(IncompleteBody):
                    await anext(pieces)
        with pytest.raises(ConnectError):
            async with client.stream("http://127.0.0.1:1/"):
                pass
        with pytest.raises(TypeError):
            async with client.stream(cut.url, recieve_timeout=1):
                pass
        client.on_response = [lambda *_: 1 / 0]
        with pytest.raises(ZeroDivisionError):
            async with client.stream(cut.url):
                pass
        client.on_response = []
        assert (await client.get(peers().url)).body == b"ok"

    run(main)
    assert len(cut.requests) == 6


def test_a_body_that_ends_with_its_head_is_tried_again_or_told(peers: Any) -> None:
    def handle(connection: Any) -> None:
        connection.read_request()
        if connection.number % 2:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
            connection.hang_up()
            connection.socket.recv(1)
        else:
            connection.send(OK)
            connection.read_request()

    async def main() -> None:
        url = peers.raw(handle).url
        for _ in range(20):
            async with asyncio.timeout(10), AsyncHttpClient(retry=Retry(backoff=1)) as client:
                try:
                    async with client.stream(url) as response:
                        assert await response.aread() == b"ok"
                except IncompleteBody:
                    assert (await client.get(url)).body == b"ok"

    run_async(main())


def test_the_clocks_count_only_the_time_spent_waiting(peers: Any) -> None:
    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
        connection.socket.recv(1)

    async def main(client: AsyncHttpClient) -> None:
        for clock, error in (("receive_timeout", ReceiveTimeout), ("total_timeout", TotalTimeout)):
            async with client.stream(peers.raw(handle).url, **{clock: 400}) as response:
                pieces = response.aiter_bytes()
                assert await anext(pieces) == b"one"
                await asyncio.sleep(0.5)  # the reader's own time: longer than the clock
                began = time.monotonic()
                with pytest.raises(error):
                    await anext(pieces)
                assert time.monotonic() - began > 0.2

    run(main)


def test_closing_the_client_ends_its_streams(flood: Any, peers: Any) -> None:
    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(CHUNKED + b"1\r\nx\r\n")
        connection.socket.recv(1)

    async def main(client: AsyncHttpClient) -> None:
        async with client.stream(peers.raw(handle).url) as response:
            pieces = response.aiter_bytes()
            assert await anext(pieces) == b"x"
            reading = asyncio.create_task(anext(pieces))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            await client.close()
            with pytest.raises(ClientClosed):
                await reading

    run(main)


def test_streams_may_run_side_by_side_and_count_for_concurrency(peers: Any, reply: Any) -> None:
    peer = peers(lambda seen: reply(seen.target.encode() * 500_000))

    async def read(client: AsyncHttpClient, path: str) -> bytes:
        async with client.stream(path) as response:
            return await joined(response.aiter_bytes())

    async def main(client: AsyncHttpClient) -> None:
        paths = [f"/{number}" for number in range(6)]
        bodies = await asyncio.gather(*(read(client, path) for path in paths))
        assert bodies == [path.encode() * 500_000 for path in paths]

    run(main, base_url=peer.url, concurrency=3)
    assert peer.connections <= 3


def test_a_stream_over_tls(peers: Any, reply: Any, server_context: Any, certificates: Any) -> None:
    peer = peers(reply(bytes(3 * MIB)), server_context)

    async def main(client: AsyncHttpClient) -> None:
        async with client.stream(peer.url) as response:
            assert response.certificate is not None
            assert len(await response.aread()) == 3 * MIB

    run(main, ca_cert=certificates.ca_file)


class Halving:
    """Breaks off its first response in the middle; does ranges afterwards."""

    def __init__(self, reply: Any, body: bytes) -> None:
        self.reply, self.body = reply, body
        self.asked: list[str | None] = []

    def __call__(self, connection: Any) -> None:
        seen = connection.read_request()
        self.asked.append(seen.get("Range"))
        if seen.target == "/none":
            connection.send(self.reply(b"no such thing", "404 No"))
        elif len(self.asked) == 1:
            connection.send(self.reply(self.body, "200 OK", 'ETag: "1"')[: len(self.body) // 2])
            connection.hang_up()
            connection.socket.recv(1)
        else:
            offset, size = int(str(self.asked[-1])[6:-1]), len(self.body)
            extra = ('ETag: "1"', f"Content-Range: bytes {offset}-{size - 1}/{size}")
            connection.send(self.reply(self.body[offset:], "206 Part", *extra))


def test_a_download_is_a_file_and_is_resumed(peers: Any, reply: Any, tmp_path: Path) -> None:
    body = random.Random(3).randbytes(MIB)
    handler = Halving(reply, body)
    told: list[tuple[int, int | None]] = []
    file = tmp_path / "file"

    async def main(client: AsyncHttpClient) -> None:
        with pytest.raises(IncompleteBody):
            await client.download("/", file, resume=True)
        assert not file.exists()
        await client.download("/", file, lambda *done: told.append(done), resume=True)
        assert (await client.download("/none", file)).body == b"no such thing"

    run(main, base_url=peers.raw(handler).url)
    assert file.read_bytes() == body
    assert (handler.asked[0], str(handler.asked[1])[:6], told[-1]) == (None, "bytes=", (MIB, MIB))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# -- sent


class Pieces:
    """Gives pieces each time it is asked for them, as a generator does only once."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = pieces

    async def __aiter__(self) -> AsyncIterator[Any]:
        for piece in self.pieces:
            await asyncio.sleep(0)
            yield piece


def test_an_asynchronous_iterable_is_sent_as_it_comes(peers: Any) -> None:
    seen: list[bytes] = []
    go_on = asyncio.Event()

    def handle(connection: Any) -> None:
        head = connection.read_head()
        assert head.get("Transfer-Encoding") == "chunked"
        for _ in range(2):
            size = int(connection._until(b"\r\n"), 16)
            seen.append(connection._exactly(size))
            connection._until(b"\r\n")
            loop.call_soon_threadsafe(go_on.set)
        connection._until(b"0\r\n\r\n")
        connection.send(OK)

    async def pieces() -> AsyncIterator[bytes]:
        yield b""
        yield b"one"
        await go_on.wait()
        assert seen == [b"one"]
        yield memoryview(b"two")

    async def main(client: AsyncHttpClient) -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        response = await client.post(peers.raw(handle).url, pieces(), no_expect=True)
        assert response.body == b"ok"

    loop: Any = None
    run(main)
    assert seen == [b"one", b"two"]


def test_a_large_one_is_sent_in_constant_memory(peers: Any) -> None:
    peer = peers(lambda seen: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    taken = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        for number in range(64):
            taken += 1
            yield bytes([number]) * 50_000

    async def main(client: AsyncHttpClient) -> None:
        await client.put(peer.url, pieces())
        await client.put(peer.url, Pieces(b"ab", b"cd"), {"Content-Length": "4"})

    run(main)
    assert peer.requests[0].body == b"".join(bytes([number]) * 50_000 for number in range(64))
    assert (peer.requests[1].body, peer.requests[1].get("Content-Length")) == (b"abcd", "4")


def test_nothing_is_taken_before_it_is_wanted(peers: Any) -> None:
    taken: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        taken.append(1)
        yield b"x"

    async def main(client: AsyncHttpClient) -> None:
        data = pieces()
        with pytest.raises(ConnectError):
            await client.post("http://127.0.0.1:1/", data)
        assert not taken
        await client.post(peers().url, data)
        assert taken == [1]

    run(main)


def test_it_is_sent_again_if_it_can_begin_anew(peers: Any, reply: Any) -> None:
    peer = peers(lambda seen: reply(b"", "307 Again", "Location: /to") if seen.target == "/"
                 else reply(seen.body))  # fmt: skip

    async def once() -> AsyncIterator[bytes]:
        yield b"x"

    async def main(client: AsyncHttpClient) -> None:
        assert (await client.post("/", Pieces(b"a", b"b"))).body == b"ab"
        with pytest.raises(UnrewindableBody):
            await client.post("/", once())
        assert (await client.post("/to", once())).body == b"x"

    run(main, base_url=peer.url)


@pytest.mark.parametrize(
    ("last", "fields", "error"),
    [(7, {}, TypeError), ("text", {}, TypeError), (ZeroDivisionError(), {}, ZeroDivisionError),
     (asyncio.CancelledError(), {}, RuntimeError), (b"abc", {"Content-Length": "9"}, ValueError),
     (b"abc", {"Content-Length": "4"}, ValueError), (b"", {"Content-Length": "x"}, InvalidHeader)],
    ids=["int", "str", "raises", "cancelled", "too little", "too much", "no number"],
)  # fmt: skip
def test_what_is_wrong_with_it_is_raised(
    peers: Any, last: Any, fields: dict[str, str], error: type[Exception]
) -> None:
    async def pieces() -> AsyncIterator[Any]:
        yield b"abc"
        await asyncio.sleep(0)
        if isinstance(last, BaseException):
            raise last
        yield last

    async def main(client: AsyncHttpClient) -> None:
        async with asyncio.timeout(10):
            with pytest.raises(error):
                await client.post(peers().url, pieces(), fields)
            assert (await client.get(peers().url)).body == b"ok"

    run(main)


def test_its_time_is_not_the_peers_silence(peers: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0.15)
        yield b"two"

    async def main(client: AsyncHttpClient) -> None:
        url = peers().url
        assert (await client.post(url, pieces(), receive_timeout=60, no_expect=True)).ok
        with pytest.raises(TotalTimeout):
            await client.post(url, pieces(), total_timeout=60, no_expect=True)

    run(main)


def test_cancelling_cancels_it_too(peers: Any) -> None:
    ends: list[str] = []
    begun = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            begun.set()
            await asyncio.sleep(60)
        finally:
            ends.append("closed")

    async def main(client: AsyncHttpClient) -> None:
        url = peers().url
        task = asyncio.create_task(client.post(url, pieces()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert ends == ["closed"]
        assert (await client.get(url)).body == b"ok"

    run(main)


def test_one_that_refuses_to_end_is_left_behind(peers: Any) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.set()
        while True:
            yield b"more"

    async def main(client: AsyncHttpClient) -> None:
        url = peers().url
        task = asyncio.create_task(client.post(url, pieces()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ended.wait()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert (await client.post(url, Pieces(b"a"))).body == b"ok"

    run(main)


def test_it_runs_in_the_callers_context(peers: Any) -> None:
    name = contextvars.ContextVar("name", default="nobody")
    peer = peers(lambda seen: OK[:-2] + seen.body[:2])

    async def pieces() -> AsyncIterator[bytes]:
        yield name.get().encode()

    async def ask(client: AsyncHttpClient, who: str) -> bytes:
        name.set(who)
        return bytes((await client.post(peer.url, pieces())).body)

    async def main(client: AsyncHttpClient) -> None:
        assert await asyncio.gather(*(ask(client, who) for who in ("me", "us"))) == [b"me", b"us"]

    run(main)


def test_up_and_down_at_the_same_time(peers: Any) -> None:
    def handle(connection: Any) -> None:
        connection.read_head()
        connection.send(CHUNKED)
        while size := int(connection._until(b"\r\n"), 16):
            data = connection._exactly(size)
            connection._until(b"\r\n")
            connection.send(b"%x\r\n%b\r\n" % (len(data), data))
        connection.send(b"0\r\n\r\n")

    async def main(client: AsyncHttpClient) -> None:
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"0"
            for _ in range(20):
                yield b"%d" % (int(await heard.get()) + 1)

        async with client.stream(peers.raw(handle).url, "POST", pieces(), no_expect=True) as echo:
            numbers = []
            async for piece in echo.aiter_bytes():
                numbers.append(int(piece))
                heard.put_nowait(piece)
        assert numbers == list(range(21))

    run(main)


def test_the_plain_client_does_not_take_one(client: HttpClient, peers: Any) -> None:
    with pytest.raises(TypeError, match=r"data cannot be sent: .* AsyncHttpClient takes it"):
        client.post(peers().url, Pieces(b"x"))


# -- send_many


def test_send_many_takes_an_asynchronous_iterable(peers: Any) -> None:
    server = HttpServer(0)
    server.on_receive(lambda request, response: response.write(request.raw_body))

    async def main(client: AsyncHttpClient) -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def requests() -> AsyncIterator[Any]:
            for _ in range(50):
                number = await queue.get()
                yield {"url": "/", "method": "POST", "data": Pieces(b"%d" % number)}

        queue.put_nowait(0)
        numbers = []
        async with asyncio.timeout(10), aclosing(client.send_many(requests(), 3)) as results:
            async for each in results:  # the next is asked for only when one has been answered
                numbers.append(int(each.body))
                queue.put_nowait(numbers[-1] + 1)
        assert numbers == list(range(50))

    with server:
        run(main, base_url=server.url)


def test_send_many_ends_as_its_asynchronous_iterable_does(peers: Any) -> None:
    url = peers().url
    ends: list[str] = []

    async def requests(error: Exception | None) -> AsyncIterator[str]:
        try:
            yield url
            if error is not None:
                raise error
            await asyncio.sleep(60)
        finally:
            ends.append("closed")

    async def main(client: AsyncHttpClient) -> None:
        with pytest.raises(ZeroDivisionError):
            async for _ in client.send_many(requests(ZeroDivisionError())):
                pass
        async with aclosing(client.send_many(requests(None))) as results:
            assert (await anext(results)).body == b"ok"  # type: ignore[union-attr]
        assert ends == ["closed"] * 2
        with pytest.raises(TypeError):
            await anext(client.send_many(7))  # type: ignore[arg-type]
        assert (await client.get(url)).body == b"ok"

    run(main)
