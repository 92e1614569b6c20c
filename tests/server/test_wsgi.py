"""The callbacks of a server as a WSGI application: the same answers as from a socket."""

import io
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest
import wsgi_site
from support import PATIENCE, Raw, Response

import bladehttp as http
from bladehttp._wire.body import Chunked, StoredBody
from bladehttp._wire.buffer import ReceiveBuffer
from bladehttp._wire.limits import Limits
from bladehttp.server import HttpServer
from bladehttp.server._dispatch.access_log import access_log

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def listening() -> Iterator[int]:
    """The port of the callbacks behind listen()."""
    with wsgi_site.make_server() as server:
        with http.HttpClient() as client:  # starts the thread that stays for those to come
            client.get(f"{server.url}/offloaded")
        yield server.port


@pytest.fixture(scope="module")
def gunicorn() -> Iterator[int]:
    """The port of the callbacks behind gunicorn."""
    options = "--no-control-socket --log-level warning --graceful-timeout 1".split()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bind = ["--bind", f"fd://{listener.fileno()}"]
        command = [sys.executable, "-m", "gunicorn", *bind, *options, "wsgi_site"]
        with subprocess.Popen(command, cwd=TESTS, pass_fds=[listener.fileno()]) as process:
            try:
                yield listener.getsockname()[1]
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE) == 0
            finally:
                process.kill()


OF_THE_SERVER = {"date", "server", "connection"}
OF_THE_CONNECTION = {"date", "transfer-encoding", "connection"}


def answer(port: int, case: wsgi_site.Case) -> Response:
    with Raw(port) as client:
        return client.send(case.raw).response(case.method)


def as_told(response: Response, without: set[str] = OF_THE_SERVER) -> tuple[Any, ...]:
    """What of a response is not the server's own."""
    fields = [field for field in response.fields if field[0].lower() not in without]
    return response.status, response.reason, sorted(fields), response.body


@pytest.mark.parametrize("case", wsgi_site.CASES, ids=lambda case: case.name)
def test_gunicorn_answers_as_listen_does(listening, gunicorn, case):
    assert as_told(answer(gunicorn, case)) == as_told(answer(listening, case))


def test_there_are_more_than_50_requests():
    assert len({case.raw for case in wsgi_site.CASES}) > 50


def environ_of(raw: bytes) -> dict[str, Any]:
    """Take a request apart as a WSGI server does that keeps the target as it was sent."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    method, target, protocol = line.split(" ")
    path, _, query = target.removeprefix("http://other.example:8080").partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": protocol,
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "5",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(rest),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in (field.split(":", 1) for field in fields):
        key = name.upper().replace("-", "_")
        environ[
            key if key.startswith("CONTENT_") and key != "CONTENT_ENCODING" else f"HTTP_{key}"
        ] = value.strip()
    if "HTTP_TRANSFER_ENCODING" in environ:
        environ["wsgi.input_terminated"] = True
        environ["wsgi.input"] = io.BytesIO(unchunked(rest))
    return environ


def unchunked(data: bytes) -> bytes:
    buffer, sink = ReceiveBuffer(), StoredBody(len(data))
    buffer.feed(data)
    assert Chunked(Limits(), lambda line: ("X", "")).take(buffer, sink)
    return sink.getvalue()


def run(application: Any, environ: dict[str, Any]) -> Response:
    """Call a WSGI application as a server does."""
    started: list[Any] = []
    body = application(environ, lambda status, fields, error=None: started.extend((status, fields)))
    try:
        content = b"".join(body)
    finally:
        body.close()
    status, reason = started[0].split(" ", 1)
    return Response(int(status), reason, started[1], content)


@pytest.mark.parametrize(
    "case", wsgi_site.CASES + wsgi_site.REFUSED_BY_GUNICORN, ids=lambda case: case.name
)
def test_it_is_valid_wsgi_and_answers_as_listen_does(listening, case):
    application = validator(wsgi_site.make_server().wsgi)
    if case.name == "on_reply has been called":
        run(application, environ_of(wsgi_site.CASES[-2].raw))
    given = run(application, environ_of(case.raw))
    wanted = answer(listening, case)
    assert as_told(given) == as_told(wanted, OF_THE_CONNECTION)


# What a request is made of


def ask(server: HttpServer, line: str = "GET / HTTP/1.1", body: bytes = b"", **changes: Any):
    environ = environ_of(f"{line}\r\nHost: example.com\r\n\r\n".encode("latin-1") + body)
    environ.update({key.replace("wsgi_", "wsgi."): value for key, value in changes.items()})
    environ = {key: value for key, value in environ.items() if value is not None}
    return run(validator(server.wsgi), environ)


@pytest.fixture
def seen() -> list[Any]:
    return []


@pytest.fixture
def server(seen) -> HttpServer:
    """A server whose requests are kept, with what was read of them."""
    server = http.server(0)

    @server.on_receive
    def keep(request, response):
        seen.append((request.path, request.request_uri))
        seen.append(request)

    return server


@pytest.mark.parametrize(
    ("path_info", "query", "path", "uri"),
    [
        ("/a/b", "", "/a/b", "/a/b"),
        ("/a b%?\xc3\xa4", "x=%20", "/a b%?ä", "/a%20b%25%3F%C3%A4?x=%20"),
        ("/\xff", "", "/%FF", "/%FF"),
        ("/a;b=c,d:e@f&g=$h!'(i)*+~", "", "/a;b=c,d:e@f&g=$h!'(i)*+~", "/a;b=c,d:e@f&g=$h!'(i)*+~"),
        ("", "", "/", "/"),
        ("//a", "", "//a", "//a"),
    ],
)
def test_without_the_target_as_sent_one_that_means_the_same_is_made(
    server, seen, path_info, query, path, uri
):
    assert ask(server, PATH_INFO=path_info, QUERY_STRING=query, RAW_URI=None).status == 200
    assert seen[0] == (path, uri)


def test_request_uri_tells_the_target_as_sent_too(server, seen):
    ask(server, "GET /%61?x HTTP/1.1", RAW_URI=None, REQUEST_URI="/%61?x")
    assert seen[0] == ("/a", "/%61?x")


@pytest.mark.parametrize(
    "changes",
    [
        {"SCRIPT_NAME": "/mounted", "PATH_INFO": "/x", "RAW_URI": "/mounted/x"},
        {"PATH_INFO": "/x", "RAW_URI": "/rewritten/x"},
        {"PATH_INFO": "/x", "RAW_URI": "/x?added"},
        {"PATH_INFO": "/x", "RAW_URI": "*"},
        {"PATH_INFO": "/x", "REQUEST_METHOD": "OPTIONS", "RAW_URI": "*"},
    ],
    ids=["mounted", "rewritten", "query", "malformed", "asterisk"],
)
def test_path_info_decides_what_is_asked_for(server, seen, changes):
    if changes.get("RAW_URI") == "*" and "REQUEST_METHOD" not in changes:
        assert ask(server, **changes).status == 400
    else:
        assert ask(server, **changes).status == 200
        # PEP 3333: the place of the application is part of the URL, and none of its path
        assert seen[0] == ("/x", changes.get("SCRIPT_NAME", "") + "/x")


def test_octets_that_gunicorn_encoded_twice_are_as_they_were_sent(server, seen):
    twice = "/\xc3\xa4".encode().decode("latin-1")
    ask(server, PATH_INFO=twice, RAW_URI="/\xc3\xa4")
    assert seen[0][0] == "/ä"


def test_options_of_the_whole_server_is_known(seen, server):
    environ = environ_of(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")  # not valid WSGI, gunicorn's way
    assert run(server.wsgi, environ).status == 200
    assert seen[0] == ("*", "*")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("127.0.0.1", 5, False, "http", "1.1")),
        ({"REMOTE_ADDR": "::1", "REMOTE_PORT": "7"}, ("::1", 7, True, "http", "1.1")),
        ({"REMOTE_ADDR": None, "REMOTE_PORT": None}, ("", 0, False, "http", "1.1")),
        ({"REMOTE_ADDR": "", "REMOTE_PORT": "no"}, ("", 0, False, "http", "1.1")),
        ({"wsgi_url_scheme": "https"}, ("127.0.0.1", 5, False, "https", "1.1")),
        ({"SERVER_PROTOCOL": "HTTP/1.0"}, ("127.0.0.1", 5, False, "http", "1.0")),
        ({"SERVER_PROTOCOL": "HTTP/2"}, ("127.0.0.1", 5, False, "http", "2")),
        ({"SERVER_PROTOCOL": "HTTP/2.0"}, ("127.0.0.1", 5, False, "http", "2.0")),
        ({"SERVER_PROTOCOL": "INCLUDED"}, ("127.0.0.1", 5, False, "http", "1.1")),
    ],
)
def test_who_asks_and_how_is_known(server, seen, changes, expected):
    ask(server, **changes)
    request = seen[1]
    assert (
        request.ip,
        request.port,
        request.ipv6,
        request.scheme,
        request.http_version,
    ) == expected


@pytest.mark.parametrize("peer", ["127.0.0.1", ""])
def test_trusted_proxies_are_believed(server, seen, peer):
    server.trusted_proxies = ["127.0.0.1", "unix:"]
    ask(server, REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR="1.2.3.4", HTTP_X_FORWARDED_PROTO="https")
    assert (seen[1].ip, seen[1].scheme) == ("1.2.3.4", "https")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"HTTP_X_BROKEN": "a\r\nX-Smuggled: b"}, 400),
        ({"HTTP_X_BROKEN": "a\nb"}, 400),
        ({"HTTP_X_BROKEN": "a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: b"}, 400),
        ({"HTTP_X_BROKEN": "a\0b"}, 400),
        ({"HTTP_\xb5".upper(): "a"}, 400),
        ({"PATH_INFO": "/\u20ac"}, 400),
        ({"HTTP_HOST": None}, 400),
        ({"HTTP_HOST": "a b"}, 400),
        ({"QUERY_STRING": "a b"}, 400),
        ({"CONTENT_LENGTH": "5"}, 400),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        ({"HTTP_TRANSFER_ENCODING": "gzip", "wsgi_input_terminated": True}, 400),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "5"}, 400),
    ],
)
def test_what_is_no_request_is_the_clients_fault(server, seen, changes, status):
    server.on_error(lambda error, client: seen.append(error))
    assert ask(server, **changes).status == status
    assert seen == []


def test_a_field_cannot_become_the_length(server, seen):
    environ = environ_of(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcdef")
    environ["HTTP_CONTENT_LENGTH"] = "6"  # a field "Content_Length", not valid WSGI
    assert run(server.wsgi, environ).status == 200
    assert seen[1].raw_body == b"abc"
    assert environ["wsgi.input"].read() == b"def"  # what follows is not touched


def test_a_client_that_is_lost_within_its_body_is_no_error_of_the_server(server, seen):
    class Lost(io.BytesIO):
        def read(self, *_):
            raise ConnectionResetError("gone")

    server.on_error(lambda error, client: seen.append(error))
    assert ask(server, CONTENT_LENGTH="5", wsgi_input=Lost()).status == 400
    assert seen == []


def test_connect_is_refused(server, seen):
    assert run(server.wsgi, environ_of(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")).status == 501
    assert seen == []


def test_limits_are_those_at_the_time_and_routes_those_of_the_moment():
    server = http.server(0)
    server.max_body_size = 3
    application = validator(server.wsgi)
    server.handle("POST", "/", lambda request, response: response.write(request.raw_body))

    def post(body: bytes) -> int:
        return run(
            application,
            environ_of(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            ),
        ).status

    assert (post(b"abc"), post(b"abcd")) == (200, 413)


# The way of an answer


def test_callbacks_come_in_their_order_and_those_of_connections_do_not():
    server, order = http.server(0), []
    server.on_connect(lambda client: order.append("connect"))
    server.on_disconnect(lambda client: order.append("disconnect"))
    server.on_receive(lambda request, response: order.append("receive"))
    server.handle("GET", "/", lambda request, response: order.append("route"))
    server.on_reply(lambda response: order.append(response.status))
    ask(server)
    ask(server, HTTP_HOST=None)
    assert order == ["receive", "route", 200, 400]


def test_an_error_is_reported_without_a_socket_and_answered(server):
    errors = []
    server.on_error(lambda error, client: errors.append((str(error), client)))

    @server.on_receive
    def fail(request, response):
        raise ValueError("mistake")

    assert ask(server).status == 500
    assert errors == [("mistake", None)]


def test_a_raw_answer_has_no_way_through(server):
    errors = []
    server.on_error(lambda error, client: errors.append(str(error)))
    server.on_receive(lambda request, response: response.raw(b"HTTP/1.1 200 OK\r\n"))
    assert ask(server).status == 500
    assert errors == ["a raw response cannot be sent through WSGI"]


def test_a_callback_after_the_answer_cannot_spoil_it(server):
    errors = []
    server.on_error(lambda error, client: errors.append(repr(error)))

    @server.on_reply
    def fail(response):
        raise ValueError("late")

    assert ask(server).status == 200
    assert errors == ["ValueError('late')"]


def test_fields_of_the_connection_are_left_to_the_server(server):
    @server.on_receive
    def answer_so(request, response):
        for name in ("Connection", "Keep-Alive", "Upgrade", "TE"):
            response.headers[name] = "x"
        response.headers["X-Kept"] = "x"

    names = [name for name, _ in ask(server).fields]
    assert names == ["Content-Type", "X-Powered-By", "X-Kept", "Content-Length"]


class Stream:
    """A stream that knows when it was closed."""

    def __init__(self, *pieces: Any, closing: Exception | None = None) -> None:
        self.pieces = iter(pieces)
        self.closing = closing
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self) -> None:
        self.closed += 1
        if self.closing:
            raise self.closing


def streaming(stream: Stream, length: int | None = None) -> tuple[HttpServer, list[str]]:
    server, errors = http.server(0), []
    server.on_error(lambda error, client: errors.append(str(error)))

    @server.on_receive
    def answer_so(request, response):
        if length is not None:
            response.headers["Content-Length"] = str(length)
        response.stream(stream)

    return server, errors


def test_a_stream_is_closed_once_when_it_was_sent():
    stream = Stream(b"a", "ä", bytearray(b"c"), b"")
    server, errors = streaming(stream)
    assert ask(server).body == "aäc".encode()
    assert (stream.closed, errors) == (1, [])


def test_a_stream_is_closed_for_a_client_that_leaves_or_wanted_the_head():
    for line in "GET / HTTP/1.1", "HEAD / HTTP/1.1":
        stream = Stream(b"a")
        server, errors = streaming(stream)
        environ = environ_of(f"{line}\r\nHost: a\r\n\r\n".encode())
        body = server.wsgi(environ, lambda status, fields: None)
        if line.startswith("HEAD"):
            assert list(body) == []
        body.close()
        assert (stream.closed, errors) == (1, [])


@pytest.mark.parametrize(
    ("pieces", "length", "error"),
    [
        ([b"a", ValueError("broke")], None, "broke"),
        ([b"abc"], 2, "a streamed body is longer than its Content-Length"),
        ([b"abc"], 5, "a streamed body is 2 bytes short of its Content-Length"),
    ],
    ids=["raises", "longer", "shorter"],
)
def test_a_stream_that_fails_is_reported_and_ends_the_connection(pieces, length, error):
    stream = Stream(*pieces)
    server, errors = streaming(stream, length)
    with pytest.raises(ValueError, match=error):
        ask(server)
    assert (stream.closed, errors) == (1, [error])


def test_a_stream_that_cannot_be_closed_is_reported():
    server, errors = streaming(Stream(b"a", closing=ValueError("stuck")))
    assert ask(server).body == b"a"
    assert errors == ["stuck"]
    server.on_receive(lambda request, response: response.headers.update({"Content-Length": "-"}))
    assert ask(server).status == 500
    assert errors[1:] == ["stuck", "Content-Length of a response is not a length: '-'"]


def test_a_channel_is_closed_for_a_client_that_leaves():
    server, channels = http.server(0), []
    server.on_receive(lambda request, response: channels.append(response.channel()))
    environ = environ_of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    body = server.wsgi(environ, lambda status, fields: None)
    assert channels[0].write("never read")
    body.close()
    assert not channels[0].write("more")


def test_a_server_that_does_not_take_the_answer_leaves_nothing_open():
    stream = Stream(b"a")
    server, _ = streaming(stream)

    def refuse(status: str, fields: Any) -> None:
        raise RuntimeError("not now")

    with pytest.raises(RuntimeError, match="not now"):
        server.wsgi(environ_of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), refuse)
    assert stream.closed == 1


BIG = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1200000\r\n\r\n" + b"x" * 1_200_000


def test_a_body_in_a_file_can_be_streamed_back_and_is_closed_then():
    server, files = http.server(0), []

    @server.on_receive
    def back(request, response):
        files.append(request.body_file)
        response.stream(iter(lambda: request.body_file.read(1000), b""))

    assert run(validator(server.wsgi), environ_of(BIG)).body == BIG[-1_200_000:]
    assert files[0].closed


def test_what_is_no_exception_goes_through_and_leaves_nothing_open():
    server, files = http.server(0), []

    @server.on_receive
    def leave(request, response):
        files.append(request.body_file)
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run(server.wsgi, environ_of(BIG))
    assert files[0].closed


def test_a_body_that_cannot_be_kept_is_the_servers_fault(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    server, errors = http.server(0), []
    server.on_error(lambda error, client: errors.append(type(error)))
    assert run(validator(server.wsgi), environ_of(BIG)).status == 500
    assert errors == [FileNotFoundError]


def test_threads_get_each_their_own_answer():
    server = http.server(0)
    server.on_receive(lambda request, response: response.write(request.headers["X-Number"]))
    application = server.wsgi

    def many(start: int) -> bool:
        return all(
            run(
                application,
                environ_of(f"GET / HTTP/1.1\r\nHost: a\r\nX-Number: {number}\r\n\r\n".encode()),
            ).body
            == str(number).encode()
            for number in range(start, start + 100)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(many, range(0, 800, 100)))


def test_the_standard_librarys_server_runs_it(server, seen):
    with make_server("127.0.0.1", 0, server.wsgi, handler_class=Quiet) as wsgi_server:
        thread = threading.Thread(target=wsgi_server.handle_request)
        thread.start()
        with http.HttpClient() as client:
            url = f"http://127.0.0.1:{wsgi_server.server_port}/%C3%A4?a=b"
            assert client.post(url, b"body").status == 200
        thread.join()
    assert seen[0] == ("/ä", "/%C3%A4?a=b")
    assert seen[1].raw_body == b"body"


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("field", "cookies"),
    [
        ("a=1,b=2", {"a": "1", "b": "2"}),
        ("a=1, b=2; c=3", {"a": "1", "b": "2", "c": "3"}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=x,y; b=1, 2", {"a": "x,y", "b": "1, 2"}),
    ],
)
def test_cookie_fields_that_a_server_has_joined_are_cookies(server, seen, field, cookies):
    ask(server, HTTP_COOKIE=field)
    assert seen[-1].cookies == cookies


def test_answers_are_told_of_when_they_are_over():
    server, told, logged = HttpServer(0), [], []
    server.on_answered(told.append)
    server.on_answered(access_log(logged.append))
    server.handle("GET", "/", lambda request, response: response.write("four"))
    server.handle("POST", "/", lambda request, response: response.stream([b"ab", "cd", b"e"]))
    ask(server)
    ask(server, "HEAD / HTTP/1.1")
    ask(server, "POST / HTTP/1.1", b"x" * 2_000_000, CONTENT_LENGTH="2000000")
    ask(server, "GET /none HTTP/1.1")
    ask(server, HTTP_HOST="a b")
    ask(server, "POST /long HTTP/1.1", CONTENT_LENGTH="20000000")
    assert [(each.request and each.request.method, each.response.status) for each in told] == [
        ("GET", 200),
        ("HEAD", 200),
        ("POST", 200),
        ("GET", 404),
        (None, 400),
        ("POST", 413),
    ]
    assert [each.sent for each in told] == [4, 0, 5, 16, 18, 24]
    assert told[2].request.body_file.closed
    assert all(0 <= each.milliseconds < 10_000 for each in told)
    assert (told[0].client.ip, len(logged)) == ("127.0.0.1", 6)


def test_what_a_client_that_leaves_has_taken_is_told():
    server, told = HttpServer(0), []
    server.on_answered(told.append)
    server.handle("GET", "/", lambda request, response: response.stream([b"ab", b"cd", b"ef"]))
    body = server.wsgi(
        environ_of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), lambda status, fields: None
    )
    pieces = iter(body)
    assert [next(pieces), next(pieces)] == [b"ab", b"cd"]
    body.close()
    body.close()
    assert [each.sent for each in told] == [2]
