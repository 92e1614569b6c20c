import pytest

from bladehttp._data.headers import Headers
from bladehttp.exceptions import InvalidHeader


def test_names_compare_without_case_and_keep_their_spelling() -> None:
    headers = Headers({"Content-TYPE": "a"})
    assert (headers["content-type"], list(headers)) == ("a", ["Content-TYPE"])
    assert "CONTENT-type" in headers
    assert 5 not in headers


def test_repeated_fields_are_joined_and_kept() -> None:
    headers = Headers([("X", "1"), ("Y", "2"), ("x", "3")])
    assert (headers["X"], headers.get_all("x"), len(headers)) == ("1, 3", ["1", "3"], 2)
    assert headers.pairs() == [("X", "1"), ("Y", "2"), ("x", "3")]


def test_set_cookie_is_never_joined() -> None:
    headers = Headers([("Set-Cookie", "a=1"), ("set-cookie", "b=2")])
    assert (headers["Set-Cookie"], headers.get_all("SET-COOKIE")) == ("b=2", ["a=1", "b=2"])


def test_assignment_replaces_every_field_of_the_name_in_place() -> None:
    headers = Headers([("X", "1"), ("Y", "2"), ("x", "3")])
    headers["x"] = "4"
    assert headers.pairs() == [("x", "4"), ("Y", "2")]


def test_missing_name_is_a_key_error() -> None:
    headers = Headers()
    with pytest.raises(KeyError):
        headers["X"]
    with pytest.raises(KeyError):
        del headers["X"]


@pytest.mark.parametrize("name", ["", " ", "a b", "a:", "a\r\n", "é", "(a)", "a\0", "\u212aeep"])
def test_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(InvalidHeader):
        Headers().add(name, "x")
    with pytest.raises(InvalidHeader):
        Headers({name: "x"})


@pytest.mark.parametrize("value", ["a\r\nb", "a\n", "\r", "\0", "\x0b", "\x7f", "€"])
def test_value_that_would_break_the_message_is_refused(value: str) -> None:
    headers = Headers()
    with pytest.raises(InvalidHeader):
        headers["X"] = value
    with pytest.raises(InvalidHeader):
        headers.add("X", value)
    assert headers == {}


@pytest.mark.parametrize(("name", "value"), [("X", 1), (1, "x"), ("X", b"x"), ("X", None)])
def test_what_is_no_str_is_a_type_error(name: str, value: str) -> None:
    with pytest.raises(TypeError):
        Headers().add(name, value)


def test_equality_is_of_names_without_case_and_joined_values() -> None:
    headers = Headers([("X", "1"), ("x", "2")])
    assert headers == Headers({"x": "1, 2"}) == {"X": "1, 2"}
    assert headers != {"X": "1"}
    assert headers != 5


def test_copy_is_independent() -> None:
    headers = Headers({"X": "1"})
    copy = headers.copy()
    copy["X"] = "2"
    assert (headers["X"], copy["X"]) == ("1", "2")


def test_headers_are_not_hashable() -> None:
    with pytest.raises(TypeError):
        hash(Headers())


def test_repr_shows_the_fields() -> None:
    assert repr(Headers({"X": "y"})) == "Headers([('X', 'y')])"
