"""Processes that fork while a response is being received."""

import subprocess
import sys
import threading
from typing import Any

import pytest
from support import PATIENCE

SETTING = """
import os, sys
from bladehttp.client import HttpClient
url, ca = sys.argv[1:]
client = HttpClient(url, ca_cert=ca or None, total_timeout=20_000)

def forked(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except RuntimeError as error:
            assert "fork" in str(error), error
            os._exit(7)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""

READING = """
with client.stream("/") as response:
    chunks = response.iter_bytes()
    received = len(next(chunks))
    assert forked(lambda: list(chunks)) == 7
    assert forked(lambda: client.get("/short").raise_for_status()) == 0
    client.get("/go")
    received += sum(map(len, chunks))
assert received == 100_000, received
client.close()
"""

LEAVING = """
child = None
with client.stream("/") as response:
    chunks = response.iter_bytes()
    received = len(next(chunks))
    child = os.fork()
    if child == 0:
        sys.exit(7)  # out of the block, and the interpreter's whole end
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    client.get("/go")
    received += sum(map(len, chunks))
assert received == 100_000, received
client.close()
"""

MANY = """
results = client.send_many(["/short", "/"], concurrency=2)
assert len(next(results).body) == 2
assert forked(lambda: next(results)) == 7
assert forked(results.close) == 0
client.get("/go")
assert len(next(results).body) == 100_000
client.close()
"""


@pytest.mark.parametrize("program", [READING, LEAVING, MANY], ids=["reading", "leaving", "many"])
@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
def test_a_forked_child_takes_nothing_from_its_parents_transfers(
    peers: Any, reply: Any, server_context: Any, certificates: Any, program: str, is_secure: bool
) -> None:
    go = threading.Event()

    def respond(connection: Any) -> None:
        while True:
            target = connection.read_request().target
            if target == "/go":
                go.set()
            if target != "/":
                connection.send(reply(b"ok"))
                continue
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"a" * 10)
            go.wait(PATIENCE)
            connection.send(b"a" * 99_990)

    peer = peers.raw(respond, server_context if is_secure else None)
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", SETTING + program]
    done = subprocess.run(
        [*command, peer.url, certificates.ca_file if is_secure else ""],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
