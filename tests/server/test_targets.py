"""Targets and fields that are decided before a handler: refused, answered early, decoded."""

import time

import pytest
from support import Raw

from bladehttp._wire.head import HeadParser
from bladehttp._wire.limits import Limits
from bladehttp._wire.reader import RequestReader
from bladehttp._wire.target import decode_path
from bladehttp.server import HttpServer
from bladehttp.server.testing import BladeServer


def post(path: str = "/", *fields: str, body: str = "") -> str:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", body])


@pytest.mark.parametrize("second", ["application/json", "text/plain"], ids=["same", "another"])
def test_content_type_twice_is_400(serve, connect, second):
    server = serve(lambda request, response: response.json(request.body))
    fields = ["Content-Type: application/json", f"content-type: {second}"]
    assert connect(server).send(post("/", *fields, body="{}")).response().status == 400
    joined = f"Content-Type: application/json, {second}"
    assert connect(server).send(post("/", joined, body="{}")).response().status == 400


@pytest.mark.parametrize("host", ["Host: a\r\n", "Host:\r\n", ""], ids=["host", "empty", "none"])
@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize(
    "target", ["http:///u", "http://", "http://:80/u", "http:/u", "http://@/u"]
)
def test_url_without_a_host_is_400(serve, connect, target, minor, host):
    server = serve(lambda request, response: response.write("no"))
    client = connect(server).send(f"GET {target} HTTP/1.{minor}\r\n{host}\r\n")
    assert client.response().status == 400


def test_https_url_on_a_plain_port_is_421(serve, connect):
    server = serve(lambda request, response: response.write(request.scheme))
    assert connect(server).get("http://localhost/").response().body == b"http"
    assert connect(server).get("https://localhost/").response().status == 421
    assert connect(server).get("HTTPS://localhost").response().status == 421


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_either_url_is_served_over_tls(serve, connect, scheme):
    server = serve(lambda request, response: response.write(request.scheme), secure=True)
    assert connect(server).get(f"{scheme}://localhost/").response().body == b"https"


def test_url_of_the_scheme_that_a_trusted_proxy_tells_is_served(serve, connect):
    server = serve(
        lambda request, response: response.write(request.url), trusted_proxies=["127.0.0.1"]
    )
    client = connect(server)
    field = "X-Forwarded-Proto: https"
    assert client.get("https://a/b", field).response().body == b"https://a/b"
    assert client.get("https://a/b").response().status == 421


EXPECTING = ("Expect: 100-continue", "Content-Length: 16000000")


@pytest.mark.parametrize(
    ("path", "status"), [("/none", 404), ("/get", 405), ("/files/a.txt", 405), ("https://a/", 404)]
)
def test_body_that_nobody_wants_is_refused_before_it_is_sent(
    serve, connect, tmp_path, path, status
):
    server = serve()
    answers = []
    server.on_answered(lambda answered: answers.append(answered.response.status))
    server.handle("GET", "/get", lambda request, response: None)
    server.serve_files("/files", tmp_path)
    client = connect(server).get(path, *EXPECTING, method="PUT")
    response = client.response()
    assert (response.status, response.get("Connection")) == (status, "close")
    assert response.get("Allow") == ("GET, HEAD, OPTIONS" if status == 405 else None)
    assert client.shut().at_end()
    assert answers == [status]


def test_body_for_a_server_without_routes_is_refused_before_it_is_sent(serve, connect):
    assert connect(serve()).get("/", *EXPECTING, method="POST").response().status == 404


def routed(server: HttpServer) -> None:
    server.handle("POST", "/{name}", lambda request, response: None)


def received(server: HttpServer) -> None:
    server.handle("GET", "/x", lambda request, response: None)
    server.on_receive(lambda request, response: None)


def caught(server: HttpServer) -> None:
    server.none_handler(lambda request, response: response.write(request.raw_body))


@pytest.mark.parametrize("wanted", [routed, received, caught])
def test_body_that_somebody_may_want_is_asked_for(serve, connect, wanted):
    server = serve()
    wanted(server)
    client = connect(server).get("/x", "Expect: 100-continue", "Content-Length: 2", method="POST")
    assert client.line() == b"HTTP/1.1 100 Continue"


def test_body_that_a_test_expects_is_asked_for():
    with BladeServer() as server:
        server.expect("POST", "/x", body="ab")
        with Raw(server.port) as client:
            client.get("/x", "Expect: 100-continue", "Content-Length: 2", method="POST")
            assert client.line() == b"HTTP/1.1 100 Continue"
            assert client.line() == b""
            assert client.send("ab").response().status == 200


def test_raw_utf_8_in_query_and_cookies_is_decoded_as_such(serve, connect):
    server = serve(
        lambda request, response: response.json([request.path, request.queries, request.cookies])
    )
    target = "/é?q=é&ü=%C3%BC&bad=\udcff".encode(errors="surrogateescape").decode("latin-1")
    cookie = "Cookie: a=é; b=ü".encode().decode("latin-1") + "; c=\xe9; d=1"
    response = connect(server).get(target, cookie).response()
    assert response.body.decode() == (
        '["/é", {"q": "é", "ü": "ü", "bad": "\ufffd"}, {"a": "é", "b": "ü", "c": "é", "d": "1"}]'
    )


@pytest.mark.parametrize(
    ("path", "decoded"),
    [
        ("/%ff%fe%C3%A9%ff", "/%ff%feé%ff"),
        ("/%E2%82", "/%E2%82"),
        ("/%E2%82%AC%E2%82", "/€%E2%82"),
        ("/%F0%9F%98%80%80", "/😀%80"),
        ("/\xff%C3\xa9\xe9", "/\xffé\xe9"),
        ("/%ed%a0%80", "/%ed%a0%80"),
    ],
)
def test_octets_that_are_not_utf_8_stay_as_they_were_sent(path, decoded):
    assert decode_path(path) == decoded


@pytest.mark.parametrize("piece", ["%ff", "\xff", "%ffa", "%C3%A9%ff", "%E2%82"], ids=ascii)
def test_work_for_a_path_that_is_not_utf_8_is_linear(piece):
    def seconds(count):
        begun = time.thread_time()
        decode_path("/" + piece * count)
        return time.thread_time() - begun

    shorter, longer = (min(seconds(n) for _ in range(5)) for n in (2_000, 32_000))
    assert longer < 40 * shorter + 0.01


@pytest.mark.parametrize("chunk", [b"1\r\nx\r\n", b"0000000000000001\r\nx\r\n"], ids=["1", "0..1"])
def test_small_chunks_do_not_keep_others_waiting(serve, connect, chunk):
    """Another client is answered while a flood of them is being read."""
    server = serve(lambda request, response: response.write(str(request.size)))
    flood, count = connect(server), (1 << 20) // len(chunk)
    flood.get("/", "Transfer-Encoding: chunked", method="POST")
    probe = connect(server)
    for _ in range(8):
        flood.send(chunk * (count // 8))
        assert probe.get("/", "Content-Length: 0").response().body == b"0"
    assert flood.send("0\r\n\r\n").response().body == str(count // 8 * 8).encode()


def test_small_chunks_are_read_many_at_a_time():
    def seconds(chunk):
        reader = RequestReader(HeadParser(Limits(chunk_extensions=1 << 20)))
        reader.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        reader.take_request()
        reader.feed(chunk * 5000)
        begun = time.thread_time()
        reader.take_request()
        return time.thread_time() - begun

    small, one_by_one = (
        min(seconds(chunk) for _ in range(5)) for chunk in (b"1\r\nx\r\n", b"1;a\r\nx\r\n")
    )
    assert 2 * small < one_by_one
