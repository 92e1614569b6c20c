"""A name server that does not answer delays neither close nor Ctrl-C, a loop or an exit.

Each case is a process of its own whose /etc/resolv.conf, in a mount namespace of its own, names a
server on loopback that takes questions and gives no answers.
"""

import itertools
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ADDRESS = "127.98.53.1"

PROMPT = 3
"""Seconds within which each thing is over. total_timeout is 500 ms, and the lookup takes 30 s."""

ATTEMPTS = 4
"""How often a program is run until it is prompt. A wait for the lookup would show in every run."""

Run = Callable[[str], tuple[dict[str, float], str]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run a program; return the seconds it took from each mark to the next, and what it printed."""
    unshare = shutil.which("unshare")
    conf, program = tmp_path / "resolv.conf", tmp_path / "program.py"
    conf.write_text(f"nameserver {ADDRESS}\noptions timeout:30 attempts:1\n")
    mounted = f'mount --bind "{conf}" /etc/resolv.conf && exec "$@"'
    apart = [unshare or "", "--mount", "sh", "-c", mounted, "sh"]
    if (
        unshare is None
        or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs unshare(1) and the right to mount, to name another name server")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind((ADDRESS, 53))
        except OSError as error:
            pytest.skip(f"needs the right to be a name server on loopback: {error}")

        def ran(text: str) -> tuple[dict[str, float], str]:
            program.write_text(PROLOGUE + text)
            for _ in range(ATTEMPTS):
                took, errors = once()
                if max(took.values()) < PROMPT and "held" not in errors:
                    break
            return took, errors

        def once() -> tuple[dict[str, float], str]:
            done = subprocess.run(
                [*apart, sys.executable, "-X", "dev", str(program)],
                capture_output=True, timeout=25, text=True, check=False,
            )  # fmt: skip
            ended = time.monotonic()
            lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
            marks = [(name, float(when)) for name, when in lines] + [("end", ended)]
            took = {name: after - when for (name, when), (_, after) in itertools.pairwise(marks)}
            return took, done.stderr

        yield ran


PROLOGUE = """
import asyncio, os, signal, sys, threading, time
import bladehttp as http
from bladehttp.exceptions import ConnectTimeout, TotalTimeout
URL = "http://slow.example/"

def mark(name):
    print(name, time.monotonic(), flush=True)

def interrupt():
    time.sleep(0.3)
    mark("pressed")
    os.kill(os.getpid(), signal.SIGINT)
"""

WAYS = {
    "get": "client.get(URL, total_timeout=500)",
    "get, connect_timeout": "client.get(URL, connect_timeout=500)",
    "stream": "with client.stream(URL, total_timeout=500): pass",
    "download": "client.download(URL, '/nowhere', total_timeout=500)",
    "send_many": "raise next(client.send_many([{'url': URL, 'total_timeout': 500}]))",
    "retried": "client.get(URL, connect_timeout=200, retry=http.Retry(1, backoff=0))",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_client_is_left_and_the_process_ends(run: Run, way: str) -> None:
    took, errors = run(f"""
with http.HttpClient() as client:
    mark("start")
    try:
        {way}
    except (ConnectTimeout, TotalTimeout):
        mark("raised")
mark("left")
""")
    assert set(took) == {"start", "raised", "left"}, errors
    assert max(took.values()) < PROMPT


def test_a_process_ends_that_left_its_clients_open(run: Run) -> None:
    took, errors = run("""
client = http.HttpClient()
for ask in (client.get, http.get):
    try:
        ask(URL, total_timeout=300)
    except TotalTimeout:
        mark("raised")
""")
    assert list(took) == ["raised"], errors
    assert took["raised"] < PROMPT


@pytest.mark.parametrize(
    "way",
    ["http.get(URL)", "list(http.HttpClient().send_many([URL]))",
     "asyncio.run(wait())"],
    ids=["get", "send_many", "asyncio"],
)  # fmt: skip
def test_ctrl_c_ends_it_at_once(run: Run, way: str) -> None:
    took, errors = run(f"""
async def wait():
    async with http.AsyncHttpClient() as client:
        await client.get(URL)

threading.Thread(target=interrupt).start()
try:
    {way}
except KeyboardInterrupt:
    mark("interrupted")
""")
    assert set(took) == {"pressed", "interrupted"}, errors
    assert max(took.values()) < PROMPT


@pytest.mark.parametrize("end", ["cancel", "close", "timeout", "loop"])
def test_an_event_loop_goes_on(run: Run, end: str) -> None:
    took, errors = run(f"""
end = {end!r}

async def tick():
    worst, last = 0, time.monotonic()
    while True:
        await asyncio.sleep(0.01)
        now = time.monotonic()
        worst, last = max(worst, now - last), now
        if worst > {PROMPT}:
            print("held", file=sys.stderr)

async def main():
    ticking = asyncio.create_task(tick())
    client = http.AsyncHttpClient()
    task = asyncio.create_task(client.get(URL, total_timeout=300 if end == "timeout" else None))
    await asyncio.sleep(0.3)
    mark("end")
    if end == "cancel":
        task.cancel()
    if end != "timeout" and end != "loop":
        await client.close()
    if end != "loop":
        await asyncio.wait([task])
    mark("closed")
    await client.close()
    await asyncio.wait([task])
    await asyncio.sleep(0.05)
    mark("loop")

asyncio.run(main())
mark("over")
""")
    assert list(took) == ["end", "closed", "loop", "over"], errors
    assert max(took.values()) < PROMPT
    assert "held" not in errors


def test_a_forked_child_and_its_parent_end(run: Run) -> None:
    took, errors = run("""
with http.HttpClient() as client:
    try:
        client.get(URL, total_timeout=300)
    except TotalTimeout:
        mark("raised")
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        mark("waited")
if not child:
    os._exit(0)
mark("left")
""")
    assert list(took) == ["raised", "waited", "left"], errors
    assert max(took.values()) < PROMPT
