"""Slow and dead clients over a link of their own: a network namespace, a veth pair and tc.

Needs root and iproute2. Prints a table; ends with 1 if an answer is not whole, or a client that takes
nothing is not reset when its time is over.

    python tests/slow/slow_clients.py
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import trustme

from bladehttp.server import HttpServer
from bladehttp.server._net.send_queue import SLOWEST

NAME = f"slow{os.getpid()}"
HERE, THERE = "10.213.77.1", "10.213.77.2"
WAYS = ("write", "stream", "file", "tls")
READERS = {8: 480_000, 30: 1_000_000, 100: 3_000_000, 400: 8_000_000}
"""KB/s to the bytes that are read: more than all buffers hold."""

LINKS = {"256kbit": 320_000, "1mbit": 1_200_000}

# Reads at a rate (0: as fast as it comes; negative: nothing). Says bytes and seconds.
CLIENT = """
import socket, ssl, sys, time
host, port, path, rate, buffer = sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:6])
sock = socket.socket()
if buffer:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
sock.connect((host, port))
if len(sys.argv) > 6:
    context = ssl.create_default_context(cafile=sys.argv[6])
    sock = context.wrap_socket(sock, server_hostname="localhost")
sock.sendall(f"GET {path} HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n".encode())
begun, count, head = time.monotonic(), 0, b""
if rate < 0:
    time.sleep(120)
try:
    while data := sock.recv(4096):
        if not head.endswith(b"\\r\\n\\r\\n"):
            head, end, data = (head + data).partition(b"\\r\\n\\r\\n")
            head += end
        count += len(data)
        if rate:
            time.sleep(max(0, begun + count / rate - time.monotonic()))
except OSError as error:
    print(repr(error), file=sys.stderr)
print(count, time.monotonic() - begun)
"""


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def build_link() -> None:
    run("ip", "netns", "add", NAME)
    run("ip", "link", "add", f"{NAME}a", "type", "veth", "peer", "name", f"{NAME}b")
    run("ip", "link", "set", f"{NAME}b", "netns", NAME)
    run("ip", "addr", "add", f"{HERE}/24", "dev", f"{NAME}a")
    run("ip", "link", "set", f"{NAME}a", "up")
    for words in f"addr add {THERE}/24 dev {NAME}b", f"link set {NAME}b up":
        run("ip", "-n", NAME, *words.split())


def limit_link(rate: str | None) -> None:
    subprocess.run(
        ["tc", "qdisc", "del", "dev", f"{NAME}a", "root"], check=False, stderr=subprocess.DEVNULL
    )
    if rate is not None:
        shape = f"root tbf rate {rate} burst 4kb latency 200ms"
        run("tc", "qdisc", "add", "dev", f"{NAME}a", *shape.split())


def remove_link() -> None:
    subprocess.run(["ip", "netns", "del", NAME], check=False)
    subprocess.run(["ip", "link", "del", f"{NAME}a"], check=False, stderr=subprocess.DEVNULL)


class Servers:
    """A plain and a TLS server that answer in every way, with the default write_timeout."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca_file = str(directory / "ca.pem")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert("localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
        self.plain, self.secure = HttpServer(0, HERE), HttpServer(0, HERE, is_secure=True)
        self.secure.load_certs(str(directory / "server.pem"))
        self.gone: dict[int, float] = {}
        for server in self.plain, self.secure:
            server.on_receive(self.answer)
            server.on_disconnect(lambda client: self.gone.update({client.port: time.monotonic()}))
            server.start()

    def answer(self, request, response) -> None:
        _, way, size = request.path.split("/")
        if way == "stream":
            response.stream(bytes(10_000) for _ in range(int(size) // 10_000))
        elif way == "file":
            path = self.directory / size
            if not path.exists():
                path.write_bytes(bytes(int(size)))
            response.file(path)
        else:
            response.write(bytes(int(size)))

    def ask(self, way: str, size: int, rate: int, buffer: int = 0) -> subprocess.Popen[str]:
        server = self.secure if way == "tls" else self.plain
        arguments = [HERE, str(server.port), f"/{way}/{size}", str(rate), str(buffer)]
        arguments += [self.ca_file] if way == "tls" else []
        return subprocess.Popen(
            ["ip", "netns", "exec", NAME, sys.executable, "-c", CLIENT, *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self.plain.close()
        self.secure.close()


def take(servers: Servers, what: str, way: str, size: int, rate: int) -> bool:
    """Have a client take an answer, and say what it got."""
    count, seconds = servers.ask(way, size, rate).communicate()[0].split()
    whole = int(count) >= size  # a stream is chunked
    print(
        f"| {what} | {way} | {int(count):,} of {size:,} | {float(seconds):.1f} s | {'whole' if whole else 'CUT'} |"
    )
    return whole


def die(servers: Servers, way: str, buffer: int, deadline: float) -> bool:
    """Have a client take nothing, and say when it was reset."""
    servers.gone.clear()
    before = {server: server.stats.connections for server in (servers.plain, servers.secure)}
    client = servers.ask(way, 10_000_000, -1, buffer)
    while all(server.stats.connections == count for server, count in before.items()):
        time.sleep(0.005)
    begun = time.monotonic()
    while not servers.gone and time.monotonic() - begun < deadline * 3:
        time.sleep(0.005)
    took = next(iter(servers.gone.values()), float("inf")) - begun
    client.kill()
    client.communicate()
    in_time = deadline * 0.95 <= took <= deadline * 1.2
    size = f"{buffer:,} bytes" if buffer else "default"
    print(
        f"| takes nothing, receive buffer {size} | {way} | | {took:.2f} s | {'reset' if in_time else 'NOT IN TIME'} |"
    )
    return in_time


def main() -> int:
    build_link()
    try:
        with tempfile.TemporaryDirectory() as directory:
            servers = Servers(Path(directory))
            print("| client | way | bytes | time | |\n|---|---|---|---|---|")
            with ThreadPoolExecutor(16) as pool:
                results = list(
                    pool.map(
                        lambda row: take(
                            servers, f"reads {row[0]} KB/s", row[1], READERS[row[0]], row[0] * 1000
                        ),
                        [(rate, way) for rate in READERS for way in WAYS],
                    )
                )
            for link, size in LINKS.items():
                limit_link(link)
                results += [take(servers, f"link of {link}", way, size, 0) for way in WAYS]
            limit_link(None)
            results += [die(servers, way, 4096, 2.0) for way in WAYS]
            results.append(
                die(servers, "write", 0, 128 * 1024 / SLOWEST)
            )  # see docs/decisions/0073
            servers.close()
    finally:
        remove_link()
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
