"""The body of a request, as -d, --json and -F give it."""

import json
import sys
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from bladehttp._data.headers import Headers
from bladehttp._data.media_types import guess_media_type

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
OCTETS = "application/octet-stream"

STDIN = ("-", "@-")


def request_arguments(options: Namespace, stack: ExitStack) -> dict[str, Any]:
    """Return the arguments of `HttpClient.send_request` for the fields and the body.

    Args:
        options: The options of the command line.
        stack: Closes the files that are opened here.

    Raises:
        OSError: A file cannot be opened.
        ValueError: The data cannot be sent in this form.
    """
    headers = Headers(options.headers)
    arguments: dict[str, Any] = {"headers": headers}
    if options.data is not None:
        arguments["data"], kind = _data(options.data, stack)
        headers.setdefault("Content-Type", kind)
    elif options.json is not None:
        arguments["data"] = _json(options.json)
        headers.setdefault("Content-Type", JSON)
        headers.setdefault("Accept", JSON)
    elif options.parts is not None:
        texts = [(name, value) for name, value in options.parts if not value.startswith("@")]
        files = [(name, _file(value)) for name, value in options.parts if value.startswith("@")]
        arguments |= {"form": texts, "files": files}
    return arguments


def _data(values: list[str], stack: ExitStack) -> tuple[str | IO[bytes], str]:
    """Return the data to send and its type: as curl's -d; the type of a file is by its name."""
    if len(values) == 1:
        value = values[0]
        if value in STDIN:
            return sys.stdin.buffer, OCTETS
        if value.startswith("@"):
            return stack.enter_context(Path(value[1:]).open("rb")), guess_media_type(value)
        return value, FORM
    if any(value in STDIN or value.startswith("@") for value in values):
        raise ValueError("-d sends one file or several texts, not both")
    return "&".join(values), FORM


def _json(value: str) -> bytes:
    """Return JSON as it was given, once it is known to be JSON."""
    if value in STDIN:
        text = sys.stdin.buffer.read()
    else:
        text = Path(value[1:]).read_bytes() if value.startswith("@") else value.encode()
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"value of --json is not JSON: {error}") from error
    return text


def _file(value: str) -> Any:
    """Return a file of a form as the client takes it, of "@path" or "@path;type=mime"."""
    path, _, kind = value[1:].partition(";type=")
    return (Path(path).name, Path(path), kind) if kind else Path(path)
