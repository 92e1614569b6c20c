"""Behind a proxy: whom its word is taken for, and only its."""

import gzip
import http.client
import ipaddress
import socket
import time
import zlib

import brotli
import pytest
import zstandard
from support import Raw

from bladehttp._data.headers import Headers
from bladehttp._message.request import HttpRequest
from bladehttp.server import HttpServer
from bladehttp.server._dispatch import forwarded
from bladehttp.server._dispatch.forwarded import TrustedProxies

TRUSTED = ("127.0.0.0/8", "10.0.0.0/8", "::1")


def seen_through(peer: str, *fields: tuple[str, str], trusted=TRUSTED, kind="X-Forwarded"):
    request = HttpRequest()
    request.ip, request.port, request.host = peer, 5, "direct"
    request.headers = Headers(fields)
    TrustedProxies(trusted, kind).apply(request)
    return request.ip, request.host, request.scheme


FOR, HOST, PROTO = "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"
PORT = "X-Forwarded-Port"


@pytest.mark.parametrize(
    ("peer", "fields", "expected"),
    [
        ("127.0.0.1", [], ("127.0.0.1", "direct", "http")),
        ("127.0.0.1", [(FOR, "1.2.3.4")], ("1.2.3.4", "direct", "http")),
        ("9.9.9.9", [(FOR, "1.2.3.4")], ("9.9.9.9", "direct", "http")),
        ("127.0.0.1", [(FOR, "6.6.6.6, 1.2.3.4")], ("1.2.3.4", "direct", "http")),
        ("127.0.0.1", [(FOR, "1.2.3.4, 10.0.0.1")], ("1.2.3.4", "direct", "http")),
        ("127.0.0.1", [(FOR, "1.2.3.4"), (FOR, "10.0.0.1")], ("1.2.3.4", "direct", "http")),
        ("127.0.0.1", [(FOR, "10.0.0.2, 10.0.0.1")], ("10.0.0.2", "direct", "http")),
        ("127.0.0.1", [(FOR, "unknown, 10.0.0.1")], ("10.0.0.1", "direct", "http")),
        ("127.0.0.1", [(FOR, "1.2.3.4, nonsense")], ("127.0.0.1", "direct", "http")),
        ("127.0.0.1", [(FOR, "1.2.3.4:567")], ("1.2.3.4", "direct", "http")),
        ("::1", [(FOR, "2001:db8::1")], ("2001:db8::1", "direct", "http")),
        ("::ffff:127.0.0.1", [(FOR, "1.2.3.4")], ("1.2.3.4", "direct", "http")),
        ("127.0.0.1", [(FOR, "[2001:db8::1]:5")], ("2001:db8::1", "direct", "http")),
        (
            "127.0.0.1",
            [(FOR, "1.2.3.4"), (HOST, "example.com"), (PROTO, "https")],
            ("1.2.3.4", "example.com", "https"),
        ),
        (
            "127.0.0.1",
            [(HOST, "example.com:81"), (PROTO, "HTTPS")],
            ("127.0.0.1", "example.com", "https"),
        ),
        ("9.9.9.9", [(HOST, "example.com"), (PROTO, "https")], ("9.9.9.9", "direct", "http")),
        (
            "127.0.0.1",
            [(FOR, "1.2.3.4"), (HOST, "a b"), (PROTO, "gopher")],
            ("1.2.3.4", "direct", "http"),
        ),
        (
            "127.0.0.1",
            [(FOR, "1.2.3.4, 10.0.0.1"), (HOST, "first.example, second.example")],
            ("1.2.3.4", "first.example", "http"),
        ),
        (
            "127.0.0.1",
            [(FOR, "6.6.6.6, 1.2.3.4"), (HOST, "evil.example, good.example")],
            ("1.2.3.4", "good.example", "http"),
        ),
        ("127.0.0.1", [("Forwarded", "for=6.6.6.6")], ("127.0.0.1", "direct", "http")),
        (
            "127.0.0.1",
            [("Forwarded", "for=6.6.6.6;host=evil;proto=https"), (FOR, "1.2.3.4")],
            ("1.2.3.4", "direct", "http"),
        ),
        ("unix", [(FOR, "1.2.3.4")], ("unix", "direct", "http")),
        # Apache appends to each field, whatever the client has sent of it.
        (
            "127.0.0.1",
            [(FOR, "1.2.3.4"), (HOST, "evil.example, good.example")],
            ("1.2.3.4", "good.example", "http"),
        ),
        (
            "127.0.0.1",
            [(FOR, "1.2.3.4"), (HOST, "a, b, c, good.example"), (PROTO, "https, http")],
            ("1.2.3.4", "good.example", "http"),
        ),
        (
            "127.0.0.1",
            [(FOR, "6.6.6.6, 10.0.0.9, 1.2.3.4"), (HOST, "evil.example, good.example")],
            ("1.2.3.4", "good.example", "http"),
        ),
        ("127.0.0.1", [(FOR, "1.2.3.4"), (HOST, "evil.example,")], ("1.2.3.4", "direct", "http")),
        (
            "127.0.0.1",
            [(FOR, "10.0.0.7, 1.2.3.4"), (HOST, "evil"), (HOST, "good.example")],
            ("1.2.3.4", "good.example", "http"),
        ),
        # Empty elements: mistakes of merging.
        ("127.0.0.1", [(FOR, "1.2.3.4,")], ("1.2.3.4", "direct", "http")),
        ("127.0.0.1", [(FOR, "6.6.6.6, 1.2.3.4, ,\t, 10.0.0.1,")], ("1.2.3.4", "direct", "http")),
        ("127.0.0.1", [(FOR, ",1.2.3.4"), (FOR, "")], ("1.2.3.4", "direct", "http")),
        (
            "127.0.0.1",
            [(FOR, "6.6.6.6,,1.2.3.4,"), (HOST, "evil.example, good.example")],
            ("1.2.3.4", "good.example", "http"),
        ),
        ("127.0.0.1", [(FOR, " , ,")], ("127.0.0.1", "direct", "http")),
        # Two proxies of ours; the nearer one passes on or replaces what the first has written.
        (
            "127.0.0.1",
            [(FOR, "1.2.3.4, 10.0.0.1"), (HOST, "example.com"), (PROTO, "https")],
            ("1.2.3.4", "example.com", "https"),
        ),
        (
            "127.0.0.1",
            [(FOR, "1.2.3.4, 10.0.0.1"), (PROTO, "https, http")],
            ("1.2.3.4", "direct", "https"),
        ),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_not_trusted(peer, fields, expected):
    assert seen_through(peer, *fields) == expected


@pytest.mark.parametrize(
    ("peer", "fields", "expected"),
    [
        (
            "127.0.0.1",
            [("Forwarded", "for=1.2.3.4;host=e.com;proto=https")],
            ("1.2.3.4", "e.com", "https"),
        ),
        ("127.0.0.1", [("Forwarded", 'for="[2001:db8::1]:47"')], ("2001:db8::1", "direct", "http")),
        ("127.0.0.1", [("Forwarded", "For=1.2.3.4, FOR=10.0.0.1")], ("1.2.3.4", "direct", "http")),
        ("127.0.0.1", [("Forwarded", "for=6.6.6.6, for=1.2.3.4")], ("1.2.3.4", "direct", "http")),
        ("127.0.0.1", [("Forwarded", "for=_hidden")], ("127.0.0.1", "direct", "http")),
        ("127.0.0.1", [("Forwarded", "for=1.2.3.4, ;;;=")], ("127.0.0.1", "direct", "http")),
        (
            "127.0.0.1",
            [("Forwarded", 'for="1.2.3.4, for=6.6.6.6')],
            ("127.0.0.1", "direct", "http"),
        ),
        (
            "127.0.0.1",
            [("Forwarded", "for=1.2.3.4"), (FOR, "6.6.6.6")],
            ("1.2.3.4", "direct", "http"),
        ),
        ("127.0.0.1", [(FOR, "6.6.6.6"), (HOST, "evil")], ("127.0.0.1", "direct", "http")),
        ("127.0.0.1", [("Forwarded", "for=1.2.3.4,")], ("1.2.3.4", "direct", "http")),
        (
            "127.0.0.1",
            [("Forwarded", "for=6.6.6.6, , for=1.2.3.4;;proto=https; ,,\t, for=10.0.0.1 ; ,")],
            ("1.2.3.4", "direct", "https"),
        ),
        ("127.0.0.1", [("Forwarded", "for=1.2.3.4;For=6.6.6.6")], ("127.0.0.1", "direct", "http")),
        ("127.0.0.1", [("Forwarded", " , ;")], ("127.0.0.1", "direct", "http")),
    ],
)
def test_forwarded_is_read_where_the_proxies_set_that(peer, fields, expected):
    assert seen_through(peer, *fields, kind="Forwarded") == expected


@pytest.mark.parametrize("text", ['\\"', '"', "\\", ",", ";", '="', 'a="b"'], ids=repr)
def test_the_work_for_forwarded_is_linear(text):
    def seconds(count):
        start = time.perf_counter()
        seen_through("127.0.0.1", ("Forwarded", '"' + text * count), kind="Forwarded")
        return time.perf_counter() - start

    shorter, longer = (min(seconds(count) for _ in range(5)) for count in (4_000, 32_000))
    assert longer < 20 * shorter + 0.01


@pytest.mark.parametrize(
    ("fields", "kind", "port", "url"),
    [
        ([(FOR, "1.2.3.4:567")], "X-Forwarded", 567, "http://direct/a?b"),
        ([(FOR, "[2001:db8::1]:567")], "X-Forwarded", 567, "http://direct/a?b"),
        ([(FOR, "1.2.3.4:99999")], "X-Forwarded", 0, "http://direct/a?b"),
        ([(FOR, "1.2.3.4:\xb2")], "X-Forwarded", 0, "http://direct/a?b"),
        ([(FOR, "1.2.3.4"), (PORT, "8080")], "X-Forwarded", 0, "http://direct:8080/a?b"),
        (
            [(FOR, "1.2.3.4"), (HOST, "x.example"), (PROTO, "https"), (PORT, "666, 8443")],
            *("X-Forwarded", 0, "https://x.example:8443/a?b"),
        ),
        ([(HOST, "x.example:81"), (PORT, "80")], "X-Forwarded", 5, "http://x.example:81/a?b"),
        ([(HOST, "[::1]"), (PORT, "82")], "X-Forwarded", 5, "http://[::1]:82/a?b"),
        ([(HOST, "x.example"), (PORT, "-1")], "X-Forwarded", 5, "http://x.example/a?b"),
        (
            [("Forwarded", 'for="1.2.3.4:567";host="x.example:8443";proto=https')],
            *("Forwarded", 567, "https://x.example:8443/a?b"),
        ),
    ],
)
def test_ports_are_kept(fields, kind, port, url):
    request = HttpRequest()
    assert request.parse("GET /a?b HTTP/1.1\r\nHost: direct\r\n\r\n")
    request.ip, request.port = "127.0.0.1", 5
    request.headers = Headers(fields)
    TrustedProxies(TRUSTED, kind).apply(request)
    assert (request.port, request.url) == (port, url)


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("/", "http://h:8/"),
        ("/%41?b=%20", "http://h:8/%41?b=%20"),
        ("//a", "http://h:8//a"),
        ("http://other:9/a?b", "http://other:9/a?b"),
        ("http://other", "http://other/"),
    ],
)
def test_url_is_what_the_client_asked_for(target, url):
    request = HttpRequest()
    assert request.parse(f"GET {target} HTTP/1.1\r\nHost: h:8\r\n\r\n")
    assert request.url == url
    request.host = "::1"
    assert request.url.startswith("http://[::1]/")


@pytest.mark.parametrize("host", ["", "Host:\r\n"], ids=["no Host", "empty Host"])
@pytest.mark.parametrize(
    ("method", "target", "url"),
    [("GET", "/a?b", "/a?b"), ("GET", "//a", "//a"), ("OPTIONS", "*", "*")],
)
def test_url_is_the_target_where_the_host_is_not_known(method, target, url, host):
    request = HttpRequest()
    assert request.parse(f"{method} {target} HTTP/1.0\r\n{host}\r\n")
    assert (request.host, request.url) == ("", url)


def test_nobody_is_trusted_unless_named(serve, connect):
    seen = []
    server = serve(lambda request, response: seen.append((request.ip, request.host)))
    connect(server).get("/", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: e.com").response()
    assert seen == [("127.0.0.1", "localhost")]


def test_a_named_proxy_is_believed(serve, connect):
    seen = []
    server = serve(
        lambda request, response: seen.append((request.ip, request.host, request.scheme)),
        trusted_proxies=["127.0.0.1"],
    )
    connect(server).get(
        "/", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: e.com", "X-Forwarded-Proto: https"
    ).response()
    assert seen == [("1.2.3.4", "e.com", "https")]


def test_a_proxy_is_believed_for_requests_that_are_refused_too(serve, connect):
    seen = []
    server = serve(trusted_proxies=["127.0.0.1"], max_body_size=10)
    server.after_request(lambda request, response: seen.append((response.status, request.ip)))
    for refused in ("Content-Length: 11", "Expect: a miracle", "Expect: 100-continue"):
        length = "Content-Length: 11\r\n" if "100" in refused else ""
        connect(server).send(
            f"POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n{length}{refused}\r\n\r\n"
        ).response()
    assert seen == [(413, "1.2.3.4"), (417, "1.2.3.4"), (413, "1.2.3.4")]


@pytest.mark.parametrize(("kind", "ip"), [("X-Forwarded", "1.2.3.4"), ("Forwarded", "2.3.4.5")])
def test_one_kind_of_fields_is_read(serve, connect, kind, ip):
    seen = []
    server = serve(
        lambda request, response: seen.append(request.ip),
        trusted_proxies=["127.0.0.1"],
        forwarded_fields=kind,
    )
    connect(server).get("/", "X-Forwarded-For: 1.2.3.4", "Forwarded: for=2.3.4.5").response()
    assert seen == [ip]


def test_fields_that_are_not_known_are_an_error_of_start(serve):
    with pytest.raises(ValueError, match="forwarded_fields is one of X-Forwarded, Forwarded"):
        serve(forwarded_fields="X-Real-IP")


def test_what_is_no_network_is_an_error_of_start(serve):
    with pytest.raises(ValueError, match="everyone"):
        serve(trusted_proxies=["everyone"])


V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command: int, family: int, payload: bytes) -> bytes:
    return V2 + bytes([command, family]) + len(payload).to_bytes(2, "big") + payload


IPV4 = socket.inet_aton("1.2.3.4") + socket.inet_aton("5.6.7.8") + b"\x12\x34\0\x50"
IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2 + b"\x12\x34\0\x50"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 4660 80\r\n", ("1.2.3.4", 4660, False)),
        (b"PROXY TCP6 2001:db8::1 ::1 4660 80\r\n", ("2001:db8::1", 4660, True)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n", None),
        (v2(0x21, 0x11, IPV4), ("1.2.3.4", 4660, False)),
        (v2(0x21, 0x21, IPV6), ("2001:db8::1", 4660, True)),
        (v2(0x21, 0x11, IPV4 + b"\x01\0\x05extra"), ("1.2.3.4", 4660, False)),
        (v2(0x20, 0x00, b""), None),
        (v2(0x21, 0x00, b""), None),
        (v2(0x21, 0x31, b"x" * 216), None),
    ],
)
@pytest.mark.parametrize("split", [False, True], ids=["whole", "bytewise"])
def test_the_proxy_header_names_the_client(serve, connect, header, expected, split):
    infos = []
    server = serve(
        lambda request, response: infos.append((request.ip, request.port, request.ipv6)),
        proxy_protocol=True,
    )
    client = connect(server)
    data = header + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for piece in [data] if not split else [data[i : i + 1] for i in range(len(data))]:
        client.send(piece)
    assert client.response().status == 200
    direct = (*client.socket.getsockname(), False)
    assert infos == [expected or direct]


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 4660 80\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 04660 80\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 66000 80\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 80 66000\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 +80 80\r\n",
        b"PROXY TCP4 1.2.3.999 5.6.7.8 80 80\r\n",
        b"PROXY TCP4 ::1 ::1 80 80\r\n",
        b"PROXY TCP6 1.2.3.4 ::1 80 80\r\n",
        b"PROXY TCP5 1.2.3.4 5.6.7.8 80 80\r\n",
        b"PROXY  TCP4 1.2.3.4 5.6.7.8 80 80\r\n",
        b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
        v2(0x11, 0x11, IPV4),
        v2(0x22, 0x11, IPV4),
        v2(0x21, 0x11, IPV4[:11]),
        v2(0x21, 0x21, IPV4),
        v2(0x21, 0x11, b"x" * 5000),
        V2[:11] + b"X" + b"x" * 20,
        b"\x16\x03\x01",
    ],
)
def test_a_connection_without_a_right_proxy_header_is_closed(serve, connect, header):
    called = []
    server = serve(lambda request, response: called.append(request), proxy_protocol=True)
    server.on_connect(called.append)
    client = connect(server).send(header)
    assert client.at_end()
    assert called == []
    assert server.stats.refused == 1


def test_a_proxy_that_leaves_or_says_nothing_is_closed(serve, connect):
    server = serve(proxy_protocol=True, handshake_timeout=100)
    assert connect(server).send(b"PROXY").shut().at_end()
    assert connect(server).send(b"PROXY").at_end()


def test_tls_begins_after_the_proxy_header(serve, certificates):
    infos = []
    server = serve(secure=True)
    server.close()
    server.proxy_protocol = True
    server.on_receive(lambda request, response: infos.append((request.ip, request.scheme)))
    server.start()
    with socket.create_connection((server.host, server.port), timeout=10) as raw:
        raw.sendall(v2(0x21, 0x11, IPV4))
        context = certificates.client_context()
        with context.wrap_socket(raw, server_hostname="localhost") as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert infos == [("1.2.3.4", "https")]


def post(server, body, encoding):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("POST", "/", body, {"Content-Encoding": encoding})
    response = connection.getresponse()
    result = response.status, response.read()
    connection.close()
    return result


@pytest.fixture
def decoding(serve):
    def handler(request, response):
        response.write(request.body_file.read() if request.body_file else request.raw_body)

    return serve(handler, decode_request_body=True, max_body_size=1_000_000)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("br", lambda data: brotli.compress(data, quality=1)),
        ("zstd", zstandard.compress),
        ("gzip, identity", gzip.compress),
        ("deflate, gzip", lambda data: gzip.compress(zlib.compress(data))),
        ("gzip", lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:])),
        ("identity", bytes),
    ],
)
@pytest.mark.parametrize("size", [20, 800_000], ids=["memory", "file"])
def test_a_request_body_is_decoded_when_asked_for(decoding, encoding, encode, size):
    data = bytes(range(256)) * (size // 256) + b"0123456789" * 2
    assert post(decoding, encode(data), encoding) == (200, data)


def test_a_request_body_is_left_alone_otherwise(serve):
    server = serve(lambda request, response: response.write(request.raw_body))
    assert post(server, gzip.compress(b"x"), "gzip")[1].startswith(b"\x1f\x8b")


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", gzip.compress(b"x" * 5_000_000), 413),
        ("gzip", gzip.compress(b"x" * 100)[:-5], 400),
        ("gzip", b"no gzip", 400),
        ("gzip", gzip.compress(b"x") + b"rest", 400),
        ("gzip", gzip.compress(b"") * 101, 400),
        (", ".join(["gzip"] * 6), b"x", 400),
        (", ".join(["gzip"] * 1000), b"x", 400),
        ("br", b"x", 400),
        ("zstd", zstandard.compress(b"x" * 5_000_000), 413),
        ("compress", b"x", 415),
        ("none", b"x", 415),
    ],
    ids=[
        "bomb",
        "truncated",
        "garbage",
        "rest",
        "members",
        "codings",
        "1000 codings",
        "br",
        "zstd bomb",
        "not here",
        "no coding",
    ],
)
def test_a_request_body_that_cannot_be_decoded_is_the_clients_fault(
    decoding, encoding, body, status
):
    assert post(decoding, body, encoding)[0] == status


def test_a_decoded_form_is_a_form(serve):
    seen = []
    server = serve(lambda request, response: seen.append(request.body), decode_request_body=True)
    body = gzip.compress(b'{"a": 1}')
    with Raw(server.port) as client:
        client.send(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        ).send(body)
        assert client.response().status == 200
    assert seen == [{"a": 1}]


def test_the_size_of_a_request_is_that_of_what_was_sent(serve):
    sizes = []

    def handler(request, response):
        response.write(request.raw_body)
        sizes.append(request.size)

    body = gzip.compress(b"x" * 1000)
    server = serve(handler, decode_request_body=True)
    assert post(server, body, "gzip") == (200, b"x" * 1000)
    assert sizes == [len(body)]


def test_an_empty_body_has_nothing_to_decode(decoding):
    assert post(decoding, b"", "gzip") == (200, b"")


@pytest.mark.parametrize(
    "ip",
    [
        *("127.0.0.1", "10.9.1.2", "10.8.1.2", "::1", "2001:db8::5", "2001:db9::5", "fe80::1%eth0"),
        *(
            "::ffff:127.0.0.1",
            "::ffff:10.8.1.2",
            "127.1",
            "0177.0.0.1",
            "127.0.0.01",
            "127.0.0.256",
        ),
        *("127.0.0.1 ", "127.0.0.1\n", "127.0.0.1\0", "127.0.0.\u0661", "1", ":", "unknown", "_x"),
    ],
)
def test_an_address_is_trusted_as_the_ipaddress_module_reads_it(ip: str) -> None:
    networks = ["127.0.0.0/8", "10.9.0.0/16", "::1", "2001:db8::/32"]
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        expected = False
    else:
        address = getattr(address, "ipv4_mapped", None) or address
        expected = any(address in ipaddress.ip_network(network) for network in networks)
    proxies = TrustedProxies(networks)
    assert [proxies.trusts(ip), proxies.trusts(ip)] == [expected, expected]


def test_verdicts_on_addresses_are_remembered_within_bounds() -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    for number in range(2 * forwarded.REMEMBERED):
        assert proxies.trusts(f"10.1.{number // 256}.{number % 256}")
        assert not proxies.trusts("x" * 100 + str(number))
    assert len(proxies._verdicts) <= forwarded.REMEMBERED
    assert max(map(len, proxies._verdicts)) <= forwarded.LONGEST_ADDRESS


@pytest.mark.parametrize("value", ["127.0.0.1", b"10.0.0.0/8", ""])
def test_trusted_proxies_as_a_text_is_refused_where_it_is_set(value):
    with pytest.raises(TypeError, match="trusted_proxies is a list of addresses and networks"):
        HttpServer(0, trusted_proxies=value)
    server = HttpServer(0)
    with pytest.raises(TypeError, match="trusted_proxies is a list of addresses and networks"):
        server.trusted_proxies = value
    assert server.trusted_proxies == ()
