"""Kill downloads at random moments, and fill a disk under them: `make downloads`.

A server in a process of its own serves versions of a body that change all the time, under strong
validators and with ranges; now and then it ignores Range, breaks off, or answers with less than was
asked for. A program downloads from it, with and without ``resume``, and is killed with SIGKILL after
a random time, again and again. After each kill:

- the target is not there, or is one version, whole;
- a part is a beginning of the version that its tag names.

Then the same program is run to its end, and the target is the newest version. At last the same on a
file system of 1 MiB, if this user can mount one (root), where the body has no room.

Usage: downloads.py [KILLS [SEED]]
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bladehttp import HttpClient, Retry

SIZE = 3_000_000
LONGEST = 0.1
"""Seconds after which a program is killed at the latest."""

CHILD = """
import sys
from bladehttp import HttpClient, Retry

for line in sys.stdin:
    url, target, resume = line.split()
    with HttpClient() as client:
        print("begun", flush=True)
        client.download(url, target, resume=resume == "resume", retry=Retry(20, backoff=1))
    print("done", flush=True)
"""


def body(version: int) -> bytes:
    """Return the body of a version: no two agree anywhere."""
    return (f"{version:08d}" * (SIZE // 8 + 1)).encode()[: SIZE + version % 7]


class Versions(BaseHTTPRequestHandler):
    """Serves the newest version, one time in ten a newer one."""

    version = 1
    chance = random.Random(1)
    lock = threading.Lock()

    def do_GET(self) -> None:
        self.close_connection = True
        with suppress(ConnectionError):  # who asked was killed
            self.answer()

    def answer(self) -> None:
        with self.lock:
            dice = self.chance.random()
            if dice < 0.1:
                Versions.version += 1
            version = self.version
        data, start, stop = body(version), 0, None
        if self.headers.get("If-Range") == f'"{version}"' and dice < 0.9:
            start = int(self.headers["Range"][6:-1])
            if dice < 0.3:
                stop = start + SIZE // 4
        piece = data[start:stop]
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{version}"')
        if start:
            last = start + len(piece) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(piece)))
        self.end_headers()
        cut = len(piece) // 2 if dice > 0.8 else len(piece)
        for offset in range(0, cut, 65536):
            self.wfile.write(piece[offset : min(offset + 65536, cut)])
            time.sleep(0.0005)  # so that there is something to kill

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Program:
    """The process that downloads, made anew when it was killed."""

    def __init__(self) -> None:
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, url: str, target: Path, how: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{url} {target} {how}\n")
        self.process.stdin.flush()
        self.wait()

    def wait(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        self.process = self._start()

    def close(self) -> None:
        self.process.communicate()


def check(folder: Path, tally: Counter[str]) -> None:
    """Look at what is on disk, and remove what a kill without ``resume`` has to leave behind."""
    for path in folder.iterdir():
        if path.name not in ("f", "f.part", "f.part.tag"):
            path.unlink()
    target, part, tag = folder / "f", folder / "f.part", folder / "f.part.tag"
    if target.exists():
        data = target.read_bytes()
        assert data == body(int(data[:8])), "the target is no version"
        tally["file"] += 1
    if not part.exists():
        return
    try:
        said = json.loads(tag.read_bytes())["validator"]
    except (OSError, ValueError):
        tally["part without tag"] += 1
        return
    data = part.read_bytes()
    assert body(int(said.strip('"'))).startswith(data), "the part is not what its tag says"
    tally["part"] += 1


def kill_many(url: str, folder: Path, kills: int, chance: random.Random) -> Counter[str]:
    tally: Counter[str] = Counter()
    program = Program()
    for number in range(kills):
        if number % 5 == 0:
            for path in folder.iterdir():
                path.unlink()
        program.begin(url, folder / "f", "plain" if number % 4 == 3 else "resume")
        time.sleep(chance.random() * LONGEST)
        program.kill()
        check(folder, tally)
        if number % 10 == 9:
            program.begin(url, folder / "f", "resume")
            assert program.wait() == "done\n"
            check(folder, tally)
            assert sorted(path.name for path in folder.iterdir()) == ["f"]
            tally["ended"] += 1
    program.close()
    return tally


def fill(url: str, folder: Path) -> str:
    """Download to a disk that is too small, then to the same with room."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        return "not tried: no file system can be mounted"
    try:
        (folder / "f").write_bytes(b"old")
        with HttpClient() as client:
            for resume in (False, True, True):
                try:
                    client.download(url, folder / "f", resume=resume, retry=Retry(9, backoff=1))
                except OSError as error:
                    assert error.errno == 28, error  # noqa: PT017 - ENOSPC
                else:
                    raise AssertionError("a full disk was not told")
                assert (folder / "f").read_bytes() == b"old"
                check_part(folder)
            subprocess.run(["mount", "-o", "remount,size=16m", folder], check=True)
            client.download(url, folder / "f", resume=True, retry=Retry(20, backoff=1))
        check(folder, Counter())
        return "ENOSPC told, file and part sound, continued with room"
    finally:
        subprocess.run(["umount", folder], check=True)


def check_part(folder: Path) -> None:
    (folder / "f").rename(folder / "old")
    kept = (folder / "old").read_bytes()
    check(folder, Counter())
    (folder / "f").write_bytes(kept)


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4))
    print(f"{kills} kills, seed {seed}", flush=True)
    Versions.chance = random.Random(seed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Versions)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/f"
    with tempfile.TemporaryDirectory() as name:
        tally = kill_many(url, Path(name), kills, random.Random(seed))
    print(", ".join(f"{what}: {count}" for what, count in sorted(tally.items())))
    with tempfile.TemporaryDirectory() as name:
        print(f"full disk: {fill(url, Path(name))}")
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
