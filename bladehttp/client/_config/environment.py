"""Environment: the variables used for a request, if ``trust_env`` allows it.

They are read for each request, as libcurl reads http_proxy, https_proxy, all_proxy and no_proxy.
Explicit properties always win over them.
"""

import os
from collections.abc import Mapping

import pycurl

from bladehttp._data.host_names import list_to_ascii
from bladehttp.client._config.network import proxy_url
from bladehttp.client._config.options import Settings
from bladehttp.client._config.tls import (
    TRUST_VARIABLES,
    Pair,
    are_unchanged,
    environment_paths,
    environment_trust,
    renewed,
    stamps_of,
    tls_files,
    usual_spelling,
)

# What os.environ keeps its values in, where it can be had: a look-up of what is not there costs
# 2 us in os.environ, which encodes, raises and catches, and nothing in a dict.
VARIABLES: Mapping[bytes, bytes] = getattr(os.environ, "_data", os.environb)

TRUST = tuple(map(os.fsencode, TRUST_VARIABLES))
MOST_KEPT = 8
"""Most values of these variables whose options are kept with a Settings."""

HTTPS_PROXIES = ("https_proxy", "HTTPS_PROXY")
HTTP_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
NO_PROXY = ("no_proxy", "NO_PROXY")


def names_proxy() -> bool:
    """Whether a variable names a proxy for any scheme.

    `isdisjoint` would take four times as long, and a scheme its own set of libcurl options.
    """
    return (
        b"http_proxy" in VARIABLES
        or b"https_proxy" in VARIABLES
        or b"all_proxy" in VARIABLES
        or b"HTTP_PROXY" in VARIABLES
        or b"HTTPS_PROXY" in VARIABLES
        or b"ALL_PROXY" in VARIABLES
    )


def names_authorities() -> bool:
    """Whether a variable names certificate authorities."""
    return (
        b"SSL_CERT_FILE" in VARIABLES
        or b"SSL_CERT_DIR" in VARIABLES
        or b"REQUESTS_CA_BUNDLE" in VARIABLES
        or b"CURL_CA_BUNDLE" in VARIABLES
    )


def active_options(settings: Settings, scheme: str) -> tuple[Pair, ...]:
    """Return the libcurl options for a request to a URL of that scheme.

    Raises:
        CertificateFileError: A variable names a file or directory that does not exist, or the file
            of certificate authorities was removed.
        ValueError: HTTP_PROXY is not the URL of a proxy.
    """
    options, has_proxy = settings.direct, settings.proxy is not None
    if settings.trust_env and not has_proxy and names_proxy():
        options = settings.curl
        options += environment_proxy(os.environ, scheme, settings.no_proxy is None)
        has_proxy = bool(active_proxy(settings, scheme))
    if scheme == "https":
        return options_over_tls(settings, options)
    if has_proxy and names_tls_proxy(settings):
        options += renewed(settings.tls_files)
    return options


def options_over_tls(settings: Settings, base: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """Return options with the authorities of the environment and the names of replaced files.

    Each file is looked at for each request, by one stat(2); all else only if one has changed.

    Raises:
        CertificateFileError: See `active_options`.
    """
    is_unsaid = settings.trust_env and settings.ca_cert is None
    named = tuple(map(VARIABLES.get, TRUST)) if is_unsaid and names_authorities() else ()
    known = settings.over_tls.get(named)
    if known is not None:
        known_base, stamps, options = known
        if known_base is base and are_unchanged(stamps):
            return options
    options, files, paths = base, settings.tls_files, list[bytes]()
    if named:
        paths = environment_paths(os.environ)
    stamps = stamps_of([*paths, *(path for path, _ in files)])  # before they are looked at
    if named:
        options += environment_trust(os.environ)
        files = tls_files(options)
    options += renewed(files)
    if len(settings.over_tls) >= MOST_KEPT:
        settings.over_tls.clear()
    settings.over_tls[named] = base, stamps, options
    return options


def active_authorities(settings: Settings) -> str:
    """Return the file or directory of the trusted certificate authorities.

    Raises:
        CertificateFileError: See `active_options`.
    """
    options = dict(active_options(settings, "https"))
    path = options.get(pycurl.CAINFO) or options.get(pycurl.CAPATH)
    return usual_spelling(os.fsdecode(path) if isinstance(path, bytes) else str(path))


def active_proxy(settings: Settings, scheme: str) -> str:
    """Return the URL of the proxy, "" for none; ``no_proxy`` may still except the host."""
    if settings.proxy is not None or not settings.trust_env:
        return settings.proxy or ""
    names = HTTP_PROXIES if scheme == "http" else (*HTTPS_PROXIES, *HTTP_PROXIES[2:])
    return next((os.environ[name] for name in names if name in os.environ), "")


def is_direct(settings: Settings, scheme: str) -> bool:
    """Whether the server is certain to get the request itself, possibly through a tunnel."""
    if scheme == "https" or settings.unix_socket is not None:
        return True
    proxy = active_proxy(settings, scheme)
    return not proxy or proxy.lower().startswith("socks")


def names_tls_proxy(settings: Settings) -> bool:
    """Whether a proxy that may be used for a request is reached over TLS."""
    names = (*HTTP_PROXIES, *HTTPS_PROXIES) if settings.trust_env else ()
    proxies = (settings.proxy, *map(os.environ.get, names))
    return any(proxy is not None and proxy.lower().startswith("https:") for proxy in proxies)


def environment_proxy(
    environ: Mapping[str, str], scheme: str, with_no_proxy: bool
) -> tuple[Pair, ...]:
    """Return the proxy options that libcurl would not read correctly from the environment.

    libcurl does not read HTTP_PROXY in capitals. In a CGI program, where REQUEST_METHOD is set (RFC
    3875 section 4.1.12), it is the Proxy field of the client's request (CVE-2016-5385), and
    ignored. libcurl would send non-ASCII host names to DNS unchanged.

    Args:
        environ: The environment.
        scheme: The scheme of the request's URL.
        with_no_proxy: Whether the variable no_proxy applies.
    """
    names = HTTP_PROXIES if scheme == "http" else (*HTTPS_PROXIES, *HTTP_PROXIES[2:])
    name = next((name for name in names if name in environ), "")
    if name and not environ[name]:  # "http_proxy= program" has it use none, as curl does
        return ((pycurl.PROXY, ""),)
    is_unread = name == "HTTP_PROXY" and "REQUEST_METHOD" not in environ
    options: tuple[Pair, ...] = ()
    if is_unread or (name and not environ[name].isascii()):
        options = ((pycurl.PROXY, proxy_url(name, environ[name])),)
    hosts = next(filter(None, map(environ.get, NO_PROXY)), "") if with_no_proxy else ""
    if not hosts.isascii():
        options += ((pycurl.NOPROXY, list_to_ascii(hosts)),)
    return options
