"""Colour: heads and JSON on a terminal, coloured by rich where that is installed.

rich is of the extra "cli" and imported when there is something to colour: it takes longer to
import than many a request takes.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

MOST_COLOURED = 1 << 20
"""Characters of JSON above which it is not coloured: rich takes a second for two million."""

STATUS_STYLES = {"2": "bold green", "3": "bold yellow", "4": "bold red", "5": "bold red"}


def print_head(first: str, fields: Sequence[str], colour: str = "auto") -> None:
    """Print a head: the status line, the fields and an empty line.

    Args:
        first: The status line.
        fields: The lines of the fields, and an empty one.
        colour: "auto": as the terminal can and NO_COLOR allows; "always" or "never".
    """
    rich = _rich(colour)
    if rich is None:
        sys.stdout.write("\n".join((first, *fields, "")))
        return
    text = rich.Text()
    text.append(f"{first}\n", STATUS_STYLES.get(first.partition(" ")[2][:1], "bold"))
    for line in fields:
        name, colon, value = line.partition(":")
        text.append(f"{name}{colon}", "cyan").append(f"{value}\n")
    _print(text, colour)


def print_json(text: str, colour: str = "auto") -> None:
    """Print JSON that is laid out already; ``colour`` as of `print_head`."""
    rich = _rich(colour) if len(text) <= MOST_COLOURED else None
    if rich is None:
        sys.stdout.write(f"{text}\n")
        return
    coloured = rich.Text(f"{text}\n")
    import_module("rich.highlighter").JSONHighlighter().highlight(coloured)
    _print(coloured, colour)


def _rich(colour: str) -> Any:
    """Return the module rich.text, None if it is not installed or nothing is to be coloured."""
    if colour == "never":
        return None
    try:
        return import_module("rich.text")
    except ImportError:
        return None


def _print(text: Any, colour: str) -> None:
    """Print a text without wrapping, so that a copy from the terminal is exact."""
    make = import_module("rich.console").Console
    forced = {"force_terminal": True, "no_color": False} if colour == "always" else {}
    console = make(file=sys.stdout, highlight=False, **forced)
    console.print(text, soft_wrap=True, end="")
