"""The commands that send a request: get, post, put, patch, delete, head and options."""

import sys
import warnings
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from bladehttp._cli import arguments
from bladehttp._cli.body import request_arguments
from bladehttp._cli.exits import CommandFailed
from bladehttp._cli.output import show
from bladehttp._cli.progress import ProgressBar
from bladehttp._cli.terminal import is_terminal, tell
from bladehttp._cli.timing import Stopwatch
from bladehttp._cli.wirelog import log_wire
from bladehttp._message.response import HttpResponse
from bladehttp.client import HttpClient
from bladehttp.exceptions import InsecureWarning
from bladehttp.status import NON_AUTHORITATIVE_INFORMATION, NOT_MODIFIED, OK, PARTIAL_CONTENT

HEAD_IS_THE_ANSWER = ("head", "options")
"""Commands after which the head is shown without -i."""

WRITTEN = (OK, NON_AUTHORITATIVE_INFORMATION, PARTIAL_CONTENT)
"""Statuses whose body a download writes to the file; see `HttpClient.download`."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of all of them: they are the same."""
    arguments.add_arguments(parser)


def run(options: Namespace) -> int:
    """Send the request and show the response.

    Raises:
        HttpException: There is no response, or one that --fail or -o counts as a failure.
        OSError: A file cannot be read or written.
        ValueError: The options do not fit together.
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
        response = _answer(client, options, given, watch)
    if options.timing:
        watch.show(response)
    if options.fail or _is_file(options):
        response.raise_for_status()
    return 0


def _check(options: Namespace) -> None:
    """Raise if an option would be ignored.

    Raises:
        ValueError: Two options contradict each other.
    """
    if options.resume and not _is_file(options):
        raise ValueError("-C goes on with a file: -o says which")
    if options.checksum and not _is_file(options):
        raise ValueError("--checksum is that of a file: -o says which")
    if options.command == "head" and options.output is not None:
        raise ValueError("the answer to HEAD has no body to write to a file")


def _is_file(options: Namespace) -> bool:
    return options.output not in (None, "-")


def _answer(
    client: HttpClient, options: Namespace, given: dict[str, Any], watch: Stopwatch
) -> HttpResponse:
    """Return the response when its body has been put where it belongs."""
    show_head = options.show_head or options.command in HEAD_IS_THE_ANSWER
    given |= {"url": options.url, "method": options.command.upper()}
    if _is_file(options):
        response = _keep(client, options, given)
        watch.body_came()
        if show_head:
            show(response, raw=not is_terminal(sys.stdout), head=True, body=False)
        return response
    raw = options.output == "-" or not is_terminal(sys.stdout)
    with client.stream(**given) as response:
        if response.source is not None:
            response.source = watch.waiting(response.source)
        show(response, raw=raw, head=show_head, quiet=options.quiet)
    return response


def _keep(client: HttpClient, options: Namespace, given: dict[str, Any]) -> HttpResponse:
    """Write a body to the file that -o names; a link is followed, not replaced."""
    target = Path(options.output).resolve()
    bar = ProgressBar(target.name) if is_terminal(sys.stderr) and not options.quiet else None
    with bar or nullcontext():
        if target.exists() and not target.is_file():
            return _pour(client, target, options, given)
        given |= {"resume": options.resume, "checksum": options.checksum}
        response = client.download(path=target, progress=bar, **given)
    _check_written(response, options)
    return response


def _check_written(response: HttpResponse, options: Namespace) -> None:
    """Report a status below 400 for which nothing is written.

    Raises:
        CommandFailed: It is not 304, after which the file is current.
    """
    if not response.ok or response.status in WRITTEN:
        return
    message = f"{response.status} {response.reason}: {options.output} is left as it was"
    if response.status != NOT_MODIFIED:
        raise CommandFailed(message)
    if not options.quiet:
        tell(message)


def _pour(
    client: HttpClient, target: Path, options: Namespace, given: dict[str, Any]
) -> HttpResponse:
    """Write a body to a target that must not be replaced: /dev/null, a pipe."""
    if options.resume:
        raise ValueError(f"-C goes on with a file, and {options.output} is none")
    if options.checksum:
        raise ValueError(f"--checksum is that of a file, and {options.output} is none")
    with target.open("wb") as file, client.stream(**given) as response:
        if response.ok:
            file.writelines(response.iter_bytes())
    return response
