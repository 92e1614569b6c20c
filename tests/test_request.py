import copy
import json
import socket
from typing import Any

import pytest

from bladehttp._data.headers import Headers
from bladehttp._message.request import HttpRequest
from bladehttp._wire.target import decode_path, host_name

RAW = (
    b"POST /a%20b/c?x=1&x=2 HTTP/1.1\r\nHost: a.example:8080\r\n"
    b"Cookie: s=1; t=2\r\nX: 1\r\nx: 2\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=1&a=2"
)


def parsed(raw: str | bytes) -> HttpRequest:
    request = HttpRequest()
    assert request.parse(raw)
    return request


def test_new_request_is_an_empty_get() -> None:
    request = HttpRequest()
    assert (request.method, request.request_uri, request.path) == ("GET", "/", "/")
    assert (request.headers, request.cookies, request.queries) == ({}, {}, {})
    assert (request.body, request.files, request.ip, request.host) == ({}, {}, "", "")


def test_request_of_raw_bytes() -> None:
    request = parsed(RAW)
    assert (request.method, request.path, request.host) == ("POST", "/a b/c", "a.example")
    assert (request.request_uri, request.http_version) == ("/a%20b/c?x=1&x=2", "1.1")
    assert (request.queries, request.queries.get_all("x")) == ({"x": "2"}, ["1", "2"])
    assert (request.cookies, request.body) == ({"s": "1", "t": "2"}, {"a": "2"})
    assert (request.raw_body, request.content_type) == (
        b"a=1&a=2",
        "application/x-www-form-urlencoded",
    )
    assert "Cookie" not in request.headers
    assert request.headers["X"] == "1, 2"


def test_str_is_parsed_as_its_bytes() -> None:
    assert parsed(RAW.decode()).to_dict() == parsed(RAW).to_dict()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"nonsense", id="nonsense"),
        pytest.param(RAW[:-1], id="cut short"),
        pytest.param(RAW + b"G", id="something after it"),
        pytest.param(RAW * 2, id="two requests"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no Host"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1\r\n\r\n{",
            id="a body that is not what it says",
        ),
    ],
)
def test_what_is_not_one_request_leaves_the_request_as_it_was(raw: bytes) -> None:
    request = parsed(RAW)
    before = request.to_dict()
    assert request.parse(raw) is False
    assert request.to_dict() == before


def test_parsing_again_forgets_what_was_computed() -> None:
    request = parsed(RAW)
    before = (request.headers, request.cookies, request.queries, request.path, request.host)
    assert request.parse(b"GET /z HTTP/1.1\r\nHost: b\r\n\r\n")
    after = (request.headers, request.cookies, request.queries, request.path, request.host)
    assert after == ({"Host": "b"}, {}, {}, "/z", "b") != before


def test_client_socket_gives_address_and_port() -> None:
    request = HttpRequest()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert request.parse(RAW, client)
        assert (request.ip, request.port) == server.getsockname()
    assert request.ipv6 is False


def test_the_peer_of_a_unix_socket_has_no_address() -> None:
    request = HttpRequest()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert request.parse(RAW, ours)
    assert (request.ip, request.port, request.ipv6) == ("", 0, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("headers", Headers({"X": "y"})),
        ("cookies", {"a": "b"}),
        ("queries", {"a": "b"}),
        ("path", "/other"),
        ("host", "other"),
        ("trailers", Headers()),
        ("body", [1]),
        ("method", "PUT"),
    ],
)
@pytest.mark.parametrize("read_before", [False, True])
def test_attribute_can_be_assigned(name: str, value: Any, read_before: bool) -> None:
    request = parsed(RAW)
    if read_before:
        getattr(request, name)
    setattr(request, name, value)
    assert getattr(request, name) is value


def test_misspelt_attribute_is_an_error() -> None:
    with pytest.raises(AttributeError):
        HttpRequest().metod = "GET"  # type: ignore[attr-defined]


def test_what_is_set_on_a_copy_is_not_set_on_the_original() -> None:
    request = parsed(RAW)
    other = copy.copy(request)
    assert other.to_dict() == request.to_dict()
    other.path = "/other"
    assert request.path == "/a b/c"


def test_headers_of_one_request_are_not_those_of_the_next() -> None:
    first = parsed(RAW)
    first.headers["X"] = "changed"
    assert parsed(RAW).headers["X"] == "1, 2"


@pytest.mark.parametrize(
    ("path", "decoded"),
    [
        ("/a", "/a"),
        ("*", "*"),
        ("", ""),
        ("/a%20b%2Fc", "/a b/c"),
        ("/caf%C3%A9", "/café"),
        ("/caf%c3%a9", "/café"),
        ("/caf\xc3\xa9", "/café"),
        ("/caf%C3\xa9", "/café"),
        ("/%E2%82%AC", "/€"),
        ("/%ff", "/%ff"),
        ("/\xff", "/\xff"),
        ("/%C3", "/%C3"),
        ("/%C3%A9%FF%41", "/é%FFA"),
        ("/%ED%A0%80", "/%ED%A0%80"),
        ("/%C0%AF", "/%C0%AF"),
        ("/%", "/%"),
        ("/%z1%2", "/%z1%2"),
        ("/%2541", "/%41"),
        ("/a+b", "/a+b"),
        ("/%00", "/\0"),
    ],
)
def test_path_is_decoded_once_and_what_cannot_be_stays(path: str, decoded: str) -> None:
    assert decode_path(path) == decoded


@pytest.mark.parametrize(
    ("authority", "host"),
    [("a", "a"), ("a:80", "a"), ("a:", "a"), ("[::1]", "::1"), ("[::1]:80", "::1"), ("", "")],
)
def test_host_name(authority: str, host: str) -> None:
    assert host_name(authority) == host


@pytest.mark.parametrize(
    ("raw", "host", "path"),
    [
        (b"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", "b", "/x"),
        (b"GET /x HTTP/1.0\r\n\r\n", "", "/x"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "a", "*"),
        (b"CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n", "b", ""),
    ],
)
def test_host_is_that_of_the_target_before_that_of_the_field(
    raw: bytes, host: str, path: str
) -> None:
    request = parsed(raw)
    assert (request.host, request.path) == (host, path)


def test_trailers_are_kept_apart() -> None:
    request = parsed(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\na\r\n0\r\nX: y\r\nHost: b\r\n\r\n"
    )
    assert (request.trailers, request.raw_body, request.body) == ({"X": "y"}, b"a", b"a")
    assert "X" not in request.headers


def test_dict_and_json_have_every_documented_attribute() -> None:
    request = parsed(RAW)
    found = request.to_dict()
    assert found | {"headers": None} == {
        "request_uri": "/a%20b/c?x=1&x=2",
        "path": "/a b/c",
        "method": "POST",
        "host": "a.example",
        "ip": "",
        "headers": None,
        "queries": {"x": "2"},
        "cookies": {"s": "1", "t": "2"},
        "body": {"a": "2"},
        "files": {},
        "http_version": "1.1",
        "auth_method": int(request.auth_method),
    }
    assert json.loads(request.to_json()) == found


def test_uploaded_file_is_in_the_json() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n\xff\r\n--b--\r\n'
    request = parsed(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    assert json.loads(request.to_json())["files"]["f"]["content"] == {"base64": "/w=="}
