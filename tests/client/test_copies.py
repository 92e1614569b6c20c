"""Copies of what streams and downloads give: for another process, or for later."""

import asyncio
import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bladehttp import AsyncHttpClient
from bladehttp.client import HttpClient
from bladehttp.exceptions import (
    ChecksumMismatch,
    DecodingError,
    HttpException,
    HttpStatusError,
    ProtocolError,
)

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: y\r\n\r\nabc"
LONG_404 = b"HTTP/1.1 404 Not Found\r\nContent-Length: 200000\r\n\r\n" + b"a" * 200_000
NO_GZIP = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc"

every_copy = pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))],
    ids=["copy", "deepcopy", "pickle"],
)


@every_copy
def test_the_copy_of_an_open_stream_is_closed(
    client: HttpClient, peers: Any, copied: Callable[[Any], Any]
) -> None:
    with client.stream(peers.once(PLAIN).url) as response:
        other = copied(response)
        assert (other.status, other.headers["X"], other.url) == (200, "y", response.url)
        with pytest.raises(ValueError, match="stream is closed"):
            other.read()
        assert response.read() == b"abc"


@every_copy
def test_a_stream_that_was_iterated_can_be_copied(
    client: HttpClient, peers: Any, copied: Callable[[Any], Any]
) -> None:
    with client.stream(peers.once(PLAIN).url) as response:
        assert b"".join(response.iter_bytes()) == b"abc"
    other = copied(response)
    assert (other.status, other.headers, other.url) == (200, response.headers, response.url)


@every_copy
def test_a_stream_of_an_event_loop_can_be_copied(peers: Any, copied: Callable[[Any], Any]) -> None:
    async def main() -> None:
        async with AsyncHttpClient() as client, client.stream(peers.once(PLAIN).url) as response:
            other = copied(response)
            assert (other.status, other.headers["X"]) == (200, "y")
            assert await response.aread() == b"abc"
            assert copied(response).body == b"abc"

    asyncio.run(main())


@every_copy
def test_the_response_of_a_download_can_be_copied(
    client: HttpClient, peers: Any, tmp_path: Path, copied: Callable[[Any], Any]
) -> None:
    response = client.download(peers.once(PLAIN).url, tmp_path / "file")
    assert copied(response).headers == response.headers


def refused_download(client: HttpClient, url: str, path: Path) -> None:
    client.download(url, path, checksum="md5:" + "0" * 32)


def refused_stream(client: HttpClient, url: str, path: Path) -> None:
    with client.stream(url, raise_for_status=True):
        pass


def undecoded(client: HttpClient, url: str, path: Path) -> None:
    with client.stream(url) as response:
        response.read()


def refused_events(client: HttpClient, url: str, path: Path) -> None:
    list(client.events(url))


@every_copy
@pytest.mark.parametrize(
    ("data", "failing", "expected"),
    [
        (PLAIN, refused_download, ChecksumMismatch),
        (LONG_404, refused_stream, HttpStatusError),
        (NO_GZIP, undecoded, DecodingError),
        (PLAIN, refused_events, ProtocolError),
    ],
    ids=["checksum", "status", "decoding", "events"],
)
def test_the_exception_of_a_stream_can_be_copied(
    client: HttpClient,
    peers: Any,
    tmp_path: Path,
    data: bytes,
    failing: Callable[[HttpClient, str, Path], None],
    expected: type[HttpException],
    copied: Callable[[Any], Any],
) -> None:
    with pytest.raises(expected) as caught:
        failing(client, peers.once(data).url, tmp_path / "file")
    other = copied(caught.value)
    assert (type(other), str(other)) == (expected, str(caught.value))
    assert other.response.status == caught.value.response.status
