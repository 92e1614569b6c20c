"""Send POSTs over connections that end all the time, and count them at the server: `make resends`.

A POST may reach its server once only. Each row is one way to send them; it says how many were
answered with 200, and how often the server has seen each.

- nginx with HTTP/2 and its default ``keepalive_requests``: it ends each connection after 1,000
  requests by GOAWAY, in the middle of those under way. Its log counts.
- A server that closes each connection after a response and does not announce it, with and without
  TLS. It counts the bodies that it has read whole.

Usage: resends.py POSTS_TO_NGINX POSTS_TO_THE_OTHER
"""

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

from bladehttp import AsyncHttpClient, HttpClient, HttpException

Send = Callable[[HttpClient, list[str]], list[Any]]

WAITS = 20
"""Seconds for a server to start, or for the last line of its log."""

NGINX = """
daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format bodies '$request_body $status $connection'; access_log {0}/access.log bodies;
  client_body_temp_path {0}/body; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f;
  uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;
  server {{
    listen 127.0.0.1:{1} ssl http2; ssl_certificate {0}/server.pem; ssl_certificate_key {0}/server.pem;
    location / {{ client_body_in_single_buffer on; proxy_pass http://unix:{0}/socket:/; }}
  }}
  server {{ listen unix:{0}/socket; access_log off; location / {{ return 200; }} }}
}}
"""

CLOSER = """
import collections, json, socket, ssl, sys, threading

seen, lock = collections.Counter(), threading.Lock()
context = None
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])

def serve(peer):
    peer.settimeout(20)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is not None:
        peer = context.wrap_socket(peer, server_side=True)
    with peer, peer.makefile("rb") as file:
        target = file.readline().split()[1]
        length = 0
        while (line := file.readline()) not in (b"\\r\\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = file.read(length)
        with lock:
            if target == b"/seen":
                body = json.dumps(seen).encode()
            elif len(body) == length:
                seen[body.decode()] += 1
        peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)

def run(peer):
    try:
        serve(peer)
    except (OSError, IndexError):  # the client has closed
        peer.close()

listener = socket.create_server(("127.0.0.1", 0), backlog=512)
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=run, args=(listener.accept()[0],), daemon=True).start()
"""


def in_sequence(client: HttpClient, bodies: list[str]) -> list[Any]:
    return [result_of(client, body) for body in bodies]


def result_of(client: HttpClient, body: str) -> Any:
    try:
        return client.post("/", body)
    except HttpException as error:
        return error


def many(concurrency: int) -> Send:
    def send(client: HttpClient, bodies: list[str]) -> list[Any]:
        requests = ({"url": "/", "method": "POST", "data": body} for body in bodies)
        return list(client.send_many(requests, concurrency))

    return send


def tasks(concurrency: int) -> Send:
    def send(client: HttpClient, bodies: list[str]) -> list[Any]:
        async def main() -> list[Any]:
            async with AsyncHttpClient(
                client.base_url, ca_cert=client.ca_cert, concurrency=concurrency
            ) as each:
                sent = (each.post("/", body) for body in bodies)
                return await asyncio.gather(*sent, return_exceptions=True)

        return asyncio.run(main())

    return send


TO_NGINX = {
    "sequential": in_sequence,
    "send_many 20": many(20),
    "send_many 100": many(100),
    "asyncio 20": tasks(20),
    "asyncio 100": tasks(100),
}

TO_CLOSER = {
    "sequential": in_sequence,
    "send_many 1": many(1),
    "send_many 20": many(20),
    "send_many 100": many(100),
    "asyncio 1": tasks(1),
    "asyncio 100": tasks(100),
}


def row(
    name: str, url: str, ca_file: str, send: Send, number: int, seen: Callable[[], Counter[str]]
) -> bool:
    """Send so many POSTs one way, print what became of them, and return whether all is well."""
    bodies = [f"{name.replace(' ', '-')}-{n}" for n in range(number)]
    with HttpClient(url, ca_cert=ca_file) as client:
        started = time.monotonic()
        results = send(client, bodies)
        took = time.monotonic() - started
    deadline = time.monotonic() + WAITS
    while (counts := seen()) and not all(counts[body] for body in bodies):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    failed = [each for each in results if getattr(each, "status", None) != 200]
    times = Counter(counts[body] for body in bodies)
    versions = {each.version for each in results if each not in failed}
    print(
        f"{name:24}{number - len(failed):6} of {number} answered 200, HTTP {versions}; "
        f"seen: {dict(times)} times; {took:.1f} s",
        flush=True,
    )
    for each in failed[:3]:
        print("   ", repr(each)[:200])
    return not failed and times == {1: number}


@contextmanager
def program(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def with_nginx(folder: Path, number: int) -> list[bool]:
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        print("nginx is not installed: apt-get install nginx-light")
        return [False]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(NGINX.format(folder, port))
    log = folder / "access.log"

    def lines() -> list[list[str]]:
        return [line.split() for line in log.read_text().splitlines()]

    def seen() -> Counter[str]:
        return Counter(body for body, status, _ in lines() if status == "200")

    command = [path, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
    with program(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + WAITS
        while not listens(port) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        url, ca_file = f"https://localhost:{port}", str(folder / "ca.pem")
        results = [
            row(f"nginx {name}", url, ca_file, send, number, seen)
            for name, send in TO_NGINX.items()
        ]
        print(f"nginx: {len({line[2] for line in lines()})} connections for all of them")
    return results


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def with_closer(folder: Path, number: int, is_secure: bool) -> list[bool]:
    ca_file, kind = str(folder / "ca.pem"), "TLS" if is_secure else "plain"
    arguments = [str(folder / "server.pem")] * is_secure
    command = [sys.executable, "-c", CLOSER, *arguments]
    with program(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http{'s' * is_secure}://localhost:{int(process.stdout.readline())}"

        def seen() -> Counter[str]:
            with HttpClient(ca_cert=ca_file) as client:
                return Counter(client.get(f"{url}/seen").json())

        return [
            row(f"{kind} {name}", url, ca_file, send, number, seen)
            for name, send in TO_CLOSER.items()
        ]


def main() -> None:
    to_nginx, to_closer = map(int, sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="resends-") as name:
        folder, authority = Path(name), trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        issued = authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        results = with_nginx(folder, to_nginx)
        for is_secure in (False, True):
            results += with_closer(folder, to_closer, is_secure)
    if not all(results):
        raise SystemExit("not every POST was answered, or one was seen twice")


if __name__ == "__main__":
    main()
