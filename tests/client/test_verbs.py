"""The verbs, the kinds of data, and what goes over the wire for each."""

import io
import json
import os
import re
from email import message_from_bytes
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from bladehttp import Headers
from bladehttp._data.decoders import CODINGS
from bladehttp._data.multidict import MultiDict
from bladehttp._message.response import HttpResponse
from bladehttp.client import HttpClient
from bladehttp.client._curl.response_head import ResponseHead
from bladehttp.exceptions import HttpException, InvalidHeader


class Colour(Enum):
    RED = "red"


DEFAULTS = ["Host", "User-Agent", "Accept", "Accept-Encoding"]


def names(seen: Any) -> list[str]:
    return [name for name, _ in seen.fields]


@pytest.mark.parametrize("verb", ["get", "delete", "options", "trace"])
def test_a_verb_without_a_body_sends_none(client: HttpClient, peers: Any, verb: str) -> None:
    peer = peers()
    response = getattr(client, verb)(peer.url + "/a?b=c", {"X-One": "1"})
    assert (response.status, response.body) == (200, b"ok")
    assert (peer.last.method, peer.last.target) == (verb.upper(), "/a?b=c")
    assert names(peer.last) == [*DEFAULTS, "X-One"]


@pytest.mark.parametrize("verb", ["post", "put", "patch"])
def test_a_verb_with_a_body_sends_it_and_no_content_type(
    client: HttpClient, peers: Any, verb: str
) -> None:
    peer = peers()
    assert getattr(client, verb)(peer.url, "gr\xfc\xdfe").body == b"ok"
    assert (peer.last.method, peer.last.body) == (verb.upper(), "gr\xfc\xdfe".encode())
    assert names(peer.last) == [*DEFAULTS, "Content-Length"]


@pytest.mark.parametrize("verb", ["post", "put", "patch"])
def test_a_verb_that_anticipates_a_body_says_that_there_is_none(
    client: HttpClient, peers: Any, verb: str
) -> None:
    peer = peers()
    getattr(client, verb)(peer.url)
    assert peer.last.get("Content-Length") == "0"


def test_head_does_not_wait_for_the_body(client: HttpClient, peers: Any, reply: Any) -> None:
    peer = peers(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    for _ in range(2):
        response = client.head(peer.url)
        assert (response.body, response.headers["Content-Length"]) == (b"", "5")
    assert [seen.method for seen in peer.requests] == ["HEAD", "HEAD"]
    assert peer.connections == 1


def test_requests_of_all_kinds_leave_nothing_behind_on_the_handle(
    client: HttpClient, peers: Any
) -> None:
    peer = peers()
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("POST", {"data": b"x", "headers": {"X-Secret": "1"}}),
        ("GET", {}),
        ("PUT", {"data": io.BytesIO(b"file")}),
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {}),
        ("POST", {"files": {"f": b"1"}}),
        ("GET", {}),
        ("BREW", {"data": [b"a", b"b"]}),
        ("GET", {}),
        ("GET", {"data": b"with a body"}),
        ("GET", {"user_agent": "another"}),
        ("GET", {}),
    ]
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    peer = peers(head)
    for method, arguments in kinds:
        client.send_request(peer.url, method, **arguments)
    plain = [
        seen for (m, a), seen in zip(kinds, peer.requests, strict=True) if (m, a) == ("GET", {})
    ]
    assert len({str(seen) for seen in plain}) == 1
    assert names(plain[0]) == DEFAULTS
    assert [seen.method for seen in peer.requests] == [method for method, _ in kinds]
    assert peer.connections == 1


@pytest.mark.parametrize(
    ("given", "sent"),
    [("get", "GET"), ("Post", "POST"), ("PROPFIND", "PROPFIND"), ("brew", "brew")],
)
def test_a_standard_method_may_be_in_any_case(
    client: HttpClient, peers: Any, given: str, sent: str
) -> None:
    peer = peers()
    client.send_request(peer.url, given)
    assert peer.last.method == sent


@pytest.mark.parametrize(
    ("method", "error"),
    [("GE T", InvalidHeader), ("GET\r\nX: y", InvalidHeader), ("", InvalidHeader),
     ("G\xc9T", InvalidHeader), ("CONNECT", ValueError), (b"GET", TypeError), (None, TypeError)],
)  # fmt: skip
def test_a_method_that_cannot_be_sent_is_refused(
    client: HttpClient, method: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        client.send_request("http://127.0.0.1:1/", method)


@pytest.mark.parametrize("method", ["HEAD", "TRACE"])
def test_a_body_where_none_may_be_is_refused(client: HttpClient, method: str) -> None:
    with pytest.raises(ValueError, match="no body"):
        client.send_request("http://127.0.0.1:1/", method, b"x")


LONG = b"x" * 700_000


class Gives:
    """An iterable that can be read again."""

    def __iter__(self) -> Any:
        return iter([b"ab", b"", bytearray(b"c"), memoryview(b"de")])


@pytest.mark.parametrize(
    ("data", "body", "length"),
    [
        pytest.param(lambda: "text", b"text", "4", id="str"),
        pytest.param(lambda: b"bytes", b"bytes", "5", id="bytes"),
        pytest.param(lambda: bytearray(b"array"), b"array", "5", id="bytearray"),
        pytest.param(lambda: memoryview(b"view"), b"view", "4", id="memoryview"),
        pytest.param(lambda: b"", b"", "0", id="empty"),
        pytest.param(lambda: io.BytesIO(b"a file"), b"a file", "6", id="file"),
        pytest.param(Gives, b"abcde", None, id="iterable"),
        pytest.param(lambda: (part for part in [LONG, b"y"]), LONG + b"y", None, id="generator"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_data_of_each_kind_arrives(
    client: HttpClient, peers: Any, method: str, data: Any, body: bytes, length: str | None
) -> None:
    peer = peers()
    client.send_request(peer.url, method, data(), no_expect=True)
    assert (peer.last.method, peer.last.body) == (method, body)
    assert peer.last.get("Content-Length") == length
    assert peer.last.get("Transfer-Encoding") == (None if length else "chunked")
    assert peer.last.get("Content-Type") is None


def test_a_file_is_sent_from_where_it_stands(
    client: HttpClient, peers: Any, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    peer = peers()
    with (tmp_path / "f").open("rb") as file:
        file.seek(4)
        client.put(peer.url, file)
    assert (peer.last.body, peer.last.get("Content-Length")) == (b"456789", "6")


def test_a_file_that_cannot_tell_its_length_is_chunked(client: HttpClient, peers: Any) -> None:
    peer = peers()
    reading, writing = os.pipe()
    os.write(writing, b"piped")
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        client.post(peer.url, file)
    assert (peer.last.body, peer.last.get("Transfer-Encoding")) == (b"piped", "chunked")


def test_a_large_file_arrives_whole_after_100_continue(
    client: HttpClient, peers: Any, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 16384
    (tmp_path / "f").write_bytes(content)
    peer = peers()
    with (tmp_path / "f").open("rb") as file:
        client.post(peer.url, file)
    assert peer.last.get("Expect") == "100-continue"
    assert peer.last.body == content


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b'{"a": "\xc3\xa9", "b": [1, 2]}'),
        ("application/json", b'{"a": "\xc3\xa9", "b": [1, 2]}'),
        ("application/vnd.api+json; x=y", b'{"a": "\xc3\xa9", "b": [1, 2]}'),
        ("application/x-www-form-urlencoded", b"a=%C3%A9&b=1&b=2"),
    ],
    ids=["nothing", "json", "+json", "form"],
)
def test_a_dict_is_encoded_by_the_content_type(
    client: HttpClient, peers: Any, content_type: str | None, body: bytes
) -> None:
    peer = peers()
    headers = {"Content-Type": content_type} if content_type else None
    client.post(peer.url, {"a": "\xe9", "b": [1, 2]}, headers)
    assert peer.last.body == body
    assert peer.last.get_all("Content-Type") == [content_type or "application/json"]


def test_a_dict_in_a_type_that_has_no_form_for_it_is_refused(client: HttpClient) -> None:
    with pytest.raises(ValueError, match="text/plain"):
        client.post("http://127.0.0.1:1/", {"a": 1}, {"Content-Type": "text/plain"})


@pytest.mark.parametrize(
    ("arguments", "content_type", "body"),
    [
        ({"json": [1, None]}, "application/json", b"[1, null]"),
        ({"json": None}, "application/json", b"null"),
        ({"form": {"a": "b c", "d": ["1", "2"]}}, "application/x-www-form-urlencoded",
         b"a=b+c&d=1&d=2"),
        ({"form": [("a", "1"), ("a", "2")]}, "application/x-www-form-urlencoded", b"a=1&a=2"),
        ({"form": {"a": None, "b": [None, 1], "c": Colour.RED}},
         "application/x-www-form-urlencoded", b"b=1&c=red"),
        ({"form": {"a": None}}, "application/x-www-form-urlencoded", b""),
    ],
    ids=["json", "null", "form", "pairs", "none", "only none"],
)  # fmt: skip
def test_json_and_form_have_keywords_of_their_own(
    client: HttpClient, peers: Any, arguments: Any, content_type: str, body: bytes
) -> None:
    peer = peers()
    client.post(peer.url, **arguments)
    assert (peer.last.get("Content-Type"), peer.last.body) == (content_type, body)


def test_nan_is_no_json(client: HttpClient) -> None:
    with pytest.raises(ValueError, match="JSON"):
        client.post("http://127.0.0.1:1/", json=float("nan"))


@pytest.mark.parametrize(
    "arguments",
    [{"data": b"x", "json": 1}, {"data": b"", "form": {}}, {"json": 1, "form": {}},
     {"json": 1, "files": {}}, {"data": b"x", "files": {}}],
    ids=str,
)  # fmt: skip
def test_two_bodies_at_once_are_refused(client: HttpClient, arguments: Any) -> None:
    with pytest.raises(TypeError, match="a request has one"):
        client.post("http://127.0.0.1:1/", **arguments)


@pytest.mark.parametrize("data", [7, object(), io.StringIO("text")], ids=["int", "object", "text"])
def test_data_of_no_kind_is_refused(client: HttpClient, data: Any) -> None:
    with pytest.raises(TypeError):
        client.post("http://127.0.0.1:1/", data)


def parts_of(seen: Any) -> list[tuple[str | None, str | None, str | None, bytes]]:
    """Take a multipart body apart with the standard library."""
    head = f"Content-Type: {seen.get('Content-Type')}\r\n\r\n".encode()
    return [
        (
            part.get_param("name", header="Content-Disposition"),
            part.get_filename(),
            part["Content-Type"],
            part.get_payload(decode=True),
        )
        for part in message_from_bytes(head + seen.body).get_payload()
    ]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_files_of_every_kind_arrive_as_multipart(
    client: HttpClient, peers: Any, tmp_path: Path, method: str
) -> None:
    (tmp_path / "disk.txt").write_bytes(b"from disk")
    peer = peers()
    with (tmp_path / "disk.txt").open("rb") as file:
        files = {
            "path": tmp_path / "disk.txt",
            "open": file,
            "memory": io.BytesIO(b"in memory"),
            "bytes": b"\0\1",
            "tuple": ("n.json", "{}"),
            "typed": ("n.bin", b"x", "image/png"),
            "list": [("1", b"1"), ("2", b"2")],
        }
        client.send_request(peer.url, method, form={"field": "\xfc", "n": 1}, files=files)
    octets = "application/octet-stream"
    assert parts_of(peer.last) == [
        ("field", None, None, "\xfc".encode()),
        ("n", None, None, b"1"),
        ("path", "disk.txt", "text/plain", b"from disk"),
        ("open", "disk.txt", "text/plain", b"from disk"),
        ("memory", "memory", octets, b"in memory"),
        ("bytes", "bytes", octets, b"\0\1"),
        ("tuple", "n.json", "application/json", b"{}"),
        ("typed", "n.bin", "image/png", b"x"),
        ("list", "1", octets, b"1"),
        ("list", "2", octets, b"2"),
    ]
    assert peer.last.method == method
    assert peer.last.get("Content-Length") is not None


def test_none_is_left_out_of_a_multipart_form(client: HttpClient, peers: Any) -> None:
    peer = peers()
    fields = {"a": None, "b": [None, 1, Colour.RED], "t": ("x", "y")}
    client.post(peer.url, form=fields, files={"f": None, "g": ("g", None), "h": [None, b"1"]})
    octets = "application/octet-stream"
    assert parts_of(peer.last) == [
        ("b", None, None, b"1"), ("b", None, None, b"red"), ("t", None, None, b"x"),
        ("t", None, None, b"y"), ("h", "h", octets, b"1"),
    ]  # fmt: skip
    client.post(peer.url, {"a": None, "b": [None, b"2"], "f": io.BytesIO(b"3")})
    assert parts_of(peer.last) == [("b", None, None, b"2"), ("f", "f", octets, b"3")]


def test_a_part_without_a_file_name(client: HttpClient, peers: Any, tmp_path: Path) -> None:
    (tmp_path / "disk.txt").write_bytes(b"disk")
    peer = peers()
    files = {
        "meta": (None, b"{}", "application/json"),
        "text": (None, "plain"),
        "memory": (None, io.BytesIO(b"in memory"), "a/b"),
        "disk": (None, tmp_path / "disk.txt", "a/b"),
        "bare": (None, tmp_path / "disk.txt"),
    }
    client.post(peer.url, files=files)
    assert b"filename" not in peer.last.body
    assert [part[:1] + part[2:] for part in parts_of(peer.last)] == [
        ("meta", "application/json", b"{}"), ("text", None, b"plain"),
        ("memory", "a/b", b"in memory"), ("disk", "a/b", b"disk"), ("bare", None, b"disk"),
    ]  # fmt: skip


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="there is no /proc")
@pytest.mark.parametrize("filename", ["name", None])
def test_a_file_that_says_it_is_empty_is_sent_whole(
    client: HttpClient, peers: Any, filename: str | None
) -> None:
    peer = peers()
    client.post(peer.url, files={"a": (filename, Path("/proc/version"))})
    assert Path("/proc/version").read_bytes() in peer.last.body


def test_a_file_that_was_sent_is_sent_again(client: HttpClient, peers: Any, tmp_path: Path) -> None:
    peer = peers()
    (tmp_path / "f").write_bytes(b"0123")
    with (tmp_path / "f").open("rb") as file:
        file.seek(2)
        for _ in range(2):
            client.post(peer.url, file)
            assert peer.last.body == b"23"
            client.post(peer.url, files={"f": file})
            assert parts_of(peer.last)[0][3] == b"23"
        assert file.tell() == 2
        file.read()
        client.post(peer.url, files={"f": file})
        assert parts_of(peer.last)[0][3] == b"0123"
    written = io.BytesIO()
    written.write(b"just written")
    client.post(peer.url, files={"f": written})
    assert parts_of(peer.last)[0][3] == b"just written"


def test_a_file_is_sent_whole_after_a_failure(client: HttpClient, peers: Any) -> None:
    file = io.BytesIO(b"x" * 4_000_000)
    broken = peers.raw(lambda connection: connection.read_head() and connection.reset())
    with pytest.raises(HttpException):
        client.post(broken.url, files={"f": file})
    peer = peers()
    client.post(peer.url, files={"f": file})
    assert len(parts_of(peer.last)[0][3]) == 4_000_000


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"data": [("a", "1")]}, "write form="),
        ({"data": (("a", "1"),)}, "write form="),
        ({"data": ["text"]}, "encode it"),
        ({"data": [{"a": 1}]}, "write json="),
        ({"data": 7}, "write json= for JSON"),
        ({"data": [("a", "1")], "files": {"f": b""}}, "form="),
        ({"query": b"a=1"}, "write query.decode()"),
        ({"query": 7}, "query is a dict or a list"),
        ({"query": ["ab"]}, "pairs of name and value"),
        ({"query": {"a": {"b": 1}}}, "json.dumps"),
        ({"query": {"a": [[1]]}}, "json.dumps"),
        ({"query": {None: 1}}, "None"),
        ({"form": "a=1"}, "form is a dict or a list"),
        ({"form": {"a": io.BytesIO(b"x")}}, "write files="),
        ({"form": {"a": io.BytesIO(b"x")}, "files": {}}, "write files="),
        ({"form": {"a": print}}, "json.dumps"),
        ({"files": {"f": ("name.txt",)}}, "filename, content"),
        ({"files": {"f": ("name.txt", b"x", "a/b", {})}}, "not a tuple of 4"),
        ({"files": {"f": (7, b"x")}}, "str or None as filename"),
        ({"files": {"f": ("n", b"x", 7)}}, "content type"),
        ({"files": [io.BytesIO(b"x")]}, "write {name: value}"),
        ({"files": b"x"}, "files is a dict or a list"),
    ],
    ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", str(value)),  # the same for every worker
)
def test_a_type_error_says_what_to_write(client: HttpClient, arguments: Any, hint: str) -> None:
    with pytest.raises(TypeError) as caught:
        client.post("http://127.0.0.1:1/", **arguments)
    assert hint in str(caught.value)


def test_a_file_in_a_dict_makes_it_multipart(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.post(peer.url, {"a": 1, "raw": b"\0", "many": ["x", "y"], "f": io.BytesIO(b"12")})
    assert [part[0] for part in parts_of(peer.last)] == ["a", "raw", "many", "many", "f"]


def test_the_boundary_is_ours_whatever_the_content_type_says(
    client: HttpClient, peers: Any
) -> None:
    peer = peers()
    client.post(peer.url, {"a": "b"}, {"Content-Type": "multipart/form-data; boundary=mine"})
    assert parts_of(peer.last) == [("a", None, None, b"b")]
    assert len(peer.last.get_all("Content-Type")) == 1


def test_a_multipart_file_of_unknown_length_is_chunked(client: HttpClient, peers: Any) -> None:
    class Pipe:
        def __init__(self) -> None:
            self.pieces = [b"1", b"2", b""]

        def read(self, _: int) -> bytes:
            return self.pieces.pop(0)

    peer = peers()
    client.post(peer.url, files={"f": Pipe()})
    assert parts_of(peer.last) == [("f", "f", "application/octet-stream", b"12")]
    assert peer.last.get("Transfer-Encoding") == "chunked"


@pytest.mark.parametrize(
    ("files", "error"),
    [({"f": Path("/no/such/file")}, FileNotFoundError), ({"f": 7}, TypeError),
     ({"f\r\nX: y": b""}, InvalidHeader), ({"f": ("a\r\nb", b"")}, InvalidHeader),
     ({"f": ("a", b"", "x/y\r\nX: y")}, InvalidHeader), ({"f": io.StringIO()}, TypeError)],
    ids=["missing", "int", "name", "filename", "type", "text"],
)  # fmt: skip
def test_a_file_that_cannot_be_sent_is_refused(
    client: HttpClient, files: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        client.post("http://127.0.0.1:1/", files=files)


@pytest.mark.parametrize(
    ("url", "query", "target"),
    [
        ("/a", {"q": "x y", "n": 1}, "/a?q=x+y&n=1"),
        ("/a?b=c", {"d": ["1", "2"]}, "/a?b=c&d=1&d=2"),
        ("/a?", [("x", "\xe9")], "/a?x=%C3%A9"),
        ("/a#frag", "raw=1%20", "/a?raw=1%20"),
        ("/a", {"none": None}, "/a"),
        ("/a", {"b": [None, 1]}, "/a?b=1"),
        ("/a", [("b", None), ("c", (None,)), ("d", {"x"})], "/a?d=x"),
        ("/a", {"b": []}, "/a"),
        (
            "/a",
            {"n": 1.5, "t": True, "raw": b"\xff", "e": Colour.RED, b"k": "v"},
            "/a?n=1.5&t=True&raw=%FF&e=red&k=v",
        ),
        ("/a", {"x": (str(n) for n in range(2))}, "/a?x=0&x=1"),
        ("/a", MultiDict([("a", "1"), ("b", "2"), ("a", "3")]), "/a?a=1&a=3&b=2"),
        ("", {"x": "1"}, "/?x=1"),
    ],
)
def test_query_is_added_to_the_url(
    client: HttpClient, peers: Any, url: str, query: Any, target: str
) -> None:
    peer = peers()
    client.get(peer.url + url, query=query)
    assert peer.last.target == target


def test_a_request_that_cannot_be_set_up_leaves_the_client_usable(
    client: HttpClient, peers: Any
) -> None:
    peer = peers()
    with pytest.raises(UnicodeEncodeError):
        client.post(peer.url, {"X": "1"}, files={"f": ("\ud800", b"")})
    client.get(peer.url)
    assert names(peer.last) == DEFAULTS


def test_the_reason_of_a_version_that_has_none_is_the_statuses_own() -> None:
    lines = [b"HTTP/2 404 \r\n", b"x-a: b\r\n", b"\r\n"]
    response = HttpResponse.received(b"", 404, ResponseHead(lines, "https://h/"))
    assert (response.reason, response.headers) == ("Not Found", {"X-A": "b"})


@pytest.mark.parametrize("end", ["\r\n", "\n"], ids=["CRLF", "LF"])
def test_fields_of_an_interim_response_and_of_trailers_are_not_those_of_the_response(
    end: str,
) -> None:
    final = [b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", b"\r\n"]
    other = [f"{line}{end}".encode() for line in ("Location: /other", "")]
    after_interim = ResponseHead([f"HTTP/1.1 103 Early{end}".encode(), *other, *final])
    assert (after_interim.headers, after_interim.location) == ({"A": "b"}, "")
    head = [line.replace(b"\r\n", end.encode()) for line in final]
    with_trailers = ResponseHead([*head, b"T: t\r\n", b"\r\n"])
    assert (with_trailers.headers, with_trailers.trailers) == ({"A": "b"}, {"T": "t"})


def test_fields_of_the_call_replace_those_of_the_client(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.headers = Headers([("X-A", "1"), ("X-A", "2"), ("X-B", "b"), ("accept", "a/b")])
    client.headers["X-C"] = "c"
    client.get(peer.url, [("x-a", "3"), ("X-D", "d"), ("X-D", "e")])
    assert peer.last.fields[2:] == [
        ("Accept-Encoding", ", ".join(CODINGS)), ("X-B", "b"), ("accept", "a/b"), ("X-C", "c"),
        ("x-a", "3"), ("X-D", "d"), ("X-D", "e"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "received"),
    [("", ""), ("  ", ""), ("\xe4\xf6", "\xe4\xf6"), ("a; b", "a; b"), ("\t", "")],
    ids=["empty", "blank", "latin-1", "semicolon", "tab"],
)
def test_a_field_is_sent_whatever_its_value(
    client: HttpClient, peers: Any, value: str, received: str
) -> None:
    peer = peers()
    client.get(peer.url, {"X-It": value})
    assert peer.last.get("X-It") == received


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "a\r\nX-Evil: 1", "\x7f", "\u20ac"])
def test_a_field_that_would_break_the_message_is_refused_where_it_is_set(
    client: HttpClient, bad: str
) -> None:
    with pytest.raises(InvalidHeader):
        client.get("http://127.0.0.1:1/", {"X": bad})
    with pytest.raises(InvalidHeader):
        client.headers["X"] = bad
    with pytest.raises(InvalidHeader):
        client.set_headers({f"X{bad}": "y"})
    for name in ("user_agent", "referer", "auth", "accept_encoding"):
        with pytest.raises(InvalidHeader):
            setattr(client, name, bad)


def test_content_length_announces_the_length_of_an_iterable(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.post(peer.url, iter([b"12", b"345"]), {"Content-Length": "5"})
    assert (peer.last.body, peer.last.get_all("Content-Length")) == (b"12345", ["5"])


@pytest.mark.parametrize(
    ("fields", "data"),
    [({"Content-Length": "4"}, b"12345"), ({"Content-Length": "1"}, None),
     ({"Content-Length": "+5"}, b"12345"), ({"Transfer-Encoding": "chunked"}, b"12345"),
     ({"Transfer-Encoding": "gzip"}, iter([b"1"])), ({"Transfer-Encoding": "chunked"}, None)],
    ids=["wrong", "no body", "sign", "chunked bytes", "gzip", "chunked nothing"],
)  # fmt: skip
def test_framing_that_contradicts_the_body_is_refused(
    client: HttpClient, fields: dict[str, str], data: Any
) -> None:
    with pytest.raises(InvalidHeader):
        client.send_request("http://127.0.0.1:1/", "DELETE", data, headers=fields)


def test_framing_that_is_right_is_sent_once(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.post(peer.url, b"12345", {"Content-Length": "5"})
    client.post(peer.url, [b"1"], {"Transfer-Encoding": "chunked"})
    assert peer.requests[0].get_all("Content-Length") == ["5"]
    assert peer.requests[1].get_all("Transfer-Encoding") == ["chunked"]


@pytest.mark.parametrize(
    ("pieces", "less_or_more"), [([b"12"], "less"), ([b"12", b"3456"], "more")]
)
def test_an_iterable_that_breaks_its_announced_length_ends_the_request(
    client: HttpClient, peers: Any, pieces: list[bytes], less_or_more: str
) -> None:
    peer = peers()
    with pytest.raises(ValueError, match=less_or_more):
        client.post(peer.url, iter(pieces), {"Content-Length": "5"})
    assert client.get(peer.url).body == b"ok"


def raises_after(piece: Any, error: BaseException | None) -> Any:
    yield b"begun"
    if error is not None:
        raise error
    yield piece


@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_what_the_callers_data_raises_comes_back_as_it_is(
    client: HttpClient, peers: Any, capfd: pytest.CaptureFixture[str], error: BaseException
) -> None:
    peer = peers()
    with pytest.raises(type(error)) as caught:
        client.post(peer.url, raises_after(b"", error))
    assert caught.value is error
    assert client.get(peer.url).body == b"ok"
    assert capfd.readouterr() == ("", "")


def test_data_that_gives_text_is_refused_while_it_is_sent(client: HttpClient, peers: Any) -> None:
    peer = peers()
    with pytest.raises(TypeError, match="str, expected bytes"):
        client.post(peer.url, raises_after("text", None))


def test_what_a_multipart_file_raises_comes_back_as_it_is(client: HttpClient, peers: Any) -> None:
    class Broken(io.BytesIO):
        def read(self, _: Any = None) -> bytes:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        client.post(peers().url, files={"ok": b"1", "f": Broken(b"1234")})


def test_a_data_source_may_use_the_client_that_reads_it(client: HttpClient, peers: Any) -> None:
    peer = peers()

    def asks() -> Any:
        yield client.get(peer.url).body

    client.post(peer.url, asks())
    assert peer.last.body == b"ok"


def test_the_response_is_what_came(client: HttpClient, peers: Any) -> None:
    peer = peers(
        b"HTTP/1.1 103 Early Hints\r\nLink: early\r\n\r\n"
        b"HTTP/1.1 299 Odd  one\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Long: one\r\n  two\r\n"
        b"X-Raw: \xe9\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4\r\nbody\r\n0\r\nX-Trail: t\r\nX-T2: u\r\n\r\n"
    )
    response = client.get(peer.url + "/p#frag")
    assert (response.status, response.reason, response.version) == (299, "Odd  one", "1.1")
    assert response.cookies == ["a=1", "b=2"]
    assert response.headers["X-Long"] == "one two"
    assert response.headers["X-Raw"] == "\xe9"
    assert "Link" not in response.headers
    assert response.trailers == {"X-Trail": "t", "X-T2": "u"}
    assert response.body == b"body"
    assert response.responder == peer.url + "/p#frag"
    assert (response.redirects, response.history) == (0, ())
    assert isinstance(response.time_taken, float)
    assert 0 < response.time_taken < 10_000
    with pytest.raises(AttributeError):
        _ = response.nothing


@pytest.mark.parametrize(
    ("line", "version", "reason"),
    [(b"HTTP/1.0 404 Gone fishing", "1.0", "Gone fishing"), (b"HTTP/1.1 200 ", "1.1", ""),
     (b"HTTP/1.1 200", "1.1", "")],
)  # fmt: skip
def test_version_and_reason_are_as_received(
    client: HttpClient, peers: Any, line: bytes, version: str, reason: str
) -> None:
    response = client.get(peers.once(line + b"\r\nContent-Length: 0\r\n\r\n").url)
    assert (response.version, response.reason) == (version, reason)


def test_a_body_without_a_length_ends_with_the_connection(client: HttpClient, peers: Any) -> None:
    response = client.get(peers.once(b"HTTP/1.0 200 OK\n\nuntil the end").url)
    assert (response.body, response.headers, response.trailers) == (b"until the end", {}, {})


def test_pytest_httpserver_sees_what_it_expects(client: HttpClient, httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request(
        "/json", method="POST", json={"a": 1}, headers={"Content-Type": "application/json"}
    ).respond_with_json({"b": 2}, status=201)
    httpserver.expect_ordered_request("/q", query_string={"x": "1"}).respond_with_data("text")
    assert client.post(httpserver.url_for("/json"), json={"a": 1}).json() == {"b": 2}
    assert client.get(httpserver.url_for("/q"), query={"x": 1}).text == "text"
    httpserver.check()


def test_a_large_response_arrives_whole(client: HttpClient, peers: Any, reply: Any) -> None:
    content = bytes(range(256)) * 40_000
    assert client.get(peers(reply(content)).url).body == content


def test_connections_are_kept(client: HttpClient, peers: Any) -> None:
    peer = peers()
    for _ in range(5):
        client.get(peer.url)
    assert peer.connections == 1


def test_json_of_the_response_is_read(client: HttpClient, peers: Any, reply: Any) -> None:
    peer = peers(reply(json.dumps({"a": [1]}).encode()))
    assert client.get(peer.url).json() == {"a": [1]}


@pytest.mark.parametrize("url", [b"http://a/", ["http://a/"], None, 7])
def test_a_url_that_is_no_str_is_told_so(client: HttpClient, url: Any) -> None:
    with pytest.raises(TypeError, match="a URL is a str"):
        client.get(url)


class Kind(str, Enum):  # noqa: UP042 - a StrEnum is formatted as its value, and this is not
    PLAIN = "text/plain"


def test_a_member_of_an_enumeration_is_sent_as_its_value(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.get(peer.url, headers={"X-Kind": Kind.PLAIN})
    assert peer.last.get("X-Kind") == "text/plain"


class Generous:
    """A file-like object that gives all it has, however little it is asked for."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = list(chunks)

    def read(self, size: int = -1) -> bytes:
        return self._chunks.pop(0) if self._chunks else b""


@pytest.mark.parametrize(
    "sizes", [(1_000_000,), (70_000, 70_000, 70_000), (1, 3_000_000, 1)], ids=str
)
def test_an_object_that_gives_more_than_it_is_asked_for_is_sent_whole(
    client: HttpClient, peers: Any, sizes: tuple[int, ...]
) -> None:
    peer = peers()
    chunks = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
    client.post(peer.url, Generous(*chunks))
    client.post(peer.url, Generous(*chunks), {"Content-Length": str(sum(sizes))})
    assert [each.body for each in peer.requests] == [b"".join(chunks)] * 2
    with pytest.raises(ValueError, match="more than"):
        client.post(peer.url, Generous(*chunks), {"Content-Length": str(sum(sizes) - 1)})


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_a_file_that_cannot_be_read_is_refused(
    client: HttpClient, tmp_path: Path, mode: str
) -> None:
    with (tmp_path / "a").open(mode) as file:
        for given in ({"data": file}, {"files": {"a": file}}):
            with pytest.raises(TypeError, match="not open for reading"):
                client.post("http://127.0.0.1/", **given)
