"""Download: a body to a file, which is there whole or not at all."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from bladehttp.client.progress import Report
from bladehttp.client.transfer import PARTIAL_CONTENT
from bladehttp.exceptions import IncompleteBody, ProtocolError
from bladehttp.headers import Headers
from bladehttp.response import HttpResponse

RANGE_NOT_SATISFIABLE = 416

Streaming = Callable[..., AbstractContextManager[HttpResponse]]
"""`HttpClient.stream`."""

AsyncStreaming = Callable[..., AbstractAsyncContextManager[HttpResponse]]
"""`AsyncHttpClient.stream`."""


class Download:
    """A file that is there whole or not at all, and what to ask for to make it.

    It is written beside its place. What may be resumed keeps its name there, and beside it, in a
    file of its own, the validator of what is in there (RFC 9110 section 13.1.5).
    """

    def __init__(self, target: Path, report: Report | None, resume: bool, given: Any) -> None:
        """Take where to, whom to tell, whether to go on, and other arguments of `stream`."""
        unique = "" if resume else f".{secrets.token_hex(4)}"
        self._target = target
        self._path = target.with_name(f"{target.name}{unique}.part")
        self._tag = target.with_name(f"{target.name}{unique}.part.tag")
        self._report = report
        self._resume = resume
        self._given = given
        self._offset = 0

    def arguments(self) -> dict[str, Any]:
        """Return the arguments to ask for the whole, or for what is missing."""
        self._offset, validator = self._kept() if self._resume else (0, "")
        headers = Headers(self._given.get("headers"))
        if self._offset:
            headers["Range"] = f"bytes={self._offset}-"
            headers["If-Range"] = validator
        # part of an encoded whole is of no use
        coding = {"accept_encoding": None} if self._resume else {}
        return {**coding, **self._given, "headers": headers}

    def _kept(self) -> tuple[int, str]:
        """Return how many bytes are there from before, and their validator."""
        if not (self._path.is_file() and self._tag.is_file()):
            return 0, ""
        return self._path.stat().st_size, self._tag.read_text("latin-1")

    def drop(self) -> None:
        """Remove what was written."""
        self._path.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def is_beyond_the_end(self, response: HttpResponse) -> bool:
        """Whether there is nothing to go on with, so that all has to be asked for anew."""
        return bool(self._offset) and response.status == RANGE_NOT_SATISFIABLE

    @contextmanager
    def writing(self, response: HttpResponse) -> Iterator[Callable[[bytes], None]]:
        """Give what a body is to be written by; at the end the file is put in its place.

        Raises:
            IncompleteBody: The whole is longer or shorter than announced.
            ProtocolError: A 206 does not continue where it was asked to.
        """
        if response.status != PARTIAL_CONTENT:
            self._offset = 0  # it has changed, or the server does not do ranges
        elif self._offset:
            check_range(response, self._offset)
        validator = validator_of(response) if self._resume else ""
        if validator:
            self._tag.write_text(validator, "latin-1")
        try:
            yield from self._written(response)
        except BaseException:
            if not validator:
                self.drop()
            raise
        self._tag.unlink(missing_ok=True)

    def _written(self, response: HttpResponse) -> Iterator[Callable[[bytes], None]]:
        done, total = self._offset, total_of(response, self._offset)
        with self._path.open("ab" if done else "wb") as file:

            def write(piece: bytes) -> None:
                nonlocal done
                done += file.write(piece)
                if self._report is not None:
                    self._report(done, total)

            yield write
        check_length(response, done, total)
        self._path.replace(self._target)


def download(stream: Streaming, url: str, job: Download) -> HttpResponse:
    """Write a body to a file; see `HttpClient.download`."""
    while True:
        with stream(url, **job.arguments()) as response:
            if response.ok:
                with job.writing(response) as write:
                    for piece in response.iter_bytes():
                        write(piece)
                return response
            if not job.is_beyond_the_end(response):
                response.read()
                return response
        job.drop()


async def adownload(stream: AsyncStreaming, url: str, job: Download) -> HttpResponse:
    """Write a body to a file; see `AsyncHttpClient.download`."""
    while True:
        async with stream(url, **job.arguments()) as response:
            if response.ok:
                with job.writing(response) as write:
                    async for piece in response.aiter_bytes():
                        write(piece)
                return response
            if not job.is_beyond_the_end(response):
                await response.aread()
                return response
        job.drop()


def validator_of(response: HttpResponse) -> str:
    """Return what tells whether two representations are the same, "" if nothing does."""
    tag = response.headers.get("ETag", "")
    # RFC 9110 section 13.1.5: a weak one MUST NOT be used
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def total_of(response: HttpResponse, offset: int) -> int | None:
    """Return how long the whole is, None where that is not known."""
    length = response.headers.get("Content-Length", "")
    if response.headers.get("Content-Encoding") or not (length.isascii() and length.isdigit()):
        return None
    return offset + int(length)


def check_length(response: HttpResponse, done: int, total: int | None) -> None:
    """Raise if there are more or fewer bytes than announced.

    Raises:
        IncompleteBody: Likewise.
    """
    if total is not None and done != total:
        raise IncompleteBody(f"{done} bytes instead of {total}", url=response.url)


def check_range(response: HttpResponse, offset: int) -> None:
    """Raise if a 206 does not continue where it was asked to.

    Raises:
        ProtocolError: Likewise.
    """
    answered = response.headers.get("Content-Range", "")
    if not answered.startswith(f"bytes {offset}-"):
        raise ProtocolError(
            f"asked for bytes from {offset} on and got {answered[:80]!r}",
            url=response.url, response=response,
        )  # fmt: skip
