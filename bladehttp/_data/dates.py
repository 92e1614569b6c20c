"""HTTP-date: the three forms of RFC 9110 section 5.6.7."""

import re
from datetime import UTC, datetime
from functools import lru_cache, partial

DAY_NAMES = "Mon Tue Wed Thu Fri Sat Sun".split()
MONTH_NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
MONTHS = {month: number for number, month in enumerate(MONTH_NAMES, 1)}

TIME = "([0-9]{2}):([0-9]{2}):([0-9]{2})"

# Sun, 06 Nov 1994 08:49:37 GMT; Sunday, 06-Nov-94 08:49:37 GMT; Sun Nov  6 08:49:37 1994.
imf_fixdate = partial(
    re.fullmatch, f"[A-Z][a-z]{{2}}, ([0-9]{{2}}) ([A-Z][a-z]{{2}}) ([0-9]{{4}}) {TIME} GMT"
)
rfc850_date = partial(
    re.fullmatch, f"[A-Z][a-z]{{5,8}}, ([0-9]{{2}})-([A-Z][a-z]{{2}})-([0-9]{{2}}) {TIME} GMT"
)
asctime_date = partial(
    re.fullmatch, f"[A-Z][a-z]{{2}} ([A-Z][a-z]{{2}}) ([ 0-9][0-9]) {TIME} ([0-9]{{4}})"
)


@lru_cache(maxsize=256)  # of the files that are asked for again and again
def format_http_date(seconds: int) -> str:
    """Return seconds since 1970 as IMF-fixdate, the form that is sent."""
    return imf_date(datetime.fromtimestamp(seconds, UTC))


def imf_date(moment: datetime) -> str:
    """Return a moment of UTC as IMF-fixdate.

    As `email.utils.format_datetime` does, whose import would be a fifteenth of the package's.
    """
    day, month = DAY_NAMES[moment.weekday()], MONTH_NAMES[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} GMT"


def parse_http_date(value: str) -> int | None:
    """Return a date in seconds since 1970, None for an invalid one.

    The name of the day is ignored. Years of two digits are 1970 to 2069.
    """
    value = value.strip(" \t")
    match = imf_fixdate(value) or rfc850_date(value)
    if match is not None:
        day, month, year, *clock = match.groups()
    else:
        match = asctime_date(value)
        if match is None:
            return None
        month, day, *clock, year = match.groups()
    if len(year) == 2:
        year = f"{'19' if year >= '70' else '20'}{year}"
    try:
        hour, minute, second = map(int, clock)
        date = datetime(int(year), MONTHS[month], int(day), hour, minute, second, tzinfo=UTC)
    except (KeyError, ValueError):  # 31 February
        return None
    return int(date.timestamp())
