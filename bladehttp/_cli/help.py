"""The help: a screen of 80 columns and 24 lines, and everything there is."""

import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module

from bladehttp._cli.commands import COMMANDS, METHODS

WIDTH = 79
"""Columns of the help."""

INDENT = 30
"""Column at which the descriptions of options begin."""

SCREEN = """\
usage: bladehttp [METHOD] URL... [ITEM...] [OPTION...]     send a request
       bladehttp COMMAND [OPTION...]

items       NAME=TEXT  NAME:=JSON  NAME@FILE  NAME==QUERY  NAME:FIELD
request     -X METHOD  -H 'NAME: VALUE'  -d DATA  --json DATA  -F NAME=VALUE
            -T FILE  -G  --data-urlencode DATA  -I  -A AGENT  -e URL  -r RANGE
login       -u USER[:PASSWORD]  --bearer TOKEN  -b COOKIES  --session NAME
answer      -i head too  -o FILE  -O file as in URL  -J as the server says
            -C continue  -f fail on 4xx, 5xx  -s silent  -S errors all the same
            -v traffic  -w FORMAT  --timing  --color WHEN
redirects   followed; --no-redirect  --max-redirs N
connection  -m TIME  --retry N  -x PROXY  -k any certificate  --cacert FILE
            -E CERT  --resolve HOST:PORT:ADDRESS  --unix-socket PATH

methods     {methods}
{commands}
--help all  every option and exit code; COMMAND --help  those of a command
"""

ITEMS = """\
items:
  NAME=TEXT  NAME=@FILE       text for the body: JSON, a form with --as-form
  NAME:=JSON  NAME:=@FILE     a number, list, true, ... for the body
  NAME@FILE                   a file to upload: the body is a multipart form
  NAME==TEXT                  a parameter of the URL
  NAME:VALUE  NAME:@FILE      a field; NAME: leaves one out, NAME; is empty
                              \\: \\= \\@ in a name are the characters
"""


def print_help(which: object) -> None:
    """Print the screen, or for "all" everything."""
    sys.stdout.write(everything() if which == "all" else screen())


def screen() -> str:
    """Return the help that fits on a screen."""
    width = max(len(command.name) for command in COMMANDS)
    rows = [f"{command.name:<{width}}  {command.help}" for command in COMMANDS]
    commands = [f"{'' if number else 'commands':<12}{row}" for number, row in enumerate(rows)]
    return SCREEN.format(methods=" ".join(METHODS), commands="\n".join(commands))


def everything() -> str:
    """Return the screen, every option and every exit code."""
    return "\n".join([screen(), ITEMS, *_groups(), *_exits(), ""])


def _groups() -> Iterator[str]:
    for group in import_module("bladehttp._cli.request_options").GROUPS:
        yield f"{group.title}:"
        for option in group.options:
            value = f" {option.metavar}" if option.metavar else ""
            value = f" [{option.optional}]" if option.optional else value
            flags = f"  {', '.join(option.flags)}{value}"
            if len(flags) < INDENT - 1:
                yield from hanging(f"{flags:<{INDENT}}", option.help)
            else:
                yield flags
                yield from hanging(" " * INDENT, option.help)
        yield ""


def hanging(begin: str, text: str) -> list[str]:
    """Return a text after a beginning, its further lines indented by as much."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_on_hyphens=False,  # options stay whole
    )


def _exits() -> Iterator[str]:
    yield "exit codes:"
    for row in import_module("bladehttp._cli.exits").EXITS:
        yield from hanging(f"  {row.code:>3}  ", row.meaning)
