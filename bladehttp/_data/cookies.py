"""Cookies: the Cookie field of a request in, the Set-Cookie field of a response out.

RFC 6265, sections 4.1 (sent by servers), 4.2 and 5.4 (sent by browsers).
"""

import re
from datetime import UTC, datetime

from bladehttp._data.dates import imf_date
from bladehttp._data.headers import is_token
from bladehttp._data.multidict import MultiDict
from bladehttp.exceptions import InvalidHeader

# RFC 6265 section 4.1.1: cookie-octet is VCHAR without DQUOTE, comma, semicolon, backslash,
# optionally the whole in quotes. What browsers keep apart without harm (space, comma, quotes
# and backslash inside) is allowed too; what would end the value or the line is not.
is_cookie_value = re.compile(r"[\x20-\x3a\x3c-\x7e]*").fullmatch

# RFC 6265 section 4.1.1: path-value = av-octet = any CHAR except CTLs or ";"
is_attribute_value = re.compile(r"[\x20-\x3a\x3c-\x7e]*").fullmatch

SAME_SITE = {"strict": "Strict", "lax": "Lax", "none": "None"}


def parse_cookies(field_value: str) -> MultiDict[str]:
    """Return the cookies of a Cookie field's value, which for repeated fields is joined by "; ".

    A pair without "=" or without a name is passed over and the others stay. The value may
    contain "=". One pair of enclosing quotes is taken off. Nothing is percent-decoded: a
    value comes back as the server set it. The work is linear in the length.

    Args:
        field_value: One character for one byte. A pair that is UTF-8 is decoded, as scripts in
            browsers set such; others stay as they are.
    """
    cookies: MultiDict[str] = MultiDict()
    is_ascii = field_value.isascii()
    for pair in field_value.split(";"):
        name, equals, value = (pair if is_ascii else _decoded(pair)).partition("=")
        name = name.strip(" \t")
        if equals and name:
            cookies.add(name, _unquoted(value.strip(" \t")))
    return cookies


def _decoded(pair: str) -> str:
    try:
        return pair.encode("latin-1").decode()
    except UnicodeError:
        return pair


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def format_set_cookie(
    key: str,
    value: str,
    domain: str | None = None,
    path: str | None = "/",
    expires: datetime | float | str | None = None,
    secure: bool = False,
    max_age: int | None = None,
    http_only: bool = False,
    same_site: str | None = None,
) -> str:
    """Return the value of a Set-Cookie field (RFC 6265 section 4.1).

    Args:
        key: The cookie's name, a token.
        value: Printable ASCII without ";".
        domain: None limits the cookie to the host that sets it.
        path: None leaves the choice to the browser.
        expires: A datetime (naive ones are UTC), seconds since 1970, or a date already
            formatted. None makes a session cookie.
        secure: Only over HTTPS.
        max_age: Lifetime in seconds; 0 or less deletes the cookie. None: no limit of this kind.
        http_only: Not for scripts.
        same_site: "Strict", "Lax" or "None"; "None" needs ``secure``.

    Raises:
        InvalidHeader: A part that would end the value or the line.
        ValueError: An unknown ``same_site``, or "None" without ``secure``.
    """
    if not is_token(key):
        raise InvalidHeader(f"cookie name {key[:80]!r} is not a token")
    if not is_cookie_value(value):
        raise InvalidHeader(f"value of cookie {key} cannot be sent as it is: {value[:80]!r}")
    attributes = {
        "Domain": domain,
        "Path": path,
        "Expires": None if expires is None else _http_date(expires),
        "Max-Age": None if max_age is None else str(int(max_age)),
        "SameSite": None if same_site is None else _same_site(same_site, secure),
    }
    parts = [f"{key}={value}"]
    for name, text in attributes.items():
        if text is None:
            continue
        if not is_attribute_value(text):
            raise InvalidHeader(f"{name} of cookie {key} cannot be sent as it is: {text[:80]!r}")
        parts.append(f"{name}={text}")
    parts += ["Secure"] * secure + ["HttpOnly"] * http_only
    return "; ".join(parts)


def _http_date(when: datetime | float | str) -> str:
    if isinstance(when, str):
        return when
    if isinstance(when, datetime):
        moment = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
        return imf_date(moment)
    return imf_date(datetime.fromtimestamp(when, UTC))


def _same_site(value: str, secure: bool) -> str:
    name = SAME_SITE.get(value.lower())
    if name is None:
        raise ValueError(f"same_site is Strict, Lax or None, not {value!r}")
    if name == "None" and not secure:
        raise ValueError("same_site 'None' needs secure=True: browsers drop the cookie otherwise")
    return name
