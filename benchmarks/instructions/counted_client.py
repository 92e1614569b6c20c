"""The client whose instructions are counted, and libcurl alone beside it. Its argument is a URL."""

import os
import sys
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pycurl

from benchmarks.instructions.obey import obey


def bare(url: str) -> Callable[[], object]:
    """Return a GET by nothing but an easy handle: what any client over libcurl costs at least."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.NOSIGNAL, 1)
    lines: list[bytes] = []
    curl.setopt(pycurl.HEADERFUNCTION, lines.append)

    def get() -> object:
        lines.clear()
        body = BytesIO()
        curl.setopt(pycurl.WRITEDATA, body)
        curl.perform()
        return curl.getinfo(pycurl.RESPONSE_CODE), body.getvalue()

    return get


def times(call: Callable[[], object]) -> Callable[[int], None]:
    """Return a function that makes the call so many times."""

    def repeat(count: int) -> None:
        for _ in range(count):
            call()

    return repeat


def main() -> None:
    """Send requests until standard input ends."""
    url = sys.argv[1]
    os.write(1, b"ready\n")
    loaded: dict[str, Any] = {}

    def load(_: int) -> None:
        from bladehttp import HttpClient  # noqa: PLC0415 - it is what is counted

        loaded["client"] = HttpClient()

    def get() -> object:
        return loaded["client"].get(url).body

    def read() -> object:
        response = loaded["client"].get(url + "json")
        return response.status, response.headers["Content-Type"], response.json()

    def post() -> object:
        return loaded["client"].post(url, bytes(1000)).body

    def many(count: int) -> None:
        for response in loaded["client"].send_many([url] * count, concurrency=10):
            response.raise_for_status()

    obey(
        {
            "import": load,
            "get": times(get),
            "json": times(read),
            "post": times(post),
            "many": many,
            "bare": times(bare(url)),
        }
    )
    loaded["client"].close()


if __name__ == "__main__":
    main()
