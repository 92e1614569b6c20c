import copy
import json
import pickle

import pytest

from bladehttp._data.multidict import MultiDict


def test_last_value_counts_and_every_value_is_kept() -> None:
    values = MultiDict([("a", "1"), ("b", "2"), ("a", "3")])
    assert values == {"a": "3", "b": "2"}
    assert (values.get_all("a"), values.get_all("b"), values.get_all("c")) == (
        ["1", "3"],
        ["2"],
        [],
    )


def test_assignment_replaces_every_value() -> None:
    values = MultiDict([("a", "1"), ("a", "2")])
    values["a"] = "3"
    assert values.get_all("a") == ["3"]


def test_deleted_values_do_not_come_back() -> None:
    values = MultiDict([("a", "1"), ("a", "2")])
    del values["a"]
    values.add("a", "3")
    assert values.get_all("a") == ["3"]


def test_deleting_a_missing_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        del MultiDict()["a"]


def test_values_are_a_dict() -> None:
    values = MultiDict([("a", "1"), ("a", "2")])
    assert json.dumps(values) == '{"a": "2"}'
    assert dict(**values) == {"a": "2"}


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
def test_copies_and_pickles_keep_every_value(again: object) -> None:
    values = MultiDict([("a", "1"), ("b", "2"), ("a", "3")])
    copied = again(values)  # type: ignore[operator]
    assert (copied, copied.get_all("a")) == (values, ["1", "3"])
