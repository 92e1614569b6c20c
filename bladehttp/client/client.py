"""HttpClient: the verbs, and the life of its connections."""

import warnings
from typing import Any, Self

from bladehttp.client.encode import NOT_GIVEN
from bladehttp.client.exchange import exchange
from bladehttp.client.log import in_force
from bladehttp.client.pool import Pool
from bladehttp.client.properties import Configured
from bladehttp.headers import HeadersLike
from bladehttp.response import HttpResponse


class HttpClient(Configured):
    """An HTTP client that keeps its connections.

    It may be used by any number of threads at once, and after a fork by parent and child. Close
    it, or use it in a ``with`` statement. Pickling and copying take the properties along and
    leave the connections. The properties are described in `Configured`.
    """

    __slots__ = ("__weakref__", "_pool", "_quiet")

    def __init__(
        self, base_url: str | None = None, *, headers: HeadersLike | None = None, **properties: Any
    ) -> None:
        """Make a client; properties can be given by name."""
        self._quiet = True  # nothing to warn of if the next line raises
        super().__init__(base_url, headers=headers, **properties)
        self._start()

    def _start(self) -> None:
        self._pool = Pool()
        self._quiet = False

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
    ) -> HttpResponse:
        """Send a request and return the response, whatever its status.

        Args:
            url: An http or https URL, or one relative to ``base_url``.
            method: The method; the standard ones in any case.
            data: The body: a str (sent as UTF-8), bytes, a binary file (from where it
                stands), an iterable of bytes, or a dict. A dict is encoded by the request's
                Content-Type, as JSON, form or multipart; without one it is multipart if there
                is an open file or an os.PathLike in it, else JSON. Of unknown length it is sent
                chunked, unless ``headers`` announce a Content-Length.
            headers: Fields for this request; they replace those of the client of that name.
            json: Something to send as JSON; None is null.
            form: A dict or pairs to send as application/x-www-form-urlencoded.
            files: A dict or pairs of name and file, to send as multipart/form-data together
                with the fields in ``form`` or in a dict ``data``. A file is an os.PathLike, an
                open file, bytes or str, or (filename, one of those[, content type]), or a list.
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
        message = self._message(
            url, method, data, headers=headers, json=json, form=form, files=files, query=query,
            **properties,
        )  # fmt: skip
        engine = self._pool.take()
        try:
            return exchange(engine, message, in_force(self._hooks))
        finally:
            self._pool.give(engine)

    def get(self, url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
        """Send a GET request; see `send_request`, as for all the verbs."""
        return self.send_request(url, "GET", headers=headers, **options)

    def post(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a POST request."""
        return self.send_request(url, "POST", data, headers=headers, **options)

    def put(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a PUT request."""
        return self.send_request(url, "PUT", data, headers=headers, **options)

    def patch(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a PATCH request."""
        return self.send_request(url, "PATCH", data, headers=headers, **options)

    def delete(self, url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
        """Send a DELETE request."""
        return self.send_request(url, "DELETE", headers=headers, **options)

    def head(self, url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
        """Send a HEAD request."""
        return self.send_request(url, "HEAD", headers=headers, **options)

    def options(self, url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
        """Send an OPTIONS request."""
        return self.send_request(url, "OPTIONS", headers=headers, **options)

    def trace(self, url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
        """Send a TRACE request."""
        return self.send_request(url, "TRACE", headers=headers, **options)

    @property
    def closed(self) -> bool:
        """Whether the client has been closed."""
        return self._pool.closed

    def close(self) -> None:
        """Close the connections; those in use when their requests are done. Idempotent.

        Raises:
            OSError: ``cookie_file`` cannot be written.
        """
        if not self._pool.closed:
            self._pool.close()
            if self.cookie_file is not None:
                self.save_cookies()

    def save_cookies(self) -> None:
        """Write ``cookies`` to ``cookie_file`` now, whole or not at all, as `close` does.

        Raises:
            ValueError: There is no ``cookie_file``.
            OSError: It cannot be written.
        """
        if self.cookies is None:
            raise ValueError("client has no cookie_file")
        self.cookies.save()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._quiet and self._pool.idle and not self._pool.closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self.close()

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self._start()
