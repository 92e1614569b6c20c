"""Recordings as expectations: what a file may say, and what is wrong with one."""

import gzip
import json
import re

import pytest
import requests

from bladehttp.server.testing import BladeServer

BY_HAND = {
    "expectations": [
        {
            "request": {
                "method": "POST",
                "path": "/users/{id}",
                "query": {"page": {"$pattern": "[0-9]+"}},
                "headers": {"X-A": {"$any": True}, "X-B": None},
                "cookies": {"theme": "dark"},
                "json": {"$subset": {"name": {"$pattern": "A.*"}, "tags": [{"$any": True}]}},
            },
            "response": {
                "status": 201,
                "headers": {"Set-Cookie": ["a=1", "b=2"], "Location": "{server}/users/7"},
                "json": {"id": 7},
                "delay": 5,
            },
            "times": 2,
        },
        {
            "request": {"path": {"$pattern": "/files/.*"}, "form": {"a": ["1", "2"]}, "files": {}},
            "response": {"body": ["a\n", "b"]},
            "times": None,
        },
        {"request": {"body_base64": "AP8="}, "response": {"body_base64": "/w=="}},
        {
            "request": {"method": "GET", "path": "/gzip"},
            "response": {"headers": {"Content-Encoding": "gzip"}, "body": "text"},
        },
    ]
}


@pytest.fixture
def written(tmp_path):
    """Write a document to a file."""

    def write(document):
        text = document if isinstance(document, str) else json.dumps(document)
        (tmp_path / "api.json").write_text(text)
        return tmp_path / "api.json"

    return write


def test_a_file_by_hand_is_served(server, written):
    user, files, *_ = server.replay(written(BY_HAND))
    for _ in range(2):
        response = requests.post(
            f"{server.url}/users/7?page=12",
            json={"name": "Ada", "age": 36, "tags": ["a"]},
            headers={"X-A": "1"},
            cookies={"theme": "dark"},
            timeout=20,
        )
        assert (response.status_code, response.json()) == (201, {"id": 7})
        assert response.headers["Location"] == f"{server.url}/users/7"
        assert response.cookies.get_dict() == {"a": "1", "b": "2"}
    data = [("a", "1"), ("a", "2")]
    assert requests.put(f"{server.url}/files/x", data=data, timeout=20).text == "a\nb"
    assert requests.put(f"{server.url}/", data=b"\x00\xff", timeout=20).content == b"\xff"
    with requests.get(f"{server.url}/gzip", stream=True, timeout=20) as response:
        assert gzip.decompress(response.raw.read()) == b"text"
    server.check()
    assert [request.params for request in user.requests] == [{"id": "7"}] * 2
    assert files.times is None


def test_true_in_a_query_is_a_word_as_in_json(server, written):
    query = {"a": True, "b": [False, 1], "c": {"$any": True}}
    server.replay(written({"expectations": [{"request": {"query": query}}]}))
    assert requests.get(f"{server.url}/?a=true&b=false&b=1&c=x", timeout=20).status_code == 200
    server.check()


def test_responses_to_equal_requests_come_in_order(server, written):
    entries = [{"request": {"path": "/a"}, "response": {"body": body}} for body in "123"]
    server.replay(written({"expectations": entries}))
    bodies = [requests.get(f"{server.url}/a", timeout=20).text for _ in "1234"]
    assert bodies[:3] == ["1", "2", "3"]
    assert "it has come once already" in bodies[3]


def test_the_last_response_is_repeated_if_wanted(server, written):
    entries = [{"request": {"path": "/a"}, "response": {"body": body}} for body in "12"]
    entries += [{"request": {"path": "/b"}, "response": {"body": "b"}}]
    expectations = server.replay(written({"expectations": entries}), repeat=True)
    bodies = [requests.get(f"{server.url}/a", timeout=20).text for _ in "1234"]
    assert bodies == ["1", "2", "2", "2"]
    assert len(expectations) == 3
    with pytest.raises(AssertionError, match="expected request not received: /b"):
        server.check()


def test_an_order_is_kept_if_wanted(server, written):
    entries = [{"request": {"path": path}, "ordered": True} for path in ("/1", "/2")]
    server.replay(written({"expectations": entries}))
    assert requests.get(f"{server.url}/2", timeout=20).status_code == 500
    server.clear()


def entry(**parts):
    return {"expectations": [{"request": {"path": "/"}}, parts]}


WRONG = {
    "no JSON": ("{", "Expecting property name"),
    "twice": ('{"expectations": [], "expectations": []}', "'expectations' is there twice"),
    "a list": ([], "expected an object with format, upstream, expectations, not []"),
    "no entries": ({}, "expectations is a list, not None"),
    "another format": ({"format": 2, "expectations": []}, "format is 1, not 2"),
    "another key": ({"expectation": []}, "unknown key 'expectation', expected one of"),
    "no entry": ({"expectations": [{}, 5]}, "expectation 2: expected an object with request"),
    "key of an entry": (entry(respone={}), "expectation 2: unknown key 'respone'"),
    "key of a request": (entry(request={"pth": "/"}), "expectation 2: request: unknown key 'pth'"),
    "key of a response": (entry(response={"code": 1}), "expectation 2: response: unknown key"),
    "path": (entry(request={"path": "a"}), "expectation 2: "),
    "method": (entry(request={"method": 5}), "expectation 2: method is a str"),
    "times": (entry(times="2"), "expectation 2: times is an int"),
    "ordered": (entry(ordered=1), "expectation 2: ordered is true or false, not 1"),
    "order without end": (entry(ordered=True, times=None), "expectation 2: an ordered request"),
    "status": (entry(response={"status": 99}), "expectation 2: "),
    "header": (entry(response={"headers": {"X": "a\n"}}), "expectation 2: value of X holds"),
    "headers": (entry(response={"headers": []}), "expectation 2: response: headers is an object"),
    "bodies": (
        entry(response={"body": "a", "json": 1}),
        "expectation 2: response: expected one body, not body and json",
    ),
    "body": (entry(response={"body": 5}), "expectation 2: response: body is a text"),
    "base64": (entry(response={"body_base64": "?"}), "expectation 2: response: "),
    "no base64": (entry(request={"body_base64": 5}), "expectation 2: request: body_base64 is a"),
    "pattern": (
        entry(request={"query": {"a": {"$pattern": "("}}}),
        "expectation 2: $pattern '(': missing ), unterminated subpattern",
    ),
    "no pattern": (entry(request={"path": {"$pattern": 5}}), "expectation 2: $pattern is a text"),
    "operators": (
        entry(request={"json": {"$any": True, "a": 1}}),
        "expectation 2: $any is the only key of its object",
    ),
    "subset": (entry(request={"json": {"$subset": 5}}), "expectation 2: subset takes a dict"),
    "coding": (
        entry(response={"headers": {"Content-Encoding": "br"}, "body": "a"}),
        "expectation 2: response: body of Content-Encoding ['br'], expected one of ",
    ),
}


@pytest.mark.parametrize(("document", "told"), WRONG.values(), ids=list(WRONG))
def test_an_error_names_the_file_and_the_entry(written, document, told):
    path = written(document)
    message = "^" + re.escape(f"{path}: {told}")
    # the server expects nothing of a file that is wrong
    with BladeServer() as server, pytest.raises(ValueError, match=message):
        server.replay(path)
    server.check()


def test_a_file_that_is_not_there_is_said_to_be_missing(server, tmp_path):
    with pytest.raises(FileNotFoundError):
        server.replay(tmp_path / "none.json")
