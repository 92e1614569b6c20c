"""What the server itself refuses, and what a handler finds malformed, is told with its reason."""

import json
import re

import pytest
from support import Raw

import bladehttp as http
from bladehttp.server.testing import BladeServer, faults, subset

REFUSED = {
    "no host": ("GET /a HTTP/1.1\r\n\r\n", 400, "GET /a"),
    "no request": ("nonsense\r\n\r\n", 400, "what is no request"),
    "too long a body": (
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
        413,
        "POST /a",
    ),
    "a chunk that is none": (
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n",
        400,
        "POST /a",
    ),
    "too long a line": (f"GET /{'x' * 9000} HTTP/1.1\r\n", 414, "what is no request"),
}


@pytest.mark.parametrize(("sent", "status", "named"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_refused_is_in_the_log_and_told(server, client, caplog, sent, status, named):
    server.expect("POST", "/token")
    assert client.send(sent).response().status == status
    with pytest.raises(AssertionError) as caught:
        server.check()
    missing, received, refused = str(caught.value).split("\n")
    assert missing == "expected request not received: POST /token, expected once, came 0 times"
    assert received == f"  received: {named}"
    assert refused.startswith(f"refused with {status}: {named}: ")
    assert len(refused) > len(f"refused with {status}: {named}: ")
    assert refused in caplog.messages
    assert len(server.requests) == 1


def test_waiting_ends_with_what_is_refused(server, client):
    server.expect("GET", "/a")
    client.send("GET /a HTTP/1.1\r\n\r\n")
    with pytest.raises(AssertionError, match="refused with 400"):
        server.wait(10_000)
    client.response()


def test_clearing_forgets_what_was_refused(server, client):
    client.send("nonsense\r\n\r\n").response()
    server.clear()
    server.check()
    assert server.requests == ()


def malformed(client, path="/a"):
    fields = ["Content-Type: application/json", "Content-Length: 5"]
    client.get(path, *fields, method="POST")
    return client.send('{"a":').response()


def test_a_body_that_does_not_parse_is_compared(server, client):
    server.expect("POST", "/a", body='{"a":', where=lambda request: request.raw_body == b'{"a":')
    assert malformed(client).status == 200
    server.check()


def test_a_predicate_that_misses_a_header_says_no_with_its_name(server, client):
    server.expect("GET", "/a", where=lambda request: request.headers["X-Token"] == "t")
    assert b"says no: 'x-token' is missing" in client.get("/a").response().body
    server.clear()


def test_a_predicate_is_not_asked_about_requests_that_are_for_others(server, client):
    server.expect("POST", "/json", where=lambda request: json.loads(request.raw_body)["a"] == 1)
    server.expect("GET", "/a")
    assert client.get("/a").response().status == 200
    assert b"the path is '/b'" in client.get("/b").response().body
    server.clear()


@pytest.mark.parametrize(
    "where",
    [lambda request: request.body["a"], lambda request: request.files],
    ids=["body", "files"],
)
def test_a_predicate_that_finds_a_body_malformed_says_no_with_the_reason(server, client, where):
    server.expect("POST", "/a", where=where)
    response = malformed(client)
    assert response.status == 500
    assert b"says no: " in response.body
    with pytest.raises(AssertionError, match="JSON"):
        server.check()


def test_a_predicate_that_misses_a_field_says_no_with_its_name(server, client):
    server.expect("GET", "/a", where=lambda request: request.queries["page"] == "1")
    assert b"says no: 'page' is missing" in client.get("/a").response().body
    with pytest.raises(AssertionError, match="page"):
        server.check()


def test_what_a_handler_finds_malformed_is_told(server, client):
    def handler(request, response):
        response.json(request.body["a"])

    server.expect("POST", "/a", times=2).respond(handler=handler)
    assert malformed(client).status == 400
    with pytest.raises(AssertionError) as caught:
        server.check()
    assert "refused with 400: POST /a: " in str(caught.value)
    assert len(server.requests) == 1
    client.get("/a", "Content-Type: application/json", "Content-Length: 2", method="POST")
    assert client.send("{}").response().status == 400
    with pytest.raises(AssertionError, match="refused with 400: POST /a: 'a' is missing"):
        server.check()


def test_an_abort_of_a_handler_is_an_answer(server, client):
    server.expect("GET", "/a").respond(handler=lambda request, response: http.abort(404))
    assert client.get("/a").response().status == 404
    server.check()


def test_what_a_route_refuses_by_method_is_not_told(server, client):
    server.handle("GET", "/a", lambda request, response: None)
    assert client.get("/a", method="POST").response().status == 405
    server.check()


# What came before, and what is most alike


def test_the_two_most_alike_are_shown_with_what_came_before(server, client):
    for path in "/1", "/2", "/users", "/4", "/5":
        server.expect("POST", path, times=None)
    for path in "/1", "/2":
        assert client.get(path, method="POST").response().status == 200
    server.expect("POST", "/users", headers={"X-Token": "t"})
    told = client.get("/users").response().body.decode()
    assert (
        told
        == """\
not expected: GET /users
  unlike POST /users, any number of times:
    the method is 'GET'
  unlike POST /users, headers {'X-Token': 't'}, once:
    the method is 'GET'
    there is no X-Token
  unlike 4 others that are expected
  received before: POST /1, POST /2
"""
    )


# JSON's types

true, false, null = True, False, None


@pytest.mark.parametrize(
    ("wanted", "sent", "told"),
    [
        (true, "1", "$ is 1, not true"),
        (1, "true", "$ is true, not 1"),
        (false, "0", "$ is 0, not false"),
        (0.0, "false", "$ is false, not 0.0"),
        ({"a": [true]}, '{"a": [1]}', "$.a[0] is 1, not true"),
        (null, "false", "$ is false, not None"),
        ("1", "1", "$ is 1, not '1'"),
    ],
)
def test_json_is_compared_by_its_types(server, client, wanted, sent, told):
    server.expect("POST", "/", json=wanted)
    client.get("/", f"Content-Length: {len(sent)}", method="POST")
    assert told in client.send(sent).response().body.decode()
    server.clear()


@pytest.mark.parametrize("wanted", [1, 1.0, true, {"a": [true, 1, null]}])
def test_json_that_is_the_same_is_taken(server, client, wanted):
    sent = json.dumps(wanted)
    server.expect("POST", "/", json=wanted)
    client.get("/", f"Content-Length: {len(sent)}", method="POST")
    assert client.send(sent).response().status == 200
    server.check()


def test_a_whole_number_is_one_however_it_is_written(server, client):
    server.expect("POST", "/", json=1)
    client.get("/", "Content-Length: 3", method="POST")
    assert client.send("1.0").response().status == 200
    server.check()


# Arguments, checked where they are given


@pytest.mark.parametrize(
    "wanted",
    [
        {"body": {"a": 1}},
        {"body": 1},
        {"body": None},
        {"headers": {"X": 1}},
        {"headers": {"X": b"a"}},
        {"headers": {"X": re.compile(b"a")}},
        {"headers": "X: 1"},
        {"headers": 5},
        {"headers": ["X"]},
        {"cookies": {"a": 1}},
        {"cookies": "a=1"},
        {"query": {"a": None}},
        {"query": {"a": [b"1"]}},
        {"query": {1: "a"}},
        {"query": re.compile(b"a")},
        {"body": object()},
        {"json": {"a": {1, 2}}},
        {"json": b"{}"},
        {"json": [re.compile(b"a")]},
        {"form": "a=1"},
        {"form": 5},
        {"form": {"a": None}},
        {"form": ["a"]},
        {"files": [("a", b"1")]},
        {"files": {"a": 5}},
        {"files": {"a": ("a.txt",)}},
        {"files": {"a": ("a.txt", 5)}},
        {"files": {"a": {"mime": 5}}},
        {"files": {"a": {"content": None}}},
        {"where": "path"},
        {"where": lambda: True},
        {"times": 1.5},
        {"times": True},
        {"times": "2"},
    ],
)
def test_an_argument_of_another_type_is_refused_at_once(server, wanted):
    with pytest.raises(TypeError):
        server.expect("GET", "/", **wanted)


@pytest.mark.parametrize("value", ["a=1", 5, None, {1, 2}], ids=repr)
def test_a_subset_is_one_of_names(value):
    with pytest.raises(TypeError, match="subset takes a dict or a list"):
        subset(value)


def test_a_query_is_no_subset_of_a_list(server):
    with pytest.raises(TypeError, match="query is a str or a dict"):
        server.expect("GET", "/", query=subset(["a"]))


@pytest.mark.parametrize(("method", "path"), [(b"GET", "/"), ("GET", b"/"), (1, "/"), ("GET", 1)])
def test_a_method_and_a_path_are_text(server, method, path):
    with pytest.raises(TypeError):
        server.expect(method, path)


@pytest.mark.parametrize(
    "act",
    [
        lambda server: server.wait(0.5),
        lambda server: http.HttpResponse().delay(0.05),
        lambda server: http.HttpResponse().defer(0.5),
        lambda server: http.HttpResponse().events(0.5),
        lambda server: http.HttpResponse().raw("text"),
        lambda server: http.HttpResponse().truncate(0.5),
        lambda server: faults.truncate("5")(http.HttpResponse()),
    ],
    ids=["wait", "delay", "defer", "events", "raw", "truncate", "fault"],
)
def test_seconds_are_not_taken_for_milliseconds(server, act):
    with pytest.raises(TypeError):
        act(server)


# Clocks


@pytest.mark.parametrize(
    "clock",
    [
        "read_timeout",
        "write_timeout",
        "header_timeout",
        "request_timeout",
        "handshake_timeout",
        "keep_alive_timeout",
    ],
)
def test_no_clock_runs_unless_it_is_set(clock):
    assert getattr(BladeServer(), clock) == 0
    assert getattr(BladeServer(**{clock: 50}), clock) == 50


def test_a_clock_that_is_set_runs(caplog):
    with BladeServer(read_timeout=20) as server:
        with Raw(server.port) as client:
            assert client.send("GET /a HTTP/1.1\r\n").response().status == 408
        with pytest.raises(AssertionError, match="refused with 408: GET /a"):
            server.check()
