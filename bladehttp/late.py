"""Late: what is made when it is first read: attributes of an object, names of a package."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar


class Late:
    """A base for classes with slots of which some are filled when they are first read.

    From then on such a slot is read as fast as any other, and until then it costs nothing.
    Assignment fills it, too.

    Attributes:
        LATE: Attribute to how it is made of its instance.
    """

    __slots__ = ()

    LATE: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    if not TYPE_CHECKING:  # for a type checker the attributes are those that are declared

        def __getattr__(self, name: str) -> Any:
            # Only called for what is not there: a slot that is still empty, or a misspelt name.
            make = self.LATE.get(name)
            if make is None:
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            value = make(self)
            setattr(self, name, value)
            return value

    def forget(self) -> None:
        """Make every late attribute anew when it is read next."""
        for name in self.LATE:
            try:
                delattr(self, name)
            except AttributeError:
                pass  # it was not read


def late_names(
    package: dict[str, Any], modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package that imports what is asked for.

    Args:
        package: Its ``globals()``, where a name is kept from then on (PEP 562).
        modules: Each name to the module that has it.
    """

    def find(name: str) -> Any:
        module = modules.get(name)
        if module is None:
            raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
        value = package[name] = getattr(import_module(module), name)
        return value

    return find, lambda: sorted({*package, *modules})
