"""WSGI applications below a path: PEP 3333 from the server's side."""

import asyncio
import gzip
import io
import logging
import socket
import sys
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from wsgiref.validate import validator

import flask
import pytest
from server_doors import DOORS, ask
from support import Raw, wait_until
from werkzeug.wrappers import Request as WerkzeugRequest, Response as WerkzeugResponse

import bladehttp as http
from bladehttp.server import HttpServer, compress

PATIENCE = 10
TEXT = [("Content-Type", "text/plain")]


def hello(environ, start_response):
    start_response("200 OK", [*TEXT])
    return [environ["SCRIPT_NAME"].encode(), b"|", environ["PATH_INFO"].encode("latin-1")]


@pytest.fixture(params=DOORS.values(), ids=list(DOORS))
def at(request):
    """Mount an application at "/" behind each door, checked by wsgiref; returns the port."""
    opened = []

    def start(application, path="/", *, checks=True, **options) -> int:
        server = HttpServer(0, **options)
        server.mount(path, validator(application) if checks else application)
        opened.append(request.param(server))
        return opened[-1].__enter__()

    yield start
    for context in opened:
        context.__exit__(None, None, None)


@contextmanager
def mounted(application, **options):
    server = HttpServer(0, **options)
    server.mount("/", application)
    with server:
        yield server


# Where it is


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [
        ("/", "/", b"|/"),
        ("/", "/a/b?c", b"|/a/b"),
        ("/shop", "/shop", b"/shop|"),
        ("/shop/", "/shop/", b"/shop|/"),
        ("/shop", "/shop/a//b/", b"/shop|/a//b/"),
        ("/shop", "/shop/%C3%A9%2Fx%FF", b"/shop|/\xc3\xa9/x\xff"),
        ("/shop", "/sh%6Fp/a", b"/shop|/a"),
        ("/shop/eu", "/shop/eu/a", b"/shop/eu|/a"),
        ("/shop", "/shopping", None),
        ("/shop", "/", None),
    ],
)
def test_the_path_is_divided_into_two(at, path, asked, expected):
    def application(environ, start_response):
        start_response("200 OK", [*TEXT])
        names = environ["SCRIPT_NAME"], environ.get("PATH_INFO", "")
        return ["|".join(names).encode("latin-1")]

    answer = ask(at(application, path), asked)
    assert (answer.status, answer.body) == (
        (200, expected) if expected is not None else (404, b"404 - Not Found.")
    )


def test_other_routes_and_longer_mounts_come_first(tmp_path):
    (tmp_path / "a.txt").write_text("file")
    server = HttpServer(0)
    server.mount("/", hello)
    server.mount("/shop", hello)
    server.handle("GET", "/shop/page", lambda request, response: response.write("page"))
    server.handle("GET", "/", lambda request, response: response.write("root"))
    server.serve_files("/static", tmp_path)
    with server:
        paths = ["/", "/x", "/shop", "/shop/a", "/shop/page", "/static/a.txt"]
        bodies = [ask(server.port, path).body for path in paths]
        assert bodies == [b"root", b"|/x", b"/shop|", b"/shop|/a", b"page", b"file"]
        assert ask(server.port, "/shop/page", method="POST").body == b"/shop|/page"
        assert ask(server.port, "/shop/page", method="HEAD").header["content-length"] == "4"
        assert ask(server.port, "/shop/x", method="OPTIONS").body == b"/shop|/x"


@pytest.mark.parametrize("first", ["files", "mount"])
def test_two_for_the_same_paths_are_an_error(tmp_path, first):
    server = HttpServer(0)
    steps = [lambda: server.serve_files("/a", tmp_path), lambda: server.mount("/a", hello)]
    steps[first == "mount"]()
    for step in steps:
        with pytest.raises(ValueError, match="has a handler already"):
            step()


class Asgi:
    async def __call__(self, scope, receive, send):
        pass


@pytest.mark.parametrize(
    ("path", "application", "options", "error", "said"),
    [
        ("/", None, {}, TypeError, "a callable, not NoneType"),
        ("/", HttpServer(0), {}, TypeError, "its property wsgi"),
        ("/", Asgi(), {}, TypeError, "is a coroutine function"),
        ("/", lambda: 1, {}, TypeError, "mount takes a function of 2 arguments"),
        ("/", lambda environ: 1, {}, TypeError, "mount takes a function of 2 arguments"),
        ("/{a}", hello, {}, ValueError, "no parameters"),
        ("/<a>", hello, {}, ValueError, "is {a}, not '<a>'"),
        ("a", hello, {}, ValueError, "begins with '/'"),
        ("/", hello, {"handler_timeout": -1}, ValueError, "at least 0"),
    ],
)
def test_what_cannot_be_mounted_is_an_error(path, application, options, error, said):
    with pytest.raises(error, match=said):
        HttpServer(0).mount(path, application, **options)


class OfTwo:
    """An application that is a class: an instance is the iterable of a response."""

    def __init__(self, environ, start_response):
        start_response("200 OK", [*TEXT])

    def __iter__(self):
        yield b"made"


def generated(environ, start_response):
    start_response("200 OK", [*TEXT])
    yield b"made"


@WerkzeugRequest.application
def wrapped(request):
    return WerkzeugResponse("made")


@pytest.mark.parametrize("application", [OfTwo, generated, wrapped])
def test_an_application_may_be_any_callable_of_two_arguments(application):
    with HttpServer(0) as server:
        server.mount("/", application)
        assert ask(server.port).body == b"made"


# The environment


def test_the_environment_is_that_of_the_request(at):
    found = {}

    def application(environ, start_response):
        found.update(environ)
        start_response("200 OK", [*TEXT])
        return [environ["wsgi.input"].read(5)]

    port = at(application, "/a")
    fields = ("Cookie: a=1", "X-Twice: 1", "X-Twice: 2", "Content-Type: text/x", "Cookie: b=2")
    assert ask(port, "/a/b?c=%20d", *fields, method="POST", body="hello").body == b"hello"
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/a",
        "PATH_INFO": "/b",
        "QUERY_STRING": "c=%20d",
        "REQUEST_URI": "/a/b?c=%20d",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_COOKIE": "a=1; b=2",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "5",
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["HTTP_X_TWICE"].replace(" ", "") == "1,2"
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"} & set(found)


@pytest.mark.parametrize("target", ["/", "/a", "/a/evil.example/b"])
def test_a_request_without_host_has_none_in_the_environment(at, target):
    found = {}

    def application(environ, start_response):
        found.update(environ)
        start_response("200 OK", [*TEXT])
        return [environ["PATH_INFO"].encode()]

    with Raw(at(application)) as client:
        client.send(f"GET {target} HTTP/1.0\r\n\r\n")  # HAProxy's httpchk asks so
        answer = client.response()
    assert (answer.status, answer.body) == (200, target.encode())
    assert "HTTP_HOST" not in found


def test_a_name_with_an_underscore_cannot_stand_for_another():
    found = {}

    def application(environ, start_response):
        found.update(environ)
        start_response("204 No Content", [])
        return []

    with mounted(application) as server:
        ask(server.port, "/", "X_Real_IP: 6.6.6.6", "X-Real-IP: 1.1.1.1", "Content_Length: 9")
    assert (found["HTTP_X_REAL_IP"], "CONTENT_LENGTH" in found) == ("1.1.1.1", False)


def test_behind_a_trusted_proxy_it_is_the_clients():
    found = {}

    def application(environ, start_response):
        found.update(environ)
        start_response("204 No Content", [])
        return []

    fields = {"For": "9.9.9.9", "Proto": "https", "Host": "shop.example"}
    with mounted(application, trusted_proxies=["127.0.0.1"]) as server:
        ask(server.port, "/", *(f"X-Forwarded-{name}: {value}" for name, value in fields.items()))
    names = ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST")
    assert [found[name] for name in names] == ["9.9.9.9", "https", "shop.example"]


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "length"])
def test_a_long_body_is_read_from_the_spool(chunked):
    line = b"x" * 99 + b"\n"

    def application(environ, start_response):
        source = environ["wsgi.input"]
        counted = [len(source.readline()), len(source.readlines(200)), sum(map(len, source))]
        start_response("200 OK", [*TEXT])
        return [f"{counted} {environ['CONTENT_LENGTH']}".encode()]

    with mounted(validator(application), spool_size=1000) as server, http.HttpClient() as client:
        data = iter([line] * 3000) if chunked else line * 3000
        answer = client.post(server.url, data)
    assert answer.text == "[100, 3, 299600] 300000"


def test_a_decoded_body_is_not_announced_as_encoded():
    def application(environ, start_response):
        start_response("200 OK", [*TEXT])
        length, coding = environ["CONTENT_LENGTH"], environ["HTTP_CONTENT_ENCODING"]
        return [f"{length} {coding} ".encode(), environ["wsgi.input"].read()]

    packed = gzip.compress(b"plain text")
    with mounted(application, decode_request_body=True) as server, http.HttpClient() as client:
        answer = client.post(server.url, packed, headers={"Content-Encoding": "gzip"})
    assert answer.body == b"10 identity plain text"


def test_errors_go_to_the_log(caplog):
    def application(environ, start_response):
        print("one\ntwo", end="", file=environ["wsgi.errors"])
        environ["wsgi.errors"].writelines(["!\n", "three"])
        start_response("204 No Content", [])
        return []

    with caplog.at_level(logging.ERROR, "bladehttp.server.wsgi"), mounted(application) as server:
        ask(server.port, "/a")
    assert [each.getMessage() for each in caplog.records] == [
        "GET /a: one",
        "GET /a: two!",
        "GET /a: three",
    ]


# The response


def test_status_headers_and_body_are_the_applications(at):
    def application(environ, start_response):
        cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        start_response("418 Short and stout", [("X-A", "é"), *cookies, ("Content-Type", "a/b")])
        return [b"tea", b"", b"pot"]

    answer = ask(at(application, checks=False))
    assert (answer.status, answer.reason, answer.body) == (418, "Short and stout", b"teapot")
    named = [(name, value) for name, value in answer.fields if name in {"X-A", "Set-Cookie"}]
    assert named == [("X-A", "é"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    assert answer.header["content-length"] == "6"
    assert answer.header["content-type"] == "a/b"


class Closing:
    """Chunks that tell whether they were closed."""

    def __init__(self, chunks):
        self.chunks = iter(chunks)
        self.closed = threading.Event()

    def __iter__(self):
        return self.chunks

    def close(self):
        self.closed.set()


def answer_with(chunks, status="200 OK", fields=TEXT):
    def application(environ, start_response):
        start_response(status, [*fields])
        return chunks

    return application


@pytest.mark.parametrize(
    ("status", "fields", "length"),
    [
        ("204 No Content", [], None),
        ("304 Not Modified", [("ETag", '"a"')], None),
        ("302 Found", [("Location", "/x"), ("Content-Length", "0")], "0"),
    ],
)
def test_a_response_without_a_body_has_none_and_no_type(status, fields, length):
    chunks = Closing([])
    with mounted(answer_with(chunks, status, fields)) as server:
        answer = ask(server.port)
    assert f"{answer.status} {answer.reason}" == status
    assert (answer.body, answer.header.get("content-length")) == (b"", length)
    assert "content-type" not in answer.header
    assert chunks.closed.wait(PATIENCE)


@pytest.mark.parametrize(
    ("chunks", "declared", "length"),
    [
        ([b"12345"], [], "5"),
        (lambda: iter([b"12345"]), [("Content-Length", "5")], "5"),
        (lambda: iter([]), [("Content-Length", "5")], "5"),
        (lambda: iter([]), [], None),
        (lambda: iter([b"1", b"2"]), [], None),
    ],
    ids=["list", "declared", "length-alone", "nothing", "stream"],
)
def test_head_announces_what_get_would_have(chunks, declared, length):
    def application(environ, start_response):
        start_response("200 OK", [*TEXT, *declared])
        return chunks() if callable(chunks) else chunks

    with mounted(application) as server:
        answer = ask(server.port, method="HEAD")
    assert (answer.status, answer.body, answer.header.get("content-length")) == (200, b"", length)


def test_chunks_are_sent_as_they_are_made(serve, connect):
    go = threading.Event()

    def chunks():
        yield b""
        yield b"first"
        assert go.wait(PATIENCE)
        yield b"second"

    server = serve()
    source = Closing(chunks())
    server.mount("/", answer_with(source))
    client = connect(server).get()
    while client.line():
        pass
    assert (client.line(), client.take(7)) == (b"5", b"first\r\n")
    go.set()
    assert (client.line(), client.take(8), client.line()) == (b"6", b"second\r\n", b"0")
    assert source.closed.wait(PATIENCE)


def test_what_write_is_given_comes_first(at):
    def application(environ, start_response):
        write = start_response("200 OK", [*TEXT])
        write(b"one ")
        write(b"two ")
        return iter([b"three"])

    assert ask(at(application)).body == b"one two three"


def test_write_is_sent_before_the_application_returns(serve, connect):
    go = threading.Event()

    def application(environ, start_response):
        start_response("200 OK", [*TEXT])(b"first")
        assert go.wait(PATIENCE)
        return []

    server = serve()
    server.mount("/", application)
    client = connect(server).get()
    while client.line():
        pass
    assert (client.line(), client.take(7)) == (b"5", b"first\r\n")
    go.set()
    assert client.line() == b"0"


def test_a_client_that_does_not_read_holds_the_application_back(serve, connect):
    made = []

    def chunks():
        for number in range(4000):
            made.append(number)
            yield b"x" * 10_000

    server = serve(write_timeout=0)
    source = Closing(chunks())
    server.mount("/", answer_with(source))
    server.handle("GET", "/now", lambda request, response: response.write("now"))
    client = connect(server)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.get()
    count = 0
    while not made or len(made) != count:  # until it stands still
        count = len(made)
        for _ in range(20):
            assert ask(server.port, "/now").body == b"now"
    assert 0 < count < 2000
    client.close()
    assert source.closed.wait(PATIENCE)
    assert len(made) < 2000


def test_a_client_that_leaves_ends_write_too(serve, connect, caplog):
    left = threading.Event()

    def application(environ, start_response):
        write = start_response("200 OK", [*TEXT])
        try:
            while True:
                write(b"x" * 100_000)
        except ConnectionAbortedError:
            left.set()
            raise

    server = serve()
    told = []
    server.on_error(lambda error, sock: told.append(error))
    server.mount("/", application)
    client = connect(server).get()
    client.line()
    client.close()
    assert left.wait(PATIENCE)
    server.close()
    assert (told, [each for each in caplog.records if each.levelno >= logging.ERROR]) == ([], [])


@pytest.mark.parametrize("kind", ["file", "gzip", "memory"])
def test_a_file_is_wrapped(at, tmp_path, kind):
    (tmp_path / "a").write_bytes(b"0123456789" * 20_000)
    with gzip.open(tmp_path / "a.gz", "wb") as file:
        file.write(b"0123456789" * 20_000)
    closed = []
    opened = {
        "file": partial((tmp_path / "a").open, "rb"),
        "gzip": partial(gzip.open, tmp_path / "a.gz"),
        "memory": partial(io.BytesIO, b"0123456789" * 20_000),
    }

    def application(environ, start_response):
        source = opened[kind]()
        source.seek(5)
        closed.append(source)
        start_response("200 OK", [*TEXT])
        return environ["wsgi.file_wrapper"](source)

    answer = ask(at(application, checks=False))
    assert answer.body == (b"0123456789" * 20_000)[5:]
    assert ("content-length" in answer.header) == (kind == "file")
    wait_until(lambda: closed[0].closed)


def test_callbacks_and_compression_are_around_it():
    server = HttpServer(0)
    server.before_request(lambda request, response: response.headers.update({"X-Before": "1"}))
    server.after_request(compress())
    server.mount("/", answer_with(iter([b"x" * 2000, b"y" * 2000])))
    with server, http.HttpClient() as client:
        answer = client.get(server.url)
    assert answer.body == b"x" * 2000 + b"y" * 2000
    assert {"X-Before", "Content-Encoding"} <= set(answer.headers)


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("door", DOORS.values(), ids=list(DOORS))
def test_a_coroutine_guards_an_application(door, streams):
    async def guard(request, response):
        await asyncio.sleep(0)
        if request.path == "/closed":
            http.abort(401)

    chunks = [b"one ", b"two"]
    server = HttpServer(0)
    server.before_request(guard)
    server.mount("/", answer_with(iter(chunks) if streams else chunks))
    with door(server) as port:
        assert (ask(port).body, ask(port, "/closed").status) == (b"one two", 401)
    server.close()


def test_a_server_is_an_application_below_another():
    inner = HttpServer(0)
    inner.handle("GET", "/x", lambda request, response: response.write(request.request_uri))
    outer = HttpServer(0)
    outer.mount("/api", validator(inner.wsgi))
    with outer:
        assert ask(outer.port, "/api/x").body == b"/api/x"
        assert ask(outer.port, "/api/y").status == 404


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/files//a//b.txt", "/api/v%201/files/a/b.txt"),
        ("/files/a", "a/"),
    ],
)
def test_redirects_of_its_files_lead_to_the_same_place(tmp_path, path, location):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("file")
    inner, middle, outer = (HttpServer(0) for _ in range(3))
    inner.serve_files("/files", tmp_path)
    middle.mount("/v 1", inner.wsgi)
    outer.mount("/api", middle.wsgi)
    with outer:
        answer = ask(outer.port, f"/api/v%201{path}")
        assert (answer.status, answer.header["location"]) == (301, location)


# What goes wrong


def fails(environ, start_response):
    raise LookupError("mine")


def fails_late(environ, start_response):
    start_response("200 OK", [*TEXT])
    raise LookupError("mine")


def fails_in_the_first_chunk(environ, start_response):
    start_response("200 OK", [*TEXT])
    return (b"%d" % (1 // number) for number in range(1))


def never_starts(environ, start_response):
    return [b"x"]


def starts_twice(environ, start_response):
    start_response("200 OK", [*TEXT])
    start_response("200 OK", [*TEXT])
    return []


def yields_text(environ, start_response):
    start_response("200 OK", [*TEXT])
    return ["text"]


def starts_with(status, fields):
    return lambda environ, start_response: start_response(status, fields) and []


@pytest.mark.parametrize(
    "application",
    [
        fails,
        fails_late,
        fails_in_the_first_chunk,
        never_starts,
        starts_twice,
        yields_text,
        starts_with("200OK", TEXT),
        starts_with(200, TEXT),
        starts_with("100 Continue", TEXT),
        starts_with("200 OK\r\nX: y", TEXT),
        starts_with("200 OK", tuple(TEXT)),
        starts_with("200 OK", [("Connection", "close")]),
        starts_with("200 OK", [("Transfer-Encoding", "chunked")]),
        starts_with("200 OK", [("X-A", "a\r\nX-B: b")]),
        starts_with("200 OK", [("X A", "a")]),
        starts_with("200 OK", [("X-A", "\u20ac")]),
        starts_with("200 OK", [("X-A", b"a")]),
        lambda environ, start_response: None,
    ],
    ids=[
        *"raises raises-late raises-in-chunk never-starts starts-twice text".split(),
        *"status-form status-type informational status-injection tuple".split(),
        *"connection transfer-encoding injection name beyond-latin-1 bytes none".split(),
    ],
)
def test_a_broken_application_is_500_and_told_of(at, application):
    told = []

    server = HttpServer(0)
    server.on_error(lambda error, sock: told.append(error.request.path))
    server.mount("/", application)
    with server:
        answer = ask(server.port, "/a")
        assert ask(server.port, "/a").status == 500
    assert (answer.status, answer.body) == (500, b"500 - Internal Server Error.")
    assert told == ["/a", "/a"]


def test_exc_info_replaces_a_head_that_was_not_sent(at):
    def application(environ, start_response):
        start_response("200 OK", [*TEXT])
        try:
            int("mine")
        except ValueError:
            start_response("503 Sorry", [*TEXT], sys.exc_info())
        return [b"sorry"]

    answer = ask(at(application))
    assert (answer.status, answer.reason, answer.body) == (503, "Sorry", b"sorry")


def test_exc_info_after_the_head_is_raised_and_cuts_the_body():
    told = []

    def application(environ, start_response):
        start_response("200 OK", [*TEXT])(b"begun")
        try:
            int("mine")
        except ValueError:
            start_response("500 Sorry", [*TEXT], sys.exc_info())
        return [b"never"]

    with mounted(application) as server, Raw(server.port) as client:
        server.on_error(lambda error, sock: told.append(str(error)))
        data = client.get().read_all()
        wait_until(lambda: told)
    assert not data.endswith(b"0\r\n\r\n")
    assert told == ["invalid literal for int() with base 10: 'mine'"]


def test_an_error_between_chunks_cuts_the_body_and_closes_them():
    def chunks():
        yield b"begun"
        raise ValueError("mine")

    source, told = Closing(chunks()), []
    with mounted(answer_with(source)) as server, Raw(server.port) as client:
        server.on_error(lambda error, sock: told.append(str(error)))
        data = client.get().read_all()
        wait_until(lambda: told)
    assert (data.endswith(b"0\r\n\r\n"), told) == (False, ["mine"])
    assert source.closed.wait(PATIENCE)


@pytest.mark.parametrize("count", [4, 6], ids=["short", "long"])
def test_a_body_of_another_length_than_announced_cannot_look_complete(count):
    fields = [*TEXT, ("Content-Length", "5")]
    chunks = [b"x"] * count
    with mounted(answer_with(iter(chunks), fields=fields)) as server, Raw(server.port) as client:
        data = client.get().read_all()
    assert data.partition(b"\r\n\r\n")[2] in {b"x" * sent for sent in range(5)}


def by_write(environ, write):
    write(b"short")
    return []


def by_file(environ, write):
    return environ["wsgi.file_wrapper"](Path(environ["HTTP_X_FILE"]).open("rb"))


SHORT = {
    "list": lambda environ, write: [b"sho", b"rt"],
    "empty list": lambda environ, write: [],
    "chunks": lambda environ, write: iter([b"sho", b"rt"]),
    "chunk": lambda environ, write: iter([b"short"]),
    "no chunk": lambda environ, write: iter([]),
    "write": by_write,
    "file": by_file,
    "file in memory": lambda environ, write: environ["wsgi.file_wrapper"](io.BytesIO(b"short")),
    "large": lambda environ, write: iter([bytes(1 << 20)] * 3),
}
"""Ways to answer with less than announced."""

ANNOUNCED = 10_000_000


@pytest.mark.parametrize("way", SHORT.values(), ids=SHORT)
def test_a_body_shorter_than_announced_is_an_error_and_ends_its_connection(way, tmp_path):
    file, errors = tmp_path / "file", []
    file.write_bytes(b"short")

    def application(environ, start_response):
        fields = [*TEXT, ("Content-Length", str(ANNOUNCED))]
        return way(environ, start_response("200 OK", fields))

    with mounted(application) as server:
        server.on_error(lambda error, client: errors.append(type(error)))
        with Raw(server.port) as client:
            fields = f"Host: a\r\nX-File: {file}\r\n\r\n"
            data = client.send(
                f"GET / HTTP/1.1\r\n{fields}GET /next HTTP/1.1\r\n{fields}"
            ).read_all()
        wait_until(lambda: errors)
        with http.HttpClient(headers={"X-File": str(file)}) as client:
            for _ in range(2):
                try:
                    status = client.get(server.url).status
                except http.exceptions.HttpException:
                    status = None
                assert status in {None, 500}
        wait_until(lambda: len(errors) >= 3)
    assert data.count(b"HTTP/1.1 ") <= 1
    assert not data.startswith(b"HTTP/1.1 200") or len(data) < ANNOUNCED
    assert set(errors) <= {ValueError, EOFError}


def test_more_requests_than_workers_wait_and_then_are_503():
    go, started = threading.Event(), threading.Semaphore(0)

    def application(environ, start_response):
        started.release()
        assert go.wait(PATIENCE)
        start_response("204 No Content", [])
        return []

    with mounted(application, max_workers=2, max_offloaded=3) as server:
        clients = [Raw(server.port).get() for _ in range(3)]
        assert all(started.acquire(timeout=PATIENCE) for _ in range(2))
        wait_until(lambda: server.stats.requests == 3)
        assert ask(server.port).status == 503
        go.set()
        assert [client.response().status for client in clients] == [204] * 3
        for client in clients:
            client.close()


def test_an_application_that_takes_too_long_is_503():
    go = threading.Event()

    def application(environ, start_response):
        assert go.wait(PATIENCE)
        start_response("204 No Content", [])
        return []

    server = HttpServer(0)
    server.mount("/", application, handler_timeout=20, max_body_size=3)
    with server:
        assert ask(server.port).status == 503
        assert ask(server.port, method="POST", body="long").status == 413
        go.set()


# Frameworks


def flask_app():
    app = flask.Flask("site")
    app.secret_key = "throw-away"

    @app.post("/login")
    def login():
        flask.session["name"] = flask.request.form["name"]
        return flask.redirect(flask.url_for("me"))

    @app.get("/me")
    def me():
        return flask.jsonify(name=flask.session.get("name"), url=flask.request.url)

    @app.post("/upload")
    def upload():
        file = flask.request.files["photo"]
        return {"name": file.filename, "size": len(file.read())}

    @app.get("/stream")
    def stream():
        return flask.Response(f"{number}\n" for number in range(3))

    @app.get("/file")
    def file():
        return flask.send_file(__file__, conditional=True)

    return app


def test_a_flask_application_in_a_test(blade_server):
    blade_server.mount("/shop", flask_app())
    blade_server.expect("GET", "/beside").respond("beside")
    url = f"{blade_server.url}/shop"
    with http.HttpClient(cookies=True) as client:
        answer = client.post(f"{url}/login", form={"name": "Ada"})
        assert answer.json() == {"name": "Ada", "url": f"{url}/me"}
        photo = {"photo": ("a.png", b"x" * 2_000_000)}
        assert client.post(f"{url}/upload", files=photo).json() == {
            "name": "a.png",
            "size": 2_000_000,
        }
        assert client.get(f"{url}/stream").text == "0\n1\n2\n"
        part = client.get(f"{url}/file", headers={"Range": "bytes=0-7"})
        assert (part.status, part.text) == (206, '"""WSGI ')
        assert client.get(f"{url}/absent").status == 404
        assert client.get(f"{blade_server.url}/beside").text == "beside"
