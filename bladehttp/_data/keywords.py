"""Keywords: a hint in the TypeError about a keyword argument that a function does not take."""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from bladehttp._data.near_words import near_hint

P = ParamSpec("P")
T = TypeVar("T")


def hint_keywords(**elsewhere: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that adds a hint to the error about an unknown keyword.

    Args:
        elsewhere: Keywords of other libraries, and their names here. For others the hint is the
            nearest parameter of the function.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*arguments: P.args, **keywords: P.kwargs) -> T:
            try:
                return function(*arguments, **keywords)
            except TypeError as error:
                if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                    told = str(error).partition(". Did you mean")[0]  # of CPython 3.13
                    error.args = (f"{told}{_hint(function, keywords, elsewhere)}",)
                raise

        return call

    return decorate


def _hint(function: Callable[..., Any], keywords: dict[str, Any], elsewhere: dict[str, str]) -> str:
    """Return the end of a message: the probable meaning of the first unknown keyword, or ""."""
    inspect = import_module("inspect")  # only for a mistake
    names = inspect.signature(function).parameters
    for name in keywords:
        if name not in names:
            known = elsewhere.get(name)
            return f": here it is {known}" if known else near_hint(name, names)
    return ""
