"""Fuzz a live server: `make fuzz`.

The server runs in a process of its own with 64 descriptors. Eight threads send it cases of
the wire corpus, mutated and cut at random, leave in every possible way, and read what comes.
It fails if an answer is a 500, if the server logs an error, keeps a descriptor, or does not
answer a normal request at the end.

Usage: fuzz.py [SECONDS [SEED]]
"""

import http.client
import json
import logging
import random
import resource
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from wire.corpus import load

from bladehttp.server import HttpServer

DESCRIPTORS = 64
THREADS = 8

TOKENS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"\xff", b"\xc3\xa9", b"%", b"%00",
    b"0", b"5", b"-1", b"ffffffffffffffff", b"chunked", b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: 99999999999\r\n", b"Host: a\r\n", b"Cookie: a=b;;=\r\n",
    b"Content-Type: application/json\r\n", b"Content-Type: multipart/form-data; boundary=x\r\n",
    b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n", b"--x--\r\n", b'{"a":', b"[" * 2000,
    b"Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00", b'Forwarded: for="\r\n', b"X-Forwarded-For: ,,1\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
]  # fmt: skip


def serve() -> None:
    """Be the server: print the port, answer until standard input ends, print the figures."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    logging.basicConfig(level=logging.ERROR)
    server = HttpServer(0)
    server.read_timeout = server.write_timeout = server.keep_alive_timeout = 500
    server.decode_request_body = True
    server.trusted_proxies = ["127.0.0.1"]
    errors = []
    server.on_error(lambda error, client: errors.append(repr(error)))

    def answer(request, response):
        if request.path == "/large":
            response.write(b"x" * 1_000_000)
        else:
            response.json(request)
        _ = (request.trailers, request.content_type, request.scheme, request.cookies)

    server.on_receive(answer)

    def descriptors() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    with server:
        before = descriptors()
        print(server.port, flush=True)
        sys.stdin.read()
        deadline = time.monotonic() + 10
        while descriptors() > before and time.monotonic() < deadline:
            time.sleep(0.05)
        print(
            json.dumps(
                {
                    "left": descriptors() - before,
                    "errors": errors[:5],
                    "connections": server.stats.connections,
                    "requests": server.stats.requests,
                    "refused": server.stats.refused,
                }
            )
        )


class Fuzzer:
    """One thread's share of the work."""

    def __init__(self, port: int, seed: str, cases: list[bytes]) -> None:
        self.address = ("127.0.0.1", port)
        self.chance = random.Random(seed)
        self.cases = cases
        self.statuses: Counter[bytes] = Counter()
        self.streams = 0

    def mutated(self) -> bytes:
        chance = self.chance
        data = bytearray(b"".join(chance.choices(self.cases, k=chance.randint(1, 3))))
        for _ in range(chance.choice([0, 1, 1, 2, 3, 8])):
            at = chance.randint(0, len(data))
            match chance.randint(0, 4):
                case 0:
                    data[at:at] = chance.choice(TOKENS)
                case 1:
                    data[at : at + 1] = bytes([chance.randint(0, 255)])
                case 2:
                    del data[at : at + chance.randint(1, 20)]
                case 3:
                    data[at:at] = data[at : at + chance.randint(1, 50)]
                case 4:
                    data[at:at] = chance.randbytes(chance.randint(1, 30))
        return bytes(data)

    def stream(self) -> None:
        chance = self.chance
        data = self.mutated()
        with socket.create_connection(self.address, timeout=5) as client:
            while data:
                size = chance.choice([1, 3, 50, 1000, len(data)])
                client.send(data[:size])
                data = data[size:]
            match chance.randint(0, 3):
                case 0:
                    return  # leave without reading
                case 1:
                    client.shutdown(socket.SHUT_WR)
                case 2:
                    client.settimeout(0.05)
            answer = b""
            while piece := client.recv(65536):
                answer += piece
            for line in answer.split(b"HTTP/1.1 ")[1:]:
                self.statuses[line[:3]] += 1

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            self.streams += 1
            try:
                self.stream()
            except OSError:
                continue


def fuzz(seconds: float, seed: str) -> int:
    """Fuzz a server and return how many things were wrong."""
    child = subprocess.Popen(
        [sys.executable, "-X", "dev", __file__, "serve"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    port = int(child.stdout.readline())
    cases = [case.data for kind in ("accept", "reject") for case in load(kind)]
    cases = [data for data in cases if len(data) < 5000]
    fuzzers = [Fuzzer(port, f"{seed}/{number}", cases) for number in range(THREADS)]
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=fuzzer.run, args=(until,)) for fuzzer in fuzzers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/normal")
    normal = connection.getresponse().status
    connection.close()
    printed, logged = child.communicate("")
    figures = json.loads(printed)
    statuses = sum((fuzzer.statuses for fuzzer in fuzzers), Counter())
    print(
        f"seed {seed}, {seconds:g} s, {sum(f.streams for f in fuzzers)} streams; server: {figures}"
    )
    print("answers:", {status.decode("latin-1"): n for status, n in sorted(statuses.items())})
    wrong = [
        *(["a 500"] if statuses[b"500"] else []),
        *(["an error in the log"] if logged else []),
        *(["a descriptor left"] if figures["left"] > 0 else []),
        *(["on_error called"] if figures["errors"] else []),
        *([f"normal request answered {normal}"] if normal != 200 else []),
    ]
    print("wrong: " + ", ".join(wrong) if wrong else "nothing wrong")
    print(logged, end="", file=sys.stderr)
    return len(wrong)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        arguments = sys.argv[1:]
        length = float(arguments[0]) if arguments else 30
        sys.exit(fuzz(length, arguments[1] if arguments[1:] else str(time.time_ns())))
