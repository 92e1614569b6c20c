"""ResponseHead: the header lines of a response, parsed when they are read.

Parsing them costs more than all else this package adds to a request, and many callers read only the
status and the body.

Certificates: the chain of a server as a dict and as part of an error message (CURLINFO_CERTINFO).
"""

import re
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bladehttp._data.headers import Headers
from bladehttp._message.response_head import Hops, RequestInfo
from bladehttp.client._config.redaction import NO_SECRETS
from bladehttp.client._request.url import location_text

PARTIAL_CONTENT = 206


def coding_to_decode(accept_encoding: str | None, status: int, headers: Headers) -> str:
    """Return the Content-Encoding that is decoded, "" for none.

    With ``accept_encoding=None`` bodies stay encoded. So does a part (206): it is a part of the
    encoded representation (RFC 9110 section 14.2), which cannot be decoded alone.
    """
    if accept_encoding is None or status == PARTIAL_CONTENT:
        return ""
    return headers.get("Content-Encoding", "")


Fields = Sequence[tuple[str, str]]
"""One certificate as libcurl describes it: names and values."""

# RFC 5280 section 4.2.1.6, as OpenSSL prints it
alternative_names = partial(re.findall, r"(?:DNS|IP Address):([^,]+)")


def as_dict(chain: Sequence[Fields]) -> dict[str, Any]:
    """Return a chain as a dict about its first certificate, the server's own.

    Its keys are ``subject``, ``issuer`` and ``serial`` (str), ``names`` (the hosts it is valid
    for), ``not_before`` and ``not_after`` (datetime, UTC), ``pem``, and ``chain``: every
    certificate as PEM in the order presented.
    """
    fields = dict(chain[0])
    return {
        "subject": fields.get("Subject", ""),
        "issuer": fields.get("Issuer", ""),
        "serial": fields.get("Serial Number", ""),
        "names": names(fields),
        "not_before": _date(fields.get("Start date")),
        "not_after": _date(fields.get("Expire date")),
        "pem": fields.get("Cert", ""),
        "chain": [dict(each).get("Cert", "") for each in chain],
    }


def names(fields: dict[str, str]) -> list[str]:
    """Return the hosts for which a certificate is valid."""
    found = alternative_names(fields.get("X509v3 Subject Alternative Name", ""))
    return [name.strip() for name in found]


def _date(text: str | None) -> datetime | None:
    if not text:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


def presented(chain: Sequence[Fields]) -> str:
    """Return the part of an error message about a chain, "" if there is none."""
    if not chain:
        return ""
    certificate = as_dict(chain)
    hosts = ", ".join(certificate["names"]) or "no host"
    return (
        f"presented: {certificate['subject']!r} for {hosts}, issued by {certificate['issuer']!r}, "
        f"valid from {certificate['not_before']:%Y-%m-%d} to {certificate['not_after']:%Y-%m-%d}, "
        f"{len(chain)} in the chain"
    )[:600]


BLANK = (b"\r\n", b"\n")

TIMES = ("namelookup", "connect", "tls", "first_byte", "total")

# RFC 9112 section 4: status-line = HTTP-version SP status-code SP [ reason-phrase ]
status_line = re.compile(
    rb"HTTP/(?P<version>[0-9.]+) (?P<status>[0-9]{3})(?: (?P<reason>[^\r\n]*))?"
).match

# Status lines of HTTP/1 are checked again: libcurl takes "HTTP/1.1 2000 OK" for a 200. The space
# before an empty reason may be missing, as it often is. For HTTP/2 and 3 libcurl makes the lines.
is_status_line = re.compile(
    rb"HTTP/(?:1\.[01] [1-9][0-9]{2}(?: [^\r\n]*)?|[23] [1-9][0-9]{2} ?)\r?\n"
).fullmatch

VALID: dict[bytes, int] = {}
"""Cache of valid status lines, and their statuses."""

MOST_VALID = 256
LONGEST_VALID = 80

# libcurl takes a Content-Length beyond its integers for none, and the end of the connection for
# that of the body
long_length = re.compile(rb"\ncontent-length[ \t]*:[ \t]*0*([1-9][0-9]{18,})", re.IGNORECASE).search
LONGEST_LENGTH = 2**63 - 1

# a Content-Encoding, a Content-Length that may be too large, or more after a blank line
# each alternative begins with what most lines do not: IGNORECASE for all would take a quarter more
is_special = re.compile(
    rb"\n(?:[Cc](?i:ontent-(?:encoding|length[ \t]*:[ \t]*[0-9]{19}))|\r\n.|\n.)", re.DOTALL
).search

# RFC 9110 section 11.6.1: several challenges may stand in one field, separated by commas
offers_digest = partial(re.search, r"(?:^|,)\s*digest\s", flags=re.IGNORECASE)

# RFC 7616 section 3.4.4: the name is sent hashed, which libcurl does
takes_userhash = partial(re.search, r"\buserhash\s*=\s*\"?true\b", flags=re.IGNORECASE)

# a status line comes first
find_locations = re.compile(rb"\nlocation[ \t]*:([^\n]*)", re.IGNORECASE).findall


class ResponseHead:
    """The header lines of one transfer, interim responses and authentication rounds included.

    Attributes:
        chain: The certificates of the server, as libcurl describes them.
        times: The time of each of TIMES, in seconds from the start, and the number of new
            connections.
        given: The item of `HttpClient.send_many`, for ``request``.
        hops: Status and URL of each redirect that was followed.
        method: The method of the request, "" until it is known.
        responder: The URL of the request.
        is_usual: Whether it is certain that the head is valid, has one block, and no
            Content-Encoding.
        secrets: The credentials of a request that has failed.
        time_taken: Milliseconds from the start of the first request to the end of the response.
    """

    __slots__ = (
        "_lines", "chain", "given", "hops", "is_usual", "method", "responder", "secrets",
        "time_taken", "times",
    )  # fmt: skip

    def __init__(
        self, lines: list[bytes], responder: str = "", times: tuple[float, ...] = ()
    ) -> None:
        """Create a head from lines as CURLOPT_HEADERFUNCTION gets them, with their line ends."""
        self._lines = lines
        self.is_usual = False
        self.responder = responder
        self.times = times
        self.chain: Sequence[Any] = ()
        self.method = ""
        self.hops: Hops = ()
        self.given: Any = None
        self.secrets = NO_SECRETS
        self.time_taken = 0.0

    def __getstate__(self) -> Any:
        """Return the state for pickling: without ``given``, as `RequestInfo`."""
        state: Any = super().__getstate__()
        others, slots = state
        return others, {**slots, "given": None}

    def _split(self) -> tuple[list[bytes], list[bytes]]:
        """Return the last block that starts with a status line, and the lines after it."""
        lines = self._lines
        if self.is_usual or (lines and lines[-1] == b"\r\n" and sum(map(lines.count, BLANK)) == 1):
            return lines[:-1], []  # one block and no trailers: nearly always
        start = 0
        while True:
            end = next((i for i in range(start, len(lines)) if lines[i] in BLANK), len(lines))
            if not (end + 1 < len(lines) and status_line(lines[end + 1])):
                return lines[start:end], lines[end + 1 :]
            start = end + 1

    @property
    def request(self) -> RequestInfo | None:
        """The request; None until it is known."""
        return RequestInfo(self.method, self.responder, self.given) if self.method else None

    def judge(self) -> int:
        """Return the status of a usual head and set ``is_usual``; return 0 for any other."""
        lines = self._lines
        if not lines or lines[-1] != b"\r\n" or is_special(b"".join(lines)):
            return 0
        status = VALID.get(lines[0], 0)
        self.is_usual = status > 0
        return status

    @property
    def fault(self) -> str | None:
        """The reason why the head is not valid, None if it is."""
        if self.is_usual:
            return None
        lines = self._lines
        if (found := long_length(b"".join(lines))) and int(found[1][:30]) > LONGEST_LENGTH:
            return f"Content-Length {found[1][:40]!r} is too large"
        # nearly always: one block that ends, with a line seen before
        if lines and lines[0] in VALID and lines.index(lines[-1]) == len(lines) - 1:
            return None if lines[-1] == b"\r\n" or self.is_whole else NO_END
        if not self.is_whole:
            return NO_END
        for before, line in zip([b"\n", *lines], lines, strict=False):
            if before in BLANK and line[:5].upper() == b"HTTP/" and not _is_valid(line):
                return f"status line {line[:80]!r} is not valid"
        return None

    @property
    def is_whole(self) -> bool:
        """Whether the head has ended: libcurl also accepts the end of the connection.

        RFC 9112 section 8: such a response is incomplete.
        """
        lines = self._lines
        if lines and lines[-1] == b"\r\n":
            return True  # nearly always: no trailers
        begun = max((i for i, line in enumerate(lines) if status_line(line)), default=0)
        return any(line in BLANK for line in lines[begun:])

    @property
    def status(self) -> int:
        """The status of the last block, 0 if there is none."""
        head = self._split()[0]
        match = status_line(head[0]) if head else None
        return 0 if match is None else int(match["status"])

    @property
    def ends_connection(self) -> bool:
        """Whether the connection ends with this response (RFC 9112 sections 6.3 and 9.3)."""
        version, headers = self.version, self.headers
        if version not in ("1.0", "1.1"):
            return False
        options = headers.get("Connection", "").lower().replace(" ", "").split(",")
        if "close" in options or (version == "1.0" and "keep-alive" not in options):
            return True
        is_chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        return not is_chunked and "Content-Length" not in headers

    @property
    def wants_digest_of_a_name(self) -> bool:
        """Whether a 401 requires Digest with the plain user name instead of its hash."""
        challenges = ", ".join(self.headers.get_all("WWW-Authenticate"))
        return bool(offers_digest(challenges)) and not takes_userhash(challenges)

    @property
    def location(self) -> str:
        """The value of Location, "" if there is none. No other field is parsed for it."""
        found = find_locations(b"".join(self._lines if self.is_usual else self._split()[0]))
        if len(found) == 1:
            return location_text(found[0].strip(b" \t\r"))
        return location_text(b", ".join([value.strip(b" \t\r") for value in found]))

    @property
    def headers(self) -> Headers:
        """The response's fields in order, every Set-Cookie among them."""
        return self.new_headers()

    def new_headers(self) -> Headers:
        """Return `headers`, to be changed."""
        return Headers.adopt(_fields(self._split()[0][1:]))

    @property
    def trailers(self) -> Headers:
        """The trailer fields of a chunked body."""
        return Headers.adopt(_fields(self._split()[1]))

    @property
    def reason(self) -> str | None:
        """The reason phrase as received; None where the version has none (HTTP/2, HTTP/3)."""
        head = self._split()[0]
        match = status_line(head[0]) if head else None
        if match is None or head[0].startswith((b"HTTP/2", b"HTTP/3")):
            return None
        return (match["reason"] or b"").decode("latin-1").strip()

    @property
    def version(self) -> str:
        """The version of HTTP: "1.0", "1.1", "2" or "3"."""
        head = self._split()[0]
        match = status_line(head[0]) if head else None
        return "1.1" if match is None else match["version"].decode()

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The certificate of the server; None over plain http."""
        return as_dict(self.chain) if self.chain else None

    @property
    def timings(self) -> dict[str, float]:
        """Milliseconds from the start of the last hop to each of TIMES."""
        return {name: when * 1000 for name, when in zip(TIMES, self.times, strict=False)}

    @property
    def num_connects(self) -> int:
        """The number of new connections."""
        return int(self.times[-1]) if self.times else 0

    def without_secrets(self, text: str) -> str:
        """Return a text without the credentials of the request."""
        return self.secrets.hide(text)

    @property
    def may_be_coded(self) -> bool:
        """Whether there may be a Content-Encoding: a quick check without false negatives."""
        # find: ``in`` first tries to convert its operand to a number, and catches an exception
        return b"".join(self._lines).lower().find(b"content-encoding") >= 0


NO_END = "the head has no end"


def _is_valid(line: bytes) -> bool:
    if line in VALID:
        return True
    if not is_status_line(line):
        return False
    if len(VALID) < MOST_VALID and len(line) <= LONGEST_VALID:
        VALID[line] = int(line.split()[1])
    return True


def _fields(lines: list[bytes]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    # one decode for all lines; none has a line end inside, libcurl has joined folded ones
    for line in b"".join(lines).decode("latin-1").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            pairs.append((name.strip(" \t"), value.strip(" \t\r")))
    return pairs
