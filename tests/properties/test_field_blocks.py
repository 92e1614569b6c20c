"""A field block means the same whether some of its fields are known to change or not."""

from hypothesis import given, settings, strategies as st

from bladehttp._wire.changing import EACH, MOST_NAMES, STREAK, ChangingFields
from bladehttp._wire.head import DECIDING, HeadParser
from bladehttp._wire.limits import Limits

NAMES = [b"X-Id", b"X-For", b"Trace"]
names = st.sampled_from(
    [*NAMES, b"x-id", b"X-Id2", b"Host", b"Cookie", b"Accept", b"Content-Length", b"X (", b""]
)
values = st.one_of(
    st.sampled_from(
        [b" a", b"a", b"", b" 5", b"x\ry", b"x\ny", b"\r", b" X-Id: 1", b"\xe9", b"\0"]
    ),
    st.integers(0, 9).map(lambda number: b" %d" % number),
    st.integers(0, 60).map(lambda size: b"y" * size),
)
lines = st.lists(st.builds(lambda name, value: name + b":" + value, names, values), max_size=8)
limits = st.builds(Limits, field_line=st.sampled_from([20, 64, 8192]), fields=st.integers(1, 9))


def taught(limits: Limits) -> HeadParser:
    """Return a parser that takes `NAMES` for those of changing fields."""
    parser = HeadParser(limits)
    for _ in range(EACH * STREAK):
        parser._changing.learn([name + b": 1" for name in NAMES], DECIDING)
    return parser


@settings(max_examples=50)
@given(st.lists(lines, min_size=1, max_size=4), limits)
def test_changing_fields_alter_no_verdict(blocks: list[list[bytes]], limits: Limits) -> None:
    parser = taught(limits)
    assert {*parser._changing._names} == {*NAMES}
    for each in blocks * 2:
        block = b"\r\n".join([*each, b"", b""])
        expected = HeadParser(limits).whole_block(block)
        found = parser.whole_block(block)
        assert found == expected
        if found is not None and expected is not None:
            assert found.headers().pairs() == expected.headers().pairs()
            assert dict(found.headers()) == dict(expected.headers())


@settings(max_examples=50)
@given(lines, st.sets(st.sampled_from(NAMES)))
def test_what_is_cut_out_can_be_put_back(each: list[bytes], known: set[bytes]) -> None:
    changing = ChangingFields()
    for _ in range(EACH * STREAK):
        changing.learn([name + b": 1" for name in known], DECIDING)
    block = b"\r\n".join([b"Host: a", *each, b"", b""])
    rest, found = changing.cut(block)
    left = rest[:-4].split(b"\r\n")
    others = len(left)
    for after, line in found:
        assert line.partition(b":")[0] in known
        left.insert(others - after, line)
    if block.count(b"\r") == len(each) + 2:  # else the lines that are left are refused
        assert b"\r\n".join([*left, b"", b""]) == block


def test_only_fields_that_are_new_every_time_are_changing() -> None:
    changing = ChangingFields()
    for number in range(3 * EACH * STREAK):
        often = [b"Often: %d" % number] if number // EACH % 8 else []
        changing.learn([b"Always: %d" % number, *often], DECIDING)
    assert changing._names == (b"Always",)


def test_names_are_bounded_and_the_oldest_is_replaced() -> None:
    changing = ChangingFields()
    for number in range(MOST_NAMES + 2):
        for _ in range(EACH * STREAK):
            changing.learn([b"X-%d: 1" % number], DECIDING)
    assert changing._names == tuple(b"X-%d" % number for number in range(MOST_NAMES + 1, 1, -1))


def test_fields_that_decide_are_never_changing() -> None:
    changing = ChangingFields()
    for number in range(3 * EACH * STREAK):
        changing.learn([b"X: %d" % number, b"COOKIE: a=%d" % number], DECIDING)
    assert changing._names == ()
