"""MultiDict: dicts of received values; a missing name is an error of the client."""

from collections.abc import Iterable
from typing import NoReturn, TypeVar

V = TypeVar("V")


class MissingValueError(KeyError):
    """A request has no value of the requested name.

    Unless the handler catches it, the response has ``status`` and names the missing value.

    Attributes:
        status: 400.
    """

    status = 400


class Required(dict[str, V]):
    """A dict of received values: ``required[name]`` raises MissingValueError for a missing name."""

    __slots__ = ()

    def __missing__(self, name: str) -> NoReturn:
        raise MissingValueError(name)


class MultiDict(Required[V]):
    """A dict of the fields of a query, a form or a Cookie field, repeated names included.

    ``values[name]`` is the last value that was sent under a name, as in Blade;
    `get_all` gives every one. Assignment replaces them all. It is a real dict of
    the last values, so ``json.dumps``, ``**values`` and ``==`` behave as for dicts.
    A missing name raises MissingValueError, a KeyError.
    """

    __slots__ = ("_earlier",)

    def __init__(self, pairs: Iterable[tuple[str, V]] = ()) -> None:
        """Take (name, value) pairs in the order they were sent."""
        self._earlier: dict[str, list[V]] = {}
        for name, value in pairs:
            self.add(name, value)

    @staticmethod
    def of(values: dict[str, V]) -> "MultiDict[V]":
        """Return the values of a dict, one for each name."""
        made: MultiDict[V] = dict.__new__(MultiDict)
        made._earlier = {}
        made |= values
        return made

    def add(self, name: str, value: V) -> None:
        """Append one value: the new last one, with those before it kept."""
        if name in self:
            self._earlier.setdefault(name, []).append(self[name])
        dict.__setitem__(self, name, value)

    def get_all(self, name: str) -> list[V]:
        """Return every value of a name in the order sent, [] for a name that is not there."""
        if name not in self:
            return []
        return [*self._earlier.get(name, ()), self[name]]

    def __setitem__(self, name: str, value: V) -> None:
        self._earlier.pop(name, None)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._earlier.pop(name, None)

    def __reduce__(self) -> tuple[type["MultiDict[V]"], tuple[list[tuple[str, V]]]]:
        return type(self), ([(name, value) for name in self for value in self.get_all(name)],)
