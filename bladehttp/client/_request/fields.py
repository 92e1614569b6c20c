"""The fields of a request: as of a message, and some that are left out.

A field without a value (None) is not sent, not even where the client or libcurl would add one.
"""

from collections.abc import Iterable, Mapping

from bladehttp._data.cookies import is_cookie_value
from bladehttp._data.headers import Headers, Pairs, check_field, given_fields, is_token
from bladehttp.exceptions import InvalidHeader

Fields = list[tuple[str, str | None]]
"""Names and values, in order; None for a field that is left out."""

Absent = tuple[tuple[str, None], ...]

RequestHeadersLike = Mapping[str, str | None] | Iterable[tuple[str, str | None]]
"""Type of ``headers``: a mapping or (name, value) pairs; None leaves a field out."""


class RequestHeaders(Headers):
    """The fields of a request, or of every request of a client.

    Setting a field to None leaves it out: ``headers["Accept"] = None`` sends no Accept, where
    libcurl would add one. Reading, `len` and iteration do not include such fields; deleting the
    name restores the default.

    Attributes:
        absent: The names of the fields that are left out, in lower case, each with None.
    """

    __slots__ = ("absent",)

    absent: Absent

    def __init__(self, fields: RequestHeadersLike | None = None) -> None:
        """Take a mapping or (name, value) pairs; each is checked as by assignment."""
        super().__init__()
        self.absent = ()
        if fields is not None:
            self.extend(fields)

    @classmethod
    def of(cls, fields: Iterable[tuple[str, str | None]]) -> "RequestHeaders":
        """Create headers of fields that were checked already."""
        headers = cls.__new__(cls)
        headers._index = headers._key = None
        headers._pairs = tuple([(name, value) for name, value in fields if value is not None])
        headers.absent = tuple([(name, value) for name, value in fields if value is None])
        return headers

    def fields(self) -> Fields:
        """Return every field in order, and then those that are left out."""
        return [*self.as_tuple(), *self.absent]

    def extend(self, fields: RequestHeadersLike) -> None:
        """Append every field of a mapping or of (name, value) pairs; None leaves one out."""
        if isinstance(fields, Headers):
            given: Fields = [*fields.as_tuple(), *getattr(fields, "absent", ())]
        else:
            given = given_fields(fields)
        self._append(tuple([(name, check_field(name, value)) for name, value in given
                            if value is not None]))  # fmt: skip
        for name, value in given:
            if value is None:
                self[name] = None

    def _append(self, more: Pairs) -> None:
        super()._append(more)
        if self.absent:
            self._restore({name.lower() for name, _ in more})

    def __setitem__(self, name: str, value: str | None) -> None:
        """Set a field, in place of those of the same name; None leaves it out.

        Raises:
            InvalidHeader: The name or the value would break the message.
        """
        if self.absent:
            self._restore({name.lower()})
        if value is not None:
            super().__setitem__(name, value)
            return
        if not is_token(name):
            raise InvalidHeader(f"field name {name[:80]!r} is not a token")
        if name in self:
            super().__delitem__(name)
        self.absent += ((name.lower(), None),)

    def __delitem__(self, name: str) -> None:
        before = self.absent
        self._restore({name.lower()})
        if self.absent == before:
            super().__delitem__(name)

    def _restore(self, lower_names: set[str]) -> None:
        self.absent = tuple([each for each in self.absent if each[0] not in lower_names])

    def copy(self) -> "RequestHeaders":
        """Return headers with the same fields."""
        return RequestHeaders.of(self.fields())

    __copy__ = copy

    def __eq__(self, other: object) -> bool:
        """Compare as `Headers` do, and with other RequestHeaders those that are left out too."""
        if isinstance(other, RequestHeaders) and set(self.absent) != set(other.absent):
            return False
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"RequestHeaders({self.fields()!r})"


def has_field(fields: Iterable[tuple[str, str | None]], lower_name: str) -> bool:
    """Whether there is a field of that name, sent or left out. The name is in lower case."""
    return lower_name in [name.lower() for name, _ in fields]


def field_value(fields: Fields, lower_name: str) -> str | None:
    """Return the last field of that name, given in lower case, or None."""
    for name, value in reversed(fields):
        if name.lower() == lower_name:
            return value
    return None


def without(fields: Fields, lower_names: Iterable[str]) -> Fields:
    """Return the fields with other names than these, given in lower case."""
    return [field for field in fields if field[0].lower() not in lower_names]


def merge(standing: RequestHeaders, given: RequestHeadersLike) -> Fields:
    """Return the client's fields with those of the call, which replace fields of the same name.

    Raises:
        InvalidHeader: A field of the call would break the message.
    """
    if type(given) is dict and None not in given.values():
        extra: Fields = [(name, check_field(name, value)) for name, value in given.items()]
    else:
        extra = (given if isinstance(given, RequestHeaders) else RequestHeaders(given)).fields()
    before = standing.fields()
    return without(before, {name.lower() for name, _ in extra}) + extra if before else extra


def with_cookies(fields: Fields, cookies: Mapping[str, str]) -> Fields:
    """Return the fields with one Cookie field that has these cookies too.

    They replace cookies of the same name.

    Raises:
        TypeError: A name or a value is not a str.
        InvalidHeader: A name is not a token, or a value would end the cookie.
    """
    given = [check_cookie(name, value) for name, value in cookies.items()]
    before = ";".join(value for name, value in fields if value and name.lower() == "cookie")
    pairs = [pair.strip() for pair in before.split(";")]
    kept = [pair for pair in pairs if pair and pair.partition("=")[0] not in cookies]
    return [*without(fields, ("cookie",)), ("Cookie", "; ".join([*kept, *given]))]


def check_cookie(name: str, value: str) -> str:
    """Return a cookie as a Cookie field has it (RFC 6265 section 4.2.1).

    Raises:
        TypeError: The name or the value is not a str.
        InvalidHeader: The name is not a token, or the value would end the cookie.
    """
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"name and value of a cookie are str, not {name!r}: {value!r}"[:200])
    if not is_token(name):
        raise InvalidHeader(f"cookie name {name[:80]!r} is not a token")
    if not is_cookie_value(value) or value != value.strip(" "):
        raise InvalidHeader(f"value of cookie {name[:80]} cannot be sent as it is")
    return f"{name}={value}"
