"""Verbs: what both clients have besides their properties, written once.

What they differ in is what a verb gives: `HttpClient` the response, `AsyncHttpClient` a coroutine.
"""

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Generic, TypeVar

from bladehttp._data.headers import HeadersLike
from bladehttp.client.batch import Make, arguments
from bladehttp.client.download import Job
from bladehttp.client.encode import NOT_GIVEN
from bladehttp.client.exchange import Exchange
from bladehttp.client.log import in_force
from bladehttp.client.part_file import Checksum
from bladehttp.client.progress import Report
from bladehttp.client.properties import Configured

Given = TypeVar("Given")


class Verbs(Configured, ABC, Generic[Given]):
    """The verbs of a client."""

    __slots__ = ()

    @abstractmethod
    def _send(
        self, url: str, method: str, data: Any, headers: HeadersLike | None, others: dict[str, Any]
    ) -> Given:
        """Send a request with arguments as of `send_request`."""

    def _job(
        self,
        url: str,
        path: str | os.PathLike[str],
        progress: Report | None,
        resume: bool,
        checksum: str | None,
        arguments: dict[str, Any],
    ) -> Job:
        """Return what a download with arguments as of `HttpClient.download` has to do."""
        return Job(
            Path(path),
            self._message(url, **arguments),
            progress,
            resume,
            None if checksum is None else Checksum(checksum),
            "accept_encoding" in arguments,
        )

    def _making(self) -> Make:
        """Return what makes exchanges of what `send_many` is given, with the hooks of now."""
        hooks, message = in_force(self._hooks), self._message

        def make(given: Any) -> Exchange:
            if type(given) is str:
                return Exchange(message(given), hooks, given)
            return Exchange(message(**arguments(given)), hooks, given)

        return make

    def send_request(
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        *,
        headers: HeadersLike | None = None,
        json: Any = NOT_GIVEN,
        form: Any = None,
        files: Any = None,
        query: Any = None,
        **properties: Any,
    ) -> Given:
        """Send a request and return the response, whatever its status.

        Args:
            url: An http or https URL, or one relative to ``base_url`` (RFC 3986 section 5.2). It is
                sent as it is, what is not ASCII, a blank and { } " < > ^ ` | and backslash
                percent-encoded. One exception: %2f of a path becomes %2F where libcurl may
                have to make a digest of it (a name and password, with Auth.ANY or
                Auth.DIGEST), and at http servers that ``no_proxy`` excepts.
            method: The method; the standard ones in any case.
            data: The body: a str (sent as UTF-8), bytes, a binary file (from where it
                stands, and it is left there), an iterable of bytes (with `AsyncHttpClient` an
                asynchronous one too), a response (its body; an open stream is passed on while it
                comes), or a dict. A dict is encoded by the request's Content-Type,
                as JSON, form or multipart; without one it is multipart if there is an open file
                or an os.PathLike in it, else JSON. Of unknown length it is sent chunked, unless
                ``headers`` announce a Content-Length.
            headers: Fields for this request; they replace those of the client of that name.
            json: Something to send as JSON; None is null.
            form: A dict or pairs to send as application/x-www-form-urlencoded. In a form, a query
                and the fields beside ``files`` None leaves a name out, and a list or another
                iterable repeats it, without its Nones.
            files: A dict or pairs of name and file, to send as multipart/form-data together
                with the fields in ``form`` or in a dict ``data``. A file is an os.PathLike, an
                open file, bytes or str, or (filename, one of those[, content type]), or a list.
                A filename of None makes it a part without one. An open file is sent from where
                it stands, or whole if that is its end, and left there: it can be given again.
            query: A dict or pairs, or an encoded str, to add to the URL.
            properties: Any property of the client, for this request only.

        Raises:
            SocketException: No connection, or it was lost.
            TimeoutException: A clock ran out.
            HttpException: Anything else that is wrong with the exchange; the tree is in
                bladehttp/exceptions.py. What code of the caller's raises while the data is
                read is raised as it is.
            TypeError: An argument of a wrong type, or an unknown property.
            ValueError: An argument that cannot be used.
        """
        others = {"json": json, "form": form, "files": files, "query": query, **properties}
        return self._send(url, method, data, headers, others)

    def get(self, url: str, headers: HeadersLike | None = None, **options: Any) -> Given:
        """Send a GET request; see `send_request`, as for all the verbs."""
        return self._send(url, "GET", None, headers, options)

    def post(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> Given:
        """Send a POST request."""
        return self._send(url, "POST", data, headers, options)

    def put(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> Given:
        """Send a PUT request."""
        return self._send(url, "PUT", data, headers, options)

    def patch(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> Given:
        """Send a PATCH request."""
        return self._send(url, "PATCH", data, headers, options)

    def delete(self, url: str, headers: HeadersLike | None = None, **options: Any) -> Given:
        """Send a DELETE request."""
        return self._send(url, "DELETE", None, headers, options)

    def head(self, url: str, headers: HeadersLike | None = None, **options: Any) -> Given:
        """Send a HEAD request."""
        return self._send(url, "HEAD", None, headers, options)

    def options(self, url: str, headers: HeadersLike | None = None, **options: Any) -> Given:
        """Send an OPTIONS request."""
        return self._send(url, "OPTIONS", None, headers, options)

    def trace(self, url: str, headers: HeadersLike | None = None, **options: Any) -> Given:
        """Send a TRACE request."""
        return self._send(url, "TRACE", None, headers, options)
