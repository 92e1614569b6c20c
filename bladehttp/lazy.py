"""Lazy: an attribute that is made when it is first read."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class Lazy(Generic[T]):
    """An attribute computed from its instance at the first reading and kept in a slot.

    The slot has the attribute's name with "_" before it. Assignment replaces the value.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> "Lazy[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> "Lazy[T] | T":
        if instance is None:
            return self
        try:
            value: T = getattr(instance, self._slot)
        except AttributeError:
            value = self._compute(instance)
            setattr(instance, self._slot, value)
        return value

    def __set__(self, instance: object, value: T) -> None:
        setattr(instance, self._slot, value)

    def forget(self, instance: object) -> None:
        """Compute the value anew at the next reading."""
        if hasattr(instance, self._slot):
            delattr(instance, self._slot)
