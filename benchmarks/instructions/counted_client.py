"""The client whose instructions are counted, and libcurl alone beside it. Its argument is a URL."""

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from io import BytesIO
from itertools import count
from typing import Any

import pycurl

from benchmarks.instructions.obey import obey


def bare(url: str, *options: tuple[int, object]) -> Callable[[], object]:
    """Return a request by nothing but an easy handle: the least that a client over libcurl costs.

    Args:
        url: The URL.
        options: Options that are set for each request, as such a client has to.
    """
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.NOSIGNAL, 1)
    lines: list[bytes] = []
    curl.setopt(pycurl.HEADERFUNCTION, lines.append)

    def get() -> object:
        lines.clear()
        body = BytesIO()
        curl.setopt(pycurl.WRITEDATA, body)
        for option, value in options:
            curl.setopt(option, value)
        curl.perform()
        return curl.getinfo(pycurl.RESPONSE_CODE), body.getvalue()

    return get


def times(call: Callable[[], object]) -> Callable[[int], None]:
    """Return a function that makes the call so many times."""

    def repeat(count: int) -> None:
        for _ in range(count):
            call()

    return repeat


def mixed(url: str, number: int) -> list[Any]:
    """Return requests of several kinds: plain ones, with a field, with content, with a timeout."""
    kinds: list[Any] = [
        url,
        {"url": url, "headers": TWO_FIELDS},
        {"url": url, "method": "POST", "json": SMALL},
        {"url": url + "json", "receive_timeout": 20_000},
    ]
    return (kinds * number)[:number]


TWO_FIELDS = {"Authorization": "Bearer of a token", "Accept": "application/json"}
SMALL = {"name": "Ada", "numbers": [1, 2, 3]}
PASSWORD = ("name", "password")


def calls_of(client: Any, url: str) -> dict[str, Callable[[], object]]:
    """Return the calls of a client that are counted."""
    numbers = count()

    def read() -> object:
        response = client.get(url + "json")
        return response.status, response.headers["Content-Type"], response.json()

    return {
        "get": lambda: client.get(url).body,
        "read": read,
        "headers": lambda: client.get(url, headers=TWO_FIELDS).body,
        "new-header": lambda: client.get(url, headers={"X-Request-Id": f"{next(numbers)}"}).body,
        "timeout": lambda: client.get(url, receive_timeout=20_000).body,
        "auth": lambda: client.get(url, auth=PASSWORD).body,
        "post-byte": lambda: client.post(url, b"x").body,
        "post": lambda: client.post(url, bytes(1000)).body,
        "post-json": lambda: client.post(url, json=SMALL).body,
        "chain": lambda: client.get(url + "hop5").body,
    }


BARE = {
    "bare": (),
    "bare-headers": ((pycurl.HTTPHEADER, [": ".join(field) for field in TWO_FIELDS.items()]),),
    "bare-post": ((pycurl.POSTFIELDS, b"x"),),
}


def every(results: Iterable[Any]) -> None:
    """Take every response of `send_many`."""
    for response in results:
        response.raise_for_status()


def main() -> None:
    """Send requests until standard input ends."""
    url = sys.argv[1]
    os.write(1, b"ready\n")
    commands: dict[str, Callable[[int], object]] = {}

    def load(_: int) -> None:
        from bladehttp import HttpClient  # noqa: PLC0415 - it is what is counted

        client = closing.enter_context(HttpClient())
        commands.update((name, times(call)) for name, call in calls_of(client, url).items())
        commands["many"] = lambda number: every(client.send_many([url] * number, concurrency=10))
        commands["mixed"] = lambda number: every(client.send_many(mixed(url, number), 10))

    def load_async(_: int) -> None:
        import asyncio  # noqa: PLC0415 - after the import that is counted

        from bladehttp import AsyncHttpClient  # noqa: PLC0415

        runner = closing.enter_context(asyncio.Runner())
        client = AsyncHttpClient()

        async def get(number: int) -> None:
            for _ in range(number):
                await client.get(url)

        closing.callback(lambda: runner.run(client.aclose()))
        commands["async-get"] = lambda number: runner.run(get(number))

    commands |= {name: times(bare(url, *options)) for name, options in BARE.items()}
    commands["bare-chain"] = times(bare(url + "hop5", (pycurl.FOLLOWLOCATION, 1)))
    commands |= {"import": load, "load-async": load_async}
    with ExitStack() as closing:
        obey(commands)


if __name__ == "__main__":
    main()
