"""Which fields hold secrets: one list, for redirects and for logs.

What another origin does not get on a redirect is what a log does not show, and the other way round.
`redirects.py` adds the two fields that are no secrets but tell of the origin, Host and Referer.
"""

from fnmatch import fnmatchcase

ALWAYS = ("*auth*", "*cookie*")
"""Names, in lower case, of fields that are secret whatever ``sensitive_headers`` says:
Authorization, Proxy-Authorization, Cookie, Set-Cookie, X-Auth-Token and their like."""

SENSITIVE_HEADERS = (
    "*-key", "*apikey*", "*api_key*", "*token*", "*secret*", "*session*", "*jwt*", "*passw*",
    "*credential*", "*csrf*", "*xsrf*",
)  # fmt: skip
"""The default of ``sensitive_headers``."""


def is_sensitive(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a field holds a secret.

    Args:
        name: The field's name, in any case.
        patterns: ``sensitive_headers`` of the client.
    """
    lower = name.strip().lower()
    return any(fnmatchcase(lower, pattern) for pattern in (*ALWAYS, *patterns))
