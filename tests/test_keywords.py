"""A keyword argument of another library is answered by what it is called here."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from bladehttp import HttpResponse, HttpServer, abort, get
from bladehttp._data.keywords import hint_keywords
from bladehttp.testing import BladeServer

CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "set_cookie": (HttpResponse().set_cookie, ("a", "b")),
    "delete_cookie": (HttpResponse().delete_cookie, ("a",)),
    "redirect": (HttpResponse().redirect, ("/",)),
    "file": (HttpResponse().file, ("file",)),
    "abort": (abort, (404,)),
    "handle": (HttpServer(0).handle, ("GET", "/", print)),
    "get": (get, ("http://127.0.0.1:1/",)),
}


@pytest.mark.parametrize(
    ("name", "keyword", "told"),
    [
        ("set_cookie", "httponly", "the nearest is 'http_only'"),
        ("set_cookie", "samesite", "the nearest is 'same_site'"),
        ("set_cookie", "partitioned", None),
        ("delete_cookie", "httponly", "the nearest is 'http_only'"),
        ("redirect", "code", "here it is status"),
        ("redirect", "status_code", "the nearest is 'status'"),
        ("file", "as_attachment", "here it is download_name, "),
        ("file", "attachment_filename", None),
        ("abort", "description", "here it is body"),
        ("handle", "handler_timout", "the nearest is 'handler_timeout'"),
        ("get", "retries", r"here it is retry=Retry\(n\)"),
        ("get", "body", "here it is data"),
    ],
)
def test_a_keyword_that_is_not_taken_has_a_hint(name: str, keyword: str, told: str | None) -> None:
    function, arguments = CALLS[name]
    end = "'$" if told is None else f"': {told}"
    with pytest.raises(TypeError, match=f"'{keyword}{end}"):
        function(*arguments, **{keyword: 1})


@pytest.mark.parametrize(
    ("keyword", "told"),
    [
        ("params", "here it is query"),
        ("data", "here it is body, or form for the fields of a form"),
        ("status", r"here it is expect\(\.\.\.\)\.respond\(status=\.\.\.\)"),
        ("quary", "the nearest is 'query'"),
    ],
)
def test_a_keyword_that_expect_does_not_take_has_a_hint(keyword: str, told: str) -> None:
    with BladeServer() as server:
        with pytest.raises(TypeError, match=f"'{keyword}': {told}"):
            server.expect("GET", "/", **{keyword: 1})
        server.expect("GET", "/", times=None)


def test_a_keyword_that_respond_does_not_take_has_a_hint() -> None:
    with BladeServer() as server:
        expected = server.expect("GET", "/", times=None)
        for keyword, told in (("status_code", "status"), ("text", "body"), ("mimetype", "headers")):
            with pytest.raises(TypeError, match=f"'{keyword}': here it is {told}"):
                expected.respond(**{keyword: 1})


def test_an_error_of_the_function_itself_has_no_hint() -> None:
    @hint_keywords(b="a")
    def fails(a: int) -> None:
        raise TypeError("of its own")

    with pytest.raises(TypeError, match=r"^of its own$"):
        fails(1)
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'a'$"):
        fails()  # type: ignore[call-arg]
    assert str(inspect.signature(fails)) == "(a: int) -> None"
