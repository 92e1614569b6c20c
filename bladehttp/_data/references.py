"""References: relative to absolute, exactly as in RFC 3986 section 5.2.

`urllib.parse.urljoin` differs: it drops an empty query, an empty parameter and empty segments, and
reads "http:g" as relative. `resolve` takes and returns text; it neither percent-encodes nor checks
hosts.
"""

import re
from functools import partial
from typing import NamedTuple

# RFC 3986 appendix B, the scheme as in section 3.1; it matches any text
split_components = partial(
    re.fullmatch,
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?",
    flags=re.DOTALL,
)

has_leading_dots = partial(re.match, r"(?:\.\.?/)+")


class Components(NamedTuple):
    """The five components of a reference (RFC 3986 section 3); None for an undefined one.

    An undefined component is not an empty one: "/p?" has a query, "/p" has none.
    """

    scheme: str | None
    authority: str | None
    path: str
    query: str | None
    fragment: str | None


def parse_reference(text: str) -> Components:
    """Return the components of any text."""
    match = split_components(text)
    assert match is not None  # every part of the pattern may be empty
    return Components(*match.groups())


def resolve(text: str, base: str) -> str:
    """Return a reference as an absolute URL (RFC 3986 section 5.2.2, strict).

    Args:
        text: The reference; its dot segments are removed even if it is absolute.
        base: An absolute URL. Its fragment is not used.
    """
    reference, origin = parse_reference(text), parse_reference(base)
    scheme, authority, path, query, fragment = reference
    if scheme is None:
        scheme = origin.scheme
        if authority is None:
            authority = origin.authority
            if not path:
                path = origin.path
                query = origin.query if query is None else query
                return recompose(Components(scheme, authority, path, query, fragment))
            path = merge(origin, path)
    path = remove_dot_segments(path)
    return recompose(Components(scheme, authority, path, query, fragment))


def merge(base: Components, path: str) -> str:
    """Return the base's path, its last segment replaced by a reference's path (section 5.2.3)."""
    if path.startswith("/"):
        return path
    if base.authority is not None and not base.path:
        return "/" + path
    return base.path[: base.path.rfind("/") + 1] + path


def remove_dot_segments(path: str) -> str:
    """Return a path without "." and ".." segments (section 5.2.4), in linear time."""
    if leading := has_leading_dots(path):
        path = path[leading.end() :]
    if path in (".", ".."):
        return ""
    first, *segments = path.split("/")
    output = [first] if first else []
    for segment in segments:
        if segment == ".." and output:
            output.pop()
        if segment not in (".", ".."):
            output.append("/" + segment)
    if segments and segments[-1] in (".", ".."):
        output.append("/")
    return "".join(output)


def recompose(parts: Components) -> str:
    """Return the text of components (section 5.3)."""
    scheme, authority, path, query, fragment = parts
    return "".join(
        (
            "" if scheme is None else scheme + ":",
            "" if authority is None else "//" + authority,
            path,
            "" if query is None else "?" + query,
            "" if fragment is None else "#" + fragment,
        )
    )
