import pytest

from bladehttp._wire.buffer import ReceiveBuffer
from bladehttp.exceptions import ProtocolError


def holding(*pieces: bytes) -> ReceiveBuffer:
    buffer = ReceiveBuffer()
    for piece in pieces:
        buffer.feed(piece)
    return buffer


@pytest.mark.parametrize(
    "pieces", [[], [b""], [b"", b""]], ids=["never fed", "fed nothing", "twice"]
)
def test_empty_buffer_has_nothing(pieces: list[bytes]) -> None:
    buffer = holding(*pieces)
    assert (len(buffer), buffer.take_line(10, 400), buffer.take(5)) == (0, None, b"")
    assert (buffer.peek_head(), buffer.peek(5), buffer.take_crlf()) == (None, b"", False)


def test_line_is_taken_without_its_end() -> None:
    buffer = holding(b"a b\r\n\r\nc")
    assert [buffer.take_line(10, 400) for _ in range(3)] == [b"a b", b"", None]
    assert buffer.take(9) == b"c"


@pytest.mark.parametrize("split", range(1, 7))
def test_line_in_two_pieces_is_one_line(split: int) -> None:
    data = b"ab\r\ncd\r\n"
    buffer = holding(data[:split])
    lines = [buffer.take_line(10, 400)]
    buffer.feed(data[split:])
    lines += [buffer.take_line(10, 400), buffer.take_line(10, 400)]
    assert [line for line in lines if line is not None] == [b"ab", b"cd"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\n", "LF without CR"),
        (b"a\n", "LF without CR"),
        (b"a\nb\r\n", "LF without CR"),
        (b"\ra", "CR without LF"),
        (b"a\rb", "CR without LF"),
        (b"a\r\r", "CR without LF"),
        (b"a\r\r\n", "CR without LF"),
        (b"a\rb\r\n", "CR without LF"),
        (b"a\rb\n", "CR without LF"),
    ],
)
def test_bare_cr_or_lf_is_an_error_whole_and_byte_by_byte(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=f"^{message}$"):
        holding(data).take_line(20, 414)
    with pytest.raises(ProtocolError, match=f"^{message}$"):
        take_line_bytewise(data)


def take_line_bytewise(data: bytes) -> None:
    buffer = ReceiveBuffer()
    for i in range(len(data)):
        buffer.feed(data[i : i + 1])
        buffer.take_line(20, 414)


def test_cr_at_the_end_waits_for_its_lf() -> None:
    buffer = holding(b"a\r")
    assert buffer.take_line(10, 400) is None
    buffer.feed(b"\n")
    assert buffer.take_line(10, 400) == b"a"


def test_bytes_after_the_line_are_not_judged() -> None:
    assert holding(b"a\r\n\n\r").take_line(10, 400) == b"a"


@pytest.mark.parametrize(
    ("data", "limit", "taken"),
    [
        (b"abc\r\n", 5, True),
        (b"abc\r\n", 4, False),
        (b"abc\r\n", 3, False),
        (b"abc", 3, False),
        (b"abc\r", 4, False),
        (b"\r\n", 2, True),
        (b"\r\n", 1, False),
        (b"", 0, False),
    ],
)
def test_limit_of_a_line_includes_its_end(data: bytes, limit: int, taken: bool) -> None:
    if taken:
        assert holding(data).take_line(limit, 431) == data[:-2]
    else:
        with pytest.raises(ProtocolError) as caught:
            holding(data).take_line(limit, 431)
        assert caught.value.status == 431


def test_line_below_its_limit_is_waited_for() -> None:
    assert holding(b"abc").take_line(4, 431) is None


def test_bare_lf_within_the_limit_counts_before_the_limit() -> None:
    with pytest.raises(ProtocolError) as caught:
        holding(b"a\nbcd").take_line(3, 431)
    assert caught.value.status == 400


def test_bare_lf_beyond_the_limit_does_not_count() -> None:
    with pytest.raises(ProtocolError) as caught:
        holding(b"abc\n").take_line(3, 431)
    assert caught.value.status == 431


@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_take_gives_what_is_there(count: int) -> None:
    buffer = holding(b"abc")
    assert (buffer.take(count), len(buffer)) == (b"abc"[:count], max(0, 3 - count))


def test_peek_takes_nothing_and_skip_does() -> None:
    buffer = holding(b"abcdef")
    assert (buffer.peek(4), len(buffer)) == (b"abcd", 6)
    buffer.skip(4)
    assert (buffer.peek(4), len(buffer)) == (b"ef", 2)


@pytest.mark.parametrize(
    ("data", "head"),
    [
        (b"", None),
        (b"GET / HTTP/1.1\r\nA: b\r\n", None),
        (b"GET / HTTP/1.1\r\n\r\n", (b"GET / HTTP/1.1", b"\r\n")),
        (b"GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\nx", (b"GET / HTTP/1.1", b"A: b\r\nC: d\r\n\r\n")),
        (b"\r\n\r\n", (b"", b"\r\n")),
    ],
)
def test_peek_head(data: bytes, head: tuple[bytes, bytes] | None) -> None:
    buffer = holding(data)
    assert (buffer.peek_head(), len(buffer)) == (head, len(data))


def test_peek_head_after_a_line_was_taken() -> None:
    buffer = holding(b"x\r\nA\r\nB\r\n\r\n")
    buffer.take_line(10, 400)
    assert buffer.peek_head() == (b"A", b"B\r\n\r\n")


@pytest.mark.parametrize(
    ("data", "taken"), [(b"", False), (b"\r", False), (b"\r\n", True), (b"\r\nx", True)]
)
def test_take_crlf(data: bytes, taken: bool) -> None:
    buffer = holding(data)
    assert (buffer.take_crlf(), len(buffer)) == (taken, len(data) - 2 * taken)


@pytest.mark.parametrize("data", [b"\n", b"x", b"\rx", b"\r\r\n", b"\n\r", b" \r\n", b"0\r\n"])
def test_take_crlf_takes_nothing_else(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        holding(data).take_crlf()


def test_clear_drops_everything() -> None:
    buffer = holding(b"abc", b"def")
    buffer.clear()
    buffer.feed(b"x\r\n")
    assert (buffer.take_line(10, 400), len(buffer)) == (b"x", 0)


def test_what_was_fed_in_one_piece_is_not_copied() -> None:
    data = b"abc"
    buffer = holding(data)
    assert buffer._data is data


def test_what_was_taken_is_not_kept() -> None:
    buffer = holding(b"x" * 1000)
    for _ in range(1000):
        buffer.take(999)
        buffer.feed(b"x" * 999)
    assert len(buffer._data) < 3000
