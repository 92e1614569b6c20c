"""Redirects: which are followed, and the next request (RFC 9110 section 15.4).

They are followed here, hop by hop on the same handle, and not by libcurl (docs/decisions/0010).
"""

import re
from functools import partial

from bladehttp._data.secret_names import is_sensitive
from bladehttp.client._config.network import OF_ONE_ORIGIN
from bladehttp.client._config.options import Settings
from bladehttp.client._request.fields import Fields
from bladehttp.client._request.prepared import PreparedRequest
from bladehttp.client._request.url import (
    Url,
    location_url,
    parse_url,
    without_userinfo,
)
from bladehttp.exceptions import UnsupportedProtocol


def post_becomes_get(method: str) -> str:
    """RFC 9110 sections 15.4.2 and 15.4.3: a user agent MAY change POST to GET, and all do."""
    return "GET" if method == "POST" else method


def see_other(method: str) -> str:
    """RFC 9110 section 15.4.4: a GET (or HEAD) of another resource."""
    return "HEAD" if method == "HEAD" else "GET"


def keep_method(method: str) -> str:
    """RFC 9110 sections 15.4.8 and 15.4.9: MUST NOT change the method."""
    return method


NEXT_METHOD = {
    301: post_becomes_get,
    302: post_becomes_get,
    303: see_other,
    307: keep_method,
    308: keep_method,
}
"""The redirects that are followed. 300 is a choice for the user, 304 to 306 are not redirects."""

# RFC 9110 section 15.4: when the method changes, fields about the content go with the content
is_about_content = partial(
    re.fullmatch, r"content-.*|digest|repr-digest|last-modified|expect|trailer", flags=re.IGNORECASE
)

OF_THE_ORIGIN = frozenset(("host", "referer"))
"""Not secret, but they reveal this origin to the next one."""


def next_request(request: PreparedRequest, status: int, location: str) -> PreparedRequest:
    """Return the request that a redirect leads to.

    A request to another origin has no sensitive fields (``sensitive_headers``), no Host and Referer
    of the caller, and neither ``auth`` nor client certificate. They are not added again, even if
    the chain returns to the first origin.

    Raises:
        InvalidUrl: The Location is not valid.
        UnsupportedProtocol: It is neither http nor https, or http after https where that is not
            allowed.
        UnrewindableBody: The body must be sent again and its source cannot be rewound.
    """
    url = location_url(location, request.url.text)
    method = NEXT_METHOD[status](request.method)
    if url.origin == request.url.origin and method == request.method:
        return request.at(url)  # nearly always
    fields, body = request.fields, request.body
    _check_scheme(request, url)
    if method != request.method:
        fields, body = [field for field in fields if not is_about_content(field[0])], None
    if body is not None:
        body.rewind()
    settings = request.settings
    if url.origin != request.url.origin:
        fields, settings = _for_other_origin(fields, settings)
    return PreparedRequest(method, url, fields, body, settings)


def _check_scheme(request: PreparedRequest, url: Url) -> None:
    """Check a URL that a response leads to.

    Raises:
        UnsupportedProtocol: It is http after https, and that is not allowed.
    """
    is_insecure = request.url.origin[0] == "https" and url.origin[0] == "http"
    if is_insecure and not request.settings.allow_insecure_redirect:
        raise UnsupportedProtocol(f"redirect from https to http refused: {url.text[:200]!r}")


def page_request(request: PreparedRequest, places: list[str], text: str) -> PreparedRequest:
    """Return the request for a page that the response to another page leads to.

    If it is at another origin, or a redirect of that page was, it has no credentials, and neither
    have the pages after it.

    Args:
        request: The request for the other page.
        places: The URLs that have answered it: each redirect and the response.
        text: The absolute URL of the page.

    Raises:
        InvalidUrl: As of `next_request`.
        UnsupportedProtocol: As of `next_request`.
    """
    url, fields, settings = without_userinfo(parse_url(text)), request.fields, request.settings
    _check_scheme(request, url)
    if {url.origin, *(parse_url(place).origin for place in places)} != {request.url.origin}:
        fields, settings = _for_other_origin(fields, settings)
    return PreparedRequest(request.method, url, fields, request.body, settings, hooks=request.hooks)


def _for_other_origin(fields: Fields, settings: Settings) -> tuple[Fields, Settings]:
    if settings.auth is not None or settings.client_cert is not None:
        settings = settings.changed({"auth": None, "client_cert": None})
    given = settings.curl_options
    if not OF_ONE_ORIGIN.isdisjoint(given):
        public = {option: given[option] for option in given.keys() - OF_ONE_ORIGIN}
        settings = settings.changed({"curl_options": public})
    return public_fields(fields, settings.sensitive_headers), settings


def public_fields(fields: Fields, patterns: tuple[str, ...]) -> Fields:
    """Return the fields that another origin may see."""
    return [
        (name, value)
        for name, value in fields
        if name.lower() not in OF_THE_ORIGIN and not is_sensitive(name, patterns)
    ]
