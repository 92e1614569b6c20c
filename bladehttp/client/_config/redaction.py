"""Secrets: their removal from logs and messages.

One list of names serves redirects and logs (`_data/secret_names.py`): a field that another origin
does not get on a redirect is not logged, and the other way round. `redirects.py` adds two fields
that are not secret but reveal the origin, Host and Referer.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import partial
from urllib.parse import unquote_plus

from bladehttp._data.secret_names import SECRET, is_sensitive

# Names of query parameters; rather too many than one too few
SECRET_PARAMETER = re.compile(
    r"([?&;][^=&\s#]*(?:key|token|secret|sig|pass|pwd|auth|cred|code|sess|jwt|otp|pin)[^=&\s#]*=)"
    r"([^&\s#'\"\]]+)",
    re.IGNORECASE,
)
hide_secret_values = partial(SECRET_PARAMETER.sub, rf"\1{SECRET}")

# RFC 3986 section 3.2: userinfo ends at the last "@" of the authority
hide_userinfo = partial(re.sub, r"(?<=://)[^/?#\s]*@", f"{SECRET}@")

# In a text of libcurl's a URL may be one it could not take apart, with anything in its password
hide_quoted_userinfo = partial(re.sub, r"((?:^|(?<=\s))['\"(<\[]?(?:\w+://)?)\S*@", rf"\1{SECRET}@")

# lines of libcurl's log: "[HTTP/2] [1] [cookie: a=b]", 'Added cookie a="b" for domain ...'
shown_field = partial(re.search, r"\[(:?[\w-]+): (.*)\]$")
hide_shown_cookie = partial(re.sub, r"(cookie [^=\s]+=)\S+", rf"\1{SECRET}")


def redact(text: str) -> str:
    """Return a URL, or a text that holds one, without user, password and secret parameters."""
    return hide_secret_values(hide_userinfo(text))


def redact_error(text: str) -> str:
    """Return an error message of libcurl without users and passwords."""
    return redact(hide_quoted_userinfo(text))


def redact_line(line: str, patterns: tuple[str, ...]) -> str:
    """Return a line of a head without its secret."""
    name, colon, _ = line.partition(":")
    if colon and is_sensitive(name, patterns):
        return f"{name}: {SECRET}"
    return redact(line)


def redact_remark(text: str, patterns: tuple[str, ...]) -> str:
    """Return a line of libcurl's log without secrets."""
    shown = shown_field(text)
    if shown and is_sensitive(shown[1], patterns):
        return f"{text[: shown.start(2)]}{SECRET}]"
    return redact_error(hide_shown_cookie(text))


LEAST_HIDDEN = 4
"""Characters of the shortest value that is hidden: a shorter one protects nothing, and is found in
any text."""


class Secrets(tuple[str, ...]):
    """Credentials of a request, longest first. They are neither pickled nor shown."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Secrets, ()

    def __repr__(self) -> str:
        return f"<Secrets: {len(self)}>"

    def hide(self, text: str) -> str:
        """Return a text without them, and without those that `redact` knows by name."""
        for secret in self:
            text = text.replace(secret, SECRET)
        return redact(text)


NO_SECRETS = Secrets()


def secrets_of(
    url: str,
    fields: Iterable[tuple[str, str | None]],
    patterns: tuple[str, ...],
    auth: object,
) -> Secrets:
    """Return the credentials of a request.

    Args:
        url: Its URL.
        fields: The fields that were sent.
        patterns: ``sensitive_headers`` of the client.
        auth: (name, password), or another value of ``auth``.
    """
    found = {word for name, value in fields if value and is_sensitive(name, patterns)
             for word in (value, *re.split(r"[\s;=]+", value))}  # fmt: skip
    found.update(unquote_plus(value) for _, value in SECRET_PARAMETER.findall(url))
    if isinstance(auth, tuple):
        found |= {auth[1], b64encode(":".join(auth).encode()).decode()}
    long = [each for each in found if len(each) >= LEAST_HIDDEN]
    return Secrets(sorted(long, key=len, reverse=True))
