"""Headers: the fields of a message, ordered, case-insensitive, repeated ones kept.

RFC 9110 section 5. What is set here is checked here, so that no message with a smuggled
line can be built; what comes off the wire was checked by the parser and enters through
`Headers.adopt`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, TypeVar, overload

from bladehttp.exceptions import InvalidHeader

T = TypeVar("T")
Pairs = tuple[tuple[str, str], ...]
HeadersLike = Mapping[str, str] | Iterable[tuple[str, str]]
"""What every ``headers=`` takes: a mapping or (name, value) pairs, a `Headers` being both."""

# RFC 9110 section 5.6.2: a token is one or more tchar, and tchar is any VCHAR but the
# delimiters (DQUOTE and "(),/:;<=>?@[\]{}").
TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
is_token = re.compile(f"[{TCHAR}]+").fullmatch

# RFC 9110 section 5.5: field-vchar = VCHAR / obs-text, with SP and HTAB between. CR, LF and
# NUL end or split a message; other control characters are invalid too and are refused with them.
is_field_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch


def is_valid_value(value: str) -> bool:
    """Whether a str can be the value of a field."""
    # Printable ASCII always is, which is found with half the instructions of a pattern.
    return (value.isascii() and value.isprintable()) or is_field_value(value) is not None


def check_field(name: str, value: str) -> str:
    """Return a field's value, or raise if the field cannot be sent as it is.

    Raises:
        TypeError: The name or the value is not a str.
        InvalidHeader: The name is not a token, or the value holds a control character
            (CR, LF and NUL above all) or one beyond Latin-1.
    """
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"a field's name and value are str, not {name!r}: {value!r}"[:200])
    check_name(name)
    if not is_valid_value(value):
        raise InvalidHeader(
            f"value of {name} holds a control character or one beyond Latin-1: {value[:80]!r}"
        )
    return value


@lru_cache(maxsize=256)  # handlers set the same few
def check_name(name: str) -> None:
    """Raise if a field cannot be sent under a name.

    Raises:
        InvalidHeader: The name is not a token.
    """
    if not is_token(name):
        raise InvalidHeader(f"field name {name[:80]!r} is not a token")


MOST_SHARED = 16
"""Most fields that are shared. More are in a list, so that building n fields takes time linear in
n."""

LONGEST_SHARED = 256
"""Characters of the longest name and value that lead to shared fields."""

MOST_STEPS = 512
"""Steps that are kept: together with the two bounds above at most about 1 MiB."""

Shared = tuple[Pairs, dict[str, str], object]
"""Fields that many messages share, their index, and an object that stands for them as a key: to
hash and compare the fields themselves takes longer."""

_steps: dict[tuple[object, str, str], Shared] = {}
"""The key of shared fields and a field that is set, to the fields that this leads to."""


new_object: Any = object.__new__  # nearly every message has Headers: they skip `__init__`


def given_fields(fields: Any) -> list[tuple[Any, Any]]:
    """Return the fields of a mapping or of (name, value) pairs, neither checked.

    Raises:
        TypeError: It is neither. The message has no values, which may be secret.
    """
    if isinstance(fields, Mapping):
        return list(fields.items())
    if isinstance(fields, str | bytes) or not isinstance(fields, Iterable):
        raise TypeError(f"{TAKEN}, not a {type(fields).__name__}")
    pairs = list(fields)
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"{TAKEN}: one is a {type(pair).__name__}, not a pair")
    return pairs


TAKEN = "headers is a dict or a list of (name, value) pairs"


class Headers(MutableMapping[str, str]):  # noqa: PLW1641 - mutable, so not hashable
    """The fields of one message.

    ``headers[name]`` joins the values of repeated fields with ", " (RFC 9110 section 5.3);
    of Set-Cookie, which cannot be joined (RFC 6265 section 3), it is the last. Names compare
    without regard to case and keep the spelling they were set with. Iteration gives each
    name once; `pairs` gives every field.
    """

    __slots__ = ("_index", "_key", "_pairs")

    def __init__(self, fields: HeadersLike | None = None) -> None:
        """Take a mapping or (name, value) pairs; each is checked as by assignment."""
        # A tuple and the index beside it are replaced, never changed: many messages share those
        # they start with. A list and the index beside it belong to this object alone.
        self._pairs: Pairs | list[tuple[str, str]] = ()
        self._index: dict[str, str] | None = None
        self._key: object = None  # of shared fields; None for others
        if fields is not None:
            self.extend(fields)

    @staticmethod
    def adopt(pairs: Iterable[tuple[str, str]], index: dict[str, str] | None = None) -> "Headers":
        """Make Headers of fields that were checked already.

        Args:
            pairs: (name, value) in order.
            index: What `index_of` gives for the pairs, where the caller keeps it. It is
                shared and never written to.
        """
        headers: Headers = new_object(Headers)
        headers._pairs = tuple(pairs)
        headers._index = index
        headers._key = None
        return headers

    @staticmethod
    def adopt_shared(shared: Shared) -> "Headers":
        """Make Headers of shared fields, in which it is cheap to set what others have set."""
        headers: Headers = new_object(Headers)
        headers._pairs, headers._index, headers._key = shared
        return headers

    def shared(self) -> Shared:
        """Return these fields as `adopt_shared` takes them."""
        return self.as_tuple(), self._indexed().copy(), object()

    def extend(self, fields: HeadersLike) -> None:
        """Append every field of a mapping or of (name, value) pairs."""
        if isinstance(fields, Headers):
            self._append(fields.as_tuple())
        else:
            pairs = given_fields(fields)
            self._append(tuple((name, check_field(name, value)) for name, value in pairs))

    def add(self, name: str, value: str) -> None:
        """Append a field, leaving those of the same name in place.

        Raises:
            InvalidHeader: The name or the value would break the message.
        """
        check_field(name, value)
        self._append(((name, value),))

    def _append(self, more: Pairs) -> None:
        pairs = self._pairs
        if not pairs:
            self._pairs = more
        elif isinstance(pairs, tuple):
            self._pairs = [*pairs, *more]
        else:
            pairs.extend(more)
        self._index = self._key = None

    def _own(self) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """Return the fields and their index, which belong to this object alone from now on."""
        pairs, index = self._pairs, self._indexed()
        if isinstance(pairs, tuple):
            pairs = self._pairs = list(pairs)
            index = self._index = index.copy()
            self._key = None
        return pairs, index

    def get_all(self, name: str) -> list[str]:
        """Return the values of every field of that name in order, [] if there is none."""
        wanted = name.lower()
        return [value for key, value in self._pairs if key.lower() == wanted]

    def pairs(self) -> list[tuple[str, str]]:
        """Return every (name, value) in order, repeated ones included."""
        return list(self._pairs)

    def as_tuple(self) -> Pairs:
        """Return what `pairs` does as a tuple: the same one until a field is changed."""
        pairs = self._pairs
        if type(pairs) is not tuple:
            pairs = self._pairs = tuple(pairs)
        return pairs

    def shared_key(self) -> object:
        """Return the object that stands for these fields as long as they are shared, else None."""
        return self._key

    def copy(self) -> "Headers":
        """Return Headers with the same fields."""
        pairs = self.as_tuple()
        return Headers.adopt(pairs, self._index)

    __copy__ = copy  # a list is not to be shared

    def __getitem__(self, name: str) -> str:
        return self._indexed()[name.lower()]

    @overload
    def get(self, name: str, default: None = None) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    @overload
    def get(self, name: str, default: T) -> str | T: ...
    def get(self, name: str, default: Any = None) -> Any:
        """Return what ``headers[name]`` is, or the default for a name that is not there."""
        return self._indexed().get(name.lower(), default)

    def __setitem__(self, name: str, value: str) -> None:
        key = self._key
        if key is not None and type(name) is str and type(value) is str:
            shared = _steps.get((key, name, value)) or self._step(name, value)
            if shared is not None:
                self._pairs, self._index, self._key = shared
                return
        check_field(name, value)
        pairs, index = self._own()
        wanted = name.lower()
        if wanted in index:
            pairs[:] = replaced(pairs, name, value)
        else:
            pairs.append((name, value))
        index[wanted] = value

    def _step(self, name: str, value: str) -> Shared | None:
        """Return what setting a field of shared ones leads to, None for what is not shared."""
        pairs = self.as_tuple()
        if len(pairs) >= MOST_SHARED or len(name) + len(value) > LONGEST_SHARED:
            return None
        check_field(name, value)
        index, wanted = self._indexed().copy(), name.lower()
        if wanted in index:
            pairs = replaced(pairs, name, value)
        else:
            pairs += ((name, value),)
        index[wanted] = value
        if len(_steps) >= MOST_STEPS:
            _steps.clear()
        shared = _steps[self._key, name, value] = pairs, index, object()
        return shared

    def __delitem__(self, name: str) -> None:
        wanted = name.lower()
        if wanted not in self._indexed():
            raise KeyError(name)
        self._pairs = tuple(pair for pair in self._pairs if pair[0].lower() != wanted)
        self._index = self._key = None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._indexed()

    def __iter__(self) -> Iterator[str]:
        seen: dict[str, str] = {}
        for name, _ in self._pairs:
            seen.setdefault(name.lower(), name)
        return iter(seen.values())

    def __len__(self) -> int:
        return len(self._indexed())

    def __eq__(self, other: object) -> bool:
        """Compare names without case, and joined values; the order of names does not count."""
        if isinstance(other, Headers):
            return self._indexed() == other._indexed()
        if isinstance(other, Mapping):
            return self._indexed() == {str(key).lower(): value for key, value in other.items()}
        return NotImplemented

    def __repr__(self) -> str:
        return f"Headers({list(self._pairs)!r})"

    def _indexed(self) -> dict[str, str]:
        index = self._index
        if index is None:
            index = self._index = index_of(self._pairs)
        return index


def replaced(pairs: Iterable[tuple[str, str]], name: str, value: str) -> Pairs:
    """Return fields with the first of a name replaced and its other namesakes left out."""
    wanted, made, is_first = name.lower(), [], True
    for pair in pairs:
        if pair[0].lower() != wanted:
            made.append(pair)
        elif is_first:
            made.append((name, value))
            is_first = False
    return tuple(made)


def index_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return lower-case name -> value, those of repeated fields joined."""
    index: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        if key in index and key != "set-cookie":
            index[key] += ", " + value
        else:
            index[key] = value
    return index
