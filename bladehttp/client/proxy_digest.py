"""Digest at proxies: which of them want it.

libcurl gives a proxy name and password by Basic at once: nearly all speak it, and it costs no
round. One that answers 407, offers Digest and not Basic is remembered by its URL, the request is
sent once more, and from then on libcurl asks that proxy first and answers with Digest
(CURLOPT_PROXYAUTH). A proxy that offers both has refused the password, which is not tried twice:
accounts get locked.
"""

import re

import pycurl

from bladehttp.client.environment import proxy_in_force
from bladehttp.client.options import Settings
from bladehttp.client.received import Received, offers_digest

PROXY_AUTHENTICATION_REQUIRED = 407

MOST_KNOWN = 256

offers_basic = re.compile(r"(?:^|,)\s*basic\b", re.IGNORECASE).search

WANT_DIGEST: dict[str, None] = {}
"""The URLs of proxies that want Digest, in the order they were learnt."""


def proxy_auth_options(settings: Settings, scheme: str) -> tuple[tuple[int, object], ...]:
    """Return CURLOPT_PROXYAUTH where it is to be another than Basic."""
    if proxy_in_force(settings, scheme) not in WANT_DIGEST:
        return ()
    return ((pycurl.PROXYAUTH, pycurl.HTTPAUTH_DIGEST),)


def gets_digest(settings: Settings, scheme: str) -> bool:
    """Whether libcurl may answer a proxy by Digest."""
    return (
        pycurl.PROXYAUTH in settings.curl_options or proxy_in_force(settings, scheme) in WANT_DIGEST
    )


def learn(settings: Settings, scheme: str, received: Received) -> bool:
    """Remember a proxy that wants Digest, or forget one that wants Basic again.

    Return whether the request may be sent once more.

    Args:
        settings: Of the request.
        scheme: Of its URL.
        received: The head of a 407.
    """
    proxy = proxy_in_force(settings, scheme)
    if "@" not in proxy or pycurl.PROXYAUTH in settings.curl_options:
        return False
    challenges = ", ".join(received.headers.get_all("Proxy-Authenticate"))
    is_basic, is_digest = bool(offers_basic(challenges)), bool(offers_digest(challenges))
    if proxy in WANT_DIGEST:
        if is_basic and not is_digest:
            del WANT_DIGEST[proxy]
        return proxy not in WANT_DIGEST
    if is_basic or not is_digest:
        return False
    while len(WANT_DIGEST) >= MOST_KNOWN:
        del WANT_DIGEST[next(iter(WANT_DIGEST))]
    WANT_DIGEST[proxy] = None
    return True
