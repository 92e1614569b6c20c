"""The client: HttpClient and AsyncHttpClient over libcurl, and the types of their arguments."""

from typing import TYPE_CHECKING

from bladehttp._data.lazy import lazy_names

if TYPE_CHECKING:
    from bladehttp._data.auth import Auth
    from bladehttp._data.headers import Headers, HeadersLike
    from bladehttp._data.secret_names import SENSITIVE_HEADERS
    from bladehttp._message.response import HttpResponse
    from bladehttp._message.response_head import Hop, RequestInfo
    from bladehttp.client._arguments import (
        AsyncData,
        AuthFunction,
        ClientCert,
        ClientOptions,
        Credentials,
        Data,
        DownloadOptions,
        ErrorHook,
        FieldPairs,
        FileContent,
        FileName,
        FilesLike,
        FileValue,
        PathLike,
        Properties,
        QueryLike,
        Readable,
        RequestHook,
        RequestItem,
        RequestOptions,
        ResponseHook,
        RetryHook,
        StreamOptions,
    )
    from bladehttp.client._asyncio.client import AsyncHttpClient
    from bladehttp.client._client import HttpClient, shared as shared
    from bladehttp.client._config.cookie_jar import Cookie, CookieJar
    from bladehttp.client._config.progress import Report
    from bladehttp.client._config.retry import Retry
    from bladehttp.client._curl.info import describe as describe
    from bladehttp.client._exchange.hooks import HookRequest
    from bladehttp.client._exchange.scheduler import Result
    from bladehttp.client._request.fields import RequestHeaders, RequestHeadersLike
else:  # libcurl is loaded on first access, and so is asyncio
    __getattr__, __dir__ = lazy_names(
        globals(),
        {
            "_data.auth": "Auth",
            "_data.headers": "Headers HeadersLike",
            "_message.response": "HttpResponse",
            "_message.response_head": "Hop RequestInfo",
            "client._arguments": (
                "AsyncData AuthFunction ClientCert ClientOptions Credentials Data DownloadOptions "
                "ErrorHook FieldPairs FileContent FileName FilesLike FileValue PathLike "
                "Properties QueryLike Readable RequestHook RequestItem RequestOptions "
                "ResponseHook RetryHook StreamOptions"
            ),
            "client._asyncio.client": "AsyncHttpClient",
            "client._client": "HttpClient shared",
            "client._config.cookie_jar": "Cookie CookieJar",
            "client._config.progress": "Report",
            "client._config.retry": "Retry",
            "_data.secret_names": "SENSITIVE_HEADERS",
            "client._exchange.hooks": "HookRequest",
            "client._exchange.scheduler": "Result",
            "client._request.fields": "RequestHeaders RequestHeadersLike",
            "client._curl.info": "describe",
        },
    )

__all__ = [
    "SENSITIVE_HEADERS",
    "AsyncData",
    "AsyncHttpClient",
    "Auth",
    "AuthFunction",
    "ClientCert",
    "ClientOptions",
    "Cookie",
    "CookieJar",
    "Credentials",
    "Data",
    "DownloadOptions",
    "ErrorHook",
    "FieldPairs",
    "FileContent",
    "FileName",
    "FileValue",
    "FilesLike",
    "Headers",
    "HeadersLike",
    "HookRequest",
    "Hop",
    "HttpClient",
    "HttpResponse",
    "PathLike",
    "Properties",
    "QueryLike",
    "Readable",
    "Report",
    "RequestHeaders",
    "RequestHeadersLike",
    "RequestHook",
    "RequestInfo",
    "RequestItem",
    "RequestOptions",
    "ResponseHook",
    "Result",
    "Retry",
    "RetryHook",
    "StreamOptions",
]
