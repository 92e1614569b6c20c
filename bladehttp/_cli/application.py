"""MODULE:NAME: a WSGI application to serve, as gunicorn and waitress name one."""

import re
import sys
from collections.abc import Callable
from functools import partial, reduce
from importlib import import_module
from traceback import format_exception
from types import TracebackType
from typing import Any

from bladehttp._cli.exits import CommandFailed
from bladehttp._cli.terminal import write_error

is_application = partial(
    re.fullmatch, r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\(\))?"
)

is_loading = re.compile(
    rf"{re.escape(__file__)}|<frozen importlib\..*>|.*\bimportlib.__init__\.py"
).fullmatch
"""Matches the files whose frames stand before those of the application in a traceback."""


def load_application(text: str) -> Any:
    """Return the object that "module:name", or what "module:name()" returns.

    The module is looked for in the current directory, too, as by ``python -m``.

    Raises:
        CommandFailed: There is no such module or name in it, or its code raised an exception, whose
            traceback was written to standard error.
    """
    match = is_application(text)
    if match is None:
        raise CommandFailed(f"an application is MODULE:NAME, not {text}")
    module_name, name, is_factory = match.groups()
    if "" not in sys.path:
        sys.path.insert(0, "")
    module = _called(lambda: _imported(module_name, text), text)
    try:
        found: Any = reduce(getattr, name.split("."), module)
    except AttributeError as error:
        raise CommandFailed(f"module {module_name} has no {name}") from error
    return _called(found, text) if is_factory else found


def _imported(module_name: str, text: str) -> Any:
    try:
        return import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # one that the module itself needs
        raise CommandFailed(f"no module {error.name} here, for {text}") from error


def _called(function: Callable[[], Any], text: str) -> Any:
    """Call the application's code, and show where an exception of it comes from."""
    try:
        return function()
    except CommandFailed:
        raise
    except Exception as error:
        write_error("".join(format_exception(type(error), error, _own_frames(error))))
        raise CommandFailed(f"{text} cannot be loaded: {type(error).__name__}: {error}") from error


def _own_frames(error: BaseException) -> TracebackType | None:
    """Return the traceback from the application's first line on."""
    frame = error.__traceback__
    while frame is not None and is_loading(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    return frame
