"""Bodies: decoded when they are read, whole whatever their size, and no burden to others.

Each fact is held through the server, through WSGI and for a test's server alike.
"""

import gc
import gzip
import hashlib
import io
import json
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest
from support import Raw, wait_until

import bladehttp as http
from bladehttp.server.testing import BladeServer

MIB = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


def multipart(*parts: tuple[str, bytes]) -> bytes:
    line = b"--b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n"
    return b"".join(line % (head.encode(), content) for head, content in parts) + b"--b--\r\n"


Ask = Callable[..., tuple[int, bytes]]


@contextmanager
def over_sockets(server: http.HttpServer) -> Iterator[Ask]:
    with server, http.HttpClient(base_url=server.url) as client:

        def ask(body: bytes, content_type: str | None, path: str = "/", **headers: str) -> Any:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            if content_type is not None:
                fields["Content-Type"] = content_type
            answer = client.post(path, body, headers=fields)
            return answer.status, answer.body

        yield ask
        if isinstance(server, BladeServer):
            server.clear()  # of the refusals, which are what is tested here


@contextmanager
def over_wsgi(server: http.HttpServer) -> Iterator[Ask]:
    application = validator(server.wsgi)

    def ask(body: bytes, content_type: str | None, path: str = "/", **headers: str) -> Any:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": path.partition("?")[0],
            "QUERY_STRING": path.partition("?")[2],
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if content_type is not None:
            environ["CONTENT_TYPE"] = content_type
        for name, value in headers.items():
            environ[f"HTTP_{name.upper()}"] = value
        begun: list[str] = []

        def start_response(status: str, fields: Any, *_: Any) -> Callable[[bytes], object]:
            begun.append(status)
            return lambda data: None

        answer = application(environ, start_response)
        try:
            content = b"".join(answer)
        finally:
            answer.close()
        return int(begun[0][:3]), content

    yield ask


DOORS = {
    "server": (http.HttpServer, over_sockets),
    "wsgi": (http.HttpServer, over_wsgi),
    "fixture": (BladeServer, over_sockets),
}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Serve a handler, and return what sends it a body."""
    make, opened = DOORS[request.param]
    contexts = []

    def serve(handler: Any, *, offload: bool = False, **properties: Any) -> Ask:
        server = make(0, **properties)
        server.handle("POST", "/", handler, offload=offload)
        context = opened(server)
        contexts.append(context)
        serve.server = server
        return context.__enter__()

    yield serve
    for context in contexts:
        context.__exit__(None, None, None)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


LONG = bytes(range(256)) * (5 * MIB // 256)  # five times spool_size


@pytest.mark.parametrize("size", [0, 10, MIB, MIB + 1, 5 * MIB])
def test_content_is_whole_whatever_its_size(door: Any, size: int) -> None:
    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        with request.open() as one, request.open() as other:
            streams = [one.read(100) + one.read(), other.read()]
        contents = [request.raw_body, request.content, request.body or b"", *streams]
        response.json([digest(content) for content in contents])

    status, answer = door(handler)(LONG[:size], "application/octet-stream")
    assert (status, json.loads(answer)) == (200, [digest(LONG[:size])] * 5)


def test_content_of_any_type_is_whole_in_raw_body(door: Any) -> None:
    # A signature is over raw_body: it must not pass because the payload is long.
    ask = door(lambda request, response: response.write(digest(request.raw_body)))
    for content_type in ("application/json", FORM, MULTIPART, "text/plain", None):
        assert ask(LONG, content_type)[1].decode() == digest(LONG)


@pytest.mark.parametrize(
    ("content_type", "body", "read"),
    [
        pytest.param("application/json", b'{"a": "%b"}', lambda body: body["a"], id="JSON"),
        pytest.param(FORM, b"b=1&a=%b", lambda body: body["a"], id="form"),
        pytest.param(
            MULTIPART,
            multipart(('name="a"', b"%b")),
            lambda body: body["a"],
            id="field of a multipart form",
        ),
        pytest.param("text/plain", b"%b", lambda body: body.decode(), id="text"),
    ],
)
def test_long_body_is_decoded_as_a_short_one(
    door: Any, content_type: str, body: bytes, read: Callable[[Any], str]
) -> None:
    ask = door(lambda request, response: response.write(digest(read(request.body).encode())))
    for text in (b"x" * 10, b"x" * 2 * MIB):
        assert ask(body % text, content_type) == (200, digest(text).encode())


@pytest.mark.parametrize("size", [0, 10, MIB, MIB + 1, 5 * MIB])
def test_upload_is_whole_whatever_its_size(door: Any, size: int, tmp_path: Path) -> None:
    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        upload = request.files["f"]
        with upload.open() as stream:
            contents = [stream.read(10) + stream.read()]
        assert upload.save(tmp_path / "kept") == upload["size"] == size
        contents += [(tmp_path / "kept").read_bytes(), upload["content"], upload.get("content")]
        contents += [
            dict(upload)["content"],
            {**upload}["content"],
            dict(upload.items())["content"],
        ]
        response.json([digest(content) for content in contents])

    body = multipart(('name="f"; filename="x"', LONG[:size]), ('name="a"', b"1"))
    status, answer = door(handler)(body, MULTIPART)
    assert (status, json.loads(answer)) == (200, [digest(LONG[:size])] * 7)


def test_streams_of_a_long_body_do_not_move_each_other(door: Any) -> None:
    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        with request.open() as one, request.open() as other:
            one.seek(-5, io.SEEK_END)
            other.seek(3)
            response.write(other.read(2) + one.read())
            assert (one.tell(), one.seekable(), one.read()) == (5 * MIB, True, b"")

    assert door(handler)(LONG, None) == (200, bytes([3, 4, 251, 252, 253, 254, 255]))


def test_stream_outlives_the_answer_and_new_ones_say_that_it_is_over(door: Any) -> None:
    kept: list[Any] = []

    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        kept.extend((request, request.open()))

    assert door(handler, spool_size=1000)(LONG, None)[0] == 200
    with kept[1] as stream:
        assert stream.read() == LONG
    wait_until(lambda: kept[0].body_file.closed)
    with pytest.raises(ValueError, match="has been answered"):
        kept[0].open()
    assert kept[0].size == len(LONG)  # for logs, which come afterwards


def test_upload_is_a_dict(door: Any) -> None:
    uploads: list[Any] = []

    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        upload = request.files["f"]
        copies = [upload.copy(), pickle.loads(pickle.dumps(upload)), dict(upload)]
        uploads.extend({key: copy[key] for key in copy if key != "file"} for copy in copies)
        uploads.append(repr(upload))
        response.json(request)

    body = multipart(('name="f"; filename="x"', b"x" * 2000))
    status, answer = door(handler, spool_size=1000)(body, MULTIPART)
    text = "x" * 2000
    plain = {"name": "f", "filename": "x", "mime": "application/octet-stream", "size": 2000}
    assert uploads == [plain | {"content": text.encode()}] * 3 + [f"<Upload {plain!r}>"]
    assert (status, json.loads(answer)["files"]["f"]) == (200, plain | {"content": text})


def test_upload_that_cannot_be_saved_leaves_nothing(door: Any, tmp_path: Path) -> None:
    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        with pytest.raises(FileNotFoundError):
            request.files["f"].save(tmp_path / "no" / "directory")
        response.write("refused")

    body = multipart(('name="f"; filename="x"', b"1"))
    assert door(handler)(body, MULTIPART) == (200, b"refused")


MALFORMED = {
    "JSON": ("application/json", b"{", 400),
    "deep JSON": ("application/json", b"[" * 100_000, 400),
    "JSON that is not UTF-8": ("application/json", b'"\xff"', 400),
    "multipart": (MULTIPART, b"--b\r\n", 400),
    "boundary twice": (f"{MULTIPART}; boundary=c", multipart(('name="a"', b"1")), 400),
    "too many fields": (FORM, b"&" * 1000, 413),
    "charset": (f"{FORM}; charset=rot13", b"a=1", 415),
    "too many values": ("application/json", b"[" + b"1," * 200_001 + b"1]", 413),
    "too many bytes": ("application/json", b'"%b"' % (b"x" * 4 * MIB), 413),
}
malformed = pytest.mark.parametrize(
    ("content_type", "body", "status"), MALFORMED.values(), ids=MALFORMED
)


@malformed
def test_body_that_nobody_reads_is_not_decoded(
    door: Any, content_type: str, body: bytes, status: int
) -> None:
    ask = door(lambda request, response: response.write("not read"))
    assert ask(body, content_type) == (200, b"not read")


@malformed
@pytest.mark.parametrize("attribute", ["body", "files"])
@pytest.mark.parametrize("offload", [False, True], ids=["on the loop", "offloaded"])
def test_malformed_body_is_answered_where_it_is_read(
    door: Any, content_type: str, body: bytes, status: int, attribute: str, offload: bool
) -> None:
    errors: list[Exception] = []

    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        response.set_cookie("a", "b")
        response.write(repr(getattr(request, attribute)))

    ask = door(handler, offload=offload)
    door.server.on_error(lambda error, client: errors.append(error))
    for _ in range(2):
        got, text = ask(body, content_type)
        assert (got, text[:3]) == (status, str(status).encode())
    assert errors == []


@pytest.mark.parametrize("encoding", ["gzip", "compress"])
def test_content_encoding_that_cannot_be_undone_is_answered_where_it_is_read(
    door: Any, encoding: str
) -> None:
    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        for _ in range(2):  # it fails again, and the same way
            with pytest.raises(http.ProtocolError) as caught:
                request.raw_body  # noqa: B018
        response.write(str(caught.value.status))
        if request.queries:
            request.open()

    ask = door(handler, decode_request_body=True)
    status = {"gzip": 400, "compress": 415}[encoding]
    assert ask(b"x" * 100, None, content_encoding=encoding) == (200, str(status).encode())
    assert ask(b"x" * 100, None, "/?open", content_encoding=encoding)[0] == status


def test_content_encoding_is_undone_when_it_is_read(door: Any) -> None:
    ask = door(
        lambda request, response: response.write(request.files["f"]["content"]),
        decode_request_body=True,
    )
    body = multipart(('name="f"; filename="x"', LONG[: 2 * MIB]))
    assert ask(gzip.compress(body), MULTIPART, content_encoding="gzip") == (200, LONG[: 2 * MIB])


def test_malformed_body_read_by_a_thread_that_answers_later_is_400(door: Any) -> None:
    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        deferred = response.defer()

        def later() -> None:
            try:
                response.json(request.body)
            except Exception as error:
                deferred.fail(error)
            else:
                deferred.send()

        threading.Thread(target=later).start()

    ask = door(handler)
    assert ask(b"{", "application/json")[0] == 400
    assert ask(b"{}", "application/json") == (200, b"{}")


def test_connection_is_kept_after_a_body_that_is_malformed_but_framed() -> None:
    with http.server(0) as server:
        server.handle("POST", "/", lambda request, response: response.json(request.body))
        head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
        with Raw(server.port) as client:
            client.send(f"{head}1\r\n\r\n{{{head}2\r\n\r\n{{}}")  # pipelined
            assert [client.response().status for _ in range(2)] == [400, 200]


MISSING = {
    "form": (FORM, b"a=1", lambda request: request.body["missing"]),
    "multipart": (MULTIPART, multipart(('name="a"', b"1")), lambda r: r.body["missing"]),
    "JSON": ("application/json", b'{"a": 1}', lambda request: request.body["missing"]),
    "no body": (None, b"", lambda request: request.body["missing"]),
    "query": (None, b"", lambda request: request.queries["missing"]),
    "cookie": (None, b"", lambda request: request.cookies["missing"]),
    "file": (MULTIPART, multipart(('name="a"', b"1")), lambda r: r.files["missing"]["content"]),
    "parameter": (None, b"", lambda request: request.params["missing"]),
}


@pytest.mark.parametrize(("content_type", "body", "read"), MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("offload", [False, True], ids=["on the loop", "offloaded"])
def test_missing_value_is_a_400_that_names_it(
    door: Any, content_type: str, body: bytes, read: Any, offload: bool
) -> None:
    errors: list[Exception] = []
    ask = door(lambda request, response: response.write(str(read(request))), offload=offload)
    door.server.on_error(lambda error, client: errors.append(error))
    status, text = ask(body, content_type)
    assert (status, text) == (400, b"400 - Bad Request. 'missing' is missing.")
    assert errors == []


def test_missing_parameter_of_a_template_is_a_400(door: Any) -> None:
    ask = door(lambda request, response: None)
    door.server.handle("POST", "/{a}", lambda request, response: request.params["b"])
    assert ask(b"", None, "/x") == (400, b"400 - Bad Request. 'b' is missing.")


def test_missing_value_is_a_key_error_that_may_be_caught(door: Any) -> None:
    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        try:
            request.body["missing"]
        except KeyError as error:
            response.write(error.args[0])

    assert door(handler)(b"a=1", FORM) == (200, b"missing")


def test_key_error_of_the_handlers_own_is_a_500() -> None:
    with http.server(0) as server, http.HttpClient(base_url=server.url) as client:
        server.on_receive(lambda request, response: response.write({}["mine"]))
        assert client.get("/").status == 500


def test_protocol_error_of_another_server_is_a_500() -> None:
    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        raise http.ProtocolError("no HTTP from upstream")

    with http.server(0) as server, http.HttpClient(base_url=server.url) as client:
        server.on_receive(handler)
        assert client.get("/").status == 500


BOMBS = {
    "form of percent signs": (FORM, b"a=" + b"%" * (16 * MIB - 2)),
    "form of bad escapes": (FORM, b"a=" + b"%x" * 199_000),
    "form of escapes": (FORM, b"a=" + b"%41" * 399_000),
    "form that is not UTF-8": (FORM, b"a=" + b"\xff" * (4 * MIB - 2)),
    "lists": ("application/json", b"[" + b"[]," * (5 * MIB) + b"[]]"),
    "fewer lists": ("application/json", b"[" + b"[]," * 99_000 + b"[]]"),
    "names": ("application/json", b"{%b}" % b",".join(b'"%x":1' % i for i in range(99_000))),
    "numbers": ("application/json", b"[" + b"1e100," * 199_000 + b"1]"),
    "long numbers": ("application/json", b"[" + (b"1" * 4300 + b",") * 900 + b"1]"),
    "deep JSON": ("application/json", b"[" * 199_000),
    "escapes in JSON": ("application/json", b'"' + b"\\n" * (2 * MIB - 1) + b'"'),
    "surrogates": ("application/json", b'"' + b"\\ud83d\\ude00" * (4 * MIB // 12 - 1) + b'"'),
    "1000 parts": (MULTIPART, multipart(*[('name="f"; filename="x"', b"x" * 100)] * 1000)),
    "heads": (
        MULTIPART,
        multipart(*[("name=\"f\"; filename*=UTF-8''" + "%41" * 1200, b"x")] * 1000),
    ),
    "one long part": (MULTIPART, multipart(('name="f"; filename="x"', b"x" * 15 * MIB))),
    "nearly delimiters": (MULTIPART, multipart(('name="f"; filename="x"', b"\r\n--" * 3 * MIB))),
}


@pytest.mark.parametrize(("content_type", "body"), BOMBS.values(), ids=BOMBS)
def test_no_body_keeps_others_waiting(content_type: str, body: bytes) -> None:
    took: list[float] = []

    def handler(request: http.HttpRequest, response: http.HttpResponse) -> None:
        tracer = sys.gettrace()
        sys.settrace(None)  # coverage's, which is called for each number of JSON
        begun = time.thread_time()  # of this thread: the machine may be busy
        try:
            repr(type(request.body))
        finally:
            took.append(time.thread_time() - begun)
            sys.settrace(tracer)

    gc.collect()
    gc.freeze()  # the objects of all tests before are not the server's to look through
    with http.HttpServer(0, slow_handler_time=0) as server:
        server.handle("POST", "/", handler)
        with http.HttpClient(base_url=server.url) as client:
            statuses = set()
            for _ in range(2):
                answer = client.post("/", body, headers={"Content-Type": content_type})
                statuses.add(answer.status)
    assert statuses <= {200, 400, 413}
    assert min(took) < 0.25  # about 0.05 on a machine that does nothing else
