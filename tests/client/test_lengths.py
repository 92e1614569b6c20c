"""Texts that are too long for libcurl: an exception of the package says so, and nothing is sent."""

import ssl
from typing import Any

import h2_peer as h2
import pytest
from sending import DOORS

from bladehttp import HttpClient
from bladehttp.exceptions import InvalidHeader, InvalidUrl

LONG = "a" * 8_000_001
"""More than libcurl accepts as an option."""


@pytest.fixture(params=DOORS, ids=[door.__name__ for door in DOORS])
def door(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("size", [1 << 20, 8_000_000])
def test_a_url(peers: Any, door: Any, size: int) -> None:
    peer = peers()
    with door(peer.url) as send:
        with pytest.raises(
            InvalidUrl, match=r"^URL has \d+ bytes, and libcurl sends 1048576 at most$"
        ):
            send("GET", None, "/" + "a" * size)
        assert send("GET", None, "/" + "a" * 1_000_000).body == b"ok"
    assert len(peer.requests) == 1


@pytest.mark.parametrize("size", [1 << 20, 8_000_001])
@pytest.mark.parametrize("name", ["X-Long", "Cookie", "Authorization"])
def test_a_field(peers: Any, client: HttpClient, name: str, size: int) -> None:
    peer = peers()
    expected = "^sending to 127.*libcurl sends a head of 1048576 bytes at most$"
    requests = [{"url": peer.url, "headers": {name: "a" * size}}, {"url": peer.url}]
    with pytest.raises(InvalidHeader, match=expected):
        client.send_request(**requests[0])  # type: ignore[arg-type]
    refused, good = client.send_many(requests, 1, ordered=True)  # type: ignore[arg-type]
    assert isinstance(refused, InvalidHeader)
    assert good.body == b"ok"  # type: ignore[union-attr]


def test_a_field_through_a_proxy_is_not_its_fault(peers: Any, client: HttpClient) -> None:
    with pytest.raises(InvalidHeader):
        client.get("http://h.test/", {"X-Long": "a" * (1 << 20)}, proxy=peers().url)


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        ({"user_agent": LONG}, InvalidHeader),
        ({"referer": LONG}, InvalidHeader),
        ({"accept_encoding": LONG}, InvalidHeader),
        ({"auth": (LONG, "p")}, InvalidHeader),
        ({"auth": ("n", "\xe4" * 4_000_001)}, InvalidHeader),
        ({"auth": LONG}, InvalidHeader),
        ({"proxy": f"http://n:{LONG}@127.0.0.1:1"}, InvalidUrl),
        ({"cookies": True, "headers": {"Cookie": LONG}}, InvalidHeader),
        ({"method": LONG}, InvalidHeader),
        ({"no_proxy": LONG}, ValueError),
        ({"interface": LONG}, ValueError),
        ({"unix_socket": LONG}, ValueError),
        ({"ca_cert": LONG}, ValueError),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value.__name__,
)
def test_a_property(peers: Any, client: HttpClient, properties: Any, error: Any) -> None:
    peer = peers()
    with pytest.raises(error, match=r"^[\w ]+ has \d+ bytes, and libcurl accepts 8000000$"):
        client.send_request(peer.url, **properties)
    assert peer.requests == []


def test_a_name_and_password_of_a_url(client: HttpClient) -> None:
    with pytest.raises(InvalidHeader, match="a part of auth has 8000001 bytes"):
        client.get(f"http://n:{LONG}@127.0.0.1:1/")


def test_an_option_that_libcurl_refuses_is_shown_shortened(client: HttpClient) -> None:
    with pytest.raises(ValueError, match="this libcurl cannot set option") as caught:
        client.get("http://127.0.0.1:1/", interface="i" * 600)
    assert len(str(caught.value)) < 300


def test_a_head_over_http_2(peers: Any, door: Any, certificates: Any, client: HttpClient) -> None:
    def handle(connection: h2.Http2) -> None:
        while True:
            connection.answer(connection.read().stream, b"ok")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert_file, certificates.key_file)
    h2.with_http2(context)
    peer = peers.raw(h2.serving(handle), context)
    expected = r"too large for HTTP/2: a head of \d+ bytes, where libcurl sends 65536 at most$"
    with door(peer.url, ca_cert=certificates.ca_file) as send:
        assert send("GET", None).version == "2"
        with pytest.raises(InvalidHeader, match=expected):
            send("GET", None, "/" + "a" * 66_000)
        assert send("GET", None).body == b"ok"
    with pytest.raises(InvalidHeader, match=expected):
        client.get(peer.url, {"X-Long": "a" * 66_000}, ca_cert=certificates.ca_file)
