"""Content codings: every way to receive a body gives the same of it, or the same error."""

import asyncio
import gzip
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from bladehttp.client import AsyncHttpClient, HttpClient
from bladehttp.exceptions import BodyTooLarge, DecodingError, HttpException, TotalTimeout

TEXT = b"".join(b"%d " % number for number in range(20_000))
Door = Callable[..., bytes]


def get(url: str, _: Path, **options: Any) -> bytes:
    with HttpClient() as client:
        return client.get(url, **options).body


def stream(url: str, _: Path, **options: Any) -> bytes:
    with HttpClient() as client, client.stream(url, **options) as response:
        return response.read()


def download(url: str, path: Path, **options: Any) -> bytes:
    with HttpClient() as client:
        client.download(url, path / "file", **{"accept_encoding": "", **options})
    return (path / "file").read_bytes()


def send_many(url: str, _: Path, **options: Any) -> bytes:
    with HttpClient(**options) as client:
        result = next(iter(client.send_many([url])))
    if isinstance(result, Exception):
        raise result
    return result.body


def on_asyncio(url: str, _: Path, **options: Any) -> bytes:
    async def main() -> bytes:
        async with AsyncHttpClient() as client:
            return (await client.get(url, **options)).body

    return asyncio.run(main())


def streamed_on_asyncio(url: str, _: Path, **options: Any) -> bytes:
    async def main() -> bytes:
        async with AsyncHttpClient() as client, client.stream(url, **options) as response:
            return await response.aread()

    return asyncio.run(main())


@pytest.fixture(
    params=[get, stream, download, send_many, on_asyncio, streamed_on_asyncio],
    ids=lambda door: door.__name__,
)
def door(request: Any) -> Any:
    return request.param


BODIES = {
    "gzip": ("gzip", gzip.compress(TEXT), TEXT),
    "members": ("x-gzip", gzip.compress(TEXT[:99]) * 3 + bytes(20), TEXT[:99] * 3),
    "deflate": ("deflate", zlib.compress(TEXT), TEXT),
    "raw deflate": ("deflate", zlib.compress(TEXT, wbits=-15), TEXT),
    "br": ("br", brotli.compress(TEXT, quality=1), TEXT),
    "zstd": ("zstd", zstandard.compress(TEXT), TEXT),
    "frames": ("zstd", zstandard.compress(TEXT[:99]) * 3, TEXT[:99] * 3),
    "two": ("br, gzip", gzip.compress(brotli.compress(TEXT, quality=1)), TEXT),
    "two fields": ("deflate\r\nContent-Encoding: gzip", gzip.compress(zlib.compress(TEXT)), TEXT),
    "none": ("none", b"plain", b"plain"),
    "utf-8": ("utf-8", b"plain", b"plain"),
    "aws-chunked": ("aws-chunked, gzip", gzip.compress(TEXT), TEXT),
    "not registered": ("x-unknown-coding", b"plain", b"plain"),
    "empty": ("compress", b"", b""),
}


@pytest.mark.parametrize(("coding", "sent", "body"), BODIES.values(), ids=BODIES)
def test_a_body_is_the_same_by_every_door(
    door: Door, peers: Any, reply: Any, tmp_path: Path, coding: str, sent: bytes, body: bytes
) -> None:
    peer = peers(reply(sent, "200 OK", f"Content-Encoding: {coding}"))
    assert door(peer.url, tmp_path) == body


FAULTS = {
    "compress": ("compress", b"x", "'compress' is not supported; accept_encoding=None"),
    "dcz": ("gzip, dcz", b"x", "'dcz' is not supported; accept_encoding=None"),
    "many": (", ".join(["gzip"] * 1000), b"x", "more than 5 content codings"),
    "members": ("gzip", gzip.compress(b"") * 200_000, "too many empty members"),
    "frames": ("zstd", zstandard.compress(b"") * 200_000, "too many empty members"),
    "truncated": ("zstd", zstandard.compress(TEXT)[:-9], "ends early"),
    "plain": ("gzip", b"plain text", "is not gzip"),
}


@pytest.mark.parametrize(("coding", "sent", "text"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_the_same_by_every_door(
    door: Door, peers: Any, reply: Any, tmp_path: Path, coding: str, sent: bytes, text: str
) -> None:
    peer = peers(reply(sent, "200 OK", f"Content-Encoding: {coding}"))
    began = time.monotonic()
    with pytest.raises(DecodingError, match=text) as caught:
        door(peer.url, tmp_path)
    assert time.monotonic() - began < 3
    assert (caught.value.url, caught.value.response.status) == (peer.url + "/", 200)
    assert not list(tmp_path.iterdir())


def test_a_bomb_ends_at_max_body_size_by_every_door(
    door: Door, peers: Any, reply: Any, tmp_path: Path
) -> None:
    for coding, bomb in (
        ("gzip", gzip.compress(bytes(1 << 24))), ("zstd", zstandard.compress(bytes(1 << 24))),
        ("br", brotli.compress(bytes(1 << 24), quality=1)),
    ):  # fmt: skip
        peer = peers(reply(bomb, "200 OK", f"Content-Encoding: {coding}"))
        with pytest.raises(BodyTooLarge):
            door(peer.url, tmp_path, max_body_size=1 << 20)


def test_total_timeout_holds_while_a_body_is_decoded(
    peers: Any, reply: Any, tmp_path: Path
) -> None:
    bomb = gzip.compress(bytes(8 << 20), 1) * 100
    peer = peers(reply(bomb, "200 OK", "Content-Encoding: gzip"))
    for door in (get, send_many, on_asyncio):
        began = time.monotonic()
        with pytest.raises(TotalTimeout):
            door(peer.url, tmp_path, total_timeout=100)
        assert time.monotonic() - began < 0.6, door.__name__


def test_a_part_of_a_coded_body_is_as_it_came_by_every_door(
    door: Door, peers: Any, reply: Any, tmp_path: Path
) -> None:
    if door is download:
        pytest.skip("a part is not what was to be written")
    sent = gzip.compress(TEXT)
    peer = peers(reply(sent[5:], "206 Part", "Content-Encoding: gzip"))
    assert door(peer.url, tmp_path) == sent[5:]


def test_bodies_that_cannot_be_decoded_are_there_as_they_came(
    door: Door, peers: Any, reply: Any, tmp_path: Path
) -> None:
    peer = peers(reply(b"as it came", "404 Not Found", "Content-Encoding: compress"))
    if door is download:
        with HttpClient() as client, pytest.raises(HttpException):
            client.download(peer.url, tmp_path / "file", accept_encoding="")
        return
    with pytest.raises(DecodingError):
        door(peer.url, tmp_path)
    assert door(peer.url, tmp_path, accept_encoding=None) == b"as it came"
