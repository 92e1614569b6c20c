"""HTTP/3, with a server that speaks it and with servers that do not."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pycurl
import pytest
from quic import QuicServer

from bladehttp import AsyncHttpClient
from bladehttp.client import HttpClient
from bladehttp.exceptions import CertificateError, ConnectError, ConnectTimeout, InvalidUrl

ONLY = {pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_3ONLY}

if not pycurl.version_info()[4] & pycurl.VERSION_HTTP3:
    pytest.skip("this libcurl has no HTTP/3", allow_module_level=True)


@pytest.fixture
def client(certificates: Any) -> Iterator[HttpClient]:
    with HttpClient(ca_cert=certificates.ca_file, http_version="3") as made:
        yield made


@pytest.fixture
def quic(certificates: Any) -> Iterator[QuicServer]:
    with QuicServer(certificates.cert_file, certificates.key_file) as server:
        yield server


def test_http_3_is_spoken_where_the_server_does(client: HttpClient, quic: QuicServer) -> None:
    url = f"https://localhost:{quic.port}"
    response = client.get(f"{url}/a?b")
    assert (response.status, response.version, response.body) == (200, "3", b"GET /a?b")
    assert (response.headers["X-Peer"], response.reason) == ("aioquic", "OK")
    assert response.certificate is not None
    assert client.post(url, b"data").body == b"POST / data"
    assert client.get(url).num_connects == 0
    with client.stream(url) as streamed:
        assert streamed.read() == b"GET /"
    results = list(client.send_many([f"{url}/{n}" for n in range(5)], ordered=True))
    assert [each.body for each in results] == [b"GET /%d" % n for n in range(5)]


def test_the_same_on_asyncio(quic: QuicServer, certificates: Any) -> None:
    async def main() -> None:
        url = f"https://localhost:{quic.port}"
        async with AsyncHttpClient(url, ca_cert=certificates.ca_file, http_version="3") as client:
            assert (await client.get("/first")).version == "3"
            results = await asyncio.gather(*(client.put(f"/{n}", b"x") for n in range(20)))
            assert [each.body for each in results] == [b"PUT /%d x" % n for n in range(20)]
            async with client.stream("/streamed") as response:
                assert await response.aread() == b"GET /streamed"

    asyncio.run(main())


def test_its_certificate_is_checked(client: HttpClient, quic: QuicServer) -> None:
    with pytest.raises(CertificateError):
        client.get(f"https://localhost:{quic.port}", ca_cert=None, curl_options=ONLY)


def test_without_it_the_server_is_asked_by_tls(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext
) -> None:
    peer = peers(context=server_context)
    assert (client.get(peer.url).version, client.get(peer.url).body) == ("1.1", b"ok")
    with socket.socket(type=socket.SOCK_DGRAM) as silent:  # nobody refuses, nobody answers
        silent.bind(("127.0.0.1", peer.port))
        with HttpClient(ca_cert=client.ca_cert, http_version="3") as other:
            assert other.get(peer.url).version == "1.1"
    assert client.get(peers().url).version == "1.1"  # http has no HTTP/3


def test_a_server_that_has_to_speak_it_and_does_not(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext
) -> None:
    client.curl_options = ONLY
    peer = peers(context=server_context)
    with pytest.raises(ConnectError, match=f"failed to connect to 127.0.0.1:{peer.port}"):
        client.get(peer.url)
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectTimeout):
            client.get(f"https://127.0.0.1:{silent.getsockname()[1]}/", connect_timeout=100)
    with pytest.raises(InvalidUrl, match="HTTP/3 requested for non-HTTPS"):
        client.get(peers().url)
    assert peer.requests == []
