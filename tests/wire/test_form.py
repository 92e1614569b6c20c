"""Bodies to what they say: urlencoded and JSON."""

import tempfile
from typing import Any

import pytest

from bladehttp._wire.form import decode
from bladehttp._wire.limits import Limits
from bladehttp._wire.urlencoded import parse_fields
from bladehttp.exceptions import ProtocolError

LIMITS = Limits()
URLENCODED = "application/x-www-form-urlencoded"
JSON = "application/json"


def body_of(content_type: str, body: bytes) -> Any:
    return decode(content_type, body, None, LIMITS).body


def status_of(content_type: str, body: bytes, limits: Limits = LIMITS) -> int:
    with pytest.raises(ProtocolError) as caught:
        decode(content_type, body, None, limits)
    return caught.value.status


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param(b"a=1&b=2", {"a": "1", "b": "2"}, id="two fields"),
        pytest.param(b"a=1&a=2", {"a": "2"}, id="the last of a repeated name"),
        pytest.param(b"a", {"a": ""}, id="no equals sign"),
        pytest.param(b"a=", {"a": ""}, id="empty value"),
        pytest.param(b"=1", {"": "1"}, id="empty name"),
        pytest.param(b"&&a=1&", {"a": "1"}, id="empty fields are passed over"),
        pytest.param(b"a=b=c", {"a": "b=c"}, id="equals sign in value"),
        pytest.param(b"a+b=c+d", {"a b": "c d"}, id="plus is space"),
        pytest.param(b"a=%2B%26%3D%20", {"a": "+&= "}, id="percent-encoding"),
        pytest.param(b"a=%E2%82%AC", {"a": "€"}, id="UTF-8"),
        pytest.param(b"\xe2\x82\xac=1", {"€": "1"}, id="raw UTF-8"),
        pytest.param(b"a=%zz%", {"a": "%zz%"}, id="bad percent-encoding stays"),
        pytest.param(b"a=%ff\xff", {"a": "\ufffd\ufffd"}, id="what is not UTF-8 is replaced"),
        pytest.param(b"a=1;b=2", {"a": "1;b=2"}, id="a semicolon separates nothing"),
        pytest.param(b"%00=%0d%0a", {"\0": "\r\n"}, id="control characters"),
        pytest.param(b"a[]=1&a[b]=2", {"a[]": "1", "a[b]": "2"}, id="brackets mean nothing"),
        pytest.param(b"__proto__=1", {"__proto__": "1"}, id="no name is special"),
    ],
)
def test_urlencoded_fields(body: bytes, fields: dict[str, str]) -> None:
    assert body_of(URLENCODED, body) == fields
    assert parse_fields(body, 1000) == fields


def test_urlencoded_keeps_every_value_of_a_name() -> None:
    assert body_of(URLENCODED, b"a=1&b=2&a=3").get_all("a") == ["1", "3"]


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("application/x-www-form-urlencoded; charset=UTF-8", "\ufffd"),
        ('application/x-www-form-urlencoded;charset="iso-8859-1"', "é"),
        ("Application/X-WWW-Form-URLencoded; charset=windows-1252", "é"),
        ("application/x-www-form-urlencoded", "\ufffd"),
        ("application/x-www-form-urlencoded; charset=latin1", "é"),
        ("application/x-www-form-urlencoded; charset=Latin-1", "é"),
        ("application/x-www-form-urlencoded; charset=koi8-r", "И"),
        ("application/x-www-form-urlencoded; charset=iso-8859-8-i", "\u05d9"),
        ("application/x-www-form-urlencoded; charset=windows-874", "้"),
        ("application/x-www-form-urlencoded; charset=utf_8", "\ufffd"),
    ],
)
def test_urlencoded_text_is_in_the_charset_it_names(content_type: str, text: str) -> None:
    assert body_of(content_type, b"a=\xe9") == {"a": text}


@pytest.mark.parametrize(
    "charset",
    ["none", "idna", "punycode", "unicode_escape", "utf-7", "rot13", "utf-16", "utf-16be", "utf-32",
     "hz", "cp037", "replacement", "mbcs", "x" * 200],
)  # fmt: skip
def test_urlencoded_charset_that_is_not_known_is_415(charset: str) -> None:
    assert status_of(f"{URLENCODED}; charset={charset}", b"a=1") == 415


@pytest.mark.parametrize(("count", "refused"), [(3, False), (4, True)])
def test_urlencoded_fields_are_limited(count: int, refused: bool) -> None:
    body = b"&".join([b"a=1"] * count)
    limits = Limits(parts=3)
    if refused:
        assert status_of(URLENCODED, body, limits) == 413
    else:
        assert decode(URLENCODED, body, None, limits).body.get_all("a") == ["1"] * 3


def test_query_of_ampersands_is_limited() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_fields(b"&" * 1000, 1000)
    assert caught.value.status == 413


def test_empty_query_has_no_fields() -> None:
    assert parse_fields(b"", 1000) == {}


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(
            b'{"a": [1, 2.5, "x", true, null]}', {"a": [1, 2.5, "x", True, None]}, id="object"
        ),
        pytest.param(b"null", None, id="null"),
        pytest.param(b" [1] \r\n\t", [1], id="whitespace around"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', {"a": 1}, id="byte order mark"),
        pytest.param(b'{"a":1,"a":2}', {"a": 2}, id="the last of duplicate names"),
        pytest.param(b'"\xc3\xa9"', "é", id="UTF-8"),
        pytest.param(rb'"\ud83d\ude00\u0000"', "\U0001f600\0", id="escapes"),
        pytest.param(rb'"\\ud800"', "\\ud800", id="an escaped backslash is no escape"),
        pytest.param(b"9" * 4300, int("9" * 4300), id="huge integer"),
        pytest.param(b"1e308", 1e308, id="large number"),
        pytest.param(b"1e-999", 0.0, id="tiny number"),
        pytest.param(b"[" * 200 + b"]" * 200, None, id="nested"),
    ],
)
def test_json_value(body: bytes, value: Any) -> None:
    found = body_of(JSON, body)
    if value is None and body != b"null":
        assert repr(found) == body.decode()
    else:
        assert found == value


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b" ", id="nothing but whitespace"),
        pytest.param(b"{", id="cut short"),
        pytest.param(b'{"a":1', id="cut short in an object"),
        pytest.param(b"[1,]", id="trailing comma"),
        pytest.param(b"{'a':1}", id="single quotes"),
        pytest.param(b"1 2", id="two values"),
        pytest.param(b"[1]\0", id="NUL after"),
        pytest.param(b"\x0b1", id="VT is no whitespace"),
        pytest.param(b"01", id="leading zero"),
        pytest.param(b"+1", id="plus sign"),
        pytest.param(b"0x1", id="hexadecimal"),
        pytest.param(b"1_0", id="underscore"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"[Infinity]", id="Infinity"),
        pytest.param(b"-Infinity", id="minus Infinity"),
        pytest.param(b"1e999", id="number beyond a double"),
        pytest.param(b"[-1e999]", id="negative number beyond a double"),
        pytest.param(b"9" * 4301, id="integer beyond int()"),
        pytest.param(b'"\0"', id="control character in a string"),
        pytest.param(b'"\xff"', id="bad UTF-8"),
        pytest.param(b'"\xed\xa0\x80"', id="a surrogate in UTF-8"),
        pytest.param(rb'"\ud800"', id="lone surrogate"),
        pytest.param(rb'{"\uDC00": 1}', id="lone surrogate in a name"),
        pytest.param('"a"'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"[" * 100_000, id="deep arrays"),
        pytest.param(b'{"a":' * 100_000, id="deep objects"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="deep and complete"),
    ],
)
def test_what_is_not_json_is_400(body: bytes) -> None:
    assert status_of(JSON, body) == 400


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=utf-16",
        "application/problem+json",
        "application/vnd.api+json; x=y",
    ],
)
def test_json_by_content_type(content_type: str) -> None:
    assert body_of(content_type, b"[1]") == [1]


@pytest.mark.parametrize(
    ("charset", "body"),
    [("iso-8859-1", b'"\xe9"'), ("iso-8859-1", b'"\xc3\xa9"'), ("x-sjis", '"é"'.encode()),
     ("nonsense", b'"\xc3\xa9"'), ("utf-16", b'\xef\xbb\xbf"\xc3\xa9"')],
    ids=["labelled", "mislabelled", "another", "unknown", "BOM"],
)  # fmt: skip
def test_json_is_utf_8_unless_it_cannot_be(charset: str, body: bytes) -> None:
    assert body_of(f"{JSON}; charset={charset}", body) == "é"


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "nonsense", "punycode"])
def test_json_in_no_charset_is_400(charset: str) -> None:
    assert status_of(f"{JSON}; charset={charset}", b'"\xe9"') == 400


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/jsonx", "text/json", "application/octet-stream", ";;=", "\xff"],
)
def test_any_other_type_is_bytes(content_type: str) -> None:
    assert body_of(content_type, b"[1]") == b"[1]"


@pytest.mark.parametrize(
    "content_type", ["", URLENCODED, JSON, "multipart/form-data", "text/plain"]
)
def test_no_body_is_an_empty_dict(content_type: str) -> None:
    assert body_of(content_type, b"") == {}


@pytest.mark.parametrize(
    ("content_type", "content", "value"),
    [
        (URLENCODED, b"a=1", {"a": "1"}),
        (JSON, b"[1]", [1]),
        ("text/plain", b"text", b"text"),
    ],
)
def test_body_in_a_file_is_decoded_and_the_file_left_at_its_beginning(
    content_type: str, content: bytes, value: Any
) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        assert decode(content_type, b"", file, LIMITS).body == value
        assert file.read() == content


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param(JSON, b'"%b"' % (b"x" * 20), id="JSON"),
        pytest.param(URLENCODED, b"a=" + b"x" * 20, id="form"),
    ],
)
def test_decoded_bytes_are_limited(content_type: str, body: bytes) -> None:
    assert status_of(content_type, body, Limits(decoded=20)) == 413
    assert decode(content_type, body, None, Limits(decoded=22)).body
    assert decode(content_type, body, None, Limits(decoded=None)).body


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param(JSON, b"[1,2,3]", id="items"),
        pytest.param(JSON, b"[[[]]]", id="lists"),
        pytest.param(JSON, b'{"a":{"b":1}}', id="members"),
        pytest.param(JSON, b"[[],{},1]", id="all"),
        pytest.param(URLENCODED, b"a=%41%42%43%44%45", id="escapes"),
        pytest.param(URLENCODED, b"a=%%%%%", id="what is no escape"),
    ],
)
def test_decoded_values_are_limited(content_type: str, body: bytes) -> None:
    assert status_of(content_type, body, Limits(values=2)) == 413
    assert decode(content_type, body, None, Limits(values=5)).body
    assert decode(content_type, body, None, Limits(values=None)).body


@pytest.mark.parametrize("number", [b"1" * 4000, b"0." + b"1" * 4000], ids=["int", "float"])
def test_long_numbers_are_limited(number: bytes) -> None:
    assert status_of(JSON, b"[" + b",".join([number] * 11) + b"]") == 413
    assert len(body_of(JSON, b"[" + b",".join([number] * 9) + b"]")) == 9


@pytest.mark.parametrize("number", [b"9" * 250 + b"e99", b"1e+0999", b"-" + b"9" * 310 + b".0"])
def test_number_beyond_a_double_is_400(number: bytes) -> None:
    assert status_of(JSON, number) == 400
