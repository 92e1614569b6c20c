"""Bytes that were received and not given: blocks and lines of them, however they come."""

import re
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bladehttp._data.byte_streams import BodyReader, UnreadBuffer
from bladehttp._data.charsets import CODECS, text_of
from bladehttp.exceptions import IncompleteBody

LINE = [
    "a",
    "\r",
    "\n",
    "\r\n",
    "é",
    "€",
    "\u0a0d",
    "\u0d0a",
    "\x85",
    "\u2028",
    "\x0c",
    "\x0b",
    "\x1c",
]


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def lines_of(pieces: list[bytes], codec: str = "utf-8") -> list[str]:
    reader = BodyReader(pieces, codec)
    return list(reader.items(reader.unread.take_line))


def expected(text: str) -> list[str]:
    lines = re.split("\r\n|\r|\n", text)
    return lines[:-1] if not lines[-1] else lines


@given(
    parts=st.lists(st.sampled_from(LINE), max_size=20),
    cuts=st.lists(st.integers(0, 200), max_size=12),
    codec=st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "gb18030"]),
)
def test_lines_end_in_crlf_cr_and_lf_however_they_are_split(
    parts: list[str], cuts: list[int], codec: str
) -> None:
    text = "".join(parts)
    assert lines_of(split_at(text.encode(codec), cuts), codec) == expected(text)
    marked = "\ufeff" + text
    if not codec.startswith(("utf-32", "gb")):
        assert lines_of(split_at(marked.encode(codec), cuts), "koi8-r") == expected(text)


@given(
    data=st.binary(max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    sizes=st.lists(st.integers(1, 9) | st.just(0), max_size=12),
)
def test_what_is_given_does_not_depend_on_how_it_came(
    data: bytes, cuts: list[int], sizes: list[int]
) -> None:
    """Blocks of the sizes, 0 for a line, and then the rest."""

    def read(pieces: list[bytes]) -> list[Any]:
        reader = BodyReader(pieces, "cp1252")
        items: list[Any] = []
        for size in sizes:
            take = reader.blocks(size) if size else reader.unread.take_line
            items.extend(item for item, _ in zip(reader.items(take), "1", strict=False))
        while not reader.unread.is_over:
            reader.receive()
        return [*items, reader.unread.take(None)]

    assert read(split_at(data, cuts)) == read([data])


@pytest.mark.parametrize("codec", sorted(set(CODECS.values())))
def test_lines_of_every_charset(codec: str) -> None:
    data = "one\r\ntwo\rthree\nfour".encode(codec)
    assert lines_of([data[at : at + 1] for at in range(len(data))], codec) == [
        "one", "two", "three", "four"]  # fmt: skip
    sample = bytes(range(0x30, 0x100))
    if not codec.startswith(("utf-16", "utf-32", "iso2022")):
        given = lines_of([sample + b"\n" + sample], codec)
        assert (
            given
            == [text_of(sample, codec)] * 2
            == text_of(sample + b"\n" + sample, codec).split("\n")
        )


def test_a_cr_ends_a_line_at_once_and_an_lf_that_follows_is_part_of_it() -> None:
    unread = UnreadBuffer("utf-8")
    unread.append(b"one\r")
    assert (unread.take_line(), unread.take_line()) == ("one", None)
    unread.append(b"\ntwo\r")
    assert (unread.take_line(), unread.take_line()) == ("two", None)
    unread.append(b"\n")
    assert unread.take(None) is None
    unread.append(b"\nrest")
    assert unread.take(None) == b"\nrest"


@pytest.mark.parametrize("piece", [b"x" * 500, b"x" * 499 + b"\n", b"\x0a\x0a" * 250])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le"])
def test_long_and_many_lines_take_linear_time(piece: bytes, codec: str) -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        lines_of([piece] * count, codec)
        return time.process_time() - began

    seconds(10)
    few = min(seconds(50) for _ in range(3))
    assert seconds(500) < 10 * few * 5


def test_lines_and_blocks_in_turn_take_linear_time() -> None:
    reader = BodyReader([b"10\n0123456789" * 50_000], "utf-8")
    began = time.process_time()
    for _ in range(50_000):
        assert next(reader.items(reader.unread.take_line)) == "10"
        assert next(reader.items(reader.blocks(10))) == b"0123456789"
    assert time.process_time() - began < 5


def test_an_error_is_raised_by_every_later_read_and_has_what_was_not_given() -> None:
    def broken() -> Any:
        yield b"one\ntw"
        raise IncompleteBody("cut")

    reader = BodyReader(broken(), "utf-8")
    lines = reader.items(reader.unread.take_line)
    assert next(lines) == "one"
    for _ in range(2):
        with pytest.raises(IncompleteBody) as caught:
            next(reader.items(reader.unread.take_line))
        assert caught.value.partial == b"tw"
    assert reader.unread.take(None) == b"tw"
