"""The arguments of the commands that send a request, most of them a property of the client."""

import re
import warnings
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from getpass import GetPassWarning, getpass
from typing import Any, NamedTuple

from bladehttp._data.auth import Auth
from bladehttp.client._config.retry import Retry

# RFC 3986 section 3.1, and the slashes before a host: "localhost:8000" has no scheme
has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://").match


class Option(NamedTuple):
    """An option that sets a property of the client: to its value, or to a constant."""

    flags: tuple[str, ...]
    property: str
    help: str
    metavar: str | None = None
    convert: Callable[[str], Any] = str
    constant: Any = None

    def add_to(self, group: Any) -> None:
        """Add it; the property is absent from the options unless it is given."""
        settings: dict[str, Any] = {"dest": self.property, "default": SUPPRESS, "help": self.help}
        if self.metavar is None:
            settings |= {"action": "store_const", "const": self.constant}
        else:
            settings |= {"metavar": self.metavar, "type": self.convert}
        group.add_argument(*self.flags, **settings)


def retries(text: str) -> Retry:
    """Return the `Retry` for a number of attempts."""
    return Retry(total=int(text))


CONNECTION = (
    Option(("--cacert",), "ca_cert", "trust only these authorities", "FILE"),
    Option(("--proxy",), "proxy", "the proxy; '' for none, overriding the environment", "URL"),
    Option(("--unix-socket",), "unix_socket", "connect to this socket", "PATH"),
    Option(("--http1.1",), "http_version", "use HTTP/1.1", constant="1.1"),
    Option(("--http2",), "http_version", "use HTTP/2 if negotiated by TLS (the default)",
           constant="2"),
    Option(("--http3",), "http_version", "use HTTP/3 if this libcurl supports it", constant="3"),
    Option(("--connect-timeout",), "connect_timeout", "longest time to connect (60000)",
           "MS", int),
    Option(("--timeout",), "total_timeout", "longest time for it all (no limit)", "MS", int),
    Option(("--retry",), "retry", "retry failures that may be repeated, at most N times",
           "N", retries),
)  # fmt: skip

REDIRECTS = (
    Option(("-L", "--location"), "follow_redirect", "follow redirects (the default)",
           constant=True),
    Option(("--no-redirect",), "follow_redirect", "do not follow redirects", constant=False),
    Option(("--max-redirects",), "max_redirects", "most redirects to follow (20)", "N", int),
)  # fmt: skip

PROPERTIES = {option.property for option in CONNECTION + REDIRECTS}

METHODS = ("basic", "digest", "ntlm", "negotiate", "any", "anysafe")


def add_arguments(parser: ArgumentParser) -> None:
    """Add all of them."""
    parser.add_argument(
        "url", metavar="URL", type=with_scheme, help="the URL; without a scheme it is http://"
    )
    _add_request(parser.add_argument_group("the request"))
    _add_answer(parser.add_argument_group("the answer"))
    redirects = parser.add_argument_group("redirects")
    for option in REDIRECTS:
        option.add_to(redirects)
    connection = parser.add_argument_group("the connection")
    for option in CONNECTION:
        option.add_to(connection)
    _add_certificates(connection)


def _add_request(group: Any) -> None:
    group.add_argument(
        "-H",
        dest="headers",
        metavar="'NAME: VALUE'",
        type=field,
        action="append",
        default=[],
        help="send this field, replacing a default of the same name",
    )
    bodies = group.add_mutually_exclusive_group()
    bodies.add_argument(
        "-d",
        dest="data",
        metavar="DATA",
        action="append",
        help="send this: text (several are joined with &), @FILE, or - for standard input",
    )
    bodies.add_argument("--json", metavar="DATA", help="send this JSON: text, @FILE or -")
    bodies.add_argument(
        "-F",
        dest="parts",
        metavar="NAME=VALUE",
        type=part,
        action="append",
        help="send a form's field, or a file: NAME=@FILE, NAME=@FILE;type=MIME",
    )
    group.add_argument(
        "-u",
        dest="user",
        metavar="USER:PASSWORD",
        help="name and password; a missing password is asked for",
    )
    group.add_argument("--auth", dest="auth_method", choices=METHODS, default="basic",
                       help="how -u is sent (basic)")  # fmt: skip


def _add_answer(group: Any) -> None:
    group.add_argument(
        "-o",
        dest="output",
        metavar="FILE",
        help="write the body to a file, whole or not at all; - writes it as it is, "
        "to a terminal too",
    )
    group.add_argument(
        "-C",
        dest="resume",
        action="store_true",
        help="with -o: keep an incomplete body as FILE.part, and continue from there",
    )
    group.add_argument(
        "--checksum",
        metavar="ALGORITHM:HEX",
        help="with -o: write the file only if it has this checksum, such as sha256:9f86d0...",
    )
    group.add_argument(
        "-i", dest="show_head", action="store_true", help="print the status and the fields too"
    )
    group.add_argument(
        "--fail", action="store_true", help="end with exit code 4 or 5 if the status is 4xx or 5xx"
    )
    group.add_argument(
        "--timing", action="store_true", help="print the time of each phase on standard error"
    )
    group.add_argument(
        "-v",
        dest="verbose",
        action="store_true",
        help="print the traffic on standard error, without secrets",
    )
    group.add_argument("-q", dest="quiet", action="store_true",
                       help="print no progress bar and no remarks, only errors")  # fmt: skip


def _add_certificates(group: Any) -> None:
    group.add_argument("-k", dest="insecure", action="store_true", help="accept any certificate")
    group.add_argument("--cert", metavar="FILE", help="client certificate to send")
    group.add_argument("--key", metavar="FILE", help="its key, if not in it")  # fmt: skip


def client_properties(options: Namespace) -> dict[str, Any]:
    """Return the properties of the client that the options ask for."""
    properties = {name: value for name, value in vars(options).items() if name in PROPERTIES}
    if options.insecure:
        properties |= {"skip_peer_verification": True, "skip_hostname_verification": True}
    if options.cert is not None:
        properties["client_cert"] = (options.cert, options.key) if options.key else options.cert
    elif options.key is not None:
        raise ValueError("--key is the key of a certificate: --cert says which")
    if options.user is not None:
        properties["auth"] = credentials(options.user)
        properties["auth_method"] = Auth[options.auth_method.upper()]
    return properties


def credentials(text: str) -> tuple[str, str]:
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
            message = "-u without a password asks for it, and there is no terminal to ask at"
            raise ValueError(message) from error


def with_scheme(text: str) -> str:
    """Return a URL with a scheme, as curl does: "localhost:8000/x" is http."""
    text = text.strip(" ")
    return text if has_scheme(text) else f"http://{text}"


def field(text: str) -> tuple[str, str]:
    """Return a field's name and value."""
    name, colon, value = text.partition(":")
    if not (colon and name.strip()):
        raise ArgumentTypeError(f"{text!r} is not of the form 'Name: value'")
    return name.strip(), value.strip()


def part(text: str) -> tuple[str, str]:
    """Return the name and value of a field of a form."""
    name, sign, value = text.partition("=")
    if not (sign and name):
        raise ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name, value
