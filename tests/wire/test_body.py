import tracemalloc

import pytest

from bladehttp._wire.body import FORBIDDEN_TRAILERS, Chunked, FixedLength, StoredBody
from bladehttp._wire.buffer import ReceiveBuffer
from bladehttp._wire.head import HeadParser
from bladehttp._wire.limits import Limits
from bladehttp.exceptions import ProtocolError


def content_of(stored: StoredBody) -> bytes:
    if stored.file is None:
        return stored.getvalue()
    stored.file.seek(0)
    content = stored.file.read()
    stored.close()
    return content


@pytest.mark.parametrize(
    ("pieces", "in_file"),
    [
        ([], False),
        ([b""], False),
        ([b"hello"], False),
        ([b"he", b"llo"], False),
        ([b"hello!"], True),
        ([b"hello", b"!"], True),
        ([b"he", b"llo", b"!", b"!!"], True),
        ([b"", b"hello", b"", b"!"], True),
    ],
)
def test_sink_keeps_bytes_in_memory_up_to_its_limit(pieces: list[bytes], in_file: bool) -> None:
    stored = StoredBody(5)
    for piece in pieces:
        stored.write(piece)
    assert (stored.size, stored.file is not None) == (sum(map(len, pieces)), in_file)
    assert content_of(stored) == b"".join(pieces)


def test_sink_with_a_file_has_nothing_in_memory() -> None:
    stored = StoredBody(1)
    stored.write(b"a")
    stored.write(b"b")
    assert stored.getvalue() == b""
    stored.close()


def test_closed_sink_holds_nothing() -> None:
    stored = StoredBody(5)
    stored.write(b"a")
    stored.close()
    assert stored.getvalue() == b""


def take_fixed(length: int, *pieces: bytes) -> tuple[list[bool], bytes, int]:
    decoder, buffer, stored = FixedLength(length), ReceiveBuffer(), StoredBody(100)
    done = []
    for piece in pieces:
        buffer.feed(piece)
        done.append(decoder.take(buffer, stored))
    return done, stored.getvalue(), len(buffer)


@pytest.mark.parametrize(
    ("length", "pieces", "expected"),
    [
        (5, [b"hello"], ([True], b"hello", 0)),
        (5, [b"hel", b"lo"], ([False, True], b"hello", 0)),
        (5, [b"", b"hello"], ([False, True], b"hello", 0)),
        (5, [b"hello world"], ([True], b"hello", 6)),
        (5, [b"hell"], ([False], b"hell", 0)),
    ],
)
def test_fixed_length(
    length: int, pieces: list[bytes], expected: tuple[list[bool], bytes, int]
) -> None:
    assert take_fixed(length, *pieces) == expected


def chunked(data: bytes, limits: Limits | None = None) -> tuple[Chunked, bytes, bool]:
    limits = limits or Limits()
    decoder, buffer, stored = (
        Chunked(limits, HeadParser(limits).field),
        ReceiveBuffer(),
        StoredBody(99),
    )
    buffer.feed(data)
    done = decoder.take(buffer, stored)
    return decoder, stored.getvalue(), done


@pytest.mark.parametrize("name", sorted(FORBIDDEN_TRAILERS))
def test_forbidden_trailer_is_dropped_in_any_case(name: str) -> None:
    data = f"0\r\nX: 1\r\n{name.title()}: 2\r\n{name}: 3\r\nY: 4\r\n\r\n".encode()
    decoder, _, done = chunked(data)
    assert (decoder.trailers, done) == ((("X", "1"), ("Y", "4")), True)


def test_chunked_body_is_not_done_before_its_last_byte() -> None:
    data = b"5\r\nhello\r\n0;a=b\r\nX: y\r\n\r\n"
    assert [chunked(data[:length])[2] for length in range(len(data))] == [False] * len(data)
    assert chunked(data)[1:] == (b"hello", True)


def test_data_is_given_before_its_chunk_is_complete() -> None:
    assert chunked(b"5\r\nhel")[1:] == (b"hel", False)


@pytest.mark.parametrize("digits", ["5", "05", "0000000000000005"])
def test_chunk_size_of_up_to_16_digits(digits: str) -> None:
    assert chunked(f"{digits}\r\nhello\r\n0\r\n\r\n".encode())[1:] == (b"hello", True)


def is_size(size: bytes) -> bool:
    try:
        chunked(size + b"\r\nhello\r\n0\r\n\r\n")
    except ProtocolError:
        return False
    return True


def test_chunk_size_is_spelled_with_hexadecimal_digits() -> None:
    octets = [bytes([c]) for c in range(256)]
    digits = b"0123456789ABCDEFabcdef"
    assert b"".join(octet for octet in octets if is_size(octet + b"5")) == digits
    assert b"".join(octet for octet in octets if is_size(b"5" + octet)) == digits
    with_extension = b"0123456789;ABCDEFabcdef"
    assert b"".join(octet for octet in octets if is_size(b"5" + octet + b"5")) == with_extension


def test_body_without_a_limit_takes_any_size() -> None:
    assert chunked(b"ffffffffffffffff\r\nhello", Limits(body=None))[1:] == (b"hello", False)


def test_a_body_in_many_small_pieces_takes_no_more_memory_than_its_bytes():
    stored = StoredBody(1 << 18)
    tracemalloc.start()
    for number in range(1 << 17):
        stored.write(number.to_bytes(4, "big")[2:])
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert stored.size == 1 << 18
    assert size < 2 * stored.size
