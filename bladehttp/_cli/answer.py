"""An answer: sent for, and put where it belongs: on standard output, in a file, in a pipe."""

import os
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bladehttp._cli.exits import CommandFailed, FileNotWritten
from bladehttp._cli.filenames import name_of_field, name_of_url
from bladehttp._cli.files import STDIN, write_whole, writing
from bladehttp._cli.options import WrongUsage
from bladehttp._cli.outcome import Outcome
from bladehttp._cli.output import head_lines, show
from bladehttp._cli.progress import ProgressBar
from bladehttp._cli.request_options import REMOTE_NAME
from bladehttp._cli.terminal import is_terminal, tell
from bladehttp._cli.timing import Stopwatch
from bladehttp._data.references import parse_reference
from bladehttp._message.response import HttpResponse
from bladehttp.client import HttpClient
from bladehttp.status import NON_AUTHORITATIVE_INFORMATION, NOT_MODIFIED, OK, PARTIAL_CONTENT

WRITTEN = (OK, NON_AUTHORITATIVE_INFORMATION, PARTIAL_CONTENT)
"""Statuses whose body a download writes to the file; see `HttpClient.download`."""

HEAD_IS_THE_ANSWER = ("HEAD", "OPTIONS")
"""Methods for which the head is shown without -i."""


class Answer:
    """The answer to one request of the command line.

    Attributes:
        outcome: How it ends.
    """

    def __init__(
        self, client: HttpClient, options: SimpleNamespace, outcome: Outcome, watch: Stopwatch
    ) -> None:
        """Create it.

        Args:
            client: Sends the request.
            options: The options of the command line.
            outcome: Is told the file and the response.
            watch: Is told when the body has come.
        """
        self._client = client
        self._options = options
        self._watch = watch
        self.outcome = outcome
        self._has_colour = options.colour == "always" or is_terminal(sys.stdout)
        self._shows_head = bool(options.show_head) or outcome.method in HEAD_IS_THE_ANSWER
        self._is_quiet = bool(options.quiet or options.silent)

    def receive(self, output: Any, given: dict[str, Any]) -> HttpResponse:
        """Send the request and put the body where it belongs; return the response.

        Args:
            output: A path, "-", REMOTE_NAME, or None for standard output.
            given: The arguments of `HttpClient.send_request`.

        Raises:
            HttpException: The request fails, or, with -f or a file, has a status of 400 or more.
            CommandFailed: A file is left as it was.
            FileNotWritten: It cannot be written.
        """
        if output in (None, STDIN):
            return self._print(given, raw=output == STDIN)
        is_head = self.outcome.method == "HEAD"
        if output is REMOTE_NAME and self._options.by_header and not is_head:
            return self._keep_named(given)
        target = self._target(output)
        self.outcome.filename = str(target)
        if is_head:
            return self._keep_head(target, given)
        if target.exists() and not target.is_file():
            return self._pour(target, given)
        if output is REMOTE_NAME and target.exists() and not self._is_quiet:
            tell(f"{target} is replaced")
        return self._keep(target, target.name, given)

    def _target(self, output: Any) -> Path:
        """Return the file for an output; its directory is created if that was asked for."""
        options = self._options
        name = name_of_url(self.outcome.url) if output is REMOTE_NAME else output
        target = Path(options.output_dir or "", name)
        with writing():
            if options.create_dirs:
                target.parent.mkdir(parents=True, exist_ok=True)
            return target.resolve() if target.is_symlink() else target

    def _print(self, given: dict[str, Any], *, raw: bool) -> HttpResponse:
        with self._client.stream(**given) as response:
            self.outcome.response = response
            self._dump_head(response)
            if response.source is not None:
                response.source = self._watch.waiting(response.source)
            fails = bool(self._options.fail) and not response.ok
            self._show(response, raw=raw, head=self._shows_head, body=not fails)
        return response

    def _show(self, response: HttpResponse, *, raw: bool, head: bool, body: bool) -> None:
        """Write to standard output; as it is unless that is a terminal or colour is asked for."""
        with writing():
            show(
                response,
                raw=raw or not self._has_colour,
                head=head,
                body=body,
                quiet=self._is_quiet,
                colour=self._options.colour or "auto",
            )

    def _show_head(self, response: HttpResponse) -> None:
        self._dump_head(response)
        if self._shows_head:
            self._show(response, raw=False, head=True, body=False)

    def _dump_head(self, response: HttpResponse) -> None:
        """Write the head to the file of -D, after those of the URLs before."""
        if self._options.dump_head is None:
            return
        if self._options.dump_head == STDIN:
            self._show(response, raw=False, head=True, body=False)
            return
        mode = "ab" if self._options.has_dumped else "wb"
        with writing(), Path(self._options.dump_head).open(mode) as file:
            self._options.has_dumped = True
            file.writelines(head_lines(response, "\r\n"))

    def _keep_head(self, target: Path, given: dict[str, Any]) -> HttpResponse:
        """Write the head of an answer to HEAD to a file, as curl does."""
        response = self._client.send_request(**given)
        self._dump_head(response)
        with writing(), target.open("wb") as file:
            file.writelines(head_lines(response, "\r\n"))
        return response

    def _keep(self, target: Path, name: str, given: dict[str, Any]) -> HttpResponse:
        """Write a body to a file, whole or not at all; the progress bar shows the name."""
        has_bar = is_terminal(sys.stderr) and not self._is_quiet
        bar = ProgressBar(name) if has_bar else None
        given |= {"resume": bool(self._options.resume), "checksum": self._options.checksum}
        with bar or nullcontext(), writing():
            response = self._client.download(path=target, progress=bar, **given)
        self._watch.body_came()
        self._show_head(response)
        if response.status not in WRITTEN:
            self._keep_other(target, response)
        return response

    def _keep_other(self, target: Path, response: HttpResponse) -> None:
        """Handle a status for which a download writes nothing.

        With -w, where the caller looks at the status himself, and with --fail-with-body the body is
        written as any other.

        Raises:
            HttpStatusError: It is 400 or more.
            CommandFailed: It is any other than 304, after which the file is current.
        """
        options = self._options
        if (options.write_out is not None or options.fail_with_body) and not options.fail:
            with writing():
                write_whole(target, response.body)
            return
        if options.check_status and not response.ok:
            return  # the exit code says it
        response.raise_for_status()
        left = self.outcome.filename or "every file"
        message = f"{response.status} {response.reason}: {left} is left as it was"
        if response.status != NOT_MODIFIED:
            raise CommandFailed(message)
        if not self._is_quiet:
            tell(message)

    def _keep_named(self, given: dict[str, Any]) -> HttpResponse:
        """Write a body to a file with the name that the server gives it, never to an existing one.

        Raises:
            FileNotWritten: There is a file of that name, or there is no name.
        """
        unnamed = self._target(f".bladehttp-{os.getpid()}-{self.outcome.number}")
        try:
            response = self._keep(unnamed, parse_reference(self.outcome.url).path, given)
            if not unnamed.exists():
                return response
            name = name_of_field(response.headers.get("Content-Disposition", ""))
            target = unnamed.with_name(name or name_of_url(self.outcome.url))
            self.outcome.filename = str(target)
            move(unnamed, target)
        finally:
            with suppress(OSError):
                unnamed.unlink(missing_ok=True)
        if not self._is_quiet:
            tell(f"saved as {target}")
        return response

    def _pour(self, target: Path, given: dict[str, Any]) -> HttpResponse:
        """Write a body to a target that must not be replaced: /dev/null, a pipe."""
        for option in ("resume", "checksum"):
            if getattr(self._options, option):
                name = "-C" if option == "resume" else "--checksum"
                raise WrongUsage(f"{name} is for a file, and {target} is none")
        with writing(), target.open("wb") as file, self._client.stream(**given) as response:
            self.outcome.response = response
            self._show_head(response)
            if response.ok or not self._options.fail:
                for chunk in response.iter_bytes():
                    file.write(chunk)
        return response


def move(source: Path, target: Path) -> None:
    """Give a file another name, which must be new.

    Raises:
        FileNotWritten: There is a file of that name, or it cannot be created.
    """
    with writing():
        try:
            target.touch(exist_ok=False)  # not a hard link: some file systems have none
        except FileExistsError as error:
            raise FileNotWritten(f"{target} exists, and -J replaces no file") from error
        source.replace(target)
