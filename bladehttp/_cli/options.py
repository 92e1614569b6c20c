"""Options as rows of a table, and their parser.

The grammar is curl's: the next word is the value of an option whatever it begins with, switches of
one letter can be joined (``-sSLo FILE``), and options stand anywhere among the other words. In
addition a long option takes its value after "=", and "--" ends the options.
"""

from collections import deque
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple

from bladehttp._data.near_words import near_words


class Option(NamedTuple):
    """An option.

    Attributes:
        flags: Its spellings.
        name: The attribute that it sets.
        help: Its description, in a line.
        metavar: The name of its value in the help; None for a switch.
        convert: Makes a value of the word; ValueError for a word that is not valid.
        constant: The value of a switch.
        is_list: Whether each use adds a value to a list.
        optional: The only value of an option that can be without one.
    """

    flags: tuple[str, ...]
    name: str
    help: str
    metavar: str | None = None
    convert: Callable[[str], Any] = str
    constant: Any = True
    is_list: bool = False
    optional: str | None = None


class Group(NamedTuple):
    """Options under a title of the help."""

    title: str
    options: tuple[Option, ...]


class WrongUsage(ValueError):  # noqa: N818 - as CommandFailed
    """Words of the command line that cannot be used; the message has no values, only options."""


class Parser:
    """Parses the words after a command.

    Attributes:
        flags: The options by each of their spellings.
    """

    def __init__(self, groups: Iterable[Group]) -> None:
        """Create a parser for the options of all groups."""
        options = [option for group in groups for option in group.options]
        self.flags = {flag: option for option in options for flag in option.flags}
        self._names = {option.name: option.is_list for option in options}

    def parse(self, words: Iterable[str]) -> tuple[SimpleNamespace, list[str]]:
        """Return the options, None or [] for those that are not given, and the other words.

        Raises:
            WrongUsage: An option is unknown, lacks its value or has one that is not valid.
        """
        values: dict[str, Any] = {
            name: [] if is_list else None for name, is_list in self._names.items()
        }
        others: list[str] = []
        coming = deque(words)
        while coming:
            word = coming.popleft()
            if word == "--":
                others += coming
                break
            if word.startswith("--"):
                flag, sign, value = word.partition("=")
                self._use(flag, value if sign else None, coming, values)
            elif word.startswith("-") and word != "-":
                self._use_letters(word[1:], coming, values)
            else:
                others.append(word)
        return SimpleNamespace(**values), others

    def _use_letters(self, letters: str, coming: deque[str], values: dict[str, Any]) -> None:
        """Use joined options of one letter; the rest of the word is the value of the last one."""
        while letters:
            flag, letters = f"-{letters[0]}", letters[1:]
            takes_rest = bool(letters) and self._option(flag).metavar is not None
            self._use(flag, letters if takes_rest else None, coming, values)
            if takes_rest:
                return

    def _option(self, flag: str) -> Option:
        option = self.flags.get(flag)
        if option is None:
            near = nearest(flag, self.flags)
            raise WrongUsage(f"there is no option {flag}" + (f": is it {near}?" if near else ""))
        return option

    def _use(
        self, flag: str, value: str | None, coming: deque[str], values: dict[str, Any]
    ) -> None:
        """Set the attribute of an option."""
        option = self._option(flag)
        if option.optional is not None:
            if value is None and coming and (coming[0] == option.optional or coming[0].isdigit()):
                value = coming.popleft()  # digits are no URL: curl's -C takes an offset
            if value not in (None, option.optional):
                raise WrongUsage(f"{flag} takes {option.optional} or nothing")
        elif option.metavar is not None and value is None:
            if not coming:
                raise WrongUsage(f"{flag} takes a value: {option.metavar}")
            value = coming.popleft()
        elif option.metavar is None and value is not None:
            raise WrongUsage(f"{flag} takes no value")
        given = option.constant if value is None else converted(option, flag, value)
        if option.is_list:
            values[option.name].append(given)
        else:
            values[option.name] = given


def converted(option: Option, flag: str, value: str) -> Any:
    """Return the value of an option.

    Raises:
        WrongUsage: The word is not valid.
    """
    try:
        return option.convert(value)
    except ValueError as error:
        raise WrongUsage(f"{flag}: {error}") from error


def nearest(flag: str, flags: Iterable[str]) -> str | None:
    """Return the option that a misspelt one probably means, None if none is near.

    Of several options that begin like an abbreviation the shortest is the nearest.
    """
    longer = [each for each in flags if len(flag) > 3 and each.startswith(flag)]
    near = sorted(longer, key=len) or near_words(flag, flags)
    return near[0] if near else None
