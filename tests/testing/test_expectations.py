"""What is answered, how often and in which order, and what is wrong at the end."""

import logging
import re
import threading
import time

import pytest
from support import PATIENCE, Raw

import bladehttp as http
from bladehttp import InvalidHeader
from bladehttp.server.testing import BladeServer, Identity


def statuses(client, *paths):
    return [client.get(path).response().status for path in paths]


async def coroutine(request, response):
    raise AssertionError("nobody waits for it")


# How often, and in which order


def test_once_is_the_default(server, client):
    server.expect("GET", "/a")
    assert statuses(client, "/a", "/a") == [200, 500]
    with pytest.raises(AssertionError, match="it has come once already"):
        server.check()


def test_several_times(server, client):
    expectation = server.expect("GET", "/a", times=2)
    assert statuses(client, "/a") == [200]
    with pytest.raises(AssertionError) as caught:
        server.check()
    assert str(caught.value) == (
        "expected request not received: GET /a, expected twice, came 1 times\n  received: GET /a"
    )
    assert statuses(client, "/a") == [200]
    server.check()
    assert expectation.calls == 2


def test_any_number_of_times_may_be_none(server, client):
    server.expect("GET", "/a", times=None)
    server.check()
    assert statuses(client, *["/a"] * 5) == [200] * 5
    server.check()


def test_the_first_that_is_not_used_up_answers(server, client):
    for status in 503, 503, 201:
        server.expect("GET", "/a").respond(status=status)
    assert statuses(client, "/a", "/a", "/a") == [503, 503, 201]


def test_what_has_a_number_goes_before_what_has_none(server, client):
    server.expect(None, None, times=None).respond(status=404)
    server.expect("GET", "/a").respond(status=201)
    assert statuses(client, "/a", "/a", "/b") == [201, 404, 404]
    server.check()


def test_an_order_is_kept_whatever_comes_between(server, client):
    server.expect("GET", "/1", ordered=True, times=2)
    server.expect("GET", "/free")
    server.expect("GET", "/2", ordered=True)
    assert statuses(client, "/1", "/free", "/1", "/2") == [200] * 4
    server.check()


def test_what_is_out_of_order_is_not_taken(server, client):
    server.expect("GET", "/1", ordered=True)
    server.expect("GET", "/2", ordered=True)
    assert statuses(client, "/2", "/1", "/2") == [500, 200, 200]
    with pytest.raises(AssertionError, match="GET /1 is to come before"):
        server.check()


def test_an_expectation_knows_the_requests_it_has_taken(server, client):
    seen = []
    a = server.expect("GET", "/a", times=2)
    b = server.expect("GET", "/{name}", times=None)
    b.respond(handler=lambda request, response: seen.append(b.requests[-1] is request))
    assert (a.requests, b.requests) == ((), ())
    assert statuses(client, "/a?1", "/b", "/a?2", "/a?3") == [200] * 4
    assert [request.request_uri for request in a.requests] == ["/a?1", "/a?2"]
    assert [request.request_uri for request in b.requests] == ["/b", "/a?3"]
    assert a.requests[0] is server.requests[0]
    assert seen == [True, True]


def test_an_expectation_keeps_no_requests_of_a_server_that_does_not():
    with BladeServer(record=False) as server, Raw(server.port) as client:
        expectation = server.expect("GET", "/a")
        assert statuses(client, "/a") == [200]
        assert (expectation.calls, expectation.requests) == (1, ())


def test_an_expectation_keeps_as_many_requests_as_the_server(server, client):
    expectation = server.expect("POST", "/", times=None)
    body = b"x" * 6_000_000
    for _ in range(3):
        client.get("/", f"Content-Length: {len(body)}", method="POST")
        assert client.send(body).response().status == 200
    assert (expectation.calls, len(expectation.requests), len(server.requests)) == (3, 2, 2)


# Answers


def test_without_an_answer_it_is_200_and_empty(server, client):
    server.expect("GET", "/")
    response = client.get().response()
    assert (response.status, response.body) == (200, b"")


def test_body_status_and_headers_are_sent(server, client):
    headers = [
        ("Content-Type", "text/x"),
        ("X-A", "1"),
        ("Set-Cookie", "a=b"),
        ("Set-Cookie", "c=d"),
    ]
    server.expect("GET", "/").respond("é", 201, headers)
    response = client.get().response()
    assert (response.status, response.body) == (201, "é".encode())
    assert [
        field for field in response.fields if field[0] in {"Content-Type", "X-A", "Set-Cookie"}
    ] == headers


def test_json_is_sent(server, client):
    server.expect("GET", "/").respond(json=None, status=203)
    response = client.get().response()
    assert (response.status, response.get("Content-Type"), response.body) == (
        203,
        "application/json",
        b"null",
    )


def test_a_handler_finds_the_answer_prepared(server, client):
    def handler(request, response):
        response.write(f" {request.params['name']}")

    server.expect("GET", "/{name}", times=2).respond("hello", 202, handler=handler)
    for name in "ada", "bob":
        response = client.get(f"/{name}").response()
        assert (response.status, response.body.decode()) == (202, f"hello {name}")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"headers": {"X": "a\r\nb"}}, InvalidHeader),
        ({"json": object}, TypeError),
        ({"body": 1}, TypeError),
        ({"body": "a", "json": 1}, TypeError),
        ({"body": {"a": 1}}, TypeError),
        ({"body": []}, TypeError),
        ({"body": None}, TypeError),
        ({"status": 999}, ValueError),
        ({"status": 199}, ValueError),
        ({"status": "200"}, TypeError),
        ({"status": True}, TypeError),
        ({"delay": 0.05}, TypeError),
        ({"delay": "5"}, TypeError),
        ({"delay": -1}, ValueError),
        ({"handler": "handler"}, TypeError),
        ({"handler": lambda request: None}, TypeError),
        ({"handler": coroutine}, TypeError),
        ({"fault": lambda: None}, TypeError),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(server, answer, error):
    with pytest.raises(error):
        server.expect("GET", "/").respond(**answer)


def test_head_and_expect_continue_are_answered(server, client):
    server.expect("HEAD", "/").respond("hello")
    server.expect("POST", "/", body="x")
    head = client.get(method="HEAD").response("HEAD")
    assert (head.status, head.get("Content-Length")) == (200, "5")
    client.get("/", "Content-Length: 1", "Expect: 100-continue", method="POST")
    assert client.response().status == 100
    assert client.send("x").response().status == 200
    server.check()


# The server beside its expectations


def test_routes_and_their_methods_come_first(server, client):
    server.handle("GET", "/health", lambda request, response: response.write("well"))
    server.expect("GET", "/a")
    assert client.get("/health").response().body == b"well"
    assert statuses(client, "/a") == [200]
    assert client.get("/health", method="DELETE").response().status == 405
    server.check()


@pytest.mark.parametrize("callback", ["on_receive", "none_handler"])
def test_what_a_callback_takes_does_not_meet_an_expectation(server, client, callback):
    getattr(server, callback)(lambda request, response: response.write("mine"))
    server.expect("GET", "/")
    assert client.get().response().body == b"mine"
    with pytest.raises(
        AssertionError,
        match=rf"expected request not received: GET /, .*\n  received: GET /\n.*{callback}",
    ):
        server.check()


def test_an_expectation_says_what_it_is(server):
    assert repr(server.expect("get", "/a", query={"b": 1}, times=3)) == (
        "<Expectation GET /a, query {'b': 1}, 3 times>"
    )
    assert str(server.expect(None, None, body="x")) == "any request, body 'x'"
    assert str(server.expect(None, re.compile("/.*"))) == "a path like '/.*'"


def test_nothing_is_expected_of_a_server_that_is_told_nothing(server, client):
    server.check()
    assert client.get("/a").response().body == b"not expected: GET /a\n"


def test_requests_are_kept_with_their_bodies(server, client):
    server.expect("POST", "/")
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)
    client.response()
    assert [request.raw_body for request in server.requests] == [b"x" * 1_000_000]


@pytest.mark.parametrize("path", ["/a?b=c", "a?b=c"])
def test_the_url_of_a_path(server, path):
    assert server.url_for(path) == f"http://127.0.0.1:{server.port}/a?b=c"


# What went wrong


def test_an_error_of_a_handler_is_the_cause(server, client, caplog):
    def handler(request, response):
        raise LookupError("no such user")

    server.expect("GET", "/").respond(handler=handler)
    assert statuses(client, "/") == [500]
    with pytest.raises(AssertionError, match=r"^the server failed with LookupError") as caught:
        server.check()
    assert isinstance(caught.value.__cause__, LookupError)
    assert caught.value.__cause__.__traceback__ is not None
    assert "no such user" in caplog.text


def test_several_errors_are_the_cause_as_a_group(server, client):
    def handler(request, response):
        raise LookupError(request.path)

    server.handle("GET", "/b", handler)
    server.expect("GET", "/a").respond(handler=handler)
    assert statuses(client, "/a", "/b") == [500, 500]
    with pytest.raises(AssertionError) as caught:
        server.check()
    assert [str(each) for each in caught.value.__cause__.exceptions] == ["/a", "/b"]


def test_an_answer_that_cannot_be_sent_is_an_error(server, client):
    def handler(request, response):
        response.status = 99

    server.expect("GET", "/").respond(handler=handler)
    assert statuses(client, "/") == [500]
    with pytest.raises(AssertionError, match="status of a response is 200 to 599"):
        server.check()


def test_what_was_told_is_not_told_again(server, client):
    statuses(client, "/")
    with pytest.raises(AssertionError, match="not expected: GET /"):
        server.check()
    server.check()


def test_clearing_forgets_everything(server, client):
    server.expect("GET", "/never")
    statuses(client, "/")
    server.clear()
    server.check()
    assert server.requests == ()
    server.expect("GET", "/")
    assert statuses(client, "/") == [200]
    assert len(server.requests) == 1


def test_the_context_checks_at_its_end():
    with (
        pytest.raises(AssertionError, match="expected request not received: GET /"),
        BladeServer() as server,
    ):
        server.expect("GET", "/")


def test_the_context_does_not_hide_what_is_raised_in_it():
    with pytest.raises(KeyError), BladeServer() as server:
        {}[server.expect("GET", "/")]


# Waiting


def test_waiting_ends_when_all_has_come(server, client):
    server.expect("GET", "/a")
    server.expect("GET", "/b", times=2)
    server.expect("GET", "/c", times=None)

    def ask():
        statuses(client, "/a", "/b", "/b")

    thread = threading.Thread(target=ask)
    thread.start()
    server.wait(PATIENCE * 1000)
    assert [request.path for request in server.requests] == ["/a", "/b", "/b"]
    thread.join()


def test_waiting_ends_when_something_goes_wrong(server, client):
    server.expect("GET", "/a")
    begun = time.monotonic()
    client.get("/b")
    with pytest.raises(AssertionError, match="not expected: GET /b"):
        server.wait(PATIENCE * 1000)
    assert time.monotonic() - begun < PATIENCE / 2
    client.response()


def a_text(request, response):
    return "hello"


@pytest.mark.parametrize(
    "handler",
    [a_text, lambda request, response: {"a": 1}, lambda request, response: coroutine(1, 2)],
    ids=["a-function", "a-lambda", "a-coroutine"],
)
def test_a_handler_that_returns_its_answer_fails_the_test(server, client, handler):
    server.expect("GET", "/").respond(handler=handler)
    assert statuses(client, "/") == [500]
    with pytest.raises(AssertionError, match="fills in the response and returns None"):
        server.check()


@pytest.mark.parametrize(
    "handler",
    [
        lambda request, response: response.write("hello"),
        lambda request, response: response,
        lambda request, response: response.is_answered,
    ],
    ids=["None", "the-response", "a-bool-of-a-lambda"],
)
def test_what_a_handler_of_a_route_may_return_it_may_return_here(server, client, handler):
    server.expect("GET", "/").respond(handler=handler)
    assert statuses(client, "/") == [200]
    server.check()


def test_a_coroutine_function_is_no_handler_here(server):
    with pytest.raises(TypeError, match=r"coroutine is a coroutine function$"):
        server.expect("GET", "/").respond(handler=coroutine)


def test_waiting_ends_with_the_error_of_the_last_handler(server, client):
    def handler(request, response):
        raise LookupError

    server.expect("GET", "/").respond(handler=handler)
    client.get()
    with pytest.raises(AssertionError, match="LookupError"):
        server.wait(PATIENCE * 1000)
    client.response()


def test_waiting_ends_with_its_time_and_says_how_long_that_was(server):
    server.expect("GET", "/a")
    begun = time.monotonic()
    with pytest.raises(AssertionError, match="not received: GET /a") as caught:
        server.wait(30)
    assert str(caught.value).endswith("\n  received: nothing\n  after waiting for 30 ms")
    assert 0.03 <= time.monotonic() - begun < PATIENCE


def test_what_comes_on_many_connections_is_counted_once_each(server):
    server.expect("GET", "/", times=200)

    def ask():
        with Raw(server.port) as client:
            assert statuses(client, *["/"] * 25) == [200] * 25

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    server.wait(PATIENCE * 1000)
    for thread in threads:
        thread.join()
    assert len(server.requests) == 200


def test_expectations_may_be_added_while_requests_come(server, client, caplog):
    caplog.set_level(logging.CRITICAL)
    for number in range(100):
        server.expect("GET", f"/{number}").respond(str(number))
        assert client.get(f"/{number}").response().body == str(number).encode()
    server.check()


@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
def test_client_options_of_a_unix_socket_lead_there(tmp_path, is_secure):
    identity = Identity.throw_away(tmp_path) if is_secure else None
    with BladeServer(0, f"unix:{tmp_path}/s", identity=identity) as server:
        server.expect("GET", "/").respond("here")
        assert server.client_options["unix_socket"] == f"{tmp_path}/s"
        with http.HttpClient(**server.client_options) as client:
            assert client.get("/").text == "here"


def test_an_identity_is_for_further_names(tmp_path):
    with BladeServer(identity=Identity.throw_away(tmp_path, ["api.example"])) as server:
        server.expect("GET", "/", headers={"Host": "api.example"}).respond("here")
        address = f"127.0.0.1:{server.port}"
        elsewhere = {"api.example:443": address, "other.example:443": address}
        with http.HttpClient(ca_cert=server.ca_file, resolve=elsewhere) as client:
            assert client.get("https://api.example/").text == "here"
            with pytest.raises(http.HostnameMismatch):
                client.get("https://other.example/")


def test_the_names_of_an_identity_are_a_list(tmp_path):
    with pytest.raises(TypeError, match=r"names is a list of names, not 'api\.example'"):
        Identity.throw_away(tmp_path, "api.example")
