"""The applications for WSGI: bjoern, waitress. As a program it is bjoern: APPLICATION PORT."""

import json
import sys
from collections.abc import Callable
from typing import Any

from benchmarks import servers
from benchmarks.servers import FIELD, HELLO, LARGE

Start = Callable[..., Any]


def _answer(
    start_response: Start, body: bytes, content_type: str = "text/plain", *fields: tuple[str, str]
) -> list[bytes]:
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), *fields]
    start_response("200 OK", headers)
    return [body]


def _answer_json(start_response: Start, value: object) -> list[bytes]:
    return _answer(start_response, json.dumps(value).encode(), "application/json")


def hello(environ: dict[str, Any], start_response: Start) -> list[bytes]:
    """Say hello."""
    body = HELLO if environ["PATH_INFO"] else b""
    return _answer(start_response, body, "text/plain", FIELD)


def bare(environ: dict[str, Any], start_response: Start) -> list[bytes]:
    """Send 13 bytes."""
    return _answer(start_response, HELLO)


def data(environ: dict[str, Any], start_response: Start) -> list[bytes]:
    """Send a small dict."""
    return _answer_json(start_response, servers.data())


def order(environ: dict[str, Any], start_response: Start) -> list[bytes]:
    """Read an order and answer it."""
    return _answer_json(start_response, servers.taken(json.loads(_body(environ))))


def large(environ: dict[str, Any], start_response: Start) -> list[bytes]:
    """Send 10 MB."""
    return _answer(start_response, LARGE)


def sink(environ: dict[str, Any], start_response: Start) -> list[bytes]:
    """Read the whole body."""
    return _answer(start_response, b"%d" % len(_body(environ)))


def _body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return body


if __name__ == "__main__":
    import bjoern

    bjoern.run(globals()[sys.argv[1]], "127.0.0.1", int(sys.argv[2]))
