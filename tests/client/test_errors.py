"""Each exception, raised by real traffic; what it carries; how the table is made."""

import contextlib
import copy
import errno
import gzip
import pickle
import socket
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import brotli
import pycurl
import pytest
import zstandard
from body_doors import Door, awaited_get, every_door, get, send_many

from bladehttp import exceptions
from bladehttp._message.response_head import RequestInfo
from bladehttp.client import HttpClient
from bladehttp.client._curl.errors import (
    EXCEPTIONS,
    NAMES,
    REFINEMENTS,
    ROWS,
    SILENT,
    annotate,
    exception_for,
)
from bladehttp.exceptions import (
    BodyTooLarge,
    ConnectError,
    DecodingError,
    HttpException,
    HttpStatusError,
    IncompleteBody,
    InvalidUrl,
    ProtocolError,
    ProxyError,
    ReadError,
    ResolveError,
    SocketException,
    TotalTimeout,
    UnrewindableBody,
    UnsupportedProtocol,
    WriteError,
)


@pytest.fixture
def closed_port() -> Any:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_name_without_an_address(client: HttpClient) -> None:
    with pytest.raises(ResolveError, match=r"resolving nothing\.invalid:80: could not resolve"):
        client.get("http://nothing.invalid/")


def test_a_port_where_nobody_listens(client: HttpClient, closed_port: int) -> None:
    with pytest.raises(ConnectError) as caught:
        client.get(f"http://127.0.0.1:{closed_port}/x")
    error = caught.value
    assert isinstance(error, ConnectionError | SocketException)
    assert (error.code, error.code_name) == (7, "E_COULDNT_CONNECT")
    assert error.errno == errno.ECONNREFUSED
    assert error.url == f"http://127.0.0.1:{closed_port}/x"
    assert (error.request.method, error.request.url) == ("GET", error.url)
    assert error.response is None
    assert str(error).startswith(f"connecting to 127.0.0.1:{closed_port}: failed to connect")
    assert str(error).endswith("(Connection refused)")


def test_a_password_is_in_no_message(client: HttpClient, closed_port: int) -> None:
    with pytest.raises(ConnectError) as caught:
        client.get(f"http://me:hush@127.0.0.1:{closed_port}/")
    assert "hush" not in f"{caught.value} {caught.value.url} {caught.value.request}"
    for bad in (f"http://me:hush@127.0.0.1:x{closed_port}/", "http:me:hush@h/"):
        with pytest.raises(InvalidUrl) as refused:
            client.get(bad)
        assert "hush" not in str(refused.value)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"nonsense\r\n\r\n", "HTTP/0.9"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "unsupported HTTP/1"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header without colon"),
        (b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", "NUL byte in header"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na", "Content-Length"),
        (CHUNKED + b"zz\r\n", "chunk hex-length"),
        (CHUNKED + b"FFFFFFFFFFFFFFFF\r\n", "invalid chunk size"),
        (CHUNKED + b"1\r\nab\r\n0\r\n\r\n", "malformed encoding"),
        (CHUNKED + b"0\r\nX: " + b"y" * 5000 + b"\r\n\r\n", "4 KiB after its body"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 400_000 + b"\r\n\r\n", "100 KiB"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 6000 + b"\r\n", "oo many"),
        (b"", "empty reply from server"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "the head has no end"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n", "the head has no end"),
        (b"HTTP/1.1 103 \r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n", "the head has no end"),
    ],
    ids=["0.9", "status", "colon", "nul", "two lengths", "negative", "chunk",
         "chunk too large", "chunk without end", "long trailer", "long",
         "many", "empty", "cut field", "cut redirect", "cut after interim"],
)  # fmt: skip
def test_a_peer_that_breaks_the_rules(
    client: HttpClient, peers: Any, data: bytes, said: str
) -> None:
    with pytest.raises(ProtocolError, match=said):
        client.get(peers.once(data).url)


@every_door
@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 2000 OK", b"HTTP/1.1 200OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2a0 OK",
        b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK", b"http/1.1 200 OK", b"HTTP/2.0 200 OK",
        b"HTTP/1.1 3020 Found\r\nLocation: /x", b"HTTP/1.1 099 OK", b"HTTP/1.10 200 OK",
        b"HTTP/1.1 1030 Hints\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1 103 \r\n\r\nHTTP/1.1 2000 OK",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_status_line_that_is_none(peers: Any, tmp_path: Path, door: Door, line: bytes) -> None:
    peer = peers.once(line + b"\r\nContent-Length: 2\r\n\r\nok")
    with pytest.raises(ProtocolError):
        door(peer.url, tmp_path / "file")


@every_door
@pytest.mark.parametrize(
    "length", [b"9223372036854775808", b"9" * 19, b"0" * 9 + b"1" * 20, b"9" * 5000], ids=len
)
def test_a_length_beyond_all_bounds_is_none(
    peers: Any, tmp_path: Path, door: Door, length: bytes
) -> None:
    peer = peers.once(b"HTTP/1.1 200 OK\r\nA: b\r\ncontent-length: " + length + b"\r\n\r\nok")
    with pytest.raises(HttpException):
        door(peer.url, tmp_path / "file")
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    "line",
    [b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.0 299 \xff x", b"HTTP/1.1 999 Odd"],
    ids=ascii,
)
def test_a_status_line_that_is_odd_but_valid(client: HttpClient, peers: Any, line: bytes) -> None:
    peer = peers.once(line + b"\r\nContent-Length: 2\r\n\r\nok")
    assert [client.get(peer.url).body for _ in range(2)] == [b"ok", b"ok"]


@pytest.mark.parametrize(
    ("head", "body"),
    [(b"Content-Length: 10", b"half"), (b"Transfer-Encoding: chunked", b"a\r\nhalf"),
     (b"Transfer-Encoding: chunked", b"4\r\nhalf\r\n")],
    ids=["length", "chunk", "last chunk"],
)  # fmt: skip
def test_a_body_that_ends_early_is_no_success(
    client: HttpClient, peers: Any, head: bytes, body: bytes
) -> None:
    peer = peers.once(b"HTTP/1.1 200 OK\r\nX-A: b\r\n" + head + b"\r\n\r\n" + body)
    with pytest.raises(IncompleteBody) as caught:
        client.get(peer.url)
    assert caught.value.partial == b"half"
    assert caught.value.response.body == b"half"
    assert (caught.value.response.status, caught.value.response.headers["X-A"]) == (200, "b")
    assert caught.value.code == 18


def test_a_reset_while_receiving(client: HttpClient, peers: Any) -> None:
    peer = peers.once(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", reset=True)
    with pytest.raises((ReadError, IncompleteBody)):
        client.get(peer.url)
    peer = peers.raw(lambda connection: connection.read_head() and connection.reset())
    with pytest.raises(ReadError) as caught:
        client.get(peer.url)
    assert caught.value.errno == errno.ECONNRESET


def test_a_reset_while_sending(client: HttpClient, peers: Any) -> None:
    """libcurl meets a reset where it sends or where it looks for an early answer, as it comes."""

    def provoked() -> type[Exception]:
        gone = threading.Event()

        def handle(connection: Any) -> None:
            connection.read_head()
            connection.reset()
            gone.set()

        def endless() -> Any:
            yield b"x"
            gone.wait(10)
            while True:
                yield bytes(1 << 20)

        with pytest.raises((WriteError, ReadError)) as caught:
            client.post(peers.raw(handle).url, endless(), no_expect=True)
        return type(caught.value)

    assert any(provoked() is WriteError for _ in range(50))


CODED = {
    "gzip": zlib.compress(b"text" * 1000, wbits=31),
    "x-gzip": zlib.compress(b"text" * 1000, wbits=31),
    "GZIP": zlib.compress(b"text" * 500, wbits=31) * 2,
    "deflate": zlib.compress(b"text" * 1000),
    "Deflate": zlib.compress(b"text" * 1000, wbits=-15),
    "identity": b"text" * 1000,
    "deflate, gzip": zlib.compress(zlib.compress(b"text" * 1000), wbits=31),
    "br": brotli.compress(b"text" * 1000),
    "zstd": zstandard.compress(b"text" * 1000),
    "Zstd, none": zstandard.compress(b"text" * 500) * 2,
}


@pytest.mark.parametrize("coding", CODED)
def test_a_content_encoding_is_undone(
    client: HttpClient, peers: Any, reply: Any, coding: str
) -> None:
    peer = peers(reply(CODED[coding], "200 OK", f"Content-Encoding: {coding}"))
    assert client.get(peer.url).body == b"text" * 1000
    assert peer.last.get("Accept-Encoding") == "gzip, deflate, br, zstd"


def test_accept_encoding_none_leaves_bodies_as_they_are(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(reply(CODED["gzip"], "200 OK", "Content-Encoding: gzip"))
    assert client.get(peer.url, accept_encoding=None).body == CODED["gzip"]
    assert peer.last.get("Accept-Encoding") is None
    client.get(peer.url, accept_encoding="gzip;q=1")
    assert peer.last.get("Accept-Encoding") == "gzip;q=1"


def test_part_of_an_encoded_whole_is_left_as_it_is(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(reply(CODED["gzip"][4:9], "206 Partial", "Content-Encoding: gzip"))
    assert client.get(peer.url).body == CODED["gzip"][4:9]


def test_an_empty_body_needs_no_decoding(client: HttpClient, peers: Any, reply: Any) -> None:
    assert client.get(peers(reply(b"", "200 OK", "Content-Encoding: gzip")).url).body == b""


@pytest.mark.parametrize(
    ("coding", "body", "said"),
    [
        ("gzip", CODED["gzip"][:-4], "ends early"),
        ("gzip", CODED["gzip"][:12], "ends early"),
        ("gzip", b"not gzip at all", "is not gzip"),
        ("gzip", CODED["gzip"] + b"rubbish", "is not gzip"),
        ("deflate", CODED["deflate"][:-1], "ends early"),
        ("deflate", CODED["Deflate"][:-1], "ends early"),
        ("br", CODED["br"][:-1], "ends early"),
        ("br", CODED["br"] + b"rubbish", "is not br"),
        ("zstd", CODED["zstd"][:-1], "ends early"),
        ("zstd", CODED["zstd"] + b"rubbish", "is not zstd"),
        ("gzip, compress", b"x", "'compress' is not supported; accept_encoding=None leaves"),
        ("x-compress", b"x", "'compress' is not supported"),
        ("dcb", b"x", "'dcb' is not supported; accept_encoding=None leaves"),
        (", ".join(["gzip"] * 1000), b"x", "more than 5 content codings; accept_encoding=None"),
        ("gzip", gzip.compress(b"") * 200_000, "too many empty members"),
    ],
    ids=["trailer", "truncated", "garbage", "rubbish", "zlib", "raw", "brotli", "after",
         "zstd", "after zstd", "compress", "x-compress", "dcb", "many", "empty members"],
)  # fmt: skip
def test_a_body_that_cannot_be_decoded_is_no_success(
    client: HttpClient, peers: Any, reply: Any, coding: str, body: bytes, said: str
) -> None:
    peer = peers(reply(body, "200 OK", f"Content-Encoding: {coding}"))
    with pytest.raises(DecodingError, match=said) as caught:
        client.get(peer.url)
    assert caught.value.response.body == body
    assert caught.value.url == peer.url + "/"
    assert client.get(peer.url, accept_encoding=None).body == body


@pytest.mark.parametrize("module", ["None", "type('', (), {'Decompressor': object})"])
def test_br_is_asked_for_only_where_it_can_be_undone_within_bounds(module: str) -> None:
    program = (
        f"import sys; sys.modules['brotli'] = sys.modules['brotlicffi'] = {module}\n"
        "from bladehttp._data.decoders import CODINGS\n"
        "print(*CODINGS)"
    )
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert printed.stdout == "gzip deflate zstd\n"


NO_CODINGS = ["none", "utf-8", "UTF8", "aws-chunked", "binary", "identity, none", "bogus",
              "x" * 5000, ", ".join(["none"] * 1000), "", ",", "gzip;q=1"]  # fmt: skip


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Error"])
@pytest.mark.parametrize("name", NO_CODINGS, ids=lambda name: name[:12] or "empty")
def test_what_is_no_coding_leaves_the_body_as_it_came(
    client: HttpClient, peers: Any, reply: Any, name: str, status: str
) -> None:
    peer = peers(reply(b"body", status, f"Content-Encoding: {name}"))
    assert client.get(peer.url).body == b"body"
    with client.stream(peer.url) as response:
        assert response.read() == b"body"


@pytest.mark.parametrize("coding", ["gzip", "compress", "br", ", ".join(["gzip"] * 1000)])
@pytest.mark.parametrize(
    ("method", "status", "length"),
    [("HEAD", "200 OK", True), ("GET", "204 No Content", False), ("GET", "304 Same", False),
     ("GET", "200 OK", True)],
    ids=["HEAD", "204", "304", "empty"],
)  # fmt: skip
def test_no_content_needs_no_decoding(
    client: HttpClient, peers: Any, reply: Any, coding: str, method: str, status: str, length: bool
) -> None:
    peer = peers(reply(b"", status, f"Content-Encoding: {coding}", length=length))
    assert client.send_request(peer.url, method).body == b""
    with client.stream(peer.url, method) as response:
        assert response.read() == b""


def test_decoding_ends_with_the_clock_of_the_whole(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    bomb = gzip.compress(bytes(8 << 20), 1) * 300
    peer = peers(reply(bomb, "200 OK", "Content-Encoding: gzip"))
    for limit in (100, 400, 1600):  # a busy machine may need all of it to receive the body
        with pytest.raises(TotalTimeout) as caught:
            client.get(peer.url, total_timeout=limit)
        if "decoding the body" in str(caught.value):
            break
    assert "decoding the body" in str(caught.value)
    assert caught.value.response.status == 200


def test_an_unasked_transfer_coding(client: HttpClient, peers: Any) -> None:
    peer = peers.once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx")
    with pytest.raises(DecodingError):
        client.get(peer.url)


@pytest.mark.parametrize(
    ("coding", "sent", "partial"),
    [("gzip", CODED["gzip"][:-4], b"text" * 1000), ("compress", b"half", b"half"),
     ("gzip", b"half", b"half"), ("none", b"half", b"half")],
)  # fmt: skip
def test_the_partial_bytes_are_decoded_as_far_as_they_go(
    client: HttpClient, peers: Any, coding: str, sent: bytes, partial: bytes
) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: 9999\r\n\r\n".encode()
    with pytest.raises(IncompleteBody) as caught:
        client.get(peers.once(head + sent).url)
    assert caught.value.partial == partial


@pytest.mark.parametrize("door", [get, send_many, awaited_get], ids=lambda door: door.__name__)
def test_the_partial_bytes_of_a_range_stay_encoded(door: Door, peers: Any, tmp_path: Path) -> None:
    head = (
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99/100\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: 100\r\n\r\n"
    )
    sent = CODED["gzip"][:20]
    with pytest.raises(IncompleteBody) as caught:
        door(peers.once(head + sent).url, tmp_path)
    assert caught.value.partial == sent


@pytest.mark.parametrize("body", [b"text" * 1000, CODED["gzip"]], ids=["plain", "decoded"])
@pytest.mark.parametrize("length", [True, False], ids=["length", "until the end"])
def test_a_body_over_the_limit(
    client: HttpClient, peers: Any, reply: Any, body: bytes, length: bool
) -> None:
    coding = "gzip" if body is CODED["gzip"] else "identity"
    peer = peers.once(reply(body, "200 OK", f"Content-Encoding: {coding}", length=length))
    with pytest.raises(BodyTooLarge):
        client.get(peer.url, max_body_size=3999)
    assert client.get(peer.url, max_body_size=4000).body == b"text" * 1000


def test_a_generator_cannot_be_sent_again_to_authenticate(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(reply(b"", "401 Unauthorized", 'WWW-Authenticate: Basic realm="x"'))
    with pytest.raises(UnrewindableBody, match="can be read only once") as caught:
        client.post(peer.url, (piece for piece in [b"x"]), auth=("n", "p"))
    assert caught.value.code == 65


def test_a_rewind_that_raises_comes_back_as_it_is(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    class Once:
        count = 0

        def __iter__(self) -> Any:
            self.count += 1
            return iter([b"x"]) if self.count == 1 else iter(7)  # type: ignore[call-overload]

    peer = peers(reply(b"", "401 Unauthorized", 'WWW-Authenticate: Basic realm="x"'))
    with pytest.raises(TypeError, match="not iterable"):
        client.post(peer.url, Once(), auth=("n", "p"))


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("ftp://127.0.0.1/", UnsupportedProtocol), ("file:///etc/passwd", UnsupportedProtocol),
        ("mailto:x@y", UnsupportedProtocol), ("//host/x", InvalidUrl), ("/path", InvalidUrl),
        ("", InvalidUrl), ("http:", InvalidUrl), ("http://", InvalidUrl), ("http:///x", InvalidUrl),
        ("http://h:x/", InvalidUrl), ("http://h:65536/", InvalidUrl), ("http://a b/", InvalidUrl),
        ("http://[::g/", InvalidUrl), ("http://h\\x/", InvalidUrl), ("http://h%2e/", InvalidUrl),
        ("http://h/\r\nX: y", InvalidUrl), ("http://h/\0", InvalidUrl),
        ("http://\ud800/", InvalidUrl),
        ("http://h/\ud800", InvalidUrl), ("http://" + "\xe9" * 64, InvalidUrl),
        ("rel\native", InvalidUrl), (b"http://h/", TypeError),
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_used(client: HttpClient, url: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        client.get(url)
    assert isinstance(caught.value, ValueError | TypeError)
    assert str(caught.value)


def test_an_environment_proxy_that_has_no_address(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://nothing.invalid:1")
    with pytest.raises(ProxyError) as caught:
        client.get("http://127.0.0.1/")
    assert caught.value.code == 5


def test_an_environment_proxy_that_is_not_there(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    with pytest.raises(ProxyError) as caught:
        client.get("http://127.0.0.1/")
    assert caught.value.code == 7


def test_an_environment_proxy_that_refuses(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, peers: Any, reply: Any
) -> None:
    peer = peers(reply(b"no", "403 Forbidden"))
    monkeypatch.setenv("https_proxy", peer.url)
    with pytest.raises(ProxyError, match="403") as caught:
        client.get("https://example.test/", {"Authorization": "hush"}, auth=("a", "b"))
    assert caught.value.response is None or caught.value.response.status == 403
    assert (peer.last.method, peer.last.target) == ("CONNECT", "example.test:443")
    assert peer.last.get("Authorization") is None


def test_an_environment_proxy_is_used(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, peers: Any
) -> None:
    peer = peers()
    monkeypatch.setenv("http_proxy", peer.url)
    assert client.get("http://example.test/x?y").body == b"ok"
    assert peer.last.target == "http://example.test/x?y"


def test_raise_for_status_carries_the_response(client: HttpClient, peers: Any, reply: Any) -> None:
    response = client.get(peers(reply(b"", "404 Not here")).url)
    with pytest.raises(HttpStatusError, match="404 Not here") as caught:
        response.raise_for_status()
    assert caught.value.response is response


def test_an_exception_survives_pickling_with_all_it_carries(client: HttpClient, peers: Any) -> None:
    peer = peers.once(b"HTTP/1.1 200 Fine\r\nX: y\r\nContent-Length: 9\r\n\r\nhalf")
    with pytest.raises(IncompleteBody) as caught:
        client.get(peer.url)
    for again in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert (type(again), str(again)) == (IncompleteBody, str(caught.value))
        assert (again.code, again.url, again.partial) == (18, peer.url + "/", b"half")
        assert again.request == caught.value.request
        assert (again.response.reason, again.response.headers["X"]) == ("Fine", "y")


def test_errno_survives_pickling(client: HttpClient, closed_port: int) -> None:
    with pytest.raises(ConnectError) as caught:
        client.get(f"http://127.0.0.1:{closed_port}/")
    assert pickle.loads(pickle.dumps(caught.value)).errno == errno.ECONNREFUSED


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_makes_its_exception(row: Any) -> None:
    request = RequestInfo("GET", "http://h/")
    error = annotate(exception_for(row.code, "", "h:80"), request, None)
    assert type(error) is row.exception
    assert vars(error)["request"] is request
    reason = SILENT.get(row.code, f"libcurl error {row.code} ({row.name})")
    assert str(error) == f"{row.phase} h:80: {reason}"
    if isinstance(error, HttpException):
        assert (error.code, error.code_name, error.url) == (row.code, row.name, "http://h/")


def test_names_and_numbers_are_pycurls_own() -> None:
    assert len(EXCEPTIONS) == len(ROWS)
    for row in ROWS:
        with contextlib.suppress(AttributeError):
            assert getattr(pycurl, row.name) == row.code
    assert {name for name, *_ in REFINEMENTS} <= {row.name for row in ROWS}


def test_a_number_without_a_row_is_a_plain_http_exception() -> None:
    error = exception_for(4, "Not built in", "h:80")
    assert (type(error), str(error)) == (HttpException, "talking to h:80: not built in")
    assert NAMES[4] == "E_NOT_BUILT_IN"
    assert "E_999" in str(exception_for(999, "", "h:80"))


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    lines = [line.partition("\u2500\u2500 ")[2] for line in (exceptions.__doc__ or "").splitlines()]
    real = {
        name
        for name, each in vars(exceptions).items()
        if isinstance(each, type) and issubclass(each, HttpException)
    }
    assert {line.split()[0] for line in lines if line} | {"HttpException"} == real
