"""The grammar of options: curl's."""

import string

import pytest
from hypothesis import given, strategies as st

from bladehttp._cli.options import Group, Option, Parser, WrongUsage
from bladehttp._cli.request_options import GROUPS, PROPERTIES, REMOTE_NAME, Data
from bladehttp._cli.values import milliseconds, resolved, schemes, size
from bladehttp.client._config.options import CHECKS

PARSER = Parser(
    [
        Group(
            "g",
            (
                Option(("-a", "--all"), "all", ""),
                Option(("-n", "--no-all"), "all", "", constant=False),
                Option(("-o", "--out"), "out", "", "FILE"),
                Option(("-l",), "many", "", "X", is_list=True),
                Option(("-c", "--go-on"), "go_on", "", "-", optional="-"),
            ),
        )
    ]
)


@pytest.mark.parametrize(
    ("words", "expected", "others"),
    [
        (["-a", "x", "-o", "f", "y"], {"all": True, "out": "f"}, ["x", "y"]),
        (["-aof"], {"all": True, "out": "f"}, []),
        (["-ao", "-x"], {"all": True, "out": "-x"}, []),
        (["--out=f=g", "--out", "--all"], {"out": "--all"}, []),
        (["--out="], {"out": ""}, []),
        (["-l1", "-l", "2"], {"many": ["1", "2"]}, []),
        (["-a", "-n"], {"all": False}, []),
        (["-c", "-", "x"], {"go_on": "-"}, ["x"]),
        (["-c", "x"], {"go_on": True}, ["x"]),
        (["-ac"], {"all": True, "go_on": True}, []),
        (["-", "--", "-a", "--out"], {}, ["-", "-a", "--out"]),
    ],
    ids=" ".join,
)
def test_options_stand_anywhere_and_short_ones_are_joined(words, expected, others):
    options, rest = PARSER.parse(words)
    unset = {"all": None, "out": None, "many": [], "go_on": None}
    assert (vars(options), rest) == (unset | expected, others)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--al"], "there is no option --al: is it --all?"),
        (["--go"], "there is no option --go: is it --go-on?"),
        (["--zzz"], "there is no option --zzz"),
        (["-az"], "there is no option -z"),
        (["-o"], "-o takes a value: FILE"),
        (["-a", "-ao"], "-o takes a value: FILE"),
        (["--all=1"], "--all takes no value"),
        (["--go-on=7"], "--go-on takes - or nothing"),
    ],
    ids=str,
)
def test_words_that_are_no_options_are_wrong_usage(words, complaint):
    with pytest.raises(WrongUsage) as caught:
        PARSER.parse(words)
    assert str(caught.value) == complaint


def test_no_two_options_have_one_spelling_and_properties_are_those_of_the_client():
    options = [option for group in GROUPS for option in group.options]
    flags = [flag for option in options for flag in option.flags]
    assert len(flags) == len(set(flags))
    assert set(PROPERTIES) <= CHECKS.keys() & {option.name for option in options}


def test_data_keeps_its_order_and_kind_and_outputs_their_order():
    words = ["-d1", "--data-raw", "2", "-O", "-o", "f", "--json", "3"]
    options, _ = Parser(GROUPS).parse(words)
    assert options.data == [Data("text", "1"), Data("raw", "2"), Data("json", "3")]
    assert options.outputs == [REMOTE_NAME, "f"]


flags = st.sampled_from([flag for group in GROUPS for option in group.options
                         for flag in option.flags])  # fmt: skip
words = st.lists(flags | st.text(string.printable, max_size=6) | st.just("--"), max_size=8)


@given(words)
def test_any_words_are_options_or_wrong_usage(words):
    try:
        options, others = Parser(GROUPS).parse(words)
    except WrongUsage as error:
        assert str(error)  # noqa: PT017 - either is right
    else:
        assert vars(options).keys() == Parser(GROUPS).parse([])[0].__dict__.keys()
        assert len(others) <= len(words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1000), ("1.5", 1500), (".5", 500), ("5.", 5000), ("500ms", 500), ("2s", 2000),
     ("1m", 60_000), ("0", 0), ("0.0001", 1)],
)  # fmt: skip
def test_times_are_seconds_or_have_a_unit(text, expected):
    assert milliseconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", ".", "-1", "1e3", "1h", "1 s", "nan", "inf", "1" * 20, "\u0661"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="expected seconds"):
        milliseconds(text)


def test_sizes_addresses_and_schemes():
    assert [size(text) for text in ("5", "1k", "2M", "1GB")] == [5, 1024, 2 * 2**20, 2**30]
    assert resolved("+a.b:443:[::1],1.2.3.4") == ("a.b:443", "::1")
    assert schemes("=https") == {"https"}
    assert schemes("-all,+http,ftp") == {"http"}
    for convert, text in ((size, "1X"), (resolved, "a:x:1.2.3.4"), (resolved, "a:1:name")):
        with pytest.raises(ValueError, match="expected"):
            convert(text)
