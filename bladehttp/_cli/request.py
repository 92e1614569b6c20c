"""Requests: ``bladehttp [METHOD] URL [ITEM...]``, and the commands get, post and others."""

import sys
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from bladehttp import __version__
from bladehttp._cli.answer import Answer
from bladehttp._cli.body import joined, request_body
from bladehttp._cli.cookies import save_cookies
from bladehttp._cli.exits import exit_code
from bladehttp._cli.fields import request_fields
from bladehttp._cli.files import STDIN, read_text, writing
from bladehttp._cli.help import print_help
from bladehttp._cli.options import Parser, WrongUsage
from bladehttp._cli.outcome import Outcome
from bladehttp._cli.request_options import GROUPS, REMOTE_NAME
from bladehttp._cli.settings import (
    apply_session,
    auth_properties,
    client_properties,
    given_credentials,
    jar_of,
    session_of,
)
from bladehttp._cli.terminal import message_of, tell
from bladehttp._cli.timing import Stopwatch
from bladehttp._cli.wirelog import Trace, shown_log
from bladehttp._cli.words import Items, is_method, split_words
from bladehttp._cli.write_out import NEED_TRACE, write_out
from bladehttp._data.references import parse_reference, recompose
from bladehttp._message.response import HttpResponse
from bladehttp.client import HttpClient
from bladehttp.client._config.redaction import redact
from bladehttp.client._request.url import with_query
from bladehttp.exceptions import InsecureWarning, UnsupportedProtocol

PARSER = Parser(GROUPS)


def run(words: Sequence[str], method: str | None = None) -> int:
    """Send the requests of a command line and show the answers; return the exit code.

    Args:
        words: The words after the program or the command.
        method: The method of the command, None if the words may name one.

    Raises:
        CommandFailed: A file cannot be read.
        ValueError: The words cannot be used.
    """
    options, others = PARSER.parse(words)
    if options.help:
        print_help(options.help)
        return 0
    if options.version:
        sys.stdout.write(f"bladehttp {__version__}\n")
        return 0
    before = 1 if others and is_method(others[0]) else 0  # --url follows a method
    words = [*others[:before], *options.urls, *others[before:]]
    method, urls, items = split_words(words, method)
    if not urls:
        raise WrongUsage("there is no URL")
    if method is not None and options.method is not None:
        raise WrongUsage(f"-X and {method} are two methods")
    options.write_out = _format(options.write_out)
    with ExitStack() as stack:
        return Requests(options, method, urls, items, stack).send_all()


def _format(text: str | None) -> str | None:
    """Return the format of -w, for ``@FILE`` that of a file, whose line ends do not count."""
    if text is None or not text.startswith("@"):
        return text
    return "".join(read_text(text[1:]).splitlines())


class Requests:
    """The requests of one command line: one for each URL, over one client."""

    def __init__(
        self,
        options: SimpleNamespace,
        method: str | None,
        urls: list[str],
        items: Items,
        stack: ExitStack,
    ) -> None:
        """Check that the options fit together, and create the client.

        Raises:
            CommandFailed: A file cannot be read.
            ValueError: The options do not fit together.
        """
        self._options = options
        options.has_dumped = False  # whether the file of -D has a head of this command
        self._urls = urls
        self._queries = items.queries
        self._outputs = outputs(options, len(urls))
        fields = request_fields(options, items)
        self._auth = given_credentials(options)
        self._session = session_of(options, urls)
        self._own = fields.given.copy()
        if self._session is not None:
            apply_session(self._session, fields, self._auth)
        self._body = request_body(options, items, fields, stack)
        self._body["headers"] = fields.argument()
        self._method = method_of(options, method, has_body=len(self._body) > 1)
        self._jar = jar_of(options, self._session)
        properties = client_properties(options, fields)
        properties |= auth_properties(options, self._auth, self._session)
        self._is_traced = bool(options.write_out and NEED_TRACE(options.write_out))
        if options.verbose:
            stack.enter_context(shown_log(wire_too=not self._is_traced))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureWarning)  # -k was asked for
            self._client = stack.enter_context(HttpClient(cookies=self._jar, **properties))

    def send_all(self) -> int:
        """Send every request; return the exit code of the last one that failed, else 0."""
        code = 0
        for number, (url, output) in enumerate(zip(self._urls, self._outputs, strict=True)):
            code = self._send(number, url, output) or code
        save_cookies(self._options, self._jar)
        if self._session is not None and self._options.session is not None:
            self._session.learn(self._own, self._auth, self._options.auth_method)
            self._session.save(self._jar)
        return code

    def _send(self, number: int, url: str, output: Any) -> int:
        """Send a request, tell how it ended, and return its exit code."""
        options = self._options
        trace = Trace(is_shown=bool(options.verbose) and self._is_traced)
        outcome = Outcome(url, number, self._method, trace)
        watch = Stopwatch()
        self._client.on_response = [watch.head_came, outcome.head_came]
        try:
            given = self._arguments(url, trace)
            response = Answer(self._client, options, outcome, watch).receive(output, given)
            outcome.code = self._code_of(response)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - the requests to other URLs are sent
            outcome.code, outcome.message = exit_code(error), redact(message_of(error))
            if options.show_error or not options.silent:
                tell(outcome.message)
        outcome.end()
        if options.timing and outcome.response is not None:
            watch.show(outcome.response)
        if options.write_out is not None:
            with writing():
                write_out(options.write_out, outcome)
        return outcome.code

    def _arguments(self, url: str, trace: Trace) -> dict[str, Any]:
        """Return the arguments of `HttpClient.send_request` for a URL.

        Raises:
            UnsupportedProtocol: --proto does not allow its scheme.
        """
        options = self._options
        scheme = (parse_reference(url).scheme or "").lower()
        if options.schemes is not None and scheme not in options.schemes:
            raise UnsupportedProtocol(f"scheme {scheme[:40]!r} is not among those of --proto")
        if options.upload not in (None, STDIN, "."):
            url = with_file_name(url, options.upload)
        if options.as_query and options.data:
            url = with_query(url, joined(options.data).decode("utf-8", "surrogateescape"))
        if options.url_query:
            url = with_query(url, joined(options.url_query).decode())
        if self._queries:
            url = with_query(url, self._queries)
        if self._auth is not None:
            url = without_userinfo(url)  # with curl, too, -u wins
        given = {"url": url, "method": self._method, **self._body}
        if self._is_traced:
            given["curl_options"] = {**self._client.curl_options, **trace.curl_options()}
        return given

    def _code_of(self, response: HttpResponse) -> int:
        """Return the exit code for a status.

        Raises:
            HttpStatusError: It is 400 or more, and the options count that as a failure.
        """
        if self._options.fail or self._options.fail_with_body:
            response.raise_for_status()
        if not response.ok and self._options.check_status:
            tell(redact(f"{response.status} {response.reason} from {response.responder}"))
            return response.status // 100
        return 0


def outputs(options: SimpleNamespace, count: int) -> list[Any]:
    """Return where the body of each URL goes: of further ones to standard output, as with curl.

    Raises:
        WrongUsage: An option is for a file and there is none.
    """
    rest = REMOTE_NAME if options.all_outputs else None
    found = [*options.outputs[:count], *[rest] * (count - len(options.outputs))]
    if len(options.outputs) > count and not (options.quiet or options.silent):
        tell(f"there are {len(options.outputs)} outputs for {count} URL{'s' * (count > 1)}")
    files = [each for each in found if each not in (None, STDIN)]
    needs = {
        "-C": options.resume,
        "--checksum": options.checksum,
    }
    for option, is_given in needs.items():
        if is_given and not files:
            raise WrongUsage(f"{option} is for a file: -o says which")
    if options.by_header and REMOTE_NAME not in files:
        raise WrongUsage("-J names the file of -O, and there is none")
    if options.by_header and options.resume:
        raise WrongUsage("-C goes on with a file whose name is known, and -J learns it too late")
    return found


def method_of(options: SimpleNamespace, method: str | None, *, has_body: bool) -> str:
    """Return the method: as given, else as curl chooses it.

    Raises:
        WrongUsage: HEAD with a body.
    """
    given = options.method or method
    if options.is_head and has_body:
        raise WrongUsage("-I sends HEAD, which has no body")
    if given is not None:
        return str(given)
    if options.is_head:
        return "HEAD"
    if options.upload is not None:
        return "PUT"
    return "POST" if has_body else "GET"


def with_file_name(url: str, path: str) -> str:
    """Return the URL of -T: a path that ends in a slash, or none, goes on with the file's name."""
    reference = parse_reference(url)
    if reference.path.rpartition("/")[2] or reference.query is not None:
        return url
    return f"{url}{'' if reference.path else '/'}{quote(Path(path).name, safe='')}"


def without_userinfo(url: str) -> str:
    """Return a URL without the name and password in it."""
    reference = parse_reference(url)
    authority = (reference.authority or "").rpartition("@")[2]
    return recompose(reference._replace(authority=authority))
