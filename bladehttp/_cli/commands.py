"""COMMANDS: every command but a plain request, one row each."""

from typing import NamedTuple


class Command(NamedTuple):
    """A command: its name, its module in this package, and a line of help.

    The module has ``add_arguments(parser)``, and ``run(options)``, which returns the exit code.
    """

    name: str
    module: str
    help: str


METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")
"""Commands that send a request with the method of their name."""

COMMANDS = (
    #       name     module   help
    Command("serve", "serve", "serve the files of a directory"),
    Command("echo",  "echo",  "answer every request with its description as JSON"),
    Command("stub",  "stub",  "answer as a file of expected requests says"),
    Command("demo",  "demo",  "start a server, send it real requests, print the results"),
    Command("info",  "info",  "print versions, features and trusted authorities"),
)  # fmt: skip
