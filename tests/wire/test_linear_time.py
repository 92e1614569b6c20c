"""Four times the input takes about four times as long: ratios of processor time in one run.

Quadratic work takes sixteen times as long. The bound lies between, and the best of several
runs counts, so that a busy machine does not fail a test.
"""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from bladehttp._data.cookies import parse_cookies
from bladehttp._wire import grammar
from bladehttp._wire.form import decode
from bladehttp._wire.head import HeadParser
from bladehttp._wire.limits import Limits
from bladehttp._wire.reader import Phase, RequestReader
from bladehttp._wire.urlencoded import parse_fields
from bladehttp.exceptions import ProtocolError

BOUND = 9
RUNS = 2
ATTEMPTS = 3

WIDE = Limits(
    request_line=1 << 20, field_line=1 << 20, head=1 << 22, fields=100_000, chunk_line=1 << 20
)
IN_MEMORY = Limits(spool=1 << 23)  # a temporary file takes the time of the disk
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(RUNS):
        start = time.thread_time()
        work()
        best = min(best, time.thread_time() - start)
    return best


def assert_linear(work: Callable[[int], object], size: int) -> None:
    ratio = float("inf")
    for _ in range(ATTEMPTS):
        ratio = min(ratio, seconds(lambda: work(4 * size)) / seconds(lambda: work(size)))
        if ratio < BOUND:
            return
    pytest.fail(f"four times the input took {ratio:.1f} times as long")


def feed(data: bytes, step: int, limits: Limits = WIDE) -> int:
    """Feed a stream in steps and return how many requests it held; an error ends it."""
    reader, taken = RequestReader(HeadParser(limits)), 0
    try:
        for start in range(0, len(data), step):
            reader.feed(data[start : start + step])
            while reader.take_request() is not None:
                taken += 1
    except ProtocolError:
        return -1
    finally:
        reader.close()
    return taken


@pytest.mark.parametrize(
    ("make", "size", "taken"),
    [
        pytest.param(
            lambda n: b"GET /" + b"a" * n + b" HTTP/1.1\r\nHost: a\r\n\r\n",
            2000,
            1,
            id="request line",
        ),
        pytest.param(lambda n: GET + b"X: " + b"a" * n + b"\r\n\r\n", 2000, 1, id="field"),
        pytest.param(
            lambda n: GET + b"X: yyyyyyyyy\r\n" * (n // 14) + b"\r\n", 2000, 1, id="fields"
        ),
        pytest.param(
            lambda n: GET + b"X: " + b" \t" * (n // 2) + b"\r\n\r\n", 2000, 1, id="whitespace"
        ),
        pytest.param(
            lambda n: CHUNKED + b"1\r\na\r\n" * (n // 6) + b"0\r\n\r\n", 3000, 1, id="chunks"
        ),
        pytest.param(
            lambda n: CHUNKED + b"1;" + b"a" * n + b"\r\nx\r\n0\r\n\r\n", 2000, 1, id="extension"
        ),
        pytest.param(
            lambda n: POST + b"Content-Length: %d\r\n\r\n" % n + b"a" * n, 3000, 1, id="body"
        ),
        pytest.param(lambda n: (GET + b"\r\n") * (n // 27), 2000, None, id="requests"),
    ],
)
def test_one_byte_at_a_time(make: Callable[[int], bytes], size: int, taken: int | None) -> None:
    limits = Limits(**dict.fromkeys(LIMIT_NAMES, 1 << 22))
    assert feed(make(size), 1, limits) == taken or taken is None
    assert_linear(lambda n: feed(make(n), 1, limits), size)


LIMIT_NAMES = "request_line field_line head fields chunk_line chunk_extensions trailers".split()


def test_head_of_60_kb_one_byte_at_a_time() -> None:
    def head(size: int) -> bytes:
        return GET + (b"X: " + b"a" * 995 + b"\r\n") * (size // 1000) + b"\r\n"

    assert feed(head(60_000), 1, Limits()) == 1
    assert_linear(lambda n: feed(head(n), 1, Limits()), 10_000)


def test_20_000_chunks_of_one_byte() -> None:
    def body(count: int) -> bytes:
        return CHUNKED + b"1\r\na\r\n" * count + b"0\r\n\r\n"

    assert feed(body(20_000), 65_536) == 1
    assert_linear(lambda n: feed(body(n), 65_536), 2_000)


@pytest.mark.parametrize("step", [64, 65_536])
def test_pipelined_requests(step: int) -> None:
    def requests(count: int) -> bytes:
        return b"".join(
            b"GET /%d HTTP/1.1\r\nHost: a\r\nX: %d\r\n\r\n" % (i, i) for i in range(count)
        )

    assert feed(requests(2_000), step) == 2_000
    assert_linear(lambda n: feed(requests(n), step), 300)


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(lambda n: b"\r" * n, id="CR"),
        pytest.param(lambda n: GET + b"\r" * n, id="CR after a field"),
        pytest.param(lambda n: GET + b"X: " + b"\r" * n, id="CR in a field"),
        pytest.param(lambda n: b"\r\n" * n, id="empty lines"),
        pytest.param(lambda n: GET + b":" * n, id="colons"),
        pytest.param(lambda n: GET + b"X" * n, id="a name"),
        pytest.param(lambda n: CHUNKED + b"0" * n, id="zeros"),
        pytest.param(lambda n: CHUNKED + b"1" + b";" * n, id="semicolons"),
        pytest.param(lambda n: CHUNKED + b'1;a="' + b"\\" * n, id="backslashes"),
        pytest.param(lambda n: b" " * n, id="spaces"),
    ],
)
def test_flood_is_refused_after_a_bounded_number_of_bytes(flood: Callable[[int], bytes]) -> None:
    data = flood(1_000_000)
    reader, fed = RequestReader(HeadParser(Limits())), 0
    while reader.phase is not Phase.FAILED and fed < len(data):
        reader.feed(data[fed : fed + 100])
        fed += 100
        with suppress(ProtocolError):
            reader.take_request()
    assert reader.phase is Phase.FAILED
    assert fed < 10_000


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(lambda n: b"1" + b" " * n, id="spaces"),
        pytest.param(lambda n: b"1;a" + b" " * n + b"x", id="spaces after a name"),
        pytest.param(lambda n: b"1" + b";a" * (n // 2) + b";", id="extensions"),
        pytest.param(lambda n: b"1" + b" ;a =b" * (n // 6) + b"!(", id="extensions with values"),
        pytest.param(lambda n: b'1;a="' + b"\\a" * (n // 2), id="quoted pairs"),
        pytest.param(lambda n: b"1" + b';a="' * (n // 4) + b"(", id="quotes"),
    ],
)
def test_chunk_line_that_does_not_match(line: Callable[[int], bytes]) -> None:
    assert grammar.chunk_line(line(1000)) is None
    assert_linear(lambda n: grammar.chunk_line(line(n)), 20_000)


def multipart(content: bytes) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + content + b"\r\n--b--\r\n"
    decode("multipart/form-data; boundary=b", body, None, IN_MEMORY)


@pytest.mark.parametrize("content", [b"\r", b"\r\n", b"\r\n-", b"\r\n--", b"-", b"a"], ids=repr)
def test_content_of_a_multipart_form(content: bytes) -> None:
    assert_linear(lambda n: multipart(content * (n // len(content))), 1 << 19)


@pytest.mark.parametrize(
    "disposition",
    [
        pytest.param('form-data; name="a"; filename*=' + "'" * 3900, id="apostrophes"),
        pytest.param("form-data" + ';a="' * 970 + '; name="a"', id="quotes"),
        pytest.param('form-data; name="a' + "\\" * 3900 + '"', id="backslashes"),
        pytest.param("form-data" + ";" * 3900 + ' name="a"*', id="semicolons"),
        pytest.param('form-data; name="a"; *' + "a=b;" * 970, id="parameters"),
    ],
)
def test_head_of_a_part_is_no_more_work_than_as_many_plain_bytes(disposition: str) -> None:
    def form(value: str) -> bytes:
        part = b"--b\r\nContent-Disposition: " + value.encode() + b"\r\n\r\n1\r\n"
        return part * 20 + b"--b--\r\n"

    def work(body: bytes) -> None:
        try:
            decode("multipart/form-data; boundary=b", body, None, Limits())
        except ProtocolError:
            pass

    plain = seconds(lambda: work(form('form-data; name="a"; x="' + "y" * 3900 + '"')))
    assert seconds(lambda: work(form(disposition))) < 60 * plain


@pytest.mark.parametrize("separator", [b"&", b"=", b"%", b"+", b"a=1&"], ids=repr)
def test_urlencoded_form(separator: bytes) -> None:
    limits = Limits(parts=1 << 22)
    assert_linear(lambda n: parse_fields(separator * (n // len(separator)), limits.parts), 1 << 13)


@pytest.mark.parametrize("text", [";", "=", '"', "a=1; ", 'a="', "a=\\", " "], ids=repr)
def test_cookies(text: str) -> None:
    assert_linear(lambda n: parse_cookies(text * (n // len(text))), 1 << 13)
