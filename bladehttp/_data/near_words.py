"""Near words: the name that a misspelt one probably means."""

from collections.abc import Iterable
from importlib import import_module


def near_words(word: str, words: Iterable[str]) -> list[str]:
    """Return the word that is most like another, in a list that is empty if none is like it."""
    difflib = import_module("difflib")  # only for a mistake
    found: list[str] = difflib.get_close_matches(word, list(words), 1, 0.7)
    return found


def near_hint(name: str, names: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest one, or ""."""
    return "".join(f": the nearest is {near!r}" for near in near_words(name, names))
