"""Download: a response's body in a file that exists whole or not at all.

`resumption.py` decides how a response is used and `part_file.py` writes the file; this module sends
requests and takes their responses until the file is whole. The same loop for asyncio is in
_asyncio/download.py.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any, NoReturn

from bladehttp._message.response import HttpResponse
from bladehttp.client._config.progress import Report
from bladehttp.client._config.redaction import redact
from bladehttp.client._config.retry import Retry
from bladehttp.client._curl.errors import annotate
from bladehttp.client._download.part_file import Checksum, PartFile
from bladehttp.client._download.resumption import (
    Kept,
    Request,
    RequestKind,
    ResponseSummary,
    Verdict,
    complete_length,
    decide,
    resumable,
    summarize,
)
from bladehttp.client._request.prepared import PreparedRequest
from bladehttp.exceptions import BodyTooLarge, ChecksumMismatch, IncompleteBody, ProtocolError
from bladehttp.status import PARTIAL_CONTENT

logger = logging.getLogger("bladehttp.client")

Streaming = Callable[[PreparedRequest], AbstractContextManager[HttpResponse]]
"""Sends a request and returns its response while the body is still to be received."""


class SharedRetry(Retry):
    """A Retry whose ``total`` is for all requests of a download together.

    Attributes:
        used: Number of retries so far.
    """

    __slots__ = ("used",)

    used: int

    @classmethod
    def of(cls, retry: Retry) -> "SharedRetry":
        """Return a copy of another Retry with no retry used."""
        shared = cls(**{row.name: getattr(retry, row.name) for row in fields(Retry)})
        object.__setattr__(shared, "used", 0)
        return shared

    def delay(self, retries: int, retry_after: str | None) -> float | None:
        """Return the seconds to wait; see `Retry.delay`. ``retries`` is ignored."""
        del retries
        delay = Retry.delay(self, self.used, retry_after)
        if delay is not None:
            object.__setattr__(self, "used", self.used + 1)
        return delay

    # compared by identity: each counts for its own download
    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Job:
    """The arguments of a download.

    Attributes:
        target: The file.
        request: The request, without our own Range field.
        progress: Called with the bytes written and the total, or None.
        resume: Whether to keep a part for a later call, and to continue that of an earlier one.
        checksum: The expected checksum, or None.
        takes_codings: Whether the caller has chosen the content codings to ask for.
    """

    target: Path
    request: PreparedRequest
    progress: Report | None = None
    resume: bool = False
    checksum: Checksum | None = None
    takes_codings: bool = False


class Download:
    """A running download: the file, the request and the expected rest.

    For each response: `next_request`, `judge`, `prepare`, `write` for each chunk of the body,
    `is_whole`, and, if that is true, `finish`.
    """

    def __init__(self, job: Job) -> None:
        """Create a download.

        Raises:
            ValueError: The method is HEAD, or ``resume`` is combined with a Range field of the
                caller's.
        """
        request = job.request
        named = {name.lower(): value for name, value in request.fields if value is not None}
        if request.method == "HEAD":
            raise ValueError("the answer to HEAD has no body to write to a file")
        if job.resume and not named.keys().isdisjoint(("range", "if-range")):
            raise ValueError("resume asks for ranges by itself: leave Range and If-Range out")
        self._range = named.get("range", "")
        # RFC 9110 section 14.2: ranges are defined for GET only
        self._is_plain = request.method == "GET" and request.body is None
        self._can_go_on = self._is_plain and not self._range
        retry = request.settings.retry
        self._retry = None if retry is None else SharedRetry.of(retry)
        self._job = job
        self._request = with_settings(job, self._retry)
        self._deadline = monotonic() + request.settings.total_timeout_s
        source = request.url.text.partition("#")[0]
        self._file = PartFile(job.target, source, job.resume and self._can_go_on)
        self._attempts = 0
        self._asked = Request(RequestKind.WHOLE, Kept())
        self._summary = ResponseSummary(0)
        self._end: int | None = None
        self._complete: int | None = None

    def open(self) -> None:
        """Open the file; see `PartFile.open`."""
        self._file.open()

    def close(self) -> None:
        """Keep or remove the written bytes, unless the target was replaced."""
        self._file.close()

    def next_request(self) -> PreparedRequest:
        """Return the next request, for the whole or for the missing bytes."""
        request = self._request
        kept = resumable(self._file.kept()) if self._can_go_on else Kept()
        if self._range:
            kind = RequestKind.RANGE
        else:
            kind = RequestKind.REST if kept.length else RequestKind.WHOLE
        self._asked = Request(kind, kept, self._range)
        if kept.length:
            ours = [("Range", f"bytes={kept.length}-"), ("If-Range", kept.validator)]
            request = replace(request, fields=[*request.fields, *ours])
        self._attempts += 1
        if self._attempts > 1 and request.settings.total_timeout:
            left = max(1, int((self._deadline - monotonic()) * 1000))
            request = replace(request, settings=request.settings.changed({"total_timeout": left}))
        return request

    def judge(self, response: HttpResponse) -> Verdict:
        """Decide how a response is used.

        Raises:
            ProtocolError: It cannot be used.
        """
        self._summary = summarize(response.status, response.headers, time())
        verdict = decide(self._asked, self._summary)
        if verdict is Verdict.REFUSE:
            asked = f"asked for {self._range!r}" if self._range else "asked for the whole"
            claim = response.headers.get("Content-Range", "")
            refuse(f"{asked} and got {response.status} with Content-Range {claim[:80]!r}", response)
        if verdict is Verdict.ASK_AGAIN:
            self._file.discard_on_close()
        return verdict

    def prepare(self, verdict: Verdict, response: HttpResponse) -> None:
        """Prepare the file for the body of the response that was judged.

        Raises:
            BodyTooLarge: The file would be longer than ``max_body_size``.
            OSError: The file cannot be written.
        """
        summary, kept, part = self._summary, self._asked.kept, self._summary.content_range
        if verdict is Verdict.APPEND and part is not None:
            self._file.go_on(kept.length)
            self._end, self._complete = part.last + 1, complete_length(kept, part)
            self._check_size(response)
            return
        is_kept = self._can_go_on and summary.can_be_continued
        length = summary.length
        if part is not None and summary.status == PARTIAL_CONTENT:
            length = part.length
        self._end = self._complete = None if summary.is_coded else length
        self._file.begin(summary.validator if is_kept else "", self._complete)

    def _check_size(self, response: HttpResponse) -> None:
        """Apply ``max_body_size`` to the whole file; libcurl applies it to the rest.

        Raises:
            BodyTooLarge: The whole is longer.
        """
        most = self._request.settings.max_body_size
        if most is not None and self._complete is not None and self._complete > most:
            message = f"body of {self._complete} bytes is longer than max_body_size ({most})"
            raise annotate(BodyTooLarge(message), response.request, response)

    def write(self, chunk: bytes, response: HttpResponse) -> None:
        """Write a chunk of the body.

        Raises:
            ProtocolError: The body is longer than the response announced.
            OSError: The file cannot be written; the disk is full, for example.
        """
        if self._end is not None and self._file.size + len(chunk) > self._end:
            self._file.discard_on_close()
            refuse(f"body is longer than the {self._end} bytes announced", response)
        self._file.write(chunk)
        if self._job.progress is not None:
            self._job.progress(self._file.size, self._complete)

    def is_whole(self, response: HttpResponse) -> bool:
        """Whether the file is complete at the end of the body; if not, the rest must be requested.

        Raises:
            IncompleteBody: The body was shorter than announced.
        """
        size = self._file.size
        if self._end is not None and size != self._end:
            message = f"{size} bytes instead of {self._end}"
            raise annotate(IncompleteBody(message), response.request, response)
        return self._complete is None or size == self._complete

    def finish(self, response: HttpResponse) -> None:
        """Check the file and move it to the target.

        Raises:
            ChecksumMismatch: It has another checksum; it is not kept.
            OSError: It cannot be moved there.
        """
        self._file.settle()
        checksum = self._job.checksum
        if checksum is not None:
            found = self._file.digest(checksum.algorithm)
            if found != checksum.expected:
                self._file.discard_on_close()
                message = f"{checksum.algorithm} checksum is {found}, not {checksum.expected}"
                raise annotate(ChecksumMismatch(message), response.request, response)
        self._file.replace_target()

    def checked(self, response: HttpResponse) -> HttpResponse:
        """Return the response to the caller of the download.

        Raises:
            HttpStatusError: It is one of 400 and above, and ``raise_for_status`` is set.
        """
        wants_error = self._job.request.settings.raise_for_status
        return response.raise_for_status() if wants_error else response

    def delay_after(self, error: Exception) -> float | None:
        """Return the seconds to wait after a failure, None for no retry."""
        retry = self._retry
        if retry is None or not self._is_plain or not retry.may_repeat(error, "GET", True):
            return None
        delay = retry.delay(retry.used, None)
        if delay is None or monotonic() + delay >= self._deadline:
            return None
        url, milliseconds = redact(self._request.url.text), delay * 1000
        logger.debug("GET %s: %s, continued in %.0f ms", url, type(error).__name__, milliseconds)
        return delay


def with_settings(job: Job, retry: Retry | None) -> PreparedRequest:
    """Return the request of a job with the settings of a download.

    No content coding is asked for, with ``resume`` or without: the rest of a coded representation
    cannot be requested. A coding that the server applies nevertheless is decoded, as for any
    response.
    """
    values: dict[str, Any] = {"retry": retry, "raise_for_status": False}
    if not job.takes_codings and job.request.settings.accept_encoding is not None:
        values["accept_encoding"] = "identity"
    return replace(job.request, settings=job.request.settings.changed(values))


def refuse(message: str, response: HttpResponse) -> NoReturn:
    """Raise a ProtocolError.

    Raises:
        ProtocolError: Always.
    """
    raise annotate(ProtocolError(message), response.request, response)


def download(stream: Streaming, job: Job) -> HttpResponse:
    """Write a body to a file; see `HttpClient.download`."""
    with closing(Download(job)) as current:
        current.open()
        while True:
            try:
                response = _attempt(stream, current)
            except Exception as error:
                delay = current.delay_after(error)
                if delay is None:
                    raise
                sleep(delay)
            else:
                if response is not None:
                    return current.checked(response)


def _attempt(stream: Streaming, current: Download) -> HttpResponse | None:
    """Send a request and write its body; return None if another request is needed."""
    with stream(current.next_request()) as response:
        verdict = current.judge(response)
        if verdict is Verdict.KEEP:
            response.read()
            return response
        if verdict is Verdict.ASK_AGAIN:
            return None
        current.prepare(verdict, response)
        for chunk in response.iter_bytes():
            current.write(chunk, response)
    if not current.is_whole(response):
        return None
    current.finish(response)
    return response
