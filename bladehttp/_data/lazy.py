"""Lazy attributes of objects and lazily imported names of packages."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801 - stands in a class body as property does
    """An attribute computed on first access. Assignment replaces the value.

    For classes with `Lazy` as a base. It costs nothing until the first access.
    """

    __slots__ = ("_make", "_name")

    def __init__(self, make: Callable[[Any], T]) -> None:
        """Take a function that computes the value from the instance."""
        self._make = make
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "Lazy", owner: type) -> T: ...
    def __get__(self, instance: "Lazy | None", owner: type) -> Self | T:
        if instance is None:
            return self
        made: dict[str, T] | None = instance._lazy
        if made is None:
            made = instance._lazy = {}
        elif self._name in made:
            return made[self._name]
        value = made[self._name] = self._make(instance)
        return value

    def __set__(self, instance: "Lazy", value: T) -> None:
        made = instance._lazy
        if made is None:
            instance._lazy = {self._name: value}
        else:
            made[self._name] = value


class Lazy:
    """Base of classes with slots and lazy attributes.

    Computed values are in the dict ``_lazy``, which is None until the first one.
    """

    __slots__ = ("_lazy",)

    _lazy: dict[str, Any] | None

    def __getstate__(self) -> Any:
        """Return the state for copying and pickling, with a dict of its own."""
        state: Any = super().__getstate__()
        others, slots = state
        return others, {**slots, "_lazy": dict(self._lazy or ())}


def lazy_names(
    package: dict[str, Any], modules: Mapping[str, str], *others: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package that imports names on first access.

    ``dir()`` gives ``__all__``, the names that every module has, and ``others``.

    Args:
        package: Its ``globals()``, where a name is kept after the first access (PEP 562).
        modules: Each module, relative to "bladehttp.", and the names that it has, with blanks.
        others: Public names that are not in ``__all__``.
    """
    module_of = {name: module for module, names in modules.items() for name in names.split()}

    def find(name: str) -> Any:
        module = module_of.get(name)
        if module is None:
            raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
        value = package[name] = getattr(import_module(f"bladehttp.{module}"), name)
        return value

    def names() -> list[str]:
        own = (name for name in package if name.startswith("__"))
        return sorted({*own, *package["__all__"], *others})

    return find, names
