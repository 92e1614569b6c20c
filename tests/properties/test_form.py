import json
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

from hypothesis import assume, given, strategies as st
from multipart import content_disposition_quote

from bladehttp._wire.form import decode
from bladehttp._wire.limits import Limits
from bladehttp._wire.urlencoded import unquote
from bladehttp.exceptions import ProtocolError

LIMITS = Limits()
STATUSES = {0, 400, 413, 415}
TYPES = (
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=latin-1",
    "application/json",
    "multipart/form-data; boundary=b",
    "text/plain",
)

LETTERS = [*map(chr, range(0x180)), "\u2028", "€", "\ufeff", "\ufffd", "\U0001f600"]
texts = st.text(LETTERS, max_size=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(texts, values, max_size=4),
    max_leaves=12,
)
json_like = st.lists(
    st.sampled_from(
        [b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\u", b"d800", b"1e9", b"9", b"-"]
    ),
    max_size=12,
).map(b"".join)
JSON_VALUES = [
    *(b"1e999", b"-1e999", b"1e308", b"1e-999", b"-0.0", b"9" * 400, b"NaN", b"null", b"{}"),
    *(
        rb'"\ud800"',
        rb'"\uD83D\uDE00"',
        rb'{"\udfff":1}',
        rb'"\u0000"',
        b'"\x7f"',
        b"[" * 50 + b"]" * 50,
    ),
]
multipart_like = st.lists(
    st.sampled_from(
        [
            *(b"--b", b"--b--", b"\r\n", b"\r\n\r\n", b":", b"\n", b"\0", b'; name="a"'),
            *(b"Content-Disposition: form-data", b'; filename="x"', b"; filename*=utf-8''x"),
        ]
    ),
    max_size=16,
).map(b"".join)


def status_of(content_type: str, body: bytes) -> int:
    try:
        decode(content_type, body, None, LIMITS)
    except ProtocolError as error:
        return error.status
    return 0


@given(st.sampled_from(TYPES), st.binary(max_size=60) | json_like | multipart_like)
def test_any_body_is_decoded_or_a_protocol_error(content_type: str, body: bytes) -> None:
    assert status_of(content_type, body) in STATUSES


@given(st.lists(st.sampled_from(JSON_VALUES), max_size=3).map(b",".join))
def test_any_json_that_is_taken_can_be_written_again(items: bytes) -> None:
    body = b"[" + items + b"]"
    assume(not status_of("application/json", body))
    value = decode("application/json", body, None, LIMITS).body
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@given(st.text([chr(c) for c in range(256)], max_size=60))
def test_any_content_type_is_decoded_or_a_protocol_error(content_type: str) -> None:
    assert status_of(content_type, b"a=1") in STATUSES


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_urlencoded_fields_come_back(fields: list[tuple[str, str]]) -> None:
    body = urlencode(fields).encode()
    found = decode(TYPES[0], body, None, LIMITS).body
    assert found == dict(fields)
    assert [(name, value) for name in found for value in found.get_all(name)] == sorted(
        fields, key=lambda field: list(dict(fields)).index(field[0])
    )


@given(json_values, st.booleans())
def test_json_value_comes_back(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert decode("application/json", body, None, LIMITS).body == value


names = st.text(
    [c for c in LETTERS if c.isprintable() and c not in "\\%"], max_size=10
)  # what WHATWG quotes one way and RFC 2616 another is left out
parts = st.lists(st.tuples(names, st.none() | names, st.binary(max_size=40)), max_size=5)


def multipart(boundary: bytes, fields: list[tuple[str, str | None, bytes]]) -> bytes:
    body = b""
    for name, filename, content in fields:
        head = "Content-Disposition: form-data; name=" + content_disposition_quote(name)
        if filename is not None:
            head += "; filename=" + content_disposition_quote(filename)
        body += b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, head.encode(), content)
    return body + b"--%b--\r\n" % boundary


@given(parts, st.integers(0, 50))
def test_multipart_form_comes_back(fields: list[tuple[str, str | None, bytes]], spool: int) -> None:
    boundary = b"a-boundary"
    assume(not any(boundary in content for _, _, content in fields))
    body = multipart(boundary, fields)
    decoded = decode("multipart/form-data; boundary=a-boundary", body, None, Limits(spool=spool))
    texts_found = [(name, value) for name in decoded.body for value in decoded.body.get_all(name)]
    files_found = []
    for name in decoded.files:
        for upload in decoded.files.get_all(name):
            content = upload["content"]
            if "file" in upload:
                with upload["file"] as file:
                    content = file.read()
            files_found.append((upload["name"], upload["filename"], content, upload["size"]))
    assert sorted(texts_found) == sorted(
        (name, content.decode("utf-8", "replace"))
        for name, filename, content in fields
        if filename is None
    )
    assert sorted(files_found) == sorted(
        (name, filename, content, len(content))
        for name, filename, content in fields
        if filename is not None
    )


escape_like = st.lists(
    st.sampled_from([b"%", b"%%", b"%4", b"%41", b"%3D", b"%3d", b"%0a", b"=", b"==", b"_", b" "])
    | st.binary(max_size=3),
    max_size=12,
).map(b"".join)


@given(escape_like)
def test_percent_encoding_is_decoded_as_the_standard_library_does(data: bytes) -> None:
    assert unquote(data) == unquote_to_bytes(data)
