"""OPTIONS: the options of a request, one row each, by the group of the help.

Their names are curl's, and HTTPie's where curl has none. A group's rows come in the order of the
help; those whose name is in PROPERTIES set that property of the client.
"""

from typing import NamedTuple

from bladehttp._cli.options import Group, Option
from bladehttp._cli.values import (
    auth_method,
    colour,
    connected,
    field,
    milliseconds,
    number,
    resolved,
    schemes,
    size,
)

REMOTE_NAME = object()
"""In ``outputs``: a file named as the URL's last segment (-O)."""


SOCKS = (
    ("socks4", "socks4"), ("socks4a", "socks4a"), ("socks5", "socks5"),
    ("socks5-hostname", "socks5h"),
)  # fmt: skip
"""curl's options for SOCKS proxies, and the schemes they stand for."""


class Data(NamedTuple):
    """Data for the body, and how it is to be read: as the option that gave it."""

    kind: str
    text: str


class Part(NamedTuple):
    """A part of a multipart form, and whether its value is taken literally."""

    text: str
    is_literal: bool = False


def data(*flags: str, kind: str, help: str) -> Option:  # noqa: A002 - as in argparse
    """Return the row of an option with data for the body."""
    return Option(flags, "data", help, "DATA", lambda text: Data(kind, text), is_list=True)


def url_query(text: str) -> Data:
    """Return the data of --url-query: encoded, or after "+" as it is."""
    return Data("raw", text[1:]) if text.startswith("+") else Data("urlencode", text)


REQUEST = Group("request", (
    Option(("-X", "--request"), "method", "the method: PURGE, or any other", "METHOD"),
    Option(("-H", "--header"), "headers", "a field; 'NAME:' leaves one out, 'NAME;' is empty, "
           "@FILE has one a line", "'NAME: VALUE'", field, is_list=True),
    data("-d", "--data", "--data-ascii", kind="text",
         help="a form's data; @FILE without its line ends, - for standard input; several: &"),
    data("--data-raw", kind="raw", help="as -d, @ being a character"),
    data("--data-binary", kind="binary", help="as -d, a file as it is"),
    data("--data-urlencode", kind="urlencode",
         help="as -d, encoded: TEXT, =TEXT, NAME=TEXT, @FILE, NAME@FILE"),
    data("--json", kind="json", help="JSON: text, @FILE or -; other text is not sent"),
    Option(("-F", "--form"), "parts", "a field of a form, or a file: NAME=@FILE;type=MIME;"
           "filename=NAME, NAME=<FILE", "NAME=VALUE", Part, is_list=True),
    Option(("--form-string",), "parts", "as -F, VALUE taken literally", "NAME=VALUE",
           lambda text: Part(text, is_literal=True), is_list=True),
    Option(("-T", "--upload-file"), "upload", "PUT this file; - for standard input", "FILE"),
    Option(("--as-form",), "as_form", "send items name=value as a form, not as JSON"),
    Option(("-G", "--get"), "as_query", "put the data of -d into the URL and send GET"),
    Option(("-I", "--head"), "is_head", "send HEAD and print the head"),
    Option(("-A", "--user-agent"), "user_agent", "the User-Agent field", "AGENT"),
    Option(("-e", "--referer"), "referer", "the Referer field", "URL"),
    Option(("-r", "--range"), "range", "a part of the body, such as 0-499", "RANGE"),
    Option(("--compressed",), "is_compressed", "ask for a coded body and decode it (the default)"),
    Option(("--url-query",), "url_query", "add this to the URL, encoded as by --data-urlencode; "
           "+DATA as it is", "DATA", url_query, is_list=True),
    Option(("--url",), "urls", "the URL, as an option", "URL", is_list=True),
))  # fmt: skip

LOGIN = Group("login", (
    Option(("-u", "--user", "-a", "--auth"), "user", "name and password; a missing password is "
           "asked for", "USER:PASSWORD"),
    Option(("--bearer", "--oauth2-bearer"), "bearer", "a bearer token", "TOKEN"),
    Option(("--auth-type",), "auth_method", "basic (the default), digest, ntlm, negotiate, any, "
           "anysafe", "METHOD", auth_method),
    *(Option((flag,), "auth_method", f"as --auth-type {name}", constant=auth_method(name))
      for flag, name in (("--basic", "basic"), ("--digest", "digest"), ("--ntlm", "ntlm"),
                         ("--negotiate", "negotiate"), ("--anyauth", "any"))),
    Option(("--aws-sigv4",), "aws_sigv4", "sign the request with -u KEY:SECRET: aws:amz:REGION:s3",
           "PROVIDER"),
    Option(("-n", "--netrc", "--netrc-optional"), "netrc", "name and password of ~/.netrc"),
    Option(("--netrc-file",), "netrc", "name and password of this file", "FILE"),
    Option(("-b", "--cookie"), "cookies", "cookies 'a=1; b=2', or a file of them", "COOKIES|FILE",
           is_list=True),
    Option(("-c", "--cookie-jar"), "cookie_jar", "save cookies in this file; - prints them",
           "FILE"),
    Option(("--session",), "session", "keep login, fields and cookies of this host under a name",
           "NAME"),
    Option(("--session-read-only",), "session_read_only", "as --session, changing nothing",
           "NAME"),
))  # fmt: skip

ANSWER = Group("answer", (
    Option(("-i", "--include", "--show-headers"), "show_head", "print the head too"),
    Option(("-o", "--output"), "outputs", "write the body to a file, whole or not at all; - writes "
           "it as it is, to a terminal too", "FILE", is_list=True),
    Option(("-O", "--remote-name"), "outputs", "write it to a file named as in the URL",
           constant=REMOTE_NAME, is_list=True),
    Option(("--remote-name-all",), "all_outputs", "-O for every URL"),
    Option(("-J", "--remote-header-name"), "by_header", "with -O: name it as the server says"),
    Option(("--output-dir",), "output_dir", "the directory of -o and -O", "DIRECTORY"),
    Option(("--create-dirs",), "create_dirs", "create the directories of the file"),
    Option(("-C", "--continue-at", "--continue"), "resume", "keep an incomplete body as FILE.part "
           "and continue from there", "-", optional="-"),
    Option(("--checksum",), "checksum", "write the file only if it has this checksum, such as "
           "sha256:9f86d0...", "ALGORITHM:HEX"),
    Option(("-D", "--dump-header"), "dump_head", "write the head to a file; - for standard output",
           "FILE"),
    Option(("-f", "--fail"), "fail", "end with exit code 22 for a 4xx or 5xx, without its body"),
    Option(("--fail-with-body",), "fail_with_body", "as -f, with the body"),
    Option(("--check-status",), "check_status", "end with exit code 4 or 5 for a 4xx or 5xx"),
    Option(("-s", "--silent"), "silent", "print no errors, remarks or progress"),
    Option(("-S", "--show-error"), "show_error", "with -s: print errors all the same"),
    Option(("-q", "--quiet"), "quiet", "print no remarks or progress, only errors"),
    Option(("-v", "--verbose"), "verbose", "print the traffic on standard error, without secrets"),
    Option(("-w", "--write-out"), "write_out", "print this after the answer: %{http_code}, "
           "%{json}, \\n, ...; @FILE", "FORMAT"),
    Option(("--timing",), "timing", "print the time of each phase on standard error"),
    Option(("--color", "--colour"), "colour", "always, never or auto (the default): lay out and "
           "colour on a terminal", "WHEN", colour),
))  # fmt: skip

REDIRECTS = Group("redirects", (
    Option(("-L", "--location", "--follow"), "follow_redirect", "follow redirects (the default)"),
    Option(("--no-redirect", "--no-location"), "follow_redirect", "do not follow redirects",
           constant=False),
    Option(("--max-redirs", "--max-redirects"), "max_redirects", "most redirects to follow (20)",
           "N", number),
))  # fmt: skip

CONNECTION = Group("connection", (
    Option(("-m", "--max-time", "--timeout"), "total_timeout", "longest time for it all, in "
           "seconds: 1.5; or 500ms", "TIME", milliseconds),
    Option(("--connect-timeout",), "connect_timeout", "longest time to connect (60)", "TIME",
           milliseconds),
    Option(("--retry",), "retry", "retry failures that may pass, at most N times", "N", number),
    Option(("--retry-connrefused",), "no_effect", "a refused connection is retried anyhow"),
    Option(("--retry-delay",), "retry_delay", "longest time before the first retry (0.5)", "TIME",
           milliseconds),
    Option(("--max-filesize",), "max_body_size", "longest body, in bytes, or 10M", "N", size),
    Option(("-k", "--insecure"), "insecure", "accept any certificate"),
    Option(("--cacert", "--capath"), "ca_cert", "trust only these authorities", "FILE"),
    Option(("-E", "--cert"), "cert", "client certificate to send", "FILE[:PASSWORD]"),
    Option(("--key",), "key", "its key, if not in it", "FILE"),
    Option(("--pass",), "key_password", "the password of the key", "PASSWORD"),
    Option(("--pinnedpubkey",), "pinned_key", "the key the server must have", "HASHES|FILE"),
    Option(("--tlsv1.2",), "min_tls", "TLS 1.2 or later (the default)", constant="1.2"),
    Option(("--tlsv1.3",), "min_tls", "TLS 1.3 or later", constant="1.3"),
    Option(("-x", "--proxy"), "proxy", "the proxy; '' for none, overriding the environment",
           "URL"),
    *(Option((f"--{name}",), "proxy", f"a SOCKS proxy: -x {scheme}://HOST:PORT", "HOST:PORT",
             f"{scheme}://{{}}".format) for name, scheme in SOCKS),
    Option(("-U", "--proxy-user"), "proxy_user", "name and password for the proxy",
           "USER:PASSWORD"),
    Option(("--noproxy",), "no_proxy", "hosts to reach without the proxy", "HOSTS"),
    Option(("--resolve",), "resolve", "connect to this address", "HOST:PORT:ADDRESS", resolved,
           is_list=True),
    Option(("--connect-to",), "connect_to", "connect to this host and port instead",
           "HOST:PORT:TO:PORT", connected, is_list=True),
    Option(("--proto",), "schemes", "schemes of the URL, such as =https", "SCHEMES", schemes),
    Option(("--unix-socket",), "unix_socket", "connect to this socket", "PATH"),
    Option(("--interface",), "interface", "connect from this interface or address", "NAME"),
    Option(("-4", "--ipv4"), "ip_version", "connect by IPv4", constant="IPRESOLVE_V4"),
    Option(("-6", "--ipv6"), "ip_version", "connect by IPv6", constant="IPRESOLVE_V6"),
    Option(("--http1.0", "-0"), "http_version", "use HTTP/1.0", constant="1.0"),
    Option(("--http1.1",), "http_version", "use HTTP/1.1", constant="1.1"),
    Option(("--http2",), "http_version", "use HTTP/2 if negotiated by TLS (the default)",
           constant="2"),
    Option(("--http3",), "http_version", "use HTTP/3 if this libcurl supports it", constant="3"),
))  # fmt: skip

ACCEPTED = Group("accepted, as they say the default", (
    Option(("--path-as-is",), "no_effect", "dots in a path are sent as they are"),
    Option(("-g", "--globoff"), "no_effect", "{} and [] in a URL are characters"),
    Option(("-N", "--no-buffer"), "no_effect", "each piece of a body is printed as it comes"),
    Option(("-#", "--progress-bar", "--no-progress-meter"), "no_effect", "-o draws a bar on a "
           "terminal"),
))  # fmt: skip

HELP = Group("help", (
    Option(("-h", "--help"), "help", "print a screen of help; all: everything", "all",
           optional="all"),
    Option(("-V", "--version"), "version", "print the version"),
))  # fmt: skip

GROUPS = (REQUEST, LOGIN, ANSWER, REDIRECTS, CONNECTION, ACCEPTED, HELP)

PROPERTIES = (
    "ca_cert", "connect_timeout", "follow_redirect", "http_version", "interface", "max_body_size",
    "max_redirects", "min_tls", "netrc", "no_proxy", "pinned_key", "total_timeout", "unix_socket",
    "user_agent",
)  # fmt: skip
"""Options that are properties of the client as they are."""
