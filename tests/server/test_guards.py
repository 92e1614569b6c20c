"""before_request, after_request and abort: who answers, and who is called all the same."""

import copy
import json
import pickle
from http import HTTPStatus

import pytest
import server_doors
from server_doors import DOORS, ask
from support import Raw, wait_until

import bladehttp as http
from bladehttp.server import HttpServer

SECRET = b"secret"


@pytest.fixture(params=DOORS)
def door(request):
    return DOORS[request.param]


@pytest.fixture
def ran() -> list[str]:
    return []


@pytest.fixture
def server(tmp_path, ran) -> HttpServer:
    """A server with one of everything that answers, which notes that it was called."""
    (tmp_path / "a.txt").write_bytes(SECRET)

    def answering(name):
        def handler(request, response):
            ran.append(name)
            response.write(SECRET)

        return handler

    server = HttpServer(0)
    server.handle("DELETE", "/users/{id}", answering("route"))
    server.handle("GET", "/offloaded", answering("offloaded"), offload=True)
    server.serve_files("/files", tmp_path)
    server.none_handler(answering("none_handler"))
    return server


EVERYTHING = {
    "route": ("DELETE", "/users/7"),
    "offloaded": ("GET", "/offloaded"),
    "file": ("GET", "/files/a.txt"),
    "unknown path": ("GET", "/nowhere"),
    "no such method": ("PATCH", "/users/7"),
    "options": ("OPTIONS", "/users/7"),
    "head": ("HEAD", "/files/a.txt"),
}


# before_request: what answers, and what does not


def aborting(request, response):
    http.abort(401)


def setting_a_status(request, response):
    response.status = 401


def setting_200(request, response):
    response.status = 200


def writing(request, response):
    response.write("no")


def writing_nothing(request, response):
    response.write("")


def assigning_nothing(request, response):
    response.body = b""


def sending_json(request, response):
    response.json(None)


def streaming(request, response):
    response.stream([b"no"])


def opening_a_channel(request, response):
    response.channel().close()


def sending_a_file(request, response):
    response.file(server_doors.__file__)


def redirecting(request, response):
    response.redirect("/login")


def deferring(request, response):
    deferred = response.defer()
    response.write("no")
    deferred.send()


def failing(request, response):
    raise LookupError("no such session")


def returning(request, response):
    return "no", 401


ANSWERS = {
    aborting: 401,
    setting_a_status: 401,
    setting_200: 200,
    writing: 200,
    writing_nothing: 200,
    assigning_nothing: 200,
    sending_json: 200,
    streaming: 200,
    opening_a_channel: 200,
    sending_a_file: 200,
    redirecting: 302,
    deferring: 200,
    failing: 500,
    returning: 500,
}


@pytest.mark.parametrize("guard", ANSWERS, ids=lambda guard: guard.__name__)
@pytest.mark.parametrize("asked", EVERYTHING.values(), ids=list(EVERYTHING))
def test_what_a_guard_answers_nothing_else_does(server, ran, door, guard, asked):
    server.before_request(guard)
    server.before_request(lambda request, response: ran.append("next guard"))
    server.on_receive(lambda request, response: ran.append("on_receive"))
    with door(server) as port:
        response = ask(port, asked[1], method=asked[0])
    assert (response.status, ran) == (ANSWERS[guard], [])
    assert SECRET not in response.body


def a_header(request, response):
    response.headers["X-Guard"] = "1"


def a_cookie(request, response):
    response.set_cookie("seen", "1")


def a_type(request, response):
    response.content_type("text/plain")


def a_delay(request, response):
    response.delay(1)


def a_look(request, response):
    assert (response.status, response.body, response.headers["Content-Type"]) == (
        200,
        b"",
        "text/html; charset=utf-8",
    )


@pytest.mark.parametrize(
    "guard", [a_header, a_cookie, a_type, a_delay, a_look], ids=lambda guard: guard.__name__
)
def test_what_is_no_answer_lets_the_request_through(server, ran, door, guard):
    server.before_request(guard)
    with door(server) as port:
        response = ask(port, "/users/7", method="DELETE")
    assert (response.status, response.body, ran) == (200, SECRET, ["route"])


def test_what_a_guard_that_lets_through_has_set_is_sent(server, door):
    server.before_request(a_header)
    with door(server) as port:
        for method, path in EVERYTHING.values():
            assert ask(port, path, method=method).get("X-Guard") == "1"


def test_guards_run_in_order_before_on_receive_and_the_route(server, ran, door):
    server.on_receive(lambda request, response: ran.append("on_receive"))
    server.before_request(lambda request, response: ran.append("one"))
    server.before_request(lambda request, response: ran.append("two"))
    with door(server) as port:
        ask(port, "/users/7", method="DELETE")
    assert ran == ["one", "two", "on_receive", "route"]


def test_what_a_guard_leaves_in_the_request_is_there_for_the_handler(server, door):
    server.handle("GET", "/me", lambda request, response: response.write(request.params["user"]))

    @server.before_request
    def known(request, response):
        request.params = {"user": request.queries["user"]}

    with door(server) as port:
        assert ask(port, "/me?user=ada").body == b"ada"


def test_a_guard_that_answers_later_is_the_answer(server, ran, door):
    waiting = []

    @server.before_request
    def later(request, response):
        waiting.append((response, response.defer()))

    with door(server) as port, Raw(port) as client:
        client.get("/users/7", method="DELETE")
        wait_until(lambda: waiting)
        response, deferred = waiting[0]
        response.json({"error": "no"}, status=403)
        assert deferred.send()
        assert client.response().status == 403
    assert ran == []


# on_receive is additive; what is routed nowhere is 404 or 405 unless it has answered


@pytest.mark.parametrize("receive", [*ANSWERS], ids=lambda receive: receive.__name__)
def test_an_unknown_path_is_the_on_receives_that_has_answered(door, receive):
    server = HttpServer(0)
    server.handle("GET", "/a", writing)
    server.on_receive(receive)
    with door(server) as port:
        assert ask(port, "/b").status == ANSWERS[receive]
        assert ask(port, "/a", method="PATCH").status == ANSWERS[receive]


@pytest.mark.parametrize(
    "receive", [a_header, a_cookie, a_type, a_delay, a_look], ids=lambda receive: receive.__name__
)
def test_an_unknown_path_is_404_beside_an_on_receive_that_has_not_answered(door, receive):
    server = HttpServer(0)
    server.handle("GET", "/a", writing)
    server.on_receive(receive)
    with door(server) as port:
        assert (ask(port, "/b").status, ask(port, "/b").body) == (404, b"404 - Not Found.")
        refused = ask(port, "/a", method="PATCH")
        assert (refused.status, refused.get("Allow")) == (405, "GET, HEAD, OPTIONS")
        assert ask(port, "/a", method="OPTIONS").status == 204
        assert ask(port, "/a").body == b"no"


def test_every_on_receive_runs_and_the_route_whatever_they_have_answered(server, ran, door):
    server.on_receive(setting_a_status)
    server.on_receive(lambda request, response: ran.append("second"))
    with door(server) as port:
        response = ask(port, "/users/7", method="DELETE")
    assert (response.status, response.body, ran) == (401, SECRET, ["second", "route"])


@pytest.mark.parametrize("place", ["on_receive", "before_request"])
def test_an_offloaded_handler_cannot_answer_what_is_deferred_already(server, ran, caplog, place):
    getattr(server, place)(a_delay)
    with server:
        assert ask(server.port, "/offloaded").status == 500
    assert "deferred already" in caplog.text
    assert ran == []


# abort


def text(**arguments):
    return {"arguments": arguments, "type": "text/plain; charset=utf-8"}


ABORTS = {
    "status": (text(status=404), b"404 - Not Found."),
    "member of an enumeration": (text(status=HTTPStatus.NOT_FOUND), b"404 - Not Found."),
    "text": (text(status=404, body="nö <b>"), "nö <b>".encode()),
    "bytes": (text(status=404, body=b"no"), b"no"),
    "empty": (text(status=404, body=""), b""),
    "json": (
        {"arguments": {"status": 404, "json": {"e": "ö"}}, "type": "application/json"},
        '{"e": "ö"}'.encode(),
    ),
    "json null": (
        {"arguments": {"status": 404, "json": None}, "type": "application/json"},
        b"null",
    ),
    "own type": (
        {
            "arguments": {
                "status": 404,
                "json": [],
                "headers": {"content-type": "application/problem+json"},
            },
            "type": "application/problem+json",
        },
        b"[]",
    ),
}


@pytest.mark.parametrize(("case", "body"), ABORTS.values(), ids=list(ABORTS))
def test_abort_answers_with_what_it_is_given(door, case, body):
    server = HttpServer(0)

    @server.handle("GET", "/")
    def handler(request, response):
        response.write("dropped")
        response.headers["X-Dropped"] = "1"
        http.abort(**case["arguments"])

    with door(server) as port:
        response = ask(port)
    assert (response.status, response.body) == (404, body)
    assert (response.get("Content-Type"), response.get("X-Dropped")) == (case["type"], None)


def test_abort_sends_headers_repeated_ones_too(door):
    server = HttpServer(0)
    fields = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("WWW-Authenticate", "Basic")]
    server.on_receive(lambda request, response: http.abort(401, headers=fields))
    with door(server) as port:
        response = ask(port)
    assert [field for field in response.fields if field in fields] == fields


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(204, "GET", b""), (304, "GET", b""), (404, "HEAD", b""), (302, "GET", b"302 - Found.")],
)
def test_abort_of_any_status_and_method_is_framed_as_any_answer(door, status, method, body):
    server = HttpServer(0)
    server.on_receive(lambda request, response: http.abort(status, headers={"Location": "/b"}))
    with door(server) as port:
        response = ask(port, method=method)
    assert (response.status, response.body) == (status, body)


def nested(request, response):
    def deeper():
        try:
            http.abort(403)
        except http.HttpException:
            raise AssertionError("an Abort is no HttpException") from None
        finally:
            response.write("x")

    deeper()


PLACES = {
    "before_request": lambda server: server.before_request(nested),
    "on_receive": lambda server: server.on_receive(nested),
    "route": lambda server: server.handle("GET", "/", nested),
    "offloaded": lambda server: server.handle("GET", "/", nested, offload=True),
    "none_handler": lambda server: server.none_handler(nested),
    "after_request": lambda server: server.after_request(nested),
}


@pytest.mark.parametrize("place", PLACES)
def test_abort_answers_wherever_it_is_called(door, place, caplog):
    server, errors = HttpServer(0), []
    PLACES[place](server)
    server.on_error(lambda error, client: errors.append(error))
    with door(server) as port:
        response = ask(port)
    assert (response.status, response.body) == (403, b"403 - Forbidden.")
    assert (errors, caplog.records) == ([], [])


def test_abort_where_a_file_is_missing(tmp_path, door):
    server = HttpServer(0)
    server.serve_files("/", tmp_path)
    server.none_handler(nested)
    with door(server) as port:
        assert ask(port, "/nothing").status == 403


def test_a_deferred_answer_may_fail_with_an_abort(door):
    server, errors = HttpServer(0), []
    server.on_error(lambda error, client: errors.append(error))

    @server.handle("GET", "/")
    def later(request, response):
        response.defer().fail(http.Abort(409, "taken"))

    with door(server) as port:
        response = ask(port)
    assert (response.status, response.body, errors) == (409, b"taken", [])
    assert response.get("Content-Type") == "text/plain; charset=utf-8"


ABORTED = {
    "status": {},
    "text": {"body": "<script>"},
    "bytes": {"body": b"\xff"},
    "empty": {"body": ""},
    "json": {"json": {"error": "tak\u00e9n"}},
    "html": {"body": "<p>", "headers": {"Content-Type": "text/html"}},
    "headers": {"headers": [("X-A", "1"), ("X-A", "2")]},
}


@pytest.mark.parametrize("arguments", ABORTED.values(), ids=ABORTED)
def test_an_abort_that_is_made_is_the_one_that_abort_raises(arguments):
    with pytest.raises(http.Abort) as raised:
        http.abort(409, **arguments)
    made = http.Abort(409, **arguments)
    assert (made.args, made.status, made.body, made.headers) == (
        raised.value.args,
        raised.value.status,
        raised.value.body,
        raised.value.headers,
    )


def raising_it(request, response):
    raise http.Abort(409, json={"a": 1}, headers={"X-A": "1"})


def failing_it(request, response):
    response.defer().fail(http.Abort(409, json={"a": 1}, headers={"X-A": "1"}))


def aborting_it(request, response):
    http.abort(409, json={"a": 1}, headers={"X-A": "1"})


def test_raised_failed_and_aborted_are_the_same_answer(door):
    server = HttpServer(0)
    for handler in (raising_it, failing_it, aborting_it):
        server.handle("GET", f"/{handler.__name__}", handler)
    with door(server) as port:
        answers = [ask(port, f"/{each}") for each in ("raising_it", "failing_it", "aborting_it")]
    assert [(each.status, each.body) for each in answers] == [(409, b'{"a": 1}')] * 3
    assert [each.get("Content-Type") for each in answers] == ["application/json"] * 3
    assert [each.get("X-A") for each in answers] == ["1"] * 3


def test_the_connection_goes_on_after_an_abort():
    server = HttpServer(0)
    server.on_receive(nested)
    with server, Raw(server.port) as client:
        assert [client.get().response().status for _ in range(3)] == [403] * 3


def test_what_is_streamed_is_closed_by_an_abort(door):
    server, closed = HttpServer(0), []

    class Source:
        def __iter__(self):
            return iter([b"x"])

        def close(self):
            closed.append(1)

    @server.handle("GET", "/")
    def handler(request, response):
        response.stream(Source())
        http.abort(503)

    with door(server) as port:
        assert ask(port).status == 503
    assert closed == [1]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"status": 99}, ValueError),
        ({"status": 600}, ValueError),
        ({"status": 100}, ValueError),
        ({"status": "404"}, TypeError),
        ({"status": 404.0}, TypeError),
        ({"status": True}, TypeError),
        ({"status": 400, "body": {"a": 1}}, TypeError),
        ({"status": 400, "body": 5}, TypeError),
        ({"status": 400, "body": "a", "json": 1}, TypeError),
        ({"status": 400, "json": object}, TypeError),
        ({"status": 400, "json": float("nan")}, ValueError),
        ({"status": 400, "headers": {"X": "a\r\nb"}}, http.InvalidHeader),
    ],
)
def test_what_cannot_be_an_answer_is_refused_where_it_is_given(arguments, error):
    for make in (http.abort, http.Abort):
        with pytest.raises(error):
            make(**arguments)


def test_a_body_of_another_type_is_refused_with_what_it_may_be():
    with pytest.raises(TypeError) as caught:
        http.abort(404, {"a": 1})
    assert str(caught.value) == "body is str, bytes or None, not {'a': 1}; json= sends JSON"


@pytest.mark.parametrize("again", [copy.copy, lambda abort: pickle.loads(pickle.dumps(abort))])
def test_an_abort_can_be_copied_and_pickled(again):
    with pytest.raises(http.Abort, match="404 Not Found") as caught:
        http.abort(404, json={"a": 1}, headers={"X": "y"})
    made = again(caught.value)
    assert (made.status, json.loads(made.body), made.headers) == (
        404,
        {"a": 1},
        {"X": "y", "Content-Type": "application/json"},
    )


# after_request


def marked(request, response):
    response.headers["X-After"] = f"{request.method or '-'} {request.path or '-'} {response.status}"


@pytest.mark.parametrize("asked", EVERYTHING.values(), ids=list(EVERYTHING))
def test_after_request_is_called_whatever_answers(server, door, asked):
    server.after_request(marked)
    with door(server) as port:
        response = ask(port, asked[1], method=asked[0])
    assert response.get("X-After") == f"{asked[0]} {asked[1]} {response.status}"


@pytest.mark.parametrize("guard", ANSWERS, ids=lambda guard: guard.__name__)
def test_after_request_is_called_for_what_a_guard_answers(server, door, guard):
    server.before_request(guard)
    server.after_request(marked)
    with door(server) as port:
        response = ask(port, "/files/a.txt")
    assert response.get("X-After") == f"GET /files/a.txt {ANSWERS[guard]}"


REFUSED = {
    # what is sent: what after_request knows of it
    "no request": ("nonsense\r\n\r\n", "- - 400"),
    "no host": ("GET /a HTTP/1.1\r\n\r\n", "GET /a 400"),
    "a field that is none": ("GET /a HTTP/1.1\r\nHost: a\r\n(: b\r\n\r\n", "GET /a 400"),
    "too long a line": (f"GET /{'x' * 9000} HTTP/1.1\r\n", "- - 414"),
    "too many fields": ("GET /a HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 101, "GET /a 431"),
    "too long a body": (
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
        "POST /a 413",
    ),
    "a chunk that is none": (
        "POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n",
        "POST /a 400",
    ),
    "an unknown coding": (
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST /a 501",
    ),
    "version 2": ("GET /a HTTP/2.0\r\nHost: a\r\n\r\n", "- - 505"),
    "connect": ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "CONNECT - 501"),
}


@pytest.mark.parametrize(("sent", "known"), REFUSED.values(), ids=list(REFUSED))
def test_after_request_is_called_for_what_is_refused(sent, known):
    server, clients = HttpServer(0), []

    @server.after_request
    def after(request, response):
        clients.append((request.ip, request.port, request.is_secure, request.headers.get("X")))
        marked(request, response)

    with server, Raw(server.port) as client:
        response = client.send(sent).response()
        assert response.get("X-After") == known
        assert clients == [(*client.socket.getsockname(), False, None)]


def test_after_request_is_called_when_a_request_comes_too_late():
    server = HttpServer(0, read_timeout=20)
    server.after_request(marked)
    with server, Raw(server.port) as client:
        assert client.send("GET /a HTTP/1.1\r\n").response().get("X-After") == "GET /a 408"


def test_after_request_is_called_for_what_wsgi_refuses(door):
    server = HttpServer(0, max_body_size=5)
    server.after_request(marked)
    with door(server) as port:
        response = ask(port, "/a%20b?c", method="POST", body="x" * 6)
    assert response.get("X-After") == "POST /a b 413"


def test_after_request_is_called_for_answers_given_later_and_those_too_late(door):
    server = HttpServer(0)
    server.after_request(marked)
    server.handle("GET", "/late", lambda request, response: response.defer(1) and None)
    server.handle("GET", "/later", deferring)
    server.handle("GET", "/failing", failing, offload=True)
    with door(server) as port:
        marks = [ask(port, path).get("X-After") for path in ("/late", "/later", "/failing")]
    assert marks == ["GET /late 503", "GET /later 200", "GET /failing 500"]


def test_the_last_after_request_registered_is_the_first_called(server, ran, door):
    for name in "one", "two":
        server.after_request(lambda request, response, name=name: ran.append(name))
    with door(server) as port:
        ask(port, "/nowhere")
    assert ran == ["none_handler", "two", "one"]


def test_after_request_may_change_everything(server, door):
    @server.after_request
    def upper(request, response):
        response.body = response.body.upper()
        response.status = 203
        del response.headers["X-Powered-By"]

    with door(server) as port:
        response = ask(port, "/nowhere")
    assert (response.status, response.body) == (203, SECRET.upper())
    assert response.get("X-Powered-By") is None


def test_after_request_may_wrap_a_stream(door):
    server = HttpServer(0)
    server.on_receive(lambda request, response: response.stream(["one ", "two"]))

    @server.after_request
    def wrap(request, response):
        response.stream(piece.upper() for piece in response.source)

    with door(server) as port:
        assert ask(port).body == b"ONE TWO"


def test_after_request_is_called_for_each_of_pipelined_requests():
    server, paths = HttpServer(0), []
    server.on_receive(lambda request, response: response.write(request.path))
    server.after_request(lambda request, response: paths.append(request.path))
    with server, Raw(server.port) as client:
        for path in "/1", "/2", "/3":
            client.get(path)
        assert [client.response().body for _ in range(3)] == [b"/1", b"/2", b"/3"]
    assert paths == ["/1", "/2", "/3"]


@pytest.mark.parametrize("broken", [failing, returning, deferring], ids=lambda each: each.__name__)
def test_an_after_request_that_fails_is_500_and_the_others_run_on_that(server, door, broken):
    errors = []
    server.after_request(marked)
    server.after_request(broken)
    server.on_error(lambda error, client: errors.append((type(error), error.request.path)))
    with door(server) as port:
        response = ask(port, "/nowhere")
    kinds = {failing: LookupError, returning: TypeError, deferring: RuntimeError}
    assert (response.status, response.body) == (500, b"500 - Internal Server Error.")
    assert response.get("X-After") == "GET /nowhere 500"
    assert errors == [(kinds[broken], "/nowhere")]


def test_an_answer_that_cannot_be_sent_is_replaced_by_one_that_after_request_sees(door):
    server = HttpServer(0)
    server.on_receive(lambda request, response: setattr(response, "status", 99))
    server.after_request(marked)
    with door(server) as port:
        assert ask(port, "/a").get("X-After") == "GET /a 500"


def test_an_after_request_that_spoils_every_answer_does_not_keep_it_from_the_client(door, caplog):
    server = HttpServer(0)

    @server.after_request
    def spoil(request, response):
        response.headers = {"X": "a\r\nb"}

    with door(server) as port:
        assert ask(port).status == 500
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 2


# registration


HOOKS = ["before_request", "after_request"]


@pytest.mark.parametrize("hook", HOOKS)
def test_hooks_decorate(hook):
    def function(request, response):
        pass

    assert getattr(HttpServer(0), hook)(function) is function


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_takes_two_arguments(hook):
    with pytest.raises(TypeError, match=f"{hook} takes a function of 2 arguments"):
        getattr(HttpServer(0), hook)(lambda request: None)


# powered_by


@pytest.mark.parametrize("value", ["Blade", "mine 1.0", None])
def test_powered_by_is_what_it_is_set_to_on_every_answer(server, door, value):
    server.powered_by = value
    server.on_error(lambda error, client: None)
    server.handle("GET", "/failing", failing)
    server.handle("GET", "/aborting", aborting)
    with door(server) as port:
        for method, path in (*EVERYTHING.values(), ("GET", "/failing"), ("GET", "/aborting")):
            assert ask(port, path, method=method).get("X-Powered-By") == value


@pytest.mark.parametrize("sent", [sent for sent, _ in REFUSED.values()], ids=list(REFUSED))
def test_a_refusal_is_powered_by_nothing_if_that_is_so(sent):
    with HttpServer(0, powered_by=None) as server, Raw(server.port) as client:
        assert client.send(sent).response().get("X-Powered-By") is None


@pytest.mark.parametrize(("value", "error"), [("a\r\nb", http.InvalidHeader), (5, TypeError)])
def test_a_powered_by_that_cannot_be_sent_is_refused_before_anything_listens(value, error):
    server = HttpServer(0, powered_by=value)
    with pytest.raises(error):
        server.start()
    assert server.socket is None
    with pytest.raises(error):
        server.wsgi  # noqa: B018


@pytest.mark.parametrize("value", [False, True])
def test_a_guard_that_returns_a_bool_lets_nobody_in(serve, connect, value):
    server = serve(lambda _, response: response.write("secret"))
    server.before_request(lambda request, response: value)
    assert connect(server).get().response().status == 500
