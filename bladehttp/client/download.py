"""Download: a body to a file, which is there whole or not at all."""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
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


class Part:
    """The file beside the target that is written to.

    One that may be resumed keeps its name, and beside it, in a file of its own, the validator
    of what is in there (RFC 9110 section 13.1.5).
    """

    def __init__(self, target: Path, resume: bool) -> None:
        unique = "" if resume else f".{secrets.token_hex(4)}"
        self._target = target
        self._path = target.with_name(f"{target.name}{unique}.part")
        self._tag = target.with_name(f"{target.name}{unique}.part.tag")
        self._resume = resume

    def kept(self) -> tuple[int, str]:
        """Return how many bytes are there from before, and their validator."""
        if not (self._path.is_file() and self._tag.is_file()):
            return 0, ""
        return self._path.stat().st_size, self._tag.read_text("latin-1")

    def drop(self) -> None:
        """Remove it."""
        self._path.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def fill(self, response: HttpResponse, offset: int, report: Report | None) -> None:
        """Write a body, from an offset on, and put the file in its place.

        Raises:
            IncompleteBody: The whole is longer or shorter than announced.
        """
        validator = validator_of(response)
        if self._resume and validator:
            self._tag.write_text(validator, "latin-1")
        total = total_of(response, offset)
        try:
            with self._path.open("ab" if offset else "wb") as file:
                done = offset
                for piece in response.iter_bytes():
                    done += file.write(piece)
                    if report is not None:
                        report(done, total)
            check_length(response, done, total)
            self._path.replace(self._target)
        except BaseException:
            if not (self._resume and validator):
                self.drop()
            raise
        self._tag.unlink(missing_ok=True)


def download(
    stream: Streaming, url: str, target: Path, report: Report | None, resume: bool, given: Any
) -> HttpResponse:
    """Write a body to a file; see `HttpClient.download`."""
    part = Part(target, resume)
    offset, validator = part.kept() if resume else (0, "")
    headers = Headers(given.pop("headers", None))
    if resume:
        given.setdefault("accept_encoding", None)  # part of an encoded whole is of no use
    if offset:
        headers["Range"] = f"bytes={offset}-"
        headers["If-Range"] = validator
    with stream(url, headers=headers, **given) as response:
        if offset and response.status == RANGE_NOT_SATISFIABLE:
            part.drop()
        elif not response.ok:
            response.read()
            return response
        else:
            if response.status != PARTIAL_CONTENT:
                offset = 0  # it has changed, or the server does not do ranges
            elif offset:
                check_range(response, offset)
            part.fill(response, offset, report)
            return response
    del headers["Range"], headers["If-Range"]
    return download(stream, url, target, report, resume, {**given, "headers": headers})


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
