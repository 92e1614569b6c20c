"""Follow five requests through the package: files, functions and module switches of each.

    python -m benchmarks.journeys

A reader who follows a request opens every file whose functions it enters, and has to switch
whenever a call crosses from one file into another. `sys.setprofile` counts both. Each journey runs
once before it is counted, so that imports and first-time set-up are excluded. How often a loop
waits depends on the thread of the other side: the shortest of several journeys is taken.
"""

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import bladehttp as http

PACKAGE = Path(http.__file__).parent

ROUNDS = 100


class Journey(NamedTuple):
    """The counts of one request."""

    name: str
    files: int
    functions: int
    switches: int


class Trace:
    """Count the package's functions that a thread enters."""

    def __init__(self) -> None:
        """Start with empty counts."""
        self.codes: set[CodeType] = set()
        self.switches = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Count a call (`sys.setprofile`)."""
        if event != "call" or not is_ours(frame):
            return
        self.codes.add(frame.f_code)
        caller = frame.f_back
        while caller is not None and not is_ours(caller):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != frame.f_code.co_filename:
            self.switches += 1

    def journey(self, name: str) -> Journey:
        """Return the counts."""
        files = {code.co_filename for code in self.codes}
        return Journey(name, len(files), len(self.codes), self.switches)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs a function of the package."""
    return Path(frame.f_code.co_filename).is_relative_to(PACKAGE)


def shortest(journeys: Iterable[Journey]) -> Journey:
    """Return the one with the fewest switches, and then functions."""
    return min(journeys, key=lambda each: (each.switches, each.functions))


def follow(name: str, run: Callable[[], object]) -> Journey:
    """Return the counts of a function on this thread."""

    def once() -> Journey:
        trace = Trace()
        sys.setprofile(trace)
        try:
            run()
        finally:
            sys.setprofile(None)
        return trace.journey(name)

    run()
    return shortest(once() for _ in range(ROUNDS))


@contextmanager
def refusing_port() -> Iterator[int]:
    """Hold a port on which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def client_journeys(url: str) -> list[Journey]:
    """Follow four requests through the client."""
    with http.HttpClient() as client, refusing_port() as port:

        def fail() -> None:
            with suppress(http.ConnectError):
                client.get(f"http://127.0.0.1:{port}/")

        return [
            follow("a URL through get", lambda: client.get(url)),
            follow("a body through post", lambda: client.post(url, json={"a": 1})),
            follow("a failure from libcurl back", fail),
            asyncio.run(stream_on_asyncio(url)),
        ]


async def stream_on_asyncio(url: str) -> Journey:
    """Follow a stream on asyncio's event loop."""
    async with http.AsyncHttpClient() as client:

        async def run() -> None:
            async with client.stream(url) as response:
                async for _ in response.aiter_bytes():
                    pass

        async def once() -> Journey:
            trace = Trace()
            sys.setprofile(trace)
            try:
                await run()
            finally:
                sys.setprofile(None)
            return trace.journey("a stream on asyncio")

        await run()
        return shortest([await once() for _ in range(ROUNDS)])


def server_journey() -> Journey:
    """Follow a request through the server's loop, from accept to close."""
    server = http.HttpServer(0)
    server.on_receive(answer)
    try:
        server.step(0)
        return shortest(serve_one(server) for _ in range(ROUNDS))
    finally:
        server.close()


def serve_one(server: http.HttpServer) -> Journey:
    """Serve one connection with one request, and count."""
    trace, before = Trace(), server.stats.connections
    asking = threading.Thread(target=ask, args=(f"{server.url}/",), daemon=True)
    asking.start()
    sys.setprofile(trace)
    try:
        while server.stats.connections == before or server.stats.active:
            server.step(50)
    finally:
        sys.setprofile(None)
    asking.join()
    return trace.journey("a request through the server")


def ask(url: str) -> None:
    """Send one request from a thread that is not followed."""
    with http.HttpClient() as client:
        client.get(url)


def answer(request: http.HttpRequest, response: http.HttpResponse) -> None:
    """Answer with the path."""
    response.headers["X-Path"] = request.path
    response.write("hello")


def main() -> None:
    """Print a table."""
    modules = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    for half in ("client", "server"):
        files = [path for path in modules if path.is_relative_to(PACKAGE / half)]
        print(f"{half}: {len(files)} modules")
    print(f"package: {len(modules)} modules\n")
    with http.HttpServer(0) as server:
        server.on_receive(answer)
        journeys = client_journeys(f"{server.url}/")
    journeys.append(server_journey())
    print("| journey | files | functions | module switches |\n|---|---|---|---|")
    for each in journeys:
        print(f"| {each.name} | {each.files} | {each.functions} | {each.switches} |")


if __name__ == "__main__":
    main()
