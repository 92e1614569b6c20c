import pytest
from hypothesis import given, strategies as st

from bladehttp._wire.ranges import (
    MOST_RANGES,
    content_range,
    last_boundary,
    parse_ranges,
    part_head,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=-500", [(500, 1000)]),
        ("bytes=9500-", []),
        ("bytes=999-", [(999, 1000)]),
        ("bytes=1000-", []),
        ("bytes=0-", [(0, 1000)]),
        ("bytes=0-99999", [(0, 1000)]),
        ("bytes=-99999", [(0, 1000)]),
        ("bytes=-0", []),
        ("bytes=0-0,-1", [(0, 1), (999, 1000)]),
        ("bytes=500-600,601-999", [(500, 601), (601, 1000)]),
        ("bytes=900-, 0-1", [(900, 1000), (0, 2)]),
        ("bytes= 0-1 ,\t, 2-3,", [(0, 2), (2, 4)]),
        ("BYTES=0-1", [(0, 2)]),
        ("bytes=0-1,5000-", [(0, 2)]),
        ("bytes=5000-,6000-", []),
        ("bytes=007-0008", [(7, 9)]),
        ("bytes=0-" + "9" * 5000, [(0, 1000)]),
        ("bytes=-" + "9" * 5000, [(0, 1000)]),
        ("bytes=" + "9" * 5000 + "-", []),
        ("bytes=" + "0" * 5000 + "-1", [(0, 2)]),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_ranges_of_a_thousand_bytes(value, expected):
    assert parse_ranges(value, 1000) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=--1",
        "bytes=1",
        "bytes=2-1",
        "bytes=0-1,2-1",
        "bytes=a-b",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=1.0-2",
        "bytes=\xb2-3",
        "bytes=0 -1",
        "bytes=0-1-2",
        "bytes=0-1;2-3",
        "bytes =0-1",
        " bytes=0-1",
        "bytes=0-1\x85",
        "items=0-1",
        "bytes=0-1, bytes=2-3",
        "bytes=0-10,5-20",
        "bytes=0-,0-,0-",
        "bytes=-10,-20",
        "bytes=5-,0-5",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2 * MOST_RANGES + 2, 2)),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_no_use_is_ignored(value):
    assert parse_ranges(value, 1000) is None


def test_as_many_ranges_as_there_may_be():
    value = "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2 * MOST_RANGES, 2))
    assert len(parse_ranges(value, 1000)) == MOST_RANGES


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-0", "bytes=-5", "bytes=7-9"])
def test_nothing_has_no_ranges(value):
    assert parse_ranges(value, 0) is None


@given(st.text("bytes=,-0123456789 \t", max_size=60), st.integers(0, 10**6))
def test_ranges_lie_within_and_do_not_overlap(tail, length):
    ranges = parse_ranges("bytes=" + tail, length) or []
    octets = 0
    for start, stop in ranges:
        assert 0 <= start < stop <= length
        octets += stop - start
    assert octets <= length


def test_content_range_counts_from_0_to_the_last():
    assert content_range((0, 500), 1234) == "bytes 0-499/1234"
    assert content_range(None, 1234) == "bytes */1234"


def test_parts_are_framed_as_multipart():
    head = part_head((0, 2), 9, "text/plain", "xyz")
    assert head == (b"\r\n--xyz\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/9\r\n\r\n")
    assert last_boundary("xyz") == b"\r\n--xyz--\r\n"
