"""Challenges of Digest that libcurl answers too early, by another that it keeps.

The digest's realm and nonce stay in an easy handle when a transfer has ended, so that the next
request needs no round of its own. But libcurl takes a new challenge for "wrong password", unless it
says ``stale=true``: another realm of the same origin (RFC 7616 section 3.5 tells realms apart by
``domain``), or a server whose nonces are used once. Then the handle is reset, which drops the kept
challenge, and the request is sent once more (docs/decisions/0063).

Where nothing was kept a request goes out without an answer first, so a refusal comes twice: as the
challenge, and as the reply to its answer. That one is a wrong password, and is not tried again.
"""

import re

from bladehttp._data.auth import Auth
from bladehttp.client.message import Message
from bladehttp.client.proxy_digest import gets_digest
from bladehttp.client.received import Received, offers_digest

UNAUTHORIZED, PROXY_AUTHENTICATION_REQUIRED = 401, 407

FIELDS = {
    UNAUTHORIZED: "WWW-Authenticate",
    PROXY_AUTHENTICATION_REQUIRED: "Proxy-Authenticate",
}

status_of = re.compile(rb"HTTP/[0-9.]+ (\d{3})\b").match


def was_answered_early(lines: list[bytes], message: Message, status: int) -> bool:
    """Whether a refusal is of an answer to an earlier challenge.

    Args:
        lines: The header lines of the transfer, those of all its rounds.
        message: What was sent.
        status: 401 or 407, that of the last response.
    """
    if not may_use_digest(message, status):
        return False
    matches = filter(None, map(status_of, lines))
    if sum(int(match[1]) == status for match in matches) != 1:
        return False
    return bool(offers_digest(", ".join(Received(lines).headers.get_all(FIELDS[status]))))


def may_use_digest(message: Message, status: int = UNAUTHORIZED) -> bool:
    """Whether libcurl may answer a server, or for 407 a proxy, by Digest."""
    settings = message.settings
    if status == PROXY_AUTHENTICATION_REQUIRED:
        return gets_digest(settings, message.url.origin[0])
    if not isinstance(settings.auth, tuple) and not settings.netrc:
        return False
    return bool(settings.auth_method & Auth.DIGEST)
