"""Redact: secrets taken out of what is logged."""

import re
from fnmatch import fnmatchcase

SECRET = "[redacted]"  # noqa: S105 - what stands in place of one

SECRET_FIELDS = ("authorization", "proxy-authorization", "cookie", "set-cookie", "*auth*")

# Names of query parameters; rather too many than one too few
secret_values = re.compile(
    r"([?&;][^=&\s#]*(?:key|token|secret|sig|pass|pwd|auth|cred|code|sess|jwt|otp|pin)[^=&\s#]*=)"
    r"[^&\s#'\"\]]+",
    re.IGNORECASE,
)
userinfo = re.compile(r"(?<=://)[^/?#@\s]+@")

# libcurl's own words: "[HTTP/2] [1] [cookie: a=b]", 'Added cookie a="b" for domain ...'
shown_field = re.compile(r"\[(:?[\w-]+): (.*)\]$")
shown_cookie = re.compile(r"(cookie [^=\s]+=)\S+")


def redact(text: str) -> str:
    """Return a URL, or a text that holds one, without user, password and secret parameters."""
    return secret_values.sub(rf"\1{SECRET}", userinfo.sub(f"{SECRET}@", text))


def is_secret_field(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a field's value is not to be shown.

    Args:
        name: The field's name.
        patterns: ``sensitive_headers`` of the client.
    """
    lower = name.strip().lower()
    return any(fnmatchcase(lower, pattern) for pattern in (*SECRET_FIELDS, *patterns))


def redact_line(line: str, patterns: tuple[str, ...]) -> str:
    """Return a line of a message's head without its secret."""
    name, colon, _ = line.partition(":")
    if colon and is_secret_field(name, patterns):
        return f"{name}: {SECRET}"
    return redact(line)


def redact_remark(text: str, patterns: tuple[str, ...]) -> str:
    """Return what libcurl says about a transfer without secrets."""
    shown = shown_field.search(text)
    if shown and is_secret_field(shown[1], patterns):
        return f"{text[: shown.start(2)]}{SECRET}]"
    return redact(shown_cookie.sub(rf"\1{SECRET}", text))
