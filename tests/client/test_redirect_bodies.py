"""The body of a redirect that is followed: neither kept, decoded, counted nor waited for."""

import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from body_doors import Door, every_door, get

from bladehttp import Retry
from bladehttp.client import HttpClient
from bladehttp.client._curl.body_sink import LONGEST_DROPPED
from bladehttp.exceptions import BodyTooLarge, DecodingError, ReceiveTimeout

MIB = 1 << 20
SOON = 5
"""Seconds. Who waits for the server to close waits for twice as long."""


def moved(*fields: str, version: str = "1.1") -> bytes:
    lines = [f"HTTP/{version} 302 Found", "Location: /to", *fields, "", ""]
    return "\r\n".join(lines).encode()


FAULTS = {
    "gzip that is none": (moved("Content-Encoding: gzip", "Content-Length: 5"), b"hello"),
    "an unknown coding": (moved("Content-Encoding: what", "Content-Length: 5"), b"hello"),
    "longer than max_body_size": (moved("Content-Length: 5000"), b"x" * 5000),
    "announced as 200 MB": (moved("Content-Length: 200000000"), b"x" * 1000),
    "cut short": (moved("Content-Length: 100"), b"hello"),
    "no chunk": (moved("Transfer-Encoding: chunked"), b"hello\r\n"),
    "a long chunk": (
        moved("Transfer-Encoding: chunked"), b"1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n"),
}  # fmt: skip


@every_door
@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_of_the_body_matters(
    peers: Any, reply: Any, tmp_path: Path, door: Door, fault: str
) -> None:
    def handle(connection: Any) -> None:
        while connection.read_request().target == "/to":
            connection.send(reply(b"there"))
        connection.send(b"".join(FAULTS[fault]))
        connection.hang_up()

    url = peers.raw(handle).url
    assert door(url + "/from", tmp_path / "file", max_body_size=1000) == b"there"


@every_door
@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 300000000"])
def test_an_endless_body_is_given_up_in_constant_memory(
    peers: Any, reply: Any, tmp_path: Path, door: Door, framing: str
) -> None:
    sent = []

    def handle(connection: Any) -> None:
        if connection.read_request().target == "/to":
            connection.send(reply(b"there"))
            return
        connection.send(moved(framing))
        block = b"x" * MIB if "Length" in framing else b"100000\r\n" + bytes(MIB) + b"\r\n"
        for _ in range(280):
            connection.send(block)
            sent.append(1)

    url = peers.raw(handle).url
    tracemalloc.start()
    try:
        assert door(url + "/from", tmp_path / "file") == b"there"
        assert tracemalloc.get_traced_memory()[1] < 10 * MIB
    finally:
        tracemalloc.stop()
    assert len(sent) < 280


ENDS = {
    "no length": (moved(), b"some"),
    "no length and no byte": (moved(), b""),
    "close": (moved("Connection: close", "Content-Length: 100"), b"some"),
    "close and no byte": (moved("Connection: Close", "Transfer-Encoding: chunked"), b""),
    "HTTP/1.0": (moved("Content-Length: 100", version="1.0"), b"some"),
    "after an interim response": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + moved(), b""),
}


@every_door
@pytest.mark.parametrize("end", ENDS)
def test_a_body_that_ends_with_the_connection_is_not_waited_for(
    peers: Any, reply: Any, tmp_path: Path, door: Door, end: str
) -> None:
    followed = threading.Event()

    def handle(connection: Any) -> None:
        if connection.read_request().target == "/to":
            followed.set()
            connection.send(reply(b"there"))
            return
        for part in ENDS[end]:
            connection.send(part)
        followed.wait(2 * SOON)

    url = peers.raw(handle).url
    began = time.monotonic()
    assert door(url + "/from", tmp_path / "file") == b"there"
    assert time.monotonic() - began < SOON


@every_door
def test_after_a_short_body_the_connection_is_used_again(
    peers: Any, reply: Any, tmp_path: Path, door: Door
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target == "/to":
            return bytes(reply(b"there"))
        return bytes(reply(b"x" * LONGEST_DROPPED, "302 Found", "Location: /to"))

    peer = peers(respond)
    assert door(peer.url, tmp_path / "file") == b"there"
    assert peer.connections == 1


def test_a_short_body_behind_many_transfers_at_once(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    def handle(connection: Any) -> None:
        while (request := connection.read_request()).target.startswith("/to"):
            connection.send(reply(request.target.encode()))
        connection.send(moved().replace(b"/to", b"/to" + request.target.encode()))
        connection.socket.recv(1)

    url = peers.raw(handle).url
    began = time.monotonic()
    bodies = {response.body for response in client.send_many(f"{url}/{n}" for n in range(50))}  # type: ignore[union-attr]
    assert bodies == {b"/to/%d" % n for n in range(50)}
    assert time.monotonic() - began < SOON


def test_on_redirect_is_told_without_the_body(client: HttpClient, peers: Any, reply: Any) -> None:
    told: list[tuple[int, bytes, str]] = []
    client.on_redirect = [
        lambda _, hop: told.append((hop.status, hop.body, hop.headers["Location"]))
    ]

    def respond(seen: Any) -> bytes:
        if seen.target == "/to":
            return bytes(reply(b"there"))
        return bytes(reply(b"moved", "302 Found", "Location: /to"))

    assert client.get(peers(respond).url).body == b"there"
    assert told == [(302, b"", "/to")]


@every_door
def test_what_is_not_followed_is_a_response_as_any_other(
    peers: Any, reply: Any, tmp_path: Path, door: Door
) -> None:
    peer = peers(reply(b"x" * 100_000, "302 Found"))
    path = tmp_path / "file"
    if "download" not in door.__name__:
        assert door(peer.url, path) == b"x" * 100_000
    with pytest.raises(BodyTooLarge):
        door(peer.url, path, max_body_size=1000)
    coded = moved("Content-Encoding: gzip", "Content-Length: 5") + b"hello"
    with pytest.raises(DecodingError):
        door(peers(coded).url, path, follow_redirect=False)


@every_door
def test_a_body_with_a_length_is_waited_for_within_receive_timeout(
    peers: Any, tmp_path: Path, door: Door
) -> None:
    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(moved("Content-Length: 100") + b"some")
        connection.socket.recv(1)

    with pytest.raises(ReceiveTimeout):
        door(peers.raw(handle).url, tmp_path / "file", receive_timeout=200)


def test_a_redirect_that_is_retried_is_retried(peers: Any, reply: Any, tmp_path: Path) -> None:
    def respond(seen: Any) -> bytes:
        if len(peer.requests) == 1:
            return bytes(reply(b"busy", "302 Found", "Location: /never"))
        return bytes(reply(b"there"))

    peer = peers(respond)
    assert get(peer.url, tmp_path, retry=Retry(backoff=0, statuses=[302])) == b"there"
    assert [request.target for request in peer.requests] == ["/", "/"]
