"""Digest: challenges that libcurl answers too early, with the data of an earlier challenge.

Realm and nonce stay in an easy handle after a transfer, so that the next request needs no extra
round. But libcurl takes a new challenge for "wrong password" unless it says ``stale=true``: another
realm of the same origin (RFC 7616 section 3.5 tells realms apart by ``domain``), or a server whose
nonces are used once. Then the handle is reset, which drops the kept challenge, and the request is
sent once more (docs/decisions/0063).

Without a kept challenge the first request carries no answer, so a refusal arrives twice: as the
challenge and as the response to its answer. The second means a wrong password and is final.
"""

import re
from functools import partial

from bladehttp._data.auth import Auth
from bladehttp.client._curl.response_head import ResponseHead, offers_digest
from bladehttp.client._curl.transfer_options import gets_digest
from bladehttp.client._request.prepared import PreparedRequest

UNAUTHORIZED, PROXY_AUTHENTICATION_REQUIRED = 401, 407

FIELDS = {
    UNAUTHORIZED: "WWW-Authenticate",
    PROXY_AUTHENTICATION_REQUIRED: "Proxy-Authenticate",
}

status_of = partial(re.match, rb"HTTP/[0-9.]+ (\d{3})\b")


def was_answered_early(lines: list[bytes], request: PreparedRequest, status: int) -> bool:
    """Whether the server refused an answer to an earlier challenge.

    Args:
        lines: The header lines of the transfer, of all its rounds.
        request: The request.
        status: 401 or 407, the status of the last response.
    """
    if not may_use_digest(request, status):
        return False
    matches = filter(None, map(status_of, lines))
    if sum(int(match[1]) == status for match in matches) != 1:
        return False
    return bool(offers_digest(", ".join(ResponseHead(lines).headers.get_all(FIELDS[status]))))


def may_use_digest(request: PreparedRequest, status: int = UNAUTHORIZED) -> bool:
    """Whether libcurl may answer the server, or for 407 the proxy, by Digest."""
    settings = request.settings
    if status == PROXY_AUTHENTICATION_REQUIRED:
        return gets_digest(settings, request.url.origin[0])
    if not isinstance(settings.auth, tuple) and not settings.netrc:
        return False
    return bool(settings.auth_method & Auth.DIGEST)
