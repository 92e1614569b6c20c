"""The applications for WSGI: bjoern, waitress. As a program it is bjoern: APPLICATION PORT."""

import sys
from collections.abc import Callable
from typing import Any

from benchmarks.servers import HELLO, LARGE


def _answer(start_response: Callable[..., Any], body: bytes) -> list[bytes]:
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Say hello."""
    return _answer(start_response, HELLO)


def large(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Send 10 MB."""
    return _answer(start_response, LARGE)


def sink(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Read the whole body."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return _answer(start_response, b"%d" % len(body))


if __name__ == "__main__":
    import bjoern

    bjoern.run(globals()[sys.argv[1]], "127.0.0.1", int(sys.argv[2]))
