"""Network: how a request reaches its server: proxy, address, interface, version, raw options.

Each property has its check here and its libcurl options.
"""

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import pycurl

from bladehttp._data.host_names import list_to_ascii, to_ascii
from bladehttp.client._config.validators import (
    SENT_AS_GIVEN,
    check_length,
    has_control,
    path,
    secret_text,
    text,
)
from bladehttp.exceptions import InvalidUrl, UnsupportedProtocol

Pair = tuple[int, object]

PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

HTTP_VERSIONS = {
    "auto": pycurl.CURL_HTTP_VERSION_NONE,  # over TLS negotiated by ALPN, else 1.1
    "1.0": pycurl.CURL_HTTP_VERSION_1_0,
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2TLS,  # 2_0 would ask for an upgrade over plain http
    "3": pycurl.CURL_HTTP_VERSION_3,
}

RESERVED = frozenset(
    # options that a transfer sets for each request
    (pycurl.URL, pycurl.WRITEFUNCTION, pycurl.WRITEDATA, pycurl.HEADERFUNCTION,
     pycurl.WRITEHEADER, pycurl.READFUNCTION, pycurl.READDATA, pycurl.SEEKFUNCTION,
     pycurl.HTTPHEADER, pycurl.POSTFIELDS, pycurl.MIMEPOST, pycurl.SHARE, pycurl.NOSIGNAL,
     pycurl.FOLLOWLOCATION, pycurl.OPT_CERTINFO,
     # the redirects of libcurl, which follows none
     pycurl.MAXREDIRS, pycurl.POSTREDIR, pycurl.UNRESTRICTED_AUTH, pycurl.AUTOREFERER)
)  # fmt: skip
"""The options that ``curl_options`` refuses."""

OF_ONE_ORIGIN = frozenset(
    (pycurl.USERPWD, pycurl.USERNAME, pycurl.PASSWORD, pycurl.XOAUTH2_BEARER, pycurl.AWS_SIGV4,
     pycurl.COOKIE, pycurl.COOKIELIST, pycurl.REFERER, pycurl.SSLCERT, pycurl.SSLCERT_BLOB,
     pycurl.SSLKEY, pycurl.SSLKEY_BLOB, pycurl.KEYPASSWD, pycurl.TLSAUTH_USERNAME,
     pycurl.TLSAUTH_PASSWORD)
)  # fmt: skip
"""The options in ``curl_options`` that no other origin gets: credentials, and the Referer."""

split_place = partial(
    re.fullmatch, r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):(?P<port>[0-9]{1,5})"
)

ANY_HOST = "*"

split_address = partial(re.fullmatch, r"(?P<host>\[[^\[\]]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")


def plain_text(name: str, value: Any) -> str:
    """Accept a str of printable ASCII.

    Raises:
        TypeError: It is not a str.
        ValueError: It holds other characters.
    """
    if not text(name, value).isascii() or has_control(value):
        raise ValueError(f"{name} holds control or non-ASCII characters")
    return str(value)


def proxy_url(name: str, value: Any) -> str:
    """Accept the URL of a proxy, "" for none; without a scheme it is http.

    Raises:
        InvalidUrl: It cannot be parsed.
        UnsupportedProtocol: Its scheme is not that of a proxy.
    """
    if not isinstance(value, str) or not value:
        return secret_text(name, value)
    check_length(name, value, InvalidUrl)
    scheme, mark, rest = value.partition("://")
    if not mark:
        scheme, rest = "http", value
    if scheme.lower() not in PROXY_SCHEMES:
        shown = repr(scheme[:40]) if scheme.isalnum() else "that"
        raise UnsupportedProtocol(f"{name} is one of {', '.join(PROXY_SCHEMES)}, not {shown}")
    userinfo, at, place = rest.rpartition("@")
    place = place.rstrip("/")
    if has_control(value) or " " in value or not place or "/" in place:
        raise InvalidUrl(f"{name} is not scheme://[name:password@]host:port")
    if value.isascii():
        return str(value)
    host, colon, port = place.partition(":")  # an IPv6 address is ASCII and stays whole
    return f"{scheme}://{quote(userinfo, SENT_AS_GIVEN)}{at}{to_ascii(host)}{colon}{port}"


def host_list(name: str, value: Any) -> str:
    """Accept hosts as a str with commas, or as an iterable; names become ASCII.

    Raises:
        TypeError: It is neither, or one is not a str.
        ValueError: One holds control characters.
        InvalidUrl: A name has no ASCII form.
    """
    if isinstance(value, str):
        return plain_text(name, list_to_ascii(value))
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} is a list of hosts, not {value!r}"[:200])
    return ",".join(
        plain_text(name, list_to_ascii(text(f"{name}: a host", each))) for each in value
    )


def environment_options(trusted: bool) -> Iterable[Pair]:
    """Return the options that keep libcurl from reading proxies from the environment itself."""
    if not trusted:
        yield pycurl.PROXY, ""
        yield pycurl.NOPROXY, ""


def proxy_options(value: str | None) -> Iterable[Pair]:
    """Return CURLOPT_PROXY; an explicit proxy wins over no_proxy of the environment."""
    if value is not None:
        yield pycurl.PROXY, value
        yield pycurl.NOPROXY, ""  # ``no_proxy`` comes after this, and may say otherwise


def no_proxy_options(value: str | None) -> Iterable[Pair]:
    """Return CURLOPT_NOPROXY."""
    if value is not None:
        yield pycurl.NOPROXY, value


def address_map(name: str, value: Any) -> Mapping[str, str]:
    """Accept a dict of "host:port" and address, with or without a port; names become ASCII.

    Raises:
        TypeError: It is not a dict of str.
        ValueError: A key has no port, a value is not an address, or a port is not 1 to 65535.
        InvalidUrl: A host name has no ASCII form.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is a dict, not {value!r}"[:200])
    addresses = {}
    for place, address in value.items():
        if not split_place(text(f"{name}: a key", place)):
            raise ValueError(f"{name} has keys like 'host:port', not {place!r}"[:200])
        host, _, port = place.rpartition(":")
        _check_port(name, place, port)
        _split_address(name, text(f"{name}: an address", address))
        addresses[f"{to_ascii(host)}:{port}"] = address
    return MappingProxyType(addresses)


def _check_port(name: str, place: str, port: str) -> None:
    if not 1 <= int(port) <= 65535:
        raise ValueError(f"{name}: the port of {place!r} is not 1 to 65535"[:200])


def _split_address(name: str, address: str) -> tuple[str, str]:
    """Return an address as in a URL, and its port, "" for none."""
    if _is_address(address):
        return (f"[{address}]" if ":" in address else address), ""
    parts = split_address(address)
    host, port = (parts["host"], parts["port"] or "") if parts else ("", "")
    if not _is_address(host.strip("[]")) or (":" in host) != host.startswith("["):
        raise ValueError(
            f"{name} has addresses like '127.0.0.1', '127.0.0.1:8443' and '[::1]:8443', "
            f"not {address!r}"[:200]
        )
    if port:
        _check_port(name, address, port)
    return host, port


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def address_options(value: Mapping[str, str]) -> Iterable[Pair]:
    """Return CURLOPT_CONNECT_TO.

    The entries of CURLOPT_RESOLVE stay in libcurl's caches after their request, and its connections
    would be reused for requests without it; CURLOPT_CONNECT_TO has neither effect.
    """
    if value:
        items = sorted(value.items(), key=_is_for_any_host)  # libcurl takes the first that fits
        yield pycurl.CONNECT_TO, tuple(_connect_to(*item) for item in items)


def _is_for_any_host(item: tuple[str, str]) -> bool:
    return item[0].startswith(ANY_HOST)


def _connect_to(place: str, address: str) -> bytes:
    host, port = _split_address("resolve", address)
    place = place.removeprefix(ANY_HOST)  # an empty host is any
    return f"{place}:{host}:{port or place.rpartition(':')[2]}".encode()


def socket_options(value: str | None) -> Iterable[Pair]:
    """Return CURLOPT_UNIX_SOCKET_PATH."""
    if value is not None:
        yield pycurl.UNIX_SOCKET_PATH, os.fsencode(value)


def interface_options(value: str | None) -> Iterable[Pair]:
    """Return CURLOPT_INTERFACE."""
    if value is not None:
        yield pycurl.INTERFACE, value


def version_options(value: str) -> Iterable[Pair]:
    """Return CURLOPT_HTTP_VERSION."""
    yield pycurl.HTTP_VERSION, HTTP_VERSIONS[value]


def flag_or_path(name: str, value: Any) -> bool | str:
    """Accept True, False or a path that is not empty."""
    if isinstance(value, bool):
        return value
    if not path(name, value):
        raise ValueError(f"{name} is True, False or a path, not {value!r}")
    return path(name, value)


def netrc_options(value: bool | str) -> Iterable[Pair]:
    """Return CURLOPT_NETRC: credentials of the request win over the file.

    With CURL_NETRC_REQUIRED a file that is missing or cannot be parsed is an error; libcurl ignores
    the name and password of a URL then, which it never gets here, and a host may be missing in it.
    """
    if value is True:
        yield pycurl.NETRC, pycurl.NETRC_OPTIONAL  # `home_netrc_options`
    elif value:
        yield pycurl.NETRC, pycurl.NETRC_REQUIRED
        yield pycurl.NETRC_FILE, os.fsencode(value)


def home_netrc_options() -> tuple[Pair, ...]:
    """Return the options for ~/.netrc, which need not exist, but must be right if it does."""
    exists = os.path.exists(os.path.expanduser("~/.netrc"))  # noqa: PTH110, PTH111 - no Path needed
    return ((pycurl.NETRC, pycurl.NETRC_REQUIRED),) if exists else ()


def option_map(name: str, value: Any) -> Mapping[int, Any]:
    """Accept a dict of libcurl's options by pycurl's constants.

    Raises:
        ValueError: One is an option that every request sets.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is a dict, not {value!r}"[:200])
    for option in value:
        if not isinstance(option, int) or isinstance(option, bool):
            raise TypeError(f"{name} has pycurl's constants as keys, not {option!r}"[:200])
        if option in RESERVED:
            raise ValueError(f"{name}: option {option} is set by the client itself")
    return MappingProxyType(dict(value))


def given_options(value: Mapping[int, Any]) -> Iterable[Pair]:
    """Return the options unchanged; a signature of AWS is for a path without dot segments."""
    if pycurl.AWS_SIGV4 in value:
        yield pycurl.PATH_AS_IS, 0
    yield from value.items()
