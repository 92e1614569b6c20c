"""TransferOptions: the options of one transfer that are reset at its end.

Method, fields and bytes are not among them: they stay set, and the next transfer changes what
differs (`Handle.set_message`). Most requests have nothing else. From the first option set to the
last one reset a handle is not reusable (transfer.py): if an exception interrupts in between, such
as a Ctrl-C, the handle is closed, and no option of one request leaks into another.

Digest at proxies: which proxies require it.

libcurl sends name and password to a proxy by Basic at once: nearly all accept it, and it saves a
round. A proxy that answers 407 and offers Digest but not Basic is remembered by its URL, and the
request is sent once more; from then on libcurl asks that proxy first and answers with Digest
(CURLOPT_PROXYAUTH). A proxy that offers both has refused the password, which is not sent again:
accounts get locked.
"""

import re
from functools import partial
from logging import DEBUG
from typing import Any

import pycurl

from bladehttp._data.auth import Auth
from bladehttp.client._config.cookie_jar import override
from bladehttp.client._config.environment import active_proxy, is_direct
from bladehttp.client._config.options import Settings
from bladehttp.client._config.progress import Progress, Report
from bladehttp.client._curl.body_sender import BodySender
from bladehttp.client._curl.handle import PLAIN, Handle, Message
from bladehttp.client._curl.response_head import ResponseHead, offers_digest
from bladehttp.client._curl.wire_log import start_wire_log, stop_wire_log, wire
from bladehttp.client._request.body import BytesBody
from bladehttp.client._request.prepared import PreparedRequest

POSTFIELDS = pycurl.POSTFIELDS  # once: an attribute of a module costs five times as much


def transfer_options_for(handle: Handle, request: PreparedRequest) -> "TransferOptions | None":
    """Set a handle up for the message of a request; return the options to reset, None for none."""
    if not request.is_plain:
        _set_message(handle, request)
    elif handle.message is not PLAIN:
        handle.set_message(PLAIN)
    if request.is_simple and not wire.isEnabledFor(DEBUG):
        return None
    return TransferOptions(handle, request)


def _set_message(handle: Handle, request: PreparedRequest) -> None:
    """Set method, fields and bytes; a body that is read while it is sent is a `BodySender`'s."""
    body, kept = request.body, request.options
    has_bytes = type(body) is BytesBody
    if not kept:
        method = request.method if body is None or has_bytes else "GET"
        kept.append(Message(method, _field_options(request), has_bytes))
    if kept[0] is not handle.message:
        handle.set_message(kept[0])
    if type(body) is BytesBody:
        handle.setopt(POSTFIELDS, body.data)  # makes it a POST


class TransferOptions:
    """The options that one transfer has set on a handle."""

    __slots__ = ("_handle", "_is_wired", "_override", "_request", "_sender")

    def __init__(self, handle: Handle, request: PreparedRequest) -> None:
        """Set a handle up for a request."""
        self._handle = handle
        self._request = request
        curl, settings = handle.curl, request.settings
        self._is_wired = start_wire_log(handle, settings.sensitive_headers)
        if request.url.target is not None and _may_keep_target(request):
            curl.setopt(pycurl.REQUEST_TARGET, request.url.target)
            handle.invalidate()  # it cannot be unset
        if settings.progress is not None:
            self._watch(settings.progress)
        if settings.curl_options:
            handle.invalidate()  # they may set an option that is reset later
        jar = settings.cookies
        self._override = (
            None if jar is None else override(curl, jar, request.cookies().decode("latin-1"))
        )
        self._sender: BodySender | None = None
        if request.body is not None and type(request.body) is not BytesBody:
            self._sender = BodySender(handle, request.method)
            request.body.attach(self._sender)

    def _watch(self, report: Report) -> None:
        handle, body = self._handle, self._request.body
        progress = Progress(report, upwards=body is not None and body.length != 0)
        handle.set_callback(pycurl.XFERINFOFUNCTION, handle.in_context(progress))
        handle.setopt(pycurl.NOPROGRESS, 0)

    def head_received(self) -> None:
        """Record cookies after the head of the response."""
        if self._override is not None:
            self._override.learn()

    def reset(self) -> None:
        """Reset the options."""
        curl = self._handle.curl
        if self._override is not None:
            self._override.restore()
        if self._is_wired:
            stop_wire_log(curl)
        if self._request.settings.progress is not None:
            curl.setopt(pycurl.NOPROGRESS, 1)
            curl.unsetopt(pycurl.XFERINFOFUNCTION)
        if self._request.body is not None and self._sender is not None:
            self._sender.reset()
            self._request.body.detach()


def _may_keep_target(request: PreparedRequest) -> bool:
    """Whether a path can be sent unchanged (CURLOPT_REQUEST_TARGET), directly to a server.

    A proxy gets the whole URL, which libcurl leaves unchanged; and a digest is computed from the
    path as libcurl writes it.
    """
    settings = request.settings
    has_password = isinstance(settings.auth, tuple) or settings.netrc
    if has_password and settings.auth_method & Auth.DIGEST:
        return False
    return is_direct(settings, request.url.origin[0])


def _field_options(request: PreparedRequest) -> tuple[tuple[int, Any], ...]:
    """Return the options of the fields; no option without fields."""
    pairs = (
        (pycurl.HTTPHEADER, request.lines()),
        (pycurl.PROXYHEADER, request.proxy_lines()),
        (pycurl.COOKIE, request.cookies()),
    )
    return tuple([pair for pair in pairs if pair[1]])


PROXY_AUTHENTICATION_REQUIRED = 407

MOST_KNOWN = 256

offers_basic = partial(re.search, r"(?:^|,)\s*basic\b", flags=re.IGNORECASE)

WANT_DIGEST: dict[str, None] = {}
"""The URLs of proxies that require Digest, oldest first."""


def proxy_auth_options(settings: Settings, scheme: str) -> tuple[tuple[int, object], ...]:
    """Return CURLOPT_PROXYAUTH where it is to be another than Basic."""
    if active_proxy(settings, scheme) not in WANT_DIGEST:
        return ()
    return ((pycurl.PROXYAUTH, pycurl.HTTPAUTH_DIGEST),)


def gets_digest(settings: Settings, scheme: str) -> bool:
    """Whether libcurl may answer a proxy by Digest."""
    return (
        pycurl.PROXYAUTH in settings.curl_options or active_proxy(settings, scheme) in WANT_DIGEST
    )


def learn(settings: Settings, scheme: str, received: ResponseHead) -> bool:
    """Remember a proxy that requires Digest, or forget one that accepts Basic again.

    Return whether the request may be sent once more.

    Args:
        settings: The settings of the request.
        scheme: The scheme of its URL.
        received: The head of a 407.
    """
    proxy = active_proxy(settings, scheme)
    if "@" not in proxy or pycurl.PROXYAUTH in settings.curl_options:
        return False
    challenges = ", ".join(received.headers.get_all("Proxy-Authenticate"))
    is_basic, is_digest = bool(offers_basic(challenges)), bool(offers_digest(challenges))
    if proxy in WANT_DIGEST:
        if is_basic and not is_digest:
            del WANT_DIGEST[proxy]
        return proxy not in WANT_DIGEST
    if is_basic or not is_digest:
        return False
    while len(WANT_DIGEST) >= MOST_KNOWN:
        del WANT_DIGEST[next(iter(WANT_DIGEST))]
    WANT_DIGEST[proxy] = None
    return True
