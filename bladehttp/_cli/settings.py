"""The properties of the client, from options and session."""

import warnings
from getpass import GetPassWarning, getpass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pycurl

from bladehttp._cli.cookies import cookie_jar
from bladehttp._cli.exits import CertificateNotUsable
from bladehttp._cli.fields import Fields
from bladehttp._cli.options import WrongUsage
from bladehttp._cli.request_options import PROPERTIES
from bladehttp._cli.session import Credentials, Session
from bladehttp._data.auth import Auth
from bladehttp.client._config.cookie_jar import CookieJar
from bladehttp.client._config.retry import TRANSIENT_STATUSES, Retry
from bladehttp.client._request.url import parse_url

RETRIED = TRANSIENT_STATUSES | {408, 500}
"""Statuses that --retry retries: curl's."""


def session_of(options: SimpleNamespace, urls: list[str]) -> Session | None:
    """Return the session that an option names.

    Raises:
        WrongUsage: The URLs are of several origins.
        CommandFailed: It cannot be read.
    """
    name = options.session or options.session_read_only
    if name is None:
        return None
    parsed = [parse_url(url) for url in urls]
    if len({url.origin for url in parsed}) > 1:
        raise WrongUsage("--session is for the URLs of one origin")
    return Session.load(name, parsed[0])


def apply_session(session: Session, fields: Fields, auth: Credentials | None) -> None:
    """Add the fields of a session that the command does not give or leave out itself."""
    if auth is not None:
        session.headers.pop("Authorization", None)
    for name, value in session.headers.items():
        fields.set_default(name, value)


def jar_of(options: SimpleNamespace, session: Session | None) -> CookieJar | None:
    """Return the jar of the request with the cookies of a session."""
    jar = cookie_jar(options)
    if session is not None and jar is not None:
        jar._add(session.cookies)
    return jar


def given_credentials(options: SimpleNamespace) -> Credentials | None:
    """Return the login of -u or --bearer, or None.

    Raises:
        WrongUsage: There are both.
    """
    if options.bearer is not None:
        if options.user is not None:
            raise WrongUsage("-u and --bearer are two logins")
        return str(options.bearer)
    return None if options.user is None else credentials(options.user)


def credentials(text: str, option: str = "-u") -> tuple[str, str]:
    """Return name and password, asking for the password if it is missing.

    Raises:
        ValueError: The password is missing and there is no terminal.
    """
    user, colon, password = text.partition(":")
    if colon:
        return user, password
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)  # it would be read, and shown, elsewhere
        try:
            return user, getpass(f"password of {user}: ")
        except GetPassWarning as error:
            message = f"{option} without a password asks for it, and there is no terminal to ask at"
            raise ValueError(message) from error


def client_properties(options: SimpleNamespace, fields: Fields) -> dict[str, Any]:
    """Return the properties of the client that the options ask for.

    Raises:
        CertificateNotUsable: The client certificate cannot be read.
        ValueError: The options do not fit together.
    """
    given = {name: getattr(options, name) for name in PROPERTIES}
    properties = {name: value for name, value in given.items() if value is not None}
    if options.referer is not None:
        properties["referer"] = options.referer.removesuffix(";auto") or None
    if options.insecure:
        properties |= {"skip_peer_verification": True, "skip_hostname_verification": True}
    if options.resolve:
        properties["resolve"] = dict(options.resolve)
    if options.retry is not None:
        delay = {} if options.retry_delay is None else {"backoff": options.retry_delay}
        properties["retry"] = Retry(options.retry, statuses=RETRIED, **delay)
    if fields.keeps_coding:
        properties["accept_encoding"] = None
    properties["curl_options"] = raw_options(options)
    return properties | certificate_properties(options) | proxy_properties(options)


def raw_options(options: SimpleNamespace) -> dict[int, Any]:
    """Return the options of libcurl that are no properties of the client.

    Raises:
        WrongUsage: There is nothing to sign a request with, or there are two addresses.
    """
    found: dict[int, Any] = {}
    if options.connect_to:
        if options.resolve:
            raise WrongUsage("--connect-to and --resolve say two addresses: one of them is enough")
        found[pycurl.CONNECT_TO] = options.connect_to
    if options.ip_version is not None:
        found[pycurl.IPRESOLVE] = getattr(pycurl, options.ip_version)
    if options.aws_sigv4 is not None:
        if options.user is None:
            raise WrongUsage("--aws-sigv4 signs with a key: -u KEY:SECRET says which")
        found[pycurl.AWS_SIGV4] = options.aws_sigv4
    return found


def certificate_properties(options: SimpleNamespace) -> dict[str, Any]:
    """Return the property for -E, --key and --pass.

    Raises:
        CertificateNotUsable: A file cannot be read.
        WrongUsage: There is a key without a certificate.
    """
    if options.cert is None:
        if options.key is not None:
            raise WrongUsage("--key is the key of a certificate: --cert says which")
        return {}
    path, password = options.cert, options.key_password
    if not Path(path).exists() and ":" in path:
        path, _, password = path.rpartition(":")
    for each in filter(None, (path, options.key)):
        if not Path(each).is_file():
            raise CertificateNotUsable(f"{each}: no such file")
    if password is None and options.key is None:
        return {"client_cert": path}
    return {"client_cert": (path, options.key, *([] if password is None else [password]))}


def proxy_properties(options: SimpleNamespace) -> dict[str, Any]:
    """Return the property for -x and -U.

    Raises:
        WrongUsage: There is a name for a proxy without one.
    """
    if options.proxy_user is None:
        return {} if options.proxy is None else {"proxy": options.proxy}
    if not options.proxy:
        raise WrongUsage("-U is for a proxy: -x says which")
    scheme, mark, rest = options.proxy.partition("://")
    scheme, rest = (scheme, rest) if mark else ("http", scheme)
    user, password = (quote(text, "") for text in credentials(options.proxy_user, "-U"))
    return {"proxy": f"{scheme}://{user}:{password}@{rest.rpartition('@')[2]}"}


def auth_properties(
    options: SimpleNamespace, auth: Credentials | None, session: Session | None
) -> dict[str, Any]:
    """Return the properties for the login of the command, or else of its session."""
    method = options.auth_method
    if auth is None and session is not None:
        auth, method = session.auth, method or session.auth_method
    return {"auth": auth, "auth_method": method or Auth.BASIC}
