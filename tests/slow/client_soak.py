"""Measure what the client keeps after a hundred thousand requests: tests/slow/client_soak.py.

Prints Markdown: memory and descriptors over requests with errors, aborts and early closes
mixed in, by `get`, `stream`, `send_many` and asyncio; whether 32 threads disturb each other; how soon
Ctrl-C ends a silent wait; and the memory that a gigabyte takes on its way up and down. With an
argument it is also written to that file.
"""

import asyncio
import ctypes
import gc
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pycurl

from bladehttp import AsyncHttpClient, HttpClient, HttpServer, Retry

REQUESTS = 100_000
FIRST = 5_000
"""Requests after which memory is taken for what is needed."""

GIGABYTE = 1 << 30
BLOCK = bytes(1 << 20)


def serve() -> None:
    """Be our own server: answers, redirects, redirect loops and errors, by path."""
    server = HttpServer(0)
    server.max_requests_per_connection = 0
    server.max_connections = 0

    def receive(request: Any, response: Any) -> None:
        if request.path == "/redirect":
            response.redirect("/ok")
        elif request.path == "/loop":
            response.redirect("/loop")
        elif request.path == "/busy":
            response.status = 503
        else:
            response.write(b"x" * 1000)

    server.on_receive(receive)
    with server:
        print(server.port, flush=True)
        sys.stdin.read()


def serve_raw() -> None:
    """Be a raw peer that aborts, says nothing, sends a gigabyte or swallows one, by path."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=talk, args=(connection,), daemon=True).start()


def talk(connection: socket.socket) -> None:
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                return
            head += data
        head, _, body = head.partition(b"\r\n\r\n")
        if head.startswith(b"GET /short"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        elif head.startswith(b"GET /wait"):
            connection.recv(1)
        elif head.startswith(b"GET"):
            send_gigabyte(connection)
        else:
            swallow_gigabyte(connection, len(body))


def send_gigabyte(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIGABYTE)
    for _ in range(GIGABYTE // len(BLOCK)):
        connection.sendall(BLOCK)


def swallow_gigabyte(connection: socket.socket, count: int) -> None:
    """Read so many bytes; of a chunked body the framing counts, and the rest is left."""
    while count < GIGABYTE:
        count += len(connection.recv(1 << 20))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class Child:
    """A server in a process of its own."""

    def __init__(self, what: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, what],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def resident() -> int:
    """Return the memory this process holds, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def in_use() -> int:
    """Return the memory this process holds but for what malloc keeps free, in bytes."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident()


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def mixture(url: str, raw: str, deaf: str) -> Iterator[dict[str, Any]]:
    """Yield requests without end: most are fine, one in seven is not."""
    plain = {"url": url + "/ok"}
    posted = {"url": url + "/ok", "method": "POST", "data": b"y" * 500}
    redirected = {"url": url + "/redirect"}
    bad = itertools.cycle(
        [
            {"url": url + "/loop", "max_redirects": 2},
            {"url": url + "/busy", "retry": Retry(1, backoff=0)},
            {"url": raw + "/short"},
            {"url": raw + "/wait", "receive_timeout": 20},
            {"url": raw + "/wait", "total_timeout": 20},
            {"url": deaf},
            {"url": "http://"},
            {"url": url + "/ok", "max_body_size": 10},
        ]
    )
    while True:
        yield from (plain, posted, plain, redirected, plain, plain, next(bad))


def singly(client: HttpClient, requests: Iterator[dict[str, Any]], count: int) -> int:
    """Send one after the other, and leave one in five in the middle of its body."""
    failed = 0
    for number, given in enumerate(itertools.islice(requests, count)):
        try:
            if number % 5:
                client.send_request(**given)
            else:
                with client.stream(**given) as response:
                    next(response.iter_bytes(), b"")
        except Exception:
            failed += 1
    return failed


def many(client: HttpClient, requests: Iterator[dict[str, Any]], count: int) -> int:
    """Send in batches, and close each before it is through."""
    failed = 0
    while count > 0:
        results = client.send_many(itertools.islice(requests, 250), 50)
        for result in itertools.islice(results, 200):
            failed += isinstance(result, Exception)
        results.close()
        count -= 200
    return failed


def awaited(requests: Iterator[dict[str, Any]], count: int) -> int:
    """Send by asyncio, cancel one in ten, and leave one in five in the middle of its body."""

    async def begin(client: AsyncHttpClient, given: dict[str, Any]) -> None:
        async with client.stream(**given) as response:
            await anext(response.aiter_bytes(), b"")

    async def main() -> int:
        failed = 0
        async with AsyncHttpClient(concurrency=50) as client:
            for _ in range(0, count, 100):
                given = list(itertools.islice(requests, 100))
                tasks = [
                    asyncio.create_task(
                        client.send_request(**each) if number % 5 else begin(client, each)
                    )
                    for number, each in enumerate(given)
                ]
                await asyncio.sleep(0)
                for task in tasks[::10]:
                    task.cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                failed += sum(isinstance(each, BaseException) for each in done)
        return failed

    return asyncio.run(main())


def soak() -> list[str]:
    """Send everything three ways, a round of each in turn."""
    child, raw, start = Child("serve"), Child("raw"), time.monotonic()
    before = descriptors()
    with socket.socket() as deaf, HttpClient() as client:
        deaf.bind(("127.0.0.1", 0))
        requests = mixture(child.url, raw.url, f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        sent = failed = 0
        held: dict[int, int] = {}
        memory: dict[int, int] = {}
        while sent < REQUESTS:
            failed += singly(client, requests, 600)
            failed += many(client, requests, 1400)
            failed += awaited(requests, 500)
            sent += 2500
            if sent in (FIRST, REQUESTS // 2, REQUESTS):
                held[sent], memory[sent] = resident(), in_use()
    after = descriptors()
    first, last = memory[FIRST], memory[sent]
    child.close()
    raw.close()
    return [
        f"## {REQUESTS:,} requests, {failed:,} of them failed, cut short or cancelled",
        "",
        "| what | measured | to be |",
        "|---|---|---|",
        f"| memory after the first {FIRST:,} | {first / 1e6:.1f} MB | |",
        f"| memory after a half | {memory[REQUESTS // 2] / 1e6:.1f} MB | |",
        f"| memory at the end | {last / 1e6:.1f} MB, {(last / first - 1) * 100:+.1f} % | within 5 % |",
        "| the same with what malloc keeps free | "
        + ", ".join(f"{each / 1e6:.1f} MB" for each in held.values())
        + " | |",
        f"| descriptors before and after | {before} and {after} | the same |",
        f"| time | {time.monotonic() - start:.0f} s | |",
    ]


def threads() -> list[str]:
    """Have 32 threads send 1,000 requests each, every one with a token of its own."""
    child, wrong = Child("echo"), []
    with HttpClient(child.url) as client:

        def work(thread: int) -> None:
            for number in range(1000):
                token = f"{thread}-{number}"
                try:
                    body = client.post("/", token).text
                except Exception as error:
                    body = repr(error)
                if body != token:
                    wrong.append(body)

        start = time.monotonic()
        with ThreadPoolExecutor(32) as executor:
            list(executor.map(work, range(32)))
        seconds = time.monotonic() - start
        connections = int(client.get("/connections").text)
    child.close()
    return [
        "## 32 threads, 1,000 requests each, one client",
        "",
        "| what | measured | to be |",
        "|---|---|---|",
        f"| errors, or answers to another's request | {len(wrong)} | 0 |",
        f"| connections | {connections} | at most 32 |",
        f"| time | {seconds:.0f} s | |",
    ]


def serve_echo() -> None:
    """Be our own server that sends bodies back, and says how many connections there were."""
    server, connections = HttpServer(0), itertools.count()
    server.max_requests_per_connection = 0
    server.on_connect(lambda *_: next(connections))
    server.on_receive(lambda request, response: response.write(request.raw_body))
    server.handle(
        "GET", "/connections", lambda request, response: response.write(str(next(connections)))
    )
    with server:
        print(server.port, flush=True)
        sys.stdin.read()


def interrupted() -> list[str]:
    """Press Ctrl-C while nothing is said, ten times."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    child, late = Child("raw"), []
    with HttpClient(child.url) as client:
        for _ in range(10):
            pressed: list[float] = []

            def press(pressed: list[float] = pressed) -> None:
                pressed.append(time.monotonic())
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

            timer = threading.Timer(0.1, press)
            timer.start()
            try:
                client.get("/wait")
            except KeyboardInterrupt:
                late.append(time.monotonic() - pressed[0])
            timer.join()
    child.close()
    return [
        "## Ctrl-C during a silent response",
        "",
        "| what | measured | to be |",
        "|---|---|---|",
        f"| {len(late)} times back after, at most | {max(late) * 1000:.1f} ms | within 100 ms |",
    ]


def peak(work: Callable[[], object]) -> tuple[float, float]:
    """Return how far memory rose while something was done, in bytes, and its seconds."""
    idle = highest = resident()
    over = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not over.wait(0.005):
            highest = max(highest, resident())

    watcher, start = threading.Thread(target=watch), time.monotonic()
    watcher.start()
    work()
    seconds = time.monotonic() - start
    over.set()
    watcher.join()
    return highest - idle, seconds


async def blocks() -> AsyncIterator[bytes]:
    for _ in range(GIGABYTE // len(BLOCK)):
        yield BLOCK


def gigabyte(directory: Path) -> list[str]:
    child = Child("raw")
    source, target = directory / "up", directory / "down"
    with source.open("wb") as file:
        file.truncate(GIGABYTE)
    rows = ["## A gigabyte", "", "| way | memory above idle | to be | speed |", "|---|---|---|---|"]
    with HttpClient(no_expect=True) as client:

        def up() -> None:
            with source.open("rb") as file:
                client.put(child.url, file).raise_for_status()

        async def both(way: str) -> None:
            async with AsyncHttpClient(no_expect=True) as other:
                if way == "up":
                    fields = {"Content-Length": str(GIGABYTE)}
                    (await other.put(child.url, blocks(), fields)).raise_for_status()
                else:
                    await other.download(child.url, target)

        ways: list[tuple[str, Callable[[], object]]] = [
            ("up from a file", up),
            ("down to a file", lambda: client.download(child.url, target)),
            ("up from an asynchronous generator", lambda: asyncio.run(both("up"))),
            ("down to a file on asyncio", lambda: asyncio.run(both("down"))),
        ]
        for name, work in ways:
            rise, seconds = peak(work)
            rows.append(
                f"| {name} | {rise / 1e6:.1f} MB | within 10 MB | {GIGABYTE / seconds / 1e6:,.0f} MB/s |"
            )
    child.close()
    return rows


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        lines = [
            "# What the client keeps",
            "",
            f"Printed by `tests/slow/client_soak.py` with CPython {sys.version.split()[0]} and {pycurl.version.split()[1]}.",
            "",
            *soak(),
            "",
            *threads(),
            "",
            *interrupted(),
            "",
            *gigabyte(Path(directory)),
        ]
    lines += [
        "",
        f"The load of the machine was {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores.",
    ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(text)


if __name__ == "__main__":
    {"serve": serve, "raw": serve_raw, "echo": serve_echo}.get("".join(sys.argv[1:]), main)()
