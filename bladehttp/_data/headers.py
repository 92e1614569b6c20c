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


def check_field(name: str, value: str) -> str:
    """Return a field's value, or raise if the field cannot be sent as it is.

    Raises:
        TypeError: The name or the value is not a str.
        InvalidHeader: The name is not a token, or the value holds a control character
            (CR, LF and NUL above all) or one beyond Latin-1.
    """
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"a field's name and value are str, not {name!r}: {value!r}"[:200])
    if not is_token(name):
        raise InvalidHeader(f"field name {name[:80]!r} is not a token")
    if not is_field_value(value):
        raise InvalidHeader(
            f"value of {name} holds a control character or one beyond Latin-1: {value[:80]!r}"
        )
    return value


MOST_SHARED = 16
"""Fields up to which Headers are a tuple that many share. Beyond they have a list of their own, so
that building n fields takes time linear in n."""

LONGEST_KEPT = 256
"""Characters of the longest value that `with_field` remembers: what it keeps stays bounded."""


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

    __slots__ = ("_index", "_pairs")

    def __init__(self, fields: HeadersLike | None = None) -> None:
        """Take a mapping or (name, value) pairs; each is checked as by assignment."""
        # A tuple is replaced, never changed: many messages share the one they start with. A list
        # and the index beside it belong to this object alone.
        self._pairs: Pairs | list[tuple[str, str]] = ()
        self._index: Mapping[str, str] | None = None
        if fields is not None:
            self.extend(fields)

    @classmethod
    def adopt(
        cls, pairs: Iterable[tuple[str, str]], index: Mapping[str, str] | None = None
    ) -> "Headers":
        """Make Headers of fields that were checked already.

        Args:
            pairs: (name, value) in order.
            index: What `index_of` gives for the pairs, where the caller keeps it. It is
                shared and never written to.
        """
        headers = cls.__new__(cls)
        headers._pairs = tuple(pairs)
        headers._index = index
        return headers

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
        if type(pairs) is tuple and len(pairs) <= MOST_SHARED:
            self._pairs = pairs + more
        else:
            self._own().extend(more)
        self._index = None

    def _own(self) -> list[tuple[str, str]]:
        """Return the fields as a list that belongs to this object alone."""
        pairs = self._pairs
        if isinstance(pairs, tuple):
            pairs = self._pairs = list(pairs)
            self._index = dict(self._indexed())  # the other may be shared
        return pairs

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
        pairs = self._pairs
        if type(pairs) is tuple and len(pairs) <= MOST_SHARED:
            is_kept = type(name) is str and type(value) is str and len(value) <= LONGEST_KEPT
            make = with_field if is_kept else with_field.__wrapped__
            self._pairs, self._index = make(pairs, name, value)
            return
        check_field(name, value)
        wanted = name.lower()
        own = self._own()
        index: Any = self._indexed()  # beside a list it belongs to this object, too
        if wanted not in index:
            own.append((name, value))
            index[wanted] = value
        else:
            self._pairs, self._index = list(replaced(own, name, value)), None

    def __delitem__(self, name: str) -> None:
        wanted = name.lower()
        if wanted not in self._indexed():
            raise KeyError(name)
        self._pairs = tuple(pair for pair in self._pairs if pair[0].lower() != wanted)
        self._index = None

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

    def _indexed(self) -> Mapping[str, str]:
        if self._index is None:
            self._index = index_of(self._pairs)
        return self._index


@lru_cache(maxsize=512)
def with_field(pairs: Pairs, name: str, value: str) -> tuple[Pairs, dict[str, str]]:
    """Return fields with one set, in place of its namesakes, and their index.

    Handlers set the same few fields again and again. Only what was checked is remembered; both
    results are shared, and never written to.

    Raises:
        TypeError: As of `check_field`.
        InvalidHeader: Likewise.
    """
    check_field(name, value)
    index, wanted = index_of(pairs), name.lower()
    pairs = replaced(pairs, name, value) if wanted in index else (*pairs, (name, value))
    index[wanted] = value
    return pairs, index


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
