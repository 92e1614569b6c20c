from contextlib import suppress

import pytest

from bladehttp._wire.head import HeadParser
from bladehttp._wire.limits import Limits
from bladehttp._wire.reader import Phase, RequestReader, parse_whole_request
from bladehttp.exceptions import ProtocolError

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"
)
EXPECT = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"


def new_reader(limits: Limits | None = None) -> RequestReader:
    return RequestReader(HeadParser(limits or Limits()))


def phases(data: bytes) -> list[Phase]:
    """Return the phase after each byte, repeated ones left out."""
    reader = new_reader()
    found = [reader.phase]
    for i in range(len(data)):
        reader.feed(data[i : i + 1])
        reader.take_request()
        if reader.phase is not found[-1]:
            found.append(reader.phase)
    return found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(GET, [Phase.IDLE, Phase.HEAD, Phase.IDLE], id="no body"),
        pytest.param(POST, [Phase.IDLE, Phase.HEAD, Phase.BODY, Phase.IDLE], id="a body"),
        pytest.param(CHUNKED, [Phase.IDLE, Phase.HEAD, Phase.BODY, Phase.IDLE], id="chunked"),
        pytest.param(GET * 2, [Phase.IDLE, Phase.HEAD] * 2 + [Phase.IDLE], id="two requests"),
        pytest.param(
            b"\r\n" + b"G", [Phase.IDLE, Phase.HEAD, Phase.IDLE, Phase.HEAD], id="empty line"
        ),
    ],
)
def test_phase_follows_the_bytes(data: bytes, expected: list[Phase]) -> None:
    assert phases(data) == expected


def test_phase_is_failed_after_an_error() -> None:
    reader = new_reader()
    reader.feed(b"\x16\x03")
    with pytest.raises(ProtocolError):
        reader.take_request()
    assert reader.phase is Phase.FAILED


def test_error_stays() -> None:
    reader = new_reader()
    reader.feed(GET + b"GET / HTTP/2.0\r\n" + GET)
    assert reader.take_request() is not None
    errors = []
    for _ in range(3):
        with pytest.raises(ProtocolError) as caught:
            reader.take_request()
        errors.append(caught.value)
        reader.feed(GET)
    assert {error.status for error in errors} == {505}
    assert (reader.phase, len(reader.buffer), reader.needs_continue) == (Phase.FAILED, 0, False)


@pytest.mark.parametrize("pause", [EXPECT, EXPECT[:40]], ids=["in one piece", "in two pieces"])
def test_needs_continue_when_the_client_waits(pause: bytes) -> None:
    reader = new_reader()
    reader.feed(pause)
    assert reader.take_request() is None
    reader.feed(EXPECT[len(pause) :])
    assert reader.take_request() is None
    assert reader.needs_continue
    reader.feed(b"h")
    assert reader.take_request() is None
    assert not reader.needs_continue
    reader.feed(b"ello")
    request = reader.take_request()
    assert request is not None
    assert (request.body, reader.needs_continue) == (b"hello", False)


def test_needs_continue_with_a_field_block_seen_before() -> None:
    reader = new_reader()
    for _ in range(2):
        reader.feed(EXPECT)
        assert reader.take_request() is None
        assert reader.needs_continue
        reader.feed(b"hello")
        assert reader.take_request() is not None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(EXPECT + b"h", id="the body is coming"),
        pytest.param(EXPECT.replace(b"HTTP/1.1", b"HTTP/1.0"), id="HTTP/1.0"),
        pytest.param(EXPECT.replace(b": 5", b": 0"), id="no body"),
        pytest.param(EXPECT.replace(b"Expect", b"X-Expect"), id="not asked for"),
        pytest.param(EXPECT[:-2], id="the head is not complete"),
    ],
)
def test_needs_no_continue(data: bytes) -> None:
    reader = new_reader()
    reader.feed(data)
    reader.take_request()
    assert not reader.needs_continue


def test_needs_continue_for_a_chunked_body() -> None:
    reader = new_reader()
    reader.feed(EXPECT.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"))
    assert reader.take_request() is None
    assert reader.needs_continue


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(GET, id="after a request"),
        pytest.param(POST, id="after a body"),
        pytest.param(CHUNKED, id="after a chunked body"),
        pytest.param(b"\r\n", id="after an empty line"),
    ],
)
def test_end_between_requests_is_no_error(data: bytes) -> None:
    reader = new_reader()
    reader.feed(data)
    while reader.take_request():
        pass
    reader.feed_eof()
    assert reader.phase is Phase.IDLE


@pytest.mark.parametrize("data", [GET, POST, CHUNKED], ids=["no body", "a body", "chunked"])
def test_end_within_a_request_is_an_error_at_every_byte(data: bytes) -> None:
    for length in range(1, len(data)):
        reader = new_reader()
        reader.feed(data[:length])
        assert reader.take_request() is None
        with pytest.raises(ProtocolError) as caught:
            reader.feed_eof()
        with pytest.raises(ProtocolError) as again:
            reader.take_request()
        assert caught.value.status == again.value.status == 400
        assert str(caught.value) == str(again.value)


def test_buffered_counts_what_follows_the_request() -> None:
    reader = new_reader()
    reader.feed(GET + GET[:7])
    assert reader.take_request() is not None
    assert len(reader.buffer) == 7


def test_requests_are_taken_one_by_one() -> None:
    reader = new_reader()
    reader.feed(GET + POST + CHUNKED)
    requests = [reader.take_request() for _ in range(4)]
    assert [request and (request.line.method, request.body) for request in requests] == [
        ("GET", b""),
        ("POST", b"hello"),
        ("POST", b"hello"),
        None,
    ]


def test_trailers_are_of_their_request() -> None:
    reader = new_reader()
    reader.feed(CHUNKED + GET)
    requests = [reader.take_request(), reader.take_request()]
    assert [request and request.trailers for request in requests] == [(("X", "y"),), ()]


def test_method_is_known_from_the_request_line_on() -> None:
    reader = new_reader()
    assert reader.partial.line.method == ""
    reader.feed(b"PUT / HTTP/1.1\r\n")
    reader.take_request()
    assert reader.partial.line.method == "PUT"


@pytest.mark.parametrize("warm", [False, True])
def test_method_is_known_after_a_bad_head(warm: bool) -> None:
    parser = HeadParser(Limits())
    fields = b"Host: a\r\nExpect: x\r\n\r\n"
    if warm:
        reader = RequestReader(parser)
        reader.feed(b"GET / HTTP/1.0\r\n" + fields)
        assert reader.take_request() is not None
    reader = RequestReader(parser)
    reader.feed(b"HEAD / HTTP/1.1\r\n" + fields)
    with pytest.raises(ProtocolError) as caught:
        reader.take_request()
    assert (caught.value.status, reader.partial.line.method) == (417, "HEAD")


def test_long_body_is_in_a_file_at_its_beginning() -> None:
    reader = new_reader(Limits(spool=4))
    reader.feed(POST)
    request = reader.take_request()
    assert request is not None
    assert request.file is not None
    assert (request.body, request.file.read()) == (b"", b"hello")
    request.close()
    assert request.file.closed


def test_body_at_the_spool_limit_is_in_memory() -> None:
    reader = new_reader(Limits(spool=5))
    reader.feed(POST)
    request = reader.take_request()
    assert request is not None
    assert (request.body, request.file) == (b"hello", None)
    request.close()


@pytest.mark.parametrize("fail", [False, True], ids=["closed", "failed"])
def test_file_of_a_body_that_does_not_come_is_closed(fail: bool) -> None:
    # An unclosed file warns, and a warning fails the test.
    reader = new_reader(Limits(spool=2))
    reader.feed(POST[:-1])
    assert reader.take_request() is None
    if fail:
        with pytest.raises(ProtocolError):
            reader.feed_eof()
    else:
        reader.close()


def test_refusal_comes_before_the_body() -> None:
    reader = new_reader(Limits(body=4))
    reader.feed(POST[:-5])
    with pytest.raises(ProtocolError) as caught:
        reader.take_request()
    assert caught.value.status == 413


@pytest.mark.parametrize("data", [b"GE(", b"\x16", b"G\t", b"GET\n", b"\r\r", b"\n", b" "])
def test_what_cannot_become_a_request_is_refused_at_once(data: bytes) -> None:
    reader = new_reader()
    reader.feed(data)
    with pytest.raises(ProtocolError):
        reader.take_request()


@pytest.mark.parametrize("split", range(8))
def test_limit_below_the_beginning_that_is_looked_at_counts_first(split: int) -> None:
    reader = new_reader(Limits(request_line=4))
    data = b"GETTT(/ "
    reader.feed(data[:split])
    with suppress(ProtocolError):
        reader.take_request()
    reader.feed(data[split:])
    with pytest.raises(ProtocolError) as caught:
        reader.take_request()
    assert caught.value.status == 414


@pytest.mark.parametrize(
    ("data", "target"),
    [
        (b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n", "/b"),
        (b"GET /c HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n", "/c"),  # more fields before the known ones
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None),  # two
        (b"\r\nHost: a\r\n\r\n", None),
        (b"GET / HTTP/1.1\nX: y\r\nHost: a\r\n\r\n", None),
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", "/"),
        (b"GET / HTTP/1.1\r\nX: y\r\n\r\n", None),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nx", None),  # a byte too many
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", None),
    ],
)
def test_only_exactly_one_request_is_taken_whole(data: bytes, target: str | None) -> None:
    parser = HeadParser(Limits())
    reader = RequestReader(parser)
    reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    first = reader.take_request()
    assert first is not None
    assert first.fields.lines
    found = parse_whole_request(data, parser, first.fields)
    assert (found and found[0].target) == target


def test_the_last_fields_are_known_when_others_have_driven_them_out() -> None:
    parser = HeadParser(Limits())
    reader = RequestReader(parser)
    reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert reader.take_request() is not None
    parser.blocks.clear()
    again = parse_whole_request(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n", parser, reader.last)
    assert again is not None
    assert again[1] is reader.last
    assert parser.blocks == {}
