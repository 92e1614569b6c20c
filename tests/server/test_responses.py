"""What a handler may do with a response, and what goes over the wire then."""

import contextlib
import errno
import json
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path

import pytest
from support import wait_until

from bladehttp.exceptions import InvalidHeader


@pytest.fixture
def answer(serve, connect):
    """Return the response of a server whose handler is given, and what on_error was told."""

    def ask(handler, method="GET", version="1.1"):
        errors = []
        server = serve(handler)
        server.on_error(lambda error, client: errors.append(error))
        client = connect(server).send(f"{method} / HTTP/{version}\r\nHost: a\r\n\r\n")
        response = client.response(method)
        response.errors = errors
        response.client = client
        return response

    return ask


def test_an_empty_handler_gives_blades_default_response(answer):
    response = answer(lambda request, response: None)
    assert (response.status, response.reason, response.body) == (200, "OK", b"")
    assert sorted(name for name, _ in response.fields) == [
        "Content-Length",
        "Content-Type",
        "Date",
        "X-Powered-By",
    ]
    assert response.get("Content-Type") == "text/html; charset=utf-8"
    assert response.get("X-Powered-By") == "Blade"
    assert response.get("Content-Length") == "0"


def test_write_appends_str_and_bytes(answer):
    def handler(request, response):
        response.write("é")
        response.write(b"\xff")
        response.write(bytearray(b"a"))

    assert answer(handler).body == b"\xc3\xa9\xffa"


def test_json_sets_body_type_and_status(answer):
    response = answer(lambda request, response: response.json({"a": [1, "é"]}, 201))
    assert (response.status, response.get("Content-Type")) == (201, "application/json")
    assert json.loads(response.body) == {"a": [1, "é"]}


def test_json_takes_the_request_itself(answer):
    assert json.loads(answer(lambda request, response: response.json(request)).body)["path"] == "/"


def test_head_has_the_fields_of_get_and_no_body(answer):
    response = answer(lambda request, response: response.write("hello"), "HEAD")
    assert response.get("Content-Length") == "5"
    assert response.client.get().response().body == b"hello"  # nothing was left on the connection


@pytest.mark.parametrize("status", [204, 304])
def test_no_content_goes_with_a_status_that_has_none(answer, status):
    def handler(request, response):
        response.status = status
        response.write("forbidden")

    response = answer(handler)
    assert response.get("Content-Length") is None
    assert response.client.get().response().status == status


def test_205_has_length_zero(answer):
    def handler(request, response):
        response.status = 205
        response.write("forbidden")

    assert answer(handler).get("Content-Length") == "0"


@pytest.mark.parametrize("status", [100, 101, 199, 600, 0, -1, "200", 200.5, None])
def test_a_status_that_is_no_final_one_is_a_500(answer, status):
    response = answer(lambda request, response: setattr(response, "status", status))
    assert response.status == 500
    assert len(response.errors) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nSet-Cookie: evil=1"),
        ("X", "a\nb"),
        ("X", "a\rb"),
        ("X", "a\0b"),
        ("X", "\u20ac"),
        ("X\r\nY", "a"),
        ("X Y", "a"),
        ("X:", "a"),
        ("", "a"),
    ],
)
@pytest.mark.parametrize("way", ["set", "dict"])
def test_a_field_that_would_break_the_message_is_a_500(answer, name, value, way):
    def handler(request, response):
        if way == "set":
            response.headers[name] = value
        else:
            response.headers = {name: value}

    response = answer(handler)
    assert (response.status, response.body) == (500, b"500 - Internal Server Error.")
    assert [type(error) for error in response.errors] == [InvalidHeader]


def test_a_value_that_is_not_str_is_a_500(answer):
    response = answer(lambda request, response: response.headers.update({"X": 5}))
    assert response.status == 500
    assert [type(error) for error in response.errors] == [TypeError]


@pytest.mark.parametrize("reason", ["a\r\nb", "a\0", "\u20ac"])
def test_a_reason_that_would_break_the_message_is_a_500(answer, reason):
    assert answer(lambda request, response: setattr(response, "reason", reason)).status == 500


def test_a_reason_can_be_set(answer):
    assert answer(lambda request, response: setattr(response, "reason", "Fine")).reason == "Fine"


@pytest.mark.parametrize(
    ("key", "value", "options"),
    [
        ("a b", "1", {}),
        ("a", "1;2", {}),
        ("a", "1\r\n", {}),
        ("a", "1", {"path": "/;x"}),
        ("a", "1", {"domain": "a\r\nb"}),
        ("a", "1", {"expires": "x;y"}),
    ],
)
def test_a_cookie_that_would_break_the_message_is_a_500(answer, key, value, options):
    response = answer(lambda request, response: response.set_cookie(key, value, **options))
    assert response.status == 500
    assert response.get("Set-Cookie") is None


def test_every_cookie_is_sent(answer):
    def handler(request, response):
        response.set_cookie("a", "1")
        response.set_cookie("b", "2", http_only=True, same_site="lax", max_age=60)

    assert [value for name, value in answer(handler).fields if name == "Set-Cookie"] == [
        "a=1; Path=/",
        "b=2; Path=/; Max-Age=60; SameSite=Lax; HttpOnly",
    ]


def test_a_right_content_length_is_kept(answer):
    def handler(request, response):
        response.headers["Content-Length"] = "5"
        response.write("hello")

    response = answer(handler)
    assert [value for name, value in response.fields if name == "Content-Length"] == ["5"]


@pytest.mark.parametrize("length", ["4", "6", "x", "+5", "-1", "5, 5", "9" * 30])
def test_a_wrong_content_length_is_a_500_that_closes(answer, length):
    def handler(request, response):
        response.headers["Content-Length"] = length
        response.write("hello")

    response = answer(handler)
    assert (response.status, response.get("Connection")) == (500, "close")
    assert len(response.errors) == 1
    assert response.client.at_end()


def test_transfer_encoding_is_not_a_handlers_to_set(answer):
    response = answer(
        lambda request, response: response.headers.update({"Transfer-Encoding": "gzip"})
    )
    assert (response.status, response.get("Transfer-Encoding")) == (500, None)


def test_a_handler_may_close_the_connection(answer):
    response = answer(lambda request, response: response.headers.update({"Connection": "close"}))
    assert [value for name, value in response.fields if name == "Connection"] == ["close"]
    assert response.client.at_end()


def test_a_date_of_the_handlers_own_is_the_only_one(answer):
    when = "Tue, 15 Nov 1994 08:12:31 GMT"
    response = answer(lambda request, response: response.headers.update({"Date": when}))
    assert [value for name, value in response.fields if name == "Date"] == [when]


def test_redirect_sets_status_and_location(answer):
    response = answer(lambda request, response: response.redirect("/next", 303))
    assert (response.status, response.get("Location")) == (303, "/next")


def test_a_stream_is_chunked(answer):
    response = answer(lambda request, response: response.stream(["a", b"bc", b"", "d" * 100_000]))
    assert response.get("Transfer-Encoding") == "chunked"
    assert response.body == b"abc" + b"d" * 100_000
    assert response.client.get().response().status == 200


def test_a_stream_with_content_length_is_not_chunked(answer):
    def handler(request, response):
        response.headers["Content-Length"] = "3"
        response.stream(iter([b"a", b"bc"]))

    response = answer(handler)
    assert (response.get("Transfer-Encoding"), response.body) == (None, b"abc")


def test_a_stream_to_http_1_0_ends_by_closing(answer):
    response = answer(lambda request, response: response.stream([b"a", b"b"]), version="1.0")
    assert response.get("Transfer-Encoding") is None
    assert response.get("Connection") == "close"
    assert response.body == b"ab"


def test_a_stream_is_not_started_for_head(answer):
    closed = []

    def pieces():
        try:
            yield b"never asked for"
        finally:
            closed.append(True)

    response = answer(lambda request, response: response.stream(pieces()), "HEAD")
    assert response.status == 200
    assert response.client.get().response().body == b"never asked for"


@pytest.mark.parametrize("announced", ["2", "4"])
def test_a_stream_that_differs_from_its_content_length_breaks_off(serve, connect, announced):
    def handler(request, response):
        response.headers["Content-Length"] = announced
        response.stream([b"abc"])

    server = serve(handler)
    errors = []
    server.on_error(lambda error, client: errors.append(str(error)))
    client = connect(server).get()
    data = client.read_all()
    assert not data.endswith(b"\r\n\r\nabc")
    assert len(errors) == 1
    assert "Content-Length" in errors[0]


def test_a_stream_that_raises_breaks_off_and_calls_on_error(serve, connect):
    def pieces():
        yield b"x" * 100_000
        raise OSError("disk on fire")

    server = serve(lambda request, response: response.stream(pieces()))
    errors = []
    server.on_error(lambda error, client: errors.append(str(error)))
    data = connect(server).get().read_all()
    assert not data.endswith(b"0\r\n\r\n")
    assert errors == ["disk on fire"]


def test_a_stream_is_closed_when_the_client_goes_away(serve, connect):
    closed = threading.Event()

    def pieces():
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    client = connect(serve(lambda request, response: response.stream(pieces()))).get()
    client.more()
    client.close()
    assert closed.wait(10)


def test_a_stream_is_asked_only_for_what_the_client_takes(serve, connect):
    asked = []

    def pieces():
        for number in range(2000):
            asked.append(number)
            yield b"x" * 65536

    server = serve(lambda request, response: response.stream(pieces()), write_timeout=20_000)
    client = connect(server).get()
    client.more()
    wait_until(lambda: len(asked) > 1)
    early = len(asked)
    response = client.response()
    assert len(response.body) == 2000 * 65536
    assert early < 1000


def test_a_piece_of_a_stream_that_is_not_bytes_breaks_off(serve, connect):
    server = serve(lambda request, response: response.stream([b"a", 5]))
    errors = []
    server.on_error(lambda error, client: errors.append((type(error), str(error))))
    connect(server).get().read_all()
    assert errors == [(TypeError, "a chunk of a stream is str or bytes, not 5")]


def test_a_file_is_sent_with_type_and_length(serve, connect, tmp_path):
    path = tmp_path / "data.css"
    path.write_bytes(b"a{}" * 200_000)
    response = connect(serve(lambda request, response: response.file(path))).get().response()
    assert response.get("Content-Type") == "text/css; charset=utf-8"
    assert response.get("Content-Length") == "600000"
    assert response.body == path.read_bytes()


def test_a_file_to_head_is_opened_and_closed(serve, connect, tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"12345")
    client = connect(serve(lambda request, response: response.file(str(path))))
    response = client.get(method="HEAD").response("HEAD")
    assert response.get("Content-Length") == "5"
    assert client.get().response().body == b"12345"


def test_a_file_that_is_not_there_is_a_500(answer, tmp_path):
    response = answer(lambda request, response: response.file(tmp_path / "missing"))
    assert response.status == 500
    assert [type(error) for error in response.errors] == [FileNotFoundError]


def full_disk(**_):
    return Path("/dev/full").open("w+b")


def no_descriptors(**_):
    raise OSError(errno.EMFILE, "too many open files")


@pytest.mark.parametrize("failing", [full_disk, no_descriptors])
@pytest.mark.parametrize("size", [2_000, 500_000], ids=["buffered", "written"])
def test_body_that_cannot_be_spooled_is_the_servers_fault(
    serve, connect, monkeypatch, failing, size
):
    monkeypatch.setattr(tempfile, "TemporaryFile", failing)
    server = serve(lambda request, response: response.write("x"), spool_size=1000)
    errors, gone = [], []
    server.on_error(lambda error, client: errors.append(type(error)))
    server.on_disconnect(gone.append)
    client = connect(server).get("/", f"Content-Length: {size}", method="POST")
    with contextlib.suppress(ConnectionResetError):
        client.send(b"x" * size)
    assert client.response().status == (503 if failing is no_descriptors else 500)
    assert client.at_end()
    client.close()
    wait_until(lambda: gone)
    assert errors == [OSError]


def test_an_upload_that_cannot_be_spooled_is_a_503(serve, connect, monkeypatch):
    files = iter([tempfile.TemporaryFile])  # for the body, and none for the part

    def temporary_file():
        return next(files, no_descriptors)()

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)
    form = b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n%b\r\n--b--\r\n'
    body = form % (b"x" * 2000)
    server = serve(lambda request, response: response.json(request.files), spool_size=1000)
    errors = []
    server.on_error(lambda error, client: errors.append(type(error)))
    fields = ["Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body)}"]
    client = connect(server).get("/", *fields, method="POST").send(body)
    assert client.response().status == 503
    assert errors == [OSError]


def test_a_client_that_resets_is_survived_on_a_full_disk(serve, connect, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", full_disk)
    server = serve(spool_size=1000)
    gone = []
    server.on_disconnect(gone.append)
    client = connect(server).get("/", "Content-Length: 5000", method="POST").send(b"x" * 2000)
    time.sleep(0.1)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_until(lambda: gone)
    assert connect(server).get().response().status == 404


def test_a_large_body_arrives_whole(serve, connect):
    body = bytes(range(256)) * 40_000
    client = connect(serve(lambda request, response: response.write(body)))
    assert client.get().response().body == body
    assert client.get().response().body == body


class Stuck:
    """A stream that cannot be closed."""

    def __iter__(self):
        return iter([b"never sent"])

    def close(self):
        raise OSError("stuck")


@pytest.mark.parametrize("then", ["raise", "unsendable"])
def test_a_stream_that_cannot_be_closed_does_not_cost_the_answer(serve, connect, then):
    errors = []

    def handler(request, response):
        response.stream(Stuck())
        if then == "raise":
            raise LookupError("mistake")
        response.headers["Content-Length"] = "many"

    server = serve(handler)
    server.on_error(lambda error, client: errors.append(type(error)))
    assert connect(server).get().response().status == 500
    assert sorted(error.__name__ for error in errors) == [
        "LookupError" if then == "raise" else "OSError",
        "OSError" if then == "raise" else "ValueError",
    ]


STREAMED = {
    "stream": lambda response, path: response.stream([b"x"]),
    "channel": lambda response, path: response.channel().close(),
    "events": lambda response, path: response.events(),
    "file": lambda response, path: response.file(path),
}


@pytest.mark.parametrize("method", STREAMED)
@pytest.mark.parametrize("written_first", [True, False], ids=["written first", "streamed first"])
def test_a_body_is_written_or_streamed_and_nothing_is_lost(
    serve, connect, tmp_path, method, written_first
):
    path = tmp_path / "a.txt"
    path.write_text("file")

    def both(_, response):
        if written_first:
            response.write("head")
        STREAMED[method](response, path)
        response.write("tail")

    errors = []
    server = serve(both)
    server.on_error(lambda error, _: errors.append(str(error)))
    assert connect(server).get().response().status == 500
    assert len(errors) == 1
    assert "the response has a body" in errors[0]
