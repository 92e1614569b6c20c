from hypothesis import given, settings, strategies as st
from properties.strategies import mutated, streams
from wire.corpus import Verdict, bytewise, read, read_by_line

from bladehttp._wire.head import HeadParser
from bladehttp._wire.limits import Limits

STATUSES = {0, 400, 413, 414, 417, 431, 501, 505}

limits = st.builds(
    Limits,
    request_line=st.integers(1, 60),
    field_line=st.integers(0, 40),
    head=st.integers(0, 120),
    fields=st.integers(0, 4),
    body=st.none() | st.integers(0, 20),
    spool=st.integers(0, 10),
    empty_lines=st.integers(0, 2),
    chunk_line=st.integers(0, 20),
    chunk_extensions=st.integers(0, 10),
    trailers=st.integers(0, 30),
) | st.just(Limits())

WARM = HeadParser(Limits())
"""A parser that all examples share: what one leaves in its caches, the next one meets."""


@st.composite
def split(draw: st.DrawFn) -> list[bytes]:
    """Return a stream in pieces."""
    data = draw(streams)
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[i:j] for i, j in zip([0, *places], [*places, len(data)], strict=True)]


@settings(max_examples=200)
@given(streams, limits)
def test_any_bytes_give_requests_or_a_protocol_error_of_a_known_status(
    data: bytes, limits: Limits
) -> None:
    assert read([data], HeadParser(limits)).status in STATUSES


@settings(max_examples=200)
@given(split(), limits)
def test_verdict_does_not_depend_on_the_split(pieces: list[bytes], limits: Limits) -> None:
    data = b"".join(pieces)
    whole = read([data], HeadParser(limits))
    assert read(pieces, HeadParser(limits)) == whole
    assert read(bytewise(data), HeadParser(limits)) == whole


@settings(max_examples=200)
@given(split())
def test_verdict_does_not_depend_on_what_was_read_before(pieces: list[bytes]) -> None:
    fresh = read([b"".join(pieces)], HeadParser(Limits()))
    assert [read(pieces, WARM) for _ in range(2)] == [fresh, fresh]


@settings(max_examples=300)
@given(streams | mutated(), limits)
def test_what_is_taken_at_once_is_taken_the_same_line_by_line(data: bytes, limits: Limits) -> None:
    by_line, parser = read_by_line(data, limits), HeadParser(limits)
    assert [read([data], parser) for _ in range(3)] == [by_line] * 3


@given(mutated(), limits)
def test_stricter_limits_never_accept_more(data: bytes, limits: Limits) -> None:
    loose, strict = read([data], HeadParser(Limits())), read([data], HeadParser(limits))
    if strict.status == 0:
        assert strict == loose
    else:
        assert strict.requests == loose.requests[: len(strict.requests)]


@given(mutated(), mutated())
def test_what_follows_changes_nothing_of_what_came_before(first: bytes, second: bytes) -> None:
    alone, both = read([first], HeadParser(Limits())), read([first + second], HeadParser(Limits()))
    assert both.requests[: len(alone.requests)] == alone.requests
    if alone.status:
        assert both == Verdict(alone.requests, alone.status)
