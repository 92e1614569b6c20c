"""HTTP-date: the three forms of RFC 9110 section 5.6.7."""

import re
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache

DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
LONG_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"

FORMS = tuple(
    re.compile(form).fullmatch
    for form in (
        # IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
        f"(?:{DAYS}), (?P<day>[0-9]{{2}}) (?P<month>{MONTHS}) (?P<year>[0-9]{{4}}) {TIME} GMT",
        # rfc850-date: Sunday, 06-Nov-94 08:49:37 GMT
        f"(?:{LONG_DAYS}), (?P<day>[0-9]{{2}})-(?P<month>{MONTHS})-(?P<year>[0-9]{{2}}) {TIME} GMT",
        # asctime-date: Sun Nov  6 08:49:37 1994
        f"(?:{DAYS}) (?P<month>{MONTHS}) (?P<day>[ 0-9][0-9]) {TIME} (?P<year>[0-9]{{4}})",
    )
)


@lru_cache(maxsize=256)  # of the files that are asked for again and again
def format_http_date(seconds: int) -> str:
    """Return seconds since 1970 as IMF-fixdate, the form that is sent."""
    return formatdate(seconds, usegmt=True)


def parse_http_date(value: str) -> int | None:
    """Return a date in seconds since 1970, None for what is not one.

    The name of the day is not compared with the date. Years of two digits are 1970 to 2069.
    """
    for form in FORMS:
        match = form(value.strip(" \t"))
        if match is not None:
            return _seconds(match)
    return None


def _seconds(match: re.Match[str]) -> int | None:
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += 1900 if year >= 70 else 2000
    month = MONTHS.split("|").index(match["month"]) + 1
    day, hour, minute, second = map(int, match.group("day", "hour", "minute", "second"))
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:  # 31 February
        return None
