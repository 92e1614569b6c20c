"""Verbs: a method for each method of HTTP.

The verbs return a response for `HttpClient` and a coroutine for `AsyncHttpClient`.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar, Unpack

from bladehttp.client._arguments import (
    FieldPairs,
    FilesLike,
    QueryLike,
    RequestOptions,
    RequestProperties,
)
from bladehttp.client._base import Configured
from bladehttp.client._config.progress import Report
from bladehttp.client._download.download import Job
from bladehttp.client._download.part_file import Checksum
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.hooks import (
    active_hooks,
    is_usual,
    usual_hooks,
)
from bladehttp.client._exchange.send_many import Make, arguments
from bladehttp.client._request.encode import NOT_GIVEN
from bladehttp.client._request.fields import (
    RequestHeadersLike,
)

Given = TypeVar("Given")
Body = TypeVar("Body")


class Verbs(Configured, ABC, Generic[Given, Body]):
    """The verbs of a client."""

    __slots__ = ()

    @abstractmethod
    def _send(
        self,
        url: str,
        method: str,
        data: Body | None,
        headers: RequestHeadersLike | None,
        others: Mapping[str, Any],
    ) -> Given:
        """Send a request with arguments as of `send_request`."""

    def _job(
        self,
        url: str,
        path: str | os.PathLike[str],
        progress: Report | None,
        resume: bool,
        checksum: str | None,
        arguments: Mapping[str, Any],
    ) -> Job:
        """Return the job for a download with arguments as of `HttpClient.download`."""
        return Job(
            Path(path),
            self._prepare(url, **arguments),
            progress,
            resume,
            None if checksum is None else Checksum(checksum),
            "accept_encoding" in arguments,
        )

    def _making(self) -> Make:
        """Return a function from items of `send_many` to exchanges, with the current hooks."""
        hooks, prepare, request_for = usual_hooks(self._hooks), self._prepare, self._request
        has_function = callable(self._settings.auth)

        def make(given: Any) -> Exchange:
            if type(given) is str and not has_function:
                return Exchange(request_for(given, "GET", None, None, {}), hooks, given)
            request = prepare(**arguments(given))
            if is_usual(request):
                return Exchange(request, hooks, given)
            return Exchange(request, active_hooks(self._hooks, request), given)

        return make

    def send_request(
        self,
        url: str,
        method: str = "GET",
        data: Body | None = None,
        *,
        headers: RequestHeadersLike | None = None,
        json: Any = NOT_GIVEN,
        form: FieldPairs | None = None,
        files: FilesLike | None = None,
        query: QueryLike | None = None,
        **properties: Unpack[RequestProperties],
    ) -> Given:
        """Send a request and return the response, whatever its status.

        Args:
            url: An http or https URL, or one relative to ``base_url`` (RFC 3986 section 5.2). It is
                sent unchanged, except that characters outside ASCII, spaces and { } " < > ^ ` | and
                backslash are percent-encoded. One exception: %2f in a path becomes %2F if libcurl
                may compute a digest of it (a name and password, with Auth.ANY or Auth.DIGEST), and
                at http servers that ``no_proxy`` excepts.
            method: The method; the standard ones in any case.
            data: The body: a str (sent as UTF-8), bytes, a binary file (from its position, which is
                restored afterwards), an iterable of bytes (with `AsyncHttpClient` an asynchronous
                one too), a response (its body; an open stream is passed on while it is received),
                or a dict. A dict is encoded by the request's Content-Type, as JSON, form or
                multipart; without one it is multipart if it holds an open file or an os.PathLike,
                else JSON. A body of unknown length is sent chunked, unless ``headers`` announce a
                Content-Length.
            headers: Fields for this request; they replace the client's fields of the same name.
                None leaves a field out, as in ``headers`` of the client.
            json: A value to send as JSON; None is null.
            form: A dict or pairs to send as application/x-www-form-urlencoded. In a form, in a
                query and in the fields sent with ``files`` None leaves a name out, and a list or
                another iterable repeats it, without its Nones.
            files: A dict or pairs of name and file, to send as multipart/form-data together with
                the fields in ``form`` or in a dict ``data``. A file is an os.PathLike, an open
                file, bytes or str, or (filename, one of those[, content type]), or a list. A
                filename of None makes it a part without one. An open file is sent from its
                position, or whole if that is its end, and its position is restored: it can be given
                again.
            query: A dict or pairs, or an encoded str, to add to the URL.
            properties: Any property of the client, for this request only. ``cookies`` may be a
                dict too: cookies to send in addition to those of the jar, whose namesakes they
                replace; they are not kept, nor sent to another origin on a redirect.
                ``on_request`` and ``on_response``: a hook or a list of hooks of this request,
                called after those of the client.

        Raises:
            SocketException: The connection could not be made, or was lost.
            TimeoutException: A clock ran out.
            HttpException: Any other failure of the exchange; the tree is in
                bladehttp/exceptions.py. Exceptions of the caller's code while the data is read are
                raised unchanged.
            TypeError: An argument has a wrong type, or a property does not exist.
            ValueError: An argument is not valid.
        """
        content = {"form": form, "files": files, "query": query}
        others: dict[str, Any] = {**properties}
        others.update((name, value) for name, value in content.items() if value is not None)
        if json is not NOT_GIVEN:
            others["json"] = json
        return self._send(url, method, data, headers, others)

    def get(
        self,
        url: str,
        headers: RequestHeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a GET request; see `send_request`."""
        return self._send(url, "GET", None, headers, options)

    def post(
        self,
        url: str,
        data: Body | None = None,
        headers: RequestHeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a POST request."""
        return self._send(url, "POST", data, headers, options)

    def put(
        self,
        url: str,
        data: Body | None = None,
        headers: RequestHeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a PUT request."""
        return self._send(url, "PUT", data, headers, options)

    def patch(
        self,
        url: str,
        data: Body | None = None,
        headers: RequestHeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a PATCH request."""
        return self._send(url, "PATCH", data, headers, options)

    def delete(
        self,
        url: str,
        headers: RequestHeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a DELETE request."""
        return self._send(url, "DELETE", None, headers, options)

    def head(
        self,
        url: str,
        headers: RequestHeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a HEAD request."""
        return self._send(url, "HEAD", None, headers, options)

    def options(
        self,
        url: str,
        headers: RequestHeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send an OPTIONS request."""
        return self._send(url, "OPTIONS", None, headers, options)

    def trace(
        self,
        url: str,
        headers: RequestHeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a TRACE request."""
        return self._send(url, "TRACE", None, headers, options)
