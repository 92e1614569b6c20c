"""The command line: ``bladehttp``, or ``python -m bladehttp``.

A command is a row in `commands.COMMANDS` and a module of its own here, which is imported when the
command is asked for and no sooner, so that ``--help`` waits for nothing.
"""

from bladehttp._cli.program import main

__all__ = ["main"]
