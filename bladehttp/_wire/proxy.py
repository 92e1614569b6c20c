"""The PROXY protocol: a load balancer sends the client's address before the first byte.

HAProxy's "PROXY protocol", versions 1 (one line of text) and 2 (binary). The reader says how many
bytes it needs next and never asks for a byte after the header, so that TLS or HTTP can start right
after it.
"""

import ipaddress
import re
from dataclasses import dataclass

from bladehttp.exceptions import ProtocolError

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""Begins version 2."""

SHORTEST = 15
"""Bytes of the shortest header of either version: "PROXY UNKNOWN" CRLF."""

LONGEST_LINE = 107
"""Bytes of the longest header of version 1, CRLF included, as its section 2.1 counts them."""

LONGEST = 4096
"""Most bytes of addresses and extensions taken in version 2, which could announce 65,535."""

BINARY_HEAD = 16
"""Bytes of the fixed part of version 2: signature, version and command, family, length."""

# Section 2.1: "PROXY" SP ("TCP4" / "TCP6") SP source SP destination SP port SP port CRLF, the
# addresses checked by `ipaddress`, the ports without leading zeros; after UNKNOWN anything.
line_pattern = re.compile(
    rb"PROXY (?:TCP[46] ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})"
    rb"|UNKNOWN(?: [\x20-\x7e]*)?)\r\n"
).fullmatch

ADDRESS_BYTES = {0x11: 4, 0x21: 16}
"""Family and protocol (TCP over IPv4, over IPv6) to the length of an address."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a proxied connection comes from."""

    ip: str
    port: int


class ProxyReader:
    """Reads one header.

    Attributes:
        wanted: Number of bytes to feed next; 0 when the header is complete.
        source: The client's address, None if there is none (a health check of the proxy itself).
    """

    __slots__ = ("_data", "source", "wanted")

    def __init__(self) -> None:
        """Start at the first byte of a connection."""
        self._data = b""
        self.wanted = SHORTEST
        self.source: Source | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes, no more than wanted.

        Raises:
            ProtocolError: They are no header of either version.
        """
        self._data += data
        self.wanted -= len(data)
        is_binary = self._data.startswith(SIGNATURE[: len(self._data)])
        if not is_binary and not self._data.startswith(b"PROXY "[: len(self._data)]):
            raise ProtocolError("no PROXY header")
        if not self.wanted:
            self.wanted = self._binary() if is_binary else self._line()

    def _line(self) -> int:
        """Return how many bytes of version 1 are still wanted."""
        if not self._data.endswith(b"\n"):
            if len(self._data) >= LONGEST_LINE:
                raise ProtocolError("PROXY header is too long")
            return 1
        match = line_pattern(self._data)
        if match is None:
            raise ProtocolError(f"not a PROXY header: {self._data[:60]!r}")
        source, destination, port, destination_port = match.groups()
        if source is not None:
            wanted = 4 if self._data[9:10] == b"4" else 6
            _address(destination.decode(), wanted, int(destination_port))
            self.source = _address(source.decode(), wanted, int(port))
        return 0

    def _binary(self) -> int:
        """Return how many bytes of version 2 are still wanted."""
        if len(self._data) < BINARY_HEAD:
            return BINARY_HEAD - len(self._data)
        version_command, family = self._data[12], self._data[13]
        length = int.from_bytes(self._data[14:16], "big")
        if version_command not in (0x20, 0x21) or length > LONGEST:
            raise ProtocolError("not a PROXY header of version 2")
        if len(self._data) < BINARY_HEAD + length:
            return BINARY_HEAD + length - len(self._data)
        size = ADDRESS_BYTES.get(family)
        if version_command == 0x21 and size is not None:  # 0x20 is LOCAL: from the proxy itself
            if length < 2 * size + 4:
                raise ProtocolError("addresses are missing in the PROXY header")
            packed = self._data[BINARY_HEAD:]
            port = int.from_bytes(packed[2 * size : 2 * size + 2], "big")
            self.source = Source(str(ipaddress.ip_address(packed[:size])), port)
        return 0


def _address(text: str, version: int, port: int) -> Source:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise ProtocolError(f"not an address in the PROXY header: {text!r}") from error
    if address.version != version or port > 65535:
        raise ProtocolError("not an address of its family in the PROXY header")
    return Source(str(address), port)
