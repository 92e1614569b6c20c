"""What lies on disk while a file is downloaded: under crashes, on a full disk, with two at once."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import run_async, wait_until

from bladehttp import AsyncHttpClient
from bladehttp.client import HttpClient
from bladehttp.client._download.part_file import PartFile
from bladehttp.exceptions import IncompleteBody

ONE, TWO = b"1" * 300_000, b"2" * 300_000
DIGEST = hashlib.sha256(ONE).hexdigest()
VERSIONS = {'"one"': ONE, '"two"': TWO}


class Versions:
    """Serves the version that is named by `tag`, with ranges.

    Attributes:
        tag: The validator.
        stands: Whether each body stands still in the middle until `go_on` is set.
        breaks: Whether each body breaks off in the middle.
        waiting: How many stand still.
        total: How many requests came.
    """

    def __init__(self) -> None:
        self.tag = '"one"'
        self.stands = self.breaks = False
        self.go_on = threading.Event()
        self.waiting = self.total = 0

    def __call__(self, connection: Any) -> None:
        while True:
            request = connection.read_request()
            self.total += 1
            body, start = VERSIONS[self.tag], 0
            if request.get("If-Range") == self.tag:
                start = int(request.get("Range")[6:-1])
            head = f"HTTP/1.1 200 OK\r\nETag: {self.tag}\r\nContent-Length: {len(body) - start}"
            if start:
                head = head.replace("200 OK", "206 Part")
                head += f"\r\nContent-Range: bytes {start}-{len(body) - 1}/{len(body)}"
            half = start + (len(body) - start) // 2
            connection.send(f"{head}\r\n\r\n".encode() + body[start:half])
            if self.breaks:
                connection.hang_up()
                connection.socket.recv(1)
                return
            if self.stands:
                self.waiting += 1
                assert self.go_on.wait(10)
            connection.send(body[half:])


@pytest.fixture
def versions() -> Iterator[Versions]:
    made = Versions()
    yield made
    made.go_on.set()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# -- crashes


CRASH = """
import os, sys
from bladehttp.client import HttpClient
from bladehttp.client._download.part_file import PartFile

url, target, resume = sys.argv[1], sys.argv[2], sys.argv[3] == "resume"
STEPS = {"open", "os.truncate", "os.remove", "os.rename"}

def download(most):
    left = most

    def count(event, arguments):
        nonlocal left
        folder = os.path.dirname(target)
        if event in STEPS and str(arguments[0]).startswith((folder, *"0123456789")):
            left -= 1
            if left < 0:
                os._exit(9)

    def report(done, total):
        count("open", [target])

    with HttpClient() as client:
        client.get(url + "/warm")
        sys.addaudithook(count)
        client.download(url, target, report, resume=resume)
    os._exit(0)

for line in sys.stdin:
    if not (child := os.fork()):
        download(int(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Downloads in a child that ends at the nth step that changes a file, or at a piece of the body."""


class Crashes:
    """A process whose children crash when they are told to."""

    def __init__(self, url: str, target: Path, resume: bool) -> None:
        command = [sys.executable, "-c", CRASH, url, str(target), "resume" if resume else "plain"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def at(self, step: int) -> bool:
        """Download up to a step; return whether it crashed there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{step}\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        assert code in (0, 9)
        return code == 9

    def close(self) -> None:
        try:
            self.process.communicate(timeout=10)
        finally:
            self.process.kill()


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resume"])
@pytest.mark.parametrize("before", ["nothing", "a part", "a file and a part"])
def test_a_crash_at_any_step_leaves_no_wrong_file(
    client: HttpClient, peers: Any, versions: Versions, tmp_path: Path, before: str, resume: bool
) -> None:
    url = peers.raw(versions).url
    (tmp_path / "d").mkdir()
    target = tmp_path / "d" / "f"
    crashes = Crashes(url, target, resume)
    step, crashed = 0, True
    while crashed:
        for path in target.parent.iterdir():
            path.unlink()
        if before != "nothing":
            versions.breaks = True
            with pytest.raises(IncompleteBody):
                client.download(url, target, resume=True)
            versions.breaks = False
            if before != "a part":
                target.write_bytes(ONE)
            versions.tag = '"two"'
        crashed = crashes.at(step)
        check(target, versions.tag, whole=not crashed)
        client.download(url, target, resume=True)
        assert target.read_bytes() == VERSIONS[versions.tag]
        versions.tag = '"one"'
        step += 1
    crashes.close()
    assert step > (5 if resume else 2)


def check(target: Path, tag: str, whole: bool) -> None:
    """Nothing on disk says of itself what it is not."""
    found = contents(target.parent)
    file = found.get("f")
    assert file in ([VERSIONS[tag]] if whole else [None, *VERSIONS.values()])
    part, text = found.get("f.part", b""), found.get("f.part.tag", b"")
    try:
        said = json.loads(text)["validator"]
    except ValueError:
        return
    assert VERSIONS[said].startswith(part)


# -- a full disk


FULL = """
import resource, sys
from bladehttp.client import HttpClient
from bladehttp.client._download.part_file import PartFile

resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # bytes; as on a full disk
with HttpClient() as client:
    try:
        client.download(sys.argv[1], sys.argv[2], resume=sys.argv[3] == "resume")
    except OSError as error:
        print(type(error).__name__, error.errno)
"""


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resume"])
def test_a_full_disk_leaves_the_file_and_a_sound_part(
    client: HttpClient, peers: Any, versions: Versions, tmp_path: Path, resume: bool
) -> None:
    url, target = peers.raw(versions).url, tmp_path / "f"
    target.write_bytes(TWO)
    command = [sys.executable, "-c", FULL, url, str(target), "resume" if resume else "plain"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "OSError 27\n"
    assert target.read_bytes() == TWO
    if resume:
        assert (tmp_path / "f.part").read_bytes() == ONE[:200_000]
        assert client.download(url, target, resume=True).status == 206
    else:
        client.download(url, target)
    assert contents(tmp_path) == {"f": ONE}


# -- two at once


def test_a_second_download_to_the_same_part_is_refused(
    client: HttpClient, peers: Any, versions: Versions, tmp_path: Path
) -> None:
    url, target = peers.raw(versions).url, tmp_path / "f"
    versions.stands = True
    first = threading.Thread(target=client.download, args=(url, target, None, True))
    first.start()
    wait_until(lambda: versions.waiting == 1)
    with pytest.raises(BlockingIOError, match="another download of this file is under way"):
        client.download(url, target, resume=True)
    assert versions.total == 1
    script = "import sys, bladehttp as h; h.HttpClient().download(*sys.argv[1:3], resume=True)"
    command = [sys.executable, "-c", script, url, str(target)]
    other = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "BlockingIOError" in other.stderr
    versions.go_on.set()
    first.join()
    assert contents(tmp_path) == {"f": ONE}
    assert client.download(url, target, resume=True).status == 200


@pytest.mark.usefixtures("each_loop")
def test_two_tasks_do_not_write_the_same_part(
    peers: Any, versions: Versions, tmp_path: Path
) -> None:
    url, target = peers.raw(versions).url, tmp_path / "f"
    versions.stands = True

    async def main() -> list[Any]:
        async with AsyncHttpClient() as client:
            tasks = [
                asyncio.ensure_future(client.download(url, target, resume=True)) for _ in range(5)
            ]
            await asyncio.to_thread(wait_until, lambda: versions.waiting == 1)
            versions.go_on.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    results = run_async(main())
    assert [type(each) for each in results[1:]] == [BlockingIOError] * 4
    assert (results[0].status, versions.total, contents(tmp_path)) == (200, 1, {"f": ONE})


def test_without_resume_two_downloads_have_files_of_their_own(
    client: HttpClient, peers: Any, versions: Versions, tmp_path: Path
) -> None:
    url, target = peers.raw(versions).url, tmp_path / "f"
    versions.stands = True
    threads = [threading.Thread(target=client.download, args=(url, target)) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: versions.waiting == 3)
    assert len(contents(tmp_path)) == 3
    versions.go_on.set()
    for thread in threads:
        thread.join()
    assert contents(tmp_path) == {"f": ONE}


def test_a_forked_child_does_not_keep_the_lock(
    client: HttpClient, peers: Any, versions: Versions, tmp_path: Path
) -> None:
    url, target = peers.raw(versions).url, tmp_path / "f"
    reader, writer = os.pipe()
    versions.breaks = True
    children = []

    def fork(done: int, total: int | None) -> None:
        if not children and not (children.append(os.fork()) or children[0]):
            os.read(reader, 1)
            os._exit(0)

    with pytest.raises(IncompleteBody):
        client.download(url, target, fork, resume=True)
    versions.breaks = False
    client.download(url, target, resume=True)
    os.write(writer, b".")
    os.waitpid(children[0], 0)
    os.close(reader)
    os.close(writer)
    assert contents(tmp_path) == {"f": ONE}


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_is_put_where_it_was_begun(
    client: HttpClient, peers: Any, versions: Versions, tmp_path: Path, monkeypatch: Any,
    resume: bool,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()

    def move(done: int, total: int | None) -> None:
        monkeypatch.chdir(tmp_path / "other")

    client.download(peers.raw(versions).url, "f", move, resume=resume)
    (tmp_path / "other").rmdir()
    assert contents(tmp_path) == {"f": ONE}


def test_what_was_changed_by_others_is_not_put_in_place(
    client: HttpClient, peers: Any, versions: Versions, tmp_path: Path
) -> None:
    url, target = peers.raw(versions).url, tmp_path / "f"

    def longer(done: int, total: int | None) -> None:
        if done == total:
            with (tmp_path / "f.part").open("ab") as file:
                file.write(b"x")

    def another(done: int, total: int | None) -> None:
        if done == total:
            (tmp_path / "new").write_bytes(ONE)
            (tmp_path / "new").rename(tmp_path / "f.part")

    def gone(done: int, total: int | None) -> None:
        (tmp_path / "f.part").unlink(missing_ok=True)

    for change, expected in ((longer, "changed"), (another, "changed"), (gone, "removed")):
        with pytest.raises(OSError, match=f"file was {expected} while it was written"):
            client.download(url, target, change, resume=True)
        assert not target.exists()
    client.download(url, target, resume=True)
    assert contents(tmp_path) == {"f": ONE}


# -- cancelled


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resume"])
@pytest.mark.usefixtures("each_loop")
def test_a_cancelled_download_leaves_a_part_or_nothing(
    peers: Any, versions: Versions, tmp_path: Path, resume: bool
) -> None:
    url, target = peers.raw(versions).url, tmp_path / "f"
    versions.stands = True

    async def main() -> None:
        async with AsyncHttpClient() as client:
            seen = asyncio.Event()
            task = asyncio.ensure_future(
                client.download(url, target, lambda *now: seen.set(), resume=resume)
            )
            await seen.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert sorted(contents(tmp_path)) == (["f.part", "f.part.tag"] if resume else [])
            versions.go_on.set()
            await client.download(url, target, resume=resume)

    run_async(main())
    assert contents(tmp_path) == {"f": ONE}


@pytest.mark.usefixtures("each_loop")
def test_a_download_that_is_cancelled_at_its_end_is_ended_first(
    peers: Any, versions: Versions, tmp_path: Path
) -> None:
    url, target = peers.raw(versions).url, tmp_path / "f"

    async def main() -> bool:
        async with AsyncHttpClient() as client:

            def cancel(done: int, total: int | None) -> None:
                if done == total:  # from now on nothing is awaited but what syncs and renames
                    asyncio.get_running_loop().call_later(0, task.cancel)

            task = asyncio.ensure_future(
                client.download(url, target, cancel, resume=True, checksum=f"sha256:{DIGEST}")
            )
            await asyncio.wait([task])
            return task.cancelled()

    cancelled = run_async(main())
    assert cancelled
    assert contents(tmp_path) in ({"f": ONE}, contents(tmp_path) | {"f.part": ONE})


@pytest.mark.usefixtures("each_loop")
def test_a_download_does_not_wait_for_the_threads_that_wait_for_it(
    peers: Any, versions: Versions, tmp_path: Path
) -> None:
    url, target = peers.raw(versions).url, tmp_path / "f"

    async def main() -> int:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        async with AsyncHttpClient() as client:

            def fetch() -> int:
                task = client.download(url, target)
                return asyncio.run_coroutine_threadsafe(task, loop).result(10).status

            return await asyncio.to_thread(fetch)

    assert run_async(main()) == 200
    assert contents(tmp_path) == {"f": ONE}


def test_a_part_that_is_descriptor_0_is_removed_too(tmp_path: Path) -> None:
    standard_input = os.dup(0)
    os.close(0)
    try:
        part = PartFile(tmp_path / "f", "http://a.test/", keep=False)
        part.open()
        part.write(b"x")
        part.close()
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(0)
    finally:
        os.dup2(standard_input, 0)
        os.close(standard_input)
