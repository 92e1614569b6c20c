"""The head of a request: request line and field lines to plain data.

Clients repeat themselves: one browser sends the same fields with every request, in the same bytes,
and many ask for the same few targets. Three bounded caches use that: a request line's bytes to its
RequestLine, a field line's to its name and value and a whole field block's to its FieldBlock. So
strict checks cost nothing the second time. Only lines and blocks that passed every check of their
own are cached; a refused request leaves nothing but lines, or a block, that are valid by
themselves. Checks of request line and fields together are repeated each time.

Behind a proxy no field block comes twice, since a field or two differ with every request. So these
are cut out before a block is looked up; see `changing`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from bladehttp._data.headers import Headers, Pairs, is_token, is_valid_value
from bladehttp._wire import framing
from bladehttp._wire.changing import ChangingFields
from bladehttp._wire.limits import Limits
from bladehttp._wire.request_line import RequestLine, is_host, parse_request_line
from bladehttp.exceptions import ProtocolError

K = TypeVar("K")
V = TypeVar("V")

# Caches are emptied when they are full: one pass over a dict of this size is nothing beside
# the requests that filled it, and a flood of distinct heads costs no more than without a cache.
# Of field lines the older half stays, so that new ones do not drive out those that all have.
# At most about 1.2 MiB of keys in all.
CACHED_REQUEST_LINES = 512
CACHED_REQUEST_LINE_BYTES = 256
CACHED_LINES = 1024
CACHED_LINE_BYTES = 512
CACHED_BLOCKS = 256
CACHED_BLOCK_BYTES = 2048

LAST_BLOCK_BYTES = 8 * 1024
"""Bytes of the longest field block that a connection keeps for its next request. Heads with many
cookies are mostly shorter. One this long takes 18 to 40 KB, by the number of its fields."""

Field = tuple[str, str, tuple[str, str]]
"""A field's name in lower case, its value, and the name as sent with the value."""


@dataclass(slots=True)  # frozen it would cost 3 us more for each request with new fields
class FieldBlock:
    """The meaning of a request's fields, apart from its request line. Shared, and never changed.

    Attributes:
        pairs: (name, value) in order, Cookie excepted.
        index: Lower-case name to value, those of repeated fields joined; Cookie excepted.
        cookie: The values of all Cookie fields, joined by "; "; "" for none.
        host: The value of Host, None if there is none.
        body_length: Bytes of the body, or `framing.CHUNKED`.
        connection: The options of Connection, in lower case.
        expectations: The members of Expect, in lower case.
        closes: Whether Connection says close.
        is_plain: Whether `check_together` accepts any HTTP/1.1 request line with them, and no body
            follows: there is a Host, and neither a length nor Expect.
        lines: The lines as received, with the empty line after them; b"" if they are longer than
            `LAST_BLOCK_BYTES`.
    """

    pairs: Pairs
    index: dict[str, str]
    cookie: str
    host: str | None
    body_length: int
    connection: frozenset[str]
    expectations: frozenset[str]
    closes: bool
    is_plain: bool
    lines: bytes = b""

    def headers(self) -> Headers:
        """Return new headers with the fields, Cookie excepted, which has a place of its own."""
        return Headers.adopt(self.pairs, self.index)

    def with_changing(
        self, fields: Sequence[Field], index: dict[str, str], lines: bytes
    ) -> "FieldBlock":
        """Return a block with other fields, but the same ones of `DECIDING`."""
        return FieldBlock(
            tuple([pair for name, _, pair in fields if name != "cookie"]),
            index,
            self.cookie,
            self.host,
            self.body_length,
            self.connection,
            self.expectations,
            self.closes,
            self.is_plain,
            lines,
        )


KnownBlock = tuple[FieldBlock, list[Field]]
"""A block and each field in order."""

LimitsOf = Callable[[RequestLine, Limits], Limits]
"""Returns the limits of one request, given its line and the limits of the others."""


class HeadParser:
    """Parses heads with one set of limits and owns the three caches.

    Attributes:
        limits: The limits.
        limits_of: Chooses the limits of a request with a body. None: ``limits``.
        lines: Accepted request lines of HTTP/1.1 or later and without a query, as received, to
            their RequestLine.
        longest_line: Longest request line, without CRLF, that exceeds no limit together with the
            fields that a connection keeps.
        blocks: Accepted field lines, as received and with the empty line after them, to what they
            mean.
    """

    __slots__ = (
        *("_changing", "_fields", "_longest_kept", "_older_fields"),
        *("blocks", "limits", "limits_of", "lines", "longest_line"),
    )

    def __init__(self, limits: Limits, limits_of: LimitsOf | None = None) -> None:
        """Start with empty caches; every connection of a server shares one parser."""
        self.limits: Limits = limits
        self.limits_of: LimitsOf | None = limits_of
        self._fields: dict[bytes, Field] = {}
        self._older_fields: dict[bytes, Field] = {}
        self._changing = ChangingFields()
        self.lines: dict[bytes, RequestLine] = {}
        self.blocks: dict[bytes, KnownBlock] = {}
        longest = limits.head - 2 - LAST_BLOCK_BYTES
        self.longest_line: int = max(0, min(limits.request_line - 2, longest))
        self._longest_kept = min(limits.request_line - 2, CACHED_REQUEST_LINE_BYTES)

    def limits_for(self, line: RequestLine, fields: FieldBlock) -> Limits:
        """Return the limits of one request."""
        if fields.body_length and self.limits_of is not None:
            return self.limits_of(line, self.limits)
        return self.limits

    def request_line(self, data: bytes) -> RequestLine:
        """Parse a request line within its limit; see `parse_request_line`."""
        return self.lines.get(data) or self.new_request_line(data)

    def new_request_line(self, data: bytes) -> RequestLine:
        """Parse a request line that is not cached."""
        line = parse_request_line(data)
        if not line.query:
            self._keep_line(data, line)
        return line

    def _keep_line(self, data: bytes, line: RequestLine) -> None:
        """Keep a line without a query: of others there are too many, which would drive it out."""
        if line.minor and len(data) <= self._longest_kept:
            _remember(self.lines, data, line, CACHED_REQUEST_LINES)

    def whole_line(self, data: bytes) -> RequestLine | None:
        """Parse a request line that is not cached; None if it is malformed or too long."""
        if len(data) > self.limits.request_line - 2:
            return None
        try:
            line = parse_request_line(data)
        except ProtocolError:
            return None
        if not line.query:
            self._keep_line(data, line)
        return line

    def whole_block(self, lines: bytes) -> FieldBlock | None:
        """Return the fields of a request, given all lines and the empty line after them.

        None for lines that have to be judged one by one, such as malformed ones.
        """
        rest, changing = self._changing.cut(lines)
        known = self.blocks.get(rest)
        if known is not None and not changing:
            return known[0]
        try:
            block = known and self._put_back(changing, known, lines)
            return block or self._new_block(lines, [line for _, line in changing])
        except ProtocolError:
            return None

    def _put_back(
        self, changing: list[tuple[int, bytes]], known: KnownBlock, lines: bytes
    ) -> FieldBlock | None:
        """Return a known block with its changing fields; None: that needs a closer look."""
        block, others = known
        fields, index = list(others), block.index.copy()
        for after, line in changing:
            field = self._fields.get(line) or parse_field_line(line)
            fields.insert(len(others) - after, field)
            index[field[0]] = field[1]
            if len(line) + 2 > self.limits.field_line:
                return None
        if len(index) < len(block.index) + len(changing) or len(fields) > self.limits.fields:
            return None  # a name is repeated, or there are too many
        kept = lines if len(lines) <= LAST_BLOCK_BYTES else b""
        return block.with_changing(fields, index, kept)

    def _new_block(self, lines: bytes, changing: Sequence[bytes]) -> FieldBlock | None:
        each, limits = lines[:-4].split(b"\r\n"), self.limits
        if len(each) > limits.fields:
            return None
        if len(lines) > limits.field_line and max(map(len, each)) + 2 > limits.field_line:
            return None
        return self.field_block(each, lines, changing)

    def field_block(
        self, each: Sequence[bytes], lines: bytes, changing: Sequence[bytes] = ()
    ) -> FieldBlock:
        """Combine field lines.

        Args:
            each: The lines.
            lines: The same bytes as received, with the empty line after them.
            changing: Those of changing fields.

        Raises:
            ProtocolError: One is malformed, they contradict each other or the body's length is not
                clear.
        """
        known, fields, new = self._fields.get, [], []
        for line in each:
            field = known(line)
            if field is None:
                field = self.new_field(line)
                new.append(line)
            fields.append(field)
        block = _build_block(fields)
        size = len(lines)
        if size <= LAST_BLOCK_BYTES:
            block.lines = lines
            # Only lines that were here before come again: a block with new ones is not kept.
            if not new and size <= CACHED_BLOCK_BYTES:
                _remember(self.blocks, lines, (block, fields), CACHED_BLOCKS)
        if new:
            self._changing.learn(new, DECIDING)
            if changing and set(new).issubset(changing):  # without them it is to be kept
                rest = [line for line in each if line not in changing]
                self.field_block(rest, b"\r\n".join([*rest, b"", b""]))
        return block

    def field(self, line: bytes) -> tuple[str, str]:
        """Return (name, value) of one field line.

        Raises:
            ProtocolError: It is malformed, obs-fold and whitespace before the colon included.
        """
        return (self._fields.get(line) or self.new_field(line))[2]

    def new_field(self, line: bytes) -> Field:
        """Return a field line that is not among the latest; see `field`."""
        field = self._older_fields.get(line) or parse_field_line(line)
        if len(line) <= CACHED_LINE_BYTES:
            if len(self._fields) >= CACHED_LINES // 2:
                self._fields, self._older_fields = {}, self._fields
            self._fields[line] = field
        return field


def _remember(cache: dict[K, V], key: K, value: V, most: int) -> None:
    if len(cache) >= most:
        cache.clear()
    cache[key] = value


def _build_block(fields: Sequence[Field]) -> FieldBlock:
    """Check fields together and return what they mean."""
    pairs: list[tuple[str, str]] = []
    index: dict[str, str] = {}
    for name, value, pair in fields:
        index[name] = value
        if name != "cookie":
            pairs.append(pair)
    if len(index) < len(fields):
        _join_repeated(fields, index)
    host, expect = index.get("host"), index.get("expect")
    if host is not None and not is_host(host):
        raise ProtocolError(f"Host is not valid: {host[:60]!r}")
    length, declared, coding = 0, index.get("content-length"), index.get("transfer-encoding")
    if declared is not None or coding is not None:
        length = framing.body_length(
            () if declared is None else (declared,), () if coding is None else (coding,)
        )
    options = members(index["connection"]) if "connection" in index else NONE
    return FieldBlock(
        tuple(pairs),
        index,
        index.pop("cookie", ""),
        host,
        length,
        options,
        NONE if expect is None else members(expect),
        "close" in options,
        bool(host) and not length and expect is None,
    )


def _join_repeated(fields: Sequence[Field], index: dict[str, str]) -> None:
    """Join the values of names that come more than once.

    Raises:
        ProtocolError: One of them can come once only.
    """
    values: dict[str, list[str]] = {}
    for name, value, _ in fields:
        values.setdefault(name, []).append(value)
    for name, several in values.items():
        if len(several) > 1 and name in ONCE:
            raise ProtocolError(f"more than one {name}")
        if name != "set-cookie":  # which cannot be joined: it is the last
            index[name] = ("; " if name == "cookie" else ", ").join(several)


# RFC 9112 section 3.2: more than one Host MUST be answered with 400. RFC 9110 section 8.6 allows it
# for Content-Length, equal or not. Which Content-Type counts would depend on the reader.
ONCE = frozenset({"host", "content-length", "content-type"})

DECIDING = ONCE | {"connection", "cookie", "expect", "transfer-encoding"}
"""The fields that a `FieldBlock` has other attributes of."""

NONE: frozenset[str] = frozenset()


@lru_cache(maxsize=64)
def members(value: str) -> frozenset[str]:
    """Return the members of a list-valued field, in lower case (RFC 9110 section 5.6.1)."""
    each = (member.strip(" \t").lower() for member in value.split(","))
    return frozenset(member for member in each if member)


NO_FIELDS = _build_block(())


def parse_field_line(line: bytes) -> Field:
    """Parse a field line.

    RFC 9112 section 5: field-line = field-name ":" OWS field-value OWS. No whitespace before the
    colon (section 5.1: MUST be refused) and none at the start of the line (obs-fold, section 5.2:
    refused).

    Raises:
        ProtocolError: It is malformed.
    """
    name, colon, value = line.decode("latin-1").partition(":")
    key = lower_token(name)
    if key is None or not colon or not is_valid_value(value):
        raise ProtocolError(f"not a field line: {line[:60]!r}")
    value = value.strip(" \t")
    return key, value, (name, value)


@lru_cache(maxsize=128)  # at most 1 MiB: a name is as long as its line
def lower_token(name: str) -> str | None:
    """Return a token in lower case, None for what is none."""
    return name.lower() if is_token(name) else None


def check_together(line: RequestLine, fields: FieldBlock, limits: Limits) -> bool:
    """Check the rules that need both request line and fields.

    Returns:
        Whether the client lets the connection be used again (RFC 9112 section 9.3).

    Raises:
        ProtocolError: 400, 413 or 417.
    """
    if line.minor > 0:
        if fields.host is None:  # RFC 9112 section 3.2
            raise ProtocolError("no Host")
        # Section 3.3: the target URI then has no authority, and an http URI without one MUST be
        # rejected (RFC 9110 section 4.2.1). nginx and Apache do.
        if not (fields.host or line.authority):
            raise ProtocolError("Host is empty")
        if fields.expectations - {"100-continue"}:  # RFC 9110 section 10.1.1
            raise ProtocolError("unsupported expectation", status=417)
    elif fields.body_length == framing.CHUNKED:  # RFC 9112 section 6.1: framing is faulty
        raise ProtocolError("Transfer-Encoding in HTTP/1.0")
    if limits.body is not None and fields.body_length > limits.body:
        raise ProtocolError(f"the body is longer than {limits.body} bytes", status=413)
    return not fields.closes and (line.minor > 0 or "keep-alive" in fields.connection)
