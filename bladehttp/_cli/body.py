"""The body of a request and its query, from -d and its kin, --json, -F, -T and items."""

import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from urllib.parse import quote_plus

from bladehttp._cli.fields import Fields
from bladehttp._cli.files import STDIN, read_bytes, reading, stdin
from bladehttp._cli.multipart import parts_of
from bladehttp._cli.nested import nested
from bladehttp._cli.options import WrongUsage
from bladehttp._cli.request_options import Data
from bladehttp._cli.words import Items, file_part

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
ACCEPT_JSON = "application/json, */*;q=0.5"
"""HTTPie's, for items: an answer that is no JSON is welcome too."""

CHUNK = 1 << 16

LINE_ENDS = b"\r\n\0"
"""Bytes that -d leaves out of a file, as curl does."""


def request_body(
    options: SimpleNamespace, items: Items, fields: Fields, stack: ExitStack
) -> dict[str, Any]:
    """Return the arguments of `HttpClient.send_request` for the body.

    Args:
        options: The options of the command line.
        items: Its items.
        fields: The fields of the request; those about the body are added.
        stack: Closes the files that are opened here.

    Raises:
        FileNotRead: A file cannot be read.
        WrongUsage: There are two bodies, or one that cannot be sent like this.
    """
    given = {
        "-d": bool(options.data) and not options.as_query,
        "-F": bool(options.parts),
        "-T": options.upload is not None,
        "items NAME=VALUE": bool(items.data or items.files),
    }
    named = [name for name, is_given in given.items() if is_given]
    if len(named) > 1:
        raise WrongUsage(f"{named[0]} and {named[1]} are two bodies, and a request has one")
    if options.parts:
        return {"files": parts_of(options.parts)}
    if options.upload is not None:
        return chunked({"data": _upload(options.upload, stack)}, fields)
    if options.data and not options.as_query:
        return chunked(_from_data(options.data, fields, stack), fields)
    return _from_items(items, fields, as_form=bool(options.as_form))


def chunked(body: dict[str, Any], fields: Fields) -> dict[str, Any]:
    """Return a body that is sent in chunks if the field Transfer-Encoding of -H says so."""
    if fields.given.get("Transfer-Encoding", "").strip().lower() != "chunked":
        return body
    data = body["data"]
    chunks = [data] if isinstance(data, bytes) else iter(partial(data.read, CHUNK), b"")
    return {"data": chunks}


def _from_data(given: list[Data], fields: Fields, stack: ExitStack) -> dict[str, Any]:
    kinds = {data.kind == "json" for data in given}
    if len(kinds) > 1:
        raise WrongUsage("-d and --json are two bodies, and a request has one")
    if kinds == {True}:
        fields.set_default("Content-Type", JSON)
        fields.set_default("Accept", JSON)
        return {"data": checked_json(b"".join(encoded(data) for data in given))}
    fields.set_default("Content-Type", FORM)
    first = given[0]
    if len(given) == 1 and first.kind == "binary" and first.text[:1] == "@" and first.text != "@-":
        with reading():  # sent as it is read, however long it is
            return {"data": stack.enter_context(Path(first.text[1:]).open("rb"))}
    return {"data": joined(given)}


def joined(given: list[Data]) -> bytes:
    """Return the data of several options, joined as the fields of a form."""
    return b"&".join(encoded(data) for data in given)


def encoded(data: Data) -> bytes:
    """Return the bytes of an option's data.

    Raises:
        FileNotRead: Its file cannot be read.
    """
    kind, text = data
    if kind == "urlencode":
        return _urlencoded(text)
    if kind != "raw" and text == STDIN:
        text = "@-"
    if kind == "raw" or not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")  # the bytes of the command line
    content = read_bytes(text[1:])
    return content.translate(None, LINE_ENDS) if kind == "text" else content


def _urlencoded(text: str) -> bytes:
    """Encode the value of --data-urlencode: "=", or else "@" of a file, ends its name, if any."""
    sign = next((each for each in "=@" if each in text), "")
    name, _, value = text.partition(sign) if sign else ("", "", text)
    content = read_bytes(value) if sign == "@" else value.encode("utf-8", "surrogateescape")
    value = quote_plus(content, safe="~")
    return (f"{name}={value}" if name else value).encode()


def checked_json(text: bytes) -> bytes:
    """Return JSON as it was given, once it is known to be JSON.

    Raises:
        WrongUsage: It is not.
    """
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongUsage(f"value of --json is not JSON: {error}") from error
    return text


def _upload(path: str, stack: ExitStack) -> IO[bytes]:
    if path in (STDIN, "."):
        return stdin()
    with reading():
        return stack.enter_context(Path(path).open("rb"))


def _from_items(items: Items, fields: Fields, *, as_form: bool) -> dict[str, Any]:
    """Return a body of items: a multipart form with files, else a form or JSON."""
    texts = [(name, value if isinstance(value, str) else json.dumps(value))
             for name, value in items.data]  # fmt: skip
    if items.files:
        files = []
        for name, text in items.files:
            filename, path, kind = file_part(text)
            with reading():
                path.open("rb").close()
            files.append((name, (filename, path, kind)))
        return {"form": texts, "files": files}
    if not items.data:
        return {}
    kind = fields.given.get("Content-Type", "").partition(";")[0].strip().lower()
    if as_form or kind == FORM:
        return {"form": texts}
    fields.set_default("Content-Type", JSON)
    fields.set_default("Accept", ACCEPT_JSON)
    return {"data": json.dumps(nested(items.data))}
