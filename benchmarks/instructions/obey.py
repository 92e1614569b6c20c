"""Obey: how a counted program is told what to do, a command a line on its standard input."""

import os
from collections.abc import Callable, Mapping

MARK = "mark"
"""The command that ends one stretch of counting and begins the next."""

FUNCTION = "getloadavg"
"""The C function at whose entry valgrind writes its counters down and sets them to 0."""


def obey(commands: Mapping[str, Callable[[int], object]]) -> None:
    """Do what is asked until standard input ends, and answer each line with one.

    Args:
        commands: Name to function of a number: ``get 400`` calls ``commands["get"](400)``.
    """
    while line := os.read(0, 100):  # one command is sent at a time
        name, _, number = line.decode().strip().partition(" ")
        if name == MARK:
            os.getloadavg()  # FUNCTION: nothing else here calls it
        else:
            commands[name](int(number))
        os.write(1, b"done\n")
