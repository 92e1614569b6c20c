"""Names of fields that hold secrets: for redirects, logs and recordings."""

from fnmatch import fnmatchcase

SECRET = "[redacted]"  # noqa: S105 - replaces a secret

ALWAYS = ("*auth*", "*cookie*")
"""Lower-case names of fields that are secret regardless of ``sensitive_headers``: Authorization,
Proxy-Authorization, Cookie, Set-Cookie, X-Auth-Token and the like."""

SENSITIVE_HEADERS = (
    "*-key", "*apikey*", "*api_key*", "*token*", "*secret*", "*session*", "*jwt*", "*passw*",
    "*credential*", "*csrf*", "*xsrf*",
)  # fmt: skip
"""The default of ``sensitive_headers``: X-Api-Key, X-Session-Id, X-Vault-Token and the like."""


def is_sensitive(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a field holds a secret.

    Args:
        name: The field's name, in any case.
        patterns: ``sensitive_headers`` of the client.
    """
    lower = name.strip().lower()
    return any(fnmatchcase(lower, pattern) for pattern in (*ALWAYS, *patterns))
