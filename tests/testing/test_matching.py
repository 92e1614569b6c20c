"""Which requests an expectation takes, and what is told of those it does not."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import ANY

import pytest

from bladehttp import HttpClient
from bladehttp.server.testing import BladeServer, subset


@dataclass
class Sent:
    target: str = "/"
    method: str = "GET"
    body: bytes = b""
    fields: tuple[str, ...] = ()

    def on_wire(self) -> bytes:
        length = [f"Content-Length: {len(self.body)}"] if self.body else []
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: a", *self.fields, *length, "", ""]
        return "\r\n".join(lines).encode() + self.body


@dataclass
class Case:
    name: str
    sent: Sent
    path: Any = "/"
    method: str | None = "GET"
    wanted: dict[str, Any] = field(default_factory=dict)
    told: str | None = None
    """How the request differs; None: it is taken."""


def json_sent(data: Any) -> Sent:
    return Sent(method="POST", body=json.dumps(data).encode())


COOKIE = Sent(fields=("Cookie: a=1; b=2",))

NESTED = {"a": {"b": [{"c": 1, "d": 2}], "x": 0}, "e": None}

LIKE, A12 = re.compile("a."), "X-A is 'a12'"

ALL = ("query", "headers", "cookies", "body", "form", "files")


def is_even(request):
    return int(request.queries["n"]) % 2 == 0


CASES = [
    Case("method", Sent()),
    Case("method in small letters", Sent(), method="get"),
    Case("any method", Sent(method="PURGE"), method=None),
    Case("another method", Sent(method="PUT"), told="the method is 'PUT'"),
    Case("any path", Sent("/a/b"), path=None),
    Case("decoded path", Sent("/a%20b"), path="/a b"),
    Case("another path", Sent("/b"), path="/a", told="the path is '/b'"),
    Case("path below", Sent("/a/b"), path="/a/", told="the path is '/a/b'"),
    Case("parameter", Sent("/users/7"), path="/users/{id}"),
    Case("parameter too many", Sent("/users/7/x"), path="/users/{id}", told="path is '/users/7/x'"),
    Case("rest of a path", Sent("/users/7/x"), path="/users/{rest:path}"),
    Case("pattern", Sent("/users/7"), path=re.compile(r"/users/\d+")),
    Case("part of a pattern", Sent("/users/7/x"), path=re.compile(r"/users/\d+"), told="path is"),
    Case("the asterisk", Sent("*", "OPTIONS"), path="*", method="OPTIONS"),
    Case("any query", Sent("/?a=1")),
    Case("query in any order", Sent("/?b=2&a=1"), wanted={"query": {"a": "1", "b": 2}}),
    Case("query too much", Sent("/?a=1&b=2"), wanted={"query": {"a": "1"}}, told="{'a': '1', 'b'"),
    Case("query wrong", Sent("/?a=2"), wanted={"query": {"a": "1"}}, told="query is {'a': '2'}"),
    Case("query missing", Sent("/"), wanted={"query": {"a": "1"}}, told="there is no query"),
    Case("no query", Sent("/"), wanted={"query": {}}),
    Case("not no query", Sent("/?a"), wanted={"query": {}}, told="the query is {'a': ''}"),
    Case("query repeated", Sent("/?a=1&a=2"), wanted={"query": {"a": [1, "2"]}}),
    Case("query once", Sent("/?a=1&a=2"), wanted={"query": {"a": "2"}}, told="the query is"),
    Case("query of anything", Sent("/?a=1"), wanted={"query": {"a": ANY}}),
    Case("query as sent", Sent("/?b=2&a=%31"), wanted={"query": "b=2&a=%31"}),
    Case("query not as sent", Sent("/?a=%31"), wanted={"query": "a=1"}, told="query is 'a=%31'"),
    Case("header", Sent(fields=("X-A: 1", "X-B: 2")), wanted={"headers": {"x-a": "1"}}),
    Case("header pairs", Sent(fields=("X-A: 1", "X-A: 2")), wanted={"headers": [("X-A", "1, 2")]}),
    Case("header of anything", Sent(fields=("X-A: 1",)), wanted={"headers": {"X-A": ANY}}),
    Case("header wrong", Sent(fields=("X-A: 1",)), wanted={"headers": {"X-A": "2"}}, told="is '1'"),
    Case("header missing", Sent(), wanted={"headers": {"X-A": ANY}}, told="there is no X-A"),
    Case("body", Sent(body=b"\xff\x00"), wanted={"body": b"\xff\x00"}),
    Case("text body", Sent(body="ä".encode()), wanted={"body": "ä"}),
    Case("no body", Sent(), wanted={"body": b""}),
    Case("body wrong", Sent(body=b"ab"), wanted={"body": "abc"}, told="the body is b'ab'"),
    Case("long body", Sent(body=b"x" * 2_000_000), wanted={"body": b"x" * 2_000_000}),
    Case("json", json_sent({"a": [1, None]}), method="POST", wanted={"json": {"a": [1, None]}}),
    Case("json null", json_sent(None), method="POST", wanted={"json": None}),
    Case("json of anything", json_sent({"a": 1}), method="POST", wanted={"json": {"a": ANY}}),
    Case("not json", Sent(body=b"{"), wanted={"json": {}}, told="the body is not JSON: b'{'"),
    Case("deep json", Sent(body=b"[" * 100_000), wanted={"json": {}}, told="not JSON: b'[[["),
    Case(
        "json wrong inside",
        json_sent({"user": {"tags": ["a", "b"]}}),
        method="POST",
        wanted={"json": {"user": {"tags": ["a", "c"]}}},
        told="JSON: $.user.tags[1] is 'b', not 'c'",
    ),
    Case(
        "json without",
        json_sent({}),
        method="POST",
        wanted={"json": {"a": 1}},
        told="JSON: $.a is not there",
    ),
    Case(
        "json with more",
        json_sent({"a": 1}),
        method="POST",
        wanted={"json": {}},
        told="JSON: $.a is there: 1",
    ),
    Case(
        "json of another length",
        json_sent([1, 2]),
        method="POST",
        wanted={"json": [1]},
        told="JSON: $ is [1, 2], not [1]",
    ),
    Case("method like", Sent(method="PUT"), method=re.compile("PUT|PATCH")),
    Case("anything", Sent("/a", "PUT"), method=ANY, path=ANY, wanted=dict.fromkeys(ALL, ANY)),
    Case("query like", Sent("/?a=12"), wanted={"query": {"a": re.compile(r"\d+")}}),
    Case("query unlike", Sent("/?a=1x"), wanted={"query": {"a": re.compile(r"\d+")}}, told="'1x'"),
    Case("whole query like", Sent("/?a=1&b"), wanted={"query": re.compile("a=1&.*")}),
    Case("part of a query", Sent("/?a=1&b=2&c"), wanted={"query": subset({"a": 1, "b": ANY})}),
    Case("part missing", Sent("/?b=2"), wanted={"query": subset({"a": 1})}, told="{'b': '2'}"),
    Case("header like", Sent(fields=("X-A: a1",)), wanted={"headers": {"X-A": re.compile("a.")}}),
    Case(
        "header unlike", Sent(fields=("X-A: a12",)), wanted={"headers": [("X-A", LIKE)]}, told=A12
    ),
    Case("header repeated", Sent(fields=("X: 1", "X: 2")), wanted={"headers": {"X": ["1", ANY]}}),
    Case(
        "header once",
        Sent(fields=("X: 1",)),
        wanted={"headers": {"X": ["1", "2"]}},
        told="X is ['1']",
    ),
    Case("header absent", Sent(), wanted={"headers": {"X": None}}),
    Case(
        "header there",
        Sent(fields=("X: 1",)),
        wanted={"headers": {"X": None}},
        told="X is there: '1'",
    ),
    Case("cookie", COOKIE, wanted={"cookies": {"a": "1"}}),
    Case("cookie like", COOKIE, wanted={"cookies": {"a": re.compile("[0-9]"), "b": ANY}}),
    Case("cookie absent", COOKIE, wanted={"cookies": {"c": None}}),
    Case("cookie wrong", COOKIE, wanted={"cookies": {"b": "3"}}, told="cookie b is '2'"),
    Case("cookie missing", COOKIE, wanted={"cookies": {"c": ANY}}, told="there is no cookie c"),
    Case("cookie there", COOKIE, wanted={"cookies": {"a": None}}, told="cookie a is there: '1'"),
    Case("text body like", Sent(body="a\u00e4\n".encode()), wanted={"body": re.compile("a.\n")}),
    Case("body like bytes", Sent(body=b"\xff\x00"), wanted={"body": re.compile(rb"\xff.")}),
    Case("no text", Sent(body=b"\xff"), wanted={"body": re.compile(".*")}, told="body is b'\\xff'"),
    Case("json like", json_sent({"a": "x1"}), "/", "POST", {"json": {"a": re.compile(r"x\d")}}),
    Case(
        "json unlike",
        json_sent({"a": 1}),
        "/",
        "POST",
        {"json": {"a": re.compile("1")}},
        "JSON: $.a is 1, not re.compile('1')",
    ),
    Case("json subset", json_sent(NESTED), "/", "POST", {"json": subset({"a": {"b": [{"c": 1}]}})}),
    Case(
        "json subset inside",
        json_sent(NESTED),
        "/",
        "POST",
        {"json": {"a": subset({"b": [{"c": 1}]}), "e": ANY}},
    ),
    Case(
        "json subset wrong",
        json_sent(NESTED),
        "/",
        "POST",
        {"json": subset({"a": {"b": [{"c": 2}]}, "f": 1})},
        "JSON: $.a.b[0].c is 1, not 2\n    JSON: $.f is not there",
    ),
    Case(
        "json subset of a list",
        json_sent([{"a": 1}, {"a": 2}]),
        "/",
        "POST",
        {"json": subset([{"a": 1}])},
        "JSON: $ is [{'a': 1}, {'a': 2}], not [{'a': 1}]",
    ),
    Case("predicate", Sent("/?n=2"), wanted={"where": is_even}),
    Case("predicate says no", Sent("/?n=3"), wanted={"where": is_even}, told="is_even says no"),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_request_is_taken_if_nothing_differs(server, client, case):
    server.expect(case.method, case.path, **case.wanted)
    response = client.send(case.sent.on_wire()).response()
    if case.told is None:
        assert (response.status, response.body) == (200, b"")
        server.check()
    else:
        assert response.status == 500
        assert case.told in response.body.decode()
        with pytest.raises(AssertionError, match=re.escape(case.told)):
            server.check()


def test_every_difference_is_told_of_the_most_similar_expectation_first(server, client):
    server.expect("GET", "/other", times=None)
    server.expect(
        "POST", "/users", query={"page": 1}, headers={"X-Token": "t"}, json={"name": "Ada"}
    )
    response = client.send(Sent("/users?page=2", "POST", b'{"name":"Bob"}').on_wire()).response()
    assert (
        response.body.decode()
        == """\
not expected: POST /users?page=2
  unlike POST /users, query {'page': 1}, headers {'X-Token': 't'}, JSON {'name': 'Ada'}, once:
    the query is {'page': '2'}
    there is no X-Token
    JSON: $.name is 'Bob', not 'Ada'
  unlike GET /other, any number of times:
    the method is 'POST'
    the path is '/users'
"""
    )
    assert response.get("Content-Type") == "text/plain; charset=utf-8"


def test_what_a_client_sends_is_told_of_in_bounds(server, client):
    server.expect("POST", "/", json={})
    body = json.dumps({f"name {number}\n": "x" * 1000 for number in range(5000)}).encode()
    response = client.send(Sent("/", "POST", body).on_wire()).response()
    assert len(response.body) < 5000
    assert r"JSON: $['name 0\n'] is there: 'xxx" in response.body.decode()


def test_long_values_and_many_expectations_are_cut(server, client):
    for number in range(30):
        server.expect("GET", f"/{number}")
    for _ in range(30):
        response = client.send(Sent("/" + "x" * 5000).on_wire()).response()
    assert len(response.body) < 3000
    with pytest.raises(AssertionError) as caught:
        server.check()
    assert str(caught.value).count("not expected:") == 10


@pytest.mark.parametrize(
    ("path", "wanted", "told"),
    [
        ("/a?b=1", {}, "a path has no query"),
        ("a", {}, "begins with '/'"),
        ("/{a b}", {}, "in a route is not"),
        ("/", {"headers": {"Cookie": "a=b"}}, "request.cookies"),
        ("/", {"times": 0}, "at least once"),
        ("/", {"times": None, "ordered": True}, "needs a number of times"),
    ],
)
def test_what_cannot_be_expected_is_refused_at_once(server, path, wanted, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        server.expect("GET", path, **wanted)


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/users/{id}", {"id": "7"}),
        (
            re.compile("/(?P<kind>[a-z]+)/(?P<id>[0-9]+)(?P<rest>/.*)?"),
            {"kind": "users", "id": "7", "rest": ""},
        ),
        (re.compile("/users/.*"), {}),
        ("/users/7", {}),
    ],
    ids=["template", "groups", "no groups", "literal"],
)
def test_parameters_are_the_request_s(server, client, path, params):
    server.expect("GET", path)
    client.get("/users/7").response()
    assert server.requests[0].params == params


@pytest.mark.parametrize(
    "wanted", [{1: 2}, {"a": {1: 2}}, [(1, 2)], {None: 1}, {True: [()]}, {1.5: "x"}], ids=repr
)
def test_json_is_compared_as_it_is_sent(wanted):
    with BladeServer() as server, HttpClient() as client:
        server.expect("POST", "/", json=wanted).respond("ok")
        assert client.post(server.url, json=wanted).text == "ok"


@pytest.mark.parametrize("query", [b"a=1", 5, [("a", "1")]], ids=repr)
def test_a_query_is_checked_where_it_is_given(query):
    with BladeServer() as server, pytest.raises(TypeError, match="query is a str or a dict"):
        server.expect("GET", "/", query=query)


@pytest.mark.parametrize("query", ["a=b c", "a=b#c", "a=\n", "a=\u20ac"])
def test_a_query_that_cannot_be_sent_is_refused_where_it_is_given(query):
    with BladeServer() as server, pytest.raises(ValueError, match="percent-encoded"):
        server.expect("GET", "/", query=query)
