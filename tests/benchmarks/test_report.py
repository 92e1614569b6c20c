import xml.etree.ElementTree as ET

import pytest

from benchmarks.load import parse
from benchmarks.model import CPU, OURS, PEAK, RATE, Outcome, Row, Target
from benchmarks.profile import summary
from benchmarks.report.svg import Bar, plot
from benchmarks.report.tables import contestants, targets
from benchmarks.statistics import Spread

FASTER = Target(RATE, 2.0, "slow", least=True)
LEANER = Target(PEAK, 40)
NEVER = Target(RATE, 1.0, "absent", least=True)


def outcome() -> Outcome:
    row = Row("hello", "hello", (RATE, CPU), (), (FASTER, LEANER, NEVER))
    ours = [{"rate": rate, "cpu": 10.0, "peak": 50.0} for rate in (300.0, 500.0)]
    slow = [{"rate": 100.0, "cpu": 40.0}, {"rate": 250.0, "cpu": 40.0, "broken": 3.0}]
    return Outcome(row, {OURS: ours, "slow": slow}, {"absent": "it is not here"})


def test_a_target_and_its_result_stand_side_by_side() -> None:
    assert targets([outcome()])[2:] == [
        "| hello | at least 2 x slow, per second | 2.50 (2.25 to 2.75) | 4.00 | met |",
        "|  | at most 40 peak MB | 50.0 (50.0 to 50.0) |  | **missed** |",
        "|  | at least 1 x absent, per second | not measured |  | **missed** |",
    ]


def test_a_rate_without_the_processor_time_behind_it_does_not_meet_a_target() -> None:
    starved = outcome()
    starved.samples["slow"] = [{"rate": rate, "cpu": 15.0} for rate in (100.0, 200.0)]
    assert starved.verdict(FASTER) == "**by rate only**"


def test_everybody_is_shown_and_ours_divided_by_each_and_who_is_absent_and_why() -> None:
    assert contestants(outcome()) == [
        f"|  | per second | CPU µs each | {OURS} / it, per second | {OURS} / it, CPU µs each |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| bladehttp | 400 | 10.0 |  |  |",
        "| slow | 175 | 40.0 | 2.50 (2.25 to 2.75) | 0.25 (0.25 to 0.25) |",
        "\nslow: 3 connections broke.",
        "\nabsent did not take part: it is not here.",
    ]


def test_a_round_that_failed_is_left_out_of_the_ratio() -> None:
    failed = outcome()
    failed.samples["slow"][0] = None
    assert failed.ratio("slow", RATE) == Spread(2.0, 2.0, 2.0)


def test_a_row_misses_when_one_target_does() -> None:
    assert outcome().missed()


def test_a_row_without_a_missed_target_does_not_miss() -> None:
    met = outcome()
    met.row = Row("hello", "hello", (RATE,), (), (FASTER,))
    assert not met.missed()


def test_a_plot_is_well_formed_whatever_a_label_holds() -> None:
    bar = Bar('a & b < "c"', Spread(0.01, 1.5, 50), met=False, bound=2.2)
    root = ET.fromstring(plot("title", "note", [("group", [bar])]))
    assert 'a & b < "c"' in [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_figures_of_a_load_are_read() -> None:
    sample, requests = parse("Running...\nFIGURES 2000 500000 0 1 120.0 900.5\n")
    assert (sample, requests) == ({"rate": 4000.0, "p50": 120.0, "p99": 900.5, "broken": 1.0}, 2000)


@pytest.mark.parametrize(
    ("printed", "complaint"),
    [
        ("unable to connect to 127.0.0.1", "wrk says: unable to connect"),
        ("FIGURES 2000 500000 7 0 1.0 1.0", "7 of 2000 answers were not 2xx"),
        ("FIGURES 0 500000 0 0 0.0 0.0", "0 of 0 answers"),
    ],
    ids=["nothing printed", "other statuses", "no requests"],
)
def test_a_load_that_went_wrong_gives_no_figures(printed: str, complaint: str) -> None:
    with pytest.raises(RuntimeError, match=complaint):
        parse(printed)


def test_a_profile_is_the_share_of_each_function_itself() -> None:
    stacks = "main (a.py:1);work (b.py:5) 3\nmain (a.py:1);work (b.py:9) 3\nmain (a.py:2) 2\n"
    assert summary(stacks) == [" 75.0%  work (b.py)", " 25.0%  main (a.py)"]


def test_a_stack_that_was_torn_while_the_program_ran_on_is_left_out() -> None:
    raw = "main (a.py:1);\x85g (\u2028\nmain (a.py:1);f (b.py:2) 3\nmain (a.py:1);h (\u00b0\n"
    assert summary(raw) == ["100.0%  f (b.py)"]
