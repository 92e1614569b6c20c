"""Bodies are decoded as they come, in steps between which the event loop has its turn."""

import asyncio
import gzip
import random
import time
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support import run_async

from bladehttp import AsyncHttpClient
from bladehttp.exceptions import (
    BodyTooLarge,
    DecodingError,
    IncompleteBody,
    ReceiveTimeout,
    TotalTimeout,
)

pytestmark = pytest.mark.usefixtures("each_loop")

MIB = 1 << 20
LARGE = 60 * MIB

SHORT = 0.04
"""Seconds of processor time that the loop may stand still."""


def coded(body: bytes, *fields: str) -> bytes:
    head = [f"Content-Length: {len(body)}", "Content-Encoding: gzip", *fields]
    return "\r\n".join(["HTTP/1.1 200 OK", *head, "", ""]).encode() + body


@cache
def large(kind: str) -> bytes:
    """The answer with a body of LARGE bytes, made when a test first needs it."""
    if kind == "random":
        body = random.Random(1).randbytes(MIB) * (LARGE // MIB)
        return coded(gzip.compress(body, 0))
    body = gzip.compress(bytes(LARGE), 1)
    if kind == "zeros":
        return coded(body)
    return coded(gzip.compress(body, 1), "Content-Encoding: gzip")


async def get(client: AsyncHttpClient, url: str, _: Path) -> int:
    return len((await client.get(url)).body)


async def many(client: AsyncHttpClient, url: str, _: Path) -> int:
    async for result in client.send_many([url]):
        return len(result.body)  # type: ignore[union-attr]
    return 0


async def stream(client: AsyncHttpClient, url: str, _: Path) -> int:
    async with client.stream(url) as response:
        await asyncio.sleep(0.1)  # so that all pieces that are kept wait to be read
        return sum([len(piece) async for piece in response.aiter_bytes()])


async def read(client: AsyncHttpClient, url: str, _: Path) -> int:
    async with client.stream(url) as response:
        return len(await response.aread())


async def download(client: AsyncHttpClient, url: str, path: Path) -> int:
    await client.download(url, path / "file")
    return (path / "file").stat().st_size


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("way", [get, many, stream, read, download])
@pytest.mark.parametrize("kind", ["zeros", "random", "twice"])
def test_the_loop_has_its_turn_while_a_body_is_decoded(
    peers: Any, way: Callable[..., Any], kind: str, tmp_path: Path
) -> None:
    peer = peers(large(kind))

    async def once() -> float:
        longest, last, over = 0.0, time.thread_time(), False

        async def tick() -> None:
            nonlocal longest, last
            while not over:
                await asyncio.sleep(0)
                now = time.thread_time()
                longest, last = max(longest, now - last), now

        ticking = asyncio.create_task(tick())
        async with AsyncHttpClient() as client:
            assert await way(client, peer.url, tmp_path) == LARGE
        over = True
        await ticking
        return longest

    assert any(run_async(once()) < SHORT for _ in range(3))


def test_many_bodies_at_once_are_decoded_in_turn(peers: Any) -> None:
    body = gzip.compress(bytes(4 * MIB), 1)
    peer = peers(coded(body))

    async def all_came() -> bool:
        async with AsyncHttpClient(receive_timeout=300) as client:
            calls = [client.get(peer.url) for _ in range(30)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
        bodies = {getattr(each, "body", each) for each in answers}
        late = {each for each in bodies if type(each) is ReceiveTimeout}
        assert bodies - late <= {bytes(4 * MIB)}
        return not late

    # The peer's threads share the processor with the decoding: a busy machine may keep one silent.
    assert any(run_async(all_came()) for _ in range(8))


@pytest.mark.parametrize("size", [0, 1, 511 * 1024, 512 * 1024, 5 * MIB + 1])
@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_what_is_decoded_is_what_was_sent(peers: Any, size: int, pieces: int) -> None:
    chance = random.Random(size + pieces)
    whole = chance.randbytes(size // 2) + bytes(size - size // 2)
    body = gzip.compress(whole) + gzip.compress(b"end")
    cuts = sorted(chance.randrange(len(body) + 1) for _ in range(pieces))

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(coded(b"").replace(b"Content-Length: 0", b"Connection: close"))
        for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
            connection.send(body[start:end])

    peer = peers.raw(handle)

    async def main() -> None:
        async with AsyncHttpClient() as client:
            assert (await client.get(peer.url)).body == whole + b"end"

    run_async(main())


BOMB = gzip.compress(bytes(40 * MIB), 1)
BROKEN = BOMB[:20000] + bytes(10000)


@pytest.mark.parametrize(
    ("body", "options", "error"),
    [
        (b"no gzip at all", {}, DecodingError),
        (BROKEN, {}, DecodingError),
        (BOMB[:-9], {}, DecodingError),
        (BOMB, {"max_body_size": 30 * MIB}, BodyTooLarge),
        (BOMB, {"max_body_size": 1000}, BodyTooLarge),
        (BOMB * 40, {"total_timeout": 100}, TotalTimeout),
    ],
    ids=["none", "damaged", "short", "too large late", "too large at once", "too long"],
)
def test_what_cannot_be_decoded_is_an_error_and_the_client_goes_on(
    peers: Any, reply: Any, body: bytes, options: dict[str, Any], error: type[Exception]
) -> None:
    peer, other = peers(coded(body)), peers(reply(b"ok"))

    async def main() -> None:
        async with AsyncHttpClient(**options) as client:
            task = asyncio.create_task(client.get(peer.url))
            with pytest.raises(error) as caught:
                await task
            assert caught.value.request.url == peer.url + "/"  # type: ignore[attr-defined]
            assert (await client.get(other.url, total_timeout=None)).body == b"ok"

    run_async(main())


def test_what_came_of_a_coded_body_is_decoded(peers: Any) -> None:
    stream = zlib.compressobj(wbits=31)
    begun = stream.compress(b"begun") + stream.flush(zlib.Z_SYNC_FLUSH)
    peer = peers.once(coded(begun + bytes(10))[:-10])
    silent = peers.raw(
        lambda connection: (
            connection.read_request(),
            connection.send(coded(begun + bytes(10))[:-10]),
            connection.socket.recv(1),
        )
    )

    async def main() -> None:
        async with AsyncHttpClient() as client:
            with pytest.raises(IncompleteBody) as caught:
                await client.get(peer.url)
            assert caught.value.partial == b"begun"
            with pytest.raises(ReceiveTimeout):
                await client.get(silent.url, receive_timeout=50)

    run_async(main())


def test_a_request_may_be_cancelled_while_its_body_is_decoded(peers: Any, reply: Any) -> None:
    peer, other = peers(coded(BOMB * 20)), peers(reply(b"ok"))

    async def main() -> None:
        async with AsyncHttpClient() as client:
            for delay in (0.01, 0.02, 0.05):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(delay):
                        await client.get(peer.url)
                assert (await client.get(other.url)).body == b"ok"
            task = asyncio.create_task(client.get(peer.url))
            await asyncio.sleep(0.03)
        await asyncio.wait([task])
        assert task.exception() is not None

    run_async(main())


@pytest.mark.parametrize(
    ("status", "fields", "options"),
    [
        ("206 Partial Content", ("Content-Range: bytes 0-8/20",), {}),
        ("200 OK", (), {"accept_encoding": None}),
    ],
    ids=["part of an encoded whole", "not wanted"],
)
def test_what_is_not_to_be_decoded_is_not(
    peers: Any, status: str, fields: tuple[str, ...], options: dict[str, Any]
) -> None:
    answer = coded(b"not gzip!", *fields).replace(b"200 OK", status.encode())
    peer = peers(answer)

    async def main() -> None:
        async with AsyncHttpClient(**options) as client:
            assert (await client.get(peer.url)).body == b"not gzip!"

    run_async(main())
