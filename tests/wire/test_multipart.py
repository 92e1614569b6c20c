"""Bodies to what they say: multipart/form-data."""

import tempfile
import time
from typing import Any

import pytest

from bladehttp._wire.form import BLOCK, Decoded, decode
from bladehttp._wire.limits import Limits
from bladehttp.exceptions import ProtocolError

LIMITS = Limits()
TYPE = "multipart/form-data; boundary=b"
FIELD = b'Content-Disposition: form-data; name="a"\r\n\r\n1'


def form(*parts: bytes, boundary: bytes = b"b", end: bytes = b"--\r\n") -> bytes:
    opened = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts)
    return opened + b"--" + boundary + end


def part(disposition: str, content: bytes = b"1", more: str = "") -> bytes:
    return f"Content-Disposition: {disposition}\r\n{more}\r\n".encode() + content


def file(**differences: Any) -> dict[str, Any]:
    return {
        "name": "a",
        "filename": "x",
        "mime": "application/octet-stream",
        "content": b"1",
        "size": 1,
    } | differences


def decoded(body: bytes, content_type: str = TYPE, limits: Limits = LIMITS) -> Decoded:
    return decode(content_type, body, None, limits)


def status_of(body: bytes, content_type: str = TYPE, limits: Limits = LIMITS) -> int:
    with pytest.raises(ProtocolError) as caught:
        decoded(body, content_type, limits)
    return caught.value.status


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=b", b"b"),
        ("multipart/form-data;boundary=b", b"b"),
        ("Multipart/Form-Data; BOUNDARY=b; charset=utf-8", b"b"),
        ('multipart/form-data; boundary="b"', b"b"),
        ('multipart/form-data; charset=utf-8; boundary="b c:d=/?"', b"b c:d=/?"),
        ('multipart/form-data; boundary="a;b"', b"a;b"),
        ("multipart/form-data; boundary=" + "b" * 70, b"b" * 70),
        ("multipart/form-data; boundary=-XrQHxml_qhW/dc2 ; charset=utf-8", b"-XrQHxml_qhW/dc2"),
        ("multipart/form-data; boundary=a:b=c?(d)", b"a:b=c?(d)"),
        ("multipart/form-data; boundary=----WebKitFormBoundaryX", b"----WebKitFormBoundaryX"),
    ],
)
def test_boundary(content_type: str, boundary: bytes) -> None:
    assert decoded(form(FIELD, boundary=boundary), content_type).body == {"a": "1"}


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        'multipart/form-data; boundary="b',
        "multipart/form-data; boundary=" + "b" * 71,
        'multipart/form-data; boundary="b\n"',
        "multipart/form-data; boundary=c",
        "multipart/form-data; xboundary=b",
    ],
)
def test_without_the_right_boundary_is_400(content_type: str) -> None:
    assert status_of(form(FIELD), content_type) == 400


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('form-data; name="a"', "a"),
        ("form-data; name=a", "a"),
        ('Form-Data; NAME="a"', "a"),
        ('form-data;name="a"', "a"),
        ('form-data; name=""', ""),
        ('form-data; name="é€"', "é€"),
        ('form-data; name="a;b=c"', "a;b=c"),
        ('form-data; name="a%22b%0"', 'a"b%0'),
        ('form-data; name="a\\"b"', 'a"b'),
        ('form-data; name="a%zz"', "a%zz"),
        ('form-data; x="y"; name="a"', "a"),
    ],
)
def test_field_by_its_name(disposition: str, name: str) -> None:
    found = decoded(form(part(disposition)))
    assert (found.body, found.files) == ({name: "1"}, {})


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Content-Type: text/plain\r\n",
        b"Content-Disposition: form-data\r\n",
        b'Content-Disposition: form-data; filename="x"\r\n',
        b'Content-Disposition: attachment; name="a"\r\n',
        b'Content-Disposition: name="a"\r\n',
        b'Content-Disposition form-data; name="a"\r\n',
        b'Content-Disposition: form-data;\r\n name="a"\r\n',
        b'Content-Disposition: form-data; name="a"\r\nContent-Length: 2\r\n',
        b'Content-Disposition: form-data; name="a"\r\nContent-Length: +1\r\n',
    ],
)
def test_part_with_a_bad_head_is_400(head: bytes) -> None:
    assert status_of(form(head + b"\r\n1")) == 400


@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\x0b", "\x1b", "\x7f"])
@pytest.mark.parametrize(
    "head",
    [
        'Content-Disposition: form-data; name="a{}b"\r\n',
        'Content-Disposition: form-data; name="a"; filename="a{}b"\r\n',
        'Content-Disposition: form-data; name="a"\r\nContent-Type: text/{}plain\r\n',
    ],
    ids=["name", "filename", "Content-Type"],
)
def test_control_character_in_the_head_of_a_part_is_400(head: str, character: str) -> None:
    assert status_of(form(head.format(character).encode() + b"\r\n1")) == 400


def test_several_fields_under_one_name_are_kept() -> None:
    found = decoded(form(FIELD, part('form-data; name="b"'), part('form-data; name="a"', b"2")))
    assert (found.body, found.body.get_all("a")) == ({"a": "2", "b": "1"}, ["1", "2"])


def test_several_files_under_one_name_are_kept() -> None:
    found = decoded(
        form(
            part('form-data; name="a"; filename="x"'),
            part('form-data; name="a"; filename="y"', b"22"),
        )
    )
    first, last = file(), file(filename="y", content=b"22", size=2)
    assert (found.files, found.files.get_all("a")) == ({"a": last}, [first, last])


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('form-data; name="a"; filename="x.txt"', "x.txt"),
        ("form-data; name=a; filename=x.txt", "x.txt"),
        ('form-data; name="a"; filename=""', ""),
        ('form-data; name="a"; filename="é €.txt"', "é €.txt"),
        ('form-data; name="a"; filename="a;b,c=d"', "a;b,c=d"),
        ('form-data; name="a"; filename="%22x%22"', '"x"'),
        ('form-data; name="a"; filename="C:\\dir\\x.txt"', "x.txt"),
        ('form-data; name="a"; filename="../../x"', "../../x"),
        ("form-data; name=\"a\"; filename*=UTF-8''caf%C3%A9.txt", "café.txt"),
        ('form-data; name="a"; filename="x"; filename*=utf-8\'en\'%E2%82%AC', "€"),
        ('form-data; name="a"; filename="x"; filename*="UTF-8\'\'caf%C3%A9.txt"', "café.txt"),
        ('form-data; name="a"; filename="x"; filename*="', "x"),
        ('form-data; name="a"; FileName*=utf-8\'\'x; filename="y"', "x"),
        ('form-data; name="a"; filename="x"; filename*=iso-8859-1\'\'%A3', "£"),
        ('form-data; name="a"; filename="x"; filename*=utf-8\'\'%ff', "\ufffd"),
        ('form-data; name="a"; filename="x"; filename*=utf-7\'\'+AGE-', "x"),
        ('form-data; name="a"; filename="x"; filename*=broken', "x"),
        ('form-data; name="a"; filename="x; filename*=utf-8\'\'y"', "x; filename*=utf-8''y"),
    ],
)
def test_file_by_its_name(disposition: str, filename: str) -> None:
    found = decoded(form(part(disposition)))
    assert (found.body, found.files) == ({}, {"a": file(filename=filename)})


def test_part_with_a_content_type_is_a_file() -> None:
    body = form(part('form-data; name="a"', b"{}", "Content-Type: application/json\r\n"))
    content = file(filename=None, mime="application/json", content=b"{}", size=2)
    assert decoded(body).files == {"a": content}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"--b",
        b"\r\n--",
        b"\n--b",
        b"\r--b\r\n",
        b"\r\n-b--\r\n",
        b"\0\xff" * 50,
        b"\r" * 1000,
        b"\r\n--" * 1000,
    ],
    ids=repr,
)
def test_content_is_exact(content: bytes) -> None:
    body = form(part('form-data; name="a"; filename="x"', content))
    assert decoded(body).files == {"a": file(content=content, size=len(content))}


@pytest.mark.parametrize("padding", [b" ", b"\t", b" \t  ", b" " * 200])
@pytest.mark.parametrize(
    "start", [b"", b"\r\n", b"preamble\r\n"], ids=["at once", "CRLF", "preamble"]
)
def test_padding_after_a_delimiter_is_passed_over(start: bytes, padding: bytes) -> None:
    other = FIELD.replace(b'"a"', b'"z"') + b"--b \r\n  x --b\t"  # within the content
    body = start + form(FIELD, other, FIELD, end=b"--" + padding + b"\r\n")
    padded = body.replace(b"b\r\nC", b"b" + padding + b"\r\nC")
    assert decoded(padded).body.get_all("a") == ["1", "1"]
    assert decoded(padded).body == decoded(body).body == {"a": "1", "z": "1--b \r\n  x --b\t"}


@pytest.mark.parametrize(
    "after", [b" x\r\n", b"\n", b" \n", b"x\r\n", b" " * 300 + b"\r\n", b" \r"]
)
def test_line_that_begins_with_the_delimiter_is_400(after: bytes) -> None:
    assert status_of(form(FIELD + b"\r\n--b" + after)) == 400


def test_padded_parts_are_limited_and_their_work_is_linear() -> None:
    begun = time.process_time()
    body = b"--b \r\nX: y\r\n\r\n" + b"\r\n--b \r\n" * 1_000_000 + b"--b--"
    assert status_of(body) == 400
    assert status_of(form(*[FIELD] * 1001).replace(b"b\r\nC", b"b \r\nC")) == 413
    assert status_of(form(FIELD + b"--b " * 4_000_000)[:-4]) == 400
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"caf\xe9.txt", "caf\xe9.txt"),
        (b"\x80 5.txt", "\u20ac 5.txt"),
        (b"caf\xc3\xa9.txt", "caf\xe9.txt"),
    ],
    ids=["latin-1", "windows-1252", "UTF-8"],
)
def test_name_that_is_not_utf_8_is_windows_1252(sent: bytes, expected: str) -> None:
    head = b'Content-Disposition: form-data; name="' + sent + b'"'
    found = decoded(form(head + b"\r\n\r\n1", FIELD, head + b'; filename="' + sent + b'"\r\n\r\n1'))
    assert found.body == {expected: "1", "a": "1"}
    assert found.files == {expected: file(name=expected, filename=expected)}


def test_name_that_is_in_no_such_charset_is_400() -> None:
    assert status_of(form(b'Content-Disposition: form-data; name="\x81"\r\n\r\n1')) == 400


def test_parts_of_a_form_that_is_decoded_again_are_closed() -> None:
    long = part('form-data; name="a"; filename="x"', b"x" * 100)
    latin = b'Content-Disposition: form-data; name="\xe9"\r\n\r\n1'
    upload = decoded(form(long, latin), limits=Limits(spool=10)).files["a"]
    with upload["file"] as opened:
        assert opened.read() == b"x" * 100


def test_text_that_is_not_utf_8_is_replaced() -> None:
    assert decoded(form(part('form-data; name="a"', b"caf\xe9"))).body == {"a": "caf\ufffd"}


@pytest.mark.parametrize(
    "body", [b"--b--\r\n", b"--b--", b"\r\n--b--\r\n"], ids=["crlf", "no crlf", "crlf before"]
)
def test_form_without_parts_is_empty(body: bytes) -> None:
    assert decoded(body) == Decoded({}, decoded(body).files)


@pytest.mark.parametrize("preamble", [b"\r\n", b"x\r\n"])
def test_preamble_is_passed_over(preamble: bytes) -> None:
    assert decoded(preamble + form(FIELD)).body == {"a": "1"}


def test_preamble_that_does_not_end_in_crlf_is_400() -> None:
    assert status_of(b"x" + form(FIELD)) == 400


def test_end_without_crlf_is_the_end() -> None:
    assert decoded(form(FIELD, end=b"--")).body == {"a": "1"}


@pytest.mark.parametrize(
    "end",
    [
        b"--\r\nx",
        b"--x",
        b"--\n",
        b"-- \r\n",
        b"--\r\n\r\n",
        b"--\r\nSee b--\r\n--c\r\n",
        b"--\r\n--\r\n",
    ],
    ids=repr,
)
def test_epilogue_is_ignored(end: bytes) -> None:
    assert decoded(form(FIELD, end=end)).body == {"a": "1"}


@pytest.mark.parametrize(
    "end",
    [b"--\r\n" + form(FIELD), b"--\n" + form(FIELD), b"--\r\n--b--\r\n", b"--x\r\n--b\r\n"],
    ids=repr,
)
def test_delimiter_after_the_end_is_400(end: bytes) -> None:
    assert status_of(form(FIELD, end=end)) == 400


def test_close_delimiter_in_place_of_content_is_400() -> None:
    # RFC 2046 section 5.1.1 makes it the end, and to the multipart package it is content.
    assert status_of(form(part('form-data; name="a"', b"--b--"))) == 400


def test_epilogue_in_another_block_is_ignored() -> None:
    assert decoded(form(FIELD, end=b"--\r\n" + b"x" * 200_000)).body == {"a": "1"}


def test_end_may_be_split_between_blocks() -> None:
    for length in range(BLOCK - 100, BLOCK + 5):
        content = b"x" * length
        found = decoded(form(part('form-data; name="a"', content), end=b"--\r\n\r\n"))
        assert found.body == {"a": content.decode()}


@pytest.mark.parametrize(
    "disposition",
    [
        'form-data; name="a%0Ab"',
        'form-data; name="a%0D%0Ab"',
        'form-data; name="a"; filename="x%0D%0Ay"',
        'form-data; name=a; filename="x%0Ay"; more=1',
        "form-data; name=\"a\"; filename*=UTF-8''a%0D%0Ab%00",
        "form-data; name=\"a\"; filename*=UTF-8''a%1b",
    ],
)
def test_control_character_that_was_encoded_is_400(disposition: str) -> None:
    assert status_of(form(part(disposition))) == 400


@pytest.mark.parametrize(
    ("mime", "content", "text"),
    [
        ("text/plain", b"1", "1"),
        ("text/plain; charset=utf-8", "é".encode(), "é"),
        ("text/plain; charset=ISO-8859-1", b"\xe9", "é"),
        ("application/json", b'{"a": 1}', '{"a": 1}'),
        ("application/octet-stream", b"1", "1"),
    ],
)
def test_part_without_a_filename_is_a_field_too(mime: str, content: bytes, text: str) -> None:
    found = decoded(form(part('form-data; name="a"', content, f"Content-Type: {mime}\r\n")))
    assert found.body == {"a": text}
    assert found.files["a"]["content"] == content


@pytest.mark.parametrize("mime", ["image/png", "text/plain; charset=idna"])
def test_part_that_is_no_text_is_only_a_file(mime: str) -> None:
    found = decoded(form(part('form-data; name="a"', b"\xff", f"Content-Type: {mime}\r\n")))
    assert (found.body, found.files["a"]["content"]) == ({}, b"\xff")


@pytest.mark.parametrize("name", ["boundary", "Charset"])
def test_parameter_of_content_type_that_comes_twice_is_400(name: str) -> None:
    assert status_of(form(FIELD), f"{TYPE}; charset=utf-8; {name}=b") == 400


def test_heads_of_parts_are_limited_together() -> None:
    long = part('form-data; name="a"', more=f"X: {'y' * 4000}\r\n")
    assert status_of(form(*[long] * 10), limits=Limits(part_heads=30_000)) == 413


def test_text_of_a_form_is_limited_together_and_files_are_not() -> None:
    limits = Limits(decoded=10)
    file = part('form-data; name="f"; filename="x"', b"x" * 20)
    assert decoded(form(FIELD, file), limits=limits).files["f"]["size"] == 20
    assert status_of(form(*[part('form-data; name="a"', b"x" * 6)] * 2), limits=limits) == 413


# What Firefox, Chrome and curl send.
FIREFOX = (
    "multipart/form-data; boundary=----geckoformboundary8ac0dd7fb59a2ab",
    (
        b"------geckoformboundary8ac0dd7fb59a2ab\r\n"
        b'Content-Disposition: form-data; name="text"\r\n\r\n'
        b"caf\xc3\xa9\r\n"
        b"------geckoformboundary8ac0dd7fb59a2ab\r\n"
        b'Content-Disposition: form-data; name="file"; filename="a %22b%22.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\n"
        b"one\r\ntwo\r\n\r\n"
        b"------geckoformboundary8ac0dd7fb59a2ab\r\n"
        b'Content-Disposition: form-data; name="none"; filename=""\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\r\n"
        b"------geckoformboundary8ac0dd7fb59a2ab--\r\n"
    ),
    {"text": "café"},
    {
        "file": file(
            name="file", filename='a "b".txt', mime="text/plain", content=b"one\r\ntwo\r\n", size=10
        ),
        "none": file(name="none", filename="", content=b"", size=0),
    },
)
CHROME = (
    "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
    (
        b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
        b'Content-Disposition: form-data; name="a[]"\r\n\r\n1\r\n'
        b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
        b'Content-Disposition: form-data; name="a[]"\r\n\r\n2\r\n'
        b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
        b'Content-Disposition: form-data; name="f"; filename="\xe2\x82\xac.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\r\n"
        b"------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n"
    ),
    {"a[]": "2"},
    {"f": file(name="f", filename="€.png", mime="image/png", content=b"\x89PNG\r\n\x1a\n", size=8)},
)
CURL = (
    "multipart/form-data; boundary=------------------------d74496d66958873e",
    (
        b"--------------------------d74496d66958873e\r\n"
        b'Content-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b"--------------------------d74496d66958873e\r\n"
        b'Content-Disposition: form-data; name="f"; filename="x \\"y\\".bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
        b"\0\1\2\r\n"
        b"--------------------------d74496d66958873e--\r\n"
    ),
    {"a": "1"},
    {"f": file(name="f", filename='x "y".bin', content=b"\0\1\2", size=3)},
)
real_forms = pytest.mark.parametrize(
    ("content_type", "body", "fields", "files"),
    [FIREFOX, CHROME, CURL],
    ids=["Firefox", "Chrome", "curl"],
)


@real_forms
def test_form_of(
    content_type: str, body: bytes, fields: dict[str, str], files: dict[str, Any]
) -> None:
    found = decoded(body, content_type)
    assert (found.body, found.files) == (fields, files)


@real_forms
def test_form_cut_short_anywhere_is_400(
    content_type: str, body: bytes, fields: dict[str, str], files: dict[str, Any]
) -> None:
    complete = len(body) - 2  # the CRLF after the end may be missing
    for length in range(1, complete):
        assert status_of(body[:length], content_type) == 400


@pytest.mark.parametrize(("count", "refused"), [(3, False), (4, True)])
def test_parts_are_limited(count: int, refused: bool) -> None:
    body, limits = form(*[FIELD] * count), Limits(parts=3)
    if refused:
        assert status_of(body, limits=limits) == 413
    else:
        assert decoded(body, limits=limits).body.get_all("a") == ["1"] * 3


@pytest.mark.parametrize(("count", "refused"), [(1, False), (2, True)])
def test_fields_of_a_part_are_limited(count: int, refused: bool) -> None:
    body, limits = form(part('form-data; name="a"', more="X: y\r\n" * count)), Limits(part_fields=2)
    if refused:
        assert status_of(body, limits=limits) == 413
    else:
        assert decoded(body, limits=limits).body == {"a": "1"}


def test_field_of_a_part_that_does_not_end_is_413() -> None:
    assert status_of(form(part('form-data; name="a"', more="X: " + "y" * 10_000 + "\r\n"))) == 413


def test_long_file_is_spooled() -> None:
    body = form(part('form-data; name="a"; filename="x"', b"a" * 11))
    upload = decoded(body, limits=Limits(spool=10)).files["a"]
    with upload["file"] as spooled:
        assert spooled.read() == b"a" * 11
        assert upload == file(content=b"a" * 11, size=11, file=spooled)


def test_long_text_comes_out_of_its_file() -> None:
    body = form(part('form-data; name="a"', b"a" * 11))
    assert decoded(body, limits=Limits(spool=10)).body == {"a": "a" * 11}


TOO_LONG = b"\r\n--b\r\n" + FIELD[:-1] + b"x" * 20 + b"\r\n--b--"


@pytest.mark.parametrize(
    ("limits", "end"),
    [
        pytest.param(Limits(spool=10), b"", id="cut short"),
        pytest.param(
            Limits(spool=10, decoded=5),
            b"\r\n--b\r\n" + FIELD[:-1] + b"x" * 20 + b"\r\n--b--",
            id="too much text",
        ),
        pytest.param(Limits(spool=10, parts=2), b"\r\n", id="too many parts"),
    ],
)
def test_spooled_parts_of_a_refused_form_are_closed(limits: Limits, end: bytes) -> None:
    # An unclosed file warns, and a warning fails the test.
    upload = part('form-data; name="a"; filename="x"', b"a" * 100)
    assert status_of(form(upload, upload, end=end), limits=limits) in (400, 413)


def test_form_in_a_file_is_the_same_form() -> None:
    content_type, body, fields, files = FIREFOX
    with tempfile.TemporaryFile() as spooled:
        spooled.write(body)
        spooled.seek(0)
        found = decode(content_type, b"", spooled, LIMITS)
    assert (found.body, found.files) == (fields, files)
