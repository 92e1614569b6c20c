"""Which forms and files an expectation takes, and what is told of others."""

import re
from unittest.mock import ANY

import pytest
import requests

import bladehttp as http
from bladehttp.server.testing import BladeServer, subset

FIELDS = [("a", "1"), ("b", "x"), ("a", "2")]

FORMS = {
    "dict": ({"a": ["1", 2], "b": "x"}, None),
    "pairs": ([("b", "x"), ("a", 1), ("a", "2")], None),
    "any": (ANY, None),
    "any value": ({"a": [ANY, "2"], "b": ANY}, None),
    "like": ({"a": [re.compile("[0-9]"), "2"], "b": re.compile("x|y")}, None),
    "subset": (subset({"b": "x"}), None),
    "unlike": ({"a": ["1", "2"], "b": re.compile("y")}, "form: 'b' is 'x', not re.compile('y')"),
    "once": ({"a": "2", "b": "x"}, "form: 'a' is ['1', '2'], not '2'"),
    "missing": ({"a": [1, 2], "b": "x", "c": "3"}, "form: 'c' is not there"),
    "too much": ({"b": "x"}, "form: 'a' is there: ['1', '2']"),
    "none": ({}, "form: 'a' is there: ['1', '2']\n    form: 'b' is there: 'x'"),
}


@pytest.mark.parametrize("sending", ["urlencoded", "multipart"])
@pytest.mark.parametrize(("wanted", "told"), FORMS.values(), ids=list(FORMS))
def test_a_form_is_compared_by_its_fields(server, sending, wanted, told):
    server.expect("POST", "/", form=wanted)
    if sending == "urlencoded":
        response = requests.post(server.url, data=FIELDS, timeout=20)
    else:
        parts = [(name, (None, value)) for name, value in FIELDS]
        response = requests.post(server.url, files=parts, timeout=20)
    assert response.status_code == (200 if told is None else 500)
    assert told is None or f":\n    {told}\n" in response.text


UPLOADS = [("doc", ("a.txt", b"text", "text/plain")), ("doc", ("b", b"\xff")), ("c", ("c", "C"))]
OTHER = {"c": ANY}
LIKE = re.compile("[a-c]")

FILES = {
    "contents": ({"doc": ["text", b"\xff"], "c": b"C"}, None),
    "any": (ANY, None),
    "tuples": ({"doc": [("a.txt", "text", ANY), ("b", b"\xff")], "c": ("c", ANY)}, None),
    "parts of them": ({"doc": [{"filename": "a.txt"}, {"mime": ANY}], "c": {}}, None),
    "like": ({"doc": [re.compile("te.*"), re.compile(rb"\xff")], "c": {"filename": LIKE}}, None),
    "subset": (subset({"c": {"content": "C"}}), None),
    "filename": (
        {"doc": [{"filename": "x"}, ANY], **OTHER},
        "files: filename of 'doc' is 'a.txt', not 'x'",
    ),
    "mime": (
        {"doc": [{"mime": "text/html"}, ANY], **OTHER},
        "files: mime of 'doc' is 'text/plain', not 'text/html'",
    ),
    "content": (
        {"doc": ["other", ANY], **OTHER},
        "files: content of 'doc' is b'text', not b'other'",
    ),
    "no text": (
        {"doc": [ANY, re.compile(".*")], **OTHER},
        r"files: content of 'doc' is b'\xff', not re.compile('.*')",
    ),
    "once": ({"doc": ANY, **OTHER}, "files: 'doc' is there 2 times, not 1"),
    "missing": ({"doc": [ANY, ANY], "c": ANY, "d": ANY}, "files: 'd' is not there"),
    "too much": ({"c": ANY}, "files: 'doc' is there: [<Upload {'name': 'doc', 'filename': 'a.txt'"),
}


@pytest.mark.parametrize(("wanted", "told"), FILES.values(), ids=list(FILES))
def test_files_are_compared_by_what_is_given_of_them(server, wanted, told):
    server.expect("POST", "/", files=wanted, form={"name": "Ada"})
    response = requests.post(server.url, files=UPLOADS, data={"name": "Ada"}, timeout=20)
    assert response.status_code == (200 if told is None else 500)
    assert told is None or f"    {told}" in response.text


def test_files_in_temporary_files_are_compared_too():
    content = b"x" * 100_000
    with BladeServer(spool_size=1000) as server, http.HttpClient() as client:
        server.expect("POST", "/", files={"a": content})
        assert client.post(server.url, files={"a": ("a", content)}).status == 200


NO_FORMS = {
    "json": ({"json": {"a": 1}}, "the body is no form: Content-Type is 'application/json'"),
    "bytes": ({"data": b"a=1"}, "the body is no form: Content-Type is ''"),
    "malformed": (
        {"data": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
        "the body is no form: multipart body",
    ),
}


@pytest.mark.parametrize("what", ["form", "files"])
@pytest.mark.parametrize(("sent", "told"), NO_FORMS.values(), ids=list(NO_FORMS))
def test_a_body_that_is_no_form_says_so(server, what, sent, told):
    server.expect("POST", "/", **{what: ANY})
    response = requests.post(server.url, timeout=20, **sent)
    assert response.status_code == 500
    assert told in response.text
    server.clear()


def test_no_body_is_an_empty_form_without_files(server):
    server.expect("POST", "/", form={}, files={})
    assert requests.post(server.url, timeout=20).status_code == 200


def test_a_key_that_files_do_not_have_is_refused_at_once(server):
    with pytest.raises(ValueError, match="a file has filename, mime, content, not 'name': 'a'"):
        server.expect("POST", "/", files={"a": {"name": "a.txt"}})
