"""Downloads, and functions that are told of progress."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from bladehttp.client import HttpClient
from bladehttp.exceptions import IncompleteBody, ProtocolError

BODY = bytes(range(256)) * 4096
HALF = len(BODY) // 2


class Files:
    """Serves BODY with ranges (RFC 9110 section 14); breaks off in the middle when told to."""

    def __init__(self) -> None:
        self.tag = 'ETag: "one"'
        self.breaks = False
        self.body = BODY
        self.skew = 0
        self.seen: list[Any] = []

    def __call__(self, connection: Any) -> None:
        while True:
            request = connection.read_request()
            self.seen.append(request)
            start = int((request.get("Range") or "bytes=0-")[6:-1])
            if start and request.get("If-Range") not in self.tag:
                start = 0
            head = ["HTTP/1.1 200 OK", self.tag]
            if start >= len(self.body):
                head, start = ["HTTP/1.1 416 No", self.tag], len(self.body)
            elif start:
                at = start + self.skew
                head = ["HTTP/1.1 206 Part", f"Content-Range: bytes {at}-/*", self.tag]
            rest = self.body[start:]
            head += [f"Content-Length: {len(rest)}", "", ""]
            connection.send("\r\n".join(head).encode() + rest[: HALF if self.breaks else None])
            if self.breaks:
                connection.hang_up()


@pytest.fixture
def files() -> Files:
    return Files()


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_download_is_a_file(client: HttpClient, peers: Any, files: Files, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    (tmp_path / "f").write_text("old")
    response = client.download(
        peers.raw(files).url, tmp_path / "f", lambda *now: told.append(now)
    )  # fmt: skip
    assert (tmp_path / "f").read_bytes() == BODY
    assert (response.status, names(tmp_path)) == (200, ["f"])
    assert told[-1] == (len(BODY), len(BODY))
    assert told == sorted(told)
    umask = (tmp_path / "new").touch() or (tmp_path / "new").stat().st_mode
    assert (tmp_path / "f").stat().st_mode == umask


def test_a_download_that_fails_leaves_what_was_there(
    client: HttpClient, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.breaks = True
    (tmp_path / "f").write_text("old")
    url = peers.raw(files).url
    with pytest.raises(IncompleteBody):
        client.download(url, tmp_path / "f")

    def stop(done: int, total: int | None) -> None:
        raise KeyError(done, total)

    with pytest.raises(KeyError):
        client.download(url, tmp_path / "f", stop)
    assert (names(tmp_path), (tmp_path / "f").read_text()) == (["f"], "old")
    with pytest.raises(FileNotFoundError):
        client.download(url, tmp_path / "no" / "f")


def test_an_error_is_returned_and_not_written(
    client: HttpClient, peers: Any, reply: Any, tmp_path: Path
) -> None:
    response = client.download(peers(reply(b"gone", "404 No")).url, tmp_path / "f")
    assert (response.status, response.body, names(tmp_path)) == (404, b"gone", [])


def test_a_download_is_decoded_and_checked(
    client: HttpClient, peers: Any, reply: Any, tmp_path: Path
) -> None:
    whole = gzip.compress(BODY)
    client.download(peers(reply(whole, "200 OK", "Content-Encoding: gzip")).url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY
    with pytest.raises(Exception, match="ends early"):
        client.download(
            peers(reply(whole[:-4], "200 OK", "Content-Encoding: gzip")).url, tmp_path / "g"
        )
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("tag", ['ETag: "one"', "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"])
def test_a_download_is_resumed(
    client: HttpClient, peers: Any, files: Files, tmp_path: Path, tag: str
) -> None:
    files.tag, files.breaks = tag, True
    url = peers.raw(files).url
    with pytest.raises(IncompleteBody):
        client.download(url, tmp_path / "f", resume=True)
    assert names(tmp_path) == ["f.part", "f.part.tag"]
    files.breaks = False
    told: list[Any] = []
    response = client.download(url, tmp_path / "f", lambda *now: told.append(now), resume=True)
    assert (tmp_path / "f").read_bytes() == BODY
    assert (response.status, names(tmp_path)) == (206, ["f"])
    assert files.seen[-1].get("Range") == f"bytes={HALF}-"
    assert files.seen[-1].get("If-Range") == tag.partition(": ")[2]
    assert files.seen[-1].get("Accept-Encoding") is None
    assert (told[0][0] > HALF, told[-1]) == (True, (len(BODY), len(BODY)))


def test_what_has_changed_is_downloaded_anew(
    client: HttpClient, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.breaks = True
    url = peers.raw(files).url
    with pytest.raises(IncompleteBody):
        client.download(url, tmp_path / "f", resume=True)
    files.breaks, files.body, files.tag = False, BODY[::-1], 'ETag: "two"'
    assert client.download(url, tmp_path / "f", resume=True).status == 200
    assert (tmp_path / "f").read_bytes() == BODY[::-1]
    files.breaks = True
    with pytest.raises(IncompleteBody):
        client.download(url, tmp_path / "f", resume=True)
    files.breaks, files.body = False, b"short"
    assert client.download(url, tmp_path / "f", resume=True).status == 200
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (b"short", ["f"])


def test_without_a_validator_nothing_is_kept(
    client: HttpClient, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.breaks, files.tag = True, 'ETag: W/"weak"'
    with pytest.raises(IncompleteBody):
        client.download(peers.raw(files).url, tmp_path / "f", resume=True)
    assert names(tmp_path) == []


def test_a_server_that_goes_on_elsewhere_is_refused(
    client: HttpClient, peers: Any, files: Files, tmp_path: Path
) -> None:
    files.breaks = True
    url = peers.raw(files).url
    with pytest.raises(IncompleteBody):
        client.download(url, tmp_path / "f", resume=True)
    files.breaks, files.skew = False, 1
    with pytest.raises(ProtocolError, match=f"from {HALF} on"):
        client.download(url, tmp_path / "f", resume=True)
    files.skew = 0
    client.download(url, tmp_path / "f", resume=True)
    assert (tmp_path / "f").read_bytes() == BODY


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
