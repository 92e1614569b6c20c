import pytest

from bladehttp._data.dates import parse_http_date
from bladehttp._data.headers import Headers
from bladehttp._wire.conditional import evaluate_preconditions, range_applies
from bladehttp._wire.negotiation import acceptable

MODIFIED = 784111777
AT = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
TAG = '"abc"'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AT, MODIFIED),
        ("Sunday, 06-Nov-94 08:49:37 GMT", MODIFIED),
        ("Sun Nov  6 08:49:37 1994", MODIFIED),
        ("Sun Nov 16 08:49:37 1994", MODIFIED + 10 * 86400),
        (f" {AT}\t", MODIFIED),
        ("Wednesday, 01-Jan-69 00:00:00 GMT", 3124224000),
        ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799),
        ("Mon, 06 Nov 1994 08:49:37 GMT", MODIFIED),  # the wrong day: of no importance
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 00 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 0000 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 24:00:00 GMT", None),
        ("Sun, 06 Nov 1994 08:49:60 GMT", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("sun, 06 nov 1994 08:49:37 gmt", None),
        ("Sun, 06 Nov 1994 08:49:37 UTC", None),
        ("Sun, 06 Nov 1994 08:49:37 +0000", None),
        ("Sun, 06 Nov 1994 08:49:37", None),
        ("1994-11-06T08:49:37Z", None),
        (str(MODIFIED), None),
        ("0", None),
        ("", None),
    ],
)
def test_a_date_has_one_of_three_forms(value, expected):
    assert parse_http_date(value) == expected


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], None),
        # If-Match, by strong comparison
        ([("If-Match", "*")], None),
        ([("If-Match", '"abc"')], None),
        ([("If-Match", '"x", "abc"')], None),
        ([("If-Match", '"x"')], 412),
        ([("If-Match", 'W/"abc"')], 412),
        ([("If-Match", "abc")], 412),
        ([("If-Match", "")], 412),
        ([("If-Match", '"ABC"')], 412),
        ([("If-Match", '"x"'), ("If-Match", '"abc"')], None),
        # If-Unmodified-Since, where there is no If-Match
        ([("If-Unmodified-Since", AT)], None),
        ([("If-Unmodified-Since", AFTER)], None),
        ([("If-Unmodified-Since", BEFORE)], 412),
        ([("If-Unmodified-Since", "yesterday")], None),
        ([("If-Match", '"abc"'), ("If-Unmodified-Since", BEFORE)], None),
        # If-None-Match, by weak comparison
        ([("If-None-Match", "*")], 304),
        ([("If-None-Match", '"abc"')], 304),
        ([("If-None-Match", 'W/"abc"')], 304),
        ([("If-None-Match", '"x","abc"')], 304),
        ([("If-None-Match", '"x"')], None),
        ([("If-None-Match", "abc")], None),
        ([("If-None-Match", 'w/"abc"')], 304),  # garbage before a tag is no part of it
        # If-Modified-Since, where there is no If-None-Match
        ([("If-Modified-Since", AT)], 304),
        ([("If-Modified-Since", AFTER)], 304),
        ([("If-Modified-Since", BEFORE)], None),
        ([("If-Modified-Since", "never")], None),
        ([("If-None-Match", '"x"'), ("If-Modified-Since", AT)], None),
        ([("If-None-Match", '"abc"'), ("If-Modified-Since", BEFORE)], 304),
        # the order of RFC 9110 section 13.2.2
        ([("If-Match", '"x"'), ("If-None-Match", '"abc"')], 412),
        ([("If-Match", '"abc"'), ("If-None-Match", '"abc"')], 304),
        ([("If-Unmodified-Since", AT), ("If-Modified-Since", AT)], 304),
    ],
    ids=str,
)
def test_conditions_on_what_has_a_strong_tag(fields, status):
    assert evaluate_preconditions(Headers(fields), TAG, MODIFIED) == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("If-Match", "*")], None),
        ([("If-Match", '"abc"')], 412),
        ([("If-None-Match", '"abc"')], None),
        ([("If-None-Match", "*")], 304),
        ([("If-Modified-Since", AT)], 304),
    ],
    ids=str,
)
def test_conditions_on_what_has_no_tag(fields, status):
    assert evaluate_preconditions(Headers(fields), None, MODIFIED) == status


def test_a_weak_tag_matches_only_weakly():
    assert evaluate_preconditions({"If-Match": 'W/"abc"'}, 'W/"abc"', MODIFIED) == 412
    assert evaluate_preconditions({"If-None-Match": '"abc"'}, 'W/"abc"', MODIFIED) == 304


@pytest.mark.parametrize(
    ("value", "applies"),
    [
        (None, True),
        ('"abc"', True),
        ('W/"abc"', False),
        ('"x"', False),
        ('"x", "abc"', False),
        (AT, True),
        ("Sunday, 06-Nov-94 08:49:37 GMT", True),
        (AFTER, False),
        (BEFORE, False),
        ("abc", False),
        ("*", False),
        ("", False),
    ],
)
def test_if_range_is_for_exactly_what_there_is(value, applies):
    assert range_applies(value, TAG, MODIFIED, MODIFIED + 1) is applies


def test_a_date_of_the_second_that_is_not_over_does_not_do_for_if_range():
    assert range_applies(AT, TAG, MODIFIED, MODIFIED) is False


def test_if_range_with_a_tag_where_there_is_none():
    assert range_applies('"abc"', None, MODIFIED, MODIFIED + 9) is False


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ("", []),
        ("gzip", ["gzip"]),
        ("br", ["br"]),
        ("gzip, br", ["br", "gzip"]),
        ("gzip, deflate, br, zstd", ["br", "gzip"]),
        ("gzip;q=1.0, br;q=0.9", ["gzip", "br"]),
        ("gzip;q=0.001", ["gzip"]),
        ("gzip;q=0", []),
        ("gzip;q=0.000, br", ["br"]),
        ("GZIP ; Q=0.5", ["gzip"]),
        ("x-gzip", ["gzip"]),
        ("*", ["br", "gzip"]),
        ("*;q=0", []),
        ("*;q=0, gzip", ["gzip"]),
        ("br;q=0, *", ["gzip"]),
        ("identity", []),
        ("identity, gzip", ["gzip"]),
        ("identity;q=0.5, gzip;q=0.4", []),
        ("identity;q=0, gzip;q=0.4", ["gzip"]),
        ("identity;q=0", []),
        ("br;q=0.5, *;q=0.8", ["gzip"]),
        ("gzip;q=2", []),
        ("gzip;q=0.1234", []),
        ("gzip;level=9", []),
        ("gzip br", []),
        (", ,gzip,", ["gzip"]),
        ("compress, zstd", []),
    ],
)
def test_codings_are_chosen_by_their_weights(value, expected):
    assert acceptable(value, ["br", "gzip"]) == expected
