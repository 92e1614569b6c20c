"""Files as bodies: sent by the system, read for TLS, framed like any other body."""

import os
from contextlib import suppress
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import pytest
from support import wait_until

from bladehttp._data.dates import parse_http_date
from bladehttp._data.uploads import Upload
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.server._connection.outbox import JOINED
from bladehttp.server._dispatch.dispatcher import Dispatcher

SIZES = [0, 10, JOINED, JOINED + 1, 3_000_000]


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def secure(request) -> bool:
    return request.param


@pytest.fixture(params=SIZES, ids=str)
def path(request, tmp_path):
    (tmp_path / "file.bin").write_bytes(os.urandom(request.param))
    return tmp_path / "file.bin"


def test_a_file_arrives_whole_whatever_its_length(serve, connect, path, secure):
    client = connect(serve(lambda request, response: response.file(path), secure=secure))
    for _ in range(2):
        response = client.get().response()
        assert (response.get("Content-Length"), response.body) == (
            str(path.stat().st_size),
            path.read_bytes(),
        )


def test_pipelined_files_arrive_in_order(serve, connect, tmp_path, secure):
    for size in SIZES:
        (tmp_path / str(size)).write_bytes(os.urandom(size))

    def handler(request, response):
        response.file(tmp_path / request.path[1:])

    client = connect(serve(handler, secure=secure))
    client.send("".join(f"GET /{size} HTTP/1.1\r\nHost: x\r\n\r\n" for size in SIZES))
    for size in SIZES:
        assert client.response().body == (tmp_path / str(size)).read_bytes()


def test_without_a_length_a_file_is_chunked(serve, connect, path):
    def handler(request, response):
        response.file(path)
        del response.headers["Content-Length"]

    client = connect(serve(handler))
    response = client.get().response()
    assert response.get("Transfer-Encoding") == "chunked"
    assert response.body == path.read_bytes()
    old = client.send("GET / HTTP/1.0\r\n\r\n").response()
    assert (old.get("Content-Length"), old.body) == (None, path.read_bytes())


@pytest.mark.parametrize("size", [10, 3_000_000])
@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_length_that_is_not_the_files_breaks_off(serve, connect, tmp_path, size, wrong):
    (tmp_path / "file").write_bytes(bytes(size))
    errors = []

    def handler(request, response):
        response.file(tmp_path / "file")
        response.headers["Content-Length"] = str(size + wrong)

    server = serve(handler)
    server.on_error(lambda error, client: errors.append(type(error)))
    received = connect(server).get().read_all()
    assert len(received.partition(b"\r\n\r\n")[2]) < size + wrong
    assert errors == [ValueError]


def test_a_slow_client_of_a_file_is_given_up(serve, connect, tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(50_000_000)
    gone = []
    server = serve(lambda request, response: response.file(tmp_path / "file"), write_timeout=200)
    server.on_disconnect(gone.append)
    client = connect(server).get()
    wait_until(lambda: gone)
    assert len(client.read_all()) < 50_000_000


@pytest.fixture
def small(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"0123456789")
    os.utime(tmp_path / "a.txt", (10**9, 10**9))
    return tmp_path / "a.txt"


def over_socket(server, connect):
    client = connect(server)

    def ask(*fields, method="GET"):
        response = client.get("/", *fields, method=method).response(method)
        return response.status, response.header, response.body

    return ask


def over_wsgi(server, connect):
    def ask(*fields, method="GET"):
        environ = {}
        setup_testing_defaults(environ)
        environ["REQUEST_METHOD"] = method
        for field in fields:
            name, _, value = field.partition(": ")
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        begun = []
        body = server.wsgi(environ, lambda status, fields: begun.extend((status, fields)))
        content = b"".join(body)
        body.close()
        header = {name.lower(): value for name, value in begun[1]}
        return int(begun[0][:3]), header, content

    return ask


def later(handler):
    def deferred(request, response):
        sending = response.defer()
        handler(request, response)
        sending.send()

    return deferred


@pytest.fixture(params=["answer", "route", "offload", "later", "wsgi"])
def asking(request, serve, connect):
    """Serve a handler in one of the ways, and return what asks for it."""

    def start(handler):
        server = serve()
        if request.param == "answer":
            server.on_receive(handler)
        else:
            handler = later(handler) if request.param == "later" else handler
            server.handle("GET", "/", handler, offload=request.param == "offload")
        return (over_wsgi if request.param == "wsgi" else over_socket)(server, connect)

    return start


def test_file_of_a_handler_is_answered_as_a_static_one(asking, small):
    ask = asking(lambda request, response: response.file(small))
    status, header, body = ask()
    assert (status, body, header["accept-ranges"]) == (200, b"0123456789", "bytes")
    assert header["last-modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"
    tag = header["etag"]
    assert ask(f"If-None-Match: {tag}")[::2] == (304, b"")
    assert ask(f"If-Modified-Since: {header['last-modified']}")[0] == 304
    status, header, body = ask("Range: bytes=2-4")
    assert (status, body, header["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert (header["content-length"], header["etag"]) == ("3", tag)
    assert ask("Range: bytes=2-4", 'If-Range: "x"')[::2] == (200, b"0123456789")
    assert ask("Range: bytes=0-0,9-9")[1]["content-type"].startswith("multipart/byteranges")
    status, header, body = ask(method="HEAD")
    assert (status, header["content-length"], body) == (200, "10", b"")


def test_error_in_place_of_a_handlers_file_is_not_to_be_kept(asking, small):
    def handler(request, response):
        response.headers["Cache-Control"] = "public, max-age=3600"
        response.file(small, download_name="x.txt")

    ask = asking(handler)
    for fields, expected in ((['If-Match: "x"'], 412), (["Range: bytes=50-"], 416)):
        status, header, body = ask(*fields)
        assert (status, header["cache-control"]) == (expected, "no-store")
        assert not {"etag", "last-modified", "content-disposition"} & set(header)
        assert header["content-length"] == str(len(body))
    assert ask()[1]["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize("status", [404, 201])
def test_file_with_another_status_is_sent_whole(asking, small, status):
    ask = asking(lambda request, response: response.file(small, status=status))
    got, header, body = ask("Range: bytes=2-4", "If-None-Match: *")
    assert (got, body, "etag" in header) == (status, b"0123456789", False)


def test_tag_of_the_handler_counts(asking, small):
    def handler(request, response):
        response.headers["ETag"] = '"mine"'
        response.file(small)

    ask = asking(handler)
    assert ask('If-None-Match: "mine"')[0] == 304
    assert ask('If-Match: "mine"')[1]["etag"] == '"mine"'


@pytest.mark.parametrize("tag", ["mine", '"mine', "", "*"])
def test_a_tag_of_the_handler_that_is_none_matches_nothing(asking, small, tag):
    def handler(request, response):
        response.headers["ETag"] = tag
        response.file(small)

    ask = asking(handler)
    for value in ('"mine"', tag or "x"):
        if value != "*":
            assert ask(f"If-None-Match: {value}")[::2] == (200, b"0123456789")
            assert ask(f"If-Match: {value}")[0] == 412
    assert ask("If-None-Match: *")[0] == 304


@pytest.mark.parametrize("seconds", [-(10**11), 10**12], ids=["before the year 1", "far ahead"])
def test_a_file_of_any_time_is_sent(asking, small, seconds):
    with suppress(OSError):  # not on every file system
        os.utime(small, (seconds, seconds))
    status, header, body = asking(lambda request, response: response.file(small))()
    assert (status, body) == (200, b"0123456789")
    assert parse_http_date(header["last-modified"]) is not None


def test_a_change_of_the_servers_own_that_fails_is_500(caplog):
    def change(request, response):
        raise LookupError("ours")

    dispatcher = Dispatcher()
    response = dispatcher.changed(change, HttpRequest(), HttpResponse(), None)
    assert response.status == 500
    assert "LookupError('ours')" in caplog.text


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("report 1.txt", 'attachment; filename="report 1.txt"'),
        ("übung.txt", "attachment; filename=\"_bung.txt\"; filename*=UTF-8''%C3%BCbung.txt"),
        (
            'a"b\\c%41.txt',
            "attachment; filename=\"a_b_c_41.txt\"; filename*=UTF-8''a%22b%5Cc%2541.txt",
        ),
        (
            "€'()*.txt",
            "attachment; filename=\"_'()*.txt\"; filename*=UTF-8''%E2%82%AC%27%28%29%2A.txt",
        ),
    ],
)
def test_download_has_a_name(small, name, disposition):
    response = HttpResponse()
    response.file(small, download_name=name)
    assert response.headers["Content-Disposition"] == disposition
    response.close()


def test_type_of_a_download_is_by_its_name_where_the_files_says_nothing(tmp_path):
    (tmp_path / "4711").write_bytes(b"x")
    response = HttpResponse()
    response.file(tmp_path / "4711", download_name="a.pdf")
    assert response.headers["Content-Type"] == "application/pdf"
    response.close()


@pytest.mark.parametrize("name", ["a\r\nX: y", "a\0", "\ud800"])
def test_name_of_a_download_that_cannot_be_sent_is_refused(small, name):
    with pytest.raises(ValueError):  # noqa: PT011 - InvalidHeader is one
        HttpResponse().file(small, download_name=name)


def test_a_descriptor_is_no_path_and_stays_open(small):
    descriptor = os.open(small, os.O_RDWR)
    upload = Upload(name="f", filename="f", mime="", content=b"x", size=1)
    try:
        for take in (HttpResponse().file, upload.save):
            with pytest.raises(TypeError, match="PathLike"):
                take(descriptor)
            os.fstat(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_regular_file_is_refused_at_once(serve, connect, tmp_path, kind):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    path = path if kind == "pipe" else Path("/dev/zero")
    errors = []
    server = serve(lambda _, response: response.file(path))
    server.on_error(lambda error, _: errors.append(str(error)))
    assert connect(server).get().response().status == 500
    assert errors == [f"[Errno 22] not a regular file: '{path}'"]
