"""-w: a line about each answer, in curl's format and with curl's variables."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bladehttp._cli.filenames import as_utf8
from bladehttp._cli.outcome import Outcome
from bladehttp._cli.terminal import tell, write_text
from bladehttp._data.references import parse_reference

ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "%%": "%"}

split_format = re.compile(
    r"(?P<escape>\\[nrt]|%%)|%header\{(?P<field>[^}]*)\}|%\{(?P<name>[^}]*)\}"
).finditer

Variable = Callable[[Outcome], Any]

dump = partial(json.dumps, separators=(",", ":"))


def seconds(name: str) -> Variable:
    """Return a variable for the time of a phase, from the start of the request."""
    return lambda outcome: outcome.time_of(name)


def of_head(make: Callable[[Any], Any], missing: Any) -> Variable:
    """Return a variable made of the response, with another value if there is none."""
    return lambda out: missing if out.response is None else make(out.response)


def traced(name: str) -> Variable:
    """Return a variable that is an attribute of the `Trace`."""
    return lambda outcome: getattr(outcome.trace, name)


def speed(size: str) -> Variable:
    """Return a variable for bytes in a second."""
    return lambda out: int(getattr(out.trace, size) / out.seconds) if out.seconds else 0


def content_type(response: Any) -> str:
    """Return the Content-Type field."""
    return as_utf8(response.headers.get("Content-Type", ""))


def header_json(outcome: Outcome) -> str:
    """Return the fields as JSON: for each name, in lower case, its values, and a line for each."""
    fields: dict[str, list[str]] = {}
    if outcome.response is not None:
        for name, value in outcome.response.headers.pairs():
            fields.setdefault(name.lower(), []).append(as_utf8(value))
    rows = (f"{json.dumps(name)}:{dump(values)}" for name, values in fields.items())
    return "{" + ",\n".join(rows) + "\n}"


VARIABLES: dict[str, Variable] = {
    "content_type": of_head(content_type, ""),
    "errormsg": lambda out: out.message,
    "exitcode": lambda out: out.code,
    "filename_effective": lambda out: out.filename,
    "http_code": of_head(lambda response: response.status, 0),
    "http_version": of_head(lambda response: response.version, "0"),
    "local_ip": traced("local_ip"),
    "local_port": traced("local_port"),
    "method": lambda out: out.method,
    "num_connects": of_head(lambda response: response.num_connects, 0),
    "num_headers": of_head(lambda response: sum(1 for _ in response.headers.pairs()), 0),
    "num_redirects": of_head(lambda response: response.redirects, 0),
    "redirect_url": lambda out: out.redirect_url,
    "remote_ip": traced("remote_ip"),
    "remote_port": traced("remote_port"),
    "response_code": of_head(lambda response: response.status, 0),
    "scheme": lambda out: parse_reference(out.url_effective).scheme or "",
    "size_download": traced("size_download"),
    "size_header": traced("size_header"),
    "size_request": traced("size_request"),
    "size_upload": traced("size_upload"),
    "speed_download": speed("size_download"),
    "speed_upload": speed("size_upload"),
    "time_appconnect": seconds("tls"),
    "time_connect": seconds("connect"),
    "time_namelookup": seconds("namelookup"),
    "time_pretransfer": lambda out: out.time_of("tls") or out.time_of("connect"),
    "time_redirect": lambda out: out.last_hop if out.history else 0.0,
    "time_starttransfer": seconds("first_byte"),
    "time_total": lambda out: out.seconds,
    "url": lambda out: out.url,
    "url_effective": lambda out: out.url_effective,
    "urlnum": lambda out: out.number,
}
"""The variables and their values."""

SPECIAL = ("header_json", "json", "onerror", "stderr", "stdout")

NEED_TRACE = re.compile(r"%\{(?:json|(?:size|speed)_\w+|(?:local|remote)_(?:ip|port))\}").search
"""Finds a variable for which the bytes on the wire have to be counted."""


def write_out(text: str, outcome: Outcome) -> None:
    """Print a format for an outcome."""
    stream = sys.stdout
    for piece, name in pieces(text, outcome):
        if name == "onerror" and not outcome.code:
            break
        if name in ("stdout", "stderr"):
            stream = getattr(sys, name)
        if name is None:
            stream.write(piece)
        else:
            write_text(piece, stream)
    stream.flush()


def pieces(text: str, outcome: Outcome) -> Iterator[tuple[str, str | None]]:
    """Yield the pieces of a format, each with the name of its variable, None for a plain text."""
    end = 0
    for found in split_format(text):
        yield text[end : found.start()], None
        end = found.end()
        if found["escape"]:
            yield ESCAPES[found["escape"]], None
        elif found["field"] is not None:
            yield field(found["field"], outcome), "header"
        else:
            name = found["name"]
            make = special if name in SPECIAL else shown
            yield make(name, outcome), name
    yield text[end:], None


def field(name: str, outcome: Outcome) -> str:
    """Return the value of a field of the response, "" if there is none."""
    head = outcome.response
    return as_utf8(head.headers.get(name, "")) if head is not None else ""


def special(name: str, outcome: Outcome) -> str:
    """Return the text of a special variable."""
    if name == "json":
        return dump({name: make(outcome) for name, make in VARIABLES.items()})
    return header_json(outcome) if name == "header_json" else ""


def shown(name: str, outcome: Outcome) -> str:
    """Return the text of a variable, "" for one that is not known, which is reported."""
    make = VARIABLES.get(name)
    if make is None:
        tell(f"-w has no variable {name[:40]!r}")
        return ""
    value = make(outcome)
    if name in ("http_code", "response_code"):
        return f"{value:03}"
    return f"{value:.6f}" if isinstance(value, float) else str(value)
