"""The API as programs write it: mypy --strict and pyright find nothing here."""

import logging
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from datetime import date
from enum import Enum
from pathlib import Path
from socket import socket
from typing import Any, assert_type
from uuid import UUID

import bladehttp as http
from bladehttp import (
    Abort,
    Channel,
    ClientInfo,
    Cookie,
    CookieJar,
    Deferred,
    Event,
    Events,
    Headers,
    HookRequest,
    Hop,
    HttpClient,
    HttpRequest,
    HttpResponse,
    HttpServer,
    MultiDict,
    RequestInfo,
    RequestOptions,
    Result,
    Retry,
    Upload,
)
from bladehttp.client import (
    AsyncData,
    ClientOptions,
    Data,
    FilesLike,
    RequestHeaders,
    RequestItem,
)
from bladehttp.server import Answered, Stats, Timer, access_log, inherited_socket
from bladehttp.server.wsgi import WsgiApplication
from bladehttp.testing import BladeServer, Expectation, Identity, faults, subset


class Colour(Enum):
    RED = "red"


def module_functions() -> None:
    response = http.get("https://example.com", {"Accept": "text/html"}, receive_timeout=1_000)
    assert_type(response, HttpResponse)
    http.post("https://example.com", "text", [("X-A", "1"), ("X-A", "2")])
    http.put("https://example.com", b"bytes")
    http.patch("https://example.com", json={"a": [1, None]}, follow_redirect=False)
    http.delete("https://example.com", query={"id": 7})
    http.head("https://example.com", auth=("ada", "secret"))
    http.options("https://example.com", auth="token")
    http.trace("https://example.com", ca_cert=Path("ca.pem"))
    http.set_headers({"Host": "example.com"}).get("/current-user")
    assert_type(http.map, dict[int, str])
    assert_type(http.NOT_FOUND, int)
    assert_type(http.info()["libcurl"], str | list[str])


def responses(response: HttpResponse) -> None:
    assert_type(response.url, str)
    assert_type(response.status, int)
    assert_type(response.body, bytes)
    assert_type(response.text, str)
    assert_type(response.headers, Headers)
    assert_type(response.headers["Content-Type"], str)
    assert_type(response.headers.get("ETag"), str | None)
    assert_type(response.headers.get_all("Via"), list[str])
    assert_type(response.history, tuple[Hop, ...])
    assert_type(response.timings["total"], float)
    assert_type(response.raise_for_status().elapsed.total_seconds(), float)
    data: dict[str, int] = response.json()
    data["a"] += 1
    if response.request is not None:
        assert_type(response.request, RequestInfo)
        assert_type(response.request.url, str)
    lines: Iterator[str] = iter(response.iter_lines())
    next(lines)


def paths_are_read_as_str(client: HttpClient, other: HttpClient) -> None:
    assert_type(client.ca_cert, str | None)
    assert_type(other.cookie_file, str | None)


def properties(folder: Path) -> None:
    client = HttpClient(
        "https://example.com", headers=Headers({"A": "b"}), ca_cert=folder / "ca.pem"
    )
    client.ca_cert = folder / "ca.pem"
    client.ca_cert = None
    client.cookie_file = folder / "cookies.txt"
    client.client_cert = (folder / "cert.pem", None)
    client.client_cert = ("cert.pem", "key.pem", "password")
    assert_type(client.client_cert, tuple[str, ...] | None)
    client.connect_timeout = None
    assert_type(client.connect_timeout, int)
    client.headers = {"A": "b"}
    client.headers = [("A", "b")]
    assert_type(client.headers, RequestHeaders)
    client.headers["A"] = "c"
    client.cookies = True
    client.cookies = CookieJar()
    jar = client.cookies
    if jar is not None:
        for cookie in jar:
            assert_type(cookie, Cookie)
    client.no_proxy = ["localhost", "10.0.0.0/8"]
    client.sensitive_headers = ["X-Key"]
    client.netrc = folder / "netrc"
    client.netrc = True
    client.unix_socket = folder / "socket"
    client.resolve = {"example.com:443": "127.0.0.1"}
    client.retry = Retry(total=3)
    client.auth_method = http.Auth.BASIC | http.Auth.DIGEST
    client.curl_options = {1: "anything"}
    client.progress = lambda done, total: print(done, total)


def bodies(client: HttpClient, folder: Path, chunks: Iterator[bytes]) -> None:
    client.post("/", chunks)
    client.post("/", [b"a", b"b"])
    client.post("/", bytearray(b"a"))
    client.post("/", {"name": "Ada", "photo": folder / "a.png"})
    with (folder / "a.bin").open("rb") as file:
        client.post("/", file)
        client.post("/", files={"a": file, "b": ("b.txt", "text"), "c": ("c", b"", "image/png")})
    client.post("/", client.get("/"))
    client.post("/", files=[("a", folder / "a"), ("a", b"bytes")], form={"name": "Ada"})
    client.post("/", files={"a": [b"one", ("two", b"two")]})
    client.post("/", form={"a": 1, "b": None, "c": ["x", "y"], "d": Colour.RED, "e": date.today()})  # noqa: DTZ011
    client.post("/", form=[("a", "1"), ("a", "2")])
    client.get("/", query={"id": UUID(int=1), "tags": ("a", "b")})
    client.get("/", query="a=1&b=2")
    client.get("/", query=MultiDict([("a", "1"), ("a", "2")]))
    client.send_request("/", "PURGE", None, headers=None, json={"a": 1}, max_redirects=0)


def streams(client: HttpClient, folder: Path) -> None:
    with client.stream("/large", query={"a": 1}, headers={"A": "b"}) as response:
        for chunk in response.iter_bytes():
            assert_type(chunk, bytes)
    client.download("/large", folder / "large", lambda done, total: None, resume=True)
    client.download(
        "/large", "large", checksum="sha256:00", retry=Retry(total=2), method="POST", data="x"
    )


def many(client: HttpClient) -> None:
    for result in client.send_many(f"users/{number}" for number in range(1000)):
        assert_type(result, Result)
        if isinstance(result, HttpResponse):
            assert result.status == 200
        else:
            raise result
    items: list[RequestItem] = [{"url": "/a", "method": "POST", "json": 1}, {"url": "/b"}]
    for answer in client.send_many(items, concurrency=10, ordered=True):
        if not isinstance(answer, Exception):
            answer.raise_for_status()
    untyped: list[dict[str, Any]] = [{"url": "/a"}]
    list(client.send_many(untyped))
    list(client.send_many(["/a", {"url": "/b", "query": {"c": 1}}]))


def hooks(client: HttpClient) -> None:
    def on_request(request: HookRequest) -> None:
        request.headers["X-Id"] = request.context.setdefault("id", "1")

    def on_retry(request: HookRequest, result: HttpResponse | Exception, delay: float) -> None:
        logging.info("%s %s %s", request.url, result, delay)

    def on_error(request: HookRequest, error: BaseException) -> None:
        logging.info("%s %s", request.url, error)

    client.on_request = [on_request]
    client.on_request.append(on_request)
    client.on_response.append(lambda request, response: response.status)
    client.on_retry = (on_retry,)
    HttpClient(on_error=[on_error], on_redirect=[lambda request, response: None])
    HttpClient(on_error=on_error)
    client.get("/", on_request=on_request, on_response=[lambda request, response: None])


def pages(client: HttpClient) -> None:
    for page in client.pages("/", {"A": "b"}, limit=2, receive_timeout=1):
        assert_type(page, HttpResponse)
        assert_type(page.links["next"].url, str)


def events(client: HttpClient) -> None:
    for event in client.events("/", last_event_id="1", failures=None, headers={"A": "b"}):
        assert_type(event, Event)
        assert_type(event.data, str)
    with client.stream("/") as response:
        assert_type(next(response.iter_events(100)), Event)


def auth_by_functions(client: HttpClient) -> None:
    def plain(request: HookRequest) -> None:
        request.headers["Authorization"] = str(request.body)

    def generator(request: HookRequest) -> Generator[HookRequest, HttpResponse, None]:
        response = yield request
        if response.status == 401:
            yield request

    async def asynchronous(request: HookRequest) -> AsyncGenerator[HookRequest, HttpResponse]:
        response = yield request
        if response.status == 401:
            yield request

    client.auth = plain
    client.get("/", auth=generator)
    http.AsyncHttpClient(auth=asynchronous)


def fields_and_queries(client: HttpClient) -> None:
    assert_type(client.query, str | None)
    client.headers["Accept"] = None
    client.headers = {"Accept": None, "X-A": "1"}
    http.get("/", {"Accept": None}, cookies={"a": "1"}, raise_for_status=True)
    http.post("/", "text", [("Accept", None), ("A", "b")])
    HttpClient(headers={"Accept": None}, query={"a": [1, 2]}, raise_for_status=True)
    client.query = "a=1"
    client.query = [("a", 1)]


def options_of_ones_own(client: HttpClient, **options: RequestOptions) -> None:
    patient: RequestOptions = {"receive_timeout": 60_000, "query": {"a": 1}}
    client.get("/", **patient)
    standing: ClientOptions = {"total_timeout": 1_000, "max_redirects": 3}
    HttpClient("https://example.com", **standing)
    data: Data = b""
    files: FilesLike = {"a": data if isinstance(data, bytes) else b""}
    client.post("/", files=files)


async def asynchronous(chunks: AsyncIterator[bytes]) -> None:
    async def log(request: HookRequest, response: HttpResponse) -> None:
        print(request, response)

    async with http.AsyncHttpClient(concurrency=10, on_response=[log]) as client:
        assert_type(await client.get("/", query={"a": 1}), HttpResponse)
        data: AsyncData = chunks
        await client.post("/", data)
        async with client.stream("/large") as response:
            async for chunk in response.aiter_bytes():
                assert_type(chunk, bytes)
        async for result in client.send_many(["/a", "/b"]):
            assert_type(result, Result)
        await client.download("/large", Path("large"), resume=True)


def errors() -> None:
    try:
        http.get("https://example.com")
    except http.HttpStatusError as error:
        assert_type(error.url, str | None)
    except http.IncompleteBody as error:
        assert_type(error.partial, bytes)
    except (http.BodyTooLarge, http.ChecksumMismatch, http.SocketException) as error:
        assert_type(error.code, int | None)


def server(folder: Path) -> None:
    server = http.server(0)
    assert_type(server, HttpServer)

    @server.on_receive
    def receive(request: HttpRequest, response: HttpResponse) -> None:
        assert_type(request.queries, MultiDict[str])
        assert_type(request.queries["a"], str)
        assert_type(request.cookies.get_all("a"), list[str])
        upload: Upload = request.files["photo"]
        upload.save(folder / "photo")
        response.json({"a": 1}, status=201)
        response.set_cookie("a", "b")
        if not request.is_secure:
            http.abort(http.FORBIDDEN, json={"error": "https only"}, headers={"A": "b"})

    @server.handle("GET", "/later", offload=False)
    def later(request: HttpRequest, response: HttpResponse) -> None:
        deferred: Deferred = response.defer(1_000)
        deferred.send()

    @server.handle("GET", "/events")
    def stream(request: HttpRequest, response: HttpResponse) -> None:
        events: Events = response.events()
        channel: Channel = events
        channel.close()

    @server.on_connect
    def connect(connection: socket) -> None:
        connection.fileno()

    @server.on_disconnect
    def disconnect(client: ClientInfo) -> None:
        assert_type(client.ip, str)

    @server.on_error
    def failed(error: BaseException, connection: socket | None) -> None:
        assert not isinstance(error, Abort)

    @server.on_answered
    def answered(answer: Answered) -> None:
        assert_type(answer.milliseconds, float)

    server.on_answered(access_log(folder / "access.log", form="json"))
    server.on_reply(lambda response: response.status)
    server.handle("GET", "/", receive)
    server.serve_files("/static", folder)
    server.load_certs(folder / "cert.pem", folder / "key.pem")
    server.read_timeout = 1_000
    HttpServer(0, socket=inherited_socket(), max_body_size=None, trusted_proxies=["10.0.0.0/8"])
    timer: Timer = server.call_later(10, lambda: None)
    timer.cancel()
    stats: Stats = server.stats
    application: WsgiApplication = server.wsgi
    with server as started:
        print(started.url, stats.active, application)


def fixture(blade_server: BladeServer, folder: Path) -> None:
    expectation: Expectation = blade_server.expect("GET", "/users/1")
    expectation.respond(json={"name": "Ada"})
    blade_server.expect(
        re.compile("PUT|PATCH"),
        re.compile("/users/[0-9]+"),
        query=subset({"page": 1}),
        headers={"X-A": None, "X-B": re.compile("b+")},
        cookies={"theme": "dark"},
        form=[("a", 1), ("a", re.compile("2"))],
        files={"photo": {"filename": "me.png", "content": b"PNG"}},
    )
    assert_type(expectation.requests, tuple[HttpRequest, ...])
    blade_server.expect("GET", "/broken").respond("text", fault=faults.abort())
    identity = Identity.throw_away(folder)
    assert_type(identity.context, ssl.SSLContext)
    with BladeServer(record=False) as recording:
        recording.record(to=folder / "a.json", upstream="https://example.com", secrets=["email"])
        assert_type(recording.replay(folder / "b.json"), tuple[Expectation, ...])
    with BladeServer(identity=identity, max_body_size=10) as secure:
        print(secure.url)
