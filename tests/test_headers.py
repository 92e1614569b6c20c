import pickle
from collections.abc import Callable
from copy import copy, deepcopy

import pytest
from hypothesis import given, strategies as st

from bladehttp._data.headers import LONGEST_SHARED, MOST_SHARED, MOST_STEPS, Headers, _steps
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


def new_shared() -> Headers:
    """Return empty headers that begin with shared fields, as those of responses do."""
    return Headers.adopt_shared(NOTHING)


NOTHING = Headers().shared()
NAMES_AND_VALUES = st.tuples(
    st.sampled_from(["A", "a", "B", "Set-Cookie", "set-cookie", "X-Y"]),
    st.sampled_from(["1", "2", "", "x" * 300]),
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["set", "add", "delete", "freeze", "copy"]), NAMES_AND_VALUES),
    max_size=40,
)


@given(STEPS)
def test_few_fields_and_many_are_kept_alike(steps: list[tuple[str, tuple[str, str]]]) -> None:
    few, many = Headers(), Headers([(f"Z{i}", "z") for i in range(MOST_SHARED + 1)])
    shared = new_shared()
    for step, (name, value) in steps:
        for headers in (few, many, shared):
            if step == "set":
                headers[name] = value
            elif step == "add":
                headers.add(name, value)
            elif step == "delete":
                headers.pop(name, None)
            elif step == "freeze":
                assert headers.as_tuple() is headers.as_tuple()
            else:
                copied = copy(headers)
                copied["Copied"] = "yes"
                assert "Copied" not in headers
        rest = [pair for pair in many.pairs() if not pair[0].startswith("Z")]
        assert few.pairs() == rest == shared.pairs()
        assert all(few[key] == many[key] == shared[key] for key in few)
        assert all(few.get_all(key) == many.get_all(key) for key in few)
        assert len(many) - len(few) == MOST_SHARED + 1


@pytest.mark.timeout(20)  # in quadratic time it would take minutes
@pytest.mark.parametrize("build", [Headers.__setitem__, Headers.add], ids=["set", "add"])
def test_building_many_fields_takes_linear_time(build: Callable[[Headers, str, str], None]) -> None:
    headers = Headers()
    for number in range(30_000):
        build(headers, f"X-{number}", "value")
    assert len(headers) == 30_000
    assert headers["x-29999"] == "value"


def test_what_was_set_once_is_checked_as_a_stranger_each_time() -> None:
    headers = new_shared()
    headers["X"] = "1"
    for value in (1, True, b"1", ["1"]):
        with pytest.raises(TypeError, match="field's name and value are str"):
            new_shared()["X"] = value  # type: ignore[assignment]
    for _ in range(2):
        with pytest.raises(InvalidHeader):
            headers["X"] = "1\r\nY: 2"
    assert headers.pairs() == [("X", "1")]


def test_headers_that_begin_with_shared_fields_do_not_change_each_other() -> None:
    begins = Headers({"X": "1"}).shared()
    first, second, third = (Headers.adopt_shared(begins) for _ in range(3))
    first["Y"] = second["Y"] = "2"
    second["X"] = "3"
    assert first.pairs() == [("X", "1"), ("Y", "2")]
    assert (second["x"], second.pairs()) == ("3", [("X", "3"), ("Y", "2")])
    assert (third.pairs(), dict(third)) == ([("X", "1")], {"X": "1"})


def test_steps_from_shared_fields_that_are_kept_are_bounded() -> None:
    begins = Headers().shared()
    for number in range(2 * MOST_STEPS):
        headers = Headers.adopt_shared(begins)
        headers["X"] = str(number)
        assert headers["x"] == str(number)
        assert len(_steps) <= MOST_STEPS
    Headers.adopt_shared(begins)["X"] = long = "x" * LONGEST_SHARED
    assert all(long not in step for step in _steps)


@pytest.mark.parametrize("clone", [copy, deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_clone_of_shared_fields_is_set_without_the_other(
    clone: Callable[[Headers], Headers],
) -> None:
    headers = Headers.adopt_shared(Headers({"X": "1"}).shared())
    cloned = clone(headers)
    cloned["Y"] = "2"
    headers["Y"] = "3"
    assert (headers.pairs(), cloned.pairs()) == (
        [("X", "1"), ("Y", "3")],
        [("X", "1"), ("Y", "2")],
    )
