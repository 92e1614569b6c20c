from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from bladehttp._data.cookies import format_set_cookie, parse_cookies
from bladehttp.exceptions import InvalidHeader

WHEN = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("field", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2;", {"a": "1", "b": "2"}),
        (" a = 1 ;\tb=2", {"a": "1", "b": "2"}),
        ("a=b=c==", {"a": "b=c=="}),
        ("a=", {"a": ""}),
        ("a=1; odd; =x; ;b=2", {"a": "1", "b": "2"}),
        ('a="b c"', {"a": "b c"}),
        ('a="', {"a": '"'}),
        ('a="b', {"a": '"b'}),
        ('a=""', {"a": ""}),
        ("a=%20+", {"a": "%20+"}),
        ("a=1; a=2", {"a": "2"}),
        ("$Version=1; a=1", {"$Version": "1", "a": "1"}),
        ("a=\xe9\xa0", {"a": "\xe9\xa0"}),
    ],
)
def test_cookies_of_a_request(field: str, cookies: dict[str, str]) -> None:
    assert parse_cookies(field) == cookies


def test_repeated_cookie_is_kept() -> None:
    assert parse_cookies("a=1; a=2").get_all("a") == ["1", "2"]


def test_three_thousand_cookies() -> None:
    assert len(parse_cookies("; ".join(f"c{i}={i}" for i in range(3000)))) == 3000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "a=b; Path=/"),
        ({"path": None}, "a=b"),
        ({"domain": "a.example"}, "a=b; Domain=a.example; Path=/"),
        ({"max_age": 0}, "a=b; Path=/; Max-Age=0"),
        ({"secure": True, "http_only": True}, "a=b; Path=/; Secure; HttpOnly"),
        ({"same_site": "lax"}, "a=b; Path=/; SameSite=Lax"),
        ({"same_site": "NONE", "secure": True}, "a=b; Path=/; SameSite=None; Secure"),
        ({"expires": WHEN}, f"a=b; Path=/; Expires={WHEN}"),
        ({"expires": 784111777}, f"a=b; Path=/; Expires={WHEN}"),
        ({"expires": datetime(1994, 11, 6, 8, 49, 37)}, f"a=b; Path=/; Expires={WHEN}"),  # noqa: DTZ001
        ({"expires": datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)}, f"a=b; Path=/; Expires={WHEN}"),
        (
            {"expires": datetime(1994, 11, 6, 10, 49, 37, tzinfo=timezone(timedelta(hours=2)))},
            f"a=b; Path=/; Expires={WHEN}",
        ),
    ],
)
def test_set_cookie(options: dict[str, Any], expected: str) -> None:
    assert format_set_cookie("a", "b", **options) == expected


@pytest.mark.parametrize(
    ("key", "value", "options"),
    [
        ("", "b", {}),
        ("a b", "b", {}),
        ("a=", "b", {}),
        ("a", "b;c", {}),
        ("a", "b\r\nX: y", {}),
        ("a", "é", {}),
        ("a", "b", {"path": "/;x"}),
        ("a", "b", {"domain": "a\n"}),
        ("a", "b", {"expires": "never; x"}),
    ],
)
def test_set_cookie_that_would_break_is_refused(
    key: str, value: str, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidHeader):
        format_set_cookie(key, value, **options)


@pytest.mark.parametrize("options", [{"same_site": "x"}, {"same_site": "None"}])
def test_same_site_that_browsers_drop_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="same_site"):
        format_set_cookie("a", "b", **options)
