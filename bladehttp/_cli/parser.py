"""The parser of the commands that serve, and of others with few options."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any, NoReturn

from bladehttp._cli.exits import WRONG_USAGE
from bladehttp._cli.options import nearest
from bladehttp._cli.terminal import tell

UNKNOWN = "unrecognized arguments: "


class Parser(ArgumentParser):
    """A parser whose complaints are one line, as all others of the program."""

    def __init__(self, **settings: Any) -> None:
        formatter = settings.pop("formatter_class", RawDescriptionHelpFormatter)
        # no abbreviations: a script must not break when an option is added
        super().__init__(formatter_class=formatter, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        words = message.removeprefix(UNKNOWN).split()
        if message.startswith(UNKNOWN) and words[0].startswith("-"):
            near = nearest(words[0], self._option_string_actions)
            message = f"there is no option {words[0]}" + (f": is it {near}?" if near else "")
        tell(f"{message} (see {self.prog} --help)")
        sys.exit(WRONG_USAGE)
