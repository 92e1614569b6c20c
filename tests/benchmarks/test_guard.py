import pytest

from benchmarks.instructions.counted import total
from benchmarks.instructions.guard import excesses, table

RECORDED = {"get": 1000.0, "post": 2000.0}


def test_five_per_cent_more_are_allowed() -> None:
    assert excesses({"get": 1050.0, "post": 1.0}, RECORDED) == []


def test_more_than_five_per_cent_is_said() -> None:
    assert excesses({"get": 1060.0, "post": 2000.0}, RECORDED) == [
        "get costs 6.0% more than recorded, 5% are allowed"
    ]


def test_a_recorded_row_that_was_not_counted_is_said() -> None:
    assert excesses({"get": 1000.0}, RECORDED) == ["post is recorded and was not counted"]


def test_a_row_that_is_new_is_shown_and_not_judged() -> None:
    figures = {"get": 900.0, "post": 2000.0, "new": 5.0}
    assert excesses(figures, RECORDED) == []
    assert [line.split() for line in table(figures, RECORDED)[1:]] == [
        ["get", "900", "1,000", "-10.0%"],
        ["post", "2,000", "2,000", "+0.0%"],
        ["new", "5"],
    ]


def test_the_total_is_read_from_what_callgrind_writes() -> None:
    assert total("version: 1\nsummary: 12\nfn=(1) x\n1 2\ntotals: 19206252\n") == 19206252


def test_a_file_without_a_total_is_refused() -> None:
    with pytest.raises(ValueError, match="no total"):
        total("version: 1\n")
