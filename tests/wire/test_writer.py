from enum import Enum
from typing import Any

import pytest

from bladehttp._wire.writer import (
    CONTINUE,
    LAST_CHUNK,
    Coding,
    Reply,
    write_chunk,
    write_head,
    write_start,
)

SECOND, DATE = 784111777, "Sun, 06 Nov 1994 08:49:37 GMT"
KEPT = f"Date: {DATE}\r\n"


def head(status: int = 200, *fields: tuple[str, str], length: int | None = 5, **more: Any) -> Reply:
    return write_head(status, "R", fields, length, **({"second": SECOND} | more))


def reply(
    text: str, coding: Coding = Coding.LENGTH, length: int = 0, *, keep_alive: bool = True
) -> Reply:
    return Reply(text.encode("latin-1") + b"\r\n", coding, length, keep_alive)


def test_plain_response() -> None:
    assert head(200, ("X", "y")) == reply(
        f"HTTP/1.1 200 R\r\nX: y\r\n{KEPT}Content-Length: 5\r\n", length=5
    )


def test_empty_reason_keeps_its_space() -> None:
    assert write_head(299, "", [], 0, second=SECOND).head.startswith(b"HTTP/1.1 299 \r\n")


def test_reason_and_values_are_latin_1() -> None:
    assert write_head(200, "é", [("X", "\xff")], 0, second=SECOND).head.startswith(
        b"HTTP/1.1 200 \xe9\r\nX: \xff\r\n"
    )


def test_repeated_fields_stay_apart_and_in_order() -> None:
    found = head(200, ("Set-Cookie", "a=1"), ("X", "y"), ("set-cookie", "b=2"))
    assert b"\r\nSet-Cookie: a=1\r\nX: y\r\nset-cookie: b=2\r\n" in found.head


@pytest.mark.parametrize("status", [0, 99, 100, 101, 199, 600, 999, -200])
def test_status_that_is_not_final_is_an_error(status: int) -> None:
    with pytest.raises(ValueError, match="status"):
        head(status)


@pytest.mark.parametrize("status", [200, 299, 404, 599])
def test_final_status_is_written(status: int) -> None:
    assert head(status).head.startswith(b"HTTP/1.1 %d R\r\n" % status)


def test_date_of_a_handler_is_kept() -> None:
    found = head(200, ("dAtE", "today"), length=0)
    assert found == reply("HTTP/1.1 200 R\r\ndAtE: today\r\nContent-Length: 0\r\n")


def test_no_date_where_there_is_none() -> None:
    assert head(200, length=0, second=None) == reply("HTTP/1.1 200 R\r\nContent-Length: 0\r\n")


@pytest.mark.parametrize("status", [204, 304])
def test_204_and_304_have_no_content_type(status: int) -> None:
    fields = [("content-type", "text/html"), ("X", "y")]
    assert head(status, *fields, length=0) == reply(
        f"HTTP/1.1 {status} R\r\nX: y\r\n{KEPT}", Coding.NONE
    )


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("length", [None, 0, 5])
@pytest.mark.parametrize("fields", [[], [("Content-Length", "5")], [("Content-Length", "7")]])
def test_204_and_304_have_no_body_and_no_content_length(
    status: int, length: int | None, fields: list[tuple[str, str]]
) -> None:
    assert head(status, *fields, length=length) == reply(
        f"HTTP/1.1 {status} R\r\n{KEPT}", Coding.NONE
    )


@pytest.mark.parametrize("length", [None, 0, 5])
def test_205_has_a_content_length_of_0(length: int | None) -> None:
    assert head(205, length=length) == reply(
        f"HTTP/1.1 205 R\r\n{KEPT}Content-Length: 0\r\n", Coding.NONE
    )


@pytest.mark.parametrize(
    ("length", "declared", "written"),
    [
        pytest.param(5, None, 5, id="a body in hand"),
        pytest.param(0, None, 0, id="no body"),
        pytest.param(0, "7", 7, id="no body in hand, but its length"),
        pytest.param(None, "7", 7, id="a stream of known length"),
        pytest.param(5, "5", 5, id="a body in hand and its length"),
    ],
)
def test_head_has_the_content_length_of_get_and_no_body(
    length: int | None, declared: str | None, written: int
) -> None:
    fields = [] if declared is None else [("Content-Length", declared)]
    found = head(200, *fields, length=length, method="HEAD")
    text = f"HTTP/1.1 200 R\r\n{KEPT}Content-Length: {written}\r\n"
    assert found == reply(text, Coding.NONE, written)


def test_head_of_a_stream_has_no_framing() -> None:
    found = head(200, length=None, method="HEAD")
    assert found == reply(f"HTTP/1.1 200 R\r\n{KEPT}", Coding.NONE)


def test_method_is_case_sensitive() -> None:
    assert head(200, method="head").coding is Coding.LENGTH


@pytest.mark.parametrize("minor", [1, 2])
def test_stream_is_chunked(minor: int) -> None:
    found = head(200, length=None, minor=minor)
    assert found == reply(f"HTTP/1.1 200 R\r\n{KEPT}Transfer-Encoding: chunked\r\n", Coding.CHUNKED)


def test_stream_of_known_length_is_not_chunked() -> None:
    found = head(200, ("content-length", "7"), length=None)
    text = f"HTTP/1.1 200 R\r\n{KEPT}Content-Length: 7\r\n"
    assert found == reply(text, Coding.LENGTH, 7)


def test_stream_to_1_0_ends_with_the_connection() -> None:
    found = head(200, length=None, minor=0)
    text = f"HTTP/1.1 200 R\r\n{KEPT}Connection: close\r\n"
    assert found == reply(text, Coding.CLOSE, keep_alive=False)


def test_kept_connection_of_1_0_is_said() -> None:
    text = f"HTTP/1.1 200 R\r\n{KEPT}Content-Length: 5\r\nConnection: keep-alive\r\n"
    assert head(200, minor=0) == reply(text, length=5)


@pytest.mark.parametrize("minor", [0, 1])
def test_connection_that_is_not_kept_is_said(minor: int) -> None:
    text = f"HTTP/1.1 200 R\r\n{KEPT}Content-Length: 5\r\nConnection: close\r\n"
    expected = reply(text, length=5, keep_alive=False)
    assert head(200, minor=minor, keep_alive=False) == expected


@pytest.mark.parametrize("value", ["close", "Close", "x, close", "keep-alive,CLOSE"])
def test_close_of_a_handler_is_obeyed(value: str) -> None:
    text = f"HTTP/1.1 200 R\r\n{KEPT}Content-Length: 5\r\nConnection: close\r\n"
    expected = reply(text, length=5, keep_alive=False)
    assert head(200, ("connection", value)) == expected
    assert head(200, ("Connection", "x"), ("connection", value)) == expected


@pytest.mark.parametrize("value", ["keep-alive", "upgrade", "", "closed"])
def test_other_options_of_a_handler_are_left_out(value: str) -> None:
    text = f"HTTP/1.1 200 R\r\n{KEPT}Content-Length: 5\r\n"
    assert head(200, ("Connection", value)) == reply(text, length=5)


@pytest.mark.parametrize("name", ["Transfer-Encoding", "transfer-encoding", "TRANSFER-ENCODING"])
@pytest.mark.parametrize("length", [None, 5])
def test_transfer_encoding_of_a_handler_is_an_error(name: str, length: int | None) -> None:
    with pytest.raises(ValueError, match="Transfer-Encoding"):
        head(200, (name, "chunked"), length=length)


@pytest.mark.parametrize(
    "value", ["", "x", "-5", "+5", "5_0", "0x5", " 5", "5 ", "5.0", "\u0665", "\xb2", "9" * 19]
)
@pytest.mark.parametrize("length", [None, 5])
def test_content_length_that_is_none_is_an_error(value: str, length: int | None) -> None:
    with pytest.raises(ValueError, match="Content-Length"):
        head(200, ("Content-Length", value), length=length)


def test_content_length_set_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="Content-Length"):
        head(200, ("Content-Length", "5"), ("content-length", "5"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_content_length_that_is_wrong_is_an_error(method: str) -> None:
    with pytest.raises(ValueError, match="Content-Length is 7 and the body has 5 bytes"):
        head(200, ("Content-Length", "7"), method=method)


def test_content_length_beside_an_empty_body_is_an_error() -> None:
    with pytest.raises(ValueError, match="Content-Length is 7 and the body has 0 bytes"):
        head(200, ("Content-Length", "7"), length=0)


def test_content_length_that_is_right_is_written_once() -> None:
    found = head(200, ("content-LENGTH", "005"))
    assert found == reply(f"HTTP/1.1 200 R\r\n{KEPT}Content-Length: 5\r\n", length=5)


@pytest.mark.parametrize(
    ("data", "chunk"),
    [
        (b"", b""),
        (b"a", b"1\r\na\r\n"),
        (b"\r\n", b"2\r\n\r\n\r\n"),
        (b"a" * 16, b"10\r\n" + b"a" * 16 + b"\r\n"),
        (b"a" * 171, b"ab\r\n" + b"a" * 171 + b"\r\n"),
    ],
)
def test_chunk(data: bytes, chunk: bytes) -> None:
    assert write_chunk(data) == chunk


def test_constants() -> None:
    assert (CONTINUE, LAST_CHUNK) == (b"HTTP/1.1 100 Continue\r\n\r\n", b"0\r\n\r\n")


class Status(int, Enum):
    OK = 200


class Kind(str, Enum):  # noqa: UP042 - a StrEnum is formatted as its value, and this is not
    PLAIN = "text/plain"


def test_members_of_enumerations_are_written_as_their_values() -> None:
    fields = (("X-Kind", "text/plain"),)
    expected = reply("HTTP/1.1 200 OK\r\nX-Kind: text/plain\r\nContent-Length: 1\r\n", length=1)
    written = write_head(Status.OK, None, [("X-Kind", Kind.PLAIN)], 1, second=None)
    assert written == expected
    # what is equal to them is remembered with them
    assert write_start(200, None, fields, None) == expected.head.partition(b"Content-Length")[0]
