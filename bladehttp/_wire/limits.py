"""Limits: how much of each part of a request is taken. Each is checked before it is stored."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one request, in bytes unless another unit is named.

    Attributes:
        request_line: The request line with its CRLF. 414 beyond. nginx and Apache: 8 KiB.
        field_line: One field line with its CRLF, trailers too. 431 beyond.
        head: Request line and all fields with the empty line. 431 beyond.
        fields: Number of field lines, and of trailer lines. 431 beyond.
        body: The content, without chunked framing. None: no limit. 413 beyond.
        spool: A body longer than this is kept in a temporary file, not in memory.
        empty_lines: Number of empty lines before a request line (RFC 9112 section 2.2 asks for
            one at least to be ignored). 400 beyond.
        chunk_line: One chunk's size and extensions with the CRLF. 400 beyond.
        chunk_extensions: All chunk extensions of one request together. 400 beyond.
        trailers: All trailer lines of one request together. 431 beyond.
        parts: Number of parts of a multipart body, and of fields of an urlencoded one. 413 beyond.
        part_fields: Number of fields in one part's head (RFC 7578 knows three). 413 beyond.
        part_heads: All heads of a multipart body's parts together. 413 beyond.
        decoded: Bytes that are decoded at once: of JSON, an urlencoded form, the text fields of a
            multipart one. None: no limit. 413 beyond.
        values: Values of JSON, counted by the commas, colons and brackets before them; a form may
            have twice as many percent-encoded octets. None: no limit. 413 beyond.
    """

    request_line: int = 8 * 1024
    field_line: int = 8 * 1024
    head: int = 64 * 1024
    fields: int = 100
    body: int | None = 16 * 1024 * 1024
    spool: int = 1024 * 1024
    empty_lines: int = 8
    chunk_line: int = 4 * 1024
    chunk_extensions: int = 16 * 1024
    trailers: int = 16 * 1024
    parts: int = 1000
    part_fields: int = 16
    part_heads: int = 512 * 1024
    decoded: int | None = 4 * 1024 * 1024
    values: int | None = 200_000
