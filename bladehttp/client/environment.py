"""Environment: what is taken from it for a request, where ``trust_env`` allows it.

It is read for each request, as libcurl reads http_proxy, https_proxy, all_proxy and no_proxy. What
a property says explicitly always wins over it.
"""

import os
from collections.abc import Mapping

import pycurl

from bladehttp.client.options import Settings
from bladehttp.client.route import proxy_url
from bladehttp.client.trust import TRUST_VARIABLES, Pair, environment_trust

# What os.environ keeps its values in, where it can be had: a look-up of what is not there costs
# 2 us in os.environ, which encodes, raises and catches, and nothing in a dict.
VARIABLES: Mapping[bytes, bytes] = getattr(os.environ, "_data", os.environb)

TRUST = frozenset(map(os.fsencode, TRUST_VARIABLES))
HTTPS_PROXIES = ("https_proxy", "HTTPS_PROXY")
HTTP_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def options_in_force(settings: Settings, scheme: str) -> tuple[Pair, ...]:
    """Return the libcurl options for a request to a URL of that scheme.

    Raises:
        CertificateFileError: A variable names a file or directory that is not there.
        ValueError: HTTP_PROXY is no proxy's URL.
    """
    if not settings.trust_env:
        return settings.curl
    if scheme == "https":
        if settings.ca_cert is None and not VARIABLES.keys().isdisjoint(TRUST):
            return settings.curl + environment_trust(os.environ)
    elif b"HTTP_PROXY" in VARIABLES and settings.proxy is None:
        return settings.curl + environment_proxy(os.environ)
    return settings.curl


def is_direct(settings: Settings, scheme: str) -> bool:
    """Whether a server certainly gets the request itself, if through a tunnel."""
    if scheme == "https" or settings.unix_socket is not None:
        return True
    proxy = settings.proxy
    if proxy is None and settings.trust_env:
        proxy = next(filter(None, map(os.environ.get, HTTP_PROXIES)), None)
    return not proxy or proxy.lower().startswith("socks")


def names_tls_proxy(settings: Settings) -> bool:
    """Whether a proxy that may be used for a request is one that itself speaks TLS."""
    names = (*HTTP_PROXIES, *HTTPS_PROXIES) if settings.trust_env else ()
    proxies = (settings.proxy, *map(os.environ.get, names))
    return any(proxy is not None and proxy.lower().startswith("https:") for proxy in proxies)


def environment_proxy(environ: Mapping[str, str]) -> tuple[Pair, ...]:
    """Return what HTTP_PROXY in capitals becomes, which libcurl never reads.

    In a CGI program, where REQUEST_METHOD is set (RFC 3875 section 4.1.12), it is the Proxy field
    of whoever sent the request (CVE-2016-5385), and ignored.
    """
    value = environ["HTTP_PROXY"]
    if not value or "REQUEST_METHOD" in environ or environ.get("http_proxy"):
        return ()
    return ((pycurl.PROXY, proxy_url("HTTP_PROXY", value)),)
