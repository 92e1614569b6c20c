"""httpbin as the peer: a server somebody else wrote, with its own idea of the standards."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from httpbin import helpers
from pytest_httpbin import certs, serve

from bladehttp import AsyncHttpClient, Auth, Retry
from bladehttp.client import HttpClient
from bladehttp.exceptions import (
    CertificateError,
    DecodingError,
    ReceiveTimeout,
    TooManyRedirects,
    UnrewindableBody,
)

DIGESTS = ["MD5", "SHA-256", "SHA-512"]


@pytest.fixture
def client(httpbin: Any) -> Iterator[HttpClient]:
    with HttpClient(base_url=httpbin.url) as made:
        yield made


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """httpbin's digest authentication for every method; the original has it for GET alone."""
    app = flask.Flask("guarded")

    def guard(qop: str, algorithm: str) -> Any:
        if not helpers.check_digest_auth("me", "p:w"):
            return helpers.digest_challenge_response(app, qop, algorithm)
        return flask.request.method.encode() + b" " + flask.request.data

    app.add_url_rule("/<qop>/<algorithm>", view_func=guard, methods=["GET", "POST", "PUT"])
    with serve.Server(application=app) as server:
        yield server.url


def test_every_method_is_echoed(client: HttpClient) -> None:
    for verb in ("get", "post", "put", "patch", "delete"):
        given = {} if verb in ("get", "delete") else {"data": {"a": [1, "\xe4"]}}
        seen = getattr(client, verb)("/anything", **given).json()
        assert (seen["method"], seen["json"]) == (verb.upper(), given.get("data"))
    assert client.head("/anything").ok
    assert "PATCH" in client.options("/anything").headers["Allow"]


def test_forms_files_and_queries_arrive(client: HttpClient, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    seen = client.post(
        "/anything?x=1",
        form={"f": ["1", "2"]},
        files={"up": tmp_path / "a.txt"},
        query={"y": "\xe4"},
    ).json()
    assert (seen["args"], seen["form"]) == ({"x": "1", "y": "\xe4"}, {"f": ["1", "2"]})
    assert seen["files"] == {"up": "text"}
    assert client.post("/anything", form={"a": "b c&"}).json()["form"] == {"a": "b c&"}
    fields = {"Content-Type": "text/plain", "Content-Length": "3"}  # its server does not do chunks
    assert client.post("/anything", iter([b"o", b"ne"]), fields).json()["data"] == "one"


@pytest.mark.parametrize("hidden", ["", "hidden-"])
def test_basic(client: HttpClient, hidden: str) -> None:
    url = f"/{hidden}basic-auth/me/p%3Aw"
    assert client.get(url, auth=("me", "p:w"), auth_method=Auth.BASIC).json()["user"] == "me"
    assert client.get(url, auth=("me", "no"), auth_method=Auth.BASIC).status == (
        404 if hidden else 401
    )
    asked = client.get(url, auth=("me", "p:w"))  # ANY waits for a challenge, which hidden has not
    assert asked.status == (404 if hidden else 200)


def test_bearer(client: HttpClient) -> None:
    assert client.get("/bearer", auth="secret").json()["token"] == "secret"
    assert client.get("/bearer").status == 401


@pytest.mark.parametrize("algorithm", DIGESTS)
@pytest.mark.parametrize("qop", ["auth", "auth-int", "either"])
@pytest.mark.parametrize("method", [Auth.DIGEST, Auth.ANY], ids=["DIGEST", "ANY"])
def test_digest(client: HttpClient, qop: str, algorithm: str, method: Auth) -> None:
    url = f"/digest-auth/{qop}/me/pw/{algorithm}"
    right = client.get(url, auth=("me", "pw"), auth_method=method, cookies=True)
    if algorithm == "SHA-512":  # RFC 7616 has SHA-512-256, and libcurl keeps to that
        assert right.status == 401
        return
    assert (right.status, right.json()["user"]) == (200, "me")
    wrong = client.get(url, auth=("me", "no"), auth_method=method, cookies=True)
    assert (wrong.status, wrong.redirects) == (401, 0)


@pytest.mark.parametrize("algorithm", DIGESTS[:2])
@pytest.mark.parametrize(
    "data", [b"data", {"a": 1}, [b"da", b"ta"], "file"], ids=["bytes", "dict", "list", "file"]
)
def test_digest_with_a_body(
    client: HttpClient, guarded: str, algorithm: str, data: Any, tmp_path: Path
) -> None:
    (tmp_path / "data").write_bytes(b"data")
    for method in ("POST", "PUT"):
        with (tmp_path / "data").open("rb") as file:
            response = client.send_request(
                f"{guarded}/auth/{algorithm}", method, file if data == "file" else data,
                auth=("me", "p:w"), auth_method=Auth.DIGEST,
            )  # fmt: skip
        body = b'{"a": 1}' if isinstance(data, dict) else b"data"
        # the peer's WSGI server does not read chunked bodies
        assert response.body == f"{method} ".encode() + (b"" if isinstance(data, list) else body)


def test_digest_of_a_body_itself_is_refused_by_the_server(client: HttpClient, guarded: str) -> None:
    given: Any = {"auth": ("me", "p:w"), "auth_method": Auth.DIGEST}
    assert client.get(f"{guarded}/auth-int/MD5", **given).body == b"GET "
    # libcurl's digest of a body is that of an empty one
    assert client.post(f"{guarded}/auth-int/MD5", b"data", **given).status == 401


def test_a_generator_is_not_sent_twice_for_a_digest(client: HttpClient, guarded: str) -> None:
    data = (piece for piece in (b"x",) * 3)
    with pytest.raises(UnrewindableBody):
        client.post(f"{guarded}/auth/MD5", data, auth=("me", "p:w"), no_expect=True)


def test_cookies(client: HttpClient) -> None:
    client.cookies = True
    assert client.get("/cookies/set?a=1&b=2").json() == {"cookies": {"a": "1", "b": "2"}}
    sent = client.get("/cookies", {"Cookie": "c=3"}).json()["cookies"]
    assert sent == {"a": "1", "b": "2", "c": "3"}
    assert client.get("/cookies/delete?a=").json() == {"cookies": {"b": "2"}}
    assert [(each.name, each.value) for each in client.cookies] == [("b", "2")]
    assert client.get("/cookies", cookies=None).json() == {"cookies": {}}


def test_redirects(client: HttpClient) -> None:
    for kind in ("redirect", "relative-redirect", "absolute-redirect"):
        response = client.get(f"/{kind}/5")
        assert (response.status, response.redirects) == (200, 5)
        assert response.url.endswith("/get")
        with pytest.raises(TooManyRedirects):
            client.get(f"/{kind}/5", max_redirects=4)
    for status, method in ((302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")):
        target = f"/redirect-to?url=/anything&status_code={status}"
        seen = client.post(target, b"data").json()
        assert (seen["method"], seen["data"]) == (method, "data" if method == "POST" else "")


@pytest.mark.parametrize(
    ("path", "key"), [("gzip", "gzipped"), ("deflate", "deflated"), ("brotli", "brotli")]
)
def test_codings(client: HttpClient, path: str, key: str) -> None:
    assert client.get(f"/{path}").json()[key] is True
    with client.stream(f"/{path}") as response:
        response.read()
        assert response.json()[key] is True
    with pytest.raises((DecodingError, ValueError)):
        client.get(f"/{path}", accept_encoding=None).json()


def test_streams(client: HttpClient) -> None:
    with client.stream("/stream/20") as response:
        assert [line[:7] for line in response.iter_lines()] == ['{"url":'] * 20
    with client.stream("/stream-bytes/100000?seed=1&chunk_size=999") as response:
        streamed = response.read()
    assert streamed == client.get("/bytes/100000?seed=1").body
    assert len(streamed) == 100_000
    assert client.get("/drip?duration=0.05&numbytes=5&code=200").body == b"*****"
    assert "\u2200x\u2208\u211d" in client.get("/encoding/utf8").text


def test_ranges_and_downloads(client: HttpClient, tmp_path: Path) -> None:
    whole = client.get("/range/5000").body
    assert client.get("/range/5000", {"Range": "bytes=10-19"}).body == whole[10:20]
    (tmp_path / "f.part").write_bytes(whole[:2000])
    (tmp_path / "f.part.tag").write_text("other")  # httpbin's ETag is none: no quotes
    client.download("/range/5000", tmp_path / "f", resume=True)
    assert (tmp_path / "f").read_bytes() == whole


def test_statuses_clocks_and_retries(client: HttpClient) -> None:
    assert [client.get(f"/status/{code}").status for code in (204, 418, 503)] == [204, 418, 503]
    with pytest.raises(ReceiveTimeout):
        client.get("/delay/0.3", receive_timeout=100)
    waits: list[float] = []
    client.on_retry = [lambda *told: waits.append(told[2])]
    assert client.get("/status/503", retry=Retry(2, backoff=1)).status == 503
    assert len(waits) == 2


def test_over_tls(httpbin_secure: Any) -> None:
    with HttpClient(base_url=httpbin_secure.url) as client:
        with pytest.raises(CertificateError):
            client.get("/get")
        client.ca_cert = certs.where()
        assert client.get("/get").json()["url"].startswith("https://")
        assert client.get("/redirect/3").redirects == 3
        assert client.get("/digest-auth/auth/me/pw/MD5", auth=("me", "pw")).ok


def test_the_same_on_asyncio(httpbin: Any) -> None:
    async def main() -> None:
        async with AsyncHttpClient(base_url=httpbin.url, cookies=True) as client:
            paths = ["/gzip", "/brotli", "/redirect/3", "/cookies/set?a=1", "/uuid"]
            assert [each.ok for each in await asyncio.gather(*map(client.get, paths))] == [True] * 5
            assert (await client.get("/cookies")).json() == {"cookies": {"a": "1"}}
            digest = await client.get("/digest-auth/auth/me/pw/SHA-256", auth=("me", "pw"))
            assert digest.ok
            async with client.stream("/stream/5") as response:
                assert len([line async for line in response.aiter_lines()]) == 5

    asyncio.run(main())
