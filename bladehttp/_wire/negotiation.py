"""The content codings a client prefers: RFC 9110 section 12.5.3."""

import re
from collections.abc import Sequence

from bladehttp._data.headers import TCHAR

# RFC 9110 section 12.5.3:  Accept-Encoding = #( codings [ weight ] )
# RFC 9110 section 12.4.2:  weight = OWS ";" OWS "q=" qvalue
#                           qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
member = re.compile(
    rf"[ \t]*([{TCHAR}]+)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{{0,3}})?|1(?:\.0{{0,3}})?))?[ \t]*"
).fullmatch


def acceptable(value: str | None, offered: Sequence[str]) -> list[str]:
    """Return the offered codings that the client prefers to identity, best first.

    Args:
        value: The value of Accept-Encoding, None if there is no such field: then nothing is
            encoded. Malformed members are ignored.
        offered: Codings in lower case, the server's favourite first.
    """
    weights: dict[str, float] = {}
    if value is None:
        return []
    for part in value.lower().split(","):
        match = member(part)
        if match is not None:
            weights[match[1].removeprefix("x-")] = float(match[2] or 1)
    other = weights.get("*", 0.0)
    least = weights.get("identity", other)
    taken = {coding: weights.get(coding, other) for coding in offered}
    good = [coding for coding in offered if taken[coding] > 0 and taken[coding] >= least]
    return sorted(good, key=lambda coding: -taken[coding])


def with_member(value: str | None, name: str) -> str:
    """Return the value of a list of field names, such as Vary, with one more name.

    Args:
        value: The value as it is, None if there is no such field. "*" stays.
        name: The name; it is not repeated.
    """
    members = [part.strip(" \t") for part in (value or "").split(",") if part.strip(" \t")]
    known = {member.lower() for member in members}
    if "*" in known or name.lower() in known:
        return value or ""
    return ", ".join([*members, name])
