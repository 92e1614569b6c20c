"""Late: attributes that are made when they are first read."""

from collections.abc import Callable, Mapping
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
