import pytest

from benchmarks.statistics import Spread, paired, spread


def test_the_median_and_the_quartiles_of_five_values_are_the_middle_ones() -> None:
    assert spread([5, 1, 4, 2, 3]) == Spread(2, 3, 4)


def test_one_value_is_its_own_median_and_quartiles() -> None:
    assert spread([7.5]) == Spread(7.5, 7.5, 7.5)


def test_no_values_have_no_median() -> None:
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_what_disturbs_a_whole_round_is_not_in_its_ratio() -> None:
    theirs = [100, 10, 50, 20, 80]
    assert paired([2 * rate for rate in theirs], theirs) == Spread(2, 2, 2)


def test_the_ratio_of_medians_is_not_what_is_taken() -> None:
    assert paired([1, 10, 100], [2, 5, 400]).median == 0.5


def test_a_spread_is_shown_as_median_and_quartiles() -> None:
    assert str(Spread(1.004, 2.0, 3.456)) == "2.00 (1.00 to 3.46)"
