"""HttpxTransport and AsyncHttpxTransport under httpx's clients, against real servers."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from bladehttp.adapters import AsyncHttpxTransport, HttpxTransport
from bladehttp.server import HttpServer
from bladehttp.server.testing import BladeServer, Identity, faults


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(transport=HttpxTransport(), trust_env=False) as client:
        yield client


def test_a_response_is_httpx_own(server: HttpServer, client: httpx.Client) -> None:
    response = client.get(f"{server.url}/a", params={"b": "é"}, timeout=5)
    assert type(response) is httpx.Response
    assert (response.status_code, response.reason_phrase) == (200, "OK")
    assert response.http_version == "HTTP/1.1"
    assert response.json()["uri"] == "/a?b=%C3%A9"
    assert response.json()["headers"]["User-Agent"].startswith("python-httpx/")


def test_cookies_are_the_clients(server: HttpServer, client: httpx.Client) -> None:
    client.get(server.url)
    assert client.get(server.url).json()["cookies"] == {"seen": "1"}


BODIES: dict[str, dict[str, Any]] = {
    "bytes": {"content": b"ab"},
    "an iterator": {"content": iter([b"a", b"b"])},
    "a form": {"data": {"ab": ""}},
}


@pytest.mark.parametrize("given", BODIES.values(), ids=BODIES.keys())
def test_a_body_is_sent_as_it_is(
    server: HttpServer, client: httpx.Client, given: dict[str, Any]
) -> None:
    assert client.post(server.url, **given).json()["body"].rstrip("=") == "ab"


def test_an_announced_iterator_is_not_chunked(server: HttpServer, client: httpx.Client) -> None:
    headers = {"Content-Length": "2"}
    sent = client.post(server.url, content=iter([b"a", b"b"]), headers=headers).json()
    assert (sent["body"], sent["headers"]["Content-Length"]) == ("ab", "2")


def test_redirects_and_codings_are_httpx_business(client: httpx.Client) -> None:
    with BladeServer() as server:
        server.expect("GET", "/old").respond(status=302, headers={"Location": "/new"})
        coded = {"Content-Encoding": "gzip"}
        server.expect("GET", "/new").respond(gzip.compress(b"here"), headers=coded)
        response = client.get(server.url_for("/old"), follow_redirects=True)
    assert (response.text, [each.status_code for each in response.history]) == ("here", [302])


def test_a_body_can_be_streamed(server: HttpServer, client: httpx.Client) -> None:
    with client.stream("GET", server.url) as response:
        assert b"".join(response.iter_raw(7)).startswith(b'{"method"')


def test_errors_are_those_of_httpx(client: httpx.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(httpx.ReadTimeout) as caught:
            client.get(url, timeout=0.05)
    assert caught.value.request.url == url
    with pytest.raises(httpx.ConnectError):
        client.get(url)
    with pytest.raises(httpx.UnsupportedProtocol):
        client.get("ftp://127.0.0.1/")


def test_a_truncated_body_is_an_error(client: httpx.Client) -> None:
    with BladeServer() as server:
        server.expect("GET", "/").respond("0123456789", fault=faults.truncate(4))
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(server.url_for("/"))


def test_trust_is_given_to_the_transport(tmp_path_factory: pytest.TempPathFactory) -> None:
    identity = Identity.throw_away(tmp_path_factory.mktemp("transport"))
    with BladeServer(identity=identity) as server:
        server.expect("GET", "/").respond("secure")
        transport = HttpxTransport(ca_cert=str(identity.ca_file))
        with httpx.Client(transport=transport) as client:
            assert client.get(server.url_for("/")).text == "secure"
        with httpx.Client(transport=HttpxTransport()) as client, pytest.raises(httpx.ConnectError):
            client.get(server.url_for("/"))


async def parts() -> AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


def test_the_asynchronous_client(server: HttpServer) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(transport=AsyncHttpxTransport(), trust_env=False) as client:
            answers = await asyncio.gather(*(client.get(f"{server.url}/{n}") for n in range(20)))
            assert [each.json()["uri"] for each in answers] == [f"/{n}" for n in range(20)]
            assert (await client.post(server.url, content=parts())).json()["body"] == "ab"
            async with client.stream("GET", server.url) as response:
                assert (await response.aread()).startswith(b'{"method"')

    asyncio.run(main())


def test_errors_of_the_asynchronous_client() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            async with httpx.AsyncClient(transport=AsyncHttpxTransport()) as client:
                with pytest.raises(httpx.ReadTimeout):
                    await client.get(url, timeout=0.05)

    asyncio.run(main())


def test_fields_beyond_ascii_are_given_as_they_came(client: httpx.Client) -> None:
    with BladeServer() as server:
        name = 'attachment; filename="\xe9.txt"'
        server.expect("GET", "/").respond("x", headers={"Content-Disposition": name})
        response = client.get(server.url_for("/"))
    assert (b"Content-Disposition", name.encode("latin-1")) in response.headers.raw
