"""Streams of bytes: any, and valid ones with a few bytes changed."""

import string

from hypothesis import strategies as st
from wire.corpus import load

SEEDS = [case.data for case in load("accept") if len(case.data) < 400]
"""What is mutated: every valid stream that is short."""

# Bytes that mean something, so that a change often hits a rule.
SPICES = st.sampled_from(
    [bytes([c]) for c in b'\r\n\t \0:;,="\\/*?#%@[]0159afgGxX+-_.']
    + [b"\x7f", b"\x85", b"\xa0", b"\xb2", b"\xff", b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\n "]
    + [b"0\r\n\r\n", b"5\r\nhello\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"]
    + [b"Host: b\r\n", b"Expect: x\r\n", b" HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return one or two valid streams with up to three changes."""
    data = b"".join(draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        removed = draw(st.integers(0, 4))
        added = draw(st.just(b"") | SPICES | st.binary(max_size=2))
        data = data[:start] + added + data[start + removed :]
    return data


streams = mutated() | st.lists(SPICES, max_size=20).map(b"".join) | st.binary(max_size=80)

TCHAR = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
tokens = st.text(TCHAR, min_size=1, max_size=10)
field_values = st.text(
    [chr(c) for c in (9, *range(0x20, 0x7F), *range(0x80, 0x100))], max_size=20
).map(lambda value: value.strip(" \t"))
