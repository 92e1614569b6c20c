"""The corpus of requests: one file per case, read as README.md beside this file says."""

import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bladehttp._wire.head import NO_FIELDS, HeadParser
from bladehttp._wire.limits import Limits
from bladehttp._wire.reader import Request, RequestReader, parse_whole_request
from bladehttp.exceptions import ProtocolError

HERE = Path(__file__).parent
DEFAULTS = Limits()

ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\", "{": "{", "}": "}"}
escape = re.compile(r"\\(?:x([0-9a-f]{2})|([rnt0\\{}]))")
repetition = re.compile(r"\{((?:[^{}\\]|\\.)*)\*([0-9]+)\}")
token = re.compile(rf"{repetition.pattern}|{escape.pattern}|[^{{}}\\\n]|\n")


@dataclass(frozen=True, slots=True)
class Case:
    """One file of the corpus.

    Attributes:
        name: The file's name without its suffix.
        section: Where the rule is written.
        why: The rule in a sentence.
        data: The bytes.
        limits: What the reader is made with.
        expected: Accept: the requests, as the file's JSON has them.
        status: Reject: the status of the error; 0 for accept.
        taken: Reject: how many requests come before the error.
    """

    name: str
    section: str
    why: str
    data: bytes
    limits: Limits = DEFAULTS
    expected: list[dict[str, Any]] = field(default_factory=list)
    status: int = 0
    taken: int = 0


def load(kind: str) -> list[Case]:
    """Return every case of "accept" or "reject", by name."""
    return [read_case(path) for path in sorted((HERE / kind).glob("*.http"))]


def read_case(path: Path) -> Case:
    comments, _, rest = path.read_text("ascii").partition("\n\n")
    notes = dict(line.removeprefix("# ").split(": ", 1) for line in comments.splitlines())
    wire, _, expected = rest.partition("\n---\n")
    limits = dict(pair.split("=") for pair in notes.get("limits", "").split())
    return Case(
        name=path.stem,
        section=notes["section"],
        why=notes["why"],
        data=unescape(wire),
        limits=Limits(**{name: int(value) for name, value in limits.items()}),
        expected=_repeated(json.loads(expected)) if expected else [],
        status=int(notes.get("status", "0")),
        taken=int(notes.get("taken", "0")),
    )


def unescape(text: str) -> bytes:
    """Return the bytes that a case's text stands for."""
    pieces, position = [], 0
    while position < len(text):
        match = token.match(text, position)
        if match is None:
            raise ValueError(f"neither a character nor an escape: {text[position:][:40]!r}")
        pieces.append(_piece(match))
        position = match.end()
    return b"".join(pieces)


def _piece(match: re.Match[str]) -> bytes:
    repeated, count, octet, character = match.groups()
    if count:
        return unescape(repeated) * int(count)
    if octet:
        return bytes([int(octet, 16)])
    if character:
        return ESCAPES[character].encode()
    return match[0].encode().strip(b"\n")


def _repeated(value: Any) -> Any:
    """Expand ``{a*9000}`` in every string of a case's JSON, which has escapes of its own."""
    if isinstance(value, str):
        return repetition.sub(lambda match: match[1] * int(match[2]), value)
    if isinstance(value, list):
        return [_repeated(item) for item in value]
    if isinstance(value, dict):
        return {key: _repeated(item) for key, item in value.items()}
    return value


def describe(request: Request) -> dict[str, Any]:
    """Return a request in the form of the corpus's JSON, and close its file."""
    line, fields = request.line, request.fields
    body = request.body
    if request.file is not None:
        with request.file:
            body = request.file.read()
    return {
        "method": line.method,
        "target": line.target,
        "version": f"1.{line.minor}",
        "fields": [list(pair) for pair in fields.headers().pairs()],
        "body": body.decode("latin-1"),
        "trailers": [list(pair) for pair in request.trailers],
        "path": line.path,
        "query": line.query,
        "authority": line.authority,
        "host": fields.host,
        "cookie": fields.cookie,
        "keep_alive": request.keep_alive,
    }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a stream: the requests in it, and the status of the error, 0 for none."""

    requests: list[dict[str, Any]]
    status: int


class LineByLine(RequestReader):
    """A reader that judges every head line by line: the reference for those taken at once."""

    def _take_whole_head(self) -> None:
        return None


def read(pieces: Iterable[bytes], parser: HeadParser) -> Verdict:
    """Take the requests of a stream that comes piece by piece, as a connection does."""
    requests: list[dict[str, Any]] = []
    reader: RequestReader | None = None
    fields = NO_FIELDS
    try:
        for piece in pieces:
            if reader is None:
                whole = parse_whole_request(piece, parser, fields)
                if whole is not None:
                    fields = whole[1]
                    requests.append(describe(Request(*whole)))
                    continue
                reader = RequestReader(parser, fields)
            reader.feed(piece)
            while reader is not None and (request := reader.take_request()) is not None:
                requests.append(describe(request))
                if not reader.buffer:
                    fields, reader = reader.last, None
        return Verdict(requests, 0)
    except ProtocolError as error:
        return Verdict(requests, error.status)
    finally:
        if reader is not None:
            reader.close()


def read_by_line(data: bytes, limits: Limits = DEFAULTS) -> Verdict:
    """Take the requests of a stream without any shortcut."""
    requests: list[dict[str, Any]] = []
    reader = LineByLine(HeadParser(limits))
    try:
        reader.feed(data)
        while (request := reader.take_request()) is not None:
            requests.append(describe(request))
        return Verdict(requests, 0)
    except ProtocolError as error:
        return Verdict(requests, error.status)
    finally:
        reader.close()


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def split_at_random(data: bytes, chance: random.Random) -> list[bytes]:
    """Cut at up to eight places."""
    places = sorted(chance.randint(0, len(data)) for _ in range(chance.randint(1, 8)))
    return [data[i:j] for i, j in zip([0, *places], [*places, len(data)], strict=True)]
