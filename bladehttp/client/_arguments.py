"""The types of a client's arguments and properties, for annotations and for type checkers.

The checks at run time are in `_config` and `_request`.
"""

import os
from collections.abc import (
    AsyncIterable,
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, Protocol, Required, TypedDict

from bladehttp._data.auth import Auth
from bladehttp._message.response import HttpResponse
from bladehttp.client._config.cookie_jar import CookieJar
from bladehttp.client._config.progress import Report
from bladehttp.client._config.retry import Retry
from bladehttp.client._exchange.hooks import HookRequest
from bladehttp.client._request.fields import RequestHeadersLike


class Readable(Protocol):
    """A file that is open for reading in binary mode, or another object with its `read`."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, b"" at the end."""
        raise NotImplementedError


PathLike = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""The path of a file."""

Data = (
    str | bytes | bytearray | memoryview | Readable | Iterable[bytes] | Mapping[Any, Any]
) | HttpResponse
"""Type of ``data``; see `HttpClient.send_request`."""

AsyncData = Data | AsyncIterable[bytes]
"""Type of ``data`` of an `AsyncHttpClient`."""

FieldPairs = Mapping[Any, object] | Iterable[tuple[Any, object] | list[Any]]
"""Type of ``form``: a mapping or (name, value) pairs."""

QueryLike = str | FieldPairs
"""Type of ``query``: a mapping, (name, value) pairs, or an encoded str."""

FileContent = (
    str | bytes | bytearray | memoryview | Readable | os.PathLike[str] | os.PathLike[bytes]
)
"""The content of a file to upload, or where it is read from."""

FileName = str | os.PathLike[str] | None

FileValue = (
    FileContent
    | tuple[FileName, FileContent]
    | tuple[FileName, FileContent, str | None]
    | list[Any]
)
"""A file to upload: its content, (filename, content), (filename, content, content type), or a list
of these."""

# not Iterable, which a dict is too: mypy could not tell of which of the two a literal is
FilesLike = (
    Mapping[Any, FileValue]
    | Sequence[tuple[Any, FileValue]]
    | Iterator[tuple[Any, FileValue]]
    | ItemsView[Any, FileValue]
)
"""Type of ``files``: a mapping or (name, file) pairs."""

ClientCert = PathLike | tuple[PathLike, PathLike | None] | tuple[PathLike, PathLike | None, str]
"""Type of ``client_cert``: a path, (certificate, key) or (certificate, key, password)."""

AuthFunction = Callable[[HookRequest], object]
"""A function as ``auth``: it sets fields, or it is a generator function; see `HttpClient.auth`."""

Credentials = str | tuple[str, str] | AuthFunction
"""Type of ``auth``: (name, password), a bearer token, or a function."""

RequestHook = Callable[[HookRequest], object]
"""A hook of ``on_request``."""

ResponseHook = Callable[[HookRequest, HttpResponse], object]
"""A hook of ``on_response`` or ``on_redirect``."""

RetryHook = Callable[[HookRequest, HttpResponse | Exception, float], object]
"""A hook of ``on_retry``: its last argument is the milliseconds until the retry."""

ErrorHook = Callable[[HookRequest, BaseException], object]
"""A hook of ``on_error``."""


class Properties(TypedDict, total=False):
    """The properties that the constructor, every verb and ``download`` take in the same way."""

    user_agent: str
    follow_redirect: bool
    max_redirects: int
    allow_insecure_redirect: bool
    sensitive_headers: Iterable[str]
    referer: str | None
    skip_hostname_verification: bool
    skip_peer_verification: bool
    ca_cert: PathLike | None
    trust_env: bool
    min_tls: str
    client_cert: ClientCert | None
    pinned_key: PathLike | None
    connect_timeout: int | None
    receive_timeout: int | None
    total_timeout: int | None
    no_expect: bool
    auth: Credentials | None
    auth_method: Auth | int
    accept_encoding: str | None
    max_body_size: int | None
    retry: Retry | None
    raise_for_status: bool
    max_host_connections: int | None
    max_idle_connections: int | None
    idle_timeout: int | None
    http_version: str
    proxy: str | None
    no_proxy: str | Iterable[str] | None
    resolve: Mapping[str, str]
    unix_socket: PathLike | None
    interface: str | None
    netrc: bool | PathLike
    cookie_file: PathLike | None
    curl_options: Mapping[int, Any]


class Parts(TypedDict, total=False):
    """The arguments for the body and the query of a request."""

    json: Any
    form: FieldPairs | None
    files: FilesLike | None
    query: QueryLike | None


class RequestExtras(TypedDict, total=False):
    """The arguments that mean something else for a request than for a client."""

    cookies: CookieJar | bool | Mapping[str, str] | None
    on_request: RequestHook | Iterable[RequestHook] | None
    on_response: ResponseHook | Iterable[ResponseHook] | None


class DownloadOptions(Properties, Parts, RequestExtras, total=False):
    """The keyword arguments of ``download`` that it passes on."""

    method: str
    data: AsyncData | None
    headers: RequestHeadersLike | None
    base_url: str | None


class RequestProperties(Properties, RequestExtras, total=False):
    """The properties that the keyword arguments of every verb may override."""

    base_url: str | None
    progress: Report | None


class RequestOptions(RequestProperties, Parts, total=False):
    """The keyword arguments of every verb; see `HttpClient.send_request`."""


class StreamOptions(RequestOptions, total=False):
    """The keyword arguments of ``stream``."""

    headers: RequestHeadersLike | None


class RequestItem(StreamOptions, total=False):
    """A request as `HttpClient.send_many` takes it: the arguments of ``send_request``."""

    url: Required[str]
    method: str
    data: AsyncData | None


class ClientOptions(Properties, total=False):
    """The keyword arguments of a client's constructor."""

    query: QueryLike | None
    cookies: CookieJar | bool | None
    progress: Report | None
    on_request: RequestHook | Iterable[RequestHook]
    on_response: ResponseHook | Iterable[ResponseHook]
    on_redirect: ResponseHook | Iterable[ResponseHook]
    on_retry: RetryHook | Iterable[RetryHook]
    on_error: ErrorHook | Iterable[ErrorHook]
