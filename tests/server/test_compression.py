"""Compressed responses: which ones, for whom, and that they mean the same."""

import gzip
import os
import random
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from server_doors import DOORS, ask
from support import Raw, Response

import bladehttp as http
from bladehttp.server import HttpServer, compress

TEXT = b"a line of text that comes again and again\n" * 100
GZIP = "Accept-Encoding: gzip"


def server_of(answer: Callable[..., object], **options: Any) -> HttpServer:
    server = HttpServer(0)
    server.after_request(compress(**options))
    server.handle("GET", "/", answer)
    return server


def plain(request, response):
    response.content_type("text/plain")
    response.write(TEXT)


def streamed(request, response):
    response.content_type("text/plain")
    response.stream(TEXT[place : place + 100] for place in range(0, len(TEXT), 100))


def long(request, response):
    response.content_type("application/json")
    response.write(TEXT * 100)


def by_channel(request, response):
    response.content_type("text/plain")
    with response.channel() as channel:
        channel.write(TEXT[:1000])
        channel.write(TEXT[1000:])


def decoded(response: Response) -> bytes:
    coding = response.header.get("content-encoding")
    if coding == "gzip":
        return gzip.decompress(response.body)
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(response.body)
    return response.body


@pytest.mark.parametrize("door", DOORS.values(), ids=list(DOORS))
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize(
    ("answer", "body"),
    [(plain, TEXT), (streamed, TEXT), (long, TEXT * 100), (by_channel, TEXT)],
    ids=["whole", "stream", "long", "channel"],
)
def test_a_client_that_accepts_it_gets_fewer_bytes_of_the_same(door, coding, answer, body):
    with door(server_of(answer)) as port:
        response = ask(port, "/", f"Accept-Encoding: {coding}")
    assert response.header["content-encoding"] == coding
    assert response.header["vary"] == "Accept-Encoding"
    assert (decoded(response), len(response.body) < len(body) / 5) == (body, True)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_long_body_is_framed_as_the_client_knows_it(version):
    with server_of(long) as server, Raw(server.port) as client:
        client.send(f"GET / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n{GZIP}\r\n\r\n")
        response = client.response()
    assert decoded(response) == TEXT * 100


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP;Q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, *", "zstd"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("gzip, zstd", "zstd"),
        ("gzip;q=1, zstd;q=0.9", "gzip"),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0, gzip", "gzip"),
        ("gzip;q=2", None),
        ("gzip, , ;q=1, é", "gzip"),
    ],
)
def test_the_coding_is_the_one_the_client_prefers(accepted, coding):
    fields = [] if accepted is None else [f"Accept-Encoding: {accepted}"]
    with server_of(plain) as server:
        response = ask(server.port, "/", *fields)
    assert response.header.get("content-encoding") == coding
    assert (decoded(response), response.header["vary"]) == (TEXT, "Accept-Encoding")


def with_fields(status=200, body=TEXT, **fields):
    def answer(request, response):
        response.status = status
        response.content_type("text/plain")
        for name, value in fields.items():
            response.headers[name.replace("_", "-")] = value
        response.write(body)

    return answer


def events(request, response):
    with response.events() as stream:
        stream.send("x" * 2000)


@pytest.mark.parametrize(
    "answer",
    [
        with_fields(body=b"x" * 1023),
        with_fields(Content_Type="image/png"),
        with_fields(Content_Type="application/zip"),
        with_fields(Content_Encoding="br"),
        with_fields(206, Content_Range="bytes 0-4199/9999"),
        with_fields(Cache_Control="public, No-Transform"),
        with_fields(Content_Digest="sha-256=:AAAA:"),
        with_fields(Content_Type="text/event-stream"),
        events,
    ],
    ids="short image zip coded part no-transform digest event-type events".split(),
)
def test_what_has_nothing_to_gain_or_to_lose_something_stays(answer):
    with server_of(answer) as server:
        response = ask(server.port, "/", GZIP)
    assert response.header.get("content-encoding") in (None, "br")
    assert "vary" not in response.header


@pytest.mark.parametrize(
    ("given", "sent"),
    [('"a"', 'W/"a"'), ('W/"a"', 'W/"a"')],
    ids=["strong", "weak"],
)
def test_a_compressed_response_has_a_weak_tag_and_no_ranges(given, sent):
    fields = {"ETag": given, "Accept-Ranges": "bytes", "Content-Length": str(len(TEXT))}
    with server_of(with_fields(Vary="Cookie", **fields)) as server:
        response = ask(server.port, "/", GZIP)
        assert ask(server.port, "/").header["etag"] == given
    assert (response.header["etag"], response.header["vary"]) == (sent, "Cookie, Accept-Encoding")
    assert "accept-ranges" not in response.header
    assert int(response.header["content-length"]) == len(response.body)


@pytest.mark.parametrize("answer", [plain, streamed, long], ids=["whole", "stream", "long"])
def test_head_has_the_fields_of_get(answer):
    with server_of(answer) as server:
        got, head = ask(server.port, "/", GZIP), ask(server.port, "/", GZIP, method="HEAD")
    assert head.body == b""
    apart = {"date", "transfer-encoding"}  # RFC 9112 section 6.1: HEAD need not have the latter
    fields = [{k: v for k, v in each.header.items() if k not in apart} for each in (got, head)]
    assert fields[0] == fields[1]


def test_head_with_a_length_alone_announces_no_wrong_one():
    server = HttpServer(0)
    server.after_request(compress())
    server.handle("HEAD", "/", with_fields(body=b"", Content_Length="5000"))
    with server:
        response = ask(server.port, "/", GZIP, method="HEAD")
    assert (response.header["content-encoding"], response.body) == ("gzip", b"")
    assert "content-length" not in response.header


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body_stays_without(status):
    with server_of(with_fields(status, body=b"", ETag='"a"')) as server:
        response = ask(server.port, "/", GZIP)
    assert (response.status, response.header["etag"]) == (status, '"a"')
    assert "content-encoding" not in response.header
    assert response.header.get("vary") == (None if status == 204 else "Accept-Encoding")


def test_files_are_compressed_whole_and_sent_in_part_as_they_are(tmp_path):
    (tmp_path / "a.txt").write_bytes(TEXT)
    (tmp_path / "short.txt").write_bytes(b"short")
    (tmp_path / "a.png").write_bytes(TEXT)
    server = HttpServer(0)
    server.after_request(compress())
    server.serve_files("/", tmp_path)
    with server:
        whole = ask(server.port, "/a.txt", GZIP)
        part = ask(server.port, "/a.txt", GZIP, "Range: bytes=2-5")
        again = ask(server.port, "/a.txt", GZIP, f"If-None-Match: {whole.header['etag']}")
        others = [ask(server.port, path, GZIP) for path in ("/short.txt", "/a.png")]
    assert (decoded(whole), whole.header["content-encoding"]) == (TEXT, "gzip")
    assert (part.status, part.body) == (206, TEXT[2:6])
    assert again.status == 304
    assert ["content-encoding" in each.header for each in others] == [False, False]


class Inflating:
    """Reads a chunked gzip body as it comes."""

    def __init__(self, client: Raw) -> None:
        self.client = client
        self.inflate = zlib.decompressobj(31)

    def chunk(self) -> bytes | None:
        size = int(self.client.line(), 16)
        data = self.client.take(size)
        assert self.client.line() == b""
        return self.inflate.decompress(data) if size else None

    def until(self, count: int) -> bytes:
        text = b""
        while len(text) < count:
            text += self.chunk() or b""
        return text


def test_a_stream_arrives_chunk_by_chunk(serve, connect):
    channels = []

    def answer(request, response):
        response.content_type("text/plain")
        channels.append(response.channel())
        channels[0].write("first")

    server = serve()
    server.after_request(compress())
    server.handle("GET", "/", answer)
    client = connect(server).get("/", GZIP)
    while client.line():
        pass
    body = Inflating(client)
    assert body.until(5) == b"first"
    channels[0].write("second")
    assert body.until(6) == b"second"
    channels[0].close()
    while body.chunk() is not None:
        pass
    assert body.inflate.eof


def test_a_stream_that_fails_before_its_first_chunk_is_500():
    def answer(request, response):
        response.content_type("text/plain")
        response.stream(1 // 0 for _ in range(1))

    with server_of(answer) as server:
        response = ask(server.port, "/", GZIP)
    assert (response.status, response.body) == (500, b"500 - Internal Server Error.")


def test_a_stream_that_fails_later_does_not_look_complete():
    def chunks():
        yield TEXT
        raise ValueError("in the middle")

    def answer(request, response):
        response.content_type("text/plain")
        response.stream(chunks())

    with server_of(answer) as server:
        url = server.url
        with http.HttpClient(accept_encoding="gzip") as client, pytest.raises(http.HttpException):
            client.get(url)


def test_the_source_of_a_stream_is_closed_when_the_client_leaves(serve, connect):
    closed = threading.Event()

    def chunks():
        try:
            while True:
                yield os.urandom(1 << 16)
        finally:
            closed.set()

    def answer(request, response):
        response.content_type("text/plain")
        response.stream(chunks())

    server = serve()
    server.after_request(compress())
    server.handle("GET", "/", answer)
    client = connect(server).get("/", GZIP)
    assert client.line() == b"HTTP/1.1 200 OK"
    client.close()
    assert closed.wait(10)


HARD = random.Random(7).randbytes(1_500_000).hex().encode()  # costs most time


def hard_body(kind, path):
    def answer(request, response):
        response.content_type("text/plain")
        if kind == "stream":
            response.stream(HARD[at : at + 500_000] for at in range(0, len(HARD), 500_000))
        elif kind == "file":
            response.file(path)
        else:
            response.write(HARD)

    return answer


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("kind", ["whole", "file", "stream"])
def test_a_long_body_keeps_no_other_client_waiting(tmp_path, kind):
    (tmp_path / "a.txt").write_bytes(HARD)
    turns = []
    with server_of(hard_body(kind, tmp_path / "a.txt")) as server:
        loop = server._runtime.loop
        step = loop.step

        def timed(timeout):
            begun = time.thread_time()
            step(timeout)
            turns.append(time.thread_time() - begun)

        server.call_soon(lambda: setattr(loop, "step", timed))
        response = ask(server.port, "/", GZIP)
    assert decoded(response) == HARD
    assert max(turns) < 0.05
    assert len(turns) > 5


def test_types_and_sizes_can_be_told():
    answer = with_fields(body=b"x" * 20, Content_Type="image/x-portable; a=b")
    with server_of(answer, min_size=10, types=["image/*"]) as server:
        assert ask(server.port, "/", GZIP).header["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"codings": ["br"]}, ValueError, "coding is zstd or gzip, not 'br'"),
        ({"min_size": "1"}, TypeError, "min_size is bytes"),
        ({"min_size": -1}, ValueError, "min_size is 0 or more"),
        ({"types": [b"text/*"]}, TypeError, "types are str"),
        ({"codings": []}, ValueError, "needs a coding"),
    ],
)
def test_an_argument_that_has_no_meaning_is_an_error(options, error, said):
    with pytest.raises(error, match=said):
        compress(**options)
