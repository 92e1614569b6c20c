"""The short way to a response's bytes, compared with the long one."""

import re
from http import HTTPStatus
from time import monotonic, time

import pytest
from hypothesis import given, strategies as st

from bladehttp._data.dates import format_http_date
from bladehttp._message.response import HttpResponse
from bladehttp._message.response_head import DefaultHead
from bladehttp.server._connection.outbox import JOINED
from bladehttp.server._connection.serialise import (
    MOST_ENDS,
    MOST_STARTS,
    WholeWriter,
    serialise,
)

BLANKS = [DefaultHead("Blade"), DefaultHead(None)]
WRITER = WholeWriter()
"""One for all examples: each finds what the ones before have left."""

steps = st.lists(
    st.sampled_from(
        [
            lambda response: response.write("some"),
            lambda response: response.write(b""),
            lambda response: response.json({"a": 1}),
            lambda response: response.headers.add("Set-Cookie", "a=b"),
            lambda response: response.headers.update({"X-One": "1"}),
            lambda response: response.headers.update({"X-One": "2", "Content-Type": "text/plain"}),
            lambda response: response.headers.update({"Content-Length": "4"}),
            lambda response: response.headers.update({"Connection": "close"}),
            lambda response: response.headers.pop("Content-Type"),
            lambda response: setattr(response, "headers", {"X-Two": "2"}),
            lambda response: setattr(response, "headers", {"X-Two": "a\r\nb"}),
            lambda response: setattr(response, "headers", 5),
            lambda response: setattr(response, "reason", "Fine"),
            *(
                lambda response, status=status: setattr(response, "status", status)
                for status in (200, 200.0, True, HTTPStatus.OK, 204, 304, 404, 199, 600, "200")
            ),
        ]
    ),
    max_size=4,
)


def without_date(data: bytes) -> bytes:
    return re.sub(rb"\r\nDate: [^\r]+", b"", data)


@given(st.sampled_from(BLANKS), steps)
def test_the_short_way_gives_the_bytes_of_the_long_one_or_none(blank, steps):
    response = HttpResponse.for_server(blank)
    for step in steps:
        try:
            step(response)
        except (AttributeError, KeyError, ValueError):
            return  # the handler's error: no response
    written = [WRITER.write(response, monotonic()) for _ in range(2)]
    try:
        reply, body = serialise(response, keep=True)
    except (TypeError, ValueError):
        assert written == [None, None]
        return
    for whole in written:
        if whole is not None:
            assert without_date(whole) == without_date(reply.head + body)
            assert (reply.keep_alive, WRITER.length) == (True, len(body))
    if type(response.status) is int and b"Connection" not in reply.head:
        assert None not in written or response.status in (204, 304) or b"Length: 4" in reply.head


def test_date_is_that_of_the_second():
    writer, response, dates = WholeWriter(), HttpResponse.for_server(), set()
    while len(dates) < 3:
        begun = int(time())
        whole = writer.write(response, monotonic())
        possible = {format_http_date(second) for second in range(begun, int(time()) + 1)}
        date = re.search(rb"Date: ([^\r]+)", whole)[1].decode()
        assert date in possible
        dates.add(date)


@pytest.mark.parametrize("change", ["source", "long", "status"])
def test_what_cannot_be_written_in_one_piece_is_left_to_the_long_way(change):
    writer, response = WholeWriter(), HttpResponse.for_server()
    assert writer.write(response, monotonic()) is not None
    if change == "source":
        response.stream([b"a"])
    elif change == "long":
        response.write(bytes(JOINED + 1))
    else:
        response.status = 200.0  # equal to one that was written
    assert writer.write(response, monotonic()) is None


def test_what_is_kept_of_heads_is_bounded():
    writer = WholeWriter()
    for number in range(2 * max(MOST_STARTS, MOST_ENDS)):
        response = HttpResponse.for_server()
        response.headers["X-Number"] = str(number)
        response.write(bytes(number))
        assert writer.write(response, monotonic()).endswith(b"\r\n\r\n" + bytes(number))
        assert len(writer._starts) <= MOST_STARTS
        assert len(writer._ends) <= MOST_ENDS
