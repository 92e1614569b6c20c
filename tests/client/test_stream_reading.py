"""What was received and not given belongs to the response, whoever read it before."""

import asyncio
import gzip
import pickle
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bladehttp.client import AsyncHttpClient, HttpClient
from bladehttp.exceptions import DecodingError, HttpStatusError, IncompleteBody

BODY = b"first line\r\nsecond line\r\n\r\nlast line"


class Reading:
    """The readers of a stream under the same names, whether they have to be awaited or not."""

    def __init__(self, response: Any, wait: Callable[[Awaitable[Any]], Any] | None) -> None:
        self.response = response
        self._wait = wait

    def _iterate(self, plain: Any, awaited: Any) -> Iterator[Any]:
        if self._wait is None:
            yield from plain()
            return
        items: AsyncIterator[Any] = awaited()
        while True:
            try:
                yield self._wait(anext(items))
            except StopAsyncIteration:
                return

    def bytes(self, size: int | None = None) -> Iterator[bytes]:
        response = self.response
        return self._iterate(lambda: response.iter_bytes(size), lambda: response.aiter_bytes(size))

    def lines(self) -> Iterator[str]:
        return self._iterate(self.response.iter_lines, self.response.aiter_lines)

    def read(self) -> Any:
        return self.response.read() if self._wait is None else self._wait(self.response.aread())


@contextmanager
def plain(url: str, **options: Any) -> Iterator[Reading]:
    with HttpClient() as client, client.stream(url, **options) as response:
        yield Reading(response, None)


@contextmanager
def on_asyncio(url: str, **options: Any) -> Iterator[Reading]:
    with asyncio.Runner() as runner:
        wait: Any = runner.run

        async def opened() -> Any:
            client = AsyncHttpClient()
            context = client.stream(url, **options)
            return client, context, await context.__aenter__()

        client, context, response = wait(opened())
        try:
            yield Reading(response, lambda awaitable: wait(_awaited(awaitable)))
        finally:
            wait(context.__aexit__(None, None, None))
            wait(client.__aexit__(None, None, None))


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


@pytest.fixture(params=[plain, on_asyncio], ids=["plain", "asyncio"])
def opened(request: Any) -> Any:
    return request.param


@pytest.fixture(params=["at once", "byte by byte", "gzip"])
def url(request: Any, peers: Any, reply: Any) -> str:
    if request.param == "at once":
        return str(peers(reply(BODY)).url)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
    coded = BODY if request.param == "byte by byte" else gzip.compress(BODY)
    if request.param == "gzip":
        head += b"Content-Encoding: gzip\r\n"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in coded)
    return str(peers(head + b"\r\n" + chunks + b"0\r\n\r\n").url)


def test_read_after_a_line(opened: Any, url: str) -> None:
    with opened(url) as reading:
        assert next(reading.lines()) == "first line"
        assert reading.read() == b"second line\r\n\r\nlast line"
        assert reading.read() == b""
        assert list(reading.lines()) == []


def test_a_loop_that_is_left_is_gone_on_with(opened: Any, url: str) -> None:
    with opened(url) as reading:
        for line in reading.lines():
            if line.startswith("second"):
                break
        assert list(reading.lines()) == ["", "last line"]
        assert list(reading.lines()) == []
        assert reading.read() == b""


def test_read_after_a_block(opened: Any, url: str) -> None:
    with opened(url) as reading:
        assert next(reading.bytes(6)) == b"first "
        assert reading.read() == BODY[6:]


def test_blocks_of_other_sizes(opened: Any, url: str) -> None:
    with opened(url) as reading:
        assert [next(reading.bytes(size)) for size in (1, 7, 2)] == [b"f", b"irst li", b"ne"]
        assert next(reading.lines()) == ""
        assert next(reading.lines()) == "second line"
        assert b"".join(reading.bytes()) == b"\r\nlast line"


def test_blocks_after_lines_and_lines_after_blocks(opened: Any, url: str) -> None:
    with opened(url) as reading:
        assert next(reading.lines()) == "first line"
        assert next(reading.bytes(4)) == b"seco"
        assert next(reading.lines()) == "nd line"
        assert list(reading.bytes(100)) == [b"\r\nlast line"]


def test_two_iterators_in_turn_share_what_comes(opened: Any, url: str) -> None:
    with opened(url) as reading:
        one, two = reading.lines(), reading.lines()
        assert [next(one), next(two), next(one), next(two)] == [
            "first line", "second line", "", "last line"]  # fmt: skip
        assert list(one) == list(two) == []


def test_a_body_that_is_here_whole_begins_anew(client: HttpClient, url: str) -> None:
    response = client.get(url)
    assert next(response.iter_lines()) == "first line"
    assert next(response.iter_bytes(5)) == b"first"
    assert list(response.iter_lines()) == ["first line", "second line", "", "last line"]
    assert response.read() == response.body == BODY


def test_a_body_that_was_read_begins_anew(opened: Any, url: str) -> None:
    with opened(url) as reading:
        assert reading.read() == reading.read() == BODY == reading.response.body
        assert pickle.loads(pickle.dumps(reading.response._parts)) == [BODY]
        assert next(reading.lines()) == "first line"
        assert b"".join(reading.bytes(3)) == BODY


@pytest.mark.parametrize("size", [None, 3], ids=["as it comes", "blocks"])
def test_what_ends_early_says_so_as_often_as_it_is_read(
    opened: Any, peers: Any, size: int | None
) -> None:
    peer = peers.once(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\none\r\ntwo")
    with opened(peer.url) as reading:
        assert next(reading.lines()) == "one"
        for read in (lambda: list(reading.lines()), reading.read, reading.read):
            with pytest.raises(IncompleteBody) as caught:
                read()
            assert caught.value.partial == b"two"
        assert next(reading.bytes(size)) == b"two"
        with pytest.raises(IncompleteBody):
            next(reading.bytes(size))


def test_read_of_a_body_that_ends_early_keeps_what_came(opened: Any, peers: Any) -> None:
    peer = peers.once(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nall there is")
    with opened(peer.url) as reading:
        with pytest.raises(IncompleteBody) as caught:
            reading.read()
        assert caught.value.partial == b"all there is"


def test_what_cannot_be_decoded_stays_an_error(opened: Any, peers: Any, reply: Any) -> None:
    body = gzip.compress(b"text")[:10] + b"\xff" * 50_000
    peer = peers(reply(body, "200 OK", "Content-Encoding: gzip"))
    with opened(peer.url) as reading:
        for _ in range(3):
            with pytest.raises(DecodingError):
                reading.read()


def test_an_interrupt_does_not_end_the_body(
    client: HttpClient, peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = peers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none")
    with client.stream(peer.url) as response:
        assert next(response.iter_bytes()) == b"one"
        source: Any = response.source

        def interrupted(*_: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(type(source._engine), "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            response.read()
        with pytest.raises(ValueError, match="stream is closed"):
            response.read()
        monkeypatch.undo()


def test_a_cancelled_read_loses_nothing(peers: Any) -> None:
    go_on = threading.Event()

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\none\ntw")
        go_on.wait(10)
        connection.send(b"o\nx\n")
        connection.read_request()

    async def main() -> None:
        async with AsyncHttpClient() as client, client.stream(peers.raw(handle).url) as response:
            lines = response.aiter_lines()
            assert await anext(lines) == "one"
            for read in (
                lambda: anext(lines),
                response.aread,
                lambda: anext(response.aiter_bytes(9)),
            ):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(read(), 0.01)
            go_on.set()
            assert await anext(response.aiter_lines()) == "two"
            assert await response.aread() == b"x\n"

    asyncio.run(main())


def test_a_source_is_iterated_by_one_iterator(client: HttpClient, peers: Any, reply: Any) -> None:
    peer = peers(reply(gzip.compress(BODY), "200 OK", "Content-Encoding: gzip"))
    with client.stream(peer.url) as response:
        assert iter(response.source) is iter(response.source)
        assert b"".join(response.source) == BODY


# What is asked of a stream that was not read


def test_text_json_and_content_of_a_stream_are_received(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(reply(b'{"a": "\xc3\xa9"}'))
    for ask, answer in (
        (lambda r: r.text, '{"a": "é"}'), (lambda r: r.json(), {"a": "é"}),
        (lambda r: r.as_dict(), {"a": "é"}), (lambda r: r.content, b'{"a": "\xc3\xa9"}'),
        (lambda r: r.to_dict()["body"], '{"a": "é"}'),
    ):  # fmt: skip
        with client.stream(peer.url) as response:
            assert ask(response) == answer
            assert response.body == b'{"a": "\xc3\xa9"}'
        assert response.json() == {"a": "é"}
    assert peer.connections == 1


ASKED: list[Callable[[Any], Any]] = [
    lambda r: r.text, lambda r: r.json(), lambda r: r.content, lambda r: r.body,
    lambda r: r.as_text(), lambda r: r.to_json(),
]  # fmt: skip
NAMES = ["text", "json", "content", "body", "as_text", "to_json"]


@pytest.mark.parametrize(
    "ask", ASKED, ids=["text", "json", "content", "body", "as_text", "to_json"]
)
def test_on_asyncio_they_say_what_to_await(peers: Any, reply: Any, ask: Any) -> None:
    peer = peers(reply(b'{"a": 1}'))

    async def main() -> None:
        async with AsyncHttpClient() as client, client.stream(peer.url) as response:
            with pytest.raises(RuntimeError, match=r"await response\.aread\(\) first"):
                ask(response)
            await response.aread()
            assert ask(response)

    asyncio.run(main())


@pytest.mark.parametrize(
    "ask", ASKED, ids=["text", "json", "content", "body", "as_text", "to_json"]
)
def test_part_of_a_body_is_not_taken_for_the_whole(opened: Any, url: str, ask: Any) -> None:
    with opened(url) as reading:
        next(reading.lines())
        with pytest.raises(RuntimeError, match=r"read\(\) returns the rest"):
            ask(reading.response)
        assert reading.read() == b"second line\r\n\r\nlast line"
        with pytest.raises(RuntimeError, match="given by an iterator"):
            ask(reading.response)
    with pytest.raises(RuntimeError, match="given by an iterator"):
        ask(reading.response)


def test_what_was_iterated_over_is_not_kept(opened: Any, url: str) -> None:
    with opened(url) as reading:
        assert b"".join(reading.bytes()) == BODY
        for _ in range(2):
            with pytest.raises(RuntimeError, match="given by an iterator"):
                assert reading.response.text
            assert reading.read() == b""


def test_the_rest_of_a_body_is_empty_after_the_block_too(client: HttpClient, url: str) -> None:
    with client.stream(url) as response:
        next(response.iter_lines())
        response.read()
    assert response.read() == b""


def test_a_stream_that_was_closed_unread_says_so(opened: Any, peers: Any, reply: Any) -> None:
    peer = peers(reply(bytes(5_000_000)))
    with opened(peer.url) as reading:
        pass
    with pytest.raises(ValueError, match="stream is closed"):
        assert reading.response.text


def test_an_error_of_a_stream_has_its_body(opened: Any, peers: Any, reply: Any) -> None:
    peer = peers(reply(b'{"error": "why"}', "422 No", "Content-Type: application/json"))
    with HttpClient() as client:  # noqa: SIM117 - the exception leaves the stream's context
        with pytest.raises(HttpStatusError) as caught:
            with client.stream(peer.url) as response:
                response.raise_for_status()
    assert caught.value.response.json() == {"error": "why"}

    async def main() -> None:
        async with AsyncHttpClient() as client, client.stream(peer.url) as response:
            response.raise_for_status()

    with pytest.raises(HttpStatusError) as caught:
        asyncio.run(main())
    assert caught.value.response.json() == {"error": "why"}


def test_an_error_on_asyncio_says_how_its_body_is_received(peers: Any, reply: Any) -> None:
    peer = peers(reply(b"why", "422 No"))

    async def main() -> None:
        async with AsyncHttpClient() as client, client.stream(peer.url) as response:
            with pytest.raises(HttpStatusError) as caught:
                response.raise_for_status()
            with pytest.raises(RuntimeError, match="aread"):
                assert caught.value.response.text
            assert await caught.value.response.aread() == b"why"

    asyncio.run(main())


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_of_a_long_error_the_beginning_is_kept_and_all_can_be_read(
    client: HttpClient, peers: Any, reply: Any, coding: str
) -> None:
    body = b"0123456789" * 500_000
    coded = gzip.compress(body, 1) if coding == "gzip" else body
    peer = peers(reply(coded, "500 No", f"Content-Encoding: {coding}"))
    with client.stream(peer.url) as response:
        with pytest.raises(HttpStatusError) as caught:
            response.raise_for_status()
        beginning = caught.value.response.body
        assert (len(beginning), body.startswith(beginning)) == (65536, True)
        assert b"".join(response.iter_bytes()) == body
    with pytest.raises(HttpStatusError) as caught, client.stream(peer.url) as response:
        response.raise_for_status()
    assert caught.value.response.body == beginning


@pytest.mark.parametrize("opening", ["plain", "asyncio"])
@pytest.mark.parametrize("coding", [b"", b"Content-Encoding: gzip\r\n"], ids=["identity", "gzip"])
def test_an_error_whose_body_does_not_end_is_raised_all_the_same(
    peers: Any, opening: str, coding: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bladehttp._message.response.EXCERPT_SECONDS", 0.2)
    monkeypatch.setattr("bladehttp.client._asyncio.streams.EXCERPT_SECONDS", 0.2)
    part = gzip.compress(b"why")[:-8] if coding else b"why"
    head = b"HTTP/1.1 503 No\r\n" + coding + b"Content-Length: 99\r\n\r\n"
    peer = peers(head + part)

    def fail() -> None:
        with HttpClient() as client, client.stream(peer.url) as response:
            response.raise_for_status()

    async def afail() -> None:
        async with AsyncHttpClient() as client, client.stream(peer.url) as response:
            response.raise_for_status()

    began = time.monotonic()
    with pytest.raises(HttpStatusError) as caught:
        fail() if opening == "plain" else asyncio.run(afail())
    assert 0.1 < time.monotonic() - began < 1.5
    assert caught.value.response.body == b"why"


def test_a_stream_is_read_on_after_an_error_that_came_slowly(
    client: HttpClient, peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bladehttp._message.response.EXCERPT_SECONDS", 0.05)
    go_on = threading.Event()

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 503 No\r\nContent-Length: 6\r\n\r\none")
        go_on.wait(10)
        connection.send(b"two")
        connection.read_request()

    with client.stream(peers.raw(handle).url, total_timeout=5000) as response:
        with pytest.raises(HttpStatusError) as caught:
            response.raise_for_status()
        assert caught.value.response.body == b"one"
        go_on.set()
        assert response.read() == b"onetwo"


def test_a_hook_can_read_the_body_of_a_stream(client: HttpClient, peers: Any, reply: Any) -> None:
    texts: list[str] = []
    client.on_response = [lambda _, response: texts.append(response.text)]
    peer = peers(reply(gzip.compress(b"all of it"), "200 OK", "Content-Encoding: gzip"))
    for _ in range(2):
        with client.stream(peer.url, total_timeout=5000) as response:
            assert (response.text, response.read()) == ("all of it", b"all of it")
    assert (texts, peer.connections) == (["all of it"] * 2, 1)


def test_an_error_that_a_hook_raises_has_its_body(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    client.on_response = [lambda _, response: response.raise_for_status()]
    peer = peers(reply(b"why", "500 No"))
    with pytest.raises(HttpStatusError) as caught, client.stream(peer.url):
        pass
    assert caught.value.response.text == "why"


def test_a_hook_on_asyncio_is_told_what_to_await(peers: Any, reply: Any) -> None:
    peer = peers(reply(b"why", "500 No"))

    async def main() -> None:
        hooks = [lambda _, response: response.text]
        async with AsyncHttpClient(on_response=hooks) as client:
            with pytest.raises(RuntimeError, match="aread"):
                async with client.stream(peer.url):
                    pass

    asyncio.run(main())


# A response as data


@pytest.mark.parametrize("lines", [0, 1], ids=["all", "the rest"])
def test_a_stream_is_sent_on_as_it_comes(
    client: HttpClient, peers: Any, url: str, lines: int
) -> None:
    to = peers()
    rest = BODY if not lines else BODY[12:]
    with client.stream(url) as response:
        for _ in range(lines):
            next(response.iter_lines())
        assert client.post(to.url, response).body == b"ok"
    assert to.last.body == rest
    assert client.post(to.url, client.get(url)).body == b"ok"
    assert (to.last.body, to.last.get("Content-Length")) == (BODY, str(len(BODY)))

    async def main() -> None:
        async with AsyncHttpClient() as aclient, aclient.stream(url) as response:
            for _ in range(lines):
                await anext(response.aiter_lines())
            assert (await aclient.post(to.url, response)).body == b"ok"
            assert (await aclient.post(to.url, await aclient.get(url))).body == b"ok"

    asyncio.run(main())
    assert [seen.body for seen in to.requests[-2:]] == [rest, BODY]


# Lines

NO_ENDS = "a\x85b\u2028c\x0bd\x0ce\x1cf\u2029g"


@pytest.mark.parametrize(
    ("body", "charset", "lines"),
    [
        (b"a\rb\r\rc", "", ["a", "b", "", "c"]),
        (b"a\r\nb\n\rc\r", "", ["a", "b", "", "c"]),
        (f"{NO_ENDS}\n".encode(), "", [NO_ENDS]),
        (b"\xef\xbb\xbfa\nb", "", ["a", "b"]),
        (b"\xef\xbb\xbf\xc3\xa9\n", "iso-8859-1", ["é"]),
        ("\ufeffa\r\n€\n".encode("utf-16-le"), "utf-8", ["a", "€"]),
        ("\ufeffa\r\n€\n".encode("utf-16-be"), "", ["a", "€"]),
        ("a\r\n\u0a0d\u0d0a".encode("utf-16-le"), "utf-16", ["a", "\u0a0d\u0d0a"]),
        (b"\xef\xbb", "", ["\ufffd"]),
        (b"\xef", "", ["\ufffd"]),
        (b"\xef\xbb\xbf", "", []),
        ("日本\n語".encode("cp932"), "x-sjis", ["日本", "語"]),
    ],
    ids=["CR", "mixed", "others", "BOM", "BOM and label", "UTF-16LE", "UTF-16BE", "not ends",
         "no BOM", "one byte", "BOM only", "x-sjis"],
)  # fmt: skip
def test_line_ends_and_byte_order_marks(
    opened: Any, peers: Any, reply: Any, body: bytes, charset: str, lines: list[str]
) -> None:
    kind = f"Content-Type: text/plain; charset={charset}" if charset else "X: y"
    head = f"HTTP/1.1 200 OK\r\n{kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    for answer in (reply(body, "200 OK", kind), head + chunks + b"0\r\n\r\n"):
        with opened(peers(answer).url) as reading:
            assert list(reading.lines()) == lines


def test_a_line_that_ends_in_cr_is_given_at_once(opened: Any, peers: Any) -> None:
    go_on = threading.Event()

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\r\r\n")
        go_on.wait(10)
        connection.send(b"4\r\n\ntwo\r\n0\r\n\r\n")
        connection.read_request()

    with opened(peers.raw(handle).url) as reading:
        lines = reading.lines()
        assert next(lines) == "one"
        go_on.set()
        assert list(lines) == ["two"]
