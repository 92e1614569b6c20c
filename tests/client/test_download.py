"""Downloads, and functions that are told of progress."""

import gzip
import hashlib
import itertools
import json
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Loops, run_async

from bladehttp import AsyncHttpClient, Retry
from bladehttp._message.response import HttpResponse
from bladehttp._message.response_head import RequestInfo
from bladehttp.client import HttpClient
from bladehttp.exceptions import (
    BodyTooLarge,
    ChecksumMismatch,
    ConnectError,
    DecodingError,
    IncompleteBody,
    ProtocolError,
    ReceiveTimeout,
    TotalTimeout,
)

BODY = bytes(range(256)) * 4096
HALF = len(BODY) // 2
AT_ONCE = Retry(5, backoff=0)
LATE = 2
"""Seconds by which a loaded machine may be late."""
OLD_DATE = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"

Fetch = Callable[..., HttpResponse]


class Files:
    """Serves a body with ranges (RFC 9110 section 14); breaks off in the middle when told to.

    Attributes:
        tag: The field that is the validator.
        breaks: How many of the next responses end in the middle of what they announce.
        most: The most bytes of one 206.
        has_ranges: Whether Range is looked at.
        extra: More fields of each response.
    """

    def __init__(self) -> None:
        self.tag = 'ETag: "one"'
        self.breaks = 0
        self.body = BODY
        self.most = 1 << 40
        self.has_ranges = True
        self.extra: tuple[str, ...] = ()
        self.seen: list[Any] = []

    def __call__(self, connection: Any) -> None:
        while True:
            request = connection.read_request()
            self.seen.append(request)
            data = self.answer(request)
            if self.breaks:
                self.breaks -= 1
                head, blank, body = data.partition(b"\r\n\r\n")
                connection.send(head + blank + body[: len(body) // 2])
                connection.hang_up()
                connection.socket.recv(1)
                return
            connection.send(data)

    def answer(self, request: Any) -> bytes:
        start = int((request.get("Range") or "bytes=0-")[6:-1])
        if not self.has_ranges or request.get("If-Range") not in self.tag.split(": "):
            start = 0
        size, rest = len(self.body), self.body[start:]
        head = ["HTTP/1.1 200 OK"]
        if start >= size > 0:
            head = ["HTTP/1.1 416 No", f"Content-Range: bytes */{size}"]
        elif start:
            rest = rest[: self.most]
            last = start + len(rest) - 1
            head = ["HTTP/1.1 206 Part", f"Content-Range: bytes {start}-{last}/{size}"]
        head += [self.tag, *self.extra, f"Content-Length: {len(rest)}", "", ""]
        return "\r\n".join(head).encode() + rest

    def ranges(self) -> list[str | None]:
        return [request.get("Range") for request in self.seen]


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture(params=["HttpClient", "AsyncHttpClient", "uvloop"])
def fetch(request: Any) -> Iterator[Fetch]:
    """Download with either client, on asyncio's loop and on uvloop's."""

    def plain(url: str, path: Path, *given: Any, **more: Any) -> HttpResponse:
        with HttpClient() as client:
            return client.download(url, path, *given, **more)

    def on_a_loop(url: str, path: Path, *given: Any, **more: Any) -> HttpResponse:
        async def main() -> HttpResponse:
            async with AsyncHttpClient() as client:
                return await client.download(url, path, *given, **more)

        return run_async(main())

    if request.param == "uvloop":
        Loops.factory = pytest.importorskip("uvloop").new_event_loop
    yield plain if request.param == "HttpClient" else on_a_loop
    Loops.factory = None


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def keep_half(fetch: Fetch, url: str, files: Files, target: Path) -> None:
    """Have the first half of a body in `target`.part."""
    files.breaks = 1
    with pytest.raises(IncompleteBody):
        fetch(url, target, resume=True)
    files.seen.clear()
    assert names(target.parent)[-2:] == [f"{target.name}.part", f"{target.name}.part.tag"]


# -- whole or not at all


def test_a_download_is_a_file(fetch: Fetch, peers: Any, files: Files, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    (tmp_path / "f").write_text("old")
    response = fetch(peers.raw(files).url, tmp_path / "f", lambda *now: told.append(now))
    assert (tmp_path / "f").read_bytes() == BODY
    assert (response.status, names(tmp_path)) == (200, ["f"])
    assert told[-1] == (len(BODY), len(BODY))
    assert told == sorted(told)
    umask = (tmp_path / "new").touch() or (tmp_path / "new").stat().st_mode
    assert (tmp_path / "f").stat().st_mode == umask
    assert (files.seen[0].get("Range"), files.seen[0].get("Accept-Encoding")) == (None, "identity")


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resume"])
def test_an_empty_body_is_an_empty_file(
    fetch: Fetch, peers: Any, reply: Any, tmp_path: Path, resume: bool
) -> None:
    fetch(peers(reply(b"", "200 OK", 'ETag: "1"')).url, tmp_path / "f", resume=resume)
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (b"", ["f"])


def test_a_download_that_fails_leaves_what_was_there(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.breaks = 1
    (tmp_path / "f").write_text("old")
    url = peers.raw(files).url
    with pytest.raises(IncompleteBody):
        fetch(url, tmp_path / "f")

    def stop(done: int, total: int | None) -> None:
        raise KeyError(done, total)

    with pytest.raises(KeyError):
        fetch(url, tmp_path / "f", stop)
    assert (names(tmp_path), (tmp_path / "f").read_text()) == (["f"], "old")


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resume"])
@pytest.mark.parametrize(
    "status",
    ["201 Created", "202 Accepted", "205 Reset", "226 IM Used", "300 Choices", "304 Not Modified",
     "404 No", "412 Failed", "416 No", "503 Busy"],
)  # fmt: skip
def test_only_a_whole_representation_replaces_a_file(
    fetch: Fetch, peers: Any, reply: Any, tmp_path: Path, status: str, resume: bool
) -> None:
    body = b"" if status[:3] in ("205", "304") else b"said"
    (tmp_path / "f").write_text("old")
    url = peers(reply(body, status, 'ETag: "1"', length=status[:3] != "304")).url
    response = fetch(url, tmp_path / "f", resume=resume, headers={"If-None-Match": '"1"'})
    assert (response.status, response.body) == (int(status[:3]), body)
    assert (names(tmp_path), (tmp_path / "f").read_text()) == (["f"], "old")


def test_a_condition_of_the_callers_leaves_the_part_alone(
    fetch: Fetch, peers: Any, reply: Any, files: Files, tmp_path: Path
) -> None:
    peer = peers.raw(files)
    keep_half(fetch, peer.url, files, tmp_path / "f")
    before = (tmp_path / "f.part").read_bytes(), (tmp_path / "f.part.tag").read_bytes()
    files.answer = lambda request: reply(b"", "304 No", length=False)  # type: ignore[method-assign]
    response = fetch(peer.url, tmp_path / "f", resume=True, headers={"If-None-Match": '"one"'})
    assert (response.status, files.ranges()) == (304, [f"bytes={HALF}-"])
    after = (tmp_path / "f.part").read_bytes(), (tmp_path / "f.part.tag").read_bytes()
    assert after == before == (BODY[:HALF], before[1])


def test_a_203_is_the_whole_too(fetch: Fetch, peers: Any, reply: Any, tmp_path: Path) -> None:
    assert fetch(peers(reply(b"new", "203 Other")).url, tmp_path / "f").status == 203
    assert (tmp_path / "f").read_bytes() == b"new"


def test_the_answer_to_head_is_no_file(fetch: Fetch, peers: Any, tmp_path: Path) -> None:
    peer = peers()
    (tmp_path / "f").write_text("old")
    with pytest.raises(ValueError, match="HEAD has no body"):
        fetch(peer.url, tmp_path / "f", method="head")
    assert (peer.requests, (tmp_path / "f").read_text()) == ([], "old")


def test_a_redirect_on_the_way_is_followed_with_the_range(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    plain = files.answer

    def answer(request: Any) -> bytes:
        if request.target == "/old":
            return b"HTTP/1.1 302 F\r\nLocation: /new\r\nContent-Length: 4\r\n\r\nover"
        return plain(request)

    files.answer = answer  # type: ignore[method-assign]
    url = peers.raw(files).url + "/old"
    files.breaks = 2  # the hop, which does not matter, and the body
    with pytest.raises(IncompleteBody):
        fetch(url, tmp_path / "f", resume=True)
    files.seen.clear()
    assert fetch(url, tmp_path / "f", resume=True).status == 206
    assert files.ranges() == [f"bytes={HALF}-"] * 2
    assert (tmp_path / "f").read_bytes() == BODY
    (tmp_path / "f").write_text("old")
    assert fetch(url, tmp_path / "f", follow_redirect=False).status == 302
    assert (tmp_path / "f").read_text() == "old"


def break_after_first_piece(done: int, total: int | None) -> None:
    raise KeyError(done, total)


# -- before anything is sent


def test_a_place_that_cannot_be_written_is_told_before_anything_is_sent(
    fetch: Fetch, peers: Any, tmp_path: Path
) -> None:
    peer = peers()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for resume in (False, True):
        with pytest.raises(IsADirectoryError):
            fetch(peer.url, tmp_path / "folder", resume=resume)
        with pytest.raises(FileNotFoundError):
            fetch(peer.url, tmp_path / "no" / "f", resume=resume)
        with pytest.raises(NotADirectoryError):
            fetch(peer.url, tmp_path / "pipe" / "f", resume=resume)
        with pytest.raises(OSError, match="not a regular file"):
            fetch(peer.url, tmp_path / "pipe", resume=resume)
    assert (peer.requests, names(tmp_path)) == ([], ["folder", "pipe"])
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize("place", [".", "/", ""])
def test_a_folder_without_a_name_is_a_directory_too(fetch: Fetch, peers: Any, place: str) -> None:
    peer = peers()
    with pytest.raises(IsADirectoryError):
        fetch(peer.url, Path(place))
    assert peer.requests == []


def test_what_lies_in_the_place_of_the_part_is_not_followed(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "f.part").symlink_to("secret")
    url = peers.raw(files).url
    with pytest.raises(OSError, match="symbolic links"):
        fetch(url, tmp_path / "f", resume=True)
    for name in ("secret", "nothing"):
        (tmp_path / "g.part.tag").symlink_to(name)
        fetch(url, tmp_path / "g", resume=True)
    assert (tmp_path / "secret").read_text() == "mine"
    assert names(tmp_path) == ["f.part", "g", "secret"]


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resume"])
def test_a_name_may_be_as_long_as_the_file_system_takes(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path, resume: bool
) -> None:
    target = tmp_path / ("ü" * 127)
    fetch(peers.raw(files).url, target, resume=resume)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    ("checksum", "message"),
    [
        ("0" * 64, "ALGORITHM:HEXADECIMAL"),
        ("sha256", "64 hexadecimal digits"),
        ("abc:" + "0" * 64, "ALGORITHM:HEXADECIMAL"),
        ("sha256:" + "0" * 63, "64 hexadecimal digits"),
        ("sha256:" + "g" * 64, "64 hexadecimal digits"),
        ("shake_128:00", "hexadecimal digits"),
        (b"sha256:", "is a str"),
    ],
)
def test_a_checksum_that_is_none_is_told_before_anything_is_sent(
    fetch: Fetch, peers: Any, tmp_path: Path, checksum: Any, message: str
) -> None:
    peer = peers()
    with pytest.raises((ValueError, TypeError), match=message):
        fetch(peer.url, tmp_path / "f", checksum=checksum)
    assert (peer.requests, names(tmp_path)) == ([], [])


# -- resumed


@pytest.mark.parametrize("tag", ['ETag: "one"', OLD_DATE], ids=["etag", "date"])
def test_a_download_is_resumed(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path, tag: str
) -> None:
    files.tag = tag
    url = peers.raw(files).url
    keep_half(fetch, url, files, tmp_path / "f")
    told: list[Any] = []
    response = fetch(url, tmp_path / "f", lambda *now: told.append(now), resume=True)
    assert (tmp_path / "f").read_bytes() == BODY
    assert (response.status, names(tmp_path)) == (206, ["f"])
    assert files.ranges() == [f"bytes={HALF}-"]
    assert files.seen[-1].get("If-Range") == tag.partition(": ")[2]
    assert (told[0][0] > HALF, told[-1]) == (True, (len(BODY), len(BODY)))


def test_what_has_changed_is_downloaded_from_the_beginning(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    url = peers.raw(files).url
    keep_half(fetch, url, files, tmp_path / "f")
    files.body, files.tag = BODY[::-1], 'ETag: "two"'
    assert fetch(url, tmp_path / "f", resume=True).status == 200
    assert (tmp_path / "f").read_bytes() == BODY[::-1]
    keep_half(fetch, url, files, tmp_path / "f")
    files.body = b"short"  # and says it was the same
    assert fetch(url, tmp_path / "f", resume=True).status == 200
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (b"short", ["f"])


@pytest.mark.parametrize(
    "tag",
    ['ETag: W/"weak"', "X-Nothing: 1", "ETag: unquoted",
     "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT",
     'ETag: "one"\r\nAccept-Ranges: none'],
    ids=["weak", "none", "unquoted", "changed this second", "no ranges"],
)  # fmt: skip
def test_what_cannot_be_continued_is_not_kept(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path, tag: str
) -> None:
    files.breaks, files.tag = 1, tag
    url = peers.raw(files).url
    with pytest.raises(IncompleteBody):
        fetch(url, tmp_path / "f", resume=True)
    assert names(tmp_path) == []
    fetch(url, tmp_path / "f", resume=True)
    assert (files.ranges(), (tmp_path / "f").read_bytes()) == ([None, None], BODY)


BAD = {
    "the new version": ('ETag: "two"', "bytes {at}-{last}/{size}"),
    "no validator": ("X: 1", "bytes {at}-{last}/{size}"),
    "the beginning again": ('ETag: "one"', "bytes 0-{last}/{size}"),
    "elsewhere": ('ETag: "one"', "bytes 3-{last}/{size}"),
    "beyond the end": ('ETag: "one"', "bytes {at}-{size}/{size}"),
    "another length": ('ETag: "one"', "bytes {at}-{last}/{more}"),
    "no range": ('ETag: "one"', ""),
    "coded": ('ETag: "one"\r\nContent-Encoding: gzip', "bytes {at}-{last}/{size}"),
    "many parts": (
        'ETag: "one"\r\nContent-Type: multipart/byteranges; boundary=x',
        "bytes {at}-{last}/{size}",
    ),
}


@pytest.mark.parametrize(("tag", "claim"), BAD.values(), ids=BAD)
def test_a_206_that_does_not_continue_is_not_appended(
    fetch: Fetch, peers: Any, reply: Any, files: Files, tmp_path: Path, tag: str, claim: str
) -> None:
    peer = peers.raw(files)
    keep_half(fetch, peer.url, files, tmp_path / "f")
    plain, files.body = files.answer, BODY[::-1]

    def answer(request: Any) -> bytes:
        if request.get("Range") is None:
            return plain(request)
        at = int(str(request.get("Range"))[6:-1])
        values = {"at": at, "last": len(BODY) - 1, "size": len(BODY), "more": len(BODY) + 1}
        fields = [tag] + ([f"Content-Range: {claim.format(**values)}"] if claim else [])
        return bytes(reply(BODY[::-1][at:], "206 Part", *fields))

    files.answer = answer  # type: ignore[method-assign]
    assert fetch(peer.url, tmp_path / "f", resume=True).status == 200
    assert files.ranges() == [f"bytes={HALF}-", None]
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (BODY[::-1], ["f"])


def test_less_than_asked_is_asked_for_on(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    url = peers.raw(files).url
    keep_half(fetch, url, files, tmp_path / "f")
    files.most = HALF // 3
    told: list[Any] = []
    assert fetch(url, tmp_path / "f", lambda *now: told.append(now), resume=True).status == 206
    assert files.ranges() == [f"bytes={HALF + n * files.most}-" for n in range(4)]
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (BODY, ["f"])
    assert told == sorted(told)
    assert {total for _, total in told} == {len(BODY)}


def test_a_206_that_ends_early_keeps_what_it_brought(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    url = peers.raw(files).url
    keep_half(fetch, url, files, tmp_path / "f")
    plain = files.answer

    def chunked(request: Any) -> bytes:
        head, _, body = plain(request).partition(b"\r\n\r\n")
        fields = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-L")]
        fields += [b"Transfer-Encoding: chunked", b"", b"64"]
        return b"\r\n".join(fields) + b"\r\n" + body[:100] + b"\r\n0\r\n\r\n"

    files.answer = chunked  # type: ignore[method-assign]
    with pytest.raises(IncompleteBody, match=f"{HALF + 100} bytes instead of {len(BODY)}"):
        fetch(url, tmp_path / "f", resume=True)
    assert (tmp_path / "f.part").read_bytes() == BODY[: HALF + 100]
    files.answer = plain  # type: ignore[method-assign]
    fetch(url, tmp_path / "f", resume=True)
    assert (files.ranges()[1], (tmp_path / "f").read_bytes()) == (f"bytes={HALF + 100}-", BODY)


def test_a_206_that_goes_on_after_its_end_is_refused(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    url = peers.raw(files).url
    keep_half(fetch, url, files, tmp_path / "f")
    head = f'HTTP/1.1 206 P\r\nETag: "one"\r\nContent-Range: bytes {HALF}-{HALF + 4}/{len(BODY)}'
    data = f"{head}\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n".encode()
    files.answer = lambda request: data  # type: ignore[method-assign]
    with pytest.raises(ProtocolError, match="longer than"):
        fetch(url, tmp_path / "f", resume=True)
    assert names(tmp_path) == []


@pytest.mark.parametrize("claim", ["bytes 0-4/10", "bytes 5-9/10", "bytes 50-99/80", ""])
def test_a_206_that_nobody_asked_for_is_refused(
    fetch: Fetch, peers: Any, reply: Any, tmp_path: Path, claim: str
) -> None:
    fields = [f"Content-Range: {claim}"] if claim else []
    (tmp_path / "f").write_text("old")
    url = peers(reply(b"12345", "206 Part", 'ETag: "1"', *fields)).url
    with pytest.raises(ProtocolError, match="asked for the whole and got 206") as caught:
        fetch(url, tmp_path / "f", resume=True)
    assert caught.value.response.status == 206
    assert (names(tmp_path), (tmp_path / "f").read_text()) == (["f"], "old")


def test_a_part_that_is_whole_already_is_checked_by_its_last_byte(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    url = peers.raw(files).url
    keep_half(fetch, url, files, tmp_path / "f")
    (tmp_path / "f.part").write_bytes(BODY)
    assert fetch(url, tmp_path / "f", resume=True).status == 206
    assert files.ranges() == [f"bytes={len(BODY) - 1}-"]
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (BODY, ["f"])
    keep_half(fetch, url, files, tmp_path / "f")
    (tmp_path / "f.part").write_bytes(BODY + b"more")
    assert fetch(url, tmp_path / "f", resume=True).status == 200
    assert (files.ranges(), (tmp_path / "f").read_bytes()) == ([None], BODY)


def test_a_range_that_cannot_be_had_is_not_asked_for_again(
    fetch: Fetch, peers: Any, reply: Any, files: Files, tmp_path: Path
) -> None:
    url = peers.raw(files).url
    keep_half(fetch, url, files, tmp_path / "f")
    files.body = BODY[:HALF]  # cut off under the same tag
    assert fetch(url, tmp_path / "f", resume=True).status == 200
    assert files.ranges() == [f"bytes={HALF}-", None]
    assert (tmp_path / "f").read_bytes() == BODY[:HALF]
    keep_half(fetch, url, files, tmp_path / "f")
    files.answer = lambda request: reply(b"", "416 No")  # type: ignore[method-assign]
    assert fetch(url, tmp_path / "f", resume=True).status == 416
    assert (len(files.seen), names(tmp_path)) == (2, ["f"])


SPOILT = {
    "no tag": lambda tag: tag.unlink(),
    "half a tag": lambda tag: tag.write_bytes(tag.read_bytes()[:-1]),
    "an empty tag": lambda tag: tag.write_bytes(b""),
    "another kind of tag": lambda tag: tag.write_text('"one"'),
    "a tag of another type": lambda tag: tag.write_text('["one"]'),
    "a tag with a length that is none": lambda tag: tag.write_text(
        json.dumps(json.loads(tag.read_text()) | {"complete": "1"})
    ),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_part_without_a_sound_tag_is_not_continued(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    url = peers.raw(files).url
    keep_half(fetch, url, files, tmp_path / "f")
    spoil(tmp_path / "f.part.tag")
    fetch(url, tmp_path / "f", resume=True)
    assert (files.ranges(), (tmp_path / "f").read_bytes()) == ([None], BODY)


def test_a_part_of_another_url_is_not_continued(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    url = peers.raw(files).url
    keep_half(fetch, f"{url}/disk?n=1", files, tmp_path / "f")
    assert "disk" not in (tmp_path / "f.part.tag").read_text()
    files.body = BODY[::-1]  # two files of one size and time have one ETag at nginx
    fetch(f"{url}/disk?n=2", tmp_path / "f", resume=True)
    assert (files.ranges(), (tmp_path / "f").read_bytes()) == ([None], BODY[::-1])


def test_a_part_with_a_hole_is_continued_from_there(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    url = peers.raw(files).url
    keep_half(fetch, url, files, tmp_path / "f")
    part = tmp_path / "f.part"
    with part.open("wb") as file:  # as after a power cut: the length is on disk, the bytes are not
        file.write(BODY[: HALF // 4])
        file.truncate(HALF)
    fetch(url, tmp_path / "f", resume=True)
    assert (tmp_path / "f").read_bytes() == BODY
    assert files.ranges() == [f"bytes={HALF // 4}-"]


def test_the_largest_body_is_that_of_the_whole(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    url = peers.raw(files).url
    keep_half(fetch, url, files, tmp_path / "f")
    with pytest.raises(BodyTooLarge, match=f"body of {len(BODY)} bytes"):
        fetch(url, tmp_path / "f", resume=True, max_body_size=len(BODY) - 1)
    assert fetch(url, tmp_path / "f", resume=True, max_body_size=len(BODY)).status == 206


def test_a_fragment_is_no_other_url(fetch: Fetch, peers: Any, files: Files, tmp_path: Path) -> None:
    url = peers.raw(files).url
    keep_half(fetch, url + "/#a", files, tmp_path / "f")
    assert fetch(url + "/#b", tmp_path / "f", resume=True).status == 206


def test_only_get_has_ranges(fetch: Fetch, peers: Any, files: Files, tmp_path: Path) -> None:
    url = peers.raw(files).url
    files.breaks = 1
    with pytest.raises(IncompleteBody):
        fetch(url, tmp_path / "f", resume=True, method="POST", data=b"x")
    assert names(tmp_path) == []
    keep_half(fetch, url, files, tmp_path / "f")
    fetch(url, tmp_path / "f", resume=True, method="POST", data=b"x")
    assert (files.ranges(), (tmp_path / "f").read_bytes()) == ([None], BODY)
    assert names(tmp_path) == ["f", "f.part", "f.part.tag"]  # what a GET can continue


def test_a_range_of_the_callers_is_what_the_file_is(
    fetch: Fetch, peers: Any, reply: Any, tmp_path: Path
) -> None:
    peer = peers(reply(b"56789", "206 Part", "Content-Range: bytes 5-9/20"))
    assert fetch(peer.url, tmp_path / "f", headers={"Range": "bytes=5-9"}).status == 206
    assert (peer.last.get("Range"), (tmp_path / "f").read_bytes()) == ("bytes=5-9", b"56789")
    with pytest.raises(ProtocolError, match="asked for 'bytes=5-19' and got 206"):
        fetch(peer.url, tmp_path / "f", headers={"range": "bytes=5-19"})
    with pytest.raises(ValueError, match="resume asks for ranges by itself"):
        fetch(peer.url, tmp_path / "f", resume=True, headers={"Range": "bytes=5-9"})
    assert ((tmp_path / "f").read_bytes(), len(peer.requests)) == (b"56789", 2)
    fetch(peers(reply(b"whole")).url, tmp_path / "f", headers={"Range": "bytes=5-9"})
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (b"whole", ["f"])


# -- content codings


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resume"])
@pytest.mark.parametrize("asked", [{}, {"accept_encoding": "gzip"}], ids=["unasked", "asked"])
def test_the_file_is_decoded_with_and_without_resume(
    fetch: Fetch, peers: Any, reply: Any, tmp_path: Path, resume: bool, asked: dict[str, str]
) -> None:
    whole = gzip.compress(BODY)
    peer = peers(reply(whole, "200 OK", 'ETag: "1"', "Content-Encoding: gzip"))
    fetch(peer.url, tmp_path / "f", resume=resume, **asked)
    assert (tmp_path / "f").read_bytes() == BODY
    assert peer.last.get("Accept-Encoding") == asked.get("accept_encoding", "identity")
    fetch(peer.url, tmp_path / "f", resume=resume, accept_encoding=None)
    assert ((tmp_path / "f").read_bytes(), peer.last.get("Accept-Encoding")) == (whole, None)
    broken = peers(reply(whole[:-4], "200 OK", 'ETag: "1"', "Content-Encoding: gzip"))
    with pytest.raises(DecodingError, match="ends early"):
        fetch(broken.url, tmp_path / "g", resume=resume)
    assert names(tmp_path) == ["f"]


def test_a_client_that_decodes_nothing_stays_so(
    client: HttpClient, peers: Any, reply: Any, tmp_path: Path
) -> None:
    client.accept_encoding = None
    whole = gzip.compress(BODY)
    client.download(peers(reply(whole, "200 OK", "Content-Encoding: gzip")).url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == whole


def test_a_coded_body_that_breaks_off_is_not_kept(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.breaks, files.extra, files.body = 1, ("Content-Encoding: gzip",), gzip.compress(BODY)
    with pytest.raises(IncompleteBody):
        fetch(peers.raw(files).url, tmp_path / "f", resume=True)
    assert names(tmp_path) == []


# -- with retry


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resume"])
def test_a_download_continues_by_itself(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path, resume: bool
) -> None:
    files.breaks = 3
    told: list[Any] = []
    url = peers.raw(files).url
    response = fetch(
        url, tmp_path / "f", lambda *now: told.append(now), resume=resume, retry=AT_ONCE
    )
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (BODY, ["f"])
    assert (response.status, len(files.seen)) == (206, 4)
    asked = [int(str(each)[6:-1]) for each in files.ranges()[1:]]
    assert asked == sorted(asked)
    assert asked[0] == HALF
    assert told == sorted(told)


class Told(logging.Handler):
    """Sets `refused` when the log says that nobody answered."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "ConnectError" in record.getMessage():
            self.refused.set()


@pytest.fixture
def told() -> Iterator[Told]:
    handler, logger = Told(), logging.getLogger("bladehttp.client")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


def test_a_server_that_is_gone_for_a_moment_is_waited_for(
    fetch: Fetch, told: Told, tmp_path: Path
) -> None:
    asked: list[bytes] = []

    def serve(listener: socket.socket, status: str, body: bytes) -> None:
        with listener, listener.accept()[0] as connection:
            asked.append(connection.recv(65536))
            head = f'HTTP/1.1 {status}\r\nETag: "1"\r\nContent-Length: '
            size = len(BODY) if status[:3] == "200" else len(body)
            connection.sendall(f"{head}{size}\r\n\r\n".encode() + body)

    def come_and_go(listener: socket.socket) -> None:
        serve(listener, "200 OK", BODY[:HALF])
        assert told.refused.wait(10)
        part = f"206 Part\r\nContent-Range: bytes {HALF}-{len(BODY) - 1}/{len(BODY)}"
        serve(socket.create_server(("127.0.0.1", port)), part, BODY[HALF:])

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    thread = threading.Thread(target=come_and_go, args=(listener,))
    thread.start()
    url = f"http://127.0.0.1:{port}"
    fetch(url, tmp_path / "f", retry=Retry(100, backoff=50, longest=50))
    thread.join()
    assert (len(asked), f"Range: bytes={HALF}-\r\n".encode() in asked[1]) == (2, True)
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (BODY, ["f"])


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resume"])
def test_a_server_without_ranges_is_not_asked_for_ever(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path, resume: bool
) -> None:
    files.has_ranges, files.breaks = False, 1000
    with pytest.raises(IncompleteBody):
        fetch(peers.raw(files).url, tmp_path / "f", resume=resume, retry=Retry(4, backoff=0))
    assert len(files.seen) == 5
    assert names(tmp_path) == (["f.part", "f.part.tag"] if resume else [])
    files.breaks = 2
    fetch(peers.made[0].url, tmp_path / "f", resume=resume, retry=Retry(4, backoff=0))
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (BODY, ["f"])


def test_without_a_validator_each_attempt_begins_from_the_beginning(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.tag, files.breaks = "X: 1", 2
    told: list[int] = []
    url = peers.raw(files).url
    fetch(url, tmp_path / "f", lambda done, _: told.append(done), retry=AT_ONCE)
    assert (files.ranges(), (tmp_path / "f").read_bytes()) == ([None] * 3, BODY)
    assert told.count(HALF) >= 2
    assert told[-1] == len(BODY)


def test_a_range_of_the_callers_is_asked_for_again(
    fetch: Fetch, peers: Any, reply: Any, files: Files, tmp_path: Path
) -> None:
    part = reply(b"56789", "206 Part", 'ETag: "1"', "Content-Range: bytes 5-9/20")
    files.answer = lambda request: part  # type: ignore[method-assign]
    files.breaks = 2
    url = peers.raw(files).url
    fetch(url, tmp_path / "f", headers={"Range": "bytes=5-9"}, retry=AT_ONCE)
    assert (files.ranges(), (tmp_path / "f").read_bytes()) == (["bytes=5-9"] * 3, b"56789")


def test_what_may_not_be_repeated_is_not_repeated_when_it_breaks_off(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.breaks = 1
    url = peers.raw(files).url
    with pytest.raises(IncompleteBody):
        fetch(url, tmp_path / "f", method="POST", data=b"x", retry=AT_ONCE)
    assert (len(files.seen), names(tmp_path)) == (1, [])


def test_what_changes_between_two_attempts_is_not_mixed(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.breaks = 1

    def change(done: int, total: int | None) -> None:
        files.body, files.tag = BODY[::-1], 'ETag: "two"'

    url = peers.raw(files).url
    assert fetch(url, tmp_path / "f", change, retry=AT_ONCE).status == 200
    assert ((tmp_path / "f").read_bytes(), len(files.seen)) == (BODY[::-1], 2)


def test_all_requests_of_a_download_share_the_number_of_retries(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    plain = files.answer

    def answer(request: Any) -> bytes:  # half of a body and a 503 in turn
        if len(files.seen) % 2:
            return plain(request)
        return b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    files.answer = answer  # type: ignore[method-assign]
    files.breaks = 1000
    with pytest.raises(IncompleteBody):
        fetch(peers.raw(files).url, tmp_path / "f", retry=Retry(4, backoff=0))
    assert len(files.seen) == 5


def test_each_request_of_a_download_has_hooks_of_its_own(
    client: HttpClient, peers: Any, files: Files, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files.breaks = 1
    told: list[Any] = []
    client.on_request = [lambda request: told.append(request.headers.get("Range"))]
    client.on_response = [lambda request, response: told.append(response.status)]
    client.on_retry = client.on_error = [lambda *others: told.append(others)]
    client.retry = Retry(5, backoff=0)
    with caplog.at_level(logging.DEBUG, "bladehttp.client"):
        client.download(peers.raw(files).url + "/?token=1", tmp_path / "f")
    assert told == [None, 200, f"bytes={HALF}-", 206]
    assert "[redacted]: IncompleteBody, continued in 0 ms" in caplog.text


def test_the_callers_mistakes_are_not_retried(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    with pytest.raises(KeyError):
        fetch(peers.raw(files).url, tmp_path / "f", break_after_first_piece, retry=AT_ONCE)
    assert (len(files.seen), names(tmp_path)) == (1, [])


def test_no_request_of_a_download_begins_after_total_timeout(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.breaks = 1
    much = 10**9  # the wait is at random below that
    with pytest.raises(IncompleteBody):
        fetch(
            peers.raw(files).url, tmp_path / "f",
            retry=Retry(5, backoff=much, longest=much), total_timeout=2000,
        )  # fmt: skip


def test_a_request_of_a_download_has_what_is_left_of_total_timeout(
    fetch: Fetch, peers: Any, tmp_path: Path
) -> None:
    slowly = threading.Event()
    count = itertools.count()

    def handle(connection: Any) -> None:
        connection.read_request()
        if next(count):
            connection.socket.recv(1)
            return
        slowly.wait(0.2)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbreaks")
        connection.hang_up()
        connection.socket.recv(1)

    with pytest.raises(TotalTimeout) as caught:
        fetch(peers.raw(handle).url, tmp_path / "f", retry=AT_ONCE, total_timeout=1000)
    (left,) = re.findall(r"total_timeout is over \((\d+) ms\)", str(caught.value))
    assert int(left) <= 800


def test_the_total_timeout_is_for_all_requests_of_a_download(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.breaks, files.has_ranges = 1000, False
    begun = time.monotonic()
    with pytest.raises((IncompleteBody, TotalTimeout)):
        fetch(
            peers.raw(files).url, tmp_path / "f",
            retry=Retry(1000, backoff=100, longest=100), total_timeout=600,
        )  # fmt: skip
    assert time.monotonic() - begun < 0.6 + LATE
    assert len(files.seen) < 200


def test_a_server_that_falls_silent_is_asked_again(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path
) -> None:
    def handle(connection: Any) -> None:
        data = files.answer(connection.read_request())
        files.seen.append(None)
        if len(files.seen) == 1:
            connection.send(data[:-HALF])
            connection.socket.recv(1)
        connection.send(data)

    fetch(peers.raw(handle).url, tmp_path / "f", retry=AT_ONCE, receive_timeout=600)
    assert ((tmp_path / "f").read_bytes(), len(files.seen)) == (BODY, 2)
    files.seen.clear()
    with pytest.raises(ReceiveTimeout):
        fetch(peers.made[0].url, tmp_path / "f", receive_timeout=200)


def test_nobody_there_is_the_error_that_it_was(fetch: Fetch, tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        with pytest.raises(ConnectError):
            fetch(url, tmp_path / "f", resume=True, retry=Retry(2, backoff=0))
    assert names(tmp_path) == []


# -- checksums


@pytest.mark.parametrize("algorithm", ["sha256", "md5", "SHA512", "blake2b"])
def test_a_file_of_the_right_checksum_is_put_in_place(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path, algorithm: str
) -> None:
    digest = hashlib.new(algorithm, BODY).hexdigest()
    url = peers.raw(files).url
    fetch(url, tmp_path / "f", checksum=f"{algorithm}:{digest.upper()}")
    assert (tmp_path / "f").read_bytes() == BODY
    keep_half(fetch, url, files, tmp_path / "g")
    fetch(url, tmp_path / "g", resume=True, checksum=f"{algorithm}:{digest}")
    assert ((tmp_path / "g").read_bytes(), names(tmp_path)) == (BODY, ["f", "g"])


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resume"])
def test_a_file_of_a_wrong_checksum_is_neither_put_in_place_nor_kept(
    fetch: Fetch, peers: Any, files: Files, tmp_path: Path, resume: bool
) -> None:
    (tmp_path / "f").write_text("old")
    found = hashlib.sha256(BODY).hexdigest()
    url = peers.raw(files).url + "/f"
    with pytest.raises(ChecksumMismatch, match=f"sha256 checksum is {found}, not 0000") as caught:
        fetch(
            url, tmp_path / "f",
            resume=resume, retry=AT_ONCE, checksum="sha256:" + "0" * 64,
        )  # fmt: skip
    assert (caught.value.request, caught.value.url) == (RequestInfo("GET", url), url)
    assert (names(tmp_path), (tmp_path / "f").read_text()) == (["f"], "old")
    assert len(files.seen) == 1


def test_progress_is_told_of_what_goes_up_or_comes_down(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(reply(BODY))
    told: list[tuple[int, int | None]] = []
    client.progress = lambda *now: told.append(now)
    assert client.get(peer.url).body == BODY
    assert told[-1] == (len(BODY), len(BODY))
    told.clear()
    client.post(peer.url, BODY * 3)
    assert told[-1] == (len(BODY) * 3, len(BODY) * 3)
    told.clear()
    client.post(peer.url, iter([BODY, BODY]))
    assert told[-1][0] >= len(BODY) * 2  # the framing of its chunks counts too
    assert told[-1][1] is None
    told.clear()
    client.get(peer.url, progress=None)
    assert told == []


def test_what_progress_raises_comes_back(client: HttpClient, peers: Any, reply: Any) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyError(done)

    peer = peers(reply(BODY))
    for send in (client.get, lambda url, **more: client.post(url, BODY, **more)):
        with pytest.raises(KeyError):
            send(peer.url, progress=stop)
    with client.stream(peer.url) as response:
        assert sum(map(len, response.iter_bytes())) == len(BODY)
    with pytest.raises(KeyError), client.stream(peer.url, progress=stop) as response:
        response.read()
    with pytest.raises(TypeError, match="progress is a function"):
        client.progress = 7
