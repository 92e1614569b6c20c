"""Server-sent events read as the HTML standard says, however the stream is split."""

import random
import time

import pytest

from bladehttp import Event, HttpResponse
from bladehttp._data.event_stream import EventParser
from bladehttp.exceptions import BodyTooLarge

CASES = {
    "data": (b"data: a\n\n", [Event("a")]),
    "two lines": (b"data: a\ndata:b\n\n", [Event("a\nb")]),
    "only one space": (b"data:  a \n\n", [Event(" a ")]),
    "tab stays": (b"data:\ta\n\n", [Event("\ta")]),
    "empty data": (b"data\n\n", [Event("")]),
    "empty data with colon": (b"data:\n\n", [Event("")]),
    "two empty lines of data": (b"data\ndata\n\n", [Event("\n")]),
    "no data, no event": (b"event: x\nid: 1\n\ndata: a\n\n", [Event("a", id="1")]),
    "type": (b"event: x\ndata: a\n\ndata: b\n\n", [Event("a", "x"), Event("b")]),
    "empty type": (b"event: x\nevent:\ndata: a\n\n", [Event("a")]),
    "id stays": (b"id: 1\ndata: a\n\ndata: b\n\n", [Event("a", id="1"), Event("b", id="1")]),
    "id is reset": (b"id: 1\ndata: a\n\nid\ndata: b\n\n", [Event("a", id="1"), Event("b")]),
    "id with NUL": (b"id: 1\ndata: a\n\nid: 2\x002\ndata: b\n\n",
                    [Event("a", id="1"), Event("b", id="1")]),
    "comment": (b": x\n:\ndata: a\n:data: b\n\n", [Event("a")]),
    "unknown fields": (b"datas: x\nDATA: x\n data: x\ndata : x\nx\ndata: a\n\n", [Event("a")]),
    "colons in the value": (b"data: a: b:c\n\n", [Event("a: b:c")]),
    "incomplete": (b"data: a\n\ndata: b\n", [Event("a")]),
    "incomplete line": (b"data: a\n\ndata: b", [Event("a")]),
    "CR": (b"data: a\rdata: b\r\rdata: c\r\r", [Event("a\nb"), Event("c")]),
    "CRLF": (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [Event("a\nb"), Event("c")]),
    "mixed": (b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", [Event("a"), Event("b"), Event("c")]),
    "LF CR is two": (b"data: a\n\rdata: b\n\r", [Event("a"), Event("b")]),
    "other line ends are text": ("data: a\x0bb\x0cc\x85d\u2028e\n\n".encode(),
                                 [Event("a\x0bb\x0cc\x85d\u2028e")]),
    "mark": (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
    "second mark": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [Event("b")]),
    "mark later": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event("a")]),
    "NUL in data": (b"data: \x00\n\n", [Event("\x00")]),
    "bad UTF-8": (b"data: \xff\xe2\x82x\xe2\n\n", [Event("\ufffd\ufffdx\ufffd")]),
    "UTF-8": ("event: ä\ndata: €😀\nid: ü\n\n".encode(), [Event("€😀", "ä", "ü")]),
    "retry": (b"retry: 10\ndata: a\n\ndata: b\n\n", [Event("a", retry=10), Event("b")]),
    "retry that is none": (b"retry: 1s\nretry: -1\nretry: +1\nretry:\nretry: \xd9\xa1\ndata: a\n\n",
                           [Event("a")]),
    "retry with a space": (b"retry:  1\ndata: a\n\n", [Event("a")]),
    "retry that is huge": (b"retry: " + b"9" * 5000 + b"\ndata: a\n\n",
                           [Event("a", retry=10**15 - 1)]),
}  # fmt: skip

each = pytest.mark.parametrize(("stream", "events"), CASES.values(), ids=CASES)


def parsed(*chunks: bytes) -> list[Event]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@each
def test_events_of_a_stream(stream: bytes, events: list[Event]) -> None:
    assert parsed(stream) == events


@each
def test_events_of_a_stream_that_is_split(stream: bytes, events: list[Event]) -> None:
    assert parsed(*(stream[i : i + 1] for i in range(len(stream)))) == events
    dice = random.Random(7)
    for _ in range(20):
        cuts = sorted(dice.choices(range(len(stream) + 1), k=3))
        assert (
            parsed(*(stream[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True))) == events
        )


@each
def test_a_body_gives_its_events(stream: bytes, events: list[Event]) -> None:
    response = HttpResponse(stream, headers={"Content-Type": "text/event-stream; charset=utf-16"})
    assert list(response.iter_events()) == events


OTHERWISE = {
    "no data, no event",  # it yields an event without data
    "mark",
    "retry that is none",  # it reads any number that int() reads, such as "-1" and Arabic digits
    "retry with a space",
    "retry that is huge",
}
"""Where httpx-sse reads otherwise than the standard says."""

SAME = [name for name in CASES if name not in OTHERWISE]


@pytest.mark.parametrize("name", SAME)
def test_httpx_sse_reads_the_same(name: str) -> None:
    decoders = pytest.importorskip("httpx_sse._decoders")
    lines, decoder = decoders.SSELineDecoder(), decoders.SSEDecoder()
    text = CASES[name][0].decode("utf-8", "replace")
    found = [decoder.decode(line) for line in [*lines.decode(text), *lines.flush()]]
    theirs = [Event(e.data, e.event, e.id, e.retry) for e in found if e is not None]
    assert theirs == CASES[name][1]


@pytest.mark.parametrize(
    "stream",
    [b"data: " + b"x" * 100, b"data: " + b"x" * 50 + b"\ndata: " + b"x" * 50, b":" + b"x" * 100,
     b"id: 1\n" * 20, b"x" * 100 + b"\n"],
    ids=["a line", "lines", "a comment", "fields", "an unknown field"],
)  # fmt: skip
def test_an_event_is_bounded(stream: bytes) -> None:
    parser = EventParser(99)
    with pytest.raises(BodyTooLarge, match="event is longer than 99 bytes"):
        list(parser.feed(stream))
    parser = EventParser(99)
    with pytest.raises(BodyTooLarge):
        [list(parser.feed(bytes([byte]))) for byte in stream]


def test_many_small_events_and_comments_are_not_bounded() -> None:
    parser = EventParser(20)
    assert len(list(parser.feed(b"data: 1\n\n" * 100))) == 100
    assert list(parser.feed(b": heartbeat\n" * 100)) == []


def test_the_work_is_linear() -> None:
    parser, started = EventParser(), time.thread_time()
    for _ in range(300_000):
        assert list(parser.feed(b"x")) == []
    assert time.thread_time() - started < 10


def test_data_is_decoded_from_json() -> None:
    assert Event('{"a":\n1}').json() == {"a": 1}
    with pytest.raises(ValueError, match="Expecting"):
        Event("[DONE]").json()
