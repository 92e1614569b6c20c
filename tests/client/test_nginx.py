"""nginx as the peer: TLS, HTTP/2, gzip, redirects, and bodies of 100 MB."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import child, wait_until

from bladehttp import AsyncHttpClient, HttpResponse
from bladehttp.client import HttpClient
from bladehttp.exceptions import ReceiveTimeout, TotalTimeout

LATE = 2
"""Seconds a clock may be late on a busy machine before a test fails."""

SIZE = 100_000_000

CONFIGURATION = """
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
worker_rlimit_nofile 1024; events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/p;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  gzip on; gzip_min_length 1; types {{ text/plain txt; }}
  default_type application/octet-stream; gzip_types text/plain;
  server {{
    listen 127.0.0.1:{port} ssl http2; server_name localhost; client_max_body_size 0;
    ssl_certificate {cert}; ssl_certificate_key {key};
    location / {{ return 200 "$connection $request_method $uri"; }}
    location /silent {{ proxy_pass http://127.0.0.1:{silent}; }}
    location /files/ {{ alias {directory}/files/; }}
    location /301 {{ return 301 /there; }}
    location /302 {{ return 302 /there; }}
    location /303 {{ return 303 /there; }}
    location /307 {{ return 307 /there; }}
    location /308 {{ return 308 https://127.0.0.1:{port}/there; }}
  }}
}}
"""


@pytest.fixture
def silent(peers: Any) -> Any:
    """A peer that never answers."""

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.socket.recv(1)

    return peers.raw(handle)


@pytest.fixture
def nginx(tmp_path: Path, certificates: Any, silent: Any) -> Iterator[str]:
    """Speak HTTP/2 at the URL; each answer is the number of its connection, method and path."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("text " * 1000)
    with (tmp_path / "files" / "large").open("wb") as file:
        file.truncate(SIZE)
    text = CONFIGURATION.format(
        directory=tmp_path, port=port, cert=certificates.cert_file, key=certificates.key_file,
        silent=silent.port,
    )  # fmt: skip
    (tmp_path / "nginx.conf").write_text(text)
    command = [program, "-p", str(tmp_path), "-e", "stderr", "-c", str(tmp_path / "nginx.conf")]
    with child(command, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, "nginx did not start"
        yield f"https://localhost:{port}"
        process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def client(nginx: str, certificates: Any) -> Iterator[HttpClient]:
    with HttpClient(nginx, ca_cert=certificates.ca_file) as made:
        yield made


def test_http_2_is_agreed_on(client: HttpClient) -> None:
    for version, wire in (("auto", "2"), ("2", "2"), ("1.1", "1.1"), ("auto", "2")):
        response = client.get("/files/a.txt", http_version=version)
        assert (response.status, response.version) == (200, wire)
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.text == "text " * 1000
        assert response.certificate is not None, (version, wire)
    assert client.get("/files/none").status == 404


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_redirects(client: HttpClient, version: str) -> None:
    client.http_version = version
    for code, method in ((301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")):
        response = client.post(f"/{code}", b"data", {"Authorization": "x"})
        assert response.text.split()[1:] == [method, "/there"]
        assert (response.history[0].status, response.version) == (code, version)


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_hundred_megabytes(client: HttpClient, tmp_path: Path, version: str) -> None:
    client.http_version = version
    assert client.download("/files/large", tmp_path / "down").ok
    assert (tmp_path / "down").stat().st_size == SIZE
    with (tmp_path / "files" / "large").open("rb") as file:
        assert client.put("/there", file).text.split()[1:] == ["PUT", "/there"]
    ranged = client.get("/files/large", {"Range": "bytes=-10"})
    assert (ranged.status, ranged.body) == (206, bytes(10))


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("name", ["large", "a.txt"])
def test_a_download_is_resumed_and_a_new_version_is_told_from_the_old_one(
    client: HttpClient, tmp_path: Path, version: str, name: str
) -> None:
    client.http_version = version
    served, target = tmp_path / "files" / name, tmp_path / "down"
    body = os.urandom(1000) * 2000
    os.truncate(served, 0)
    served.write_bytes(body)

    def keep_a_part() -> None:
        with pytest.raises(KeyError):
            client.download(f"/files/{name}", target, stop, resume=True)
        assert 0 < (tmp_path / "down.part").stat().st_size < len(body)

    def stop(done: int, total: int | None) -> None:
        raise KeyError(done, total)

    keep_a_part()
    assert client.download(f"/files/{name}", target, resume=True).status == 206
    assert target.read_bytes() == body
    keep_a_part()
    served.write_bytes(body[::-1])
    os.utime(served, (10**9, 10**9))
    response = client.download(f"/files/{name}", target, resume=True)
    assert (response.status, response.version) == (200, version)
    assert target.read_bytes() == body[::-1]
    condition = {"If-None-Match": response.headers["ETag"]}
    assert client.download(f"/files/{name}", target, headers=condition).status == 304
    assert target.read_bytes() == body[::-1]


def test_http2_shares_one_connection(client: HttpClient) -> None:
    results = list(client.send_many([f"/{n}" for n in range(200)], 100, ordered=True))
    assert {result.version for result in results} == {"2"}
    assert len({result.text.split()[0] for result in results}) == 1
    assert [result.text.split()[2] for result in results] == [f"/{n}" for n in range(200)]


def test_no_stream_of_a_shared_connection_is_forgotten(nginx: str, certificates: Any) -> None:
    for _ in range(20):  # without the nudges of a scheduler one in forty stands still
        with HttpClient(nginx, ca_cert=certificates.ca_file, receive_timeout=10_000) as client:
            results = list(client.send_many([f"/{n}" for n in range(200)], 100))
        assert [each for each in results if isinstance(each, Exception)] == []


def test_http2_streams_have_clocks_and_ends_of_their_own(client: HttpClient) -> None:
    requests = [
        {"url": "/silent", "receive_timeout": 150},
        {"url": "/silent", "total_timeout": 100},
        *({"url": "/302"} for _ in range(30)),
    ]
    started = time.monotonic()
    results = list(client.send_many(requests, 40))
    assert 0.15 <= time.monotonic() - started < 0.15 + LATE
    answers = [each for each in results if isinstance(each, HttpResponse)]
    errors = [each for each in results if not isinstance(each, HttpResponse)]
    assert [type(each) for each in errors] == [TotalTimeout, ReceiveTimeout]
    assert [each.url for each in answers] == [f"{client.base_url}/there"] * 30
    assert len({each.text.split()[0] for each in answers}) == 1
    again = client.send_many(["/silent", "/"], 2)
    assert next(again).status == 200
    again.close()  # type: ignore[attr-defined]
    assert next(client.send_many(["/"])).status == 200  # type: ignore[union-attr]


def test_a_stream_that_stands_still_does_not_hold_up_the_others(
    nginx: str, certificates: Any
) -> None:
    async def main() -> None:
        async with AsyncHttpClient(nginx, ca_cert=certificates.ca_file) as client:
            first = (await client.get("/")).text.split()[0]
            async with client.stream("/files/large") as standing:
                pieces = standing.aiter_bytes()
                got = len(await anext(pieces))
                others = await asyncio.gather(*(client.get(f"/{n}") for n in range(50)))
                assert {each.text.split()[0] for each in others} == {first}  # one connection
                async with client.stream("/files/large") as left:
                    assert await anext(left.aiter_bytes())
                async for piece in pieces:
                    got += len(piece)
            assert (got, standing.version) == (SIZE, "2")
            assert (await client.get("/")).text.split()[0] == first

    asyncio.run(main())
