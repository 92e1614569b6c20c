"""The client, host, scheme and port of a request that came through trusted proxies.

X-Forwarded-For, -Host, -Proto and -Port, or Forwarded (RFC 7239). Any client can send these fields,
so each list is read from the right, where the nearest proxy has written, for as long as the writer
is trusted: the first untrusted address is the client. Lists may differ in length: a proxy appends
to one field and replaces another, and a client can start any of them. Only the configured kind is
read; the proxies pass the other one through unchecked.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from socket import AF_INET, inet_pton
from typing import NamedTuple

from bladehttp._data.headers import TCHAR, Headers
from bladehttp._message.request import HttpRequest
from bladehttp._wire.request_line import is_host
from bladehttp._wire.target import host_name
from bladehttp.server._net.endpoint import UNIX

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 7239 section 4: forwarded-pair = token "=" ( token / quoted-string )
# Colons and brackets are taken unquoted too: the address of an IPv6 proxy is often sent so.
pair_pattern = re.compile(
    rf'[ \t]*([{TCHAR}]+)=(?:([{TCHAR}:\[\]]+)|"((?:[^"\\]|\\.)*)")[ \t]*'
).fullmatch

# Every quote is closed. Possessive, as it would try each of many open ones to the end otherwise.
is_balanced = re.compile(r'(?:[^"]|"(?:[^"\\]|\\.)*+")*+').fullmatch

# The elements and pairs of a list that is balanced, quoted strings whole.
split_elements = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+').findall
split_pairs = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*")+').findall

is_blank = re.compile(r"[ \t]*").fullmatch


class ForwardedHop(NamedTuple):
    """The report of one proxy about the sender of a request; "" and 0 for missing parts.

    Attributes:
        ip: The sender's address.
        port: The sender's port.
        host: The host the request was sent to, with or without a port.
        scheme: "http" or "https".
        host_port: The port the request was sent to.
    """

    ip: str
    port: int = 0
    host: str = ""
    scheme: str = ""
    host_port: int = 0


REMEMBERED = 1024
"""Addresses whose verdict is remembered: a proxy's comes with every request."""

LONGEST_ADDRESS = 45
"""Characters of an address in full: an IPv4 one mapped to IPv6."""


class TrustedProxies:
    """The networks of proxies whose reports are believed."""

    __slots__ = ("_hops", "_networks", "_unix", "_verdicts")

    def __init__(self, networks: Iterable[str], fields: str = "X-Forwarded") -> None:
        """Take addresses, networks such as "10.0.0.0/8", and "unix:" for clients of a unix socket.

        Args:
            networks: The addresses and networks to trust.
            fields: The fields the proxies set: "X-Forwarded" or "Forwarded".

        Raises:
            ValueError: One of the networks is invalid, or ``fields`` is neither of the two.
        """
        if fields not in HOPS:
            raise ValueError(f"forwarded_fields is one of {', '.join(HOPS)}, not {fields!r}")
        self._hops = HOPS[fields]
        self._verdicts: dict[str, bool | None] = {}
        names = list(networks)
        self._unix = UNIX in names
        self._networks: list[Network] = [
            ipaddress.ip_network(name) for name in names if name != UNIX
        ]

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def trusts(self, ip: str) -> bool:
        """Whether an address is in one of the networks; "" stands for a unix socket's client."""
        return bool(self._verdict(ip)) if ip else self._unix

    def _verdict(self, ip: str) -> bool | None:
        """Return whether an address is in one of the networks, None for no address."""
        verdicts = self._verdicts
        if ip in verdicts:
            return verdicts[ip]
        try:
            verdict = self._holds_ipv6(ip) if ":" in ip else self._holds_ipv4(ip)
        except (ValueError, OSError):
            verdict = None
        if len(ip) <= LONGEST_ADDRESS:
            if len(verdicts) >= REMEMBERED:
                verdicts.clear()
            verdicts[ip] = verdict
        return verdict

    def _holds_ipv4(self, ip: str) -> bool:
        # Faster by far than from the string, and each client has an address of its own.
        address = ipaddress.IPv4Address(inet_pton(AF_INET, ip))
        return any(address in network for network in self._networks)

    def _holds_ipv6(self, ip: str) -> bool:
        address = ipaddress.IPv6Address(ip)
        return any((address.ipv4_mapped or address) in network for network in self._networks)

    def apply(self, request: HttpRequest) -> None:
        """Set the client and URL attributes of a request to the values trusted proxies report.

        These are ``ip``, ``port``, ``ipv6``, ``host``, ``is_secure`` and ``url``.
        """
        if not self.trusts(request.ip):
            return
        authority, host_port = "", 0
        for hop in self._hops(request.headers):
            if hop.host and is_host(hop.host):
                authority = hop.host
            if hop.scheme in {"http", "https"}:
                request.is_secure = hop.scheme == "https"
            host_port = hop.host_port or host_port
            verdict = self._verdict(hop.ip)
            if verdict is None:  # unknown, obfuscated or broken: nothing beyond is known
                break
            request.ip, request.port, request.ipv6 = hop.ip, hop.port, ":" in hop.ip
            if not verdict:  # the client, or someone who could say anything
                break
        if authority or host_port:
            host = request.host
            known = authority or (f"[{host}]" if ":" in host else host)
            request.asked_by(with_port(known, host_port))


def with_port(authority: str, port: int) -> str:
    """Return an authority with a port, unless it has one (RFC 3986 section 3.2)."""
    host = host_name(authority)
    if not port or authority not in {host, f"[{host}]"}:
        return authority
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _forwarded(headers: Headers) -> Iterator[ForwardedHop]:
    """Yield the hops of Forwarded, the nearest first."""
    value = headers.get("Forwarded", "")
    if is_balanced(value):  # else believe none
        for element in reversed(split_elements(value)):
            if not is_blank(element):  # RFC 9110 section 5.6.1: empty elements are ignored
                yield _forwarded_hop(element)


def _x_forwarded(headers: Headers) -> Iterator[ForwardedHop]:
    """Yield the hops of X-Forwarded-For, -Host, -Proto and -Port, the nearest first."""
    # Each proxy writes an address: an empty one is a mistake of merging (RFC 9110 section 5.6.1).
    # Other fields may be written empty: Apache does for a request without Host.
    addresses = [part for part in _from_right(headers, "X-Forwarded-For") if part] or [""]
    hosts = _from_right(headers, "X-Forwarded-Host")
    schemes = _from_right(headers, "X-Forwarded-Proto")
    ports = _from_right(headers, "X-Forwarded-Port")
    # The first proxies may have written fewer fields than addresses. Values beyond the last
    # address are of nobody who is known, or of a client.
    for node, host, scheme, port in islice(
        zip_longest(addresses, hosts, schemes, ports, fillvalue=""), len(addresses)
    ):
        yield ForwardedHop(*_address(node), host, scheme.lower(), _port(port))


def _from_right(headers: Headers, name: str) -> list[str]:
    """Return the members of a list from the last to the first, with empty ones."""
    value = headers.get(name)
    return [] if value is None else [part.strip(" \t") for part in reversed(value.split(","))]


def _forwarded_hop(element: str) -> ForwardedHop:
    pairs: dict[str, str] = {}
    for text in split_pairs(element):
        if is_blank(text):
            continue
        match = pair_pattern(text)
        if match is None or match[1].lower() in pairs:  # section 4: each parameter once
            return ForwardedHop("")
        name, token, quoted = match.groups()
        pairs[name.lower()] = token or re.sub(r"\\(.)", r"\1", quoted or "")
    ip, port = _address(pairs.get("for", ""))
    return ForwardedHop(ip, port, pairs.get("host", ""), pairs.get("proto", "").lower())


def _address(node: str) -> tuple[str, int]:
    """Return address and port of a node (RFC 7239 section 6); 0 where there is no port."""
    if node.startswith("["):
        ip, _, rest = node[1:].partition("]")
        return ip, _port(rest.removeprefix(":"))
    ip, _, port = node.partition(":") if node.count(":") == 1 else (node, "", "")
    return ip, _port(port)


def _port(text: str) -> int:
    """Return a port, 0 if the text is not a port number."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return 0
    return int(text) if int(text) <= 65535 else 0


HOPS = {"X-Forwarded": _x_forwarded, "Forwarded": _forwarded}
"""`HttpServer.forwarded_fields` to the function that reads them."""
