from string import ascii_lowercase, ascii_uppercase
from typing import Any

import pytest

from bladehttp._wire import head as head_module
from bladehttp._wire.framing import CHUNKED
from bladehttp._wire.head import HeadParser, check_together
from bladehttp._wire.limits import Limits
from bladehttp._wire.reader import Request, RequestReader
from bladehttp._wire.request_line import is_host, parse_request_line
from bladehttp.exceptions import ProtocolError


def take(parser: HeadParser, data: bytes) -> Request | None:
    reader = RequestReader(parser)
    reader.feed(data)
    return reader.take_request()


def refused(parser: HeadParser, data: bytes) -> int:
    with pytest.raises(ProtocolError) as caught:
        take(parser, data)
    return caught.value.status


def request(*fields: str, line: str = "GET / HTTP/1.1") -> bytes:
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1")


# Target forms


@pytest.mark.parametrize(
    ("line", "authority", "path", "query", "scheme"),
    [
        ("GET / HTTP/1.1", "", "/", "", ""),
        ("GET /a?b?c HTTP/1.1", "", "/a", "b?c", ""),
        ("GET //a/b HTTP/1.1", "", "//a/b", "", ""),
        ("GET http://a HTTP/1.1", "a", "/", "", "http"),
        ("GET HTTPS://a:1/b?c HTTP/1.1", "a:1", "/b", "c", "https"),
        ("GET http://[::1]?c HTTP/1.1", "[::1]", "/", "c", "http"),
        ("OPTIONS * HTTP/1.1", "", "*", "", ""),
        ("OPTIONS http://a HTTP/1.1", "a", "*", "", "http"),
        ("OPTIONS http://a? HTTP/1.1", "a", "/", "", "http"),
        ("CONNECT a:1 HTTP/1.1", "a:1", "", "", ""),
        ("CONNECT [::1]:1 HTTP/1.0", "[::1]:1", "", "", ""),
    ],
)
def test_target(line: str, authority: str, path: str, query: str, scheme: str) -> None:
    found_line = parse_request_line(line.encode())
    found = (found_line.authority, found_line.path, found_line.query, found_line.scheme)
    assert found == (authority, path, query, scheme)


def test_target_is_kept_as_it_was_sent() -> None:
    assert parse_request_line(b"GET /%41\xe9?a#"[:-1] + b" HTTP/1.1").target == "/%41\xe9?a"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a",
        "a:",
        "a:1",
        "a:65535",
        "1.2.3.4",
        "[::1]",
        "[::1]:1",
        "a.",
        "%41",
        "a_b",
        "~!$&'()*+,;=-",
    ],
)
def test_host(host: str) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host", [":", ":1", "a:b", "a:65536", "a:000001", "[a]", "[::1", "::1", "a b"]
)
def test_no_host(host: str) -> None:
    assert not is_host(host)


def test_host_is_spelled_with_unreserved_characters_and_sub_delims() -> None:
    taken = "".join(c for c in map(chr, range(256)) if is_host(f"a{c}b"))
    assert taken == "!$&'()*+,-.0123456789;=" + ascii_uppercase + "_" + ascii_lowercase + "~"


# What the fields say


@pytest.mark.parametrize(
    ("fields", "minor", "keep_alive"),
    [
        ([], 1, True),
        ([], 0, False),
        (["Connection: close"], 1, False),
        (["Connection: keep-alive"], 0, True),
        (["Connection: keep-alive", "Connection: x, Close"], 0, False),
        (["Connection: x"], 2, True),
    ],
)
def test_keep_alive(fields: list[str], minor: int, keep_alive: bool) -> None:
    data = request("Host: a", *fields, line=f"GET / HTTP/1.{minor}")
    head = take(HeadParser(Limits()), data)
    assert head is not None
    assert head.keep_alive is keep_alive


def test_fields_of_a_request() -> None:
    data = request("Host: a", "X: 1", "cookie: b=2", "x: 3", "Cookie: c=4", "Connection: Y , ,z")
    head = take(HeadParser(Limits()), data)
    assert head is not None
    fields = head.fields
    headers = fields.headers()
    assert headers.pairs() == [("Host", "a"), ("X", "1"), ("x", "3"), ("Connection", "Y , ,z")]
    assert headers == {"host": "a", "x": "1, 3", "connection": "Y , ,z"}
    assert (fields.cookie, fields.host) == ("b=2; c=4", "a")
    assert (fields.body_length, fields.connection) == (0, {"y", "z"})


@pytest.mark.parametrize("more", [(), ("X: 1", "x: 2")], ids=["names once", "a name twice"])
@pytest.mark.parametrize("cookie", ["Cookie: a=1", "Cookie:", "cookie: "])
def test_headers_have_no_cookie(cookie: str, more: tuple[str, ...]) -> None:
    head = take(HeadParser(Limits()), request("Host: a", cookie, *more))
    assert head is not None
    headers = head.fields.headers()
    assert ("cookie" in headers, headers.get_all("Cookie")) == (False, [])
    assert headers.pairs() == [("Host", "a"), *(("X", "1"), ("x", "2"))[: len(more)]]
    assert headers.get("x") == ("1, 2" if more else None)


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Content-Type"])
def test_a_field_that_can_come_once_only_is_refused_twice(name: str) -> None:
    parser = HeadParser(Limits())
    lines = [b"Host: a", *[f"{name}: 5".encode(), f"{name.upper()}: 5".encode()]]
    with pytest.raises(ProtocolError, match=f"more than one {name.lower()}"):
        parser.field_block(lines, b"\r\n".join([*lines, b"", b""]))


def test_body_length_of_fields() -> None:
    parser = HeadParser(Limits())
    for line, length in ((b"Content-Length: 5", 5), (b"Transfer-Encoding: chunked", CHUNKED)):
        assert parser.field_block([line], line + b"\r\n\r\n").body_length == length


# Caches


def test_field_block_is_kept_the_second_time() -> None:
    parser = HeadParser(Limits())
    first, second, third = (take(parser, request("Host: a", "X: y")) for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.fields == second.fields
    assert first.fields is not second.fields
    assert second.fields is third.fields


def test_field_blocks_of_which_a_line_is_always_new_are_not_kept() -> None:
    parser = HeadParser(Limits())
    for number in range(100):
        assert take(parser, request("Host: a", f"X-Request-Id: {number}"))
    assert parser.blocks == {}


def test_field_block_of_another_request_line_is_recognised() -> None:
    parser = HeadParser(Limits())
    take(parser, request("Host: a", "X: y"))
    first = take(parser, request("Host: a", "X: y"))
    second = take(parser, request("Host: a", "X: y", line="HEAD /b HTTP/1.0"))
    assert first is not None
    assert second is not None
    assert first.fields is second.fields


@pytest.mark.parametrize(
    "other",
    [
        request("Host: a", "X:  y"),
        request("Host: a", "x: y"),
        request("X: y", "Host: a"),
        request("Host: a", "X: y", "X: y"),
    ],
)
def test_field_block_in_other_bytes_is_another(other: bytes) -> None:
    parser = HeadParser(Limits())
    first, second = take(parser, request("Host: a", "X: y")), take(parser, other)
    assert first is not None
    assert second is not None
    assert first.fields is not second.fields


def test_caches_are_bounded_in_entries_and_bytes() -> None:
    parser = HeadParser(Limits())
    caches: list[tuple[dict[bytes, Any], int, int]] = [
        (parser.lines, head_module.CACHED_REQUEST_LINES, head_module.CACHED_REQUEST_LINE_BYTES),
        (parser.blocks, head_module.CACHED_BLOCKS, head_module.CACHED_BLOCK_BYTES),
    ]
    found = [0, 0]
    for i in range(3 * head_module.CACHED_LINES):
        line = f"GET /{i}/{'a' * (i % 600)} HTTP/1.1"
        names = f"X-{i % 3}", f"Y-{i % 3}"  # not the same in each, or they are known to change
        fields = f"{names[0]}: {i}", f"{names[1]}: " + "y" * (i % 3000)
        data = request("Host: a", *fields, line=line)
        assert take(parser, data)
        assert take(parser, data)
        found = [max(old, len(cache)) for old, (cache, _, _) in zip(found, caches, strict=True)]
    assert found == [most for _, most, _ in caches]
    assert all(max(map(len, cache)) <= size for cache, _, size in caches)


def test_field_lines_are_kept_in_two_generations() -> None:
    parser, most = HeadParser(Limits()), head_module.CACHED_LINES // 2
    known = parser.field(b"Host: a")
    for i in range(10 * most):
        parser.field(b"X: %d" % i)
        parser.field(b"Y: " + b"y" * (i % 3000))
        assert max(len(parser._fields), len(parser._older_fields)) <= most
        if i % 100 == 0:  # often enough to stay
            assert parser.field(b"Host: a") is known
    kept = [*parser._fields, *parser._older_fields]
    assert b"X: 0" not in kept
    assert max(map(len, kept)) <= head_module.CACHED_LINE_BYTES


@pytest.mark.parametrize(
    "line", ["GET /?a=1 HTTP/1.1", "GET / HTTP/1.0", f"GET /{'a' * 300} HTTP/1.1"]
)
def test_request_line_that_hardly_comes_again_is_not_kept(line: str) -> None:
    parser = HeadParser(Limits())
    assert take(parser, request("Host: a", line=line))
    assert not parser.lines


@pytest.mark.parametrize("line", ["GET  / HTTP/1.1", "GET / HTTP/2.0", "GET a HTTP/1.1"])
def test_refused_request_line_is_not_kept(line: str) -> None:
    parser = HeadParser(Limits())
    assert refused(parser, request("Host: a", line=line)) in {400, 505}
    assert not parser.lines


def test_known_request_line_is_checked_with_each_field_block() -> None:
    parser = HeadParser(Limits())
    assert take(parser, request("Host: a"))
    assert refused(parser, request("X: y")) == 400
    assert take(parser, request("X: y", line="GET / HTTP/1.0"))


@pytest.mark.parametrize(
    "fields",
    [
        ["Host: a", "Host: a"],
        ["Host: a", "Content-Length: +5"],
        ["Host: a", "Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Host: a", "Transfer-Encoding: gzip"],
        ["Host: a b"],
    ],
)
def test_refused_field_block_is_not_kept(fields: list[str]) -> None:
    parser = HeadParser(Limits())
    assert refused(parser, request(*fields)) == refused(parser, request(*fields)) == 400
    assert "\r\n".join(fields).encode() not in parser.blocks


@pytest.mark.parametrize("line", [b"X : y", b"X", b": y", b" X: y", b"X: \0", b"X: a\rb"])
def test_refused_field_is_not_kept(line: bytes) -> None:
    parser = HeadParser(Limits())
    for _ in range(2):
        with pytest.raises(ProtocolError):
            parser.field(line)
    assert parser._fields == {}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], 400),
        (["X: y"], 400),
        (["Host:"], 400),
        (["Host: a", "Expect: x"], 417),
    ],
)
def test_what_1_0_may_leave_out_is_wanted_of_1_1_in_the_same_bytes(
    fields: list[str], status: int
) -> None:
    parser = HeadParser(Limits())
    for _ in range(2):
        assert take(parser, request(*fields, line="GET / HTTP/1.0")) is not None
        assert refused(parser, request(*fields)) == status


def test_transfer_encoding_is_refused_of_1_0_after_1_1_in_the_same_bytes() -> None:
    parser, fields = HeadParser(Limits()), ["Host: a", "Transfer-Encoding: chunked"]
    for _ in range(2):
        assert take(parser, request(*fields) + b"0\r\n\r\n") is not None
        assert refused(parser, request(*fields, line="GET / HTTP/1.0") + b"0\r\n\r\n") == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/2.0", 505),
        ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET /" + "a" * 9000 + " HTTP/1.1", 414),
        ("G\nET / HTTP/1.1", 400),
    ],
)
def test_request_line_is_checked_before_known_fields(line: str, status: int) -> None:
    parser = HeadParser(Limits())
    assert take(parser, request("Host: a")) is not None
    assert refused(parser, request("Host: a", line=line)) == status


def test_head_limit_counts_before_known_fields() -> None:
    parser = HeadParser(Limits(head=50))
    fields = ["Host: a", "X: yyyyyyyyyyyyyyy"]
    assert take(parser, request(*fields)) is not None
    assert refused(parser, request(*fields, line="GET /aaaaaaaaa HTTP/1.1")) == 431


def test_body_limit_counts_for_known_fields() -> None:
    parser = HeadParser(Limits(body=4))
    for _ in range(2):
        assert refused(parser, request("Host: a", "Content-Length: 5") + b"hello") == 413


def test_check_of_a_body_without_limit() -> None:
    line = parse_request_line(b"GET / HTTP/1.1")
    lines = [b"Host: a", b"Content-Length: 99999999999"]
    fields = HeadParser(Limits()).field_block(lines, b"\r\n".join([*lines, b"", b""]))
    assert check_together(line, fields, Limits(body=None))
