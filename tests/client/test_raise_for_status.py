"""raise_for_status: set on a client or given to a request, and the body in its message."""

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from support import run_async
from ways import ASYNCHRONOUS, SYNCHRONOUS, WAYS, Way, module

from bladehttp import AsyncHttpClient, HttpResponse, Retry
from bladehttp.client import HttpClient
from bladehttp.exceptions import HttpStatusError

TEXT = "Content-Type: text/plain"


@pytest.fixture
def missing(peers: Any, reply: Any) -> Any:
    return peers(reply(b"no such user", "404 Not Found", TEXT))


@pytest.mark.parametrize("way", WAYS)
def test_a_client_raises(missing: Any, way: Way, tmp_path: Path) -> None:
    with pytest.raises(HttpStatusError) as caught:
        way({"raise_for_status": True}, missing.url, tmp_path)
    error = caught.value
    assert str(error) == f"404 Not Found from {missing.url}/: no such user"
    assert (error.response.status, error.excerpt) == (404, "no such user")
    assert (error.url, error.request.method) == (f"{missing.url}/", "GET")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", [*WAYS, module])
def test_a_request_raises(missing: Any, way: Way, tmp_path: Path) -> None:
    with pytest.raises(HttpStatusError, match="no such user"):
        way({}, missing.url, tmp_path, raise_for_status=True)


@pytest.mark.parametrize("way", WAYS)
def test_a_request_does_not_raise_where_its_client_does(
    missing: Any, way: Way, tmp_path: Path
) -> None:
    response = way({"raise_for_status": True}, missing.url, tmp_path, raise_for_status=False)
    assert (response.status, response.body) == (404, b"no such user")


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified", "399 X"])
@pytest.mark.parametrize("way", [*SYNCHRONOUS[:2], *ASYNCHRONOUS[1:3]])
def test_what_is_below_400_is_returned(
    peers: Any, reply: Any, way: Way, status: str, tmp_path: Path
) -> None:
    peer = peers(reply(b"", status, length=status.startswith(("2", "39"))))
    assert way({"raise_for_status": True}, peer.url, tmp_path).status == int(status[:3])


@pytest.mark.parametrize("way", WAYS)
def test_it_is_raised_after_retries_and_hooks(
    peers: Any, reply: Any, way: Way, tmp_path: Path
) -> None:
    peer = peers(reply(b"busy", "503 Service Unavailable", TEXT))
    told: list[Any] = []
    properties = {
        "raise_for_status": True,
        "retry": Retry(2, backoff=0),
        "on_retry": lambda request, result, delay: told.append("retry"),
        "on_response": lambda request, response: told.append(response.status),
        "on_error": lambda request, error: told.append(error),
    }
    with pytest.raises(HttpStatusError, match=r"503 .*: busy"):
        way(properties, peer.url, tmp_path)
    assert told == ["retry", "retry", 503]
    assert len(peer.requests) == 3


@pytest.mark.parametrize("way", ASYNCHRONOUS)
def test_it_is_raised_after_asynchronous_hooks(missing: Any, way: Way, tmp_path: Path) -> None:
    told: list[Any] = []

    async def note(request: Any, response: Any) -> None:
        told.append(response.status)

    with pytest.raises(HttpStatusError, match="no such user"):
        way({"raise_for_status": True, "on_response": [note]}, missing.url, tmp_path)
    assert told == [404]


@pytest.mark.parametrize("way", WAYS)
def test_the_last_of_a_chain_counts(peers: Any, reply: Any, way: Way, tmp_path: Path) -> None:
    peer = peers(
        lambda seen: (
            reply(b"", "302 Found", "Location: /b")
            if seen.target == "/a"
            else reply(b"", "410 Gone")
        )
    )
    with pytest.raises(HttpStatusError, match=r"^410 Gone from http://127\.0\.0\.1:\d+/b$"):
        way({"raise_for_status": True}, peer.url + "/a", tmp_path)


@pytest.mark.parametrize("way", [SYNCHRONOUS[2], ASYNCHRONOUS[2]])
def test_a_resumed_download_sees_the_statuses_it_asks_for(
    peers: Any, reply: Any, way: Way, tmp_path: Path
) -> None:
    peer = peers(
        lambda seen: (
            reply(b"", "416 Range Not Satisfiable", "Content-Range: bytes */2")
            if seen.get("Range")
            else reply(b"ok")
        )
    )
    (tmp_path / "file.part").write_bytes(b"12345")
    (tmp_path / "file.part.tag").write_text(json.dumps({}))
    way({"raise_for_status": True}, peer.url, tmp_path, resume=True)
    assert (tmp_path / "file").read_bytes() == b"ok"


@pytest.mark.parametrize(
    ("body", "fields", "shown"),
    [
        (b"plain", [TEXT], "plain"),
        (b'{"a":\n  1}', ["Content-Type: application/json"], '{"a": 1}'),
        (b"<a/>", ["Content-Type: application/problem+xml; charset=utf-8"], "<a/>"),
        ("grün".encode("latin-1"), ["Content-Type: text/html; charset=iso-8859-1"], "grün"),
        ("grün".encode("utf-16"), [TEXT], "grün"),
        (gzip.compress(b"packed", mtime=0), [TEXT, "Content-Encoding: gzip"], "packed"),
        (b"a\x1b[31mb\r\n\tc\0d\x7f\xe2\x80\xae", [TEXT], "a [31mb c d"),
        (b"x" * 1000, [TEXT], "x" * 197 + "..."),
        ("ü".encode() * 4000, [], "ü" * 197 + "..."),
        (b"\x89PNG\r\n", ["Content-Type: image/png"], ""),
        (b"\x89PNG\r\n", [], ""),
        (b"no type", [], "no type"),
        (b" \r\n ", [TEXT], ""),
        (b"", [TEXT], ""),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, list) else None,
)
@pytest.mark.parametrize("way", [SYNCHRONOUS[0], SYNCHRONOUS[1], ASYNCHRONOUS[1]])
def test_the_message_has_the_beginning_of_a_text(
    peers: Any, reply: Any, way: Way, body: bytes, fields: Any, shown: str, tmp_path: Path
) -> None:
    peer = peers(reply(body, "500 Oops", *fields))
    with pytest.raises(HttpStatusError) as caught:
        way({"raise_for_status": True}, peer.url, tmp_path)
    assert caught.value.excerpt == shown
    assert str(caught.value) == f"500 Oops from {peer.url}/{': ' + shown if shown else ''}"


@pytest.mark.parametrize(
    ("sent", "secret"),
    [
        ({"headers": {"Authorization": "Bearer t0psecret"}}, "t0psecret"),
        ({"auth": "t0psecret"}, "t0psecret"),
        ({"auth": ("ada", "t0psecret"), "auth_method": 1}, "t0psecret"),
        ({"auth": ("ada", "t0psecret"), "auth_method": 1}, "YWRhOnQwcHNlY3JldA=="),
        ({"cookies": {"sid": "t0psecret"}}, "t0psecret"),
        ({"headers": {"X-Api-Key": "t0psecret"}}, "t0psecret"),
        ({"query": {"api_key": "t0psecret"}}, "t0psecret"),
    ],
    ids=["field", "bearer", "password", "basic", "cookie", "key", "query"],
)
@pytest.mark.parametrize("way", [SYNCHRONOUS[0], ASYNCHRONOUS[1]])
def test_credentials_of_the_request_are_not_shown(
    peers: Any, reply: Any, way: Way, sent: Any, secret: str, tmp_path: Path
) -> None:
    def respond(seen: Any) -> bytes:
        echo = f"refused: {secret} in {seen.target} {seen.fields}"
        return reply(echo.encode(), "403 Forbidden", TEXT)

    peer = peers(respond)
    with pytest.raises(HttpStatusError) as caught:
        way({"raise_for_status": True}, peer.url, tmp_path, **sent)
    assert "refused" in str(caught.value)
    assert secret not in str(caught.value)
    assert secret in caught.value.response.text


def test_it_is_read_again_after_pickling(missing: Any, client: HttpClient) -> None:
    with pytest.raises(HttpStatusError) as caught:
        client.get(missing.url, {"Authorization": "Bearer t0psecret"}, raise_for_status=True)
    data = pickle.dumps(caught.value)
    assert str(pickle.loads(data)) == str(caught.value)
    assert b"t0psecret" not in data


def test_a_stream_that_raises_leaves_its_connection_in_order(
    peers: Any, reply: Any, client: HttpClient
) -> None:
    peer = peers(lambda seen: reply(b"x" * 100_000, seen.target[1:] + " X", TEXT))
    with (
        pytest.raises(HttpStatusError) as caught,
        client.stream(f"{peer.url}/500", raise_for_status=True),
    ):
        raise AssertionError("the stream was opened")
    assert (len(caught.value.response.body), caught.value.excerpt[-3:]) == (64 * 1024, "...")
    with client.stream(f"{peer.url}/200", raise_for_status=True) as response:
        assert len(response.read()) == 100_000


def test_a_stream_raises_at_what_was_received_of_a_slow_body(peers: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("bladehttp._message.response.EXCERPT_SECONDS", 0.05)
    monkeypatch.setattr("bladehttp.client._asyncio.streams.EXCERPT_SECONDS", 0.05)

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 500 X\r\nContent-Length: 100\r\n\r\nslow")
        connection.socket.recv(1)

    for way in (SYNCHRONOUS[1], ASYNCHRONOUS[1]):
        peer = peers.raw(handle)
        with pytest.raises(HttpStatusError, match=r": slow$"):
            way({"raise_for_status": True}, peer.url, Path())


def test_an_awaited_stream_shows_what_its_caller_raises(missing: Any) -> None:
    async def main() -> None:
        async with AsyncHttpClient() as client, client.stream(missing.url) as response:
            response.raise_for_status()

    with pytest.raises(HttpStatusError, match="no such user"):
        run_async(main())


def test_a_response_that_was_made_shows_its_body_too() -> None:
    with pytest.raises(HttpStatusError) as caught:
        HttpResponse("<b>no</b>", 404, {"Content-Type": "text/html"}).raise_for_status()
    assert str(caught.value) == "404 Not Found: <b>no</b>"
