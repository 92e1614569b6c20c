"""Changing fields: those whose value differs with nearly every request.

Proxies set them: X-Request-Id, X-Forwarded-For, traceparent. Without them a field block repeats.
Which they are is learnt from the lines that were new, so it depends on no list of names. A wrong
guess costs a search for a name, and no verdict.
"""

import re
from collections.abc import Callable, Set as AbstractSet

MOST_NAMES = 4
"""Names that are searched for; a further one replaces the oldest."""

EACH = 16
"""Of so many blocks with new lines one is looked at."""

STREAK = 8
"""Blocks that were looked at with a new line of a name, one after the other, after which it is one
that changes. When a server starts, many lines are new that are known later."""


class ChangingFields:
    """Learns the names of changing fields, and cuts their lines out of a field block."""

    __slots__ = ("_blocks", "_names", "_split", "_streaks")

    def __init__(self) -> None:
        """Start without any."""
        self._blocks = 0
        self._names: tuple[bytes, ...] = ()
        self._streaks: dict[bytes, int] = {}
        self._split: Callable[[bytes], list[bytes]] | None = None

    def learn(self, lines: list[bytes], deciding: AbstractSet[str]) -> None:
        """Note the lines of a block that were new.

        Args:
            lines: The lines.
            deciding: Lower-case names of fields that are never cut out. A block with a new one
                would be new without the others, too.
        """
        self._blocks += 1
        if self._blocks % EACH:
            return
        names = {line.partition(b":")[0] for line in lines}
        if any(name.decode("latin-1").lower() in deciding for name in names):
            return
        before = self._streaks
        self._streaks = {name: before.get(name, 0) + 1 for name in names}
        for name, streak in self._streaks.items():
            if streak == STREAK:
                self._names = (name, *self._names)[:MOST_NAMES]
                any_name = b"|".join(map(re.escape, self._names))
                self._split = re.compile(rb"\r\n((?:%b):[^\r]*)" % any_name).split

    def cut(self, lines: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
        """Return a block without the lines of changing fields, and these, the last one first.

        Before each is the number of the other lines that come after it.

        Args:
            lines: Field lines and the empty line after them. The first always stays.
        """
        if self._split is None:
            return lines, []
        parts = self._split(lines)  # each changing line is between two of the others
        if len(parts) == 1:
            return lines, []
        found, after = [], -2  # of the last line and of the empty line
        for at in range(len(parts) - 2, 0, -2):
            after += parts[at + 1].count(b"\r")
            found.append((after, parts[at]))
        return b"".join(parts[::2]), found
