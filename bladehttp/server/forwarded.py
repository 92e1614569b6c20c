"""Whom a request comes from when it came through proxies that are trusted.

X-Forwarded-For, -Host and -Proto, or Forwarded (RFC 7239). Anybody can send these fields, so
they are read from the right, where the nearest proxy has written, for as long as who wrote
them is trusted: the first address that is not is the client. Only one kind is read, that
which the proxies set: of the other they pass on what a client says.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bladehttp.headers import TCHAR, Headers
from bladehttp.request import HttpRequest
from bladehttp.server.endpoint import UNIX
from bladehttp.wire.head import is_host
from bladehttp.wire.target import host_name

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


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy says of whom it got the request from; "" for what it does not say."""

    ip: str
    host: str = ""
    scheme: str = ""


class TrustedProxies:
    """The networks whose word about a client is taken."""

    __slots__ = ("_hops", "_networks", "_unix")

    def __init__(self, networks: Iterable[str], fields: str = "X-Forwarded") -> None:
        """Take addresses, networks such as "10.0.0.0/8", and "unix:" for who has no address.

        Args:
            networks: Whom to trust.
            fields: What they say it in: "X-Forwarded" or "Forwarded".

        Raises:
            ValueError: One of the networks is none of these, or the fields are others.
        """
        if fields not in HOPS:
            raise ValueError(f"forwarded_fields is one of {', '.join(HOPS)}, not {fields!r}")
        self._hops = HOPS[fields]
        names = list(networks)
        self._unix = UNIX in names
        self._networks: list[Network] = [
            ipaddress.ip_network(name) for name in names if name != UNIX
        ]

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def trusts(self, ip: str) -> bool:
        """Whether an address is in one of the networks; "" is that of a unix socket's peer."""
        if not ip:
            return self._unix
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)

    def apply(self, request: HttpRequest) -> None:
        """Set ``ip``, ``host`` and ``is_secure`` of a request to what trusted proxies say."""
        if not self.trusts(request.ip):
            return
        for hop in self._hops(request.headers):
            if hop.host and is_host(hop.host):
                request.host = host_name(hop.host)
            if hop.scheme in {"http", "https"}:
                request.is_secure = hop.scheme == "https"
            if not _is_address(hop.ip):  # unknown, obfuscated or broken: nothing beyond is known
                return
            request.ip, request.port, request.ipv6 = hop.ip, 0, ":" in hop.ip
            if not self.trusts(hop.ip):  # the client, or someone who could say anything
                return


def _forwarded(headers: Headers) -> Iterator[Hop]:
    """Yield what proxies say in Forwarded, the nearest first."""
    value = headers.get("Forwarded", "")
    if is_balanced(value):  # else believe none
        for element in reversed(split_elements(value)):
            yield _forwarded_hop(element)


def _x_forwarded(headers: Headers) -> Iterator[Hop]:
    """Yield what proxies say in X-Forwarded-For, -Host and -Proto, the nearest first."""
    addresses = _list(headers, "X-Forwarded-For") or [""]
    hosts = _aligned(_list(headers, "X-Forwarded-Host"), len(addresses))
    schemes = _aligned(_list(headers, "X-Forwarded-Proto"), len(addresses))
    for ip, host, scheme in zip(
        reversed(addresses), reversed(hosts), reversed(schemes), strict=True
    ):
        yield Hop(_bare(ip), host, scheme.lower())


def _list(headers: Headers, name: str) -> list[str]:
    return [part.strip(" \t") for part in headers.get(name, "").split(",") if part.strip(" \t")]


def _aligned(values: Sequence[str], count: int) -> list[str]:
    """Give each hop its value; a single one was set by the first proxy and holds for all."""
    if len(values) == count:
        return list(values)
    return [values[0] if values else ""] * count


def _forwarded_hop(element: str) -> Hop:
    pairs: dict[str, str] = {}
    for text in split_pairs(element):
        match = pair_pattern(text)
        if match is None:
            return Hop("")
        name, token, quoted = match.groups()
        pairs[name.lower()] = token or re.sub(r"\\(.)", r"\1", quoted or "")
    return Hop(_bare(pairs.get("for", "")), pairs.get("host", ""), pairs.get("proto", "").lower())


def _bare(node: str) -> str:
    """Return the address of a node: without brackets and port."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


HOPS = {"X-Forwarded": _x_forwarded, "Forwarded": _forwarded}
"""HttpServer.forwarded_fields to how they are read."""
