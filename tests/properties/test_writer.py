import h11
from hypothesis import given, strategies as st
from properties.strategies import field_values, tokens

from bladehttp._wire.body import Chunked, StoredBody
from bladehttp._wire.buffer import ReceiveBuffer
from bladehttp._wire.head import HeadParser
from bladehttp._wire.limits import Limits
from bladehttp._wire.writer import (
    LAST_CHUNK,
    Coding,
    Reply,
    end_of_head,
    write_chunk,
    write_head,
    write_start,
)

SECOND = 784111777

methods = st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"])
statuses = st.sampled_from([200, 201, 204, 205, 301, 304, 404, 500, 599])
fields = st.lists(st.tuples(tokens.map(lambda name: "X-" + name), field_values), max_size=5)
pieces = st.lists(st.binary(max_size=40), max_size=6)


def on_the_wire(reply: Reply, parts: list[bytes]) -> bytes:
    if reply.coding is Coding.NONE:
        return reply.head
    if reply.coding is Coding.CHUNKED:
        return reply.head + b"".join(map(write_chunk, parts)) + LAST_CHUNK
    return reply.head + b"".join(parts)


def read_by_h11(method: str, data: bytes) -> tuple[h11.Response, bytes, h11.EndOfMessage]:
    """Return what a client sees of a response to its request."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response = client.next_event()
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    if event is h11.NEED_DATA:
        client.receive_data(b"")
        event = client.next_event()
    assert client.trailing_data[0] == b""
    return response, body, event


@given(methods, statuses, fields, pieces, st.booleans(), st.integers(0, 1), st.booleans())
def test_h11_reads_back_what_was_written(
    method: str,
    status: int,
    fields: list[tuple[str, str]],
    parts: list[bytes],
    streamed: bool,
    minor: int,
    keep_alive: bool,
) -> None:
    content = b"".join(parts)
    reply = write_head(
        status,
        "Reason",
        fields,
        None if streamed else len(content),
        second=SECOND,
        method=method,
        minor=minor,
        keep_alive=keep_alive,
    )
    response, body, end = read_by_h11(method, on_the_wire(reply, parts))
    has_body = method != "HEAD" and status not in (204, 205, 304)
    assert (response.status_code, response.reason) == (status, b"Reason")
    assert body == (content if has_body else b"")
    assert isinstance(end, h11.EndOfMessage)
    sent = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    found = [pair for pair in response.headers.raw_items() if pair[0].startswith(b"X-")]
    assert found == sent
    assert (b"connection", b"close") in response.headers or reply.keep_alive
    assert not (minor == 0 and reply.coding is Coding.CHUNKED)


@given(pieces, st.integers(1, 50))
def test_chunks_are_decoded_to_what_was_written(parts: list[bytes], step: int) -> None:
    data = b"".join(map(write_chunk, parts)) + LAST_CHUNK
    limits = Limits()
    decoder, buffer, stored = (
        Chunked(limits, HeadParser(limits).field),
        ReceiveBuffer(),
        StoredBody(999),
    )
    done = []
    for start in range(0, len(data), step):
        buffer.feed(data[start : start + step])
        done.append(decoder.take(buffer, stored))
    assert (stored.getvalue(), done.index(True)) == (b"".join(parts), len(done) - 1)


own_fields = st.sampled_from(
    [("Connection", "close"), ("Content-Length", "3"), ("content-type", "text/plain")]
)


@given(
    st.sampled_from([100, 200, 200.0, True, 204, 205, 304, 404, 599, 600]),
    st.none() | field_values,
    fields,
    st.lists(own_fields, max_size=1),
    st.binary(max_size=40),
)
def test_the_short_way_writes_what_the_long_one_does_or_nothing(
    status: int,
    reason: str | None,
    fields: list[tuple[str, str]],
    own: list[tuple[str, str]],
    body: bytes,
) -> None:
    given_fields = (*fields, *own)
    start = write_start(status, reason, given_fields, SECOND)
    if start is not None:
        reply = write_head(status, reason, given_fields, len(body), second=SECOND)
        assert reply.keep_alive
        assert start + end_of_head(len(body)) + body == on_the_wire(reply, [body])
    elif type(status) is int and 200 <= status <= 599:
        assert status in {204, 205, 304} or {name for name, _ in own} & {
            "Connection",
            "Content-Length",
        }
