"""What on_answered is told of each answer, and the access log made of it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from queue import Queue

import pytest
from support import PATIENCE, Raw, free_port, nothing_left, wait_until

from bladehttp._message.request import ClientInfo
from bladehttp._message.response import HttpResponse
from bladehttp.server import HttpServer
from bladehttp.server._connection import sender
from bladehttp.server._dispatch.access_log import AccessLog, Answered, access_log, common

SIZE = 3_000_000


def answer(request, response):
    """Answer as the path says."""
    if request.path == "/stream":
        response.stream(iter([b"abc", b"", b"de"]))
    elif request.path == "/long":
        response.headers["Content-Length"] = str(SIZE)
        response.stream(bytes(1000) for _ in range(SIZE // 1000))
    elif request.path == "/fail":
        raise RuntimeError("wrong")
    elif request.path == "/nothing":
        response.status = 204
    else:
        response.write("hello")


@pytest.fixture
def seen() -> Queue:
    return Queue()


@pytest.fixture
def server(serve, seen) -> HttpServer:
    server = serve(answer)
    server.on_answered(seen.put)
    return server


def told(seen: Queue) -> Answered:
    return seen.get(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("method", "path", "status", "sent"),
    [
        ("GET", "/", 200, 5),
        ("HEAD", "/", 200, 0),
        ("GET", "/stream", 200, len(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")),
        ("HEAD", "/stream", 200, 0),
        ("GET", "/long", 200, SIZE),
        ("GET", "/nothing", 204, 0),
        ("GET", "/fail", 500, len("500 - Internal Server Error.")),
    ],
)
def test_each_answer_is_told_of_with_what_was_sent(
    method, path, status, sent, server, connect, seen
):
    client = connect(server)
    for _ in range(2):
        client.get(path, method=method).response(method)
        answered = told(seen)
        assert (answered.request.method, answered.request.path) == (method, path)
        assert (answered.response.status, answered.sent) == (status, sent)
        assert answered.client.port == client.socket.getsockname()[1]
        assert 0 <= answered.milliseconds < PATIENCE * 1000
    assert seen.empty()


def test_an_acknowledgement_between_two_looks_delays_no_record(serve, connect, seen, monkeypatch):
    answers = iter([1])  # unacknowledged bytes at the first look; then none, as the kernel has it

    def look(socket):
        return next(answers, 0)

    monkeypatch.setattr(sender, "unacknowledged", look)
    server = serve(answer, keep_alive_timeout=0)
    server.on_answered(seen.put)
    connect(server).get("/long").response()
    assert told(seen).sent == SIZE


def test_a_file_counts_however_it_is_sent(serve, connect, seen, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    for secure in (False, True):
        server = serve(lambda request, response: response.file(path), secure=secure)
        server.on_answered(seen.put)
        connect(server).get().response()
        assert told(seen).sent == SIZE


def test_a_request_that_is_none_is_told_of_without_it(server, connect, seen):
    connect(server).get().get("/two", "Connection: close").read_all()
    assert [told(seen).request.path for _ in range(2)] == ["/", "/two"]
    connect(server).send("nonsense\r\n\r\n").read_all()
    answered = told(seen)
    assert (answered.request, answered.response.status) == (None, 400)
    assert (answered.client.ip, answered.milliseconds < PATIENCE * 1000) == ("127.0.0.1", True)


REFUSED = [
    # fields, and what follows the head
    ("Content-Length: 11", b"", 413),
    ("Expect: a miracle", b"", 417),
    ("Transfer-Encoding: chunked", b"b\r\n", 413),
    ("Transfer-Encoding: chunked", b"no size\r\n", 400),
    ("Content-Length: 9", b"part", 408),
]


@pytest.mark.parametrize(("fields", "rest", "status"), REFUSED)
def test_a_request_that_is_refused_after_its_head_is_told_of(
    serve, connect, seen, fields, rest, status
):
    limits = {"max_body_size": 10, "read_timeout": 50, "trusted_proxies": ["127.0.0.1"]}
    server, lines = serve(answer, **limits), Queue()
    server.on_answered(seen.put)
    server.on_answered(access_log(lines.put))
    head = f"POST /long?a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n{fields}\r\n\r\n"
    assert connect(server).send(head).send(rest).response().status == status
    answered = told(seen)
    assert (answered.request.method, answered.request.path) == ("POST", "/long")
    assert lines.get(timeout=PATIENCE).startswith("1.2.3.4 - - [")


@pytest.mark.parametrize("line", ["CONNECT a:443 HTTP/1.1", "GET https://a/ HTTP/1.1"])
def test_a_request_whose_target_is_not_served_is_told_of(server, connect, seen, line):
    assert connect(server).send(f"{line}\r\nHost: a\r\n\r\n").response().status in {501, 421}
    assert told(seen).request.method == line.split()[0]


def test_the_time_is_that_of_the_handler_and_of_the_client(serve, connect, seen):
    server = serve(lambda request, response: time.sleep(0.02))
    server.on_answered(seen.put)
    connect(server).get().response()
    assert 20 <= told(seen).milliseconds < PATIENCE * 1000


def test_an_answer_that_is_given_later_is_told_of_when_it_is_over(serve, connect, seen):
    deferred, channels = Queue(), Queue()

    def later(request, response):
        if request.path == "/deferred":
            deferred.put((response, response.defer()))
        else:
            channels.put(response.channel())

    server = serve(later)
    server.on_answered(seen.put)
    client = connect(server).get("/deferred")
    response, answer = deferred.get(timeout=PATIENCE)
    time.sleep(0.02)  # what is measured
    assert seen.empty()
    response.write("late")
    answer.send()
    assert client.response().body == b"late"
    answered = told(seen)
    assert (answered.request.path, answered.sent) == ("/deferred", 4)
    assert 20 <= answered.milliseconds < PATIENCE * 1000

    client.get("/channel")
    channel = channels.get(timeout=PATIENCE)
    channel.write("some")
    client.more()
    assert seen.empty()
    channel.close()
    assert told(seen).sent == len(b"4\r\nsome\r\n0\r\n\r\n")


def test_a_client_that_goes_away_is_told_of_with_what_it_was_sent(serve, connect, seen):
    gone = []
    server = serve(lambda request, response: response.stream(bytes(1000) for _ in range(10**6)))
    server.on_answered(seen.put)
    server.on_disconnect(gone.append)
    client = connect(server).get()
    client.more()
    assert seen.empty()
    client.close()
    answered = told(seen)
    assert 0 < answered.sent < 10**9
    wait_until(lambda: gone)
    assert seen.empty()


def test_an_answer_that_is_not_over_when_the_server_closes_is_told_of(serve, connect, seen):
    server = serve(lambda request, response: response.stream(bytes(1000) for _ in range(10**6)))
    server.on_answered(seen.put)
    connect(server).get().more()
    server.close()
    assert told(seen).response.status == 200


def test_a_callback_that_fails_is_an_error_and_the_others_are_called(serve, connect, seen):
    errors = Queue()
    server = serve(answer)

    @server.on_answered
    def fail(answered):
        raise RuntimeError("wrong")

    server.on_answered(seen.put)
    server.on_error(lambda error, client: errors.put(error))
    client = connect(server)
    for path in ("/", "/stream"):
        assert client.get(path).response().status == 200
        assert (str(errors.get(timeout=PATIENCE)), told(seen).request.path) == ("wrong", path)


COMMON = re.compile(
    r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(.*)" (\d+) (\d+|-)'
)


def test_the_common_format_has_what_was_asked_for_without_what_could_forge_a_line(serve, connect):
    lines = Queue()
    server = serve(answer)
    server.on_answered(access_log(lines.put))
    connect(server).get('/a"b\\c').get("/nothing", "Connection: close").read_all()
    connect(server).send("nonsense\r\n\r\n").read_all()
    found = [COMMON.fullmatch(lines.get(timeout=PATIENCE)).groups() for _ in range(3)]
    assert found == [
        (r"GET /a\x22b\x5cc HTTP/1.1", "200", "5"),
        ("GET /nothing HTTP/1.1", "204", "-"),
        ("-", "400", "18"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("method", "PUT", "PUT /?a HTTP/1.1"),
        ("request_uri", '/"new"', r"GET /\x22new\x22 HTTP/1.1"),
        ("http_version", "1.0", "GET /?a HTTP/1.0"),
        ("path", "/new", "GET /?a HTTP/1.1"),
    ],
)
def test_the_common_format_has_what_was_assigned(name, value, line, serve, connect):
    lines = Queue()
    server = serve(lambda request, response: setattr(request, name, value))
    server.on_answered(access_log(lines.put))
    connect(server).get("/?a").response()
    assert COMMON.fullmatch(lines.get(timeout=PATIENCE))[1] == line


def test_octets_beyond_ascii_are_escaped_in_the_common_format(serve, connect):
    lines = Queue()
    server = serve(answer)
    server.on_answered(access_log(lines.put))
    connect(server).get("/\xe9").response()
    assert COMMON.fullmatch(lines.get(timeout=PATIENCE))[1] == r"GET /\xe9 HTTP/1.1"


def test_the_common_format_has_the_time_also_after_a_clock_was_set_back():
    parts = ClientInfo("::1", 0, ipv6=True), None, HttpResponse(status=299), 7, 0.5
    times = [1_000_000_000.0, 1_000_000_000.9, 1_000_000_001.0, 1_000_000_000.5, 5.25]
    for now in times:
        moment = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(int(now)))
        assert common(parts, now) == f'::1 - - [{moment}] "-" 299 7'


class Counting(AccessLog):
    """A log that counts."""

    count = 0

    def __call__(self, answered):
        assert isinstance(answered, Answered)
        self.count += 1


def test_a_log_of_another_class_is_called_as_any_function(serve, connect):
    log = Counting(pytest.fail, pytest.fail)
    server = serve(answer)
    server.on_answered(log)
    connect(server).get("/").response()
    wait_until(lambda: log.count == 1)


def test_a_form_of_the_callers_gets_an_answered(serve, connect):
    lines = Queue()
    server = serve(answer)
    server.on_answered(access_log(lines.put, lambda answered, now: (answered, now)))
    connect(server).get("/").response()
    answered, now = lines.get(timeout=PATIENCE)
    assert (type(answered), answered.sent, answered.request.path) == (Answered, 5, "/")
    assert abs(time.time() - now) < PATIENCE


def test_the_json_format_is_an_object_a_line(serve, connect):
    lines = Queue()
    server = serve(answer, trusted_proxies=["127.0.0.1"])
    server.on_answered(access_log(lines.put, "json"))
    fields = ("X-Forwarded-For: 192.0.2.1", 'User-Agent: \xff"\x80', "Referer: /x")
    connect(server).get("/?a=1", *fields).response()
    row = json.loads(lines.get(timeout=PATIENCE))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", row.pop("time"))
    assert 0 <= row.pop("milliseconds") < PATIENCE * 1000
    assert row == {
        "client": "192.0.2.1",
        "method": "GET",
        "target": "/?a=1",
        "version": "1.1",
        "host": "localhost",
        "status": 200,
        "sent": 5,
        "referer": "/x",
        "user_agent": '\xff"\x80',
        "request_id": None,
    }


@pytest.mark.parametrize(
    ("sent", "logged"),
    [("0af7-65.1_9", "0af7-65.1_9"), ("x" * 129, None), ("a b", None), ("\xe9", None)],
    ids=["usual", "long", "blank", "beyond-ascii"],
)
def test_the_request_id_joins_the_log_with_errors(serve, connect, caplog, sent, logged):
    lines = Queue()
    server = serve(lambda request, response: 1 / 0)
    server.on_answered(access_log(lines.put, "json"))
    assert connect(server).get("/x", f"X-Request-ID: {sent}").response().status == 500
    assert json.loads(lines.get(timeout=PATIENCE))["request_id"] == logged
    name = f" ({logged})" if logged else ""
    assert f"GET /x from 127.0.0.1{name}: ZeroDivisionError" in caplog.text


def test_a_format_may_be_a_function(serve, connect):
    lines = Queue()
    server = serve(answer)
    server.on_answered(access_log(lines.put, lambda answered, now: f"{answered.response.status}"))
    connect(server).get().response()
    assert lines.get(timeout=PATIENCE) == "200"


def test_a_file_given_by_name_is_appended_to_and_opened_again(serve, connect, tmp_path):
    path = tmp_path / "access.log"
    path.write_text("before\n")
    log = access_log(path, lambda answered, now: answered.request.path)
    server = serve(answer)
    server.on_answered(log)
    client = connect(server)
    client.get("/one").response()
    wait_until(lambda: path.read_text() == "before\n/one\n")
    path.rename(tmp_path / "access.log.1")
    client.get("/two").response()
    log.reopen()
    client.get("/three").response()
    wait_until(path.exists)
    wait_until(lambda: path.read_text() == "/three\n")
    assert (tmp_path / "access.log.1").read_text() == "before\n/one\n/two\n"
    log.close()
    client.get("/four").response()
    assert path.read_text() == "/three\n"


def test_a_file_that_cannot_be_opened_again_stays(tmp_path, caplog):
    path = tmp_path / "logs" / "access.log"
    path.parent.mkdir()
    log = access_log(str(path), lambda answered, now: "line")
    moved = path.parent.rename(tmp_path / "moved") / path.name
    log.reopen()
    log(Answered(ClientInfo("", 0, ipv6=False), None, HttpResponse(), 0, 0.5))
    assert moved.read_text() == "line\n"
    log.close()
    assert "cannot reopen the access log" in caplog.text
    with pytest.raises(FileNotFoundError):
        access_log(path)


def test_a_line_that_is_being_written_when_the_log_is_reopened_is_not_lost(tmp_path):
    class Line(str):
        __slots__ = ()

        def __format__(self, how):  # a signal comes between two instructions of `write`
            log.reopen()
            return str(self)

    path = tmp_path / "access.log"
    with nothing_left():
        log = access_log(path, lambda answered, now: Line("line"))
        for _ in range(2):
            log(Answered(ClientInfo("", 0, ipv6=False), None, HttpResponse(), 0, 0.5))
        log.close()
    assert path.read_text() == "line\nline\n"


OPERATED = """
import bladehttp, sys
from bladehttp.server._dispatch.access_log import access_log
server = bladehttp.server(int(sys.argv[2]))
server.on_receive(lambda request, response: response.write("x"))
server.on_answered(access_log(sys.argv[1], lambda answered, now: answered.request.path))
server.listen(signals=True)
"""


@pytest.mark.parametrize("abstract", [False, True], ids=["file", "abstract"])
def test_systemd_is_told_of_readiness_and_sighup_reopens_the_log(tmp_path, abstract):
    path, port = tmp_path / "access.log", free_port()
    name = f"@bladehttp-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE)
        manager.bind(name.replace("@", "\0"))
        command = [sys.executable, "-X", "dev", "-c", OPERATED, str(path), str(port)]
        with subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": name}) as process:
            try:
                assert manager.recv(100) == b"READY=1"
                with Raw(port) as client:  # nothing to wait for: it is ready
                    client.get("/one").response()
                    wait_until(lambda: path.read_text() == "/one\n")
                    path.rename(tmp_path / "old")
                    process.send_signal(signal.SIGHUP)
                    wait_until(path.exists)
                    client.get("/two").response()
                    wait_until(lambda: path.read_text() == "/two\n")
                process.send_signal(signal.SIGTERM)
                assert manager.recv(100) == b"STOPPING=1"
                assert process.wait(PATIENCE) == 0
            finally:
                process.kill()


def test_the_log_goes_to_standard_error_and_knows_two_forms(capsys):
    nobody = ClientInfo("", 0, ipv6=False)
    for form in ("common", "json"):
        access_log(form=form)(Answered(nobody, None, HttpResponse(status=400), 0, 0.5))
    common, row, rest = capsys.readouterr().err.split("\n")
    assert re.fullmatch(r'- - - \[.+\] "-" 400 -', common)
    assert json.loads(row)["milliseconds"] == 0.5
    assert json.loads(row)["method"] is None
    assert rest == ""
    with pytest.raises(ValueError, match="form of an access log is common or json, not 'xml'"):
        access_log(form="xml")


@pytest.mark.parametrize("write", [sys.stdout, 0, b"access.log"], ids=["stream", "int", "bytes"])
def test_a_log_that_cannot_be_written_to_is_refused(write):
    with pytest.raises(TypeError, match="access_log takes a function of a line or the path"):
        access_log(write)


def test_an_access_log_that_was_not_made_is_refused():
    with pytest.raises(TypeError, match=r"the callback that access_log\(\) returns"):
        HttpServer(0).on_answered(access_log)
