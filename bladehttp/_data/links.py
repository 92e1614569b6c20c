"""Links: the Link fields of a message (RFC 8288), parsed as in its appendix B.

What is not valid ends the parsing of its field, or is left out; nothing raises.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote_to_bytes

from bladehttp._data.references import resolve

skip_separators = re.compile(r"[ \t,]*").match
skip_blanks = re.compile(r"[ \t]*").match

# appendix B.3: up to the first BWS, "=", ";" or ","
parameter_name = re.compile(r"[^ \t=;,]*").match
plain_value = re.compile(r"[^;,]*").match

# appendix B.4; an unterminated string goes on to the end
quoted_string = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?$)', re.DOTALL).match
unescaped = partial(re.compile(r"\\(.)", re.DOTALL).sub, r"\1")

# RFC 8187 section 3.2.1: ext-value = charset "'" [ language ] "'" value-chars
extended_value = re.compile(r"(utf-8|iso-8859-1)'[^']*'(.*)", re.IGNORECASE | re.DOTALL).fullmatch

FIRST_COUNTS = {"media", "title", "title*", "type", "rel", "anchor"}
"""Parameters of which the first is used (section 3.2, 3.3 and 3.4.1)."""

Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a response.

    Attributes:
        url: Its target, absolute.
        rels: The relation types, in lower case: "next", or a URL for an extension type.
        anchor: Its context if that is another than the response's URL, absolute; else None.
        attributes: (name, value) of its other parameters, names in lower case; a value of "" for
            one that has none. A parameter whose name ends in "*" is decoded (RFC 8187).
    """

    url: str
    rels: tuple[str, ...]
    anchor: str | None = None
    attributes: Parameters = ()

    def get(self, name: str) -> str | None:
        """Return the first attribute of a name, None if there is none."""
        wanted = name.lower()
        return next((value for key, value in self.attributes if key == wanted), None)

    @property
    def title(self) -> str | None:
        """The title: that of ``title*`` if there is one."""
        extended = self.get("title*")
        return self.get("title") if extended is None else extended

    @property
    def type(self) -> str | None:
        """A hint at the media type of the target."""
        return self.get("type")


class Links(Mapping[str, Link]):
    """The links of a response by relation type: ``response.links["next"].url``.

    A type, in any case, stands for the first link that has it. Links with another context than the
    response (``anchor``) are in `all` only.

    Attributes:
        all: Every link, in order.
    """

    __slots__ = ("_by_type", "all")

    def __init__(self, links: Iterable[Link] = ()) -> None:
        self.all: tuple[Link, ...] = tuple(links)
        self._by_type: dict[str, list[Link]] = {}
        for link in self.all:
            for rel in link.rels if link.anchor is None else ():
                self._by_type.setdefault(rel, []).append(link)

    def __getitem__(self, rel: str) -> Link:
        return self._by_type[rel.lower()][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_type)

    def __len__(self) -> int:
        return len(self._by_type)

    def __contains__(self, rel: object) -> bool:
        return isinstance(rel, str) and rel.lower() in self._by_type

    def get_all(self, rel: str) -> list[Link]:
        """Return every link of a type, [] if there is none."""
        return list(self._by_type.get(rel.lower(), ()))

    def __repr__(self) -> str:
        return f"Links({list(self.all)!r})"


def parse_links(values: Iterable[str], base: str) -> Links:
    """Return the links of Link fields.

    Args:
        values: The values of the fields.
        base: The URL of the message, which targets and anchors are relative to.
    """
    return Links(link for value in values for link in _links_of(value, base))


def _links_of(value: str, base: str) -> Iterator[Link]:
    """Yield the links of one field (appendix B.2)."""
    at = _end(skip_separators(value))
    while value.startswith("<", at):
        end = value.find(">", at)
        if end < 0:
            return
        target = value[at + 1 : end].strip()
        parameters, at = _parameters_of(value, end + 1)
        yield _link(target, parameters, base)
        at = _end(skip_separators(value, at))


def _link(target: str, parameters: Parameters, base: str) -> Link:
    named = dict(reversed(parameters))
    anchor, context = named.get("anchor"), resolve("", base)
    resolved = context if anchor is None else resolve(anchor.strip(), base)
    return Link(
        resolve(target, base),
        tuple(dict.fromkeys(named.get("rel", "").lower().split())),
        None if resolved == context else resolved,
        tuple(each for each in parameters if each[0] not in ("rel", "anchor")),
    )


def _parameters_of(value: str, at: int) -> tuple[Parameters, int]:
    """Return the parameters of a link, and the position of the next one (appendix B.3)."""
    found: list[tuple[str, str]] = []
    seen: set[str] = set()
    at = _end(skip_blanks(value, at))
    while value.startswith(";", at):
        start = _end(skip_blanks(value, at + 1))
        at = _end(parameter_name(value, start))
        name = value[start:at].lower()
        text, at = _value_at(value, _end(skip_blanks(value, at)))
        decoded = _decoded(text) if name.endswith("*") else text
        if name and decoded is not None and not (name in FIRST_COUNTS and name in seen):
            seen.add(name)
            found.append((name, decoded))
        at = _end(skip_blanks(value, at))
    return tuple(found), at


def _value_at(value: str, at: int) -> tuple[str, int]:
    """Return the value of a parameter, "" without one, and the position after it."""
    if not value.startswith("=", at):
        return "", at
    at = _end(skip_blanks(value, at + 1))
    if quoted := quoted_string(value, at):
        return unescaped(quoted[1]), quoted.end()
    plain = plain_value(value, at)
    return ("", at) if plain is None else (plain[0].rstrip(" \t"), plain.end())


def _decoded(text: str) -> str | None:
    """Return an extended value decoded (RFC 8187), None if it is not valid."""
    match = extended_value(text)
    if match is None:
        return None
    try:
        return unquote_to_bytes(match[2]).decode(match[1])
    except UnicodeDecodeError:
        return None


def _end(match: re.Match[str] | None) -> int:
    return 0 if match is None else match.end()
