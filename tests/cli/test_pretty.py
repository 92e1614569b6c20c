"""JSON laid out to be read says what it said before."""

import json

import pytest
from hypothesis import given, settings, strategies as st

from bladehttp._cli.pretty import indented

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=50)
@given(values, st.booleans())
def test_it_is_the_same_value_laid_out_as_python_does(value, ascii_only):
    text = indented(json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":")))
    assert json.loads(text) == value
    assert text == json.dumps(value, ensure_ascii=False, indent=2)


@pytest.mark.parametrize("number", ["1.10", "1e400", "-0", "1E5", "12345678901234567890123"])
def test_a_number_stays_as_it_is_written(number):
    assert indented(number) == number


def test_members_of_one_name_are_all_there():
    assert indented('{"a":1,"a":2}') == '{\n  "a": 1,\n  "a": 2\n}'


@pytest.mark.parametrize("text", ["", "[1,", "{a: 1}", "[" * 100_000])
def test_what_is_not_json_is_none(text):
    assert indented(text) is None


def test_a_byte_order_mark_is_left_out():
    assert indented("\ufeff[1]") == "[\n  1\n]"
