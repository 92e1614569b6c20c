"""The commands that send a request: get, post, put, patch, delete, head and options."""

import sys
import warnings
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from typing import Any

from bladehttp.cli import arguments
from bladehttp.cli.body import request_arguments
from bladehttp.cli.output import show
from bladehttp.cli.progress import ProgressBar
from bladehttp.cli.terminal import is_terminal
from bladehttp.cli.timing import Stopwatch
from bladehttp.cli.wirelog import log_wire
from bladehttp.client import HttpClient
from bladehttp.exceptions import InsecureWarning
from bladehttp.response import HttpResponse

HEAD_IS_THE_ANSWER = ("head", "options")
"""Commands after which the head is shown without -i."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of all of them: they are the same."""
    arguments.add_arguments(parser)


def run(options: Namespace) -> int:
    """Send the request and show what comes.

    Raises:
        HttpException: No answer came, or one that --fail or -o takes for a failure.
        OSError: A file cannot be read or written.
        ValueError: The options cannot be used like this.
    """
    _check(options)
    if options.verbose:
        log_wire()
    watch = Stopwatch()
    with ExitStack() as stack:
        given = request_arguments(options, stack)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureWarning)  # -k was asked for
            client = stack.enter_context(HttpClient(**arguments.client_properties(options)))
        client.on_response = [watch.head_came]
        response = _answer(client, options, given)
    if options.timing:
        watch.stop()
        watch.show(response)
    if options.fail or _is_file(options):
        response.raise_for_status()
    return 0


def _check(options: Namespace) -> None:
    """Raise if there is something in the options that would be ignored.

    Raises:
        ValueError: Likewise.
    """
    if options.resume and not _is_file(options):
        raise ValueError("-C goes on with a file: -o says which")
    if options.command == "head" and options.output is not None:
        raise ValueError("the answer to HEAD has no body to write to a file")


def _is_file(options: Namespace) -> bool:
    return options.output not in (None, "-")


def _answer(client: HttpClient, options: Namespace, given: dict[str, Any]) -> HttpResponse:
    """Return the response when its body has been put where it belongs."""
    method = options.command.upper()
    show_head = options.show_head or options.command in HEAD_IS_THE_ANSWER
    if _is_file(options):
        return _download(client, options, method=method, show_head=show_head, **given)
    raw = options.output == "-" or not is_terminal(sys.stdout)
    with client.stream(options.url, method, **given) as response:
        show(response, raw=raw, head=show_head, quiet=options.quiet)
    return response


def _download(
    client: HttpClient, options: Namespace, *, method: str, show_head: bool, **given: Any
) -> HttpResponse:
    bar = ProgressBar(options.output) if is_terminal(sys.stderr) and not options.quiet else None
    with bar or ExitStack():
        response = client.download(
            options.url, options.output, bar, options.resume, method=method, **given
        )
    if show_head:
        show(response, raw=not is_terminal(sys.stdout), head=True, body=False)
    return response
