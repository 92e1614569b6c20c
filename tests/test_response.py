import copy
import json
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bladehttp._data.charsets import charset_of
from bladehttp._message.response import HttpResponse
from bladehttp.exceptions import HttpStatusError, InvalidHeader


def test_server_response_starts_with_blades_fields() -> None:
    response = HttpResponse.for_server()
    assert (response.status, response.body, response.reason) == (200, b"", "OK")
    assert response.headers == {"Content-Type": "text/html; charset=utf-8", "X-Powered-By": "Blade"}


def test_fields_of_one_response_are_not_those_of_the_next() -> None:
    HttpResponse.for_server().headers["X"] = "y"
    assert "X" not in HttpResponse.for_server().headers


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda response: pickle.loads(pickle.dumps(response))],
    ids=["copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize("made", [HttpResponse.for_server, lambda: HttpResponse("one")])
def test_what_is_set_on_a_copy_is_not_set_on_the_original(
    made: Callable[[], HttpResponse], copied: Callable[[HttpResponse], HttpResponse]
) -> None:
    response = made()
    before = response.to_dict()
    other = copied(response)
    assert other.to_dict() == before
    other.headers = {"X": "y"}
    other.version = "2"
    other.write("two")
    assert response.to_dict() == before
    assert (other.headers, other.version, other.body) == ({"X": "y"}, "2", response.body + b"two")


@pytest.mark.parametrize(
    "data", ["é", b"\xc3\xa9", bytearray(b"\xc3\xa9"), memoryview(b"\xc3\xa9")]
)
def test_write_appends(data: Any) -> None:
    response = HttpResponse("a")
    response.write(data)
    assert (response.body, response.content) == (b"a\xc3\xa9", b"a\xc3\xa9")


@pytest.mark.parametrize("data", [5, None, ["a"], {"a": 1}])
def test_write_of_anything_else_is_a_type_error(data: Any) -> None:
    with pytest.raises(TypeError):
        HttpResponse().write(data)


def test_assigned_body_replaces() -> None:
    response = HttpResponse("a")
    response.body = "b"
    assert response.body == b"b"


def test_json_is_written_with_its_type_and_read_back() -> None:
    response = HttpResponse()
    response.json({"é": [1, None]}, status=201)
    assert (response.body, response.status) == ('{"é": [1, null]}'.encode(), 201)
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == response.as_dict() == {"é": [1, None]}


@pytest.mark.parametrize(("data", "error"), [(float("nan"), ValueError), (object(), TypeError)])
def test_json_of_what_json_has_no_form_for_is_an_error(data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        HttpResponse().json(data)


@pytest.mark.parametrize("body", [b"{", b"", b"[" * 100_000])
def test_reading_what_is_not_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's message or ours
        HttpResponse(body).json()


@pytest.mark.parametrize("reason", ["a\r\nb", "a\0", "€"])
def test_reason_that_would_break_the_message_is_refused(reason: str) -> None:
    with pytest.raises(InvalidHeader):
        HttpResponse().reason = reason


def test_reason_is_that_of_the_status_unless_set() -> None:
    response = HttpResponse(status=404)
    assert response.reason == "Not Found"
    response.reason = "Gone fishing"
    assert response.reason == "Gone fishing"


def test_every_cookie_is_a_field() -> None:
    response = HttpResponse()
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", path=None, http_only=True)
    assert response.cookies == ["a=1; Path=/", "b=2; HttpOnly"]


EXPIRED = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"


@pytest.mark.parametrize(
    ("key", "options", "expected"),
    [
        ("a", {}, f"a=; Path=/; {EXPIRED}"),
        ("a", {"path": "/x", "domain": "b.example"}, f"a=; Domain=b.example; Path=/x; {EXPIRED}"),
        ("a", {"path": None, "http_only": True}, f"a=; {EXPIRED}; HttpOnly"),
        ("__Secure-a", {}, f"__Secure-a=; Path=/; {EXPIRED}; Secure"),
        ("__Host-a", {"secure": False}, f"__Host-a=; Path=/; {EXPIRED}; Secure"),
        ("__host-a", {}, f"__host-a=; Path=/; {EXPIRED}; Secure"),
        ("a", {"same_site": "None"}, f"a=; Path=/; {EXPIRED}; SameSite=None; Secure"),
        ("a", {"same_site": "lax"}, f"a=; Path=/; {EXPIRED}; SameSite=Lax"),
    ],
    ids=["plain", "domain", "no-path", "secure", "host", "lower-case", "none", "lax"],
)
def test_a_deleted_cookie_is_one_that_has_expired(key, options, expected) -> None:
    response = HttpResponse()
    response.delete_cookie(key, **options)
    assert response.cookies == [expected]


def test_the_name_of_a_deleted_cookie_is_checked() -> None:
    with pytest.raises(InvalidHeader, match="not a token"):
        HttpResponse().delete_cookie("a b")


def test_redirect_sets_status_and_location() -> None:
    response = HttpResponse()
    response.redirect("/a", 308)
    assert (response.status, response.headers["Location"]) == (308, "/a")


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/café", "/caf%C3%A9"),
        ("/a b", "/a%20b"),
        ("/a%20b?x=é&y=[1]#ü", "/a%20b?x=%C3%A9&y=[1]#%C3%BC"),
        ("\\evil.example", "%5Cevil.example"),
        ('/<>"{}|^`', "/%3C%3E%22%7B%7D%7C%5E%60"),
        ("https://bücher.example:80/ö", "https://xn--bcher-kva.example:80/%C3%B6"),
        ("//u:é@bücher.example", "//u:%C3%A9@xn--bcher-kva.example"),
        ("http://[::1]/é", "http://[::1]/%C3%A9"),
        ("?ü", "?%C3%BC"),
        ("", ""),
        ("http://a.example/b?c=%zz#d", "http://a.example/b?c=%zz#d"),
    ],
)
def test_location_of_a_redirect_is_a_url(location: str, sent: str) -> None:
    response = HttpResponse()
    response.redirect(location)
    assert response.headers["Location"] == sent


@pytest.mark.parametrize("location", ["/\ud800", "http://b\u00fc..example/", "/é\n"])
def test_location_that_cannot_be_sent_is_refused(location: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - InvalidHeader and InvalidUrl are
        HttpResponse().redirect(location)


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 309, 404, True, "302", None])
def test_status_that_redirects_no_client_is_refused(status: Any) -> None:
    response = HttpResponse()
    with pytest.raises(ValueError, match="one of 301, 302, 303, 307, 308, not"):
        response.redirect("/a", status)
    assert (response.status, "Location" in response.headers) == (200, False)


@pytest.mark.parametrize("source", ["abc", b"abc", bytearray(b"abc"), memoryview(b"abc"), 5, None])
def test_stream_of_what_is_no_iterable_of_chunks_is_refused(source: Any) -> None:
    response = HttpResponse()
    with pytest.raises(TypeError, match=r"iterable"):
        response.stream(source)
    assert response.source is None


@pytest.mark.parametrize("data", [None, 5, ["a"], {"a": 1}])
def test_what_is_no_body_is_refused_by_its_type(data: Any) -> None:
    with pytest.raises(TypeError, match=f"a body is str or bytes, not {type(data).__name__}"):
        HttpResponse().write(data)


def test_location_with_a_line_end_is_refused() -> None:
    with pytest.raises(InvalidHeader):
        HttpResponse().redirect("/a\r\nX: y")


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("", "\ufffd"),
        ("text/plain", "\ufffd"),
        ("text/plain; charset=iso-8859-1", "é"),
        ('text/plain; charset="ISO-8859-1"', "é"),
        ("text/plain; charset=none", "\ufffd"),
    ],
)
def test_text_is_in_the_charset_of_its_type(content_type: str, text: str) -> None:
    response = HttpResponse(b"\xe9", headers={"Content-Type": content_type})
    assert (response.text, response.as_text()) == (text, text)


@pytest.mark.parametrize(
    "codec",
    "hex base64 rot13 idna punycode undefined unicode_escape raw-unicode-escape zip x-y".split(),
)
def test_a_codec_that_is_no_charset_counts_as_utf_8(codec: str) -> None:
    response = HttpResponse("é\\q\n".encode() + b"\xff")
    response.content_type(f"text/plain; charset={codec}")
    assert response.text == "é\\q\n\ufffd"
    assert list(response.iter_lines()) == ["é\\q", "\ufffd"]


def test_charset_of_no_charset_is_utf_8() -> None:
    assert charset_of("text/html; boundary=charset") == "utf-8"


def test_stream_gives_bytes_and_closes_its_source() -> None:
    closed = []

    def pieces() -> Any:
        try:
            yield "é"
            yield b"b"
        finally:
            closed.append(True)

    response = HttpResponse()
    response.stream(pieces())
    assert response.source is not None
    assert next(iter(response.source)) == b"\xc3\xa9"
    response.source.close()  # type: ignore[attr-defined]
    assert closed == [True]


def test_file_is_sent_with_its_length_and_type(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[1]")
    response = HttpResponse()
    response.file(path, status=201)
    assert response.source is not None
    assert (b"".join(response.source), response.status) == (b"[1]", 201)
    response.source.close()  # type: ignore[attr-defined]
    assert response.headers == {"Content-Length": "3", "Content-Type": "application/json"}


def test_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        HttpResponse().file(tmp_path / "none")


@pytest.mark.parametrize(("status", "ok"), [(200, True), (399, True), (400, False), (500, False)])
def test_raise_for_status(status: int, ok: bool) -> None:
    response = HttpResponse(status=status, responder="http://a/")
    assert response.ok is ok
    if ok:
        assert response.raise_for_status() is response
    else:
        with pytest.raises(HttpStatusError, match=f"^{status} .* from http://a/$") as caught:
            response.raise_for_status()
        assert (caught.value.response, caught.value.url) == (response, "http://a/")


def test_other_libraries_names_read_the_same_fields() -> None:
    response = HttpResponse(b"a", 201, time_taken=1.5, responder="http://a/")
    assert (response.content, response.status_code, response.url) == (b"a", 201, "http://a/")
    assert response.elapsed == timedelta(milliseconds=1.5)


def test_dict_and_json_have_every_documented_attribute() -> None:
    response = HttpResponse(b"\xff", 201, {"X": "y"}, time_taken=2.0, redirects=1, responder="u")
    expected = {
        "status": 201,
        "version": "1.1",
        "headers": {"X": "y"},
        "cookies": [],
        "body": {"base64": "/w=="},
        "time_taken": 2.0,
        "redirects": 1,
        "responder": "u",
    }
    assert (response.to_dict(), json.loads(response.to_json())) == (expected, expected)


def test_misspelt_attribute_is_an_error() -> None:
    with pytest.raises(AttributeError):
        HttpResponse().stauts = 404  # type: ignore[attr-defined]


def test_a_line_in_many_pieces_is_joined_in_linear_time() -> None:
    response = HttpResponse()
    response.stream([b"x" * 1000] * 20_000 + [b"\r", b"\nnext\n", b"\n", b"last\r"])
    lines = list(response.iter_lines())
    assert [len(line) for line in lines] == [20_000_000, 4, 0, 4]
    assert lines[1:] == ["next", "", "last"]
