"""What the clients run, each in a process of its own: one function a peer and kind of work.

Each function opens a client and returns another, which does a bit of the work and returns how
many units that was. Modules import what they measure inside those functions, as the others may not
be there.
"""

from collections.abc import Callable

Bit = Callable[[], int]
"""Does a bit of work and returns how many units it was."""

BATCH = 20
"""Requests between two looks at the clock."""


def repeated(get: Callable[[], object]) -> Bit:
    """Return the bit of work that is a batch of the same request, each a unit."""

    def batch() -> int:
        for _ in range(BATCH):
            get()
        return BATCH

    return batch
