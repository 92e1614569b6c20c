"""Entries of a recording: a request and its response as JSON that people read and edit.

The format is described in docs/testing/recordings.md; `_replay` reads it.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from bladehttp._data.decoders import ContentDecoder, codings_of
from bladehttp._data.encoders import encoders
from bladehttp._data.headers import Headers
from bladehttp._data.multidict import MultiDict
from bladehttp._data.secret_names import SECRET
from bladehttp._message.content import ContentError
from bladehttp._message.request import HttpRequest
from bladehttp.exceptions import BodyTooLarge, DecodingError
from bladehttp.server.testing._recorded_secrets import ANYTHING, SecretNames

Entry = dict[str, Any]

LONGEST_BODY = 16 * 1024 * 1024
"""Most bytes of a body that is recorded, coded or decoded."""

LONGEST_BINARY = 64 * 1024
"""Most bytes of a request's body that are recorded if it is not text."""

OPERATORS = ("$any", "$pattern", "$subset")

# RFC 9110 section 7.6.1, with the fields that the server of the recording sets itself
NOT_RECORDED = frozenset(
    {"alt-svc", "connection", "content-length", "date", "keep-alive", "proxy-connection", "te",
     "strict-transport-security", "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip
"""Fields of responses that hold for the connection to the upstream server, or at one time."""

is_text = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*").fullmatch


def of_request(request: HttpRequest, names: SecretNames | None) -> Entry:
    """Return the part of an entry that says which requests it is for.

    Args:
        request: A request.
        names: The names of secrets, to be left out; None: none is.
    """
    path = request.path
    entry: Entry = {
        "method": request.method,
        "path": {"$pattern": re.escape(path)} if "{" in path or "}" in path else path,
        "query": _fields(request.queries, names),
    }
    if request.size:
        entry |= _request_body(request, names)
    return entry


def of_response(status: int, headers: Headers, body: bytes, names: SecretNames | None) -> Entry:
    """Return the part of an entry that is the response."""
    entry: Entry = {"status": status}
    fields: dict[str, Any] = {}
    for name, value in headers.pairs():
        shown = value if names is None else names.without_field(name, value)
        fields[name] = [*_listed(fields[name]), shown] if name in fields else shown
    if fields:
        entry["headers"] = fields
    if body:
        entry |= _response_body(headers, body, names)
    return entry


def _fields(sent: MultiDict[str], names: SecretNames | None) -> dict[str, Any]:
    """Return the fields of a query or a form, a list for a repeated one."""
    fields: dict[str, Any] = {}
    for name in sent:
        values = sent.get_all(name)
        is_secret = names is not None and names.has(name)
        shown: list[Any] = [ANYTHING] * len(values) if is_secret else values
        fields[name] = shown if len(shown) > 1 else shown[0]
    return fields


def _request_body(request: HttpRequest, names: SecretNames | None) -> Entry:
    media_type = request.content_type.partition(";")[0].strip().lower()
    try:
        if media_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            form: Entry = {"form": _fields(request.body, names)}
            return form | _files(request)
        content = request.raw_body
    except ContentError:
        content = request.raw_body
    value = _json_value(media_type, content)
    if value is not NOT_JSON and not _has_operators(value):
        return {"json": value if names is None else names.without_members(value, ANYTHING)}
    if _text(content) is None and len(content) > LONGEST_BINARY:
        return {}
    return _body(content)


def _files(request: HttpRequest) -> Entry:
    files = request.files
    shown = {
        name: [{"filename": each["filename"], "mime": each["mime"]} for each in files.get_all(name)]
        for name in files
    }
    return {"files": {name: value if len(value) > 1 else value[0] for name, value in shown.items()}}


def _response_body(headers: Headers, body: bytes, names: SecretNames | None) -> Entry:
    """Return a body decoded if it is text then, else as it was sent."""
    content = _decoded(headers.get("Content-Encoding", ""), body)
    if content is None or _text(content) is None:
        return {"body_base64": b64encode(body).decode()}
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    value = _json_value(media_type, content)
    if value is NOT_JSON:
        return _body(content)
    shown = value if names is None else names.without_members(value, SECRET)
    if _is_kept(content, value):
        return {"json": shown}
    return _body(content if shown == value else json.dumps(shown).encode())


def _decoded(coding: str, body: bytes) -> bytes | None:
    """Return a body without its content coding; None if it could not be coded again."""
    codings = codings_of(coding)
    if not codings:
        return body
    if len(codings) > 1 or codings[0] not in encoders():
        return None
    decoder = ContentDecoder(coding, LONGEST_BODY)
    try:
        return b"".join((*decoder.feed(body), *decoder.finish()))
    except (BodyTooLarge, DecodingError):
        return None


NOT_JSON: Any = object()


def _json_value(media_type: str, content: bytes) -> Any:
    """Return the value of a body that is JSON by its type, NOT_JSON for another."""
    if not (media_type == "application/json" or media_type.endswith("+json")):
        return NOT_JSON
    try:
        value = json.loads(content)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return NOT_JSON
    return value


def _is_kept(content: bytes, value: Any) -> bool:
    """Return whether JSON that is parsed and written again is the same but for white space."""
    return bool(_literally(content) == _literally(json.dumps(value).encode()))


def _literally(content: bytes) -> Any:
    """Return JSON with its numbers as they are written, and each member of a repeated name."""
    return json.loads(content, parse_float=str, parse_int=str, object_pairs_hook=list)


def _has_operators(value: Any) -> bool:
    if isinstance(value, dict):
        return any(name in OPERATORS for name in value) or any(map(_has_operators, value.values()))
    return isinstance(value, list) and any(map(_has_operators, value))


def _text(content: bytes) -> str | None:
    """Return bytes as text if they are UTF-8 without control characters."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return text if is_text(text) else None


def _body(content: bytes) -> Entry:
    """Return a body as text, a list of its lines if there are several, or in base64."""
    text = _text(content)
    if text is None:
        return {"body_base64": b64encode(content).decode()}
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    return {"body": lines if len(lines) > 1 else text}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def without_hops(headers: Headers, method: str) -> Headers:
    """Return the fields of a response that are about it, not about a connection.

    Content-Length is among them for a response to HEAD.
    """
    named = {each.strip().lower() for each in headers.get("Connection", "").split(",")}
    left_out = NOT_RECORDED | named
    left_out -= {"content-length"} if method == "HEAD" else set()
    return Headers.adopt(pair for pair in headers.pairs() if pair[0].lower() not in left_out)


def laid_out(document: Mapping[str, Any]) -> str:
    """Return a document as it is written to a file."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
